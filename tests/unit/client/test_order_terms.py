"""What `vigil order` and the lines of a batch make of their options."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from services.client.cli.order import BATCH_MAX, command_at, terms_of, terms_of_file
from services.client.cli.order_terms import OrderTerms, command_of
from services.core.fixed import Milliseconds
from vigil.v1 import common_pb2 as c
from vigil.v1 import trading_pb2 as pb

NOW: Milliseconds = 1_000_000
SYMBOL = "BTC_USDC_PERP"


def terms(**said: Any) -> OrderTerms:
    return msgspec.convert({"side": "sell", "symbol": SYMBOL, "size": "0.5", **said}, OrderTerms)


ORDERS: dict[str, tuple[dict[str, Any], pb.PlaceOrder]] = {
    "market": ({}, pb.PlaceOrder(time_in_force=c.TIME_IN_FORCE_IOC)),
    "limit": ({"price": "8000"}, pb.PlaceOrder(price="8000")),
    "iceberg": ({"price": "8000", "display": "0.1"}, pb.PlaceOrder(price="8000", display="0.1")),
    "one of a group": ({"price": "8000", "oco": 7}, pb.PlaceOrder(price="8000", group=7)),
    "it ends": ({"price": "8000", "expires_in": "5m"}, pb.PlaceOrder(price="8000", expires_ms=NOW + 300_000)),
    "bracket": (
        {"price": "8000", "bracket_tp": "7500", "bracket_sl": "8200:8210", "trigger_by": "index"},
        pb.PlaceOrder(
            price="8000",
            exits=[
                pb.Exit(kind=c.TRIGGER_KIND_TAKE_PROFIT, trigger_by=c.TRIGGER_BY_INDEX, trigger_price="7500"),
                pb.Exit(kind=c.TRIGGER_KIND_STOP, trigger_by=c.TRIGGER_BY_INDEX, trigger_price="8200", price="8210"),
            ],
        ),
    ),
    "bracket that trails": (
        {"price": "8000", "bracket_sl": "2.5%"},
        pb.PlaceOrder(
            price="8000",
            exits=[pb.Exit(kind=c.TRIGGER_KIND_TRAILING, trigger_by=c.TRIGGER_BY_MARK, trail="0.025")],
        ),
    ),
}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_that_acts_at_once(name: str) -> None:
    said, wanted = ORDERS[name]
    wanted.MergeFrom(pb.PlaceOrder(symbol=SYMBOL, side=c.SIDE_ASK, size="0.5"))
    assert command_of(terms(**said), NOW).place_order == wanted


TRIGGERS: dict[str, tuple[dict[str, Any], pb.PlaceTrigger]] = {
    "stop at market": (
        {"stop": "7900"},
        pb.PlaceTrigger(kind=c.TRIGGER_KIND_STOP, trigger_price="7900", time_in_force=c.TIME_IN_FORCE_IOC),
    ),
    "stop with a limit": (
        {"stop": "7900", "price": "7890", "oco": 3, "client_id": 4},
        pb.PlaceTrigger(kind=c.TRIGGER_KIND_STOP, trigger_price="7900", price="7890", group=3, client_id=4),
    ),
    "take profit, post-only": (
        {"take_profit": "8500", "price": "8510", "post_only": True, "trigger_by": "mark"},
        pb.PlaceTrigger(
            kind=c.TRIGGER_KIND_TAKE_PROFIT,
            trigger_price="8500",
            price="8510",
            time_in_force=c.TIME_IN_FORCE_POST_ONLY,
        ),
    ),
    "trailing from a price on": (
        {"trail": "2%", "trigger_price": "8200"},
        pb.PlaceTrigger(
            kind=c.TRIGGER_KIND_TRAILING, trail="0.02", trigger_price="8200", time_in_force=c.TIME_IN_FORCE_IOC
        ),
    ),
    "trailing by part": (
        {"trail": "0.03", "reduce_only": True},
        pb.PlaceTrigger(
            kind=c.TRIGGER_KIND_TRAILING, trail="0.03", reduce_only=True, time_in_force=c.TIME_IN_FORCE_IOC
        ),
    ),
}


@pytest.mark.parametrize("name", TRIGGERS)
def test_an_order_that_waits(name: str) -> None:
    said, wanted = TRIGGERS[name]
    common = pb.PlaceTrigger(symbol=SYMBOL, side=c.SIDE_ASK, size="0.5", trigger_by=c.TRIGGER_BY_MARK)
    wanted.MergeFrom(common)
    assert command_of(terms(**said), NOW).place_trigger == wanted


def test_a_stop_of_all_closes_the_position_of_its_moment() -> None:
    placed = command_of(terms(size="all", stop="7900", trigger_by="last"), NOW).place_trigger
    assert (placed.size, placed.trigger_by) == ("", c.TRIGGER_BY_LAST)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two conditions": ({"stop": "1", "trail": "2%"}, "--stop and --trail exclude each other"),
    "two times in force": ({"price": "1", "ioc": True, "post_only": True}, "--ioc and --post-only exclude each other"),
    "all of nothing": ({"size": "all"}, "such as 0.1"),
    "an iceberg that waits": ({"stop": "1", "display": "0.1"}, "--display: not for an order that waits by --stop"),
    "no such price": ({"stop": "1", "trigger_by": "mid"}, "there are mark, index, last"),
    "a price nobody watches": (
        {"price": "1", "trigger_by": "last"},
        "give --stop, --take-profit, --trail or a bracket",
    ),
    "no such choice": ({"self_trade": "never"}, "there are reject-taker, cancel-maker, cancel-both, decrement"),
    "a start of no trail": ({"stop": "1", "trigger_price": "2"}, "where --trail begins to follow"),
    "no part": ({"trail": "two"}, "write a part such as 2% or 0.02"),
    "half a bracket": ({"price": "1", "bracket_tp": "8000:"}, "write TRIGGER or TRIGGER:LIMIT"),
    "no time": ({"price": "1", "expires_in": "5"}, "write 500ms, 30s, 5m, 2h or 1d"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_terms_that_do_not_go_together_say_what_would(name: str) -> None:
    said, text = REFUSED[name]
    with pytest.raises(typer.BadParameter, match=text):
        command_of(terms(**said), NOW)


LINE = '{"side": "buy", "symbol": "BTC_USDC_PERP", "size": "0.1", "price": "8000"}'
BAD_LINES = {
    "no JSON": ("buy 1", "line 3: JSON is malformed"),
    "a number": ('{"side": "buy", "symbol": "X", "size": 0.1}', "line 3: Expected `str`, got `float`"),
    "no side": ('{"symbol": "X", "size": "1"}', "line 3: Object missing required field `side`"),
    "no such field": ('{"side": "buy", "symbol": "X", "size": "1", "stp": "2"}', "unknown field `stp`.*take_profit"),
    "a number too large": ('{"side": "buy", "symbol": "X", "size": "1", "oco": 4294967296}', "<= 4294967295"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_of_a_batch_says_where_and_what(name: str) -> None:
    line, text = BAD_LINES[name]
    with pytest.raises(typer.BadParameter, match=text):
        terms_of(3, line)


def test_an_order_of_a_batch_that_cannot_be_names_its_line() -> None:
    with pytest.raises(typer.BadParameter, match="line 9: --stop and --trail"):
        command_at(9, terms(stop="1", trail="2%"), NOW)


def test_a_batch_holds_fifty_orders_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_text("# fifty of them\n\n" + f"{LINE}\n" * BATCH_MAX)
    numbered = terms_of_file(str(file))
    assert ([number for number, _ in numbered], {str(one) for _, one in numbered}) == (
        list(range(3, 3 + BATCH_MAX)),
        {"buy 0.1 BTC_USDC_PERP at 8000"},
    )
    for count in (0, BATCH_MAX + 1):
        file.write_text(f"{LINE}\n" * count)
        with pytest.raises(typer.BadParameter, match=f"holds {count} orders: 1 to 50"):
            terms_of_file(str(file))
