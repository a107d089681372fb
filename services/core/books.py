"""A ledger entry and its one rule: legs sum to zero per asset (M-1); it keeps no balances.

Every machine changes money only through its own `post`, which builds the entry here and applies the legs to its state.
"""

from collections.abc import Sequence

from services.core.fixed import LIMIT, Milliseconds, invariant
from services.core.messages import Leg, Posted


def balanced(kind: str, reference: int, at_ms: Milliseconds, legs: Sequence[Leg], group: str = "") -> Posted:
    """Build a ledger entry; legs of amount 0 are left out.

    Raises   InvariantError if the legs of an asset do not sum to zero or an amount is out of range
    Source   M-1
    """
    totals: dict[int, int] = {}
    kept = [leg for leg in legs if leg[4]]
    for _book, _owner, _market, asset, amount in kept:
        invariant(-LIMIT < amount < LIMIT, "an amount fits its range")
        totals[asset] = totals.get(asset, 0) + amount
    invariant(not any(totals.values()), "the legs of an entry sum to zero per asset")
    return Posted(kind, reference, at_ms, kept, group)
