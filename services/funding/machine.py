"""The funding machine: prices in, marks and funding steps out."""

from enum import IntEnum
from typing import TypeAlias

from services.core.commands import check_admin
from services.core.contracts import notional
from services.core.fixed import INDEX_DECIMALS, LATE_MS, LIMIT, Milliseconds, Price, div_floor, unexpected
from services.core.markets import Market, check_market
from services.core.messages import (
    AssetListed,
    BookSampled,
    CommandResolved,
    FundingStepped,
    ListMarket,
    MarketListed,
    MarksUpdated,
    Message,
    PriceObserved,
    Record,
    SettlementMarked,
)
from services.core.reasons import Reason, Refusal
from services.core.spine import Machine
from services.core.timers import Timer, next_multiple
from services.funding.funding_rate import funding_rate, funding_step, premium
from services.funding.mark_price import average_basis, index_price, mark_price, smoothed_basis
from services.funding.state import MarketFunding, Source, State, check_invariants

Input: TypeAlias = ListMarket | AssetListed | PriceObserved | BookSampled
Output: TypeAlias = MarketListed | SettlementMarked | FundingStepped | MarksUpdated | CommandResolved


class TimerKind(IntEnum):
    """What this machine waits for; the subject is a market."""

    MARK = 1
    FUNDING = 2


def apply(state: State, record: Record) -> list[Message]:
    """Advance the markets by one record."""
    match record.message:
        case PriceObserved() as observed:
            return process_price(state, observed)
        case BookSampled() as sampled:
            return process_sample(state, sampled, record)
        case ListMarket() as listing:
            return process_list_market(state, listing)
        case AssetListed() as listed:
            state.assets[listed.asset.id] = listed.asset
            return []
        case unknown:
            raise unexpected(unknown)


def fire(state: State, timer: Timer) -> list[Message]:
    """Publish a mark that had to wait, or pay a funding step."""
    market = state.markets[timer.subject]
    if timer.kind == TimerKind.MARK:
        state.funding[market.id].armed = False
        return publish(state, [market])
    state.timers.arm(next_multiple(state.now_ms, market.funding_interval_ms), TimerKind.FUNDING, market.id)
    return process_step(state, market, state.funding[market.id])


def process_list_market(state: State, listing: ListMarket) -> list[Message]:
    """List a market and begin its stream; the same again changes nothing."""
    header, market = listing.header, listing.market
    answer = state.commands.take(header, check_admin(header, state.genesis, state.now_ms), state.now_ms)
    if answer is not None:
        return [*answer]
    known = state.markets.get(market.id)
    refusal = check_listing(state, market, known)
    done = state.commands.resolve(header.account, header.command_id, refusal=refusal)
    if refusal is not None or known is not None:
        return [*done]
    state.markets[market.id] = market
    state.funding[market.id] = MarketFunding()
    state.timers.arm(next_multiple(state.now_ms, market.funding_interval_ms), TimerKind.FUNDING, market.id)
    return [MarketListed(market), *done]


def check_listing(state: State, market: Market, known: Market | None) -> Refusal | None:
    """Refuse an unknown asset, a listing that breaks a rule, or another listing under a known id or symbol."""
    asset = state.assets.get(market.settlement_asset)
    if asset is None:
        return Refusal(Reason.UNKNOWN_ASSET)
    if known is not None:
        return None if known == market else Refusal(Reason.ALREADY_LISTED)
    if any(other.symbol == market.symbol for other in state.markets.values()):
        return Refusal(Reason.ALREADY_LISTED)
    return check_market(market, asset) or check_partitions(state, market)


def check_partitions(state: State, market: Market) -> Refusal | None:
    """Refuse partitions that the venue does not have; as rule 16, of which only the constitution knows the upper end."""
    partitions = state.genesis.partitions if state.genesis is not None else {}
    there = market.matching_partition < partitions["matching"] and market.funding_partition < partitions["funding"]
    return None if there else Refusal(Reason.INVALID_LISTING, 16)


def process_price(state: State, observed: PriceObserved) -> list[Message]:
    """Take a source's price if it is newer than its last, not late and not from the future; mark the markets of its index."""
    if not 0 < observed.price < LIMIT or abs(state.now_ms - observed.observed_ms) > LATE_MS:
        return []
    sources = state.sources.setdefault(observed.index, {})
    source = sources.setdefault(observed.source, Source())
    if observed.observed_ms <= source.observed_ms:
        return []
    source.price, source.observed_ms = observed.price, observed.observed_ms
    return publish(state, [market for market in state.markets.values() if market.index == observed.index])


def publish(state: State, markets: list[Market]) -> list[Message]:
    """Publish new marks, each market at most once per its interval; the first one opens the market."""
    events: list[Message] = []
    marks: list[tuple[int, Price, Price]] = []
    for market in markets:
        funding = state.funding[market.id]
        if state.now_ms < funding.marked_ms + market.mark_interval_ms:
            wait(state, market, funding)
        elif update_mark(state, market, funding):
            if funding.marked_ms == 0:
                events.append(SettlementMarked(market.id, funding.mark_price))
            funding.marked_ms = state.now_ms
            marks.append((market.id, funding.mark_price, funding.index_price))
    return [*events, MarksUpdated(marks)] if marks else events


def wait(state: State, market: Market, funding: MarketFunding) -> None:
    """Arm the market's timer for the end of its interval, once."""
    if not funding.armed:
        funding.armed = True
        state.timers.arm(funding.marked_ms + market.mark_interval_ms, TimerKind.MARK, market.id)


def update_mark(state: State, market: Market, funding: MarketFunding) -> bool:
    """Compute index and mark from fresh prices; False when there are none, or the price is out of the market's range."""
    sources = state.sources.get(market.index, {}).values()
    fresh = [source.price for source in sources if state.now_ms - source.observed_ms <= market.price_stale_ms]
    index = to_market_price(market, index_price(fresh))
    if not 0 < index <= market.price_max:
        return False
    left = market.funding_interval_ms - state.now_ms % market.funding_interval_ms
    funded = div_floor(funding.rate * left, market.funding_interval_ms)
    funding.index_price = index
    basis = average_basis(funding.basis_sum)
    funding.mark_price = mark_price(index, funded, basis, funding.last_price, market.band, market.tick)
    return True


def to_market_price(market: Market, price: Price) -> Price:
    """Bring an index price of 1e-8 to the market's decimals; rounds down, nobody pays by the index."""
    factor: int = 10 ** abs(market.price_decimals - INDEX_DECIMALS)
    return price * factor if market.price_decimals >= INDEX_DECIMALS else div_floor(price, factor)


def process_sample(state: State, sampled: BookSampled, record: Record) -> list[Message]:
    """Sample premium and basis from the book; late samples are ignored."""
    funding = state.funding[sampled.market]
    if state.now_ms - record.origin_ms > LATE_MS or not funding.index_price:
        return []
    funding.premium_sum += premium(funding.index_price, sampled.impact_bid, sampled.impact_ask)
    funding.premium_count += 1
    funding.last_price = sampled.last_price
    if sampled.best_bid and sampled.best_ask:
        mid_price = (sampled.best_bid + sampled.best_ask) >> 1
        funding.basis_sum = smoothed_basis(funding.basis_sum, mid_price - funding.index_price)
    return []


def process_step(state: State, market: Market, funding: MarketFunding) -> list[Message]:
    """Pay one funding step by the mean premium since the last one; an outage of several intervals pays one."""
    if not funding.mark_price:
        return []
    mean_premium = div_floor(funding.premium_sum, funding.premium_count) if funding.premium_count else 0
    funding.premium_sum = funding.premium_count = 0
    funding.rate = funding_rate(mean_premium, market.interest_rate, market.funding_interval_ms, market.funding_rate_max)
    lot_notional = notional(market, market.lot, funding.mark_price)
    payment, funding.remainder = funding_step(funding.rate, lot_notional, funding.remainder)
    funding.steps += 1
    return [FundingStepped(market.id, funding.steps, payment, funding.rate, on_the_hour(state.now_ms, market))]


def on_the_hour(now_ms: Milliseconds, market: Market) -> Milliseconds:
    """Return the end of the interval that a step stands for."""
    return now_ms - now_ms % market.funding_interval_ms


MACHINE = Machine("funding", State, apply, check_invariants, fire=fire)
