"""What waits, protects and bounds becomes the message of its machine, or is refused with what would be accepted."""

import pytest

from services.core import messages as m
from services.core.reasons import Reason
from services.gateway.fields import CommandRefused
from services.gateway.translate import translate
from tests.unit.gateway.venue import SPOT, Listed
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

ACCOUNT = 77
FIRST = ACCOUNT * 256
HEADER = m.CommandHeader(ACCOUNT, 1, 2, 3, 4)
SYMBOL = "BTC_USDC_PERP"
BUY, SELL = common_pb2.SIDE_BID, common_pb2.SIDE_ASK
IOC, FOK = common_pb2.TIME_IN_FORCE_IOC, common_pb2.TIME_IN_FORCE_FOK
STOP, TAKE_PROFIT = common_pb2.TRIGGER_KIND_STOP, common_pb2.TRIGGER_KIND_TAKE_PROFIT
TRAILING, TWAP = common_pb2.TRIGGER_KIND_TRAILING, common_pb2.TRIGGER_KIND_TWAP
PERCENT = 10**10


def trigger(**changes: object) -> pb.Command:
    fields = {"symbol": SYMBOL, "kind": STOP, "side": SELL, "trigger_price": "7000", "time_in_force": IOC} | changes
    return pb.Command(place_trigger=pb.PlaceTrigger(**fields))  # type: ignore[arg-type]


def twap(**changes: object) -> pb.Command:
    times = {"duration_ms": 600_000, "interval_ms": 60_000}
    fields = {"symbol": SYMBOL, "side": BUY, "size": "150", "tolerance": "0.01", **times} | changes
    return pb.Command(place_twap=pb.PlaceTwap(**fields))  # type: ignore[arg-type]


def cancelled(**named: int) -> pb.Command:
    return pb.Command(cancel_trigger=pb.CancelTrigger(symbol=SYMBOL, **named))


def leverage(most: int) -> pb.Command:
    return pb.Command(set_leverage=pb.SetLeverage(leverage_max=most))


def protection(**changes: object) -> pb.Command:
    fields = {"symbol": SYMBOL, "interval_ms": 5_000, "quantity_max": "2"} | changes
    return pb.Command(set_protection=pb.SetProtection(**fields))  # type: ignore[arg-type]


ACCEPTED = [
    ("stop that closes the position", trigger(), m.PlaceTrigger(HEADER, FIRST, 1, 1, -1, 1, 1, 700_000, 0, 0)),
    ("so does size 0", trigger(size="0"), m.PlaceTrigger(HEADER, FIRST, 1, 1, -1, 1, 1, 700_000, 0, 0)),
    (
        "take-profit with a limit, by the last price",
        trigger(
            kind=TAKE_PROFIT,
            trigger_by=common_pb2.TRIGGER_BY_LAST,
            price="8000.1",
            size="0.5",
            time_in_force=0,
            client_id=9,
            group=4,
            reduce_only=True,
            self_trade=2,
        ),
        m.PlaceTrigger(
            *(HEADER, FIRST, 1, 2, -1, 0, 3, 700_000, 800_010, 50_000, 0, 9), reduce_only=True, self_trade=2, group=4
        ),
    ),
    (
        "trailing from where the price is, to the last digit",
        trigger(kind=TRAILING, trigger_price="", trail="0.010000000001"),
        m.PlaceTrigger(HEADER, FIRST, 1, 3, -1, 1, 1, 0, 0, 0, PERCENT + 1),
    ),
    ("a TWAP larger than one order", twap(), m.PlaceTwap(HEADER, FIRST, 1, 1, 15_000_000, 600_000, 60_000, PERCENT)),
    ("cancel by id", cancelled(trigger_id=5), m.CancelTrigger(HEADER, FIRST, 1, 5, 0)),
    ("cancel by client id", cancelled(client_id=6), m.CancelTrigger(HEADER, FIRST, 1, 0, 6)),
    ("leverage", leverage(100), m.SetLeverage(HEADER, FIRST, 100)),
    ("no leverage of its own", leverage(0), m.SetLeverage(HEADER, FIRST, 0)),
    ("protection", protection(frozen_ms=9), m.SetProtection(HEADER, FIRST, 1, 5_000, 200_000, 0, 9)),
    ("no protection", protection(interval_ms=0, quantity_max=""), m.SetProtection(HEADER, FIRST, 1, 0, 0, 0, 0)),
    (
        "quotes again",
        pb.Command(reset_protection=pb.ResetProtection(subaccount=1, symbol=SYMBOL)),
        m.ResetProtection(HEADER, FIRST + 1, 1),
    ),
]
REFUSED = [
    ("no kind", trigger(kind=0), Reason.INVALID_TRIGGER, "TRAILING (3)"),
    ("a TWAP as a trigger", trigger(kind=TWAP), Reason.INVALID_TRIGGER, "TRAILING (3)"),
    ("a price unheard of", trigger(trigger_by=9), Reason.INVALID_TRIGGER, "LAST (3)"),
    ("a stop at no price", trigger(trigger_price=""), Reason.INVALID_TRIGGER_PRICE, "plain decimal"),
    ("a stop off the tick", trigger(trigger_price="7000.05"), Reason.INVALID_TRIGGER_PRICE, "multiples of 0.1"),
    ("a stop that trails", trigger(trail="0.01"), Reason.INVALID_TRAIL, "no other kind"),
    ("trailing at no distance", trigger(kind=TRAILING), Reason.INVALID_TRAIL, "such as 0.01"),
    ("trailing at distance 0", trigger(kind=TRAILING, trail="0"), Reason.INVALID_TRAIL, "more than 0"),
    ("trailing at all of it", trigger(kind=TRAILING, trail="1"), Reason.INVALID_TRAIL, "less than 1"),
    ("13 digits", trigger(kind=TRAILING, trail="0.0000000000001"), Reason.INVALID_TRAIL, "at most 12"),
    ("a market order that rests", trigger(time_in_force=0), Reason.INVALID_ORDER, "IOC"),
    ("no side", trigger(side=0), Reason.INVALID_ORDER, "SIDE_BID"),
    ("a size off the lot", trigger(size="0.00001"), Reason.INVALID_SIZE, "0.0001"),
    ("a limit off the tick", trigger(price="0.05"), Reason.INVALID_PRICE, "0.1"),
    ("reduce-only on spot", trigger(symbol=SPOT.symbol, reduce_only=True), Reason.INVALID_ORDER, "spot"),
    ("a TWAP of nothing", twap(size="0"), Reason.INVALID_SIZE, "more than 0 up to 2000"),
    ("a TWAP of too much", twap(size="2000.0001"), Reason.INVALID_SIZE, "up to 2000"),
    ("a TWAP off the lot", twap(size="1.00001"), Reason.INVALID_SIZE, "multiples of 0.0001"),
    ("a TWAP without bound", twap(tolerance=""), Reason.INVALID_TOLERANCE, "plain decimal"),
    ("cancel of nothing", cancelled(), Reason.TRIGGER_NOT_OPEN, "trigger_id or a client_id"),
    ("leverage of a gambler", leverage(101), Reason.INVALID_LEVERAGE, "1 to 100"),
    ("protection from nothing", protection(quantity_max="0"), Reason.INVALID_ORDER, "or delta_max"),
    ("protection in words", protection(delta_max="all"), Reason.INVALID_SIZE, "'all'"),
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
