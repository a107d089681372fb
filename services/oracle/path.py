"""A path of prices in time, and a path played at another time or speed; it knows no source and no log."""

from dataclasses import dataclass
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
        """Price at a time, 1e-8 quote; None where there is none."""
        ...


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
        return self.path.price(self.path.begins_ms + (at_ms - self.begins_ms) * self.speed)


def between(low: int, high: int, part: int, whole: int) -> int:
    """Point at `part` of `whole` on the line from `low` to `high`; rounded down."""
    return low + div_floor((high - low) * part, whole)
