"""What marks are made of: the index that the market's guards believe, and its basis; and what follows them slowly. It publishes nothing."""

from services.core.fixed import INDEX_DECIMALS, Fraction, Milliseconds, Price, clamp, div_floor
from services.core.markets import Market, SettlementPrice
from services.core.messages import BookSampled
from services.funding.funding_rate import add_premium, premium
from services.funding.mark_price import (
    add_sample,
    book_price,
    dated_fair_price,
    fair_price,
    mark_price,
    mark_width,
    yearly_basis,
)
from services.funding.settlement_price import blend
from services.funding.slow_price import DAY_MS, HOUR_MS, Slow, add_mark
from services.funding.sources import Seen, agreed_index, judge
from services.funding.state import MarketFunding, State


def update_mark(state: State, market: Market, funding: MarketFunding) -> bool:
    """Compute index and mark; False when too few sources are fresh and agree, or the price is out of the market's range."""
    index = to_market_price(market, agreed_for(state, market))
    if not 0 < index <= market.price_max:
        return False
    funding.index_price = index
    funding.mark_price = (dated_mark if market.is_future else undated_mark)(state, market, funding, index)
    return True


def undated_mark(state: State, market: Market, funding: MarketFunding, index: Price) -> Price:
    """Mark of a market without an end: of three views the middle one."""
    fair = index if market.is_spot else fair_price_of(market, index, funding.rate, state.now_ms)
    by_basis = index + funding.basis.value
    by_book = book_price(funding.best_bid, funding.best_ask, funding.last_price)
    return mark_price(index, fair, by_basis, by_book, mark_width(index, market.band), market.tick)


def note_mark(state: State, market: Market, mark: Price) -> None:
    """Let the slow averages of a market that pulses follow its new mark; the first one is all that they know."""
    pulsing = state.pulsing.get(market.id)
    if pulsing is None:
        return
    if not pulsing.sampled_ms:
        pulsing.hour = pulsing.day = Slow(mark)
    else:
        elapsed_ms = state.now_ms - pulsing.sampled_ms
        pulsing.hour = add_mark(pulsing.hour, mark, elapsed_ms, HOUR_MS)
        pulsing.day = add_mark(pulsing.day, mark, elapsed_ms, DAY_MS)
    pulsing.sampled_ms = state.now_ms


def fair_price_of(market: Market, index: Price, rate: Fraction, now_ms: Milliseconds) -> Price:
    """Fair price of a market that pays funding at the multiples of its interval; rounds down."""
    left_ms = market.funding_interval_ms - now_ms % market.funding_interval_ms
    return fair_price(index, rate, left_ms, market.funding_interval_ms)


def dated_mark(state: State, market: Market, funding: MarketFunding, index: Price) -> Price:
    """Mark of a dated future: its fair price alone; in the window of a mean of the index, what the mean so far and this price make of it.

    What the mean has fixed already is no view of anybody, so it may lie further from the index than half the band
    """
    fair = dated_fair_price(index, funding.basis.value, market.expires_ms - state.now_ms)
    forward = mark_price(index, fair, fair, fair, mark_width(index, market.band), market.tick)
    settling = state.settling.get(market.id)
    if settling is None or market.expiry_price != SettlementPrice.INDEX_MEAN:
        return forward
    window = settling.window
    if window.due_ms != market.expires_ms or not window.samples.samples:
        return forward
    length_ms = window.due_ms - window.begins_ms
    elapsed_ms = min(state.now_ms - window.begins_ms, length_ms)
    blended = blend(to_market_price(market, window.samples.value), forward, elapsed_ms, length_ms)
    return max(market.tick, blended - blended % market.tick)


def agreed_for(state: State, market: Market) -> Price:
    """Index price by a market's own guards, 1e-10 quote, 0 without."""
    return agreed(state, market.index, market.price_stale_ms, market.dispersion_max, market.sources_min)


def agreed(state: State, index: str, stale_ms: int, dispersion_max: Fraction, sources_min: int) -> Price:
    """Median of the sources of an index that these guards believe, 0 without; notes the flaw of each source."""
    sources = list(state.sources.get(index, {}).values())
    seen = [Seen(one.price, state.now_ms - one.observed_ms, state.now_ms - one.changed_ms) for one in sources]
    flaws = judge(seen, stale_ms, dispersion_max)
    for source, flaw in zip(sources, flaws, strict=True):
        source.flaw = flaw
    return agreed_index([one.price for one in sources], flaws, sources_min)


def to_market_price(market: Market, price: Price) -> Price:
    """Bring an index price of 1e-10 to the market's decimals; rounds down, nobody pays by the index."""
    factor: int = 10 ** abs(market.price_decimals - INDEX_DECIMALS)
    return price * factor if market.price_decimals >= INDEX_DECIMALS else div_floor(price, factor)


def take_sample(state: State, market: Market, funding: MarketFunding, sampled: BookSampled) -> None:
    """Note the book, and give premium and basis one more sample; a mid price counts for no more than the mark may follow it."""
    index = funding.index_price
    elapsed_ms = state.now_ms - funding.sampled_ms
    funding.sampled_ms = state.now_ms
    funding.best_bid, funding.best_ask = sampled.best_bid, sampled.best_ask
    funding.last_price = sampled.last_price
    bid, ask = sampled.best_bid, sampled.best_ask
    if market.is_future:
        bid, ask = sampled.impact_bid, sampled.impact_ask
    if bid and ask:
        basis = basis_of(state, market, index, bid + ask)
        funding.basis = add_sample(funding.basis, basis, elapsed_ms)
    if market.is_perpetual:
        funding.premiums = add_premium(funding.premiums, premium(index, sampled.impact_bid, sampled.impact_ask))
        funding.mean_premium = funding.premiums.value


def basis_of(state: State, market: Market, index: Price, doubled_mid: Price) -> int:
    """One sample of the basis, no further than the mark may follow: in units of price, of a dated future per year."""
    width = mark_width(index, market.band)
    if market.is_future:
        doubled_mid = clamp(doubled_mid, 2 * (index - width), 2 * (index + width))
        return yearly_basis(doubled_mid, index, market.expires_ms - state.now_ms)
    return clamp((doubled_mid >> 1) - index, -width, width)
