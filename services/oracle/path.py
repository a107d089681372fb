"""A path of prices in time, and a path played at another time or speed; it knows no source and no log."""

from dataclasses import dataclass, field
from typing import Protocol

from services.core.fixed import Milliseconds, Price, div_floor


class Path(Protocol):
    """Price of an index as a function of time."""

    @property
    def begins_ms(self) -> Milliseconds:
        """First time with a price."""
        ...

    @property
    def ends_ms(self) -> Milliseconds:
        """First time at which there is no price any more; the end of time for a path without end."""
        ...

    def price(self, at_ms: Milliseconds) -> Price | None:
        """Price at a time, 1e-10 quote; None where there is none."""
        ...

    def volume(self, since_ms: Milliseconds, until_ms: Milliseconds) -> int:
        """What traded from one time until before another, 1e-8 base; 0 where nothing is known of it."""
        ...


MEMORY = 256


@dataclass(frozen=True)
class Remembered:
    """A path that remembers its last prices: those that follow it ask for the same ones again and again."""

    path: Path
    prices: dict[Milliseconds, Price | None] = field(default_factory=dict, compare=False)

    @property
    def begins_ms(self) -> Milliseconds:
        """As the path."""
        return self.path.begins_ms

    @property
    def ends_ms(self) -> Milliseconds:
        """As the path."""
        return self.path.ends_ms

    def price(self, at_ms: Milliseconds) -> Price | None:
        """As the path."""
        if at_ms in self.prices:
            return self.prices[at_ms]
        if len(self.prices) >= MEMORY:
            self.prices.clear()
        price = self.prices[at_ms] = self.path.price(at_ms)
        return price

    def volume(self, since_ms: Milliseconds, until_ms: Milliseconds) -> int:
        """As the path."""
        return self.path.volume(since_ms, until_ms)


@dataclass(frozen=True)
class Played:
    """A path that begins at `begins_ms` of the log's clock and runs `speed` times as fast."""

    path: Path
    begins_ms: Milliseconds
    speed: int

    @property
    def ends_ms(self) -> Milliseconds:
        """Log time at which the path is over."""
        return self.begins_ms + div_floor(self.path.ends_ms - self.path.begins_ms, self.speed)

    def price(self, at_ms: Milliseconds) -> Price | None:
        """Price at a log time."""
        return self.path.price(self.path_ms(at_ms))

    def volume(self, since_ms: Milliseconds, until_ms: Milliseconds) -> int:
        """What traded between two log times."""
        return self.path.volume(self.path_ms(since_ms), self.path_ms(until_ms))

    def path_ms(self, at_ms: Milliseconds) -> Milliseconds:
        """Time of the path at a log time."""
        return self.path.begins_ms + (at_ms - self.begins_ms) * self.speed


def between(low: int, high: int, part: int, whole: int) -> int:
    """Point at `part` of `whole` on the line from `low` to `high`; rounded down."""
    return low + div_floor((high - low) * part, whole)
