"""Price limits round the last settlement: inner steps end in an auction, the outermost refuses (F-1.6); pure arithmetic."""

from services.core.fixed import FRACTION_ONE, Fraction, Price, div_ceil, div_floor
from services.core.markets import Market
from services.matching.bands import nearest_above, nearest_below
from services.matching.plan import Limits


def price_limit(market: Market, reference_price: Price, step: Fraction) -> tuple[Price, Price]:
    """Lowest and highest price within one step of the reference.

        down = ceil_tick(reference * (1 - step)), up = floor_tick(reference * (1 + step))

    Units    prices 10^-price_decimals; step parts of 1e12, below one
    Rounds   inwards, to a price that an order may have
    Source   F-1.6, TV-1.7
    """
    low = div_ceil(reference_price * (FRACTION_ONE - step), FRACTION_ONE)
    high = div_floor(reference_price * (FRACTION_ONE + step), FRACTION_ONE)
    return nearest_above(market, low), nearest_below(market, high)


def bound_by_steps(market: Market, limits: Limits, reference_price: Price, passed: int) -> None:
    """Narrow limits by the outermost step, and name the step in force when so many were passed since the last settlement."""
    steps = market.limit_steps
    if not steps or not reference_price:
        return
    limits.outer_low, limits.outer_high = price_limit(market, reference_price, steps[-1])
    limits.step_low, limits.step_high = price_limit(market, reference_price, steps[min(passed, len(steps) - 1)])
    limits.low = max(limits.low, limits.outer_low)
    limits.high = min(limits.high, limits.outer_high)
