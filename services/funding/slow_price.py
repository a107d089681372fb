"""Slow views of a price: what floating profit may be lent on is told by the one that is hardest to move (reliability a.4); no state.

An average forgets by a part of its time per step, which needs no table of exponentials and can never pass its samples.
"""

from typing import NamedTuple

from services.core.fixed import FRACTION_ONE, Fraction, Milliseconds, Price, div_ceil, div_floor

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
SAMPLE_MS_MAX = 60_000
"""A mark stands for the time since the one before it, but for no more than this: one mark after an outage is no slow price."""


class Slow(NamedTuple):
    """An average of marks: value + rest / 1e12 units of price, 0 <= rest < 1e12, so that small steps are not lost."""

    value: Price
    rest: int = 0

    @property
    def ceiling(self) -> Price:
        """The average, rounded up."""
        return self.value + (self.rest > 0)


def add_mark(slow: Slow, mark: Price, elapsed_ms: Milliseconds, length_ms: Milliseconds) -> Slow:
    """Let an average follow a mark that stood for a time.

        slow' = (slow * length + mark * elapsed) / (length + elapsed), elapsed at most a minute

    Units    market price units; exp(-elapsed / length) to the first order, and above it: it moves no faster than F-HL-6's average
    Rounds   down, by less than 1e-12 of a unit
    Source   reliability a.4
    """
    elapsed_ms = min(elapsed_ms, SAMPLE_MS_MAX)
    total = (slow.value * FRACTION_ONE + slow.rest) * length_ms + mark * FRACTION_ONE * elapsed_ms
    fine = div_floor(total, length_ms + elapsed_ms)
    value = div_floor(fine, FRACTION_ONE)
    return Slow(value, fine - value * FRACTION_ONE)


def slow_low(hour: Slow, index: Price, day: Slow, band: Fraction) -> Price:
    """What a long's profit may be lent on: min(hour, index, day * (1 + band)). Rounds down. Source reliability a.4."""
    above = div_floor((day.value * FRACTION_ONE + day.rest) * (FRACTION_ONE + band), FRACTION_ONE * FRACTION_ONE)
    return min(hour.value, index, above)


def slow_high(hour: Slow, index: Price, day: Slow, band: Fraction) -> Price:
    """What a short's profit may be lent on: max(hour, index, day * (1 - band)). Rounds up. Source reliability a.4."""
    below = div_ceil((day.value * FRACTION_ONE + day.rest) * (FRACTION_ONE - band), FRACTION_ONE * FRACTION_ONE)
    return max(hour.ceiling, index, below)
