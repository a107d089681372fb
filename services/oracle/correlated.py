"""Paths of further indices from one that is known: they move with it, more or less strongly, with seeded noise of their own.

No market data stands behind them: where the path of an index is recorded, play that instead.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from services.core.fixed import Milliseconds, Price, div_floor
from services.oracle.noise import ONE, layered_noise
from services.oracle.path import Path, Remembered
from services.oracle.scenario import DOLLAR

BASE_INDEX = "BTC_USD"
MINUTE_MS = 60_000
YEAR_MS = 365 * 24 * 60 * MINUTE_MS
PERIODS_MS = (480 * MINUTE_MS, 60 * MINUTE_MS, 10 * MINUTE_MS, MINUTE_MS, 10_000)
LEAST_PPM = 50_000
"""No path falls below this part of its first price, however strongly it follows."""
RATIO_ONE = 10**12


class Relation(NamedTuple):
    """How an index follows the base: how strongly, its own noise, its growth per year, and its trade in parts of the base's. All ppm.

    `ratio` is its first price in parts of 1e12 of the base's, 0 for one dollar.
    """

    ratio: int
    beta_ppm: int
    noise_ppm: int
    growth_ppm: int = 0
    traded_ppm: int = 100_000


RELATIONS = {
    "ETH_USD": Relation(24_600_000_000, 1_150_000, 8_000, traded_ppm=400_000),
    "SOL_USD": Relation(2_500_000_000, 1_300_000, 15_000),
    "PEPE_USD": Relation(1_070, 1_600_000, 30_000, traded_ppm=20_000),
    "USDT_USD": Relation(0, -20_000, 500, traded_ppm=300_000),
    "TBILL_USD": Relation(0, 0, 10, growth_ppm=50_000, traded_ppm=1_000),
}
"""ETH stood at 195 when BTC was at 7,934; SOL and PEPE were not traded then, 20 and 0.0000085 are as good as any. In a flight to the
dollar its token is dearer than a dollar; a treasury bill only earns its interest."""
CROSSES = {"BTC_USDT": ("BTC_USD", "USDT_USD")}
"""Indices in another quote: one index divided by another."""


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
        relation = self.relation
        first = div_floor(start * relation.ratio, RATIO_ONE) if relation.ratio else DOLLAR
        followed = div_floor((now - start) * relation.beta_ppm, start)
        own = div_floor(layered_noise(self.seed, self.name, at_ms, PERIODS_MS) * relation.noise_ppm, ONE)
        grown = div_floor(first * relation.growth_ppm * (at_ms - self.begins_ms), ONE * YEAR_MS)
        return grown + div_floor(first * max(LEAST_PPM, ONE + followed + own), ONE)

    def volume(self, since_ms: Milliseconds, until_ms: Milliseconds) -> int:
        """What a part of the base's trade buys of it."""
        base_price, price = self.base.price(until_ms), self.price(until_ms)
        if not base_price or not price:
            return 0
        traded = self.base.volume(since_ms, until_ms)
        return div_floor(traded * self.relation.traded_ppm * base_price, ONE * price)


@dataclass(frozen=True)
class Cross:
    """Path of an index in another quote: `base` divided by `quote`, traded as much as the base."""

    base: Path
    quote: Path

    @property
    def begins_ms(self) -> Milliseconds:
        """When both have begun."""
        return max(self.base.begins_ms, self.quote.begins_ms)

    @property
    def ends_ms(self) -> Milliseconds:
        """When one ends."""
        return min(self.base.ends_ms, self.quote.ends_ms)

    def price(self, at_ms: Milliseconds) -> Price | None:
        """Price at a time, rounded down; None where one has none."""
        base, quote = self.base.price(at_ms), self.quote.price(at_ms)
        return div_floor(base * DOLLAR, quote) if base and quote else None

    def volume(self, since_ms: Milliseconds, until_ms: Milliseconds) -> int:
        """As the base."""
        return self.base.volume(since_ms, until_ms)


def paths_of(base: Path, indices: Iterable[str], seed: int) -> dict[str, Path]:
    """Path of each index: the base's own, and what follows it.

    Raises   KeyError for an index without a relation; RELATIONS and CROSSES have the names
    """
    known: dict[str, Path] = {BASE_INDEX: Remembered(base)}
    return {index: path_of(index, known, seed) for index in indices}


def path_of(index: str, known: dict[str, Path], seed: int) -> Path:
    """Path of one index, which is known from then on; raises KeyError."""
    if index not in known:
        path: Path
        if index in CROSSES:
            path = Cross(*(path_of(one, known, seed) for one in CROSSES[index]))
        else:
            path = Correlated(known[BASE_INDEX], index, seed, RELATIONS[index])
        known[index] = Remembered(path)
    return known[index]
