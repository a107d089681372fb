"""The matching machine: admitted orders in, fills out, in one order per market."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from services.core.contracts import cash_flow
from services.core.fixed import LATE_MS, Price, Size, account_of
from services.core.markets import Market
from services.core.messages import (
    AllCancelled,
    BookChanged,
    BookSampled,
    CancelAllRequested,
    CancelRefused,
    CancelRequested,
    FundingStepped,
    MarketListed,
    MarksUpdated,
    Message,
    OrderAdmitted,
    OrderCancelled,
    OrderFilled,
    OrderKind,
    OrderRested,
    Record,
    SettlementMarked,
    Side,
    TimeInForce,
    TradeExecuted,
)
from services.core.reasons import Reason, Refusal
from services.core.spine import Machine
from services.matching.book import Order
from services.matching.impact import impact_price
from services.matching.state import (
    MarketState,
    State,
    band_of,
    change_size,
    check_invariants,
    next_order_id,
    next_trade_id,
)

Input: TypeAlias = (
    MarketListed
    | SettlementMarked
    | FundingStepped
    | MarksUpdated
    | OrderAdmitted
    | CancelRequested
    | CancelAllRequested
)
Output: TypeAlias = (
    MarketListed
    | SettlementMarked
    | FundingStepped
    | OrderFilled
    | OrderRested
    | OrderCancelled
    | CancelRefused
    | AllCancelled
    | BookSampled
    | TradeExecuted
    | BookChanged
)


def apply(state: State, record: Record) -> list[Message]:
    """Advance the markets by one record."""
    return PROCESS[type(record.message)](state, record.message, record)


def process_listing(state: State, listed: MarketListed, _record: Record) -> list[Message]:
    """Begin a market, halted, and pass its listing on."""
    state.markets[listed.market.id] = listed.market
    state.trading[listed.market.id] = MarketState()
    return [listed]


def process_settlement_mark(state: State, marked: SettlementMarked, record: Record) -> list[Message]:
    """Open the market with its first mark, and pass it on in the order of the stream; a late one opens too, but is not fresh."""
    trading = state.trading[marked.market]
    if not is_late(state, record):
        see_mark(state, trading, marked.mark_price)
    elif not trading.is_open:
        trading.mark_price_seen = marked.mark_price
    trading.is_open = True
    return [marked]


def process_funding_step(_state: State, stepped: FundingStepped, _record: Record) -> list[Message]:
    """Pass a funding step on between the fills."""
    return [stepped]


def process_marks(state: State, updated: MarksUpdated, record: Record) -> list[Message]:
    """See the marks of own markets and answer each with a sample of its book; late ones are ignored."""
    if is_late(state, record):
        return []
    events: list[Message] = []
    for market_id, mark_price, _index_price in updated.marks:
        trading = state.trading.get(market_id)
        if trading is not None and trading.is_open:
            see_mark(state, trading, mark_price)
            events.append(sample(state.markets[market_id], trading))
    return events


def see_mark(state: State, trading: MarketState, mark_price: Price) -> None:
    """Keep a copy of the mark, for the band."""
    trading.mark_price_seen = mark_price
    trading.mark_seen_ms = state.now_ms


def sample(market: Market, trading: MarketState) -> BookSampled:
    """Describe the book: best and impact prices, last price, open interest."""
    book = trading.book
    return BookSampled(
        market.id,
        book.bids.best(),
        book.asks.best(),
        impact_price(market, book.depth(Side.BUY), market.impact_notional),
        impact_price(market, book.depth(Side.SELL), market.impact_notional),
        trading.last_price,
        trading.open_interest,
    )


def is_late(state: State, record: Record) -> bool:
    """Whether the causal chain of the record began more than LATE_MS ago."""
    return state.now_ms - record.origin_ms > LATE_MS


def process_order(state: State, admitted: OrderAdmitted, record: Record) -> list[Message]:
    """Match an admitted order, then rest or cancel what is left."""
    market = state.markets[admitted.market]
    trading = state.trading[admitted.market]
    order = Order(
        next_order_id(market.id, trading),
        admitted.subaccount,
        admitted.ref,
        admitted.side,
        limit_of(market, trading, admitted),
        admitted.size,
        admitted.kind,
    )
    refusal = check_entry(state, market, trading, admitted, late=is_late(state, record))
    if refusal is not None:
        return [cancelled(market, order, refusal)]
    taker = Taker(market, trading, order, reduce_only=admitted.reduce_only)
    refusal = taker.match()
    return [*taker.events, *taker.leave(admitted.time_in_force, refusal), *book_changed(market, trading, taker.touched)]


def limit_of(market: Market, trading: MarketState, admitted: OrderAdmitted) -> Price:
    """Price limit of an order; that of an IOC is brought to the band's edge, for risk saw another mark when it admitted it."""
    edge = edge_of(market, trading, admitted.side)
    beyond = admitted.side * admitted.price > admitted.side * edge
    return edge if beyond and admitted.time_in_force == TimeInForce.IOC else admitted.price


def edge_of(market: Market, trading: MarketState, side: int) -> Price:
    """Worst price of the band for a side."""
    low, high = band_of(market, trading.mark_price_seen)
    return high if side == Side.BUY else low


def check_entry(
    state: State, market: Market, trading: MarketState, admitted: OrderAdmitted, *, late: bool
) -> Refusal | None:
    """Refuse at the door: late, halted, without a fresh mark, outside the band, taking though post-only."""
    risky = admitted.adds_risk or admitted.kind == OrderKind.LIQUIDATION
    if risky and late:
        return Refusal(Reason.LATE, LATE_MS)
    if not trading.is_open:
        return Refusal(Reason.MARKET_HALTED)
    if risky and state.now_ms - trading.mark_seen_ms > market.price_stale_ms:
        return Refusal(Reason.NO_MARK)
    edge = edge_of(market, trading, admitted.side)
    if admitted.time_in_force != TimeInForce.IOC and admitted.side * admitted.price > admitted.side * edge:
        return Refusal(Reason.OUTSIDE_BAND, edge)
    if admitted.time_in_force == TimeInForce.POST_ONLY:
        met = trading.book.best_against(admitted.side, admitted.price)
        if met is not None:
            return Refusal(Reason.POST_ONLY_WOULD_TAKE, met.price)
    return None


class Taker:
    """One incoming order on its way through the book; collects the events."""

    def __init__(self, market: Market, trading: MarketState, order: Order, *, reduce_only: bool) -> None:
        """Begin; a reduce-only order brings no more than the position it reduces."""
        self.market = market
        self.trading = trading
        self.order = order
        self.reduce_only = reduce_only
        self.events: list[Message] = []
        self.touched: dict[tuple[int, Price], None] = {}

    def match(self) -> Refusal | None:
        """Trade with what the limit reaches, best price first, oldest first; returns why it stopped early, if it did."""
        book = self.trading.book
        low, high = band_of(self.market, self.trading.mark_price_seen)
        while self.order.remaining:
            if self.reduce_only and self.reducible() == 0:
                return Refusal(Reason.REDUCE_ONLY_NOT_REDUCED)
            maker = book.best_against(self.order.side, self.order.price)
            if maker is None:
                return None
            if account_of(maker.subaccount) == account_of(self.order.subaccount):
                return Refusal(Reason.SELF_TRADE)
            if low <= maker.price <= high:
                self.fill(maker)
            else:
                self.drop(maker, Refusal(Reason.OUTSIDE_BAND, low if maker.price < low else high))
        return None

    def reducible(self) -> Size:
        """Return how much of the owner's position this side can close."""
        return max(0, -self.order.side * self.trading.size_seen.get(self.order.subaccount, 0))

    def fill(self, maker: Order) -> None:
        """Trade with one resting order at its price; the cash is computed once and booked by both."""
        taker = self.order
        size = min(taker.remaining, maker.remaining)
        if self.reduce_only:
            size = min(size, self.reducible())
        bought = taker.side * size
        cash = cash_flow(self.market, bought, maker.price)
        trade_id = next_trade_id(self.market.id, self.trading)
        self.trading.book.reduce(maker, size)
        taker.remaining -= size
        self.trading.last_price = maker.price
        self.touched[maker.side, maker.price] = None
        for order, change, flow, is_maker in ((maker, -bought, -cash, True), (taker, bought, cash, False)):
            change_size(self.trading, order.subaccount, change)
            self.events.append(
                OrderFilled(
                    order.subaccount,
                    self.market.id,
                    order.ref,
                    order.id,
                    trade_id,
                    maker.price,
                    change,
                    flow,
                    is_maker,
                    order.remaining,
                )
            )
        self.events.append(
            TradeExecuted(self.market.id, trade_id, maker.price, size, taker.side, taker.kind, maker.id, taker.id)
        )

    def drop(self, maker: Order, refusal: Refusal) -> None:
        """Cancel a resting order that may not trade any more."""
        self.touched[maker.side, maker.price] = None
        self.events.append(cancelled(self.market, maker, refusal))
        self.trading.book.reduce(maker, maker.remaining)

    def leave(self, time_in_force: int, refusal: Refusal | None) -> list[Message]:
        """Rest what is left, or cancel it."""
        if self.order.remaining == 0:
            return []
        if refusal is None and time_in_force == TimeInForce.IOC:
            refusal = Refusal(Reason.IMMEDIATE_OR_CANCEL)
        if refusal is not None:
            return [cancelled(self.market, self.order, refusal)]
        order = self.order
        self.trading.book.add(order)
        self.touched[order.side, order.price] = None
        return [OrderRested(order.subaccount, self.market.id, order.ref, order.id, order.remaining)]


def book_changed(market: Market, trading: MarketState, touched: Iterable[tuple[int, Price]]) -> list[Message]:
    """Say what each touched level holds now, once per record; nothing when none was."""
    book = trading.book
    levels: dict[int, list[tuple[Price, Size]]] = {Side.BUY: [], Side.SELL: []}
    for side, price in touched:
        levels[side].append((price, book.size_at(side, price)))
    bids, asks = levels[Side.BUY], levels[Side.SELL]
    if not bids and not asks:
        return []
    trading.updates += 1
    best_bid, best_ask = book.bids.best(), book.asks.best()
    bid_size, ask_size = book.size_at(Side.BUY, best_bid), book.size_at(Side.SELL, best_ask)
    return [BookChanged(market.id, trading.updates, bids, asks, best_bid, bid_size, best_ask, ask_size)]


def cancelled(market: Market, order: Order, refusal: Refusal, command_id: int = 0) -> OrderCancelled:
    """Say that the rest of an order is gone, and why."""
    return OrderCancelled(
        order.subaccount, market.id, order.ref, order.id, order.remaining, refusal.reason, refusal.limit, command_id
    )


def process_cancel(state: State, requested: CancelRequested, _record: Record) -> list[Message]:
    """Cancel one order, in any state of the market, however late."""
    trading = state.trading[requested.market]
    order = trading.book.find(requested.subaccount, requested.ref)
    if order is None:
        return [CancelRefused(requested.subaccount, requested.market, requested.command_id, int(Reason.ORDER_NOT_OPEN))]
    market = state.markets[requested.market]
    event = take_out(market, trading, order, Reason.CANCELLED_BY_CLIENT, requested.command_id)
    return [event, *book_changed(market, trading, [(order.side, order.price)])]


def process_cancel_all(state: State, requested: CancelAllRequested, _record: Record) -> list[Message]:
    """Cancel every order of a subaccount in the market, oldest ref first, and say when done."""
    market = state.markets[requested.market]
    trading = state.trading[requested.market]
    events: list[Message] = []
    touched: dict[tuple[int, Price], None] = {}
    for order_id in list(trading.book.by_subaccount.get(requested.subaccount, {}).values()):
        order = trading.book.orders[order_id]
        touched[order.side, order.price] = None
        events.append(take_out(market, trading, order, Reason(requested.reason)))
    answer = AllCancelled(requested.subaccount, requested.market, requested.command_id)
    return [*events, *book_changed(market, trading, touched), answer]


def take_out(market: Market, trading: MarketState, order: Order, reason: Reason, command_id: int = 0) -> OrderCancelled:
    """Remove a resting order."""
    event = cancelled(market, order, Refusal(reason), command_id)
    trading.book.reduce(order, order.remaining)
    return event


PROCESS: dict[type[Message], Callable[[State, Any, Record], list[Message]]] = {
    OrderAdmitted: process_order,
    CancelRequested: process_cancel,
    CancelAllRequested: process_cancel_all,
    MarksUpdated: process_marks,
    FundingStepped: process_funding_step,
    SettlementMarked: process_settlement_mark,
    MarketListed: process_listing,
}

MACHINE = Machine("matching", State, apply, check_invariants)
