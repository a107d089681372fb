"""Arithmetic of credit lines: how much cash all shards may let go until the next opening, and how it is shared out (M-10)."""

from services.core.fixed import Amount, Fraction, div_floor
from services.core.pool import PARTS_ONE, borrow_room


def line_room(lendable: int, supplied: Amount, borrowed: Amount, bound: Fraction) -> Amount:
    """Most that all lines together may be, unused and held, old and new.

    However they are used, for redeeming, for borrowing or for both, cash suffices and utilisation stays at or below the bound.

    Units    `lendable` is cash and clearing in parts of 1e18; supplied at the burn index, borrowed at the period's borrow index
    Rounds   down, for the pool
    Source   M-10; F-5.5, F-5.9
    """
    return max(0, min(div_floor(lendable, PARTS_ONE), borrow_room(supplied, borrowed, bound)))


def shared(total: Amount, weights: list[Amount]) -> list[Amount]:
    """Share a total out: half of it in equal parts, so that each shard can begin, the rest by weight. Rounds down."""
    count, weight = len(weights), sum(weights)
    equal = total - div_floor(total, 2) if weight else total
    return [div_floor(equal, count) + (div_floor((total - equal) * each, weight) if weight else 0) for each in weights]


def grants(room: Amount, unused: list[Amount], held: list[Amount], demand: list[Amount]) -> list[Amount]:
    """What each shard's line grows by; below zero, what it gives back.

    What is taken back is given to others at the next opening only, for it may be used before its shard hears of it: old lines, unused
    and held, and new ones together never pass the room. So nothing is given where old lines pass it already.

    Source   M-10
    """
    targets = shared(max(0, room - sum(held)), demand)
    free = max(0, room - sum(held) - sum(unused))
    wanted = sum(max(0, target - have) for target, have in zip(targets, unused, strict=True))
    scale, part = (wanted, free) if wanted > free else (1, 1)
    return [
        div_floor((target - have) * part, scale) if target > have else target - have
        for target, have in zip(targets, unused, strict=True)
    ]


def demand_after(before: Amount, given: Amount, left: Amount) -> Amount:
    """What a shard uses per period, the last one counting half: what it had at the opening less what it has left."""
    return div_floor(before + max(0, given - left) + 1, 2)


def cap_room(most: Amount, now: Amount) -> Amount:
    """What may be added below a cap in one period: half of what is left.

    A shard goes on with its old room until it opens the next period; halves given twice never pass the cap. Rounds down.
    """
    return div_floor(max(0, most - now), 2)
