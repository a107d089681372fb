"""A reference rate of the CME kind: volume-weighted medians of equal parts of a window, and their mean; it knows no clock and no state."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TypeAlias

from services.core.fixed import LIMIT, Price

PRICES_MAX = 2_000
"""Prices kept of a part that is under way: one more joins the nearest below it."""

Observation: TypeAlias = tuple[Price, int]
"""(price, volume)."""


@dataclass(slots=True)
class Partition:
    """What was observed in a part of a window: prices in ascending order, each once, and how much traded at them."""

    prices: list[Price] = field(default_factory=list)
    volumes: list[int] = field(default_factory=list)

    def add(self, price: Price, volume: int) -> None:
        """Note an observation; no volume weighs one unit. A price beyond those kept joins the one below it, or the lowest."""
        at = bisect_left(self.prices, price)
        known = at < len(self.prices) and self.prices[at] == price
        if not known and len(self.prices) >= PRICES_MAX:
            at = max(0, at - 1)
        elif not known:
            self.prices.insert(at, price)
            self.volumes.insert(at, 0)
        self.volumes[at] = min(LIMIT, self.volumes[at] + max(1, volume))

    def observations(self) -> list[Observation]:
        """Return what was noted."""
        return list(zip(self.prices, self.volumes, strict=True))


def volume_weighted_median(observations: list[Observation]) -> Price:
    """Lowest price at which at least half of the volume traded there or below; 0 without observations.

    Units    prices of any one unit, > 0; volumes > 0
    Rounds   nothing: it is one of the prices
    Source   F-1.5; where exactly half is reached, that price
    """
    whole, below = sum(volume for _, volume in observations), 0
    for price, volume in sorted(observations):
        below += volume
        if 2 * below >= whole:
            return price
    return 0


def reference_rate(partitions: list[list[Observation]]) -> tuple[int, int]:
    """Mean of the volume-weighted medians of the partitions that are not empty.

        rate = sum(volume_weighted_median(partition)) / number of partitions that are not empty

    Returns  (numerator, denominator), exact, in the unit of the prices; the denominator is 0 when all are empty. Whoever uses it rounds
             once, to what trades (settlement_price.nearest)
    Source   F-1.5
    """
    medians = [volume_weighted_median(one) for one in partitions if one]
    return sum(medians), len(medians)
