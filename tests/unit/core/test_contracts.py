"""The contract table with numbers calculated by hand: one unit of price times one of size is ten units of USDC.

The inverse contract is one of a hundred dollars, in satoshis: 1,250,000 of them at 8,000.00.
"""

import pytest

from services.core import contracts
from services.core.contracts import cash_flow, fee, margin, notional, value
from services.core.fixed import FRACTION_ONE, InvariantError
from services.core.markets import ContractKind, Market
from tests.builders import BTC, COIN, DOLLAR, PERCENT, USDC_UNIT, but

INVERSE = but(BTC, kind=ContractKind.INVERSE_PERPETUAL, face=100 * DOLLAR, size_decimals=0, tick=50, lot=1)
TIERED = but(
    BTC,
    tiers=(
        (0, 5 * PERCENT, 3 * PERCENT, 0),
        (10_000 * USDC_UNIT, 10 * PERCENT, 5 * PERCENT, 200 * USDC_UNIT),
    ),
)
ROOTED = but(
    BTC,
    initial_margin_fraction=2 * PERCENT,
    maintenance_margin_fraction=PERCENT,
    initial_margin_factor=FRACTION_ONE // 1_000,
    maintenance_margin_factor=FRACTION_ONE // 2_000,
)
"""The roots bind from 400 USDC on: 10,000 USDC need ten per cent, and half of it."""


def test_notional_is_of_the_absolute_size() -> None:
    assert notional(BTC, COIN, 8_000 * DOLLAR) == 8_000 * USDC_UNIT
    assert notional(BTC, -COIN, 8_000 * DOLLAR) == 8_000 * USDC_UNIT


def test_who_buys_pays_and_who_sells_gets_the_same() -> None:
    assert cash_flow(BTC, COIN // 2, 8_000 * DOLLAR) == -4_000 * USDC_UNIT
    assert cash_flow(BTC, -COIN // 2, 8_000 * DOLLAR) == 4_000 * USDC_UNIT


def test_value_has_the_sign_of_the_size() -> None:
    assert value(BTC, COIN, 7_000 * DOLLAR) == 7_000 * USDC_UNIT
    assert value(BTC, -COIN, 7_000 * DOLLAR) == -7_000 * USDC_UNIT
    assert cash_flow(BTC, COIN, 8_000 * DOLLAR) + value(BTC, COIN, 8_500 * DOLLAR) == 500 * USDC_UNIT


def test_a_market_finer_than_its_asset_is_exact_on_tick_and_lot_only() -> None:
    market = but(BTC, price_decimals=6, size_decimals=4, tick=100)
    assert notional(market, 3, 700) == 21
    with pytest.raises(InvariantError, match="no remainder"):
        notional(market, 3, 701)


ROUNDED_UP = [
    ("exact", 200, FRACTION_ONE // 20, 10),
    ("up", 201, FRACTION_ONE // 20, 11),
    ("one unit", 1, 1, 1),
    ("none", 0, 1, 0),
]


@pytest.mark.parametrize(("amount", "fraction", "expected"), [row[1:] for row in ROUNDED_UP])
def test_margin_and_fee_round_up(amount: int, fraction: int, expected: int) -> None:
    assert margin(amount, fraction) == expected
    assert fee(amount, fraction) == expected


def test_who_sells_an_inverse_contract_keeps_the_remainder() -> None:
    assert notional(INVERSE, 1, 8_000 * DOLLAR) == 1_250_000
    assert cash_flow(INVERSE, 3, 7_000 * DOLLAR) == 4_285_714
    assert cash_flow(INVERSE, -3, 7_000 * DOLLAR) == -4_285_714
    assert notional(INVERSE, -3, 7_000 * DOLLAR) == 4_285_715


def test_the_value_of_an_inverse_contract_is_one_number_for_both_sides_rounded_against_each() -> None:
    assert contracts.unit_value(INVERSE, 7_000 * DOLLAR) == 1_428_571_428571428571428571
    assert value(INVERSE, 3, 7_000 * DOLLAR) == -4_285_715
    assert value(INVERSE, -3, 7_000 * DOLLAR) == 4_285_714
    assert value(INVERSE, 4, 8_000 * DOLLAR) == -5_000_000 == -value(INVERSE, -4, 8_000 * DOLLAR)


def test_who_is_long_wins_coins_when_the_price_rises() -> None:
    assert cash_flow(INVERSE, 80, 8_000 * DOLLAR) + value(INVERSE, 80, 10_000 * DOLLAR) == 20_000_000
    assert cash_flow(INVERSE, -80, 8_000 * DOLLAR) + value(INVERSE, -80, 10_000 * DOLLAR) == -20_000_000


LOWEST = [
    ("linear, long", BTC, COIN, 7_000 * USDC_UNIT),
    ("linear, short", BTC, -COIN, -9_000 * USDC_UNIT),
    ("inverse, long", INVERSE, 63, -90_000_000),
    ("inverse, short, rounded down twice", INVERSE, -63, 69_999_999),
]


@pytest.mark.parametrize(("market", "size", "expected"), [row[1:] for row in LOWEST], ids=[row[0] for row in LOWEST])
def test_the_lowest_value_of_a_range_is_at_its_worse_end(market: Market, size: int, expected: int) -> None:
    assert contracts.value_low(market, size, 7_000 * DOLLAR, 9_000 * DOLLAR) == expected


HIGHEST = [
    ("linear", BTC, COIN, 225 * USDC_UNIT),
    ("linear, short", BTC, -COIN, 225 * USDC_UNIT),
    ("inverse", INVERSE, -63, 2_250_000),
]


@pytest.mark.parametrize(("market", "size", "expected"), [row[1:] for row in HIGHEST], ids=[row[0] for row in HIGHEST])
def test_the_highest_maintenance_of_a_range_is_at_its_worse_end(market: Market, size: int, expected: int) -> None:
    assert contracts.maintenance_high(market, size, 7_000 * DOLLAR, 9_000 * DOLLAR) == expected


MARGINS = [
    ("by fractions", BTC, 8_000, 400, 200),
    ("below the first tier's end", TIERED, 9_999, 499.95, 299.97),
    ("at the first tier's end", TIERED, 10_000, 500, 300),
    ("above it", TIERED, 20_000, 2_000, 800),
    ("nothing", TIERED, 0, 0, 0),
    ("where the base binds", ROOTED, 100, 2, 1),
    ("where both are equal", ROOTED, 400, 8, 4),
    ("where the root binds", ROOTED, 10_000, 1_000, 500),
]


@pytest.mark.parametrize(
    ("market", "dollars", "initial", "maintenance"), [row[1:] for row in MARGINS], ids=[row[0] for row in MARGINS]
)
def test_margins_of_a_position(market: Market, dollars: int, initial: float, maintenance: float) -> None:
    size = dollars * COIN // 100
    told = (
        contracts.initial_margin(market, size, 100 * DOLLAR),
        contracts.maintenance_margin(market, -size, 100 * DOLLAR),
    )
    assert told == (round(initial * USDC_UNIT), round(maintenance * USDC_UNIT))


def test_one_unit_above_a_tiers_end_is_in_the_next_one() -> None:
    edge = 10_000 * USDC_UNIT
    assert contracts.tier_of(TIERED, edge) == TIERED.tiers[0]
    assert contracts.tier_of(TIERED, edge + 1) == TIERED.tiers[1]


def test_an_account_s_own_leverage_only_ever_raises_initial_margin() -> None:
    size, mark = COIN, 8_000 * DOLLAR
    told = [contracts.initial_margin(BTC, size, mark, fraction_min=FRACTION_ONE // times) for times in (100, 20, 10, 1)]
    assert told == [400 * USDC_UNIT, 400 * USDC_UNIT, 800 * USDC_UNIT, 8_000 * USDC_UNIT]


def test_open_interest_raises_initial_margin_to_the_whole_notional_and_maintenance_not_at_all() -> None:
    market = but(BTC, open_interest_lower=100 * COIN, open_interest_upper=200 * COIN)
    interests = (0, 100, 150, 200, 500)
    told = [contracts.initial_margin(market, COIN, 8_000 * DOLLAR, coins * COIN) for coins in interests]
    assert told == [dollars * USDC_UNIT for dollars in (400, 400, 4_200, 8_000, 8_000)]
    assert contracts.maintenance_margin(market, COIN, 8_000 * DOLLAR) == 200 * USDC_UNIT


def test_open_interest_never_lowers_what_a_large_size_needs() -> None:
    twice = 2 * FRACTION_ONE
    assert [contracts.scaled_by_interest(twice, interest, 10, 20) for interest in (5, 15, 25)] == [twice] * 3


def test_a_sale_of_coins_moves_them_exactly() -> None:
    spot = but(BTC, kind=ContractKind.SPOT, base_asset=2, base_decimals=8)
    assert contracts.base_amount(spot, -COIN) == -(10**8)
