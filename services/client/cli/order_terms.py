"""What `vigil order` and a line of `vigil batch` say of an order, and the command that it makes; it sends nothing.

Prices, sizes and parts stay text until the gateway reads them: nothing is rounded.
"""

import re
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec
import typer

from services.client.cli.app import duration_ms
from services.client.commands import BUY, SELL, order_command
from services.client.waiting import (
    MARK,
    STOP,
    TAKE_PROFIT,
    TRAILING,
    TriggerBy,
    TriggerKind,
    order_exit,
    trigger_command,
)
from services.core.fixed import Milliseconds
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

SIDES = {"buy": BUY, "sell": SELL}
SELF_TRADES = {
    "reject-taker": common_pb2.SELF_TRADE_REJECT_TAKER,
    "cancel-maker": common_pb2.SELF_TRADE_CANCEL_MAKER,
    "cancel-both": common_pb2.SELF_TRADE_CANCEL_BOTH,
    "decrement": common_pb2.SELF_TRADE_DECREMENT,
}
TRIGGER_BYS = {
    "mark": MARK,
    "index": common_pb2.TRIGGER_BY_INDEX,
    "last": common_pb2.TRIGGER_BY_LAST,
}
TIMES_IN_FORCE = {
    "ioc": common_pb2.TIME_IN_FORCE_IOC,
    "fok": common_pb2.TIME_IN_FORCE_FOK,
    "post_only": common_pb2.TIME_IN_FORCE_POST_ONLY,
    "slide": common_pb2.TIME_IN_FORCE_POST_ONLY_SLIDE,
}
CONDITIONS = {"stop": STOP, "take_profit": TAKE_PROFIT, "trail": TRAILING}
AT_ONCE_ALONE = (
    *("display", "expires_in", "bracket_tp", "bracket_sl"),
    *("auto_borrow", "auto_borrow_repay", "auto_lend_redeem", "auto_lend"),
)
"""What orders that wait for a price do not have."""
WHOLE_POSITION = "all"
Choice = TypeVar("Choice")
Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
SubaccountNumber: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=255)]
PART = re.compile(r"\d+(\.\d+)?%?", re.ASCII)


class OrderTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One order, by the names of the options; "" and 0 are what was not said."""

    side: Literal["buy", "sell"]
    symbol: str
    size: str
    price: str = ""
    stop: str = ""
    take_profit: str = ""
    trail: str = ""
    trigger_price: str = ""
    trigger_by: str = ""
    oco: Number = 0
    bracket_tp: str = ""
    bracket_sl: str = ""
    display: str = ""
    ioc: bool = False
    fok: bool = False
    post_only: bool = False
    slide: bool = False
    reduce_only: bool = False
    expires_in: str = ""
    self_trade: str = "reject-taker"
    client_id: Number = 0
    auto_borrow: bool = False
    auto_borrow_repay: bool = False
    auto_lend_redeem: bool = False
    auto_lend: bool = False
    subaccount: SubaccountNumber = 0

    def __str__(self) -> str:
        words = [self.side, self.size, self.symbol]
        words += [f"at {self.price}"] if self.price else []
        return " ".join([*words, *(f"{spoken(name)} {getattr(self, name)}" for name in said(self, *CONDITIONS))])


def command_of(terms: OrderTerms, now_ms: Milliseconds) -> pb.Command:
    """Command of an order; BadParameter when its terms do not go together, which says what would be accepted."""
    conditions = said(terms, *CONDITIONS)
    only_one(conditions)
    chosen(terms.self_trade, SELF_TRADES, "--self-trade")
    if terms.trigger_price and not terms.trail:
        raise typer.BadParameter(
            "--trigger-price is where --trail begins to follow; --stop and --take-profit name theirs"
        )
    if terms.trigger_by and not conditions and not said(terms, "bracket_tp", "bracket_sl"):
        raise typer.BadParameter(
            "--trigger-by is for orders that wait: give --stop, --take-profit, --trail or a bracket"
        )
    return waiting_order(terms, conditions[0]) if conditions else plain_order(terms, now_ms)


def plain_order(terms: OrderTerms, now_ms: Milliseconds) -> pb.Command:
    """Command of an order that does not wait."""
    if terms.size == WHOLE_POSITION:
        raise typer.BadParameter("size `all` is for orders that wait; write a decimal, such as 0.1")
    return order_command(
        terms.symbol,
        SIDES[terms.side],
        size=terms.size,
        price=terms.price or None,
        time_in_force=time_in_force_of(terms),
        client_id=terms.client_id,
        reduce_only=terms.reduce_only,
        self_trade=SELF_TRADES[terms.self_trade],
        expires_ms=duration_ms(terms.expires_in) + now_ms if terms.expires_in else 0,
        display=terms.display or None,
        group=terms.oco,
        exits=exits_of(terms),
        subaccount=terms.subaccount,
        auto_borrow=terms.auto_borrow,
        auto_borrow_repay=terms.auto_borrow_repay,
        auto_lend_redeem=terms.auto_lend_redeem,
        auto_lend=terms.auto_lend,
    )


def waiting_order(terms: OrderTerms, condition: str) -> pb.Command:
    """Command of an order that waits for a price."""
    others = said(terms, *AT_ONCE_ALONE)
    if others:
        raise typer.BadParameter(f"{options_of(others)}: not for an order that waits by {options_of([condition])}")
    return trigger_command(
        terms.symbol,
        SIDES[terms.side],
        CONDITIONS[condition],
        size=None if terms.size == WHOLE_POSITION else terms.size,
        trigger_price=terms.stop or terms.take_profit or terms.trigger_price or None,
        price=terms.price or None,
        trail=part_of(terms.trail, "--trail") if terms.trail else None,
        trigger_by=trigger_by_of(terms),
        time_in_force=time_in_force_of(terms),
        client_id=terms.client_id,
        reduce_only=terms.reduce_only,
        self_trade=SELF_TRADES[terms.self_trade],
        group=terms.oco,
        subaccount=terms.subaccount,
    )


def exits_of(terms: OrderTerms) -> list[pb.Exit]:
    """Exits of a bracket."""
    named = (("bracket_tp", terms.bracket_tp, TAKE_PROFIT), ("bracket_sl", terms.bracket_sl, STOP))
    return [exit_of(name, text, kind, trigger_by_of(terms)) for name, text, kind in named if text]


def exit_of(name: str, text: str, kind: TriggerKind, trigger_by: TriggerBy) -> pb.Exit:
    """One exit: TRIGGER or TRIGGER:LIMIT, of a stop also a part such as 2%, which trails."""
    if kind == STOP and text.endswith("%"):
        return order_exit(TRAILING, trail=part_of(text, options_of([name])), trigger_by=trigger_by)
    trigger_price, colon, price = text.partition(":")
    if not trigger_price or bool(colon) != bool(price):
        raise typer.BadParameter(f"{options_of([name])} {text!r}: write TRIGGER or TRIGGER:LIMIT, such as 8000:7990")
    return order_exit(kind, trigger_price=trigger_price, price=price or None, trigger_by=trigger_by)


def time_in_force_of(terms: OrderTerms) -> "common_pb2.TimeInForce.ValueType | None":
    """Time in force that was asked for; None for the usual one."""
    asked = said(terms, *TIMES_IN_FORCE)
    only_one(asked)
    return TIMES_IN_FORCE[asked[0]] if asked else None


def trigger_by_of(terms: OrderTerms) -> TriggerBy:
    """Price that is watched: the mark unless another one was named."""
    return chosen(terms.trigger_by or "mark", TRIGGER_BYS, "--trigger-by")


def chosen(name: str, among: dict[str, Choice], option: str) -> Choice:
    """Value of an enum by its name; BadParameter says which there are."""
    if name not in among:
        raise typer.BadParameter(f"no {option} {name}: there are {', '.join(among)}")
    return among[name]


def part_of(text: str, option: str) -> str:
    """A part of one, of 2% or 0.02; BadParameter otherwise."""
    if not PART.fullmatch(text):
        raise typer.BadParameter(f"{option} {text!r}: write a part such as 2% or 0.02")
    return f"{Decimal(text[:-1]).scaleb(-2):f}" if text.endswith("%") else text


def said(terms: OrderTerms, *names: str) -> list[str]:
    """Those of the options that were given."""
    return [name for name in names if getattr(terms, name)]


def only_one(names: list[str]) -> None:
    """Let at most one of some options be given; BadParameter otherwise."""
    if len(names) > 1:
        raise typer.BadParameter(f"{options_of(names)} exclude each other")


def options_of(names: list[str]) -> str:
    """Options as they are written."""
    return " and ".join(f"--{name.replace('_', '-')}" for name in names)


def spoken(name: str) -> str:
    """Name of an option within a sentence."""
    return name.replace("_", "-")
