"""Matching's answers to orders: holds released on the outcome, fills booked in one entry each."""

from services.core.contracts import cash_flow, fee, notional
from services.core.fixed import account_of
from services.core.markets import Market
from services.core.messages import (
    Book,
    CancelRefused,
    FillBooked,
    Leg,
    Message,
    OrderCancelled,
    OrderFilled,
    OrderKind,
    OrderRested,
    OrderStatus,
    OrderUpdated,
    PositionChanged,
    Side,
)
from services.core.reasons import Reason, Refusal
from services.risk import liquidation, margin
from services.risk.events import balance_changed
from services.risk.state import Exposure, OpenOrder, State, Subaccount, drop_empty, exposure_of, post, reduce_order


def answered(state: State, subaccount: Subaccount, order: OpenOrder, open_size: int) -> list[Message]:
    """Resolve the order's command at matching's first answer."""
    filled = order.size - order.remaining
    account = account_of(subaccount.id)
    return [*state.commands.resolve(account, order.command_id, order=(order.order_id, open_size, filled))]


def updated(
    subaccount: Subaccount, market: Market, order: OpenOrder, status: OrderStatus, reason: int = 0
) -> list[Message]:
    """Say how a client's order stands; the venue's own orders are told by liquidation events."""
    if order.kind == OrderKind.LIQUIDATION:
        return []
    return [
        OrderUpdated(
            subaccount.id,
            market.id,
            order.order_id,
            order.client_id,
            order.command_id,
            order.side,
            order.price,
            order.size,
            order.remaining,
            status,
            reason,
        )
    ]


def process_rested(state: State, rested: OrderRested) -> list[Message]:
    """Note that the rest of an order stands in the book."""
    subaccount = state.subaccount(rested.subaccount)
    market = state.markets[rested.market]
    order = subaccount.exposures[market.id].orders[rested.ref]
    order.order_id = rested.order_id
    status = OrderStatus.NEW if order.remaining == order.size else OrderStatus.PARTIALLY_FILLED
    return [
        *answered(state, subaccount, order, order.remaining),
        *updated(subaccount, market, order, status),
        balance_changed(subaccount, market.settlement_asset, "order"),
    ]


def process_cancelled(state: State, cancelled: OrderCancelled) -> list[Message]:
    """Release what an order still held."""
    subaccount = state.subaccount(cancelled.subaccount)
    market = state.markets[cancelled.market]
    order = subaccount.exposures[market.id].orders[cancelled.ref]
    order.order_id = cancelled.order_id
    filled = order.size - order.remaining
    reduce_order(subaccount, market, order, 0)
    order.remaining = cancelled.remaining
    by_will = cancelled.reason in (Reason.CANCELLED_BY_CLIENT, Reason.CANCELLED_BY_LIQUIDATION)
    status = OrderStatus.CANCELLED if by_will else OrderStatus.EXPIRED
    refusal = Refusal(Reason(cancelled.reason), cancelled.limit)
    account = account_of(subaccount.id)
    outcome = (order.order_id, 0, filled)
    events: list[Message] = [
        *state.commands.resolve(
            account, order.command_id, refusal=None if filled or by_will else refusal, order=outcome
        ),
        *state.commands.resolve(account, cancelled.command_id, order=outcome),
        *updated(subaccount, market, order, status, cancelled.reason),
        balance_changed(subaccount, market.settlement_asset, "order"),
    ]
    drop_empty(subaccount, market.id)
    if order.kind == OrderKind.LIQUIDATION:
        events += liquidation.step_done(state, subaccount)
    return events


def process_cancel_refused(state: State, refused: CancelRefused) -> list[Message]:
    """Resolve a cancel that came too late."""
    refusal = Refusal(Reason(refused.reason))
    return [*state.commands.resolve(account_of(refused.subaccount), refused.command_id, refusal=refusal)]


def process_fill(state: State, fill: OrderFilled) -> list[Message]:
    """Release the fill's part of the hold; book size, cash and fee in one entry."""
    subaccount = state.subaccount(fill.subaccount)
    market = state.markets[fill.market]
    exposure = exposure_of(subaccount, market.id)
    order = exposure.orders[fill.ref]
    liquidating = order.kind == OrderKind.LIQUIDATION
    settled = liquidation.settle_fill(state, subaccount, market, exposure, fill) if liquidating else []
    order.order_id = fill.order_id
    rate = market.maker_fee if fill.is_maker else market.taker_fee
    charged = 0 if liquidating else fee(notional(market, fill.size, fill.price), rate)
    subaccount.group = market.group
    reduce_order(subaccount, market, order, fill.remaining)
    entry = book_fill(state, subaccount, market, exposure, fill, charged)
    done = fill.remaining == 0
    status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
    events: list[Message] = [
        entry,
        *(answered(state, subaccount, order, 0) if done else []),
        *updated(subaccount, market, order, status),
        fill_booked(subaccount, order, fill, charged),
        PositionChanged(subaccount.id, market.id, exposure.size, exposure.cash, exposure.basis),
        *settled,
        balance_changed(subaccount, market.settlement_asset, "fill"),
    ]
    drop_empty(subaccount, market.id)
    if liquidating and done:
        events += liquidation.step_done(state, subaccount)
    return events


def fill_booked(subaccount: Subaccount, order: OpenOrder, fill: OrderFilled, charged: int) -> FillBooked:
    """Say what the account traded."""
    side = Side.BUY if fill.size > 0 else Side.SELL
    return FillBooked(
        subaccount.id,
        fill.market,
        fill.order_id,
        order.client_id,
        fill.trade_id,
        side,
        fill.price,
        abs(fill.size),
        charged,
        fill.is_maker,
        order.kind,
    )


def book_fill(
    state: State, subaccount: Subaccount, market: Market, exposure: Exposure, fill: OrderFilled, charged: int
) -> Message:
    """Move size and cash against clearing, the fee to the venue, and what a closed position leaves into idle (M-2)."""
    owner, asset = subaccount.id, market.settlement_asset
    after = exposure.size + fill.size
    realised = exposure.cash + fill.cash if after == 0 else 0
    update_basis(state, market, exposure, fill, after)
    legs: list[Leg] = [
        (Book.POSITION, owner, market.id, -market.id, fill.size),
        (Book.CLEARING, 0, market.id, -market.id, -fill.size),
        (Book.POSITION, owner, market.id, asset, fill.cash - realised),
        (Book.CLEARING, 0, market.id, asset, -fill.cash),
        (Book.IDLE, owner, 0, asset, realised - charged),
        (Book.FEES, 0, 0, asset, charged),
    ]
    return post(state, "fill", fill.trade_id, legs)


def update_basis(state: State, market: Market, exposure: Exposure, fill: OrderFilled, after: int) -> None:
    """Keep the cash flow since entry: added by an increase, reduced pro rata by a close, begun anew by a flip (M-2)."""
    before = exposure.size
    if after == 0:
        exposure.basis = 0
    elif before * fill.size >= 0:
        exposure.basis += fill.cash
        exposure.since_ms = state.now_ms
    elif before * after > 0:
        exposure.basis = margin.reduced_basis(exposure.basis, before, after)
    else:
        exposure.basis = cash_flow(market, after, fill.price)
        exposure.since_ms = state.now_ms
