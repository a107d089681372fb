"""The only divisions of the project, and what belongs to whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.fixed import (
    InvariantError,
    account_of,
    clamp,
    div_ceil,
    div_exact,
    div_floor,
    invariant,
    median,
    slot_of,
)

DIVISIONS = [
    ("whole", 6, 3, 2, 2),
    ("up and down", 7, 2, 3, 4),
    ("below zero", -7, 2, -4, -3),
    ("nothing", 0, 5, 0, 0),
    ("less than one", 1, 10**12, 0, 1),
    ("more than a machine word", 10**30 + 1, 10, 10**29, 10**29 + 1),
]


@pytest.mark.parametrize(("numerator", "denominator", "low", "high"), [row[1:] for row in DIVISIONS])
def test_division_rounds_to_one_named_side(numerator: int, denominator: int, low: int, high: int) -> None:
    assert div_floor(numerator, denominator) == low
    assert div_ceil(numerator, denominator) == high


@given(st.integers(), st.integers(1))
def test_what_floor_loses_ceil_adds(numerator: int, denominator: int) -> None:
    assert div_ceil(numerator, denominator) == -div_floor(-numerator, denominator)
    assert 0 <= numerator - denominator * div_floor(numerator, denominator) < denominator


def test_an_exact_division_leaves_nothing() -> None:
    assert div_exact(-12, 4) == -3
    with pytest.raises(InvariantError, match="no remainder"):
        div_exact(7, 2)


def test_an_invariant_says_its_claim() -> None:
    invariant(True, "fine")  # noqa: FBT003
    with pytest.raises(InvariantError, match="a fund is never below zero"):
        invariant(False, "a fund is never below zero")  # noqa: FBT003


def test_a_subaccount_belongs_to_an_account_and_its_slot_for_ever() -> None:
    account = 2**54 - 1
    assert [account_of(account * 256 + number) for number in (0, 255)] == [account, account]
    assert slot_of(account) == 4095
    assert slot_of(4096) == 0


CLAMPS = [("below", 1, 5), ("at the low end", 5, 5), ("inside", 7, 7), ("at the high end", 9, 9), ("above", 10, 9)]


@pytest.mark.parametrize(("value", "expected"), [row[1:] for row in CLAMPS], ids=[row[0] for row in CLAMPS])
def test_clamp(value: int, expected: int) -> None:
    assert clamp(value, 5, 9) == expected


MEDIANS = [
    ("one", [5], 5),
    ("odd", [9, 1, 5], 5),
    ("even takes the lower middle", [4, 1, 3, 2], 2),
    ("equal", [3, 3], 3),
]


@pytest.mark.parametrize(("values", "expected"), [row[1:] for row in MEDIANS], ids=[row[0] for row in MEDIANS])
def test_median_is_one_of_its_values(values: list[int], expected: int) -> None:
    assert median(values) == expected
