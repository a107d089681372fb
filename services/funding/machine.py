"""The funding machine: prices and admins' commands in; marks, funding steps and what else a market's stream carries out."""

from typing import TypeAlias

from services.core.contracts import notional
from services.core.fixed import LATE_MS, LIMIT, Milliseconds, unexpected
from services.core.markets import Market
from services.core.messages import (
    AdminFrameSigned,
    AssetListed,
    BookSampled,
    ChangeMarket,
    CommandResolved,
    DelistMarket,
    FundingStepped,
    ListMarket,
    MarketChanged,
    MarketDelisted,
    MarketListed,
    MarketStateSet,
    MarksUpdated,
    Message,
    PriceObserved,
    Record,
    SetMarketState,
    SettlementMarked,
)
from services.core.spine import Machine
from services.core.timers import Timer
from services.funding.admin import (
    arm_step,
    fire_change,
    process_change,
    process_delisting,
    process_list_market,
    process_state,
)
from services.funding.funding_rate import funding_rate, funding_step
from services.funding.marks import TimerKind, is_ending, publish, take_sample
from services.funding.state import NO_PREMIUMS, MarketFunding, Source, State, check_invariants

Input: TypeAlias = (
    PriceObserved
    | BookSampled
    | AssetListed
    | ListMarket
    | ChangeMarket
    | SetMarketState
    | DelistMarket
    | AdminFrameSigned
)
Output: TypeAlias = (
    MarketListed
    | MarketChanged
    | MarketStateSet
    | MarketDelisted
    | SettlementMarked
    | FundingStepped
    | MarksUpdated
    | CommandResolved
)


def apply(state: State, record: Record) -> list[Message]:
    """Advance the markets by one record."""
    match record.message:
        case PriceObserved() as observed:
            return process_price(state, observed)
        case BookSampled() as sampled:
            return process_sample(state, sampled, record)
        case AssetListed() as listed:
            state.assets[listed.asset.id] = listed.asset
            return []
        case ListMarket() as listing:
            return process_list_market(state, listing)
        case ChangeMarket() as change:
            return process_change(state, change)
        case SetMarketState() as command:
            return process_state(state, command)
        case DelistMarket() as delisting:
            return process_delisting(state, delisting)
        case AdminFrameSigned():
            return []
        case unknown:
            raise unexpected(unknown)


def fire(state: State, timer: Timer) -> list[Message]:
    """Publish a mark that had to wait, pay a funding step, change a market or end it."""
    market = state.markets[timer.subject]
    match timer.kind:
        case TimerKind.MARK:
            state.funding[market.id].armed = False
            return publish(state, [market])
        case TimerKind.FUNDING:
            return process_step(state, market, state.funding[market.id], timer)
        case TimerKind.CHANGE:
            return fire_change(state, timer)
        case _:
            return publish(state, [market]) if is_ending(state, market) else []


def process_price(state: State, observed: PriceObserved) -> list[Message]:
    """Take a source's price if it is newer than its last, not late and not from the future; mark the markets of its index."""
    if not 0 < observed.price < LIMIT or abs(state.now_ms - observed.observed_ms) > LATE_MS:
        return []
    sources = state.sources.setdefault(observed.index, {})
    source = sources.setdefault(observed.source, Source())
    if observed.observed_ms <= source.observed_ms:
        return []
    if observed.price != source.price:
        source.price, source.changed_ms = observed.price, observed.observed_ms
    source.observed_ms = observed.observed_ms
    return publish(state, [market for market in state.markets.values() if market.index == observed.index])


def process_sample(state: State, sampled: BookSampled, record: Record) -> list[Message]:
    """Sample premium and basis from the book; late samples, and those of a market that ended, are ignored."""
    funding = state.funding[sampled.market]
    if state.now_ms - record.origin_ms > LATE_MS or not funding.index_price or funding.delisted:
        return []
    take_sample(state, state.markets[sampled.market], funding, sampled)
    return []


def process_step(state: State, market: Market, funding: MarketFunding, timer: Timer) -> list[Message]:
    """Pay one funding step by the mean premium since the last one; an outage of several intervals pays one."""
    if funding.delisted or funding.step_due_ms not in (0, timer.due_ms):
        return []
    arm_step(state, market)
    if not funding.mark_price:
        return []
    mean_premium, funding.premiums = funding.premiums.value, NO_PREMIUMS
    funding.rate = funding_rate(mean_premium, market.interest_rate, market.funding_interval_ms, market.funding_rate_max)
    lot_notional = notional(market, market.lot, funding.mark_price)
    payment, funding.remainder = funding_step(funding.rate, lot_notional, funding.remainder)
    funding.steps += 1
    return [FundingStepped(market.id, funding.steps, payment, funding.rate, on_the_hour(state.now_ms, market))]


def on_the_hour(now_ms: Milliseconds, market: Market) -> Milliseconds:
    """Return the end of the interval that a step stands for."""
    return now_ms - now_ms % market.funding_interval_ms


MACHINE = Machine("funding", State, apply, check_invariants, fire=fire)
