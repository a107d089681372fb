"""Matching's answers to orders: holds released on the outcome, fills booked in one entry each."""

from services.core.contracts import base_amount, cash_flow, notional, value
from services.core.fixed import FRACTION_ONE, Amount, account_of
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
    OrderReduced,
    OrderReplaced,
    OrderRested,
    OrderStatus,
    OrderUpdated,
    PositionChanged,
    ReplaceRefused,
    Side,
)
from services.core.reasons import Reason, Refusal
from services.risk import brackets, claims, liquidation, margin, profits, steps
from services.risk.events import balance_changed
from services.risk.open_orders import change_order, end_order, hold_asset, name_order, settle_terms
from services.risk.state import Exposure, OpenOrder, State, Subaccount, Terms, drop_empty, exposure_of, post

WILLED = (
    Reason.CANCELLED_BY_CLIENT,
    Reason.CANCELLED_BY_LIQUIDATION,
    Reason.CANCELLED_BY_MARGIN,
    Reason.CANCELLED_BY_DISCONNECT,
    Reason.CANCELLED_BY_SCHEDULE,
    Reason.CANCELLED_BY_VENUE,
    Reason.CANCELLED_BY_GROUP,
    Reason.CANCELLED_BY_PROTECTION,
)
"""Reasons of somebody's decision: the order is cancelled; for any other it has expired."""


def answered(state: State, subaccount: Subaccount, order: OpenOrder, open_size: int) -> list[Message]:
    """Resolve the order's command at matching's first answer; that of a quote is its MassQuote's."""
    if order.kind != OrderKind.CLIENT:
        return []
    account = account_of(subaccount.id)
    return [*state.commands.resolve(account, order.command_id, order=(order.order_id, open_size, order.filled))]


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
            subaccount.holds.get(hold_asset(market, order.side), 0),
            order.expires_ms,
            max(0, order.group),
            order.reduce_only,
            order.kind,
        )
    ]


def status_of(order: OpenOrder) -> OrderStatus:
    """Status of an order that is open."""
    return OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.NEW


def process_rested(state: State, rested: OrderRested) -> list[Message]:
    """Note that the rest of an order stands in the book."""
    subaccount = state.subaccount(rested.subaccount)
    market = state.markets[rested.market]
    order = subaccount.exposures[market.id].orders[rested.ref]
    name_order(subaccount, market.id, order, rested.order_id)
    return [
        *answered(state, subaccount, order, order.remaining),
        *updated(subaccount, market, order, status_of(order)),
    ]


def process_cancelled(state: State, cancelled: OrderCancelled) -> list[Message]:
    """Release what an order still held."""
    subaccount = state.subaccount(cancelled.subaccount)
    market = state.markets[cancelled.market]
    order = subaccount.exposures[market.id].orders[cancelled.ref]
    end_order(state, subaccount, market, order)
    order.order_id = cancelled.order_id
    order.remaining = cancelled.remaining
    by_will = cancelled.reason in WILLED
    status = OrderStatus.CANCELLED if by_will else OrderStatus.EXPIRED
    refusal = None if order.filled or by_will else Refusal(Reason(cancelled.reason), cancelled.limit)
    outcome = (order.order_id, 0, order.filled)
    account = account_of(subaccount.id)
    own = order.command_id if order.kind == OrderKind.CLIENT else 0
    events: list[Message] = [
        *state.commands.resolve(account, own, refusal=refusal, order=outcome),
        *state.commands.resolve(account, cancelled.command_id, order=outcome),
        *updated(subaccount, market, order, status, cancelled.reason),
    ]
    drop_empty(state, subaccount, market.id)
    if order.kind == OrderKind.LIQUIDATION:
        events += liquidation.step_done(state, subaccount)
    return events


def process_cancel_refused(state: State, refused: CancelRefused) -> list[Message]:
    """Resolve a cancel that came too late."""
    refusal = Refusal(Reason(refused.reason))
    return [*state.commands.resolve(account_of(refused.subaccount), refused.command_id, refusal=refusal)]


def process_replaced(state: State, replaced: OrderReplaced) -> list[Message]:
    """Take an order's new terms; without a command it has slid, and what follows says where it stands."""
    subaccount = state.subaccount(replaced.subaccount)
    market = state.markets[replaced.market]
    order = subaccount.exposures[market.id].orders[replaced.ref]
    name_order(subaccount, market.id, order, replaced.order_id)
    by_command = replaced.command_id != 0
    settle_terms(state, subaccount, market, order, Terms(replaced.price, replaced.size), answered=by_command)
    if not by_command:
        return []
    outcome = (order.order_id, order.remaining, order.filled)
    return [
        *state.commands.resolve(account_of(subaccount.id), replaced.command_id, order=outcome),
        *updated(subaccount, market, order, status_of(order)),
    ]


def process_replace_refused(state: State, refused: ReplaceRefused) -> list[Message]:
    """Keep an order's own terms; it may be gone by now."""
    subaccount = state.subaccount(refused.subaccount)
    market = state.markets[refused.market]
    exposure = subaccount.exposures.get(market.id)
    order = exposure.orders.get(refused.ref) if exposure is not None else None
    if order is not None:
        settle_terms(state, subaccount, market, order, None, answered=True)
    refusal = Refusal(Reason(refused.reason), refused.limit)
    return [*state.commands.resolve(account_of(subaccount.id), refused.command_id, refusal=refusal)]


def process_reduced(state: State, reduced: OrderReduced) -> list[Message]:
    """Take an order's smaller size: self-trade prevention, or nothing more to reduce."""
    subaccount = state.subaccount(reduced.subaccount)
    market = state.markets[reduced.market]
    order = subaccount.exposures[market.id].orders[reduced.ref]
    name_order(subaccount, market.id, order, reduced.order_id)
    settle_terms(state, subaccount, market, order, Terms(order.price, reduced.size), answered=False)
    return updated(subaccount, market, order, status_of(order), reduced.reason)


def process_fill(state: State, fill: OrderFilled) -> list[Message]:
    """Release the fill's part of the hold; book size, cash and fee in one entry."""
    subaccount = state.subaccount(fill.subaccount)
    market = state.markets[fill.market]
    exposure = exposure_of(state, subaccount, market.id)
    order = exposure.orders[fill.ref]
    liquidating = order.kind == OrderKind.LIQUIDATION
    before = steps.bring_up(state, subaccount, market, exposure)
    moving = (market.settlement_asset, market.base_asset) if market.is_spot else (market.settlement_asset,)
    settled = liquidation.settle_fill(state, subaccount, market, exposure, fill) if liquidating else []
    for asset in moving:
        settled += claims.take_out(state, subaccount, asset)
    name_order(subaccount, market.id, order, fill.order_id)
    charged = 0 if liquidating else charge_fee(state, subaccount, market, order, fill)
    subaccount.group = market.group
    change_order(state, subaccount, market, order, fill.remaining)
    done = fill.remaining == 0
    if done:
        end_order(state, subaccount, market, order)
    book = book_spot_fill if market.is_spot else book_fill
    events: list[Message] = [
        *before,
        book(state, subaccount, market, order, fill, charged),
        *(answered(state, subaccount, order, 0) if done else []),
        *updated(subaccount, market, order, OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED),
        fill_booked(subaccount, order, fill, charged),
        *settled,
        *changed(state, subaccount, market, exposure),
    ]
    for asset in moving:
        events += claims.tidy(state, subaccount, asset)
        claims.put_back(state, subaccount, asset)
    if market.is_spot or exposure.lent_against:
        profits.lend_against(state, subaccount)
    if order.group or order.exits or subaccount.triggers:
        events += brackets.after_fill(state, subaccount, exposure, order, fill)
    drop_empty(state, subaccount, market.id)
    if liquidating and done:
        events += liquidation.step_done(state, subaccount)
    return events


def charge_fee(state: State, subaccount: Subaccount, market: Market, order: OpenOrder, fill: OrderFilled) -> int:
    """Fee of one fill at the account's tier; what an order owes is rounded up once, however many fills it has."""
    account = state.accounts.get(account_of(subaccount.id))
    shares = state.fee_tiers.get(account.tier) if account is not None else None
    maker, taker = shares or (FRACTION_ONE, FRACTION_ONE)
    rate = margin.tier_rate(market.maker_fee, maker) if fill.is_maker else margin.tier_rate(market.taker_fee, taker)
    charged, order.fee_credit = margin.fee_of_fill(notional(market, fill.size, fill.price), rate, order.fee_credit)
    return charged


def changed(state: State, subaccount: Subaccount, market: Market, exposure: Exposure) -> list[Message]:
    """Say what a fill left: the position and the balance, or both balances of a spot trade."""
    balance = balance_changed(state, subaccount, market.settlement_asset, "fill")
    if market.is_spot:
        return [balance_changed(state, subaccount, market.base_asset, "fill"), balance]
    return [PositionChanged(subaccount.id, market.id, exposure.size, exposure.cash, exposure.basis), balance]


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
    state: State, subaccount: Subaccount, market: Market, _order: OpenOrder, fill: OrderFilled, charged: int
) -> Message:
    """Move size and cash against clearing, the fee to the venue, and what a closed position leaves to the account (M-2).

    In a market that pulses the fill is settled to the last pulse's mark at once (M-6). In one that locks profits what a closed position
    leaves stays in it until the next settlement (v0).
    """
    owner, asset, exposure = subaccount.id, market.settlement_asset, subaccount.exposures[market.id]
    after = exposure.size + fill.size
    pulse = state.pulses.get(market.id)
    realised = update_basis(state, market, exposure, fill, after)
    profits.realise(state, subaccount, market.id, realised)
    legs: list[Leg] = [
        (Book.POSITION, owner, market.id, -market.id, fill.size),
        (Book.CLEARING, 0, market.id, -market.id, -fill.size),
        *claims.house_lends(state, Book.FEES, 0, asset, charged),
    ]
    if pulse is not None:
        settled = fill.cash + value(market, fill.size, pulse.mark)
        legs.append((Book.CLEARING, 0, market.id, asset, -settled))
    else:
        settled = exposure.cash + fill.cash if after == 0 and not market.profit_lock else 0
        legs.append((Book.POSITION, owner, market.id, asset, fill.cash - settled))
        legs.append((Book.CLEARING, 0, market.id, asset, -fill.cash))
    return post(state, "fill", fill.trade_id, [*legs, *claims.moved(state, subaccount, asset, settled - charged)])


def book_spot_fill(
    state: State, subaccount: Subaccount, market: Market, order: OpenOrder, fill: OrderFilled, charged: int
) -> Message:
    """Exchange base and quote in cash against clearing, the fee from the quote (M-2, row 'spot'; M-10)."""
    quote, base, modes = market.settlement_asset, market.base_asset, subaccount.modes | order.modes
    legs: list[Leg] = []
    for asset, amount in ((base, base_amount(market, fill.size)), (quote, fill.cash - charged)):
        if amount > 0:
            legs += claims.received(state, subaccount, asset, amount, modes)
        else:
            legs += claims.drawn(state, subaccount, asset, -amount)
    legs += [
        (Book.CLEARING, 0, market.id, base, -base_amount(market, fill.size)),
        (Book.CLEARING, 0, market.id, quote, -fill.cash),
        *claims.house_lends(state, Book.FEES, 0, quote, charged),
    ]
    return post(state, "fill", fill.trade_id, legs)


def update_basis(state: State, market: Market, exposure: Exposure, fill: OrderFilled, after: int) -> Amount:
    """Keep the cash flow since entry: added by an increase, reduced pro rata by a close, begun anew by a flip (M-2).

    Returns what is realised.
    """
    before, whole = exposure.size, exposure.basis + fill.cash
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
    return whole - exposure.basis
