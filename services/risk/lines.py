"""Credit lines: cash that a pool has set aside for this shard, taken at once by who redeems, borrows or buys with lent money (M-10)."""

from typing import NamedTuple

from services.core.fixed import LIMIT, Amount, AssetId
from services.core.messages import Mode
from services.core.pool import PoolState, Stress
from services.core.reasons import Reason, Refusal
from services.risk.claims import free_idle
from services.risk.shares import lent_and_owed
from services.risk.state import Pool, State, Subaccount


def hold(state: State, subaccount: Subaccount, asset: AssetId, amount: Amount) -> None:
    """Hold cash of a pooled asset for spot orders, idle money first, or release it (< 0), what the line gave first."""
    pool, kept, held = state.pools[asset], subaccount.kept, subaccount.lines_held
    if amount > 0:
        own = min(amount, free_idle(subaccount, asset))
        line = amount - own
    else:
        line = -min(-amount, held.get(asset, 0))
        own = amount - line
        if own:
            state.untidy[subaccount.id, asset] = None
    kept[asset] = kept.get(asset, 0) + own
    held[asset] = held.get(asset, 0) + line
    pool.line -= line
    pool.held += line
    for amounts in (kept, held):
        if not amounts[asset]:
            del amounts[asset]


class Cash(NamedTuple):
    """Cash that a subaccount can have by will now, and why not more."""

    amount: Amount
    reason: Reason


def cash_of(state: State, subaccount: Subaccount, asset: AssetId, modes: int) -> Cash:
    """Free idle money, what may be redeemed and what may be borrowed, the last two within the shard's line.

    What orders hold of the line is to be redeemed, and what goes beyond that to be borrowed.

    Source   M-10; F-5.5 (a) to (c)
    """
    pool = state.pools.get(asset)
    if pool is None:
        return Cash(LIMIT, Reason.INSUFFICIENT_FUNDS)
    lent, owed = lent_and_owed(state, subaccount, asset)
    free = lent - subaccount.lines_held.get(asset, 0)
    lent = max(0, free) if modes & (Mode.LEND | Mode.REDEEM) else 0
    room = max(0, borrow_room(state, pool, asset, owed) + min(0, free)) if modes & Mode.BORROW else 0
    idle = free_idle(subaccount, asset)
    if pool.line < lent + room:
        return Cash(idle + max(0, pool.line), Reason.NO_LIQUIDITY)
    return Cash(idle + lent + room, Reason.BORROW_LIMIT if modes & Mode.BORROW else Reason.INSUFFICIENT_FUNDS)


def borrow_room(state: State, pool: Pool, asset: AssetId, owed: Amount) -> Amount:
    """What a subaccount may borrow more by will under the caps of the pool and its own; margin is judged elsewhere."""
    terms = state.assets[asset].pool
    if terms is None or pool.state != PoolState.OPEN or pool.stress >= Stress.NO_BORROWS:
        return 0
    own = max(0, terms.account_debt_max - owed) if terms.account_debt_max else LIMIT
    return max(0, min(pool.borrow_room, own))


def check_cash(state: State, subaccount: Subaccount, asset: AssetId, amount: Amount, modes: int) -> Refusal | None:
    """Refuse what cannot be had in cash now."""
    cash = cash_of(state, subaccount, asset, modes)
    return Refusal(cash.reason, cash.amount) if amount > cash.amount else None
