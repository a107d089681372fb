"""The market's own stream and state: listing, parameters, marks, funding steps, states, auctions, the end."""

from services.core.fixed import Milliseconds, Price, Size
from services.core.markets import Market, on_grid
from services.core.messages import (
    BookSampled,
    FundingStepped,
    MarketChanged,
    MarketDelisted,
    MarketListed,
    MarketStateChanged,
    MarketStateSet,
    MarksUpdated,
    Message,
    SettlementMarked,
)
from services.core.reasons import Reason, Refusal
from services.matching.bands import band_of, limits_of
from services.matching.book import HalfBook, Order
from services.matching.entry import is_fresh
from services.matching.impact import impact_price
from services.matching.state import AUCTION, DELISTED, HALTED, OPEN, UNCROSS, State, Trading
from services.matching.turn import Turn
from services.matching.uncross import uncross

CANCELLED_BY_VENUE = int(Reason.CANCELLED_BY_VENUE)


def process_listing(state: State, listed: MarketListed, *, late: bool) -> list[Message]:
    """Begin a market, halted, and pass its listing on."""
    del late
    state.markets[listed.market.id] = listed.market
    state.trading[listed.market.id] = Trading()
    return [listed]


def process_change(state: State, changed: MarketChanged, *, late: bool) -> list[Message]:
    """Take a market's new parameters, pass them on, and cancel the resting orders that they do not allow."""
    del late
    market = changed.market
    trading = state.trading[market.id]
    state.markets[market.id] = market
    bound(market, trading)
    turn = Turn(state, market, trading)
    for order in list(trading.book.orders.values()):
        refusal = check_parameters(market, order)
        if refusal is not None:
            turn.cancel(order, int(refusal.reason), refusal.limit)
    return [changed, *turn.end()]


def check_parameters(market: Market, order: Order) -> Refusal | None:
    """Refuse an order that the market would not take any more."""
    if order.remaining % market.lot or order.remaining > market.order_size_max:
        return Refusal(Reason.INVALID_SIZE, market.order_size_max)
    if not on_grid(market, order.price) or order.price > market.price_max:
        return Refusal(Reason.INVALID_PRICE, market.tick)
    return None


def process_funding_step(_state: State, stepped: FundingStepped, *, late: bool) -> list[Message]:
    """Pass a funding step on between the fills."""
    del late
    return [stepped]


def process_settlement_mark(state: State, marked: SettlementMarked, *, late: bool) -> list[Message]:
    """Begin trading with the first mark, and pass it on in the order of the stream; a late one begins too, but is not fresh."""
    trading = state.trading[marked.market]
    if trading.state == DELISTED:
        return [marked]
    is_first = not trading.mark_price_seen
    if is_first or not late:
        see_mark(state.markets[marked.market], trading, marked.mark_price, 0 if late else state.now_ms)
    if is_first:
        return [marked, *begin(state, trading, marked.market)]
    return [marked, *end_auction(state, marked.market, trading)]


def process_marks(state: State, updated: MarksUpdated, *, late: bool) -> list[Message]:
    """See the marks of own markets and answer each with a sample of its book; late ones are ignored."""
    events: list[Message] = []
    if late:
        return events
    premiums = dict(enumerate(updated.premiums))
    for number, (market_id, mark_price, index_price) in enumerate(updated.marks):
        trading = state.trading.get(market_id)
        if trading is None or not trading.mark_price_seen or trading.state == DELISTED:
            continue
        market = state.markets[market_id]
        trading.index_price_seen = index_price
        trading.premium_seen = premiums.get(number)
        see_mark(market, trading, mark_price, state.now_ms)
        events += end_auction(state, market_id, trading)
        events.append(sample(market, trading))
    return events


def see_mark(market: Market, trading: Trading, mark_price: Price, seen_ms: Milliseconds) -> None:
    """Keep a copy of the mark, and the prices that it allows."""
    trading.mark_price_seen = mark_price
    trading.mark_seen_ms = seen_ms
    bound(market, trading)


def bound(market: Market, trading: Trading) -> None:
    """Work out the prices at which the market trades now."""
    trading.limits = limits_of(market, trading.mark_price_seen, trading.index_price_seen, trading.premium_seen)


def sample(market: Market, trading: Trading) -> BookSampled:
    """Describe the book: best and impact prices, last price, open interest, depth within half the band.

    In an auction nobody can trade at the prices of the book, so they are not shown to those who make marks.
    """
    bids, asks, last, interest = trading.book.bids, trading.book.asks, trading.last_price, trading.open_interest
    if trading.state == AUCTION:
        return BookSampled(market.id, 0, 0, 0, 0, last, interest)
    low, high = band_of(market, trading.mark_price_seen)
    mark_price = trading.mark_price_seen
    return BookSampled(
        market.id,
        bids.best(),
        asks.best(),
        impact_price(market, bids.depth(), market.impact_notional),
        impact_price(market, asks.depth(), market.impact_notional),
        last,
        interest,
        depth_within(bids, mark_price - ((mark_price - low) >> 1)),
        depth_within(asks, mark_price + ((high - mark_price) >> 1)),
    )


def depth_within(half: HalfBook, edge: Price) -> Size:
    """Size of a side as far as `edge`."""
    total = 0
    for key in reversed(half.keys):
        if key < half.side * edge:
            break
        total += half.levels[key].size
    return total


def begin(state: State, trading: Trading, market: int) -> list[Message]:
    """Put a market with its first mark into the state it waits for."""
    target, trading.opens_as = trading.opens_as, OPEN
    if target == AUCTION:
        state.timers.arm(trading.until_ms, UNCROSS, market)
    return [] if target == HALTED else enter(state, market, trading, target)


def process_state(state: State, wanted: MarketStateSet, *, late: bool) -> list[Message]:
    """Put a market into the state that an admin wants; a market without a mark waits for its first."""
    del late
    trading = state.trading[wanted.market]
    if trading.state == DELISTED:
        return []
    if not trading.mark_price_seen:
        trading.opens_as, trading.until_ms = wanted.state, wanted.until_ms
        return []
    if wanted.state == AUCTION:
        trading.opens_as, trading.until_ms = OPEN, wanted.until_ms
        state.timers.arm(wanted.until_ms, UNCROSS, wanted.market)
    elif trading.state == AUCTION and wanted.state != HALTED:
        trading.opens_as, trading.until_ms = wanted.state, state.now_ms
        return end_auction(state, wanted.market, trading)
    return [] if wanted.state == trading.state else enter(state, wanted.market, trading, wanted.state)


def enter(state: State, market: int, trading: Trading, target: int) -> list[Message]:
    """Put a market into a state; a halt empties the book, for nobody knows at which prices it opens again."""
    trading.state = target
    events = cancel_every_order(state, market, trading) if target == HALTED else []
    return [*events, MarketStateChanged(market, target)]


def cancel_every_order(state: State, market: int, trading: Trading) -> list[Message]:
    """Empty a book, oldest order first."""
    turn = Turn(state, state.markets[market], trading)
    for order in list(trading.book.orders.values()):
        turn.cancel(order, CANCELLED_BY_VENUE)
    return turn.end()


def end_auction(state: State, market_id: int, trading: Trading) -> list[Message]:
    """End an auction whose time is over at one price; without a fresh mark it goes on until there is one."""
    market = state.markets[market_id]
    if trading.state != AUCTION or trading.until_ms > state.now_ms or not is_fresh(state, market, trading):
        return []
    turn = Turn(state, market, trading)
    uncross(turn)
    target, trading.opens_as = trading.opens_as, OPEN
    return [*turn.end(), *enter(state, market_id, trading, target)]


def process_delisting(state: State, delisted: MarketDelisted, *, late: bool) -> list[Message]:
    """End a market: no order, no position, and the word goes on to the shards that close them."""
    del late
    trading = state.trading[delisted.market]
    events = cancel_every_order(state, delisted.market, trading)
    trading.state = DELISTED
    trading.size_seen = {}
    trading.open_interest = 0
    return [*events, MarketStateChanged(delisted.market, DELISTED), delisted]
