"""Impact prices by TV-2.16 and V-DX-7, in whole price units, rounded down."""

import pytest

from services.matching.impact import impact_price
from tests.builders import BTC, COIN, USDC_UNIT, but

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


def test_more_decimals_show_the_digits_of_the_vector() -> None:
    fine = but(BTC, price_decimals=8, size_decimals=5)
    levels = [(price * 10**6, size) for price, size in BIDS]
    assert impact_price(fine, levels, 8_000 * USDC_UNIT) == 999_312_285_089
