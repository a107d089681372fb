"""The ladder at the door: what a market refuses of an order, a replace or a quote, in the order of the reasons; it changes nothing."""

from services.core.fixed import LATE_MS, SUBACCOUNTS, Price, Size, account_of, div_ceil
from services.core.markets import Market
from services.core.messages import RESTING, MarketState, OrderAdmitted, TimeInForce
from services.core.reasons import Reason, Refusal
from services.matching.bands import behind, impact_edge, nearest_within
from services.matching.book import Book, HalfBook, Order
from services.matching.plan import Limits
from services.matching.state import AUCTION, State, Trading

IOC, FOK = int(TimeInForce.IOC), int(TimeInForce.FOK)
POST_ONLY, SLIDE = int(TimeInForce.POST_ONLY), int(TimeInForce.POST_ONLY_SLIDE)
TAKES: dict[int, tuple[int, ...]] = {
    int(MarketState.OPEN): tuple(map(int, TimeInForce)),
    int(MarketState.POST_ONLY): (POST_ONLY, SLIDE),
    int(MarketState.AUCTION): tuple(map(int, RESTING)),
}
"""What each state of a market takes, by time in force; the states that are missing take nothing."""
CANCEL_ONLY = int(MarketState.CANCEL_ONLY)
PARTS_MAX = 100
"""An iceberg shows itself in at most so many parts, so that no order makes more trades with another."""


def limit_price(market: Market, trading: Trading, admitted: OrderAdmitted) -> Price:
    """Price limit of an order: one that does not rest is brought to the edge of what trades, for risk saw another mark.

    A market order also stops at the impact band round the best price that it can trade with.
    """
    price, side = admitted.price, admitted.side
    if admitted.time_in_force not in (IOC, FOK):
        return price
    edge = trading.limits.edge(side)
    if side * price > side * edge:
        price = edge
    if admitted.is_market and market.impact_band:
        best = best_within(trading.book.against(side), trading.limits)
        if best:
            price = side * min(side * price, side * impact_edge(side, best, market.impact_band))
    return price


def best_within(half: HalfBook, limits: Limits) -> Price:
    """Best price of a side that may trade, 0 for none."""
    for key in reversed(half.keys):
        price = half.side * key
        if not limits.why(price):
            return price
    return 0


def check_entry(
    state: State, market: Market, trading: Trading, order: Order, *, risky: bool, late: bool
) -> Refusal | None:
    """Refuse what may not enter the book now; `risky` says whether it adds risk or liquidates."""
    side, price, time_in_force = order.side, order.price, order.time_in_force
    if risky and late:
        return Refusal(Reason.LATE, LATE_MS)
    if time_in_force not in TAKES.get(trading.state, ()):
        return closed(trading)
    if market.id in state.sweeps:
        return Refusal(Reason.MARKET_STATE, CANCEL_ONLY)
    if order.display and is_hidden_wrong(market, trading.book, order):
        return Refusal(Reason.INVALID_ORDER, display_min(market, order.size))
    if risky and not is_fresh(state, market, trading):
        return Refusal(Reason.NO_MARK)
    limits = trading.limits
    is_past = side * price > side * limits.edge(side)
    if is_past and side * price > side * limits.band_edge(side):
        return beyond(market, limits, side, Reason.OUTSIDE_BAND)
    if time_in_force in (POST_ONLY, SLIDE) and trading.state != AUCTION and trading.book.meets(side, price):
        best = trading.book.against(side).best()
        if time_in_force == POST_ONLY or behind(market, side, best) <= 0:
            return Refusal(Reason.POST_ONLY_WOULD_TAKE, best)
    if order.reduce_only and side * trading.size_seen.get(order.subaccount, 0) >= 0:
        return Refusal(Reason.REDUCE_ONLY_NOT_REDUCED)
    if trading.state == AUCTION and crosses_own(trading.book, order):
        return Refusal(Reason.SELF_TRADE)
    if is_past and side * price > side * limits.premium_edge(side):
        return beyond(market, limits, side, Reason.PREMIUM_TOO_LARGE)
    if 0 < order.expires_ms <= state.now_ms:
        return Refusal(Reason.EXPIRED)
    if is_past and side * price > side * limits.outer_edge(side):
        return beyond(market, limits, side, Reason.PRICE_LIMIT)
    return None


def is_hidden_wrong(market: Market, book: Book, order: Order) -> bool:
    """Whether an iceberg shows what it may not: only what can rest shows a part, and one that is replaced by less may show all of it."""
    shows_all = order.display >= order.size and order.id not in book.orders
    few = order.display < display_min(market, order.size)
    return shows_all or few or order.display % market.lot != 0 or order.time_in_force in (IOC, FOK)


def display_min(market: Market, size: Size) -> Size:
    """Least that an iceberg of this size shows at a time, in whole lots."""
    return div_ceil(size, PARTS_MAX * market.lot) * market.lot


def closed(trading: Trading) -> Refusal:
    """Refuse because of the market's state; a market without any mark opens with its first."""
    if not trading.mark_price_seen:
        return Refusal(Reason.MARKET_HALTED)
    return Refusal(Reason.MARKET_STATE, trading.state)


def beyond(market: Market, limits: Limits, side: int, reason: Reason) -> Refusal:
    """Refuse a price past a band or the outermost price limit, and name the nearest accepted."""
    return Refusal(reason, nearest_within(market, side, limits.edge(side)))


def is_fresh(state: State, market: Market, trading: Trading) -> bool:
    """Whether the mark seen is young enough to trade by."""
    return state.now_ms - trading.mark_seen_ms <= market.price_stale_ms


def crosses_own(book: Book, order: Order, edge: Price | None = None) -> bool:
    """Whether an order would cross one of its own account: in an auction such a pair may not wait, and the newer one goes.

    With an edge only those past it count: what stands before it, the order meets on its way.
    """
    side = order.side
    first = account_of(order.subaccount) * SUBACCOUNTS
    for subaccount in range(first, first + SUBACCOUNTS):
        for own in book.orders_of(subaccount) if subaccount in book.by_subaccount else ():
            is_met = edge is not None and side * own.price <= side * edge
            if own.side != side and side * own.price <= side * order.price and not is_met:
                return True
    return False


def check_room(market: Market, book: Book, order: Order, leaving: Order | None = None) -> Refusal | None:
    """Refuse an order for which the book has no place; `leaving` is one that it takes the place of."""
    if market.book_orders_max and len(book.orders) - (leaving is not None) >= market.book_orders_max:
        return Refusal(Reason.BOOK_FULL, market.book_orders_max)
    half = book.half(order.side)
    if not market.levels_max or order.side * order.price in half.levels:
        return None
    emptied = leaving is not None and leaving.side == order.side and half.is_alone(leaving)
    if len(half.keys) - emptied >= market.levels_max:
        return Refusal(Reason.BOOK_FULL, market.levels_max)
    return None
