"""The published ladder of a pool under stress: at which utilisation each step begins, and on which step a pool stands (M-10)."""

from services.core.fixed import Fraction, div_floor
from services.core.markets import PoolTerms

CALMER: Fraction = 10**10
"""A step is left only when utilisation is one per cent of all below where it begins, so that none is entered and left in turn."""


def levels(terms: PoolTerms) -> tuple[Fraction, ...]:
    """Utilisation at which each step begins, from STEEP to DELEVERAGING; never falling.

        STEEP         above the optimal utilisation
        THROTTLED     at the throttle: its bound, or its threshold
        NO_BORROWS    a third of the way from there to AUTO_REPAY
        TIGHT_MARGIN  two thirds of it
        AUTO_REPAY    above the bound from which debts are repaid by converting collateral
        DELEVERAGING  at full use: the highest utilisation there may be

    Source   M-10, M-7
    """
    full = terms.utilisation_max
    throttled = min(terms.throttle_bound or terms.throttle_threshold, full)
    repay = min(max(terms.convert_bound + 1, throttled), full)
    between = repay - throttled
    steep = min(terms.optimal + 1, throttled)
    no_borrows = throttled + div_floor(between, 3)
    return (steep, throttled, no_borrows, throttled + div_floor(2 * between, 3), repay, full)


def stress_step(begins: tuple[Fraction, ...], used: Fraction, before: int) -> int:
    """Step at a utilisation: up at once, down only when well below where a step begins."""
    up = sum(used >= begin for begin in begins)
    down = sum(used + CALMER >= begin for begin in begins)
    return max(up, min(before, down))
