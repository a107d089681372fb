"""Arithmetic of the lending pool, with numbers done by hand: who asks never gains a remainder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core import pool as p
from services.core.fixed import FRACTION_ONE
from services.core.markets import PoolTerms
from tests.builders import PERCENT, but

HALF = but(p.FIRST, supply=p.INDEX_ONE * 3 // 2, mint=p.INDEX_ONE * 3 // 2, burn=p.INDEX_ONE * 3 // 2)
YEAR = but(p.FIRST, rate=10 * PERCENT, length_ms=p.YEAR_MS, closes_at_ms=1_000)
CURVE = PoolTerms(
    optimal=80 * PERCENT, slope=4 * PERCENT, steep_slope=75 * PERCENT, base=PERCENT, reserve_factor=10 * PERCENT
)

amounts = st.integers(1, 10**18)
indices = st.integers(10**12, 10**18)


@given(amounts, indices, indices)
def test_supply_and_debt_never_win_by_coming_and_going(amount: int, supply: int, borrow: int) -> None:
    period = but(p.FIRST, supply=supply, mint=supply, burn=supply, borrow=borrow)
    assert (
        p.supply_worth(period, p.supply_minted(period, amount))
        <= amount
        <= p.debt_owed(period, p.debt_minted(period, amount))
    )
    assert p.supply_burnt(period, amount) >= p.supply_minted(period, amount)
    assert p.debt_burnt(period, amount) <= p.debt_minted(period, amount)


@given(amounts, st.integers(0, 10 * FRACTION_ONE), st.integers(1, 10**9))
def test_who_comes_to_a_late_shard_pays_for_the_time_passed(amount: int, rate: int, past_ms: int) -> None:
    period = but(p.FIRST, rate=rate, borrow=p.INDEX_ONE * 2)
    assert p.supply_minted(period, amount, past_ms) <= p.supply_minted(period, amount)
    assert p.debt_burnt(period, amount, past_ms) <= p.debt_burnt(period, amount)
    assert p.debt_owed(period, amount, past_ms) >= p.debt_owed(period, amount)


@given(st.integers(-(10**40), 10**40))
def test_parts_are_taken_apart_and_put_together_exactly(number: int) -> None:
    whole, rest = p.split(number)
    assert 0 <= rest < p.PARTS_ONE
    assert p.join((whole, rest)) == number


STEPS = [
    ("supply gains, at the mint index", p.SUPPLY, 30, 20),
    ("supply gains, rounded down", p.SUPPLY, 31, 20),
    ("supply loses, rounded up", p.SUPPLY, -31, -21),
    ("debt falls, rounded down", p.DEBT, 31, -15),
    ("debt grows, rounded up", p.DEBT, -31, 16),
    ("nothing", p.SUPPLY, 0, 0),
]


@pytest.mark.parametrize(("claim", "profit", "step"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_a_series_moves_against_who_waits_behind_it(claim: int, profit: int, step: int) -> None:
    assert p.series_step(but(HALF, borrow=p.INDEX_ONE * 2), claim, profit) == step


def test_supply_of_a_period_with_a_loss_is_burnt_and_valued_at_its_burn_index() -> None:
    lossy = but(HALF, burn=p.INDEX_ONE)
    assert (p.supply_worth(lossy, 10), p.supply_burnt(lossy, 10), p.supply_minted(lossy, 15)) == (10, 10, 10)


def test_interest_is_simple_and_rounded_up() -> None:
    assert p.interest(1_000, 10 * PERCENT, p.YEAR_MS) == 100
    assert p.interest(1, 10 * PERCENT, 1) == 1
    assert p.interest(1_000, 0, p.YEAR_MS) == 0
    assert p.entry_fee(YEAR, 1_000) == 100
    assert p.grown(p.INDEX_ONE, 10 * PERCENT, p.YEAR_MS) == p.INDEX_ONE * 11 // 10
    assert p.grown(3, 1, 1) == 4
    assert p.grown_low(3, 1, 1) == 3
    assert p.grown(3, 1, 0) == 3


def test_a_period_is_late_from_its_end_on_and_the_first_never() -> None:
    assert [p.late_ms(YEAR, now_ms) for now_ms in (0, 1_000, 1_001)] == [0, 0, 1]
    assert p.late_ms(p.FIRST, 10**12) == 0


USED = [
    ("an empty pool", 0, 0, 0),
    ("nothing is owed", 10, 0, 0),
    ("rounded up", 3, 1, 333_333_333_334),
    ("all of it", 7, 7, FRACTION_ONE),
    ("more than all", 7, 9, FRACTION_ONE),
    ("owed to nobody", 0, 1, FRACTION_ONE),
]


@pytest.mark.parametrize(("supplied", "borrowed", "used"), [row[1:] for row in USED], ids=[row[0] for row in USED])
def test_utilisation(supplied: int, borrowed: int, used: int) -> None:
    assert p.utilisation(supplied, borrowed) == used


@given(st.integers(0, FRACTION_ONE), st.integers(0, FRACTION_ONE))
def test_rates_never_fall_with_use_and_lenders_get_no_more_than_borrowers_pay(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert CURVE.base <= p.borrow_rate(CURVE, low) <= p.borrow_rate(CURVE, high) <= 80 * PERCENT
    paid, got = p.borrow_rate(CURVE, high) * high, p.lend_rate(CURVE, high) * FRACTION_ONE
    assert got * FRACTION_ONE <= paid * (FRACTION_ONE - CURVE.reserve_factor)


def test_the_kink_is_where_both_slopes_meet() -> None:
    rates = [p.borrow_rate(CURVE, used) for used in (80 * PERCENT - 1, 80 * PERCENT, 80 * PERCENT + 1)]
    assert rates == [5 * PERCENT, 5 * PERCENT, 5 * PERCENT + 4]
    flat = but(CURVE, optimal=FRACTION_ONE)
    assert p.borrow_rate(flat, FRACTION_ONE) == 5 * PERCENT, "no second slope"
    assert p.borrow_rate(CURVE, 2 * FRACTION_ONE) == 80 * PERCENT, "more than all is all"


@given(st.integers(0, 10**18), st.integers(0, 10**18), st.integers(1, FRACTION_ONE))
def test_rooms_are_as_large_as_the_bound_allows_inclusive(supplied: int, borrowed: int, bound: int) -> None:
    redeem, borrow = p.redeem_room(supplied, borrowed, bound), p.borrow_room(supplied, borrowed, bound)
    if redeem:
        assert borrowed * FRACTION_ONE <= (supplied - redeem) * bound
    assert redeem == supplied or borrowed * FRACTION_ONE > (supplied - redeem - 1) * bound
    if borrow:
        assert (borrowed + borrow) * FRACTION_ONE <= supplied * bound
    assert (borrowed + borrow + 1) * FRACTION_ONE > supplied * bound


def test_shares_have_units_of_their_own() -> None:
    units = {p.share_unit(asset, claim) for asset in range(4) for claim in p.Claim}
    assert len(units) == 8
    assert max(units) <= -p.SHARES_FROM
