"""Paths of further indices from one that is known: they move with it, more or less strongly, with seeded noise of their own.

No market data stands behind them: where the path of an index is recorded, play that instead.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from services.core.fixed import Milliseconds, Price, div_floor
from services.oracle.noise import ONE, layered_noise
from services.oracle.path import Path

BASE_INDEX = "BTC_USD"
MINUTE_MS = 60_000
PERIODS_MS = (480 * MINUTE_MS, 60 * MINUTE_MS, 10 * MINUTE_MS, MINUTE_MS, 10_000)
LEAST_PPM = 50_000
"""No path falls below this part of its first price, however strongly it follows."""


class Relation(NamedTuple):
    """How an index follows the base: its first price as part of the base's, how strongly it follows, its own noise. All ppm."""

    ratio_ppm: int
    beta_ppm: int
    noise_ppm: int


RELATIONS = {"ETH_USD": Relation(24_600, 1_150_000, 8_000), "SOL_USD": Relation(2_500, 1_300_000, 15_000)}
"""ETH stood at 195 when BTC was at 7,934; SOL was not traded then, 20 is as good as any."""


@dataclass(frozen=True)
class Correlated:
    """Path of an index that follows another."""

    base: Path
    name: str
    seed: int
    relation: Relation

    @property
    def begins_ms(self) -> Milliseconds:
        """With the base."""
        return self.base.begins_ms

    @property
    def ends_ms(self) -> Milliseconds:
        """With the base."""
        return self.base.ends_ms

    def price(self, at_ms: Milliseconds) -> Price | None:
        """Price at a time; None where the base has none."""
        start, now = self.base.price(self.begins_ms), self.base.price(at_ms)
        if start is None or now is None:
            return None
        first = div_floor(start * self.relation.ratio_ppm, ONE)
        followed = div_floor((now - start) * self.relation.beta_ppm, start)
        own = div_floor(layered_noise(self.seed, self.name, at_ms, PERIODS_MS) * self.relation.noise_ppm, ONE)
        return div_floor(first * max(LEAST_PPM, ONE + followed + own), ONE)


def paths_of(base: Path, indices: Iterable[str], seed: int) -> dict[str, Path]:
    """Path of each index: the base's own, and what follows it.

    Raises   KeyError for an index without a relation; RELATIONS has the names
    """
    return {
        index: base if index == BASE_INDEX else Correlated(base, index, seed, RELATIONS[index]) for index in indices
    }
