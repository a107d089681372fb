"""How fast a price of collateral may move, and what disagreement takes off it."""

import pytest

from services.core.fixed import FRACTION_ONE
from services.funding.collateral_price import after_haircut, clamped, minute_of, spread

PERCENT = FRACTION_ONE // 100

CLAMPED = [
    ("within", 1_005, 1_000, PERCENT, 1_005),
    ("too far up", 1_100, 1_000, PERCENT, 1_010),
    ("too far down", 900, 1_000, PERCENT, 990),
    ("the width rounds down", 1_999, 1_099, PERCENT, 1_109),
    ("but lets a small price move", 9, 5, PERCENT, 6),
    ("no bound", 1, 1_000, 0, 1),
    ("the first price", 7, 0, PERCENT, 7),
]


@pytest.mark.parametrize(
    ("price", "start", "move", "expected"), [row[1:] for row in CLAMPED], ids=[row[0] for row in CLAMPED]
)
def test_a_price_moves_so_far_in_a_minute(price: int, start: int, move: int, expected: int) -> None:
    assert clamped(price, start, move) == expected


def test_minutes_are_those_of_the_clock() -> None:
    assert [minute_of(at_ms) for at_ms in (0, 59_999, 60_000)] == [0, 0, 60_000]


SPREADS = [
    ("one source", [100], 100, 0),
    ("two", [100, 101], 100, PERCENT),
    ("one of three alone is not heard", [100, 100, 150], 100, 0),
    ("two of three apart", [1_000, 1_010, 950], 1_000, PERCENT),
    ("four, one mad", [1_000, 1_000, 1_001, 1_500], 1_000, FRACTION_ONE // 1_000),
    ("rounded up", [3, 3, 4, 4], 3, FRACTION_ONE // 3 + 1),
]


@pytest.mark.parametrize(
    ("prices", "middle", "expected"), [row[1:] for row in SPREADS], ids=[row[0] for row in SPREADS]
)
def test_the_spread_is_where_most_sources_lie(prices: list[int], middle: int, expected: int) -> None:
    assert spread(prices, middle) == expected


HAIRCUTS = [
    ("what is free costs nothing", 1_000, PERCENT, PERCENT, 1_000),
    ("beyond it every part counts", 1_000, 3 * PERCENT, PERCENT, 980),
    ("rounded down", 999, 3 * PERCENT, PERCENT, 979),
    ("never to nothing", 1_000, 5 * FRACTION_ONE, 0, 1),
]


@pytest.mark.parametrize(
    ("price", "apart", "free", "expected"), [row[1:] for row in HAIRCUTS], ids=[row[0] for row in HAIRCUTS]
)
def test_haircuts(price: int, apart: int, free: int, expected: int) -> None:
    assert after_haircut(price, apart, free) == expected
