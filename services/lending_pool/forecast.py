"""When a pool would be fully used if it went on as in its last periods; a forecast binds nobody."""

from services.core.fixed import FRACTION_ONE, Amount, Fraction, Milliseconds, div_floor

LOOKS_BACK = 10
"""Openings that are looked at."""
HORIZON_MS: Milliseconds = 7 * 24 * 3_600_000
"""What is further away is not said."""


def room_left(supplied: Amount, borrowed: Amount, most: Fraction) -> Amount:
    """What could still be borrowed up to a utilisation. Rounds down."""
    return div_floor(supplied * most, FRACTION_ONE) - borrowed


def full_at_ms(then_ms: Milliseconds, then: Amount, now_ms: Milliseconds, now: Amount) -> Milliseconds:
    """When the room will be zero, by a straight line through two moments; 0: it does not shrink, or not soon enough.

    Rounds   down: rather too soon
    """
    if now <= 0:
        return now_ms
    if now >= then or now_ms <= then_ms:
        return 0
    left_ms = div_floor(now * (now_ms - then_ms), then - now)
    return now_ms + left_ms if left_ms <= HORIZON_MS else 0
