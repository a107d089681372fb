"""The rate curve of a lending pool drawn in a terminal: what borrowers pay and lenders get at each utilisation, and where the pool is.

Points are dots of Braille, two by four in a character; they are only shown, so they are rounded. Heights are square roots of rates, so
that the gentle part of the curve is seen beside the steep one; the axis says which rate is where.
"""

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

from rich.text import Text

from services.client.pool_view import PoolDetail, RatePoint
from services.client.show import percent

ROWS = 13
LAST_ROW = ROWS - 1
LABELLED = (0, 3, 6, 9, LAST_ROW)
COLUMNS_MIN, COLUMNS_MAX = 20, 100
DOTS_ACROSS, DOTS_DOWN = 2, 4
BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Of a Braille character's dots, by column and row."""
BRAILLE = 0x2800
BORROW, LEND, NOW = "red", "green", "bold yellow"
NOW_BORROW, NOW_LEND = "◆", "◇"
ROUNDED = Decimal("0.0001")
Cell = tuple[int, int]
Rate = Callable[[RatePoint], Decimal]


def rate_curve(detail: PoolDetail, width: int) -> Text:
    """Both curves with their axes, no wider than `width` where it is at least 30."""
    top = max((point.borrow_rate for point in detail.curve), default=Decimal(0)) or Decimal(1)
    labels = {row: short_percent(top * (1 - Decimal(row) / LAST_ROW) ** 2) for row in LABELLED}
    margin = max(map(len, labels.values()))
    columns = max(COLUMNS_MIN, min(COLUMNS_MAX, width - margin - 3))
    cells = drawn(detail, top, columns)
    text = Text()
    for row in range(ROWS):
        text.append(f"{labels.get(row, ''):>{margin}} ┤")
        for column in range(columns):
            text.append(*cells.get((column, row), (" ", "")))
        text.append("\n")
    text.append(f"{'':{margin}} └{'─' * columns}\n{'':{margin}}  {ticks(detail, columns)}\n")
    return legend(text, detail, margin)


def drawn(detail: PoolDetail, top: Decimal, columns: int) -> dict[Cell, tuple[str, str]]:
    """Character and style of each cell that is not empty; what borrowers pay lies above, the point of now above all."""
    cells: dict[Cell, tuple[str, str]] = {}
    for style, rate in ((LEND, lend_rate), (BORROW, borrow_rate)):
        for cell, bits in dots(detail.curve, rate, top, columns).items():
            cells[cell] = (chr(BRAILLE + bits), style)
    pool = detail.pool
    for sign, now in ((NOW_LEND, pool.lend_rate), (NOW_BORROW, pool.borrow_rate)):
        across, down = place(pool.used, now, top, columns)
        cells[across // DOTS_ACROSS, down // DOTS_DOWN] = (sign, NOW)
    return cells


def borrow_rate(point: RatePoint) -> Decimal:
    """What borrowers pay."""
    return point.borrow_rate


def lend_rate(point: RatePoint) -> Decimal:
    """What lenders get."""
    return point.lend_rate


def dots(curve: tuple[RatePoint, ...], rate: Rate, top: Decimal, columns: int) -> dict[Cell, int]:
    """Dots of one curve by cell: between two points a straight line, without gaps where it is steep."""
    cells: dict[Cell, int] = {}
    for first, last in pairwise(curve):
        begin, end = (place(one.used, rate(one), top, columns) for one in (first, last))
        steps = max(abs(end[0] - begin[0]), abs(end[1] - begin[1]), 1)
        for step in range(steps + 1):
            across, down = (a + (b - a) * step // steps for a, b in zip(begin, end, strict=True))
            cell = (across // DOTS_ACROSS, down // DOTS_DOWN)
            cells[cell] = cells.get(cell, 0) | BITS[across % DOTS_ACROSS][down % DOTS_DOWN]
    return cells


def place(used: Decimal, rate: Decimal, top: Decimal, columns: int) -> tuple[int, int]:
    """Dot of a point, counted from the left and from above; what lies outside is put on the edge."""
    across, down = columns * DOTS_ACROSS - 1, ROWS * DOTS_DOWN - 1
    right = min(Decimal(1), max(Decimal(0), used))
    high = min(Decimal(1), max(Decimal(0), rate / top)).sqrt()
    return round(right * across), down - round(high * down)


def ticks(detail: PoolDetail, columns: int) -> str:
    """Utilisation under the axis: none, the kink, all."""
    kink, end = f"{percent(detail.optimal)}", "100 %"
    line = [*"0 %".ljust(columns)]
    at = min(max(4, round(detail.optimal * (columns - 1)) - len(kink) // 2), columns - len(end) - len(kink) - 1)
    line[at : at + len(kink)] = kink
    line[columns - len(end) :] = end
    return "".join(line)


def legend(text: Text, detail: PoolDetail, margin: int) -> Text:
    """Say what the curves are, and where the pool is."""
    pool = detail.pool
    text.append(" " * (margin + 2))
    text.append("⠒⠒", BORROW)
    text.append(" borrow  ")
    text.append("⠒⠒", LEND)
    text.append(" lend    now ")
    text.append(NOW_BORROW, NOW)
    text.append(f" {short_percent(pool.borrow_rate)}  ")
    text.append(NOW_LEND, NOW)
    text.append(f" {short_percent(pool.lend_rate)}  at {short_percent(pool.used)} used")
    return text


def short_percent(part: Decimal) -> str:
    """Part of one in percent, with two digits after the point at most."""
    return percent(part.quantize(ROUNDED))
