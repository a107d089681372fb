"""Margin arithmetic with numbers calculated by hand: 1 BTC at 8,000.00 is 8,000 USDC, initial 5 %, maintenance 2.5 %."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.contracts import cash_flow, initial_margin, maintenance_margin
from services.risk.margin import (
    bankruptcy_cash,
    largest,
    lowers_risk,
    order_hold,
    protection_price,
    reduced_basis,
    unrealised_pnl,
    worst_size,
)
from tests.builders import BTC, COIN, USDC_UNIT, but

MARK = 800_000
USD = USDC_UNIT


def test_initial_and_maintenance_margin() -> None:
    assert initial_margin(BTC, -2 * COIN, MARK) == 800 * USD
    assert maintenance_margin(BTC, -2 * COIN, MARK) == 400 * USD
    assert maintenance_margin(BTC, 0, MARK) == 0


def test_margin_rounds_up_against_the_account() -> None:
    third = but(BTC, initial_margin_fraction=333_333_333_333, maintenance_margin_fraction=111_111_111_111)
    assert initial_margin(third, 10, 10) == 334
    assert maintenance_margin(third, 10, 10) == 112


WORST = [
    ("nothing", 0, 0, 0, False, 0),
    ("buys of a long", 5, 3, 0, False, 8),
    ("sells of a long close it", 5, 0, 4, False, 5),
    ("sells that flip it", 5, 0, 12, False, 7),
    ("both sides of a flat", 0, 4, 6, False, 6),
    ("buys of a short", -5, 12, 1, False, 7),
    ("a reduce-only may close the long first", 5, 0, 6, True, 6),
    ("and the short", -5, 7, 0, True, 7),
]


@pytest.mark.parametrize(
    ("size", "buys", "sells", "may_shrink", "expected"), [row[1:] for row in WORST], ids=[row[0] for row in WORST]
)
def test_worst_size(size: int, buys: int, sells: int, *, may_shrink: bool, expected: int) -> None:
    assert worst_size(size, buys, sells, may_shrink=may_shrink) == expected


PROTECTION = [
    ("buy", 1, 800_000, 840_000),
    ("sell", -1, 800_000, 760_000),
    ("buy rounds down to the tick", 1, 800_130, 840_130),
    ("sell rounds up to the tick", -1, 800_130, 760_130),
]


@pytest.mark.parametrize(
    ("side", "mark", "expected"), [row[1:] for row in PROTECTION], ids=[row[0] for row in PROTECTION]
)
def test_protection_price_never_widens_the_band(side: int, mark: int, expected: int) -> None:
    price = protection_price(BTC, side, mark)
    assert price == expected
    assert price % BTC.tick == 0
    assert abs(price - mark) * 20 <= mark


HOLDS = [
    ("a buy at the mark: its fee", 1, 800_000, 4 * USD),
    ("a buy above: fee and loss", 1, 810_000, 405 * USD // 100 + 100 * USD),
    ("a buy below: its fee", 1, 790_000, 395 * USD // 100),
    ("a sell below: fee and loss", -1, 790_000, 395 * USD // 100 + 100 * USD),
    ("a sell above: its fee", -1, 810_000, 405 * USD // 100),
]


@pytest.mark.parametrize(("side", "price", "expected"), [row[1:] for row in HOLDS], ids=[row[0] for row in HOLDS])
def test_order_hold(side: int, price: int, expected: int) -> None:
    assert order_hold(BTC, side, price, COIN, MARK) == expected
    assert order_hold(BTC, side, price, 0, MARK) == 0


def test_order_hold_rounds_up() -> None:
    assert order_hold(but(BTC, taker_fee=1), 1, 10, 10, 10) == 1


def test_unrealised_profit_of_a_long_and_a_short() -> None:
    assert unrealised_pnl(BTC, COIN, -8_000 * USD, 850_000) == 500 * USD
    assert unrealised_pnl(BTC, -COIN, 8_000 * USD, 850_000) == -500 * USD


def test_bankruptcy_cash_by_v_dx_8() -> None:
    """Long 0.1 BTC at 50,000 with 10 % maintenance (500): half of the collateral goes with half of the position."""
    market = but(BTC, maintenance_margin_fraction=10**11, initial_margin_fraction=2 * 10**11)
    mark, long = 5_000_000, COIN // 10
    assert bankruptcy_cash(market, long, -long, mark, 0, 500 * USD) == 5_000 * USD
    assert bankruptcy_cash(market, long, -long, mark, 100 * USD, 500 * USD) == 4_900 * USD
    assert bankruptcy_cash(market, long, -long // 2, mark, 100 * USD, 500 * USD) == 2_450 * USD
    assert bankruptcy_cash(market, long, -long, mark, -100 * USD, 500 * USD) == 5_100 * USD
    assert bankruptcy_cash(market, -long, long, mark, 100 * USD, 500 * USD) == -5_100 * USD
    assert bankruptcy_cash(market, long, -long, mark, 100 * USD, 1_000 * USD) == 4_950 * USD


def test_bankruptcy_cash_rounds_up() -> None:
    assert bankruptcy_cash(BTC, 3 * COIN, -COIN, MARK, 100, 600 * USD) == 8_000 * USD - 33
    assert bankruptcy_cash(BTC, 3 * COIN, -COIN, MARK, -100, 600 * USD) == 8_000 * USD + 34


lots = st.lists(st.integers(1, 5_000), min_size=1, max_size=12)


@given(lots, st.sampled_from([1, -1]), st.integers(1_000, 90_000), st.integers(-(10**13), 10**13))
def test_closing_step_by_step_leaves_exactly_zero(slices: list[int], side: int, ticks: int, equity: int) -> None:
    mark = ticks * BTC.tick
    size = side * sum(slices) * BTC.lot
    cash = equity - unrealised_pnl(BTC, size, 0, mark)
    for part in slices:
        now = unrealised_pnl(BTC, size, cash, mark)
        change = -side * part * BTC.lot
        cash += bankruptcy_cash(BTC, size, change, mark, now, maintenance_margin(BTC, size, mark))
        size += change
    assert (size, cash) == (0, 0)


LOWERS = [
    ("half closed at the mark", 100, 50, 100, 25, True),
    ("half closed, half of equity lost", 100, 50, 50, 25, True),
    ("half closed, more lost", 100, 50, 49, 25, False),
    ("more maintenance", 100, 50, 1_000, 51, False),
    ("all closed, something left", 100, 50, 0, 0, True),
    ("all closed, nothing left", 100, 50, -1, 0, False),
    ("below zero, nothing lost", -10, 50, -10, 25, False),
    ("below zero, half recovered", -10, 50, -5, 25, True),
    ("no position before or after", 5, 0, 1, 0, True),
]


@pytest.mark.parametrize(
    ("equity", "maintenance", "equity_after", "maintenance_after", "expected"),
    [row[1:] for row in LOWERS],
    ids=[row[0] for row in LOWERS],
)
def test_lowers_risk(
    equity: int, maintenance: int, equity_after: int, maintenance_after: int, *, expected: bool
) -> None:
    assert lowers_risk(equity, maintenance, equity_after, maintenance_after) == expected


@given(st.integers(0, 10**18), st.integers(-1, 10**18))
def test_largest_is_what_fits_and_no_more(most: int, limit: int) -> None:
    assert largest(most, lambda amount: amount <= limit) == max(0, min(most, limit))


BASES = [("long", -100, 10, 5, -50), ("towards zero", -100, 3, 2, -66), ("short", 100, -3, -2, 66), ("all", 7, 3, 0, 0)]


@pytest.mark.parametrize(
    ("basis", "before", "after", "expected"), [row[1:] for row in BASES], ids=[row[0] for row in BASES]
)
def test_reduced_basis_is_pro_rata_towards_zero(basis: int, before: int, after: int, expected: int) -> None:
    assert reduced_basis(basis, before, after) == expected


def test_cash_and_basis_agree_on_a_fresh_position() -> None:
    assert unrealised_pnl(BTC, COIN, cash_flow(BTC, COIN, MARK), MARK) == 0
