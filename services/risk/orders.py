"""Commands about orders: who may ask, what the market trades, and admission as in M-4."""

from services.core.commands import check_window
from services.core.fixed import SUBACCOUNTS, Price, Size, account_of
from services.core.markets import Market
from services.core.messages import (
    CancelOrder,
    CancelRequested,
    CommandHeader,
    Message,
    OrderAdmitted,
    OrderKind,
    PlaceOrder,
    Side,
    TimeInForce,
)
from services.core.reasons import Reason, Refusal
from services.risk import margin
from services.risk.state import (
    Exposure,
    Health,
    OpenOrder,
    State,
    Subaccount,
    add_order,
    health,
    hold_of,
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
    answer = state.commands.take(header, check_header(state, header, place.subaccount), state.now_ms)
    if answer is not None:
        return [*answer]
    market = state.markets.get(place.market)
    refusal = Refusal(Reason.UNKNOWN_MARKET) if market is None else check_terms(state, market, place)
    if refusal is not None or market is None:
        return [*state.commands.resolve(header.account, header.command_id, refusal=refusal)]
    subaccount = state.subaccount(place.subaccount)
    order = open_order(state, market, subaccount, place)
    exposure = subaccount.exposures.get(market.id, Exposure(market.id))
    adds_risk = not closes_at_most(exposure, order.side, order.size, reduce_only=order.reduce_only)
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
    if state.now_ms - mark.seen_ms > market.price_stale_ms and opens(state, place):
        return Refusal(Reason.NO_MARK)
    edge = margin.protection_price(market, place.side, mark.price)
    if place.side * place.price > place.side * edge and place.price:
        return Refusal(Reason.OUTSIDE_BAND, edge)
    return None


def opens(state: State, place: PlaceOrder) -> bool:
    """Whether an order may open or grow a position: a stale mark stops that, and lets positions be closed."""
    subaccount = state.subaccounts.get(place.subaccount)
    exposure = subaccount.exposures.get(place.market) if subaccount is not None else None
    return exposure is None or not closes_at_most(exposure, place.side, place.size, reduce_only=place.reduce_only)


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


def closes_at_most(exposure: Exposure, side: int, size: Size, *, reduce_only: bool) -> bool:
    """Whether an order, with all resting ones of its side, at most closes the position."""
    closable = max(0, -side * exposure.size)
    resting = exposure.buys if side == Side.BUY else exposure.sells
    return resting + (min(size, closable) if reduce_only else size) <= closable


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
    answer = state.commands.take(header, check_header(state, header, cancel.subaccount), state.now_ms)
    if answer is not None:
        return [*answer]
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
