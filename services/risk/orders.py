"""Commands about orders and matching's answers to them: admission as in M-4, holds released on the outcome."""

from services.core.commands import check_window, resolved
from services.core.contracts import cash_flow, fee, notional
from services.core.fixed import SUBACCOUNTS, Price, account_of
from services.core.markets import Market
from services.core.messages import (
    Book,
    CancelOrder,
    CancelRefused,
    CancelRequested,
    CommandHeader,
    FillBooked,
    Leg,
    Message,
    OrderAdmitted,
    OrderCancelled,
    OrderFilled,
    OrderKind,
    OrderRested,
    OrderStatus,
    OrderUpdated,
    PlaceOrder,
    PositionChanged,
    Side,
    TimeInForce,
)
from services.core.reasons import Reason, Refusal
from services.risk import liquidation, margin
from services.risk.events import balance_changed
from services.risk.state import (
    Exposure,
    Health,
    OpenOrder,
    State,
    Subaccount,
    add_order,
    drop_empty,
    exposure_of,
    health,
    hold_of,
    post,
    reduce_order,
)


def check_header(state: State, header: CommandHeader, subaccount: int) -> Refusal | None:
    """Refuse who may not ask, or not now; such a refusal is no result of the command id and is not remembered."""
    account = state.accounts.get(header.account)
    if account is None or header.key_id not in account.keys:
        return Refusal(Reason.UNKNOWN_KEY)
    refusal = check_window(header, state.now_ms)
    if refusal is None and account_of(subaccount) != header.account:
        refusal = Refusal(Reason.INVALID_SUBACCOUNT, SUBACCOUNTS - 1)
    return refusal


def process_place(state: State, place: PlaceOrder) -> list[Message]:
    """Admit an order and pass it to its market, or refuse it with a reason."""
    header = place.header
    if state.commands.seen(header):
        return []
    refusal = check_header(state, header, place.subaccount)
    if refusal is not None:
        return [resolved(header.account, header.command_id, refusal)]
    state.commands.begin(header, state.now_ms)
    market = state.markets.get(place.market)
    refusal = Refusal(Reason.UNKNOWN_MARKET) if market is None else check_terms(state, market, place)
    if refusal is not None or market is None:
        return [*state.commands.resolve(header.account, header.command_id, refusal=refusal)]
    subaccount = state.subaccount(place.subaccount)
    order = open_order(state, market, subaccount, place)
    exposure = subaccount.exposures.get(market.id, Exposure(market.id))
    adds_risk = not only_reduces(exposure, order)
    refusal = check_order(state, market, subaccount, exposure, order, adds_risk=adds_risk)
    if refusal is not None:
        return [*state.commands.resolve(header.account, header.command_id, refusal=refusal)]
    subaccount.refs = order.ref
    add_order(subaccount, market, order)
    return [admit(subaccount, market, order, place.time_in_force, adds_risk=adds_risk)]


def check_terms(state: State, market: Market, place: PlaceOrder) -> Refusal | None:
    """Refuse what the market does not trade: size, price, combination, band, age of the mark."""
    mark = state.marks.get(market.id)
    if mark is None:
        return Refusal(Reason.MARKET_HALTED)
    if place.size <= 0 or place.size > market.order_size_max or place.size % market.lot:
        return Refusal(Reason.INVALID_SIZE, market.order_size_max)
    if place.price < 0 or place.price > market.price_max or place.price % market.tick:
        return Refusal(Reason.INVALID_PRICE, market.tick)
    if place.side not in (Side.BUY, Side.SELL) or place.time_in_force not in tuple(TimeInForce):
        return Refusal(Reason.INVALID_ORDER)
    if place.time_in_force != TimeInForce.IOC and (place.price == 0 or place.reduce_only):
        return Refusal(Reason.INVALID_ORDER)
    if state.now_ms - mark.seen_ms > market.price_stale_ms:
        return Refusal(Reason.NO_MARK)
    edge = margin.protection_price(market, place.side, mark.price)
    if place.side * place.price > place.side * edge and place.price:
        return Refusal(Reason.OUTSIDE_BAND, edge)
    return None


def open_order(state: State, market: Market, subaccount: Subaccount, place: PlaceOrder) -> OpenOrder:
    """Build the order as it would be admitted, at its worst price."""
    mark_price = state.marks[market.id].price
    price = place.price or margin.protection_price(market, place.side, mark_price)
    order = OpenOrder(
        ref=subaccount.refs + 1,
        command_id=place.header.command_id,
        client_id=place.client_id,
        side=place.side,
        price=price,
        size=place.size,
        remaining=place.size,
        kind=OrderKind.CLIENT,
        reduce_only=place.reduce_only,
        mark_price_held=mark_price,
        hold=0,
    )
    order.hold = hold_of(market, order)
    return order


def only_reduces(exposure: Exposure, order: OpenOrder) -> bool:
    """Whether the order, with all resting ones of its side, at most closes the position."""
    closable = max(0, -order.side * exposure.size)
    resting = exposure.buys if order.side == Side.BUY else exposure.sells
    return resting + (min(order.remaining, closable) if order.reduce_only else order.remaining) <= closable


def check_order(
    state: State, market: Market, subaccount: Subaccount, exposure: Exposure, order: OpenOrder, *, adds_risk: bool
) -> Refusal | None:
    """Refuse for the subaccount's state: duplicate id, too many orders, position limit, liquidation, margin."""
    if order.client_id and any(resting.client_id == order.client_id for resting in exposure.orders.values()):
        return Refusal(Reason.DUPLICATE_CLIENT_ID)
    if len(exposure.orders) >= market.orders_max:
        return Refusal(Reason.TOO_MANY_ORDERS, market.orders_max)
    added = order.adds()
    buys = exposure.buys + (added if order.side == Side.BUY else 0)
    sells = exposure.sells + (added if order.side == Side.SELL else 0)
    shrinks = exposure.reducing > 0
    after = margin.worst_size(exposure.size, buys, sells, may_shrink=shrinks or order.reduce_only)
    if after > market.position_max:
        return Refusal(Reason.POSITION_LIMIT, market.position_max)
    if subaccount.liquidation is not None:
        return Refusal(Reason.ACCOUNT_LIQUIDATING)
    now = health(state, subaccount, market.settlement_asset)
    mark_price = state.marks[market.id].price
    before = margin.worst_size(exposure.size, exposure.buys, exposure.sells, may_shrink=shrinks)
    initial = (
        now.initial
        - margin.initial_margin(market, before, mark_price)
        + margin.initial_margin(market, after, mark_price)
    )
    missing = initial + now.holds + order.hold - now.equity
    if missing <= 0 or (not adds_risk and passes_though_undercollateralised(market, exposure, order, now, mark_price)):
        return None
    return Refusal(Reason.INSUFFICIENT_MARGIN, missing)


def passes_though_undercollateralised(
    market: Market, exposure: Exposure, order: OpenOrder, now: Health, mark_price: Price
) -> bool:
    """Whether an order that closes may pass without initial margin, for risk falls even at its worst price (F-DX-6)."""
    resting = exposure.buys if order.side == Side.BUY else exposure.sells
    closed = min(max(0, -order.side * exposure.size), resting + order.remaining)
    released = margin.maintenance_margin(market, exposure.size, mark_price) - margin.maintenance_margin(
        market, abs(exposure.size) - closed, mark_price
    )
    equity_after = now.equity - now.holds - order.hold
    return margin.lowers_risk(now.equity, now.maintenance, equity_after, now.maintenance - released)


def admit(
    subaccount: Subaccount, market: Market, order: OpenOrder, time_in_force: int, *, adds_risk: bool
) -> OrderAdmitted:
    """Tell matching."""
    return OrderAdmitted(
        subaccount.id,
        market.id,
        order.ref,
        order.side,
        time_in_force,
        order.price,
        order.remaining,
        order.reduce_only,
        order.kind,
        adds_risk,
    )


def process_cancel(state: State, cancel: CancelOrder) -> list[Message]:
    """Pass a cancel on; it takes the order's own road, so it never overtakes it."""
    header = cancel.header
    if state.commands.seen(header):
        return []
    refusal = check_header(state, header, cancel.subaccount)
    if refusal is not None:
        return [resolved(header.account, header.command_id, refusal)]
    state.commands.begin(header, state.now_ms)
    order = find_order(state, cancel)
    if order is None:
        refusal = Refusal(Reason.ORDER_NOT_OPEN if cancel.market in state.markets else Reason.UNKNOWN_MARKET)
        return [*state.commands.resolve(header.account, header.command_id, refusal=refusal)]
    return [CancelRequested(cancel.subaccount, cancel.market, order.ref, header.command_id)]


def find_order(state: State, cancel: CancelOrder) -> OpenOrder | None:
    """Find an open order by order id, else by the client's id."""
    subaccount = state.subaccounts.get(cancel.subaccount)
    exposure = subaccount.exposures.get(cancel.market) if subaccount is not None else None
    if exposure is None:
        return None
    for order in exposure.orders.values():
        by_id = cancel.order_id and order.order_id == cancel.order_id
        by_client_id = not cancel.order_id and cancel.client_id and order.client_id == cancel.client_id
        if (by_id or by_client_id) and order.kind == OrderKind.CLIENT:
            return order
    return None


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
