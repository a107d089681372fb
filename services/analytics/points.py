"""Arithmetic of points: shares that sum to exactly what is given, places, ranks; numbers in, numbers out."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from services.core.fixed import FRACTION_ONE, Fraction, div_ceil, div_floor

K = TypeVar("K", int, tuple[int, int, int])


def largest_remainder(total: int, scores: Mapping[K, int]) -> dict[K, int]:
    """Shares of `total` by score, whole numbers that sum to it.

        floor(total * score / sum of scores), and one more for those with the largest remainders

    Units    points; scores >= 0 of any unit; who has none gets nothing, and nobody does where nobody has any
    Rounds   down, then up for the largest remainders, equal ones by key, ascending: in favour of nobody
    Source   F-5.15; TV-5.20
    """
    everything = sum(scores.values())
    if everything == 0:
        return {}
    shares = {key: div_floor(total * score, everything) for key, score in scores.items() if score}
    left = total - sum(shares.values())
    nearest = sorted(shares, key=lambda key: (-(total * scores[key] % everything), key))
    for key in nearest[:left]:
        shares[key] += 1
    return shares


def places(points: Mapping[int, int]) -> list[tuple[int, int, int]]:
    """(place, account, points) of all, best first; equal points have one place, and are told by account."""
    ordered = sorted(points.items(), key=lambda row: (-row[1], row[0]))
    found: list[tuple[int, int, int]] = []
    for number, (account, own) in enumerate(ordered, 1):
        place = found[-1][0] if found and found[-1][2] == own else number
        found.append((place, account, own))
    return found


def rank_of(place: int, count: int, shares: Sequence[Fraction]) -> int:
    """Rank of a place among `count`: the first whose share of the best reaches it.

    Units    places from 1; shares parts of 1e12, ascending, the last one is all
    Rounds   up: the best place always has the best rank
    Source   F-5.15 (rank by percentile)
    """
    return next(number for number, share in enumerate(shares) if place <= div_ceil(count * share, FRACTION_ONE))
