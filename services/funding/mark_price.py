"""Index and mark as medians: one source, one print or one book alone moves neither."""

from services.core.fixed import FRACTION_ONE, Fraction, Price, clamp, div_floor, median

BASIS_SAMPLES = 30
"""The basis is an exponential average over about this many samples."""


def index_price(prices: list[Price]) -> Price:
    """Median of the fresh sources, the lower middle of an even number; 0 without any."""
    return median(prices) if prices else 0


def smoothed_basis(basis_sum: int, sample: Price) -> int:
    """Let a sample take the place of one average sample in the sum of BASIS_SAMPLES; the sum keeps what a rounded average would lose."""
    return basis_sum + sample - average_basis(basis_sum)


def average_basis(basis_sum: int) -> Price:
    """Average of the samples in the sum; rounds down."""
    return div_floor(basis_sum, BASIS_SAMPLES)


def mark_price(index: Price, funded: Fraction, basis: Price, last_price: Price, band: Fraction, tick: Price) -> Price:
    """Median of three views of the fair price, kept within half the band round the index, on the tick.

        median(index * (1 + rate left of the interval), index + basis, last price)

    Units    market price units; `funded` is the last rate times the part of the interval that is left, parts of 1e12
    Rounds   down to the tick, never below one tick
    Source   F-2.8
    """
    by_funding = index + div_floor(index * funded, FRACTION_ONE)
    width = div_floor(index * band, 2 * FRACTION_ONE)
    fair = clamp(median([by_funding, index + basis, last_price or index]), index - width, index + width)
    return max(tick, fair - fair % tick)
