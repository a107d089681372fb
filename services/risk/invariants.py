"""What must hold of a risk partition: its books sum to zero per asset, and what is kept incrementally is what a recount gives."""

from services.core.fixed import Amount, AssetId, MarketId, div_exact, invariant
from services.core.messages import Side, TriggerKind
from services.core.pool import DEBT, SUPPLY, join, share_unit
from services.risk.open_orders import hold_asset, hold_of
from services.risk.shares import OUT, shares_now, waiting
from services.risk.state import State, Subaccount


def check_invariants(state: State) -> None:
    """Books sum to zero per asset; holds, sums of orders and cash of closed positions are what they must be."""
    totals: dict[AssetId, Amount] = {}
    for subaccount in state.subaccounts.values():
        check_subaccount(state, subaccount)
        for balances in (subaccount.idle, subaccount.unsettled):
            add_all(totals, balances)
        for asset, claim in subaccount.claims.items():
            add_all(totals, {share_unit(asset, SUPPLY): claim.supply, share_unit(asset, DEBT): claim.debt})
        for exposure in subaccount.exposures.values():
            market = state.markets[exposure.market]
            add_all(totals, {market.settlement_asset: exposure.cash, -market.id: exposure.size})
    for owners in state.house.values():
        for markets in owners.values():
            for assets in markets.values():
                add_all(totals, assets)
    invariant(not any(totals.values()), "the books of a risk shard sum to zero per asset")
    check_pools(state)
    invariant(not state.untidy, "idle money that came free was looked after")


def check_pools(state: State) -> None:
    """Recount what waits behind the series of pulses, and what orders hold of credit lines."""
    behind: dict[tuple[MarketId, int], int] = {}
    waits: dict[tuple[AssetId, int], int] = {}
    held: dict[AssetId, Amount] = {}
    against: dict[MarketId, Amount] = {}
    for subaccount in state.subaccounts.values():
        add_all(held, subaccount.lines_held)
        for market_id, exposure in subaccount.exposures.items():
            against[market_id] = against.get(market_id, 0) + exposure.lent_against
            if exposure.series == OUT:
                invariant(not exposure.size or market_id not in state.pulses, "a position waits behind a series")
                continue
            market, pulse = state.markets[market_id], state.pulses[market_id]
            key, place = (market_id, exposure.series), (market.settlement_asset, exposure.series >> 1)
            behind[key] = behind.get(key, 0) + div_exact(abs(exposure.size), market.lot)
            waits[place] = waits.get(place, 0) + waiting(exposure, pulse, market.lot)
    for market_id, pulse in state.pulses.items():
        invariant(pulse.lent_against == against.get(market_id, 0), "what has left against profit is recounted")
        for series, lots in enumerate(pulse.behind):
            invariant(lots == behind.get((market_id, series), 0), "lots behind a series are recounted")
    for asset, pool in state.pools.items():
        invariant(pool.line >= 0, "a credit line is never overdrawn")
        invariant(pool.held == held.get(asset, 0), "what orders hold of a line is recounted")
        for side in (SUPPLY, DEBT):
            invariant(join(pool.waiting[side]) == waits.get((asset, side), 0), "shares that wait are recounted")


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
    for asset, claim in subaccount.claims.items():
        invariant(claim.supply >= 0 <= claim.debt, "shares are never below zero")
        invariant(not claim.supply or not claim.debt, "a claim is supply or debt, never both")
        invariant(
            all(shares >= 0 for shares in shares_now(state, subaccount, asset)), "pulses cut whom they take to zero"
        )
    spot: dict[AssetId, Amount] = {}
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        if market.is_spot:
            for order in exposure.orders.values():
                add_all(spot, {hold_asset(market, order.side): order.hold})
    for asset in {**subaccount.kept, **subaccount.lines_held}:
        kept = subaccount.kept.get(asset, 0)
        invariant(
            kept + subaccount.lines_held.get(asset, 0) == spot.get(asset, 0), "spot orders hold idle money and line"
        )
        invariant(kept <= subaccount.idle.get(asset, 0), "what spot orders keep is there")
    for asset, hold in subaccount.holds.items():
        invariant(hold == holds.get(asset, 0), "hold is what open orders need, recomputed")
    for trigger in subaccount.triggers.values():
        known = trigger.kind == TriggerKind.TWAP or subaccount.id in state.waiting.get(trigger.market, {})
        invariant(known, "who has a trigger is known to wait in its market")
    for debt in subaccount.unsettled.values():
        invariant(debt <= 0, "an unsettled debt is no credit")
