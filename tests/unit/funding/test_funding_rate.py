"""Premium, rate and step by the vectors of F-2.9 and F-2.10."""

import pytest

from services.core.fixed import FRACTION_ONE
from services.funding.funding_rate import EIGHT_HOURS_MS, funding_rate, funding_step, premium

HOUR_MS = 3_600_000
INTEREST = FRACTION_ONE // 10_000
CAP = 3_750_000_000


def parts(text: str) -> int:
    """Fraction of a decimal, exactly."""
    whole, _, digits = text.removeprefix("-").partition(".")
    value = int(whole) * FRACTION_ONE + int(digits.ljust(12, "0"))
    return -value if text.startswith("-") else value


PREMIUMS = [
    ("TV-2.16 index above both", 1_002_000, 999_312, 1_000_812, "-0.001185628742"),
    ("TV-2.16 index below both", 997_000, 999_312, 1_000_812, "0.002318956870"),
    ("index between", 1_000_000, 999_312, 1_000_812, "0"),
    ("index at the bid", 999_312, 999_312, 1_000_812, "0"),
    ("no asks", 997_000, 999_312, 0, "0.002318956870"),
    ("no bids", 1_002_000, 0, 1_000_812, "-0.001185628742"),
    ("empty", 1_000_000, 0, 0, "0"),
]


@pytest.mark.parametrize(
    ("index", "bid", "ask", "expected"), [row[1:] for row in PREMIUMS], ids=[row[0] for row in PREMIUMS]
)
def test_premium_rounds_down(index: int, bid: int, ask: int, expected: str) -> None:
    """Vectors of F-2.9 with impact prices in whole cents, so they differ from the table in the seventh digit."""
    exact = parts(expected)
    assert premium(index, bid, ask) in (exact, exact - 1)


RATES = [
    ("TV-2.3 small premium", "0.0002", EIGHT_HOURS_MS, "0.0001"),
    ("TV-2.3 below zero", "-0.0005", EIGHT_HOURS_MS, "0"),
    ("TV-2.3 large premium", "0.0010", EIGHT_HOURS_MS, "0.0005"),
    ("TV-2.3 far below", "-0.0010", EIGHT_HOURS_MS, "-0.0005"),
    ("TV-2.3 capped", "0.0080", EIGHT_HOURS_MS, "0.00375"),
    ("capped below", "-0.0080", EIGHT_HOURS_MS, "-0.00375"),
    ("TV-2.17 N=8", "0.0002", EIGHT_HOURS_MS, "0.0001"),
    ("TV-2.17 N=1", "0.0002", HOUR_MS, "0.0000125"),
    ("TV-2.17 N=1 large", "0.0015", HOUR_MS, "0.000125"),
]


@pytest.mark.parametrize(("mean", "interval_ms", "expected"), [row[1:] for row in RATES], ids=[row[0] for row in RATES])
def test_funding_rate(mean: str, interval_ms: int, expected: str) -> None:
    assert funding_rate(parts(mean), INTEREST, interval_ms, CAP) == parts(expected)


STEPS = [
    ("whole", parts("0.0001"), 80_000_000, 0, (8_000, 0)),
    ("a remainder is carried", parts("0.0001"), 80_005_000, 0, (8_000, FRACTION_ONE // 2)),
    ("and paid when it is a unit", parts("0.0001"), 80_005_000, FRACTION_ONE // 2, (8_001, 0)),
    ("below zero it goes down, the rest is carried", parts("-0.0001"), 80_005_000, 0, (-8_001, FRACTION_ONE // 2)),
    ("then less is due", parts("-0.0001"), 80_005_000, FRACTION_ONE // 2, (-8_000, 0)),
    ("nothing", 0, 80_005_000, 7, (0, 7)),
]


@pytest.mark.parametrize(
    ("rate", "lot", "remainder", "expected"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS]
)
def test_funding_step(rate: int, lot: int, remainder: int, expected: tuple[int, int]) -> None:
    assert funding_step(rate, lot, remainder) == expected
