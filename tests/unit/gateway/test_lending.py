"""Commands of lending become messages in whole units, or are refused with what would be accepted."""

import pytest

from services.core import messages as m
from services.core.keys import SigningKey
from services.core.reasons import Reason
from services.gateway.fields import CommandRefused
from services.gateway.lending import AUTOMATIC
from services.gateway.translate import translate
from tests.unit.gateway.venue import SPOT, Listed
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

ACCOUNT = 77
HEADER = m.CommandHeader(ACCOUNT, 1, 2, 3, 4)
KEY = SigningKey(bytes([1] * 32))
OWN = ACCOUNT * 256 + 2
ROWS: list[tuple[str, pb.Command, m.Message]] = [
    ("modes", pb.Command(set_modes=pb.SetModes(subaccount=2, modes=31)), m.SetModes(HEADER, OWN, 31)),
    ("no modes", pb.Command(set_modes=pb.SetModes(subaccount=2)), m.SetModes(HEADER, OWN, 0)),
    (
        "lend",
        pb.Command(lend=pb.Lend(subaccount=2, asset="USDC", amount="1.5")),
        m.Lend(HEADER, OWN, 1, 150_000_000),
    ),
    (
        "redeem some",
        pb.Command(redeem=pb.Redeem(subaccount=2, asset="USDC", amount="0.00000001")),
        m.Redeem(HEADER, OWN, 1, 1),
    ),
    ("redeem all", pb.Command(redeem=pb.Redeem(subaccount=2, asset="USDC")), m.Redeem(HEADER, OWN, 1, 0)),
    (
        "borrow",
        pb.Command(borrow=pb.Borrow(subaccount=2, asset="USDC", amount="3")),
        m.Borrow(HEADER, OWN, 1, 300_000_000),
    ),
    ("repay all", pb.Command(repay=pb.Repay(subaccount=2, asset="USDC")), m.Repay(HEADER, OWN, 1, 0)),
]
USDC = "USDC"
REFUSED: list[tuple[str, pb.Command, Reason, str]] = [
    ("a mode that is none", pb.Command(set_modes=pb.SetModes(modes=32)), Reason.INVALID_MODES, "16 realise"),
    ("lend nothing", pb.Command(lend=pb.Lend(asset=USDC)), Reason.INVALID_AMOUNT, "say how much"),
    ("borrow nothing", pb.Command(borrow=pb.Borrow(asset=USDC)), Reason.INVALID_AMOUNT, "say how much"),
    ("redeem zero", pb.Command(redeem=pb.Redeem(asset=USDC, amount="0")), Reason.INVALID_AMOUNT, "more than 0"),
    ("below a unit", pb.Command(repay=pb.Repay(asset=USDC, amount="0.000000001")), Reason.INVALID_AMOUNT, "digits"),
    ("less than nothing", pb.Command(lend=pb.Lend(asset=USDC, amount="-1")), Reason.INVALID_AMOUNT, "-1"),
    ("no asset", pb.Command(lend=pb.Lend(asset="XYZ", amount="1")), Reason.UNKNOWN_ASSET, "ListMarkets"),
    ("no pool", pb.Command(lend=pb.Lend(asset="BTC", amount="1")), Reason.NO_POOL, "GetPools"),
    (
        "no subaccount",
        pb.Command(borrow=pb.Borrow(subaccount=256, asset=USDC, amount="1")),
        Reason.INVALID_SUBACCOUNT,
        "255",
    ),
]


def order(symbol: str, **flags: bool) -> pb.Command:
    placed = pb.PlaceOrder(symbol=symbol, side=common_pb2.SIDE_BID, size="0.5", price="8000", **flags)  # type: ignore[arg-type]
    return pb.Command(place_order=placed)


@pytest.mark.parametrize(("command", "message"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_built(command: pb.Command, message: m.Message) -> None:
    assert translate(command, HEADER, KEY.public, Listed()) == message


@pytest.mark.parametrize(("command", "reason", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(command: pb.Command, reason: Reason, text: str) -> None:
    with pytest.raises(CommandRefused) as refused:
        translate(command, HEADER, KEY.public, Listed())
    assert (refused.value.reason, text in refused.value.text) == (reason, True), refused.value.text


@pytest.mark.parametrize(("flag", "mode"), AUTOMATIC.items())
def test_each_flag_of_a_spot_order_is_its_mode(flag: str, mode: m.Mode) -> None:
    built = translate(order(SPOT.symbol, **{flag: True}), HEADER, KEY.public, Listed())
    assert isinstance(built, m.PlaceOrder)
    assert built.modes == mode


def test_flags_of_a_spot_order_add_up_and_realising_is_none_of_them() -> None:
    built = translate(order(SPOT.symbol, **dict.fromkeys(AUTOMATIC, True)), HEADER, KEY.public, Listed())
    assert isinstance(built, m.PlaceOrder)
    assert built.modes == m.Mode.LEND | m.Mode.REDEEM | m.Mode.BORROW | m.Mode.REPAY


def test_an_order_for_a_position_has_no_such_flags() -> None:
    with pytest.raises(CommandRefused, match="auto_borrow: for spot orders") as refused:
        translate(order("BTC_USDC_PERP", auto_borrow=True), HEADER, KEY.public, Listed())
    assert refused.value.reason is Reason.INVALID_MODES
