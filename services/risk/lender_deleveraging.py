"""When a pool has no cash and a lender is liquidated: his claim closes borrowers' debts at the collateral price (M-10, F-5.13)."""

from services.core.collateral import amount_of
from services.core.fixed import Amount, AssetId, div_floor
from services.core.markets import is_unit
from services.core.messages import LenderDeleveraged, Message
from services.core.pool import Stress
from services.risk import claims
from services.risk.events import balance_changed
from services.risk.health import has_fresh_price, price_of, worth_of
from services.risk.shares import lent_and_owed
from services.risk.state import State, Subaccount, post


def unit_of(state: State) -> AssetId:
    """Asset that pays for what changes hands: the first that is worth one, 0 for none."""
    return next((asset.id for asset in state.assets.values() if is_unit(asset.collateral)), 0)


def deleverage(state: State, lender: Subaccount) -> list[Message]:
    """Close debts of borrowers of this shard against what a liquidated lender cannot redeem, pro rata by size.

    The lender's supply and the borrower's debt end, which needs no cash of the pool; the borrower pays what that is worth now in the unit
    of account, which moves claims. Nobody's equity changes but by weights and rounding.

    Rounds   the price for the lender, a unit per borrower
    Source   F-5.13
    """
    unit = unit_of(state)
    events: list[Message] = []
    for asset in sorted(lender.claims):
        pool = state.pools[asset]
        if asset == unit or unit not in state.pools or pool.stress < Stress.DELEVERAGING:
            continue
        lent, _owed = lent_and_owed(state, lender, asset)
        if lent > max(0, pool.line) and has_fresh_price(state, asset):
            events += match(state, lender, asset, unit, lent)
    return events


def match(state: State, lender: Subaccount, asset: AssetId, unit: AssetId, lent: Amount) -> list[Message]:
    """Share out a claim over all who owe the asset."""
    debts = {
        one.id: owed
        for one in state.subaccounts.values()
        if asset in one.claims and one is not lender and (owed := lent_and_owed(state, one, asset)[1])
    }
    total = sum(debts.values())
    amount = min(lent, total)
    events: list[Message] = []
    for borrower, owed in sorted(debts.items(), key=lambda pair: (-pair[1], pair[0])):
        part = min(owed, amount, div_floor(amount * owed, total) or 1)
        if part:
            amount, total = amount - part, total - owed
            events += close(state, lender, state.subaccounts[borrower], asset, unit, part)
    return events


def close(
    state: State, lender: Subaccount, borrower: Subaccount, asset: AssetId, unit: AssetId, amount: Amount
) -> list[Message]:
    """Let a lender's claim end a borrower's debt, for its worth."""
    listed = state.assets[unit]
    paid = amount_of(listed, worth_of(state, asset, amount), price_of(state, listed))
    events: list[Message] = []
    for payer, payee, one, change in ((lender, borrower, asset, amount), (borrower, lender, unit, paid)):
        for subaccount in (payer, payee):
            events += claims.take_out(state, subaccount, one)
        legs = [*claims.moved(state, payer, one, -change), *claims.moved(state, payee, one, change)]
        events.append(post(state, "lender_deleveraging", 0, legs))
        for subaccount in (payer, payee):
            claims.put_back(state, subaccount, one)
            events.append(balance_changed(state, subaccount, one, "lender_deleveraging"))
    return [*events, LenderDeleveraged(lender.id, borrower.id, asset, amount, unit, paid)]
