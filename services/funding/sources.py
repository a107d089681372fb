"""Which sources an index believes: the guards against one that died, froze or lies; it keeps nothing and moves no price.

A price that came late, from the future or from before the source's last one never gets here: the machine does not take it.
"""

from enum import IntEnum
from typing import NamedTuple

from services.core.fixed import FRACTION_ONE, Fraction, Milliseconds, Price
from services.funding.mark_price import index_price


class Flaw(IntEnum):
    """Why the last price of a source has no part in an index."""

    NONE = 0
    STALE = 1
    FROZEN = 2
    FAR = 3


class Seen(NamedTuple):
    """Last price of a source, how long ago it was observed, and for how long it has been the same."""

    price: Price
    age_ms: Milliseconds
    same_ms: Milliseconds


def judge(seen: list[Seen], stale_ms: int, dispersion_max: Fraction) -> list[Flaw]:
    """Find the flaw of each source, in the order given.

    STALE is what was observed longer than `stale_ms` ago; FROZEN what has said the same for longer than that while most of the others
    that are fresh changed; FAR what is further than `dispersion_max` from the median of those that are neither.

    Units    dispersion_max parts of 1e12 of the median
    Source   F-2.8 (facts: a source far from the median gets weight 0)
    """
    fresh = [one for one in seen if one.age_ms <= stale_ms]
    moving = [one for one in fresh if one.same_ms <= stale_ms]
    believed = moving if 2 * len(moving) > len(fresh) else fresh
    middle = index_price([one.price for one in believed])
    return [flaw_of(one, stale_ms, dispersion_max, middle, believed is moving) for one in seen]


def flaw_of(one: Seen, stale_ms: int, dispersion_max: Fraction, middle: Price, others_move: bool) -> Flaw:  # noqa: FBT001 - a fact beside the four numbers
    """Flaw of one source, given the median of those believed."""
    if one.age_ms > stale_ms:
        return Flaw.STALE
    if others_move and one.same_ms > stale_ms:
        return Flaw.FROZEN
    return Flaw.FAR if abs(one.price - middle) * FRACTION_ONE > dispersion_max * middle else Flaw.NONE


def agreed_index(prices: list[Price], flaws: list[Flaw], sources_min: int) -> Price:
    """Median of the sources without a flaw; 0 when they are fewer than `sources_min`, or no majority beside those that are far off.

    As long as the honest sources are a majority and agree within the dispersion, no other moves the index past their range.
    """
    agreeing = [price for price, flaw in zip(prices, flaws, strict=True) if flaw is Flaw.NONE]
    if len(agreeing) < sources_min or len(agreeing) <= flaws.count(Flaw.FAR):
        return 0
    return index_price(agreeing)
