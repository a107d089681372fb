"""Sources: what each of them sees of a path, late and a little wrong in its own way; it appends nothing."""

from dataclasses import dataclass

from services.core.fixed import Milliseconds, div_floor
from services.core.messages import PriceObserved
from services.oracle.noise import ONE, draw
from services.oracle.path import Path

SOURCES = ("spot-east", "spot-west", "spot-north")
"""The declared sources: three, so that one that is wrong or silent does not move the index."""
MORE_SOURCES = ("spot-south", "spot-middle", "spot-far-east", "spot-far-west")
SOURCES_MAX = len(SOURCES) + len(MORE_SOURCES)
LAG_MS_MAX = 400
NOISE_PPM = 200
INTERVAL_MS = 1_000
VOLUME_MAX = 10**18
"""Ten billion of the base in one look: more is no more."""


@dataclass(frozen=True)
class Source:
    """One source: it looks once per interval, at its own phase, and sees what was `lag_ms` before."""

    name: str
    seed: int
    lag_ms: int
    phase_ms: int
    interval_ms: int = INTERVAL_MS
    part_ppm: int = ONE
    """Its part of all that trades."""

    def observed_ms(self, now_ms: Milliseconds) -> Milliseconds:
        """Time of its last look at or before `now_ms`."""
        return now_ms - (now_ms - self.phase_ms) % self.interval_ms

    def observe(self, path: Path, index: str, at_ms: Milliseconds) -> PriceObserved | None:
        """Return what it saw when it looked at `at_ms`; None when the path has no price."""
        price = path.price(at_ms - self.lag_ms)
        if price is None:
            return None
        error = div_floor(price * draw(self.seed, f"{self.name}/{index}", at_ms) * NOISE_PPM, ONE * ONE)
        return PriceObserved(self.name, index, price + error, at_ms, self.volume(path, at_ms - self.lag_ms))

    def volume(self, path: Path, seen_ms: Milliseconds) -> int:
        """What traded there in the interval before, 1e-8 base: its part of all that did."""
        traded = div_floor(path.volume(seen_ms - self.interval_ms, seen_ms) * self.part_ppm, ONE)
        return min(traded, VOLUME_MAX)


def declared_sources(seed: int, interval_ms: int = INTERVAL_MS, count: int = len(SOURCES)) -> tuple[Source, ...]:
    """Return so many declared sources, each with the lag and phase that the seed gives it; noise is a source's and an index's own."""
    return tuple(
        Source(
            name,
            seed,
            div_floor((draw(seed, name, -1) + ONE) * LAG_MS_MAX, 2 * ONE),
            div_floor((draw(seed, name, -2) + ONE) * interval_ms, 2 * ONE) % interval_ms,
            interval_ms,
            div_floor(ONE, count),
        )
        for name in (*SOURCES, *MORE_SOURCES)[:count]
    )
