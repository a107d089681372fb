"""The mark as a median of three views of the fair price: one print or one book alone moves it little; it knows no state.

The slow basis is the exponential average of F-HL-6 in integers: exp by a table, what a division leaves is carried to the next step.
"""

from typing import NamedTuple

from services.core.fixed import FRACTION_ONE, Fraction, Milliseconds, Price, clamp, div_floor, median

BASIS_MS = 150_000
"""The basis forgets by exp(-t / 150 s)."""
SAMPLE_MS_MAX = 5_000
"""A sample stands for the time since the one before it, but for no more than this: one sample after an outage is no new basis."""
PICOSECONDS = 10**9
"""In a millisecond: weights of samples, so fine that what weights lose is nothing against prices."""
YEAR_MS = 365 * 86_400_000
BASIS_LEFT_MS_MIN = 3_600_000
"""A yearly basis is told from no less than an hour to the end: with seconds left every spread would be thousands of percent a year."""
DECAY_ONE = 10**18
DECAY = (
    *(999_993_333_355_555_506, 999_986_666_755_555_160, 999_973_333_688_885_728, 999_946_668_088_863_605),
    *(999_893_339_022_019_956, 999_786_689_420_604_135, 999_573_424_342_611_553, 999_147_030_652_014_583),
    *(998_294_788_860_737_769, 996_592_485_466_505_003, 993_196_582_088_305_986, 986_439_450_671_893_131),
    973_062_789_841_866_282,
)
"""exp(-2^k / 150,000) for k = 0 to 12, in parts of 1e18, rounded down."""


class Average(NamedTuple):
    """Average of samples by their decayed weights, and what it takes to go on exactly, in numbers that fit into 64 bits as sums would not.

    The sum of samples times weights is value * weight + rest, 0 <= rest < weight; `weight` is in ps. `sum_rest` and `weight_rest` are what
    the last decay left of sum and weight, in parts of 1e18 of a unit.
    """

    value: int = 0
    weight: int = 0
    rest: int = 0
    sum_rest: int = 0
    weight_rest: int = 0


NO_BASIS = Average(0, BASIS_MS * PICOSECONDS)
"""A market begins as if it had been without a basis for long: its first book is one sample among many."""


def decay(elapsed_ms: Milliseconds) -> int:
    """exp(-elapsed / 150 s) in parts of 1e18, for elapsed below 8,192 ms; rounds down, by less than 26 parts."""
    factor = DECAY_ONE
    for bit, one in enumerate(DECAY):
        if elapsed_ms >> bit & 1:
            factor = div_floor(factor * one, DECAY_ONE)
    return factor


def add_sample(average: Average, sample: int, elapsed_ms: Milliseconds) -> Average:
    """Let the average forget for the time since its last sample, and give the new one that time as weight.

        sum' = sum * exp(-t / 150 s) + sample * t ; weight' = weight * exp(-t / 150 s) + t ; value = sum / weight

    Units    sample in price units, signed; t at most 5 s
    Rounds   the value down; all rests are carried, so that sum and weight stay within one unit (a price unit for 1 ps) of the exact ones
    Source   F-HL-6
    """
    elapsed_ms = min(elapsed_ms, SAMPLE_MS_MAX)
    factor, gained = decay(elapsed_ms), elapsed_ms * PICOSECONDS
    kept, sum_rest = split((average.value * average.weight + average.rest) * factor + average.sum_rest, DECAY_ONE)
    left, weight_rest = split(average.weight * factor + average.weight_rest, DECAY_ONE)
    weight = left + gained
    value, rest = split(kept + sample * gained, weight) if weight else (0, 0)
    return Average(value, weight, rest, sum_rest, weight_rest)


def split(amount: int, whole: int) -> tuple[int, int]:
    """How often `whole` goes into an amount, rounded down, and what is left."""
    times = div_floor(amount, whole)
    return times, amount - times * whole


def index_price(prices: list[Price]) -> Price:
    """Median, the lower middle of an even number; 0 without any."""
    return median(prices) if prices else 0


def fair_price(index: Price, rate: Fraction, left_ms: int, interval_ms: int) -> Price:
    """Index and what the last funding rate is still worth until the next step.

        fair = index * (1 + rate * left / interval)

    Units    market price units; rate parts of 1e12 per interval
    Rounds   down
    Source   F-2.3; first view of F-2.8
    """
    return index + div_floor(index * rate * left_ms, FRACTION_ONE * interval_ms)


def yearly_basis(doubled_mid: Price, index: Price, left_ms: Milliseconds) -> Fraction:
    """Basis of a dated future as a rate per year, from twice the middle of its impact prices.

        basis = (impact_mid / index - 1) / (left / year), left at least an hour

    Units    parts of 1e12 per year of 365 days, signed
    Rounds   down
    Source   F-2.3, dated futures
    """
    left_ms = max(left_ms, BASIS_LEFT_MS_MIN)
    return div_floor((doubled_mid - 2 * index) * FRACTION_ONE * YEAR_MS, 2 * index * left_ms)


def dated_fair_price(index: Price, basis: Fraction, left_ms: Milliseconds) -> Price:
    """Fair price of a dated future: at its end the index, whatever the basis was.

        fair = index * (1 + basis * left / year)

    Units    market price units; basis parts of 1e12 per year
    Rounds   down
    Source   F-2.3, dated futures
    """
    return index + div_floor(index * basis * max(0, left_ms), FRACTION_ONE * YEAR_MS)


def book_price(best_bid: Price, best_ask: Price, last_price: Price) -> Price:
    """Median of best bid, best ask and last price; the last price alone when a side is empty; 0 when there is neither.

    Rounds   the middle of a book that never traded down
    Source   F-HL-5 (b)
    """
    if not best_bid or not best_ask:
        return last_price
    return median([best_bid, best_ask, last_price]) if last_price else (best_bid + best_ask) >> 1


def mark_price(index: Price, fair: Price, by_basis: Price, by_book: Price, width: Price, tick: Price) -> Price:
    """Median of three views of the fair price, kept within `width` of the index, on the tick.

        median(index with the rest of the funding, index + slow basis, book)

    Units    market price units; without a book the index speaks for it
    Rounds   down to the tick, never below one tick
    Source   F-2.8 with the book of F-HL-5 as its third view and the basis of F-HL-6
    """
    middle = clamp(median([fair, by_basis, by_book or index]), index - width, index + width)
    return max(tick, middle - middle % tick)


def mark_width(index: Price, band: Fraction) -> Price:
    """How far mark and basis may lie from the index: half the band; rounds down."""
    return div_floor(index * band, 2 * FRACTION_ONE)
