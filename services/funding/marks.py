"""Marks of markets from the prices of their sources: when they are published, and what they are made of."""

from enum import IntEnum

from services.core.fixed import INDEX_DECIMALS, Fraction, Milliseconds, Price, clamp, div_floor
from services.core.markets import Market
from services.core.messages import BookSampled, MarketDelisted, MarksUpdated, Message, SettlementMarked
from services.funding.funding_rate import add_premium, premium
from services.funding.mark_price import add_sample, book_price, fair_price, mark_price, mark_width
from services.funding.sources import Seen, agreed_index, judge
from services.funding.state import MarketFunding, State


class TimerKind(IntEnum):
    """What this machine waits for; the subject is a market. Of those due at one time the step comes before a change or an end."""

    MARK = 1
    FUNDING = 2
    CHANGE = 3
    DELIST = 4


def publish(state: State, markets: list[Market]) -> list[Message]:
    """Publish new marks, each market at most once per its interval; the first one opens the market, that of its end is its last."""
    events: list[Message] = []
    marks = MarksUpdated([], [])
    for market in markets:
        funding = state.funding[market.id]
        if funding.delisted or must_wait(state, market, funding) or not update_mark(state, market, funding):
            continue
        if funding.marked_ms == 0:
            events.append(SettlementMarked(market.id, funding.mark_price))
        funding.marked_ms = state.now_ms
        if is_ending(state, market):
            events.append(end(state, market, funding))
            continue
        marks.marks.append((market.id, funding.mark_price, funding.index_price))
        marks.premiums.append(funding.mean_premium)
    return [*events, marks] if marks.marks else events


def must_wait(state: State, market: Market, funding: MarketFunding) -> bool:
    """Whether the market's last mark is too young for another; then its timer is armed, once."""
    due_ms = funding.marked_ms + market.mark_interval_ms
    if state.now_ms >= due_ms or is_ending(state, market):
        return False
    if not funding.armed:
        funding.armed = True
        state.timers.arm(due_ms, TimerKind.MARK, market.id)
    return True


def is_ending(state: State, market: Market) -> bool:
    """Whether the time of the market's end has come."""
    ends_ms = state.delistings.get(market.id)
    return ends_ms is not None and ends_ms <= state.now_ms


def end(state: State, market: Market, funding: MarketFunding) -> Message:
    """End a market at the mark just made; what was still to change does not."""
    del state.delistings[market.id]
    state.changes.pop(market.id, None)
    funding.delisted = True
    return MarketDelisted(market.id, funding.mark_price)


def update_mark(state: State, market: Market, funding: MarketFunding) -> bool:
    """Compute index and mark; False when too few sources are fresh and agree, or the price is out of the market's range."""
    index = to_market_price(market, agreed(state, market))
    if not 0 < index <= market.price_max:
        return False
    fair = index if market.is_spot else fair_price_of(market, index, funding.rate, state.now_ms)
    by_basis = index + funding.basis.value
    by_book = book_price(funding.best_bid, funding.best_ask, funding.last_price)
    funding.index_price = index
    funding.mark_price = mark_price(index, fair, by_basis, by_book, mark_width(index, market.band), market.tick)
    return True


def fair_price_of(market: Market, index: Price, rate: Fraction, now_ms: Milliseconds) -> Price:
    """Fair price of a market that pays funding at the multiples of its interval; rounds down."""
    left_ms = market.funding_interval_ms - now_ms % market.funding_interval_ms
    return fair_price(index, rate, left_ms, market.funding_interval_ms)


def agreed(state: State, market: Market) -> Price:
    """Index price of the sources that the market's guards believe, 0 without; notes the flaw of each source."""
    sources = list(state.sources.get(market.index, {}).values())
    seen = [Seen(one.price, state.now_ms - one.observed_ms, state.now_ms - one.changed_ms) for one in sources]
    flaws = judge(seen, market.price_stale_ms, market.dispersion_max)
    for source, flaw in zip(sources, flaws, strict=True):
        source.flaw = flaw
    return agreed_index([one.price for one in sources], flaws, market.sources_min)


def to_market_price(market: Market, price: Price) -> Price:
    """Bring an index price of 1e-8 to the market's decimals; rounds down, nobody pays by the index."""
    factor: int = 10 ** abs(market.price_decimals - INDEX_DECIMALS)
    return price * factor if market.price_decimals >= INDEX_DECIMALS else div_floor(price, factor)


def take_sample(state: State, market: Market, funding: MarketFunding, sampled: BookSampled) -> None:
    """Note the book, and give premium and basis one more sample; a mid price counts for no more than the mark may follow it."""
    index = funding.index_price
    elapsed_ms = state.now_ms - funding.sampled_ms
    funding.sampled_ms = state.now_ms
    funding.best_bid, funding.best_ask = sampled.best_bid, sampled.best_ask
    funding.last_price = sampled.last_price
    if sampled.best_bid and sampled.best_ask:
        width = mark_width(index, market.band)
        basis = ((sampled.best_bid + sampled.best_ask) >> 1) - index
        funding.basis = add_sample(funding.basis, clamp(basis, -width, width), elapsed_ms)
    if not market.is_spot:
        funding.premiums = add_premium(funding.premiums, premium(index, sampled.impact_bid, sampled.impact_ask))
        funding.mean_premium = funding.premiums.value
