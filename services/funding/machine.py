"""The funding machine: prices and admins' commands in; marks, funding steps, pulses, settlements and what else its stream carries."""

from typing import TypeAlias

from services.core.fixed import LATE_MS, LIMIT, unexpected
from services.core.messages import (
    AdminFrameSigned,
    AssetListed,
    BookSampled,
    ChangeMarket,
    CollateralListed,
    CommandResolved,
    DelistMarket,
    FundingStepped,
    ListCalendar,
    ListMarket,
    MarketChanged,
    MarketDelisted,
    MarketListed,
    MarketSettled,
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
from services.funding.admin import fire_change, process_change, process_delisting, process_state
from services.funding.listings import process_list_calendar, process_list_market, roll
from services.funding.marks import take_sample
from services.funding.publication import (
    TimerKind,
    fire_mark,
    is_ending,
    process_collateral_listed,
    publish,
    publish_armed,
)
from services.funding.pulses import process_pulse
from services.funding.settlements import note_price, note_trades, settle
from services.funding.state import Source, State, check_invariants
from services.funding.steps import process_step

Input: TypeAlias = (
    PriceObserved
    | BookSampled
    | AssetListed
    | CollateralListed
    | ListMarket
    | ListCalendar
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
    | MarketSettled
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
        case CollateralListed() as listed:
            return process_collateral_listed(state, listed)
        case ListMarket() as listing:
            return process_list_market(state, listing)
        case ListCalendar() as listing:
            return process_list_calendar(state, listing)
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
    """Publish what had to wait, pay a funding step, change, settle, pulse or end a market, or list a calendar's next."""
    if timer.kind == TimerKind.CALENDAR:
        return roll(state, timer.subject)
    if timer.kind == TimerKind.COLLATERAL:
        return publish_armed(state)
    market = state.markets[timer.subject]
    match timer.kind:
        case TimerKind.MARK:
            return fire_mark(state, market)
        case TimerKind.FUNDING:
            return process_step(state, market, state.funding[market.id], timer)
        case TimerKind.CHANGE:
            return fire_change(state, timer)
        case TimerKind.SETTLEMENT:
            return settle(state, market)
        case TimerKind.PULSE:
            return process_pulse(state, market, timer)
        case _:
            return publish(state, [market], []) if is_ending(state, market) else []


def process_price(state: State, observed: PriceObserved) -> list[Message]:
    """Take a source's price if it is newer than its last, not late and not from the future; settle and mark what stands on its index."""
    if not 0 < observed.price < LIMIT or abs(state.now_ms - observed.observed_ms) > LATE_MS:
        return []
    source = state.sources.setdefault(observed.index, {}).setdefault(observed.source, Source())
    if observed.observed_ms <= source.observed_ms:
        return []
    if observed.price != source.price:
        source.price, source.changed_ms = observed.price, observed.observed_ms
    source.observed_ms = observed.observed_ms
    markets = [market for market in state.markets.values() if market.index == observed.index]
    assets = [asset for asset in state.collateral if state.assets[asset].collateral.index == observed.index]
    settled: list[Message] = []
    for market in markets:
        if market.id in state.settling:
            note_price(state, market, source, observed)
            settled += settle(state, market)
    return [*settled, *publish(state, markets, assets)]


def process_sample(state: State, sampled: BookSampled, record: Record) -> list[Message]:
    """Sample premium and basis from the book; late samples, and those of a market that ended, are ignored."""
    funding = state.funding[sampled.market]
    if state.now_ms - record.origin_ms > LATE_MS or not funding.index_price or funding.delisted:
        return []
    market = state.markets[sampled.market]
    take_sample(state, market, funding, sampled)
    note_trades(state, market, sampled)
    return []


MACHINE = Machine("funding", State, apply, check_invariants, fire=fire)
