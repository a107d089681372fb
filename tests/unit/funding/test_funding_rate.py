"""Premium and step where the vectors of the references are silent: empty sides, edges, remainders."""

import pytest

from services.core.fixed import FRACTION_ONE
from services.funding.funding_rate import Mean, add_premium, funding_step, premium
from tests.vectors.formulas.loader import units

PREMIUMS = [
    ("index between", 1_000_000, 999_312, 1_000_812, "0"),
    ("index at the bid", 999_312, 999_312, 1_000_812, "0"),
    ("index at the ask", 1_000_812, 999_312, 1_000_812, "0"),
    ("no asks", 997_000, 999_312, 0, "0.002318956870"),
    ("no bids, rounded down", 1_002_000, 0, 1_000_812, "-0.001185628743"),
    ("asks alone above the index", 1_000_000, 0, 1_000_812, "0"),
    ("empty", 1_000_000, 0, 0, "0"),
    ("a mad bid", 1, 2**59, 0, "1"),
]


@pytest.mark.parametrize(
    ("index", "bid", "ask", "expected"), [row[1:] for row in PREMIUMS], ids=[row[0] for row in PREMIUMS]
)
def test_premium(index: int, bid: int, ask: int, expected: str) -> None:
    assert premium(index, bid, ask) == units(expected, 12)


MEANS = [
    ("none", [], 0),
    ("one", [7], 7),
    ("the later weighs more", [0, 3], 2),
    ("rounded down", [-1, 0], -1),
    ("what rounding took comes back", [1, 0, 0, 4, 4], 2),
]


@pytest.mark.parametrize(("premiums", "mean"), [row[1:] for row in MEANS], ids=[row[0] for row in MEANS])
def test_the_mean_of_premiums(premiums: list[int], mean: int) -> None:
    found = Mean()
    for one in premiums:
        found = add_premium(found, one)
    assert (found.value, found.samples) == (mean, len(premiums))


STEPS = [
    ("whole", "0.0001", 80_000_000, 0, (8_000, 0)),
    ("a remainder is carried", "0.0001", 80_005_000, 0, (8_000, FRACTION_ONE // 2)),
    ("and paid when it is a unit", "0.0001", 80_005_000, FRACTION_ONE // 2, (8_001, 0)),
    ("below zero it goes down, the rest is carried", "-0.0001", 80_005_000, 0, (-8_001, FRACTION_ONE // 2)),
    ("then less is due", "-0.0001", 80_005_000, FRACTION_ONE // 2, (-8_000, 0)),
    ("nothing", "0", 80_005_000, 7, (0, 7)),
]


@pytest.mark.parametrize(
    ("rate", "lot", "remainder", "expected"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS]
)
def test_funding_step(rate: str, lot: int, remainder: int, expected: tuple[int, int]) -> None:
    assert funding_step(units(rate, 12), lot, remainder) == expected
