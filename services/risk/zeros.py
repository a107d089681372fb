"""Zeros: who is settled on its own at a pulse because its shares would pass zero (M-8); wires on series of shares, one-sided.

Thresholds are whole shares per lot. They lie where positions and claims put them, not in proportion to a price, so buckets are of equal
width, chosen by what a lot is worth.
"""

from dataclasses import dataclass, field

from services.core.fixed import SubaccountId
from services.risk.wires import passed

BUCKETS_BITS = 17
"""A bucket is about a hundred-thousandth of a lot's value wide: a pulse passes some dozens, and few wires lie in one of them."""


@dataclass(slots=True)
class Zeros:
    """Wires of one series of shares: bucket -> subaccount -> least whole shares per lot that it bears."""

    shift: int = 0
    buckets: dict[int, dict[SubaccountId, int]] = field(default_factory=dict)


def zeros_for(lot_value: int) -> Zeros:
    """Open the wires of a market whose lot is worth so many units."""
    return Zeros(max(0, abs(lot_value).bit_length() - BUCKETS_BITS))


def arm(zeros: Zeros, subaccount: SubaccountId, threshold: int) -> None:
    """Let a subaccount be settled on its own when the series falls below a threshold."""
    zeros.buckets.setdefault(threshold >> zeros.shift, {})[subaccount] = threshold


def disarm(zeros: Zeros, subaccount: SubaccountId, threshold: int) -> None:
    """Take a wire away; one that was cut is not there any more."""
    key = threshold >> zeros.shift
    bucket = zeros.buckets.get(key)
    if bucket is not None and bucket.pop(subaccount, None) is not None and not bucket:
        del zeros.buckets[key]


def cut(zeros: Zeros, before: int, after: int) -> list[SubaccountId]:
    """Whom a step of the series from one whole number to another would take below what they bear; their wires stay."""
    if not zeros.buckets:
        return []
    low, high = after >> zeros.shift, (max(before, after) + 1) >> zeros.shift
    return [
        subaccount
        for key in passed(zeros.buckets, low, high)
        for subaccount, threshold in zeros.buckets[key].items()
        if threshold > after
    ]
