"""Price paths of experiments: a recording from the folder of market data, or a seeded one that nobody has ever seen."""

import os
from dataclasses import dataclass
from pathlib import Path as FilePath

from services.core.fixed import INDEX_DECIMALS, Milliseconds, Price, div_floor
from services.core.process import CannotStart
from services.core.settings import EXIT_CONFIGURATION
from services.oracle.noise import ONE, draw
from services.oracle.path import Path, between
from services.oracle.recorded import BadRecording, read_recording

FOLDER = "MARKET_DATA"
"""Environment variable that names the folder of recordings."""
GENERATED = "generated"
MINUTE_MS = 60_000
DAY_MINUTES = 24 * 60
BEGINS_MS = 1_609_459_200_000
"""A generated path begins with 2021."""
STEPS_PER_MINUTE = 30
DECIMALS: Price = 10**INDEX_DECIMALS


@dataclass(frozen=True)
class Walk:
    """A geometric walk with jumps, minute by minute: what it is made of, in parts per million.

    `minute_ppm` is the largest move of a quiet minute, the mean of two even draws; a minute jumps with `jump_chance_ppm`, by up to
    `jump_ppm` on either side, and `drift_ppm` is added to each.
    """

    begins_ms: Milliseconds = BEGINS_MS
    days: int = 30
    dollars: int = 30_000
    minute_ppm: int = 2_000
    jump_chance_ppm: int = 350
    jump_ppm: int = 60_000
    drift_ppm: int = 0


@dataclass(frozen=True)
class Generated:
    """A walk as it went: its price at each full minute, straight lines between."""

    begins_ms: Milliseconds
    prices: tuple[Price, ...]

    @property
    def ends_ms(self) -> Milliseconds:
        """Time of its last price."""
        return self.begins_ms + (len(self.prices) - 1) * MINUTE_MS

    def price(self, at_ms: Milliseconds) -> Price | None:
        """Price at a time; None before and after."""
        if not self.begins_ms <= at_ms < self.ends_ms:
            return None
        minute, rest_ms = divmod(at_ms - self.begins_ms, MINUTE_MS)
        return between(self.prices[minute], self.prices[minute + 1], rest_ms, MINUTE_MS)

    def volume(self, since_ms: Milliseconds, until_ms: Milliseconds) -> int:
        """Nothing is known of it."""
        return 0 * (until_ms - since_ms)


def generated(walk: Walk, seed: int) -> Generated:
    """Walk, in integers alone: the same seed gives the same prices on every machine."""
    price = walk.dollars * DECIMALS
    prices = [price]
    for minute in range(walk.days * DAY_MINUTES):
        price = max(DECIMALS, div_floor(price * (ONE + move_ppm(walk, seed, minute)), ONE))
        prices.append(price)
    return Generated(walk.begins_ms, tuple(prices))


def move_ppm(walk: Walk, seed: int, minute: int) -> int:
    """Move of one minute: the quiet one, and a jump now and then."""
    move = walk.drift_ppm + div_floor(walk.minute_ppm * draw(seed, "minute", minute), ONE)
    if even_ppm(seed, "jumps", minute) < walk.jump_chance_ppm:
        move += div_floor(walk.jump_ppm * draw(seed, "jump", minute), ONE)
    return move


def even_ppm(seed: int, name: str, index: int) -> int:
    """Even draw from 0 to 999,999, by the distribution of the noise: exact enough for a chance."""
    drawn = draw(seed, name, index)
    below = div_floor((drawn + ONE) ** 2, 2 * ONE)
    return below if drawn < 0 else ONE - 1 - div_floor((ONE - drawn) ** 2, 2 * ONE)


def open_path(name: str, seed: int, days: int) -> Path:
    """Open a path by its name: `generated`, a file, or a file in the folder of market data; raises CannotStart."""
    if name == GENERATED:
        return generated(Walk(days=days), seed)
    file = FilePath(name)
    folder = os.environ.get(FOLDER)
    if folder and not file.exists():
        file = FilePath(folder) / name
    try:
        return read_recording(file, seed, STEPS_PER_MINUTE)
    except BadRecording as error:
        text = f"--prices {name}: {error}; name a recording, its folder with {FOLDER}, or --prices {GENERATED}"
        raise CannotStart(text, EXIT_CONFIGURATION) from error


__all__ = ["GENERATED", "Generated", "Walk", "generated", "open_path"]
