"""Prices of settlements as numbers: means of the index and of trades, exact until the last rounding."""

from fractions import Fraction

import pytest

from services.core.contracts import cash_flow
from services.core.fixed import INDEX_DECIMALS
from services.core.markets import Market
from services.funding.settlement_price import (
    NO_SAMPLES,
    NOTHING,
    TOTAL_ONE,
    add_samples,
    add_total,
    amount_of,
    blend,
    from_index,
    index_mean,
    nearest,
    sample_times,
    traded_mean,
)
from tests.builders import BTC, FUTURE, but

TRADES = [(100, 10_000), (300, 10_100), (600, 9_900)]
EXACT = but(FUTURE, tick=1, price_decimals=12, settlement_decimals=12, face=10**24, size_decimals=0)
"""A contract so large that its cash has enough digits for the vector."""
PLAIN = but(BTC, tick=1, price_decimals=2, size_decimals=0)


def turnover(market: Market) -> int:
    unit = 10**market.price_decimals
    return sum(abs(cash_flow(market, size, price * unit)) for size, price in TRADES)


def test_trades_of_coin_contracts_make_a_harmonic_mean() -> None:
    """TV-1.3: 9969.192115574431 as a float prints it (exactly ...4324), where the plain mean would be 9970."""
    exact = Fraction(1_000) / sum(Fraction(size, price) for size, price in TRADES)
    assert traded_mean(EXACT, 1_000, turnover(EXACT)) == round(exact * 10**12)
    assert traded_mean(but(EXACT, tick=10), 1_000, turnover(EXACT)) == 9_969_192_115_574_430
    assert traded_mean(PLAIN, 1_000, turnover(PLAIN)) == 9_970_00


def test_a_traded_mean_is_on_the_tick() -> None:
    assert traded_mean(but(EXACT, tick=5 * 10**11), 1_000, turnover(EXACT)) == 9_969 * 10**12
    assert traded_mean(but(EXACT, tick=5 * 10**12), 1_000, turnover(EXACT)) == 9_970 * 10**12
    assert traded_mean(but(PLAIN, tick=700), 1_000, turnover(PLAIN)) == 700 * 1_424


NEAREST = [
    ("below the half", 149, 100, 1, 1),
    ("a half goes up", 3, 2, 1, 2),
    ("a half below zero, too", -3, 2, 1, -1),
    ("on a coarser grid", 7, 1, 5, 5),
    ("half of it", 15, 2, 5, 10),
    ("exact", 10, 1, 5, 10),
]


@pytest.mark.parametrize(
    ("numerator", "denominator", "unit", "expected"), [row[1:] for row in NEAREST], ids=[row[0] for row in NEAREST]
)
def test_nearest(numerator: int, denominator: int, unit: int, expected: int) -> None:
    assert nearest(numerator, denominator, unit) == expected


FROM_INDEX = [
    ("down to cents", BTC, 8_000_049 * 10 ** (INDEX_DECIMALS - 3), 1, 800_000),
    ("up to a tick", BTC, 8_000_050 * 10 ** (INDEX_DECIMALS - 3), 1, 800_010),
    ("a third", but(BTC, tick=1), 8_000 * 10**INDEX_DECIMALS, 3, 266_667),
    ("more digits than the index", but(BTC, tick=1, price_decimals=12), 1, 3, 33),
    ("never nothing", BTC, 1, 1, BTC.tick),
]


@pytest.mark.parametrize(
    ("market", "numerator", "denominator", "expected"),
    [row[1:] for row in FROM_INDEX],
    ids=[row[0] for row in FROM_INDEX],
)
def test_from_index(market: Market, numerator: int, denominator: int, expected: int) -> None:
    assert from_index(market, numerator, denominator) == expected


def test_samples_add_up_exactly_however_they_come() -> None:
    one_by_one = together = NO_SAMPLES
    for price, times in ((7, 3), (10, 0), (8, 2), (2**61, 3_600), (1, 86_400)):
        together = add_samples(together, price, times)
        for _ in range(times):
            one_by_one = add_samples(one_by_one, price, 1)
    assert one_by_one == together
    assert index_mean(together) == (21 + 16 + 2**61 * 3_600 + 86_400, 5 + 3_600 + 86_400)
    assert max(together) < 2**62


TIMES = [
    ("none", 1_000, 999, 0),
    ("the first", 1_000, 1_000, 1),
    ("before the next", 1_000, 1_999, 1),
    ("two", 0, 1_000, 2),
]


@pytest.mark.parametrize(("first", "last", "expected"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES])
def test_sample_times(first: int, last: int, expected: int) -> None:
    assert sample_times(first, last) == expected


def test_a_total_has_no_end_and_its_numbers_have() -> None:
    total = NOTHING
    for _ in range(1_000):
        total = add_total(total, 2**62 - 1)
    assert amount_of(total) == 1_000 * (2**62 - 1)
    assert 0 <= total.part < TOTAL_ONE


def test_a_window_under_way_blends_what_was_with_what_is_expected() -> None:
    """TV-3.5: 20 minutes left, 1950 over 10 minutes, forward 1975."""
    assert blend(195_000, 197_500, 600, 1_800) == 196_666
