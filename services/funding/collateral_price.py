"""Price of an asset as collateral: the guarded median, no faster than a bound per minute, less what its sources disagree.

Pure: it does not judge sources, and keeps nothing.
"""

from services.core.fixed import FRACTION_ONE, Fraction, Milliseconds, Price, clamp, div_ceil, div_floor

MINUTE_MS = 60_000
INTERVAL_MS = 1_000
"""An asset's price is published at most once in each second of log time."""


def minute_of(now_ms: Milliseconds) -> Milliseconds:
    """Return the beginning of the minute that `now_ms` lies in."""
    return now_ms - now_ms % MINUTE_MS


def clamped(price: Price, at_minute: Price, minute_move_max: Fraction) -> Price:
    """Bring a price within reach of the one that stood when the running minute of log time began.

        clamp(price, start - width, start + width), width = max(1, floor(start * minute_move_max))

    So it moves by at most the width in a minute, twice that in sixty seconds across a minute's end, and after an outage no faster.

    Units    10^-INDEX_DECIMALS; minute_move_max parts of 1e12, 0 for no bound; at_minute 0 before the first price, which has none
    Rounds   the width down, never below one unit, or a very small price could not move at all
    Source   M-3
    """
    if not at_minute or not minute_move_max:
        return price
    width = max(1, div_floor(at_minute * minute_move_max, FRACTION_ONE))
    return clamp(price, at_minute - width, at_minute + width)


def spread(prices: list[Price], middle: Price) -> Fraction:
    """Distance from the median within which most of the prices lie; one venue alone never widens it past the others.

    Units    parts of 1e12 of the median; prices are those of believed sources, at least one
    Rounds   up, against the holder
    Source   M-3
    """
    distances = sorted(abs(price - middle) for price in prices)
    return div_ceil(distances[len(distances) >> 1] * FRACTION_ONE, middle)


def after_haircut(price: Price, apart: Fraction, free: Fraction) -> Price:
    """Price less the share by which its sources lie apart beyond what is free.

        price * (1 - max(0, apart - free))

    Units    10^-INDEX_DECIMALS; apart and free parts of 1e12
    Rounds   down, against the holder; never below one unit: the log knows no price of nothing
    Source   M-3
    """
    excess = min(FRACTION_ONE, max(0, apart - free))
    return max(1, div_floor(price * (FRACTION_ONE - excess), FRACTION_ONE))
