"""What must hold of a risk partition: its books sum to zero per asset, and what is kept incrementally is what a recount gives."""

from services.core.fixed import Amount, AssetId, invariant
from services.core.messages import Side, TriggerKind
from services.risk.open_orders import hold_asset, hold_of
from services.risk.state import State, Subaccount


def check_invariants(state: State) -> None:
    """Books sum to zero per asset; holds, sums of orders and cash of closed positions are what they must be."""
    totals: dict[AssetId, Amount] = {}
    for subaccount in state.subaccounts.values():
        check_subaccount(state, subaccount)
        for balances in (subaccount.idle, subaccount.unsettled):
            add_all(totals, balances)
        for exposure in subaccount.exposures.values():
            market = state.markets[exposure.market]
            add_all(totals, {market.settlement_asset: exposure.cash, -market.id: exposure.size})
    for owners in state.house.values():
        for markets in owners.values():
            for assets in markets.values():
                add_all(totals, assets)
    invariant(not any(totals.values()), "the books of a risk shard sum to zero per asset")


def add_all(totals: dict[AssetId, Amount], balances: dict[AssetId, Amount]) -> None:
    """Add balances to totals."""
    for asset, amount in balances.items():
        totals[asset] = totals.get(asset, 0) + amount


def check_subaccount(state: State, subaccount: Subaccount) -> None:
    """Recompute what is kept incrementally."""
    holds: dict[AssetId, Amount] = {}
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        orders = exposure.orders.values()
        for order in orders:
            add_all(holds, {hold_asset(market, order.side): hold_of(market, order)})
            invariant(exposure.client_ids.get(order.client_id, order.ref) == order.ref, "a client id names one order")
            low, high = exposure.sell_mark_held, exposure.buy_mark_held
            held = order.mark_price_held <= high if order.side == Side.BUY else low <= order.mark_price_held
            invariant(held, "marks held enclose those of the orders")
            invariant(0 <= order.remaining <= order.size, "an order never trades more than its size")
        for side, kept in ((Side.BUY, exposure.buys), (Side.SELL, exposure.sells)):
            invariant(kept == sum(order.adds() for order in orders if order.side == side), "order sums are recomputed")
        reducing = sum(1 for order in orders if order.reduce_only)
        invariant(exposure.reducing == reducing, "reduce-only orders are recounted")
        invariant(
            exposure.size != 0 or exposure.cash == 0 or market.profit_lock, "a closed position is realised at once"
        )
        invariant(not market.is_spot or exposure.size == 0, "a spot market has no positions")
    for asset, hold in subaccount.holds.items():
        invariant(hold == holds.get(asset, 0), "hold is what open orders need, recomputed")
    for trigger in subaccount.triggers.values():
        known = trigger.kind == TriggerKind.TWAP or subaccount.id in state.waiting.get(trigger.market, {})
        invariant(known, "who has a trigger is known to wait in its market")
    for debt in subaccount.unsettled.values():
        invariant(debt <= 0, "an unsettled debt is no credit")
