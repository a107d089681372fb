"""Slow views of a price: what a push of the mark does to them, and that nothing is lost to rounding."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.fixed import FRACTION_ONE
from services.funding.slow_price import DAY_MS, HOUR_MS, SAMPLE_MS_MAX, Slow, add_mark, slow_high, slow_low

PERCENT = FRACTION_ONE // 100
LIMIT = 2**60


def held(slow: Slow, mark: int, ms: int, length_ms: int, step_ms: int = 1_000) -> Slow:
    """The average after a mark that stood for so long, sampled each step."""
    for _ in range(ms // step_ms):
        slow = add_mark(slow, mark, step_ms, length_ms)
    return slow


def test_a_push_of_half_an_hour_moves_the_hour_by_two_fifths_and_the_day_by_a_fiftieth() -> None:
    """A price pushed from 0.038 to 0.91 for 30 minutes: 1 - exp(-1/2) = 39.3 %, and 1 - exp(-1/48) = 2.06 % of the move."""
    hour = held(Slow(38_000), 910_000, HOUR_MS // 2, HOUR_MS)
    day = held(Slow(38_000), 910_000, HOUR_MS // 2, DAY_MS)
    assert [(hour.value - 38_000) / 872_000, (day.value - 38_000) / 872_000] == pytest.approx(
        [0.3934, 0.0206], abs=1e-4
    )
    assert slow_low(hour, 910_000, day, 5 * PERCENT) == (day.value * FRACTION_ONE + day.rest) * 105 // (
        100 * FRACTION_ONE
    )
    assert slow_high(hour, 910_000, day, 5 * PERCENT) == 910_000


def test_one_mark_after_an_outage_counts_for_a_minute() -> None:
    assert add_mark(Slow(100_000), 200_000, 8 * HOUR_MS, HOUR_MS) == add_mark(
        Slow(100_000), 200_000, SAMPLE_MS_MAX, HOUR_MS
    )
    assert add_mark(Slow(100_000), 200_000, 8 * HOUR_MS, HOUR_MS).value == 101_639


def test_a_step_smaller_than_a_unit_is_not_lost() -> None:
    slow = held(Slow(1_000), 1_001, 10 * HOUR_MS, HOUR_MS)
    assert slow.value == 1_000
    assert slow.rest > FRACTION_ONE * 999 // 1_000
    assert slow.ceiling == 1_001


marks = st.lists(st.tuples(st.integers(1, LIMIT), st.integers(0, 2 * SAMPLE_MS_MAX)), max_size=30)


@given(st.integers(1, LIMIT), marks)
def test_an_average_never_leaves_its_marks_and_is_the_exact_one_but_for_its_rounding(
    first: int, steps: list[tuple[int, int]]
) -> None:
    slow, exact = Slow(first), Fraction(first)
    for mark, elapsed_ms in steps:
        slow = add_mark(slow, mark, elapsed_ms, HOUR_MS)
        weight = min(elapsed_ms, SAMPLE_MS_MAX)
        exact = (exact * HOUR_MS + mark * weight) / (HOUR_MS + weight)
    seen = [first, *(mark for mark, _ in steps)]
    assert min(seen) <= slow.value <= slow.ceiling <= max(seen)
    assert 0 <= slow.rest < FRACTION_ONE
    assert 0 <= exact - slow.value - Fraction(slow.rest, FRACTION_ONE) <= Fraction(len(steps), FRACTION_ONE)


@given(st.integers(1, LIMIT), st.integers(1, LIMIT), st.integers(1, LIMIT), st.integers(0, FRACTION_ONE - 1))
def test_the_index_lies_between_the_slow_views_and_no_view_passes_another(
    hour: int, index: int, day: int, band: int
) -> None:
    low, high = slow_low(Slow(hour, 1), index, Slow(day, 1), band), slow_high(Slow(hour, 1), index, Slow(day, 1), band)
    assert low <= min(index, hour) <= max(index, hour + 1) <= high
