"""The largest order: it is admitted, one lot more is refused for what was said to bound it, and asking changes nothing."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from services.core.reasons import Reason
from services.risk.max_size import BOUNDS, max_size
from tests.builders import ALICE, BOB, BTC, COIN, DOLLAR, USDC_UNIT, Driven, but, only
from tests.unit.risk.unified import COINS, MARKETS, order, pay_in, see, take, unified
from vigil.v1 import trading_pb2 as pb

USD = USDC_UNIT
WHO = ALICE.subaccount
Change: TypeAlias = Callable[[Driven], None]
OUTSIDE = "price is outside the band round the mark; the nearest accepted is"
SMALL = but(BTC, id=7, symbol="BTC_USDC_SMALL", notional_min=100 * USD, order_size_max=2 * COIN, position_max=3 * COIN)


def largest(risk: Driven, market: int, side: int, dollars: int = 0, *, reduce_only: bool = False) -> pb.MaxOrderSize:
    """Ask, and see that asking has changed nothing."""
    before = msgspec.msgpack.encode(risk.state)
    listed = risk.state.markets[market]
    found = max_size(risk.state, WHO, listed, side, dollars * DOLLAR, reduce_only=reduce_only)
    assert msgspec.msgpack.encode(risk.state) == before
    return found


def reason_for(risk: Driven, market: int, side: int, size: int, dollars: int = 0, **terms: Any) -> Reason:
    """What placing such an order would be refused for, NONE when it is admitted."""
    tif = m.TimeInForce.GTC if dollars else m.TimeInForce.IOC
    placed = risk.commands.place(ALICE, side, size, dollars * DOLLAR, market=market, tif=tif, **terms)
    events = deepcopy(risk).tell(placed)
    return Reason.NONE if only(m.OrderAdmitted, events) else Reason(only(m.CommandResolved, events)[0].reason)


def holds(risk: Driven, found: pb.MaxOrderSize, market: int, side: int, dollars: int = 0) -> None:
    """The law: what was found is admitted, one lot more is refused for the bound named."""
    if found.size:
        assert reason_for(risk, market, side, found.size, dollars) is Reason.NONE
    above = reason_for(risk, market, side, found.size + risk.state.markets[market].lot, dollars)
    if found.size or above is not Reason.BELOW_NOTIONAL_MIN:
        assert BOUNDS.get(above, pb.SIZE_BOUND_MARKET) == found.bound
        assert above is not Reason.NONE


@pytest.fixture
def risk() -> Driven:
    """Bitcoin at 8,000; Alice with 1,000 USDC and a quarter of a bitcoin."""
    machine = unified(8_000, SMALL)
    pay_in(machine, 1_000, COINS // 4)
    return machine


def own_orders(risk: Driven) -> None:
    """A position, and orders beside it."""
    take(risk, 1, 1, COIN // 2, 8_000)
    order(risk, 1, 1, COIN, 7_900)
    order(risk, 2, -1, COIN // 10, 8_100)


def rich(risk: Driven) -> None:
    """Money enough for anything."""
    pay_in(risk, 50_000_000)


def held(risk: Driven) -> None:
    """Two of the three coins that the small market lets one hold."""
    rich(risk)
    take(risk, 7, 1, 2 * COIN, 8_000)


def poor(risk: Driven) -> None:
    """3.32 is free, and the smallest order of the small market, 100 USDC, takes 5.05."""
    take(risk, 1, 1, 717 * COIN // 100, 8_000)


def fallen(risk: Driven) -> None:
    """Long 4 with 765.25 at initial weights, of which 1,500 are needed: what closes passes."""
    take(risk, 1, 1, 4 * COIN, 8_000)
    see(risk, 7_500)


def halted(risk: Driven) -> None:
    """A market that an admin has stopped."""
    risk.tell(m.MarketStateChanged(1, m.MarketState.HALTED))


def silent(risk: Driven) -> None:
    """A position, and no mark for two minutes."""
    take(risk, 1, 1, COIN, 8_000)
    risk.now_ms += 120_000
    risk.tell(m.Tick())


LACKS = "one lot more would leave initial margin short of "
NOTHING = "the smallest order would leave initial margin short of "
# What happened, market, side, price in dollars or 0, largest size, bound, and how the text begins.
CASES: list[tuple[str, Change | None, int, int, int, int, int, str]] = [
    ("2,900 at 404 a coin", None, 1, 1, 8_000, 717_820, pb.SIZE_BOUND_MARGIN, f"{LACKS}0.0"),
    ("at market 804.20: 400 of loss", None, 1, 1, 0, 360_600, pb.SIZE_BOUND_MARGIN, LACKS),
    ("an inverse, fees in coins at 95 %", None, 3, -1, 8_000, 57_454, pb.SIZE_BOUND_MARGIN, LACKS),
    ("2,294.05 beside orders", own_orders, 1, 1, 8_000, 567_830, pb.SIZE_BOUND_MARGIN, LACKS),
    (
        "1,000 at 8,008 a coin",
        None,
        2,
        1,
        8_000,
        12_480,
        pb.SIZE_BOUND_FUNDS,
        "1,000 USDC is there to give, its fee included",
    ),
    ("a quarter of a coin", None, 2, -1, 8_000, 25_000, pb.SIZE_BOUND_FUNDS, "0.25 BTC is there to give"),
    ("order size", rich, 7, 1, 8_000, 2 * COIN, pb.SIZE_BOUND_ORDER_SIZE, "an order of this market is at most 2"),
    (
        "position limit",
        held,
        7,
        1,
        8_000,
        COIN,
        pb.SIZE_BOUND_POSITION_LIMIT,
        "position and orders together may reach 3",
    ),
    ("less than a smallest order", poor, 7, 1, 8_000, 0, pb.SIZE_BOUND_MARGIN, f"{NOTHING}1.73 USDC"),
    ("closing below initial margin", fallen, 1, -1, 7_500, 4 * COIN, pb.SIZE_BOUND_MARGIN, LACKS),
    ("opening below initial margin", fallen, 1, 1, 7_500, 0, pb.SIZE_BOUND_MARGIN, NOTHING),
    ("a halt", halted, 1, 1, 8_000, 0, pb.SIZE_BOUND_MARKET, "the market does not take this in its state HALTED"),
    ("beyond the band", None, 1, 1, 9_000, 0, pb.SIZE_BOUND_MARKET, f"{OUTSIDE} 8,400"),
    ("closing at a stale mark", silent, 1, -1, 8_000, COIN, pb.SIZE_BOUND_MARKET, "the market has no fresh mark"),
    ("opening at a stale mark", silent, 1, 1, 8_000, 0, pb.SIZE_BOUND_MARKET, "the market has no fresh mark"),
]


@pytest.mark.parametrize(
    ("change", "market", "side", "price", "size", "bound", "text"),
    [row[1:] for row in CASES],
    ids=[row[0] for row in CASES],
)
def test_what_bounds_an_order(
    risk: Driven, change: Change | None, market: int, side: int, price: int, size: int, bound: int, text: str
) -> None:
    if change is not None:
        change(risk)
    found = largest(risk, market, side, price)
    holds(risk, found, market, side, price)
    assert (found.size, found.bound, found.text[: len(text)]) == (size, bound, text)


def test_reducing_is_bounded_by_the_position(risk: Driven) -> None:
    nothing = largest(risk, 1, -1, 8_000, reduce_only=True)
    assert (nothing.size, nothing.bound) == (0, pb.SIZE_BOUND_POSITION)
    take(risk, 1, 1, COIN // 2, 8_000)
    found = largest(risk, 1, -1, reduce_only=True)
    assert (found.size, found.bound, found.price) == (COIN // 2, pb.SIZE_BOUND_POSITION, 7_600 * DOLLAR)
    assert found.text == "0.5 is all there is to reduce"
    assert largest(risk, 1, 1, reduce_only=True).size == 0


def test_open_interest_is_told_where_it_leaves_less(risk: Driven) -> None:
    """Matching stops at it what would trade; what closes passes."""
    risk.tell(m.MarketChanged(but(BTC, open_interest_max=10 * COIN)))
    risk.tell(m.BookSampled(1, 0, 0, 0, 0, 0, 8 * COIN))
    take(risk, 1, -1, COIN // 2, 8_000)
    assert largest(risk, 1, 1, 8_000).text.endswith("; the market's open interest has room for 2.5 to trade at once")
    assert "open interest" not in largest(risk, 1, 1, 8_000, reduce_only=True).text


def test_who_has_no_account_may_place_nothing(risk: Driven) -> None:
    found = max_size(risk.state, BOB.subaccount, BTC, 1, 8_000 * DOLLAR, reduce_only=False)
    assert (found.size, found.bound) == (0, pb.SIZE_BOUND_MARGIN)
    assert BOB.subaccount not in risk.state.subaccounts


amounts = st.integers(-400, 400)
prices = st.sampled_from([0, 7_700, 7_990, 8_000, 8_050, 8_300])


@given(
    st.integers(1, 20_000),
    st.integers(0, COINS),
    st.lists(st.tuples(st.sampled_from([1, 2, 3]), amounts, prices, st.booleans()), max_size=8),
    st.sampled_from([7_800, 8_000, 8_200]),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([1, -1]),
    prices,
)
def test_what_is_found_is_admitted_and_one_lot_more_is_refused_for_its_bound(
    dollars: int,
    coins: int,
    orders: list[tuple[int, int, int, bool]],
    mark: int,
    market: int,
    side: int,
    price: int,
) -> None:
    risk = unified(8_000)
    pay_in(risk, dollars, coins)
    for one, amount, at, is_filled in orders:
        listed = MARKETS[one]
        way, size = (1 if amount > 0 else -1), abs(amount) * 100
        most = max_size(risk.state, WHO, listed, way, (at or 8_000) * DOLLAR, reduce_only=False)
        if 0 < size <= most.size:
            act = take if is_filled and not listed.is_spot else order
            act(risk, one, way, size, at or 8_000)
    see(risk, mark)
    holds(risk, largest(risk, market, side, price), market, side, price)
