"""The market's own stream: listing, marks, funding steps, settlements; owners and protections. Parameters and states are next door."""

from services.core.fixed import Price, Size
from services.core.markets import Market
from services.core.messages import (
    BookSampled,
    FundingStepped,
    MarketListed,
    MarketSettled,
    MarksUpdated,
    Message,
    OwnerSet,
    ProtectionSet,
    SettlementMarked,
)
from services.matching.bands import band_of
from services.matching.book import HalfBook
from services.matching.impact import impact_price
from services.matching.owners import owner_of
from services.matching.pauses import finish, see_mark, see_reference
from services.matching.protection import Protection
from services.matching.state import AUCTION, DELISTED, State, Trading, move_account
from services.matching.states import begin, end_auction
from services.matching.turn import Turn


def process_listing(state: State, listed: MarketListed, *, late: bool) -> list[Message]:
    """Begin a market, halted, and pass its listing on."""
    del late
    state.markets[listed.market.id] = listed.market
    state.trading[listed.market.id] = Trading()
    return [listed]


def process_funding_step(_state: State, stepped: FundingStepped, *, late: bool) -> list[Message]:
    """Pass a funding step on between the fills."""
    del late
    return [stepped]


def process_settlement_mark(state: State, marked: SettlementMarked, *, late: bool) -> list[Message]:
    """Begin trading with the first mark, and pass it on in the order of the stream; a late one begins too, but is not fresh."""
    trading = state.trading[marked.market]
    if trading.state == DELISTED:
        return [marked]
    market = state.markets[marked.market]
    is_first = not trading.mark_price_seen
    if is_first or not late:
        see_mark(market, trading, marked.mark_price, 0 if late else state.now_ms)
    if is_first:
        see_reference(market, trading, marked.mark_price)
        return [marked, *begin(state, trading, marked.market)]
    return [marked, *end_auction(state, marked.market, trading)]


def process_settled(state: State, settled: MarketSettled, *, late: bool) -> list[Message]:
    """Pass a settlement on between the fills; from now on price limits stand round its price."""
    del late
    trading = state.trading[settled.market]
    market = state.markets[settled.market]
    see_reference(market, trading, settled.price)
    return [settled, *finish(Turn(state, market, trading))]


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


def sample(market: Market, trading: Trading) -> BookSampled:
    """Describe the book: best and impact prices, last price, open interest, depth within half the band; and what traded since the last.

    In an auction nobody can trade at the prices of the book, so they are not shown to those who make marks.
    """
    volume, turnover = trading.volume, trading.turnover
    trading.volume = trading.turnover = 0
    bids, asks, last, interest = trading.book.bids, trading.book.asks, trading.last_price, trading.open_interest
    if trading.state == AUCTION:
        return BookSampled(market.id, 0, 0, 0, 0, last, interest, 0, 0, volume, turnover)
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
        volume,
        turnover,
    )


def depth_within(half: HalfBook, edge: Price) -> Size:
    """Size of a side as far as `edge`."""
    total = 0
    for key in reversed(half.keys):
        if key < half.side * edge:
            break
        total += half.levels[key].size
    return total


def process_owner(state: State, named: OwnerSet, *, late: bool) -> list[Message]:
    """Count an account's positions with those of its owner from now on; nothing that is open is closed by it."""
    del late
    before = owner_of(state.owners, named.account)
    if named.owner:
        state.owners[named.account] = named.owner
    else:
        state.owners.pop(named.account, None)
    after = owner_of(state.owners, named.account)
    for market_id, trading in state.trading.items():
        if state.markets[market_id].owner_position_max and before != after:
            move_account(trading, named.account, before, after)
    return []


def process_protection(state: State, wanted: ProtectionSet, *, late: bool) -> list[Message]:
    """Protect the quotes of a subaccount anew, or not any more; it ends a trip."""
    del late
    protections = state.trading[wanted.market].protections
    if wanted.interval_ms:
        limits = (wanted.quantity_max, wanted.delta_max, wanted.frozen_ms)
        protections[wanted.subaccount] = Protection(wanted.interval_ms, *limits)
    else:
        protections.pop(wanted.subaccount, None)
    return []
