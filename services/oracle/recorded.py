"""Recorded bars as a path of prices: columns ts_ms,open,high,low,close, maybe volume, of a CSV, maybe gzip; a gap is an outage.

Inside a bar the price goes open, low, high, close or open, high, low, close, as the seed says, in steps; it never leaves the bar.
"""

import csv
import gzip
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path as FilePath
from typing import NamedTuple

from services.core.fixed import INDEX_DECIMALS, Milliseconds, Price, clamp, div_floor
from services.oracle.noise import draw
from services.oracle.path import between

POINTS = 60
POINTS_MIN = 4
COLUMNS = ("ts_ms", "open", "high", "low", "close")
VOLUME = "volume"
VOLUME_DECIMALS = 8
SHARED = FilePath(__file__).resolve().parents[2].parent / "shared" / "data"
"""Where recorded market data lies, beside the repository: it is not part of it."""


class BadRecording(Exception):
    """A file that cannot be played; the text says which line and why."""


class Bar(NamedTuple):
    """One candle; `ts_ms` is its opening time, prices are 1e-10, volume 1e-8 base, 0 where the file has none."""

    ts_ms: Milliseconds
    open: Price
    high: Price
    low: Price
    close: Price
    volume: int = 0


@dataclass(frozen=True)
class Recording:
    """Bars in the order of time, all `bar_ms` long, played in `points` steps each."""

    bars: tuple[Bar, ...]
    bar_ms: int
    seed: int
    points: int = POINTS

    @property
    def begins_ms(self) -> Milliseconds:
        """Opening of the first bar."""
        return self.bars[0].ts_ms

    @property
    def ends_ms(self) -> Milliseconds:
        """End of the last bar."""
        return self.bars[-1].ts_ms + self.bar_ms

    def price(self, at_ms: Milliseconds) -> Price | None:
        """Price at a time; None before, after and in gaps."""
        number = bisect_right(self.bars, at_ms, key=lambda bar: bar.ts_ms) - 1
        if number < 0 or at_ms >= self.bars[number].ts_ms + self.bar_ms:
            return None
        bar = self.bars[number]
        step = div_floor((at_ms - bar.ts_ms) * self.points, self.bar_ms)
        return self.point(bar, step)

    def volume(self, since_ms: Milliseconds, until_ms: Milliseconds) -> int:
        """What traded between two times: a bar's volume is spread evenly over it."""
        number = max(0, bisect_right(self.bars, since_ms, key=lambda bar: bar.ts_ms) - 1)
        traded = 0
        while number < len(self.bars) and self.bars[number].ts_ms < until_ms:
            traded += self.traded(self.bars[number], until_ms) - self.traded(self.bars[number], since_ms)
            number += 1
        return traded

    def traded(self, bar: Bar, at_ms: Milliseconds) -> int:
        """What has traded of a bar at a time; rounded down, and whole at its end."""
        return div_floor(bar.volume * clamp(at_ms - bar.ts_ms, 0, self.bar_ms), self.bar_ms)

    def point(self, bar: Bar, step: int) -> Price:
        """Price at a step of a bar, 0 to points - 1: straight lines between the four corners."""
        falls_first = draw(self.seed, "bar", bar.ts_ms) < 0
        inner = (bar.low, bar.high) if falls_first else (bar.high, bar.low)
        corners = (bar.open, *inner, bar.close)
        last = self.points - 1
        at = (0, div_floor(last, 3), div_floor(2 * last, 3), last)
        leg = min(bisect_right(at, step), len(at) - 1) - 1
        return between(corners[leg], corners[leg + 1], step - at[leg], at[leg + 1] - at[leg])


def read_recording(file: FilePath, seed: int, points: int = POINTS) -> Recording:
    """Read a file; a name alone is also looked for beside the repository.

    Raises   BadRecording
    """
    if points < POINTS_MIN:
        raise BadRecording(f"a bar needs at least {POINTS_MIN} points, to reach its high and its low")
    path = file if file.exists() else SHARED / file
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            bars = tuple(checked(csv.DictReader(lines), path.name))
    except (OSError, UnicodeDecodeError) as error:
        raise BadRecording(f"{file} cannot be read, nor {path}: {error}") from error
    if len(bars) < 2:
        raise BadRecording(f"{path.name}: fewer than two bars")
    bar_ms = min(later.ts_ms - bar.ts_ms for bar, later in pairwise(bars))
    return Recording(bars, bar_ms, seed, points)


def checked(rows: "csv.DictReader[str]", name: str) -> Iterator[Bar]:
    """Bars of the rows, each in order and whole."""
    if not set(COLUMNS) <= set(rows.fieldnames or ()):
        raise BadRecording(f"{name}: its header lacks some of {', '.join(COLUMNS)}")
    before_ms = -1
    for row in rows:
        bar = bar_of(row, f"{name} line {rows.line_num}")
        if bar.ts_ms <= before_ms:
            raise BadRecording(f"{name} line {rows.line_num}: not later than the line before")
        before_ms = bar.ts_ms
        yield bar


def bar_of(row: dict[str, str], place: str) -> Bar:
    """Convert one row exactly."""
    try:
        opening, high, low, close = (price_of(row[column]) for column in COLUMNS[1:])
        bar = Bar(int(row["ts_ms"]), opening, high, low, close, volume_of(row.get(VOLUME)))
    except (ValueError, TypeError, InvalidOperation) as error:
        raise BadRecording(f"{place}: {error!r}") from error
    if not 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
        raise BadRecording(f"{place}: open and close are not between low and high")
    return bar


def price_of(text: str) -> Price:
    """Decimal text as 1e-10; ValueError when it has more digits."""
    scaled = Decimal(text).scaleb(INDEX_DECIMALS)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{text} has more than {INDEX_DECIMALS} digits after the point")
    return int(scaled)


def volume_of(text: str | None) -> int:
    """Decimal text as 1e-8, rounded down: it only weighs a price; 0 for none. ValueError for less than nothing."""
    volume = int(Decimal(text or 0).scaleb(VOLUME_DECIMALS))
    if volume < 0:
        raise ValueError(f"a volume of {text}")
    return volume
