"""Impact prices by TV-2.16 and V-DX-7, in whole price units, rounded down."""

from fractions import Fraction

import pytest

from services.matching.impact import impact_price
from tests.builders import BTC, COIN, INVERSE, USDC_UNIT, but

BIDS = [(999_500, COIN // 2), (999_000, COIN // 2), (998_000, 2 * COIN)]
ASKS = [(1_000_500, 3 * COIN // 10), (1_001_000, COIN), (1_002_000, 3 * COIN)]
CASES = [
    ("TV-2.16 bid 9993.1228...", BIDS, 8_000, 999_312),
    ("TV-2.16 ask 10008.1234...", ASKS, 8_000, 1_000_812),
    ("V-DX-7 bid 9998.19996", [(999_900, COIN // 10), (999_800, COIN)], 5_000, 999_819),
    ("the best level is enough", BIDS, 1_000, 999_500),
    ("exactly the best level", [(800_000, COIN)], 8_000, 800_000),
    ("too thin", [(800_000, COIN)], 8_001, 0),
    ("empty", [], 1, 0),
]


@pytest.mark.parametrize(("levels", "dollars", "expected"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_impact_price(levels: list[tuple[int, int]], dollars: int, expected: int) -> None:
    assert impact_price(BTC, levels, dollars * USDC_UNIT) == expected


INVERSE_BIDS = [(800_000, 4_000), (799_900, 2_000), (790_000, 10_000)]
INVERSE_CASES = [
    ("exactly the best level", 5 * 10**7, 800_000),
    ("half of the second level", 62_501_562, 799_979),
    ("into the third", 10**8, 797_475),
    ("too thin", 3 * 10**8, 0),
]


@pytest.mark.parametrize(("amount", "expected"), [r[1:] for r in INVERSE_CASES], ids=[r[0] for r in INVERSE_CASES])
def test_impact_price_of_an_inverse_contract_is_that_of_its_coins(amount: int, expected: int) -> None:
    """Against the exact fraction: contracts * face / coins, the last level in part."""
    left, contracts = Fraction(amount), Fraction(0)
    for price, size in INVERSE_BIDS:
        coins = min(left, Fraction(size * 100 * 10**8, price))
        left -= coins
        contracts += coins * price / (100 * 10**8)
    exact = contracts * 100 * 10**8 / amount
    told = impact_price(INVERSE, INVERSE_BIDS, amount)
    assert told == expected
    assert left or 0 <= exact - told < 1


def test_more_decimals_show_the_digits_of_the_vector() -> None:
    fine = but(BTC, price_decimals=8, size_decimals=5)
    levels = [(price * 10**6, size) for price, size in BIDS]
    assert impact_price(fine, levels, 8_000 * USDC_UNIT) == 999_312_285_089
