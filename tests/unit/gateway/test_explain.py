"""Refusals in the units that people use."""

import pytest

from services.core.messages import MarketState
from services.core.pool import PoolState
from services.core.reasons import Reason
from services.gateway.explain import Units, explained, units_of
from tests.unit.gateway.venue import ASSET, MARKET, SPOT, Listed
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

BID, ASK = common_pb2.SIDE_BID, common_pb2.SIDE_ASK

UNITS = Units(MARKET, ASSET, unit=ASSET)
ROWS = [
    (Reason.INVALID_SIZE, 10_000_000, "at most 100"),
    (Reason.INVALID_PRICE, 10, "tick 0.1"),
    (Reason.OUTSIDE_BAND, 840_000, "accepted is 8400"),
    (Reason.INSUFFICIENT_MARGIN, 150_000_000, "missing 1.5 USDC"),
    (Reason.OPEN_INTEREST_LIMIT, 10_000_000, "may reach 100"),
    (Reason.OWNER_LIMIT, 10_000_000, "may reach 100 together"),
    (Reason.PRICE_LIMIT, 840_000, "accepted is 8400"),
    (Reason.COLLATERAL_CAP, 150_000_000, "than 1.5 USDC"),
    (Reason.PREMIUM_TOO_LARGE, 840_000, "accepted is 8400"),
    (Reason.BELOW_NOTIONAL_MIN, 1_000_000_000, "notional, 10 USDC"),
    (Reason.MARKET_STATE, MarketState.HALTED, "in its state HALTED;"),
    (Reason.INVALID_TRIGGER_PRICE, 840_000, "accepted is 8400"),
    (Reason.INVALID_TRAIL, 10**9, "trail is out of range; the nearest accepted part of the price is 0.001"),
    (Reason.INVALID_TOLERANCE, 5 * 10**10, "part of the mark is 0.05"),
    (Reason.INVALID_DURATION, 300_000, "accepted is 300 s"),
    (Reason.INVALID_INTERVAL, 30_000, "accepted is 30 s"),
    (Reason.INVALID_SLICES, 10_000_000, "for the whole is 100"),
    (Reason.INVALID_EXITS, 2, "at most 2 exits"),
    (Reason.MARKET_STATE, MarketState.CANCEL_ONLY, "in its state CANCEL_ONLY;"),
    (Reason.MARKET_STATE, 99, "in its state 99;"),
    (Reason.POOL_STATE, PoolState.REPAY_ONLY, "in state REPAY_ONLY"),
    (Reason.UNDONE_BY_MODES, 9, "modes lend, repay would undo it"),
    (Reason.INVALID_MODES, 31, "at most 31 together"),
    (Reason.INVALID_ORDER, 100, "a quote keeps the side"),
    (Reason.TOO_MANY_ORDERS, 200, "at most 200 open"),
    (Reason.OUTSIDE_WINDOW, 5_000, "window of 5000 ms"),
]


def order(symbol: str, side: common_pb2.Side.ValueType) -> pb.Command:
    return pb.Command(place_order=pb.PlaceOrder(symbol=symbol, side=side))


def quotes(*sides: common_pb2.Side.ValueType) -> pb.Command:
    return pb.Command(mass_quote=pb.MassQuote(symbol=SPOT.symbol, quotes=[pb.Quote(side=side) for side in sides]))


GIVEN = [
    ("a purchase gives what the market settles in", order(SPOT.symbol, BID), "available 1.5 USDC"),
    ("a spot sale gives the base", order(SPOT.symbol, ASK), "available 1.5 BTC"),
    ("a perpetual is sold against margin", order(MARKET.symbol, ASK), "available 1.5 USDC"),
    ("offers give the base", quotes(ASK, ASK), "available 1.5 BTC"),
    ("bids do not", quotes(BID), "available 1.5 USDC"),
    ("quotes of both sides do not say which was short", quotes(BID, ASK), "available 150000000 units"),
    (
        "nor does a replace",
        pb.Command(replace_order=pb.ReplaceOrder(symbol=SPOT.symbol)),
        "available 150000000 units",
    ),
    ("a withdrawal names its asset", pb.Command(withdraw=pb.Withdraw(asset="USDC")), "available 1.5 USDC"),
]
SALE = order(SPOT.symbol, ASK)
LENT: list[tuple[Reason, pb.Command, str]] = [
    (Reason.NO_LIQUIDITY, pb.Command(redeem=pb.Redeem(asset="USDC")), "can give 1.5 USDC here now"),
    (Reason.NO_LIQUIDITY, SALE, "can give 1.5 BTC here now"),
    (Reason.BORROW_LIMIT, pb.Command(borrow=pb.Borrow(asset="USDC")), "at most 1.5 USDC more"),
    (Reason.BORROW_LIMIT, SALE, "at most 1.5 BTC more"),
    (Reason.LEND_LIMIT, pb.Command(lend=pb.Lend(asset="USDC")), "at most 1.5 USDC more"),
    (Reason.REDEEM_FIRST, pb.Command(borrow=pb.Borrow(asset="USDC")), "1.5 USDC is lent"),
    (Reason.REPAY_FIRST, pb.Command(lend=pb.Lend(asset="USDC")), "1.5 USDC is owed"),
    (Reason.NOTHING_OWED, pb.Command(repay=pb.Repay(asset="USDC")), "1.5 USDC is owed"),
    (Reason.PROFIT_NOT_MATURED, pb.Command(withdraw=pb.Withdraw(asset="USDC")), "1.5 USDC may"),
]


@pytest.mark.parametrize(("reason", "command", "text"), LENT)
def test_what_pools_refuse_is_said_in_their_asset(reason: Reason, command: pb.Command, text: str) -> None:
    assert text in explained(reason, 150_000_000, units_of(command, Listed()))[1]


@pytest.mark.parametrize(("command", "text"), [row[1:] for row in GIVEN], ids=[row[0] for row in GIVEN])
def test_what_is_missing_is_said_in_the_asset_that_is_given(command: pb.Command, text: str) -> None:
    units = units_of(command, Listed())
    assert explained(Reason.INSUFFICIENT_FUNDS, 150_000_000, units)[1].endswith(text)


def test_margin_is_in_the_unit_of_account() -> None:
    said = explained(Reason.INSUFFICIENT_MARGIN, 150_000_000, units_of(order(SPOT.symbol, ASK), Listed()))[1]
    assert said.endswith("missing 1.5 USDC")


@pytest.mark.parametrize(("reason", "limit", "text"), ROWS)
def test_the_limit_is_said_in_its_units(reason: Reason, limit: int, text: str) -> None:
    name, said = explained(reason, limit, UNITS)
    assert name == reason.name
    assert text in said


def test_without_a_market_raw_units_are_called_so() -> None:
    assert "8400 units" in explained(Reason.OUTSIDE_BAND, 8_400, Units())[1]


def test_a_reason_of_a_newer_machine_is_passed_on() -> None:
    assert explained(9_999, 7, UNITS) == ("REASON_9999", "refused for reason 9999, limit 7")


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.name)
def test_every_reason_has_words(reason: Reason) -> None:
    assert "{" not in explained(reason, 1, UNITS)[1]
