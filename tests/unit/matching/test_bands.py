"""Prices that a market accepts: the nearest one on the grid, and the place of an order that slides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.markets import Market, on_grid
from services.matching.bands import behind, nearest_above, nearest_below
from tests.builders import BTC, but

FIGURES = but(BTC, price_decimals=4, tick=1, price_figures=3)
COARSE = but(BTC, price_decimals=4, tick=500, price_figures=3)

BEHIND = [
    ("a buy one tick below", BTC, 1, 800_000, 799_990),
    ("a sell one tick above", BTC, -1, 800_000, 800_010),
    ("no price is left", BTC, 1, 10, 0),
    ("a buy on the coarser grid", FIGURES, 1, 12_300, 12_200),
    ("a buy on the finer grid below a power of ten", FIGURES, 1, 1_000, 999),
    ("a sell on the coarser grid", FIGURES, -1, 999, 1_000),
    ("whole numbers have no more than their decimals", FIGURES, -1, 123_450_000, 123_460_000),
]


@pytest.mark.parametrize(
    ("market", "side", "opposite", "expected"), [r[1:] for r in BEHIND], ids=[r[0] for r in BEHIND]
)
def test_behind(market: Market, side: int, opposite: int, expected: int) -> None:
    assert behind(market, side, opposite) == expected


@given(market=st.sampled_from([BTC, FIGURES, COARSE]), price=st.integers(1, 10**8))
def test_nearest_prices_are_on_the_grid_with_none_between(market: Market, price: int) -> None:
    below, above = nearest_below(market, price), nearest_above(market, price)
    assert below <= price <= above
    assert on_grid(market, above)
    assert below == 0 or on_grid(market, below)
    between = [one for one in range(max(below + 1, price - 2_000), min(above, price + 2_000)) if on_grid(market, one)]
    assert between == []
