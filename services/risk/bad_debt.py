"""Bad debt that profit bears which has not matured: what cannot be collected is not paid out, whoever owns both sides (M-11, M-13)."""

from collections.abc import Iterator

from services.core.contracts import value
from services.core.fixed import Amount, AssetId, SubaccountId, div_ceil, div_floor
from services.core.messages import Book, Message
from services.core.pool import CAPITAL, INDEX_ONE
from services.risk import claims
from services.risk.events import balance_changed
from services.risk.profits import Profit, profits, realised_lately
from services.risk.shares import shares_now
from services.risk.state import State, Subaccount, post


def unmatured_in_all(state: State, asset: AssetId, group: str) -> Amount:
    """Profit of a market group that has not matured, on this shard; or the fees that the venue has here, its capital."""
    if group == CAPITAL:
        return capital(state, asset)
    return sum(unmatured_of(state, asset, group).values())


def unmatured_of(state: State, asset: AssetId, group: str) -> dict[SubaccountId, Amount]:
    """Profit that has not matured, of everybody who has some and has it lent; a walk over all, for bad debt is rare.

    What is lent counts at the supply index: it bears instead of that by which a loss lowers the burn index.
    """
    found = {}
    index = state.pools[asset].indices.supply
    for subaccount in state.subaccounts.values():
        if asset in subaccount.claims:
            lent = div_floor(shares_now(state, subaccount, asset)[0] * index, INDEX_ONE)
            floating = sum(not_matured(one) for one in in_group(state, subaccount, asset, group))
            amount = min(lent, floating + realised_lately(state, subaccount, asset, group))
            if amount:
                found[subaccount.id] = amount
    return dict(sorted(found.items()))


def in_group(state: State, subaccount: Subaccount, asset: AssetId, group: str) -> Iterator[Profit]:
    """Floating profits in the markets of a group."""
    return (one for one in profits(state, subaccount, asset) if one.market.group == group)


def not_matured(one: Profit) -> Amount:
    """What of a position's profit is beyond that at the mark up to which profits have matured; all of it where it is younger."""
    exposure, pulse = one.exposure, one.pulse
    if not pulse.matured or exposure.since_ms > pulse.matured_ms:
        return one.whole
    return one.whole - min(one.whole, max(0, exposure.basis + value(one.market, exposure.size, pulse.matured)))


def bear(state: State, asset: AssetId, group: str, amount: Amount) -> list[Message]:
    """Take so much of the profits that have not matured, pro rata, or of the venue's capital; it is recovered from the pool's loss.

    Profits are burnt as supply, and no cash moves: suppliers have to bear so much less.

    Rounds   to whole units, in all exactly what is asked for, or all that there is
    Source   M-13
    """
    if group == CAPITAL:
        return bear_by_capital(state, asset, min(amount, capital(state, asset)))
    found = unmatured_of(state, asset, group)
    total = sum(found.values())
    left = min(amount, total)
    events: list[Message] = []
    for subaccount_id, own in found.items():
        part = div_floor(left * own, total)
        left, total = left - part, total - own
        if part:
            events += give_up(state, state.subaccounts[subaccount_id], asset, group, part)
    return events


def capital(state: State, asset: AssetId) -> Amount:
    """Fees of the venue on this shard, in cash."""
    return state.house.get(Book.FEES, {}).get(0, {}).get(0, {}).get(asset, 0)


def bear_by_capital(state: State, asset: AssetId, amount: Amount) -> list[Message]:
    """Pay the pool from the venue's fees."""
    if not amount:
        return []
    state.pools[asset].loss -= amount
    return [post(state, "bad_debt", 0, [(Book.FEES, 0, 0, asset, -amount), (Book.POOL_CASH, 0, 0, asset, amount)])]


def give_up(state: State, subaccount: Subaccount, asset: AssetId, group: str, amount: Amount) -> list[Message]:
    """Take a part of one subaccount's profit: it is not in its profit since entry any more either."""
    pool = state.pools[asset]
    events = claims.take_out(state, subaccount, asset)
    burnt = min(claims.claim_of(subaccount, asset).supply, div_ceil(amount * INDEX_ONE, pool.indices.supply))
    events.append(post(state, "bad_debt", 0, claims.share_legs(subaccount, asset, -burnt, 0)))
    pool.loss -= amount
    pool.losses[group] = pool.losses.get(group, 0) - amount
    for one in in_group(state, subaccount, asset, group):
        part = min(amount, not_matured(one))
        one.exposure.basis -= part
        amount -= part
    for market, (realised, at_ms) in list(subaccount.realised.items()):
        if state.markets[market].group == group and state.markets[market].settlement_asset == asset:
            part = min(amount, realised)
            subaccount.realised[market] = (realised - part, at_ms)
            amount -= part
    claims.put_back(state, subaccount, asset)
    state.touched.setdefault(subaccount.id, 0)
    return [*events, balance_changed(state, subaccount, asset, "bad_debt")]
