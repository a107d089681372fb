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
DECAY_ONE = 10**18
DECAY = (
    *(999_993_333_355_555_506, 999_986_666_755_555_160, 999_973_333_688_885_728, 999_946_668_088_863_605),
    *(999_893_339_022_019_956, 999_786_689_420_604_135, 999_573_424_342_611_553, 999_147_030_652_014_583),
    *(998_294_788_860_737_769, 996_592_485_466_505_003, 993_196_582_088_305_986, 986_439_450_671_893_131),
    973_062_789_841_866_282,
)
"""exp(-2^k / 150,000) for k = 0 to 12, in parts of 1e18, rounded down."""


class Average(NamedTuple):
    """Sum of samples times their weights and sum of the weights (ps), both decayed; the rests are below one, in parts of 1e18."""

    total: int = 0
    weight: int = 0
    total_rest: int = 0
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

        total' = total * exp(-t / 150 s) + sample * t ; weight' = weight * exp(-t / 150 s) + t

    Units    sample in price units, signed; t at most 5 s
    Rounds   never away: the rests are carried, so that both sums stay within one unit (a price unit for 1 ps) of the exact ones
    Source   F-HL-6
    """
    factor = decay(min(elapsed_ms, SAMPLE_MS_MAX))
    gained = min(elapsed_ms, SAMPLE_MS_MAX) * PICOSECONDS
    total, total_rest = carried(average.total * factor + average.total_rest)
    weight, weight_rest = carried(average.weight * factor + average.weight_rest)
    return Average(total + sample * gained, weight + gained, total_rest, weight_rest)


def carried(amount: int) -> tuple[int, int]:
    """Whole part of an amount in parts of 1e18, and its rest."""
    whole = div_floor(amount, DECAY_ONE)
    return whole, amount - whole * DECAY_ONE


def average_value(average: Average) -> int:
    """Average of the samples, 0 without any; rounds down."""
    return div_floor(average.total, average.weight) if average.weight else 0


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
