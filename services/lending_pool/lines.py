"""Arithmetic of credit lines: how much cash all shards may let go until the next opening, and how it is shared out (M-10)."""

from services.core.fixed import FRACTION_ONE, Amount, Fraction, div_floor
from services.core.pool import PARTS_ONE


def line_room(lendable: int, supplied: Amount, borrowed: Amount, bound: Fraction, borrows: Amount) -> Amount:
    """Most that all lines together may be, unused and held, old and new, of which `borrows` at most may be borrowed.

        redeemed * bound + borrowed more <= supplied * bound - borrowed

    However they are used, for redeeming, for borrowing or for both, cash suffices and utilisation stays at or below the bound.

    Units    `lendable` is cash and clearing in parts of 1e18; supplied at the burn index, borrowed at the period's borrow index
    Rounds   down, for the pool
    Source   M-10; F-5.5, F-5.9
    """
    if bound <= 0:
        return 0
    room = supplied * bound - borrowed * FRACTION_ONE
    most = div_floor(room, FRACTION_ONE)
    if borrows <= most:
        most = div_floor(room - (FRACTION_ONE - bound) * borrows, bound)
    return max(0, min(div_floor(lendable, PARTS_ONE), most))


def is_flight(given: list[Amount], left: list[Amount], borrowed: Amount, before: bool) -> bool:  # noqa: FBT001 - what it returned last
    """Whether lenders are leaving: a quarter of all lines went out where a line was nearly used up, and less than half for borrowing.

    So a small line, used up, stops nobody. In a flight nothing is lent out until the next opening, so that all that the throttle allows
    can be redeemed. Without lines it stays as it was.
    """
    if not any(given):
        return before
    used = [had - has for had, has in zip(given, left, strict=True)]
    gone = sum(one for one, had in zip(used, given, strict=True) if 4 * one > 3 * had)
    return 4 * gone > sum(given) and 2 * borrowed < sum(used)


def shared(total: Amount, weights: list[Amount]) -> list[Amount]:
    """Share a total out, exactly: a quarter in equal parts, so that each shard can begin, the rest by weight.

    What rounding leaves is for the first of the heaviest.
    """
    count, weight = len(weights), sum(weights)
    equal = div_floor(total, 4) if weight else total
    parts = [div_floor(equal, count) + (div_floor((total - equal) * each, weight) if weight else 0) for each in weights]
    parts[weights.index(max(weights))] += total - sum(parts)
    return parts


def shared_below(total: Amount, weights: list[Amount], most: list[Amount]) -> list[Amount]:
    """Share a total out so that nobody gets more than he can use: what is too much for one is shared among the others."""
    parts = [0 for _ in most]
    open_at = [at for at, limit in enumerate(most) if limit > 0]
    while total > 0 and open_at:
        shares = shared(total, [weights[at] for at in open_at])
        for at, share in zip(open_at, shares, strict=True):
            taken = min(share, most[at] - parts[at])
            parts[at] += taken
            total -= taken
        open_at = [at for at in open_at if parts[at] < most[at]]
    return parts


def grants(free: Amount, targets: list[Amount], unused: list[Amount]) -> list[Amount]:
    """What each shard's line grows by, all together by `free` at most; below zero, what it gives back.

    What is taken back is given to others at the next opening only, for it may be used before its shard hears of it: old lines, unused
    and held, and new ones together never pass the room. So nothing is given where old lines pass it already.

    Source   M-10
    """
    wanted = sum(max(0, target - have) for target, have in zip(targets, unused, strict=True))
    scale, part = (wanted, max(0, free)) if wanted > free else (1, 1)
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
