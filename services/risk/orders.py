"""Commands that place and replace orders: what the market trades, what the account can bear, and the hold of both (M-4)."""

from typing import NamedTuple

from services.core.contracts import notional
from services.core.fixed import Milliseconds, Price, Size, SubaccountId, account_of
from services.core.markets import Market, on_grid
from services.core.messages import (
    RESTING,
    CommandHeader,
    MarketState,
    Message,
    OrderAdmitted,
    OrderKind,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRequested,
    Scope,
    SelfTrade,
    Side,
    TimeInForce,
)
from services.core.reasons import Reason, Refusal
from services.risk import margin
from services.risk.access import take_up
from services.risk.admission import Change, change_of_order, check_admission, closes_at_most
from services.risk.closing import admit_nearer
from services.risk.conditions import GROUP_MAX, check_exits, waits_as
from services.risk.health import has_fresh_mark, has_fresh_price
from services.risk.open_orders import add_order, begin_terms, hold_of
from services.risk.state import Exposure, OpenOrder, State, Subaccount, Terms

TIMES_IN_FORCE = tuple(TimeInForce)
AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
SELF_TRADES = tuple(SelfTrade)
EXPIRY_MAX_MS = 366 * 86_400_000
"""A resting order ends within a year."""
PENDING_MAX = 16
"""Replaces or quotes of one order that may be on their way at once."""


def refuse(state: State, header: CommandHeader, refusal: Refusal) -> list[Message]:
    """Resolve a command by a refusal."""
    return [*state.commands.resolve(header.account, header.command_id, refusal=refusal)]


def process_place(state: State, place: PlaceOrder) -> list[Message]:
    """Admit an order and pass it to its market, or refuse it with a reason."""
    answer = take_up(state, place.header, place.subaccount, Scope.TRADE, orders=1)
    if answer is not None:
        return answer
    admitted = admit_order(state, place, Origin(OrderKind.CLIENT, place.group))
    return refuse(state, place.header, admitted) if isinstance(admitted, Refusal) else [admitted]


class Origin(NamedTuple):
    """Where an order comes from: its kind, what it is grouped with, and the worst price of a market order, 0 for the band's edge."""

    kind: int
    group: int
    worst_price: Price = 0


def admit_order(state: State, place: PlaceOrder, origin: Origin) -> OrderAdmitted | Refusal:
    """Hold what an order needs and return it for its market, or why not; who asks was judged before."""
    found = check_order(state, place, origin)
    if isinstance(found, Refusal):
        return found
    market, order, adds_risk = found
    subaccount = state.subaccount(place.subaccount)
    subaccount.refs = order.ref
    add_order(state, subaccount, market, order)
    state.touched.setdefault(subaccount.id, 0)
    return admit(subaccount, market, order, place, adds_risk=adds_risk)


def check_order(state: State, place: PlaceOrder, origin: Origin) -> tuple[Market, OpenOrder, bool] | Refusal:
    """Build an order as it would be admitted, with its market and whether it adds risk, or say why not; it changes nothing."""
    market = state.markets.get(place.market)
    if market is None:
        return Refusal(Reason.UNKNOWN_MARKET)
    known = state.subaccounts.get(place.subaccount)
    exposure = (known and known.exposures.get(market.id)) or Exposure(market.id)
    adds_risk = not closes_at_most(exposure, place.side, place.size, reduce_only=place.reduce_only)
    refusal = check_terms(state, market, place, adds_risk=adds_risk) or check_place(
        state, market, known, exposure, place, adds_risk=adds_risk
    )
    if refusal is not None:
        return refusal
    subaccount = known or Subaccount(place.subaccount)
    order = open_order(state, market, subaccount, place, origin)
    refusal = check_admission(state, subaccount, market, change_of_order(order), adds_risk=adds_risk)
    if refusal is not None and not (place.price or adds_risk or market.is_spot):
        refusal = admit_nearer(state, subaccount, market, order, refusal)
    if refusal is None and place.exits:
        refusal = check_exits(market, subaccount, place)
    return refusal or (market, order, adds_risk)


def check_terms(state: State, market: Market, place: PlaceOrder, *, adds_risk: bool) -> Refusal | None:
    """Refuse what the market does not trade: its state, size, price, combination, age of the mark, band."""
    refusal = (
        check_market(state, market, place.time_in_force)
        or check_size(market, place.size)
        or (check_display(market, place) if place.display else None)
    )
    if refusal is not None:
        return refusal
    if place.price and not (on_grid(market, place.price) and place.price <= market.price_max):
        return Refusal(Reason.INVALID_PRICE, market.tick)
    if not is_combination(market, place):
        return Refusal(Reason.INVALID_ORDER)
    return check_mark(state, market, adds_risk=adds_risk) or check_band(state, market, place.side, place.price)


def check_place(
    state: State, market: Market, known: Subaccount | None, exposure: Exposure, place: PlaceOrder, *, adds_risk: bool
) -> Refusal | None:
    """Refuse a client id that is in use, what is worth too little, a time that is none, and one order too many."""
    waits = known is not None and known.triggers and waits_as(known, market, place.client_id)
    if waits or place.client_id in exposure.client_ids:
        return Refusal(Reason.DUPLICATE_CLIENT_ID)
    refusal = (check_notional(state, market, place.price, place.size) if adds_risk else None) or check_expiry(
        place, state.now_ms
    )
    if refusal is not None:
        return refusal
    most = orders_max(state, place.subaccount, market)
    return None if len(exposure.orders) < most else Refusal(Reason.TOO_MANY_ORDERS, most)


def orders_max(state: State, subaccount: SubaccountId, market: Market) -> int:
    """Open orders that a subaccount may have in a market: what the account's tier says, at most the market's own."""
    account = state.accounts.get(account_of(subaccount))
    terms = state.limit_tiers.get(account.tier) if account is not None else None
    return min(terms[1], market.orders_max) if terms is not None and terms[1] else market.orders_max


def check_market(state: State, market: Market, time_in_force: int) -> Refusal | None:
    """Refuse when the market takes no such order now; matching has the last word."""
    if market.id not in state.marks:
        return Refusal(Reason.MARKET_HALTED)
    now = state.market_states.get(market.id, MarketState.OPEN)
    if now == MarketState.OPEN:
        return None
    closed = now not in (MarketState.POST_ONLY, MarketState.AUCTION)
    return Refusal(Reason.MARKET_STATE, now) if closed or time_in_force in AT_ONCE else None


def check_size(market: Market, size: Size) -> Refusal | None:
    """Refuse what is no positive multiple of the lot, or too much."""
    sound = 0 < size <= market.order_size_max and size % market.lot == 0
    return None if sound else Refusal(Reason.INVALID_SIZE, market.order_size_max)


def check_display(market: Market, place: PlaceOrder) -> Refusal | None:
    """Refuse what an iceberg shows of itself when it is no part of it, or the order never rests."""
    if not (0 < place.display < place.size and place.display % market.lot == 0):
        return Refusal(Reason.INVALID_SIZE, place.size - market.lot)
    return None if place.time_in_force in RESTING else Refusal(Reason.INVALID_ORDER)


def is_combination(market: Market, place: PlaceOrder) -> bool:
    """Whether the fields of an order go together."""
    if place.side not in (Side.BUY, Side.SELL) or place.time_in_force not in TIMES_IN_FORCE:
        return False
    if place.self_trade not in SELF_TRADES or (market.is_spot and place.reduce_only):
        return False
    if not 0 <= place.group <= GROUP_MAX:
        return False
    resting = place.time_in_force in RESTING
    return bool(place.price) if resting else not place.expires_ms


def check_mark(state: State, market: Market, *, adds_risk: bool) -> Refusal | None:
    """Refuse what may open or grow a position at a stale mark, or in an asset without a fresh price; what closes passes."""
    fresh = has_fresh_mark(state, market.id) and has_fresh_price(state, market.settlement_asset)
    return Refusal(Reason.NO_MARK) if adds_risk and not fresh else None


def check_band(state: State, market: Market, side: int, price: Price) -> Refusal | None:
    """Refuse a price beyond the band's edge for its side; 0 is a market order, which gets the edge itself."""
    edge = margin.protection_price(market, side, state.marks[market.id].price)
    return Refusal(Reason.OUTSIDE_BAND, edge) if price and side * price > side * edge else None


def check_notional(state: State, market: Market, price: Price, size: Size) -> Refusal | None:
    """Refuse what is worth too little."""
    worth = notional(market, size, price or state.marks[market.id].price)
    return Refusal(Reason.BELOW_NOTIONAL_MIN, market.notional_min) if worth < market.notional_min else None


def check_expiry(place: PlaceOrder, now_ms: Milliseconds) -> Refusal | None:
    """Refuse a time that is past or too far."""
    if not place.expires_ms or now_ms < place.expires_ms <= now_ms + EXPIRY_MAX_MS:
        return None
    return Refusal(Reason.INVALID_EXPIRY, now_ms + (1 if place.expires_ms <= now_ms else EXPIRY_MAX_MS))


def open_order(state: State, market: Market, subaccount: Subaccount, place: PlaceOrder, origin: Origin) -> OpenOrder:
    """Build the order as it would be admitted, at its worst price."""
    mark_price = state.marks[market.id].price
    worst_price = origin.worst_price or margin.protection_price(market, place.side, mark_price)
    order = OpenOrder(
        ref=subaccount.refs + 1,
        command_id=place.header.command_id,
        client_id=place.client_id,
        side=place.side,
        price=place.price or worst_price,
        size=place.size,
        remaining=place.size,
        kind=origin.kind,
        reduce_only=place.reduce_only,
        mark_price_held=mark_price,
        hold=0,
        expires_ms=place.expires_ms,
        group=origin.group,
        exits=list(place.exits),
        modes=place.modes,
    )
    order.hold = hold_of(market, order)
    return order


def admit(
    subaccount: Subaccount, market: Market, order: OpenOrder, place: PlaceOrder, *, adds_risk: bool
) -> OrderAdmitted:
    """Tell matching."""
    return OrderAdmitted(
        subaccount.id,
        market.id,
        order.ref,
        order.side,
        place.time_in_force,
        order.price,
        order.remaining,
        order.reduce_only,
        order.kind,
        adds_risk,
        place.self_trade,
        place.expires_ms,
        is_market=not place.price,
        display=place.display,
    )


def process_replace(state: State, replace: ReplaceOrder) -> list[Message]:
    """Hold the larger of old and new, and ask matching for the new."""
    answer = take_up(state, replace.header, replace.subaccount, Scope.TRADE, orders=1)
    if answer is not None:
        return answer
    market = state.markets.get(replace.market)
    found = find_order(state, replace.subaccount, replace.market, replace.order_id, replace.client_id)
    if market is None or found is None:
        return refuse(state, replace.header, Refusal(Reason.ORDER_NOT_OPEN if market else Reason.UNKNOWN_MARKET))
    subaccount, exposure, order = found
    terms = Terms(replace.price, replace.size)
    change = change_of(market, order, terms, state.marks[market.id].price)
    grows = terms.size - order.filled - order.largest()
    adds_risk = not closes_at_most(exposure, order.side, grows, reduce_only=order.reduce_only)
    refusal = check_replace(state, market, order, replace, adds_risk=adds_risk) or check_admission(
        state, subaccount, market, change, adds_risk=adds_risk
    )
    if refusal is not None:
        return refuse(state, replace.header, refusal)
    begin_terms(state, subaccount, market, order, terms, state.marks[market.id].price)
    command_id = replace.header.command_id
    return [ReplaceRequested(subaccount.id, market.id, order.ref, command_id, terms.price, terms.size, adds_risk)]


def change_of(market: Market, order: OpenOrder, terms: Terms, mark_price: Price) -> Change:
    """Return what new terms add to what an order stands for already, at the mark of now."""
    before = (order.adds(), order.hold, order.mark_price_held)
    order.pending.append(terms)
    order.mark_price_held = mark_price
    adds, hold = order.adds(), hold_of(market, order)
    order.pending.pop()
    order.mark_price_held = before[2]
    reducing = max(0, terms.size - order.filled) if order.reduce_only else 0
    return Change(reducing=reducing, modes=order.modes).plus(order.side, adds - before[0], hold - before[1])


def check_replace(
    state: State, market: Market, order: OpenOrder, replace: ReplaceOrder, *, adds_risk: bool
) -> Refusal | None:
    """Refuse new terms that the market does not trade, and too many on their way."""
    refusal = check_market(state, market, TimeInForce.GTC) or check_size(market, replace.size)
    if refusal is not None:
        return refusal
    if not (on_grid(market, replace.price) and replace.price <= market.price_max):
        return Refusal(Reason.INVALID_PRICE, market.tick)
    if len(order.pending) >= PENDING_MAX:
        return Refusal(Reason.REPLACE_UNDER_WAY, PENDING_MAX)
    return (
        check_mark(state, market, adds_risk=adds_risk)
        or check_band(state, market, order.side, replace.price)
        or (check_notional(state, market, replace.price, replace.size) if adds_risk else None)
    )


def find_order(
    state: State, subaccount: int, market: int, order_id: int, client_id: int
) -> tuple[Subaccount, Exposure, OpenOrder] | None:
    """Find a client's open order by order id, else by the client's id."""
    known = state.subaccounts.get(subaccount)
    exposure = known.exposures.get(market) if known is not None else None
    if known is None or exposure is None:
        return None
    ref = exposure.order_ids.get(order_id) if order_id else exposure.client_ids.get(client_id)
    order = exposure.orders.get(ref) if ref is not None else None
    if order is None or order.kind == OrderKind.LIQUIDATION:
        return None
    return known, exposure, order
