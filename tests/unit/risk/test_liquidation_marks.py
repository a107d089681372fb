"""Liquidation prices against liquidation itself: at the price told the subaccount is below maintenance margin, a tick nearer it is not."""

from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from services.risk.health import health, is_liquidatable
from services.risk.liquidation_marks import liquidation_mark
from services.risk.max_size import max_size
from tests.builders import ALICE, BTC, COIN, DOLLAR, INVERSE, USDC_UNIT, Driven, but
from tests.unit.risk.unified import COINS, owner, pay_in, see, take, unified

USD = USDC_UNIT
ETHER = but(BTC, id=7, symbol="ETH_USDC_PERP", index="ETH_USD")
"""A market on another index, at the same price."""


def told(risk: Driven, market: int = 1) -> int:
    """Liquidation price of a market."""
    subaccount = owner(risk)
    return liquidation_mark(risk.state, subaccount, health(risk.state, subaccount).parts, risk.state.markets[market])


def is_below(risk: Driven, cents: int) -> bool:
    """Whether Alice is below once everything on bitcoin's index is at a price."""
    moved = deepcopy(risk.state)
    for market in moved.markets.values():
        if market.index == "BTC_USD":
            moved.marks[market.id].price = cents
    moved.collateral[2].price = cents * 10**8
    return is_liquidatable(health(moved, moved.subaccounts[owner(risk).id]))


def test_a_long_in_dollars_by_hand() -> None:
    """Long 1 at 8,000 with 1,000 less a fee of 4: 996 - 8,000 + m = 0.025 m at 7,183.59; a tick is 0.10."""
    risk = unified(8_000)
    pay_in(risk, 1_000)
    take(risk, 1, 1, COIN, 8_000)
    assert told(risk) == 7_183_50


def test_a_short_in_dollars_by_hand() -> None:
    """Short 1 at 8,000: 996 + 8,000 - m = 0.025 m at 8,776.58."""
    risk = unified(8_000)
    pay_in(risk, 1_000)
    take(risk, 1, -1, COIN, 8_000)
    assert told(risk) == 8_776_60


def test_coins_fall_with_the_long_that_they_secure() -> None:
    """Half a coin at 97.5 % less a fee of 4: 0.4875 m - 4 - 8,000 + m = 0.025 m at 5,472.82."""
    risk = unified(8_000)
    pay_in(risk, coins=COINS // 2)
    take(risk, 1, 1, COIN, 8_000)
    assert told(risk) == 5_472_80


def test_a_hedge_on_one_index_has_no_price() -> None:
    """A coin and a short of 7,000 contracts of a dollar: 7,000 dollars and a little, whatever a coin is worth."""
    risk = unified(8_000)
    pay_in(risk, coins=COINS)
    take(risk, 3, -1, 7_000, 8_000)
    assert told(risk, 3) == 0


def test_who_is_below_already_has_the_mark_itself() -> None:
    risk = unified(8_000)
    pay_in(risk, 1_000)
    take(risk, 1, 1, COIN, 8_000)
    see(risk, 7_000)
    assert told(risk) == 7_000 * DOLLAR


def test_other_indices_stay_where_they_are() -> None:
    """Long 1 of each: 996 - 4 - 400 of loss, and maintenance of 190 on the other: 402 - 8,000 + m = 0.025 m at 7,792.82."""
    risk = unified(8_000, ETHER)
    pay_in(risk, 1_000)
    take(risk, 1, 1, COIN, 8_000)
    take(risk, 7, 1, COIN, 8_000)
    see(risk, 8_000, (7, 7_600 * DOLLAR))
    assert told(risk) == 7_792_80


sizes = st.integers(-300, 300)


@given(st.integers(1, 30_000), st.integers(0, COINS), sizes, sizes, sizes, st.sampled_from([7_600, 8_000, 8_350]))
def test_at_the_price_told_the_subaccount_is_below_and_a_tick_nearer_it_is_not(
    dollars: int, coins: int, linear: int, inverse: int, other: int, price: int
) -> None:
    risk = holding(dollars, coins, (1, linear * 1_000), (3, inverse * 100), (7, other * 1_000))
    see(risk, price)
    for market in (BTC, INVERSE):
        exposure = owner(risk).exposures.get(market.id)
        if exposure is None or not exposure.size:
            continue
        mark, found = price * DOLLAR, told(risk, market.id)
        if found in (0, mark):
            assert is_below(risk, mark) == (found == mark)
            assert found or not is_below(risk, market.tick)
            continue
        towards = market.tick if found < mark else -market.tick
        assert is_below(risk, found)
        assert not is_below(risk, found + towards)


def holding(dollars: int, coins: int, *positions: tuple[int, int]) -> Driven:
    """Alice with money and those positions of which she can open the whole, at 8,000."""
    risk = unified(8_000, ETHER)
    pay_in(risk, dollars, coins)
    for market, size in positions:
        side = 1 if size > 0 else -1
        listed = risk.state.markets[market]
        most = max_size(risk.state, ALICE.subaccount, listed, side, 8_000 * DOLLAR, reduce_only=False)
        if 0 < abs(size) <= most.size:
            take(risk, market, side, abs(size), 8_000)
    return risk
