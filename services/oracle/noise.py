"""Seeded noise that can be asked for any time in any order; it keeps no state, so playing twice gives the same."""

from functools import lru_cache
from hashlib import blake2b

from services.core.fixed import Milliseconds, div_floor
from services.oracle.path import between

ONE = 1_000_000
"""Noise is in parts per million."""


@lru_cache(maxsize=8192)
def draw(seed: int, name: str, index: int) -> int:
    """Seeded draw from -1,000,000 to 1,000,000: the mean of two even ones, so that the middle is likelier."""
    digest = blake2b(f"{seed}/{name}/{index}".encode(), digest_size=8).digest()
    first, second = int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:], "big")
    return div_floor((first + second) * ONE, 2**32 - 1) - ONE


def smooth_noise(seed: int, name: str, at_ms: Milliseconds, period_ms: int) -> int:
    """Noise that changes over a period: straight lines between draws at its multiples. ppm."""
    index, part = div_floor(at_ms, period_ms), at_ms % period_ms
    return between(draw(seed, name, index), draw(seed, name, index + 1), part, period_ms)


def layered_noise(seed: int, name: str, at_ms: Milliseconds, periods_ms: tuple[int, ...]) -> int:
    """Sum of noises, each of half the weight of the one before: large slow moves with small fast ones on them. ppm, below 2,000,000."""
    layers = enumerate(periods_ms)
    return sum(div_floor(smooth_noise(seed, f"{name}.{layer}", at_ms, period), 2**layer) for layer, period in layers)
