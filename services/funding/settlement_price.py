"""Prices at which markets are settled and end: means of the index and of trades; it knows no state.

All are exact until the end, then rounded once to the nearest tick, halves up: between long and short nobody is favoured.
"""

from typing import NamedTuple

from services.core.fixed import INDEX_DECIMALS, Milliseconds, Price, div_floor
from services.core.markets import Market

SAMPLE_MS = 1_000
FILL_MS = 10_000
"""An index that was made longer ago than this is no sample (F-1.2)."""
TOTAL_ONE = 10**18


class Samples(NamedTuple):
    """Mean of samples of the index. Their sum is value * samples + rest, 0 <= rest < samples, so it stays within 64 bits."""

    value: Price = 0
    rest: int = 0
    samples: int = 0


class Total(NamedTuple):
    """A sum of any size in numbers that fit into 64 bits: whole * 1e18 + part."""

    whole: int = 0
    part: int = 0


NO_SAMPLES = Samples()
NOTHING = Total()


def add_samples(mean: Samples, price: Price, times: int) -> Samples:
    """Let a price count `times` more.

        mean = sum / samples

    Rounds   the value down; the rest is kept, so nothing is lost
    Source   F-1.2
    """
    if times <= 0:
        return mean
    samples = mean.samples + times
    total = mean.value * mean.samples + mean.rest + price * times
    value = div_floor(total, samples)
    return Samples(value, total - value * samples, samples)


def sample_times(first_ms: Milliseconds, last_ms: Milliseconds) -> int:
    """How many samples fall due from `first_ms` to `last_ms`, both included."""
    return max(0, div_floor(last_ms - first_ms, SAMPLE_MS) + 1)


def index_mean(mean: Samples) -> tuple[int, int]:
    """Exact mean of the samples as (numerator, denominator), 0 without any.

    Units    those of the index
    Source   F-1.2
    """
    return mean.value * mean.samples + mean.rest, mean.samples


def add_total(total: Total, amount: int) -> Total:
    """Add an amount, which may be as large as any in the venue."""
    part = total.part + amount
    more = div_floor(part, TOTAL_ONE)
    return Total(total.whole + more, part - more * TOTAL_ONE)


def amount_of(total: Total) -> int:
    """Return the sum as one number."""
    return total.whole * TOTAL_ONE + total.part


def traded_mean(market: Market, volume: int, turnover: int) -> Price:
    """Mean price of trades: of contracts in coin the harmonic mean, of linear ones the plain one, both weighted by volume.

        inverse   volume * face / turnover = sum(contracts) / sum(contracts / price)
        linear    turnover / volume = sum(size * price) / sum(size)

    Units    volume 10^-size_decimals, turnover the trades' own cash in settlement units; both > 0
    Rounds   to the nearest tick, halves up; the coin of each trade was rounded down before, which tells less than a satoshi per trade
    Source   F-1.3
    """
    if market.is_inverse:
        numerator, denominator = market.face_unit
        return on_tick(market, volume * numerator, turnover * denominator)
    numerator, denominator = market.unit
    return on_tick(market, turnover * denominator, volume * numerator)


def from_index(market: Market, numerator: int, denominator: int) -> Price:
    """Bring an exact price of the index to the market's tick; rounds to the nearest, halves up."""
    more, less = max(0, market.price_decimals - INDEX_DECIMALS), max(0, INDEX_DECIMALS - market.price_decimals)
    return on_tick(market, numerator * 10**more, denominator * 10**less)


def on_tick(market: Market, numerator: int, denominator: int) -> Price:
    """Nearest tick to an exact price of the market, halves up, never below one tick.

    Rounds   to the tick because only there is the value of every linear position a whole number of units
    Source   DESIGN.md 3
    """
    return max(market.tick, nearest(numerator, denominator, market.tick))


def nearest(numerator: int, denominator: int, unit: int = 1) -> int:
    """Nearest multiple of `unit` to a fraction; a half goes up."""
    return div_floor(2 * numerator + denominator * unit, 2 * denominator * unit) * unit


def blend(mean: Price, forward: Price, elapsed_ms: Milliseconds, window_ms: Milliseconds) -> Price:
    """What a market that is settled on a mean will be settled at, by what is known of the window.

        (mean * elapsed + forward * left) / window

    Rounds   down; nobody pays by it but through the mark
    Source   3.1, the blend of F-3.4
    """
    return div_floor(mean * elapsed_ms + forward * (window_ms - elapsed_ms), window_ms)
