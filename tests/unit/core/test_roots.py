"""Roots round up, and by no more than one part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.roots import ceil_root, root_ceil

ROOTS = [
    ("nothing", 0, 8, 0),
    ("one", 10**8, 8, 10**12),
    ("a hundred", 100 * 10**8, 8, 10 * 10**12),
    ("two", 2 * 10**8, 8, 1_414_213_562_374),
    ("the least unit", 1, 8, 10**8),
    ("the least unit of twelve decimals", 1, 12, 10**6),
    ("an odd number of decimals", 1, 5, 3_162_277_661),
    ("no decimals", 3, 0, 1_732_050_807_569),
    ("as many decimals as there may be", 2, 24, 2),
]


@pytest.mark.parametrize(("amount", "decimals", "expected"), [row[1:] for row in ROOTS], ids=[row[0] for row in ROOTS])
def test_root_of_an_amount_in_whole_units(amount: int, decimals: int, expected: int) -> None:
    assert root_ceil(amount, decimals) == expected


@given(st.integers(0, 10**60))
def test_the_least_integer_whose_square_is_enough(square: int) -> None:
    root = ceil_root(square)
    assert root**2 >= square
    assert root == 0 or (root - 1) ** 2 < square
