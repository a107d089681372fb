"""Wires: whoever waits for a number, kept in buckets of thresholds and cut in order of threshold (M-5); they judge nothing.

A series is a number that only records move, such as a mark. A move costs the buckets that it passes and the wires that it cuts, not the
wires that exist. Buckets are a thousandth of the threshold wide or less, so that they fit every scale of prices.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from services.core.fixed import Price

MANTISSA_BITS = 10


class SeriesKind(IntEnum):
    """Which number of a market, or of an asset, a series is."""

    MARK = 1
    INDEX = 2
    LAST = 3
    COLLATERAL = 4


Series: TypeAlias = tuple[int, int]
"""(kind, market or asset)."""
Subject: TypeAlias = tuple[int, int]
"""(subaccount, ref): ref 0 is the margin box of the subaccount, any other a trigger's id."""


def bucket_of(threshold: Price) -> int:
    """Bucket of a threshold: its exponent and its first binary digits; never falls when the threshold rises."""
    shift = max(0, threshold.bit_length() - MANTISSA_BITS - 1)
    return (shift << MANTISSA_BITS) + (threshold >> shift)


@dataclass(slots=True)
class Bucket:
    """Wires whose thresholds lie close together; `nearest` is at least as near to the price as the one to be reached first."""

    nearest: Price
    wires: dict[Subject, Price] = field(default_factory=dict)


Buckets: TypeAlias = dict[int, Bucket]


@dataclass(slots=True)
class Wires:
    """Wires of one series: `below` are cut when it falls to their threshold, `above` when it rises to it; `price` is where it stands.

    While there is a price, no threshold has been reached by it; before the first one, 0, anything may be armed.
    """

    price: Price = 0
    below: Buckets = field(default_factory=dict)
    above: Buckets = field(default_factory=dict)

    def has_reached(self, *, below: Price = 0, above: Price = 0) -> bool:
        """Whether a threshold is reached already, so that there is nothing to wait for; 0 is none."""
        return bool(self.price) and (self.price <= below or 0 < above <= self.price)

    def arm(self, subject: Subject, *, below: Price = 0, above: Price = 0) -> None:
        """Let a subject wait for either threshold, 0 for none; it has no wire here, and has_reached was asked before."""
        if below:
            put(self.below, -1, subject, below)
        if above:
            put(self.above, 1, subject, above)

    def disarm(self, subject: Subject, *, below: Price = 0, above: Price = 0) -> None:
        """Take away the wires armed at these thresholds; one that was cut meanwhile is not there any more."""
        remove(self.below, subject, below)
        remove(self.above, subject, above)

    def move(self, price: Price) -> list[tuple[Subject, Price]]:
        """Take the series to a price and cut what it passes: (subject, threshold), what was to be reached first before the rest."""
        before, self.price = self.price, price
        cut: list[tuple[Subject, Price]] = []
        if price < before or not before:
            cut += sorted(take(self.below, -1, price, before), key=lambda pair: (-pair[1], pair[0]))
        if price > before:
            cut += sorted(take(self.above, 1, price, before), key=lambda pair: (pair[1], pair[0]))
        return cut


def put(buckets: Buckets, side: int, subject: Subject, threshold: Price) -> None:
    """Put one wire into its bucket; side -1 is of those that wait below the price."""
    key = bucket_of(threshold)
    bucket = buckets.get(key)
    if bucket is None:
        bucket = buckets[key] = Bucket(threshold)
    elif side * (threshold - bucket.nearest) < 0:
        bucket.nearest = threshold
    bucket.wires[subject] = threshold


def remove(buckets: Buckets, subject: Subject, threshold: Price) -> None:
    """Take one wire out of its bucket, and the bucket away with its last."""
    key = bucket_of(threshold)
    bucket = buckets.get(key)
    if bucket is not None and bucket.wires.pop(subject, None) is not None and not bucket.wires:
        del buckets[key]


def take(buckets: Buckets, side: int, price: Price, before: Price) -> list[tuple[Subject, Price]]:
    """Take out what lies between `before` and `price`, thresholds below the price (side -1) or above it; `before` 0 looks at all."""
    taken: list[tuple[Subject, Price]] = []
    for key in passed(buckets, bucket_of(price), bucket_of(before) if before else None):
        bucket = buckets[key]
        if side * (price - bucket.nearest) < 0:
            continue
        reached = [pair for pair in bucket.wires.items() if side * (price - pair[1]) >= 0]
        taken += reached
        if len(reached) == len(bucket.wires):
            del buckets[key]
            continue
        for subject, _threshold in reached:
            del bucket.wires[subject]
        bucket.nearest = side * min(side * threshold for threshold in bucket.wires.values())
    return taken


def passed(buckets: Collection[int], edge: int, start: int | None) -> list[int]:
    """Return the buckets from `start` to `edge`, both included: by counting, or by looking at all that exist, whichever are fewer."""
    if start is None:
        return list(buckets)
    low, high = min(edge, start), max(edge, start)
    if high - low < len(buckets):
        return [key for key in range(low, high + 1) if key in buckets]
    return [key for key in buckets if low <= key <= high]
