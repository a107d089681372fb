"""Trailing stops as arithmetic: where one stands behind the best price, and the next price that is worth following; it knows no state.

A trailing stop is wired on both sides: where it triggers, and where the best price has improved by a thousandth of its distance. Between
the two nothing is done, so it costs the moves that matter. It triggers never earlier than the exact rule, and later by less than that
thousandth (one unit of price at least).
"""

from services.core.fixed import FRACTION_ONE, LIMIT, Fraction, Price, div_ceil, div_floor
from services.core.messages import Side

TRAIL_MIN = 1_000_000_000
"""A tenth of a percent."""
TRAIL_MAX = 500_000_000_000
STEPS = 1_000
"""Parts of the distance; the best price is followed in such steps."""


def stop_behind(side: int, best: Price, trail: Fraction) -> Price:
    """Price at which a stop triggers that trails the best price seen.

        sell    best * (1 - trail), reached from above
        buy     best * (1 + trail), reached from below

    Rounds   away from the best price, so that it never triggers early
    """
    if side == Side.SELL:
        return div_floor(best * (FRACTION_ONE - trail), FRACTION_ONE)
    return div_ceil(best * (FRACTION_ONE + trail), FRACTION_ONE)


def step_of(best: Price, trail: Fraction) -> Price:
    """How much better the best price must be before a stop follows it: a thousandth of its distance, one unit at least."""
    return max(1, div_floor(best * trail, FRACTION_ONE * STEPS))


def followed(side: int, best: Price, trail: Fraction) -> tuple[Price, Price]:
    """Thresholds (below, above) of a trailing stop whose best price is `best`; 0 for none."""
    stop, better = stop_behind(side, best, trail), best - side * step_of(best, trail)
    return (stop, better) if side == Side.SELL else (better, stop)


def begun(side: int, start: Price) -> tuple[Price, Price]:
    """Thresholds (below, above) of a trailing stop that does not follow yet: it begins at `start` or better, with 0 at any price."""
    return (0, start or 1) if side == Side.SELL else (start or LIMIT - 1, 0)


def stop_of(side: int, below: Price, above: Price) -> Price:
    """Which of its thresholds is the stop; 0 while it does not follow yet."""
    return below if side == Side.SELL else above
