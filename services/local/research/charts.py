"""Line charts over time as SVG, written in integers alone, so that the same numbers give the same bytes everywhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TypeAlias

from services.core.fixed import Milliseconds

WIDTH, HEIGHT = 880, 230
LEFT, RIGHT, TOP, BOTTOM = 76, 20, 40, 30
INNER_WIDTH, INNER_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
TICKS_MAX = 5
DAY_MS = 86_400_000
INK, SOFT, GRID = "#1f2933", "#66727f", "#e4e8ec"
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
LEGEND_WIDTH = 7
"""Pixels that a character of the legend takes, about."""

Text: TypeAlias = Callable[[int], str]


@dataclass(frozen=True)
class Line:
    """A line: its name in the legend, its colour and its points (time, value)."""

    label: str
    colour: str
    points: Sequence[tuple[Milliseconds, int]]


@dataclass(frozen=True)
class Chart:
    """Lines over the same time; `text` writes a value of the axis. The axis holds zero where `from_zero`."""

    title: str
    lines: Sequence[Line]
    text: Text
    from_zero: bool = True

    def range(self) -> tuple[int, int]:
        """Lowest and highest value that is drawn."""
        values = [value for line in self.lines for _, value in line.points] or [0]
        low, high = min(values), max(values)
        if self.from_zero:
            low, high = min(low, 0), max(high, 0)
        return low, max(high, low + 1)

    def times(self) -> tuple[Milliseconds, Milliseconds]:
        """First and last time."""
        times = [at_ms for line in self.lines for at_ms, _ in line.points] or [0]
        return min(times), max(*times, min(times) + 1)


def stacked(charts: Sequence[Chart]) -> str:
    """Several charts, one below the other, as one picture."""
    height = HEIGHT * len(charts)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' {FONT}>",
        f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>",
    ]
    for number, chart in enumerate(charts):
        parts.append(f"<g transform='translate(0 {number * HEIGHT})'>{drawn(chart)}</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def drawn(chart: Chart) -> str:
    """One chart without its frame."""
    title = f"<text x='{LEFT}' y='20' font-size='14' font-weight='600' fill='{INK}'>{escape(chart.title)}</text>"
    return "\n".join([title, *legend(chart), *value_axis(chart), *time_axis(chart), *map(path_of(chart), chart.lines)])


def legend(chart: Chart) -> list[str]:
    """Names of the lines, from the right."""
    parts, right = [], WIDTH - RIGHT
    for line in reversed(chart.lines if len(chart.lines) > 1 else []):
        left = right - LEGEND_WIDTH * len(line.label)
        parts.append(f"<rect x='{left - 16}' y='11' width='12' height='4' rx='2' fill='{line.colour}'/>")
        parts.append(f"<text x='{left}' y='18' font-size='12' fill='{SOFT}'>{escape(line.label)}</text>")
        right = left - 32
    return parts


def value_axis(chart: Chart) -> list[str]:
    """Grid lines at round values."""
    low, high = chart.range()
    step = round_step(high - low)
    parts = []
    for value in range(-(-low // step) * step, high + 1, step):
        y = tenths(y_of(chart, value))
        parts.append(f"<path d='M{LEFT} {y}H{WIDTH - RIGHT}' stroke='{GRID}'/>")
        label = escape(chart.text(value))
        parts.append(
            f"<text x='{LEFT - 8}' y='{y}' dy='4' font-size='11' text-anchor='end' fill='{SOFT}'>{label}</text>"
        )
    return parts


def time_axis(chart: Chart) -> list[str]:
    """Days, a few of them."""
    begins_ms, ends_ms = chart.times()
    days = max(1, (ends_ms - begins_ms) // DAY_MS // 6)
    first = -(-begins_ms // DAY_MS) * DAY_MS
    y = HEIGHT - BOTTOM
    parts = [f"<path d='M{LEFT} {y}H{WIDTH - RIGHT}' stroke='{SOFT}'/>"]
    for at_ms in range(first, ends_ms + 1, days * DAY_MS):
        x = tenths(x_of(chart, at_ms))
        parts.append(f"<path d='M{x} {y}v4' stroke='{SOFT}'/>")
        parts.append(
            f"<text x='{x}' y='{y + 18}' font-size='11' text-anchor='middle' fill='{SOFT}'>{day(at_ms)}</text>"
        )
    return parts


def path_of(chart: Chart) -> Callable[[Line], str]:
    """Draw lines of a chart."""

    def draw(line: Line) -> str:
        points = " ".join(f"{tenths(x_of(chart, at_ms))},{tenths(y_of(chart, value))}" for at_ms, value in line.points)
        style = f"fill='none' stroke='{line.colour}' stroke-width='1.6' stroke-linejoin='round'"
        return f"<polyline points='{points}' {style}/>"

    return draw


def x_of(chart: Chart, at_ms: Milliseconds) -> int:
    """Tenths of a pixel from the left."""
    begins_ms, ends_ms = chart.times()
    return 10 * LEFT + (at_ms - begins_ms) * 10 * INNER_WIDTH // (ends_ms - begins_ms)


def y_of(chart: Chart, value: int) -> int:
    """Tenths of a pixel from the top."""
    low, high = chart.range()
    return 10 * (HEIGHT - BOTTOM) - (value - low) * 10 * INNER_HEIGHT // (high - low)


def round_step(span: int) -> int:
    """Least 1, 2 or 5 times a power of ten that leaves few ticks in a span."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if span <= factor * power * TICKS_MAX:
                return factor * power
        power *= 10


def tenths(value: int) -> str:
    """Tenths of a pixel as pixels; a value is never below zero here."""
    return f"{value // 10}.{value % 10}"


def day(at_ms: Milliseconds) -> str:
    """A day as text, UTC."""
    return datetime.fromtimestamp(at_ms // 1_000, UTC).strftime("%-d %b")
