"""Bookkeeping of open orders, from admission to their end: what each holds of the balance, what those of a market may add (M-4).

Whoever changes what an order stands for does it here, so that `holds`, `buys`, `sells` and `reducing` stay what a recount would give.
"""

from services.core.fixed import Amount, AssetId, MarketId, Price, Size
from services.core.markets import Market
from services.core.messages import OrderId, OrderKind, Side
from services.risk import lines, margin
from services.risk.state import Exposure, OpenOrder, State, Subaccount, Terms, exposure_of


def add_order(state: State, subaccount: Subaccount, market: Market, order: OpenOrder) -> None:
    """Count a new order's hold and size."""
    exposure = exposure_of(state, subaccount, market.id)
    exposure.orders[order.ref] = order
    exposure.note_mark(order)
    if order.client_id:
        exposure.client_ids[order.client_id] = order.ref
    count(state, subaccount, exposure, market, order, 1)


def change_order(state: State, subaccount: Subaccount, market: Market, order: OpenOrder, remaining: Size) -> None:
    """Bring an order to what remains, at the terms it has now."""
    exposure = subaccount.exposures[market.id]
    count(state, subaccount, exposure, market, order, -1)
    order.remaining = remaining
    order.hold = hold_of(market, order)
    count(state, subaccount, exposure, market, order, 1)


def end_order(state: State, subaccount: Subaccount, market: Market, order: OpenOrder) -> None:
    """Forget an order and what it stood for."""
    exposure = subaccount.exposures[market.id]
    count(state, subaccount, exposure, market, order, -1)
    del exposure.orders[order.ref]
    exposure.order_ids.pop(order.order_id, None)
    if exposure.client_ids.get(order.client_id) == order.ref:
        del exposure.client_ids[order.client_id]


def begin_terms(
    state: State, subaccount: Subaccount, market: Market, order: OpenOrder, terms: Terms, mark_price: Price
) -> None:
    """Hold the larger of an order's own terms and those that it may have soon, at the mark of now."""
    exposure = subaccount.exposures[market.id]
    count(state, subaccount, exposure, market, order, -1)
    order.pending.append(terms)
    order.mark_price_held = mark_price
    exposure.note_mark(order)
    order.hold = hold_of(market, order)
    count(state, subaccount, exposure, market, order, 1)


def settle_terms(
    state: State, subaccount: Subaccount, market: Market, order: OpenOrder, terms: Terms | None, *, answered: bool
) -> None:
    """Take the terms that matching gave an order, None for its own; `answered` ends the oldest of those on their way."""
    exposure = subaccount.exposures[market.id]
    count(state, subaccount, exposure, market, order, -1)
    if answered:
        order.pending.pop(0)
    if terms is not None:
        order.remaining = terms.size - order.filled
        order.price, order.size = terms.price, terms.size
    order.hold = hold_of(market, order)
    count(state, subaccount, exposure, market, order, 1)


def name_order(subaccount: Subaccount, market: MarketId, order: OpenOrder, order_id: OrderId) -> None:
    """Note the id that matching gave an order."""
    if not order.order_id:
        order.order_id = order_id
        subaccount.exposures[market].order_ids[order_id] = order.ref


def count(
    state: State, subaccount: Subaccount, exposure: Exposure, market: Market, order: OpenOrder, sign: int
) -> None:
    """Add or take away what an order stands for."""
    asset = hold_asset(market, order.side)
    subaccount.holds[asset] = subaccount.holds.get(asset, 0) + sign * order.hold
    if market.is_spot and asset in state.pools:
        lines.hold(state, subaccount, asset, sign * order.hold)
    if order.side == Side.BUY:
        exposure.buys += sign * order.adds()
    else:
        exposure.sells += sign * order.adds()
    if order.reduce_only:
        exposure.reducing += sign


def hold_asset(market: Market, side: int) -> AssetId:
    """Asset that an order holds: what a spot sale gives away, else the settlement asset."""
    return market.base_asset if market.is_spot and side == Side.SELL else market.settlement_asset


def hold_of(market: Market, order: OpenOrder) -> Amount:
    """What an order needs of the balance, at the mark of its admission; the venue's own need nothing but what a spot order gives."""
    return (
        0
        if order.kind == OrderKind.LIQUIDATION and not market.is_spot
        else hold_at(market, order, order.mark_price_held)
    )


def hold_at(market: Market, order: OpenOrder, mark_price: Price) -> Amount:
    """What an order needs at a mark, at the worst of the terms that it has or may have soon."""
    hold = margin.order_hold(market, order.side, order.price, order.remaining, mark_price)
    for terms in order.pending:
        size = max(0, terms.size - order.filled)
        hold = max(hold, margin.order_hold(market, order.side, terms.price, size, mark_price))
    return hold
