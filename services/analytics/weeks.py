"""Weeks of points: each ends on a Thursday at 00:00 UTC, which is when Unix time began; numbers count from there (F-5.15)."""

from collections.abc import Iterator

from services.core.fixed import Milliseconds, div_ceil, div_floor

WEEK_MS: Milliseconds = 7 * 24 * 3_600_000


def week_of(at_ms: Milliseconds) -> int:
    """Week that an instant belongs to: one at the very end is still in it."""
    return div_ceil(at_ms, WEEK_MS)


def ends_ms(week: int) -> Milliseconds:
    """When a week ends."""
    return week * WEEK_MS


def begins_ms(week: int) -> Milliseconds:
    """When a week begins, which is when the one before ends."""
    return (week - 1) * WEEK_MS


def overlap(week: int, since_ms: Milliseconds, until_ms: Milliseconds) -> Milliseconds:
    """How much of a span of time lies in a week."""
    return max(0, min(until_ms, ends_ms(week)) - max(since_ms, begins_ms(week)))


def split(since_ms: Milliseconds, until_ms: Milliseconds) -> Iterator[tuple[int, Milliseconds]]:
    """A span of time as (week, ms), oldest first; nothing of one that does not go forward."""
    week = div_floor(since_ms, WEEK_MS) + 1
    while since_ms < until_ms:
        end = min(until_ms, ends_ms(week))
        yield week, end - since_ms
        since_ms, week = end, week + 1
