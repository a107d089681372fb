"""Index, basis and mark by F-2.8."""

import pytest

from services.core.fixed import FRACTION_ONE
from services.funding.mark_price import BASIS_SAMPLES, average_basis, index_price, mark_price, smoothed_basis

BAND = FRACTION_ONE // 20
HALF_OF_RATE = FRACTION_ONE // 20_000
INDEX = 1_000_000
"""10,000.00"""

MARKS = [
    ("TV-2.18: the basis is the median of 10,000.5, 10,012.5 and 10,030", HALF_OF_RATE, 1_250, 1_003_000, 1_001_250),
    ("the last price alone moves nothing", HALF_OF_RATE, 0, 1_020_000, 1_000_050),
    ("nor does the basis alone", HALF_OF_RATE, 90_000, 999_000, 1_000_050),
    ("without a trade yet the index speaks for it", 0, -50, 0, 1_000_000),
    ("two wrong views stay within half the band", 0, 90_000, 1_090_000, 1_025_000),
    ("and below", 0, -90_000, 910_000, 975_000),
    ("down to the tick", 0, 1_259, 1_003_000, 1_001_250),
]


@pytest.mark.parametrize(
    ("funded", "basis", "last", "expected"), [row[1:] for row in MARKS], ids=[row[0] for row in MARKS]
)
def test_mark_price(funded: int, basis: int, last: int, expected: int) -> None:
    assert mark_price(INDEX, funded, basis, last, BAND, 10) == expected


def test_a_mark_is_never_below_a_tick() -> None:
    assert mark_price(3, 0, 0, 0, BAND, 10) == 10


INDICES = [
    ("none", [], 0),
    ("one", [5], 5),
    ("two take the lower", [7, 5], 5),
    ("a wrong one of three", [7, 5, 900], 7),
]


@pytest.mark.parametrize(("prices", "expected"), [row[1:] for row in INDICES], ids=[row[0] for row in INDICES])
def test_index_price(prices: list[int], expected: int) -> None:
    assert index_price(prices) == expected


def test_the_basis_moves_a_thirtieth_of_the_way() -> None:
    total = smoothed_basis(0, 300)
    assert average_basis(total) == 300 // BASIS_SAMPLES
    assert smoothed_basis(total, 10) == 300 + 10 - 10


@pytest.mark.parametrize("sample", [1, 29, -1, -29])
def test_a_small_basis_is_not_lost(sample: int) -> None:
    total = 0
    for _ in range(200):
        total = smoothed_basis(total, sample)
    assert average_basis(total) == sample
