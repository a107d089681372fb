"""A command becomes the message of its machine, or is refused with what would be accepted."""

import pytest

from services.core import messages as m
from services.core.keys import SigningKey
from services.core.reasons import Reason
from services.gateway.fields import CommandRefused
from services.gateway.translate import translate
from tests.unit.gateway.venue import SPOT, Listed
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

ACCOUNT = 77
STOP, TRAILING = common_pb2.TRIGGER_KIND_STOP, common_pb2.TRIGGER_KIND_TRAILING
LAST = common_pb2.TRIGGER_BY_LAST
HEADER = m.CommandHeader(ACCOUNT, 1, 2, 3, 4)
SYMBOL = "BTC_USDC_PERP"
BUY, SELL = common_pb2.SIDE_BID, common_pb2.SIDE_ASK
IOC, FOK = common_pb2.TIME_IN_FORCE_IOC, common_pb2.TIME_IN_FORCE_FOK
KEY = SigningKey(bytes([1] * 32))


def order(**changes: object) -> pb.Command:
    fields = {"symbol": SYMBOL, "side": BUY, "size": "0.5", "price": "8000.1"} | changes
    return pb.Command(place_order=pb.PlaceOrder(**fields))  # type: ignore[arg-type]


def cancel(**fields: object) -> pb.Command:
    return pb.Command(cancel_order=pb.CancelOrder(**{"symbol": SYMBOL, **fields}))  # type: ignore[arg-type]


def deposit(**changes: object) -> pb.Command:
    fields = {"asset": "USDC", "amount": "1"} | changes
    return pb.Command(faucet_deposit=pb.FaucetDeposit(**fields))  # type: ignore[arg-type]


def withdrawal(**changes: object) -> pb.Command:
    fields = {"asset": "USDC", "amount": "1", "address": "a"} | changes
    return pb.Command(withdraw=pb.Withdraw(**fields))  # type: ignore[arg-type]


def replace(**changes: object) -> pb.Command:
    fields = {"symbol": SYMBOL, "size": "0.5", "price": "8000.1", "order_id": 5} | changes
    return pb.Command(replace_order=pb.ReplaceOrder(**fields))  # type: ignore[arg-type]


def quotes(*rows: tuple[int, int, str, str]) -> pb.Command:
    lines = [
        pb.Quote(client_id=client_id, side=common_pb2.Side.ValueType(side), price=price, size=size)
        for client_id, side, price, size in rows
    ]
    return pb.Command(mass_quote=pb.MassQuote(symbol=SYMBOL, quotes=lines))


def transfer(**changes: object) -> pb.Command:
    fields = {"receiver": 3, "asset": "USDC", "amount": "1.5"} | changes
    return pb.Command(transfer=pb.Transfer(**fields))  # type: ignore[arg-type]


def added(**changes: object) -> pb.Command:
    fields = {"key": KEY.public, "scopes": 3} | changes
    return pb.Command(add_key=pb.AddKey(**fields))  # type: ignore[arg-type]


def at(at_ms: int) -> pb.Command:
    return pb.Command(schedule_cancel=pb.ScheduleCancel(at_ms=at_ms))


FIRST = ACCOUNT * 256
ACCEPTED = [
    ("limit order", order(), m.PlaceOrder(HEADER, FIRST, 1, 1, 0, 800_010, 50_000)),
    ("market order", order(price="", side=SELL, time_in_force=IOC), m.PlaceOrder(HEADER, FIRST, 1, -1, 1, 0, 50_000)),
    (
        "iceberg in a group",
        order(display="0.01", group=7),
        m.PlaceOrder(HEADER, FIRST, 1, 1, 0, 800_010, 50_000, display=1_000, group=7),
    ),
    (
        "bracket",
        order(
            exits=[
                pb.Exit(kind=STOP, trigger_by=LAST, trigger_price="7000", price="6900"),
                pb.Exit(kind=TRAILING, trail="0.015"),
            ]
        ),
        m.PlaceOrder(
            *(HEADER, FIRST, 1, 1, 0, 800_010, 50_000),
            exits=[(1, 3, 700_000, 690_000, 0), (3, 1, 0, 0, 15 * 10**9)],
        ),
    ),
    ("all fields", order(subaccount=255, client_id=9), m.PlaceOrder(HEADER, FIRST + 255, 1, 1, 0, 800_010, 50_000, 9)),
    ("cancel by order id", cancel(order_id=5), m.CancelOrder(HEADER, FIRST, 1, 5, 0)),
    ("cancel by client id", cancel(client_id=6), m.CancelOrder(HEADER, FIRST, 1, 0, 6)),
    (
        "good till a time, smaller instead of trading with oneself",
        order(expires_ms=9, self_trade=3, time_in_force=2, reduce_only=True),
        m.PlaceOrder(HEADER, FIRST, 1, 1, 2, 800_010, 50_000, 0, reduce_only=True, self_trade=3, expires_ms=9),
    ),
    (
        "market order, all or nothing",
        order(price="", time_in_force=FOK),
        m.PlaceOrder(HEADER, FIRST, 1, 1, 3, 0, 50_000),
    ),
    ("replace", replace(), m.ReplaceOrder(HEADER, FIRST, 1, 800_010, 50_000, 5, 0)),
    ("cancel all", pb.Command(cancel_all=pb.CancelAll()), m.CancelAll(HEADER, FIRST, 0)),
    ("cancel all of a market", pb.Command(cancel_all=pb.CancelAll(symbol=SYMBOL)), m.CancelAll(HEADER, FIRST, 1)),
    ("cancel triggers alone", pb.Command(cancel_all=pb.CancelAll(what=2)), m.CancelAll(HEADER, FIRST, 0, 2)),
    (
        "quotes placed and withdrawn",
        quotes((1, BUY, "8000", "0.5"), (2, SELL, "", "0"), (3, SELL, "8001", "")),
        m.MassQuote(HEADER, FIRST, 1, [(1, 1, 800_000, 50_000), (2, -1, 0, 0), (3, -1, 0, 0)]),
    ),
    ("scheduled cancel", at(10**12), m.ScheduleCancel(HEADER, FIRST, 10**12)),
    ("scheduled cancel called off", at(0), m.ScheduleCancel(HEADER, FIRST, 0)),
    ("transfer", transfer(), m.Transfer(HEADER, FIRST, FIRST + 3, 1, 150_000_000)),
    ("added key", added(expires_ms=7), m.AddKey(HEADER, KEY.public, 3, 7)),
    ("revoked key", pb.Command(revoke_key=pb.RevokeKey(key_id=8)), m.RevokeKey(HEADER, 8)),
    ("deposit", deposit(amount="0.00000001"), m.FaucetDeposit(HEADER, FIRST, 1, 1)),
    ("withdrawal", withdrawal(address="0xAb"), m.Withdraw(HEADER, FIRST, 1, 10**8, "0xAb")),
    ("opening", pb.Command(open_account=pb.OpenAccount()), m.OpenAccount(HEADER, b"key")),
]
REFUSED = [
    ("nothing asked", pb.Command(), Reason.MALFORMED, "no request"),
    ("subaccount", order(subaccount=256), Reason.INVALID_SUBACCOUNT, "255"),
    ("symbol", order(symbol="btc"), Reason.UNKNOWN_MARKET, "'btc'"),
    ("no side", order(side=0), Reason.INVALID_ORDER, "SIDE_BID"),
    ("unknown side", order(side=3), Reason.INVALID_ORDER, "3"),
    ("unknown time in force", order(time_in_force=99), Reason.INVALID_ORDER, "POST_ONLY_SLIDE (4)"),
    ("no size", order(size=""), Reason.INVALID_SIZE, "plain decimal"),
    ("size 0", order(size="0"), Reason.INVALID_SIZE, "multiples of 0.0001 up to 100"),
    ("size off the lot", order(size="0.00001"), Reason.INVALID_SIZE, "0.0001"),
    ("size too large", order(size="100.0001"), Reason.INVALID_SIZE, "up to 100"),
    ("size too exact", order(size="0.000001"), Reason.INVALID_SIZE, "at most 5"),
    ("price 0", order(price="0"), Reason.INVALID_PRICE, "0.1"),
    ("price off the tick", order(price="8000.05"), Reason.INVALID_PRICE, "multiples of 0.1"),
    ("price too high", order(price="1000000.1"), Reason.INVALID_PRICE, "up to 1000000"),
    ("price as words", order(price="market"), Reason.INVALID_PRICE, "'market'"),
    ("market order that rests", order(price=""), Reason.INVALID_ORDER, "IOC"),
    ("reduce-only without positions", order(symbol=SPOT.symbol, reduce_only=True), Reason.INVALID_ORDER, "spot"),
    ("an end of what never rests", order(expires_ms=5, time_in_force=IOC), Reason.INVALID_ORDER, "never do"),
    ("an end before time began", order(expires_ms=-1), Reason.INVALID_EXPIRY, "Unix ms"),
    ("an iceberg that never rests", order(display="0.1", time_in_force=FOK), Reason.INVALID_ORDER, "never do"),
    ("an iceberg that hides nothing", order(display="0.5"), Reason.INVALID_SIZE, "smaller than the size"),
    ("an iceberg's tip off the lot", order(display="0.00001"), Reason.INVALID_SIZE, "0.0001"),
    ("three exits", order(exits=[pb.Exit(kind=STOP, trigger_price="1")] * 3), Reason.INVALID_EXITS, "at most 2"),
    ("an exit of no kind", order(exits=[pb.Exit()]), Reason.INVALID_TRIGGER, "STOP (1)"),
    ("a cancel of something unheard of", pb.Command(cancel_all=pb.CancelAll(what=4)), Reason.INVALID_ORDER, "2 (trig"),
    ("self-trade unheard of", order(self_trade=9), Reason.INVALID_ORDER, "DECREMENT (3)"),
    ("too many figures", order(symbol=SPOT.symbol, price="1234.56"), Reason.INVALID_PRICE, "5 significant"),
    ("replace without price", replace(price=""), Reason.INVALID_PRICE, "plain decimal"),
    ("replace of nothing", replace(order_id=0), Reason.INVALID_ORDER, "not 0"),
    ("no quotes", quotes(), Reason.INVALID_ORDER, "1 to 100"),
    ("101 quotes", quotes(*((one, BUY, "", "") for one in range(1, 102))), Reason.INVALID_ORDER, "1 to 100"),
    ("a quote twice", quotes((1, BUY, "", ""), (1, SELL, "", "")), Reason.INVALID_ORDER, "of its own"),
    ("a quote without id", quotes((0, BUY, "", "")), Reason.INVALID_ORDER, "not 0"),
    ("a quote off the tick", quotes((1, BUY, "8000.05", "1")), Reason.INVALID_PRICE, "multiples of 0.1"),
    ("a quote of no side", quotes((1, 0, "8000", "1")), Reason.INVALID_ORDER, "SIDE_BID"),
    ("transfer to oneself", transfer(receiver=0), Reason.INVALID_SUBACCOUNT, "two subaccounts"),
    ("transfer too far", transfer(receiver=256), Reason.INVALID_SUBACCOUNT, "255"),
    ("no key", added(key=b""), Reason.INVALID_KEY, "32 bytes"),
    ("a weak key", added(key=bytes(32)), Reason.INVALID_KEY, "32 bytes"),
    ("a key that may nothing", added(scopes=0), Reason.INVALID_KEY, "scopes"),
    ("a scope unheard of", added(scopes=8), Reason.INVALID_KEY, "scopes"),
    ("a cancel at the end of numbers", at(2**62), Reason.INVALID_EXPIRY, "Unix ms"),
    ("cancel of nothing", cancel(), Reason.INVALID_ORDER, "order_id or a client_id"),
    ("cancel of 0", cancel(order_id=0), Reason.INVALID_ORDER, "not 0"),
    ("unknown asset", deposit(asset="btc"), Reason.UNKNOWN_ASSET, "'btc'"),
    ("amount 0", deposit(amount="0"), Reason.INVALID_AMOUNT, "more than 0"),
    ("more than the faucet gives", deposit(amount="1000001"), Reason.INVALID_AMOUNT, "1000000 USDC"),
    ("no address", withdrawal(address=""), Reason.MALFORMED, "1 to 128"),
    ("long address", withdrawal(address="a" * 129), Reason.MALFORMED, "1 to 128"),
    ("address of another script", withdrawal(address="\u0430bc"), Reason.MALFORMED, "ASCII"),
    ("address with a line", withdrawal(address="a\nb"), Reason.MALFORMED, "printable"),
]


@pytest.mark.parametrize(("command", "message"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_translated(command: pb.Command, message: m.Message) -> None:
    assert translate(command, HEADER, b"key", Listed()) == message


@pytest.mark.parametrize(("command", "reason", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(command: pb.Command, reason: Reason, text: str) -> None:
    with pytest.raises(CommandRefused) as refused:
        translate(command, HEADER, b"key", Listed())
    assert refused.value.reason is reason
    assert text in refused.value.text
