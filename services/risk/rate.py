"""Rate buckets of an account by cost: whole numbers, log time, refilled when looked at; cancels have their own (DESIGN.md 1)."""

from dataclasses import dataclass

from services.core.fixed import Milliseconds
from services.core.reasons import Reason, Refusal

ORDERS_PER_S = 5_000
"""Orders, replaces and quotes of an account; each quote of a mass quote counts."""
CANCELS_PER_S = 10_000
BURST_MS = 2_000
"""A bucket holds what comes in this time."""


@dataclass(slots=True)
class Bucket:
    """What has been taken and not yet come back, in 1/1000 of a command: at a rate per second that many come back per millisecond."""

    used: int = 0
    at_ms: Milliseconds = 0


def charge(bucket: Bucket, cost: int, rate: int, now_ms: Milliseconds) -> Refusal | None:
    """Take `cost` commands out of a bucket that refills at `rate` per second, or refuse and take nothing."""
    used = max(0, bucket.used - (now_ms - bucket.at_ms) * rate)
    bucket.at_ms = now_ms
    fits = used + cost * 1_000 <= BURST_MS * rate
    bucket.used = used + cost * 1_000 if fits else used
    return None if fits else Refusal(Reason.TOO_MANY_REQUESTS, rate)
