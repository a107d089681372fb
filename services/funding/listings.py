"""Listings: a market by an admin's word, futures by a calendar; where a market's stream begins."""

from msgspec.structs import replace

from services.core.fixed import Milliseconds
from services.core.listing import check_market
from services.core.markets import Calendar, Market
from services.core.messages import ListCalendar, ListMarket, MarketListed, Message
from services.core.reasons import Reason, Refusal
from services.funding.admin import answered, begin
from services.funding.calendar import check_calendar, ends_of, names, symbol_of
from services.funding.publication import TimerKind
from services.funding.pulses import arm_pulse
from services.funding.settlements import arm_settlement
from services.funding.state import MarketFunding, Series, State
from services.funding.steps import arm_step


def process_list_market(state: State, listing: ListMarket) -> list[Message]:
    """List a market and begin its stream; the same again changes nothing, even when the market has changed since."""
    header, market = listing.header, listing.market
    answer = begin(state, header)
    if answer is not None:
        return answer
    known = state.listings.get(market.id) or state.markets.get(market.id)
    refusal = check_listing(state, market, known)
    done = answered(state, header, refusal)
    return done if refusal is not None or known is not None else [list_market(state, market), *done]


def list_market(state: State, market: Market) -> Message:
    """Begin a market's stream, and await its funding steps, pulses, settlements and end."""
    state.markets[market.id] = state.listings[market.id] = market
    state.funding[market.id] = MarketFunding()
    arm_step(state, market)
    arm_pulse(state, market)
    arm_settlement(state, market)
    return MarketListed(market)


def check_listing(state: State, market: Market, known: Market | None) -> Refusal | None:
    """Refuse an unknown asset, a listing that breaks a rule, or another listing under an id or symbol that is taken, which is for ever."""
    refusal = check_assets(state, market)
    if refusal is not None:
        return refusal
    if known is not None:
        return None if known == market else Refusal(Reason.ALREADY_LISTED)
    if is_taken(state, market):
        return Refusal(Reason.ALREADY_LISTED)
    refusal = check_terms(state, market)
    if refusal is None and market.is_future and market.expires_ms <= state.now_ms:
        return Refusal(Reason.INVALID_EXPIRY, state.now_ms + 1)
    return refusal


def check_assets(state: State, market: Market) -> Refusal | None:
    """Refuse a market whose assets are not listed."""
    there = market.settlement_asset in state.assets and (not market.is_spot or market.base_asset in state.assets)
    return None if there else Refusal(Reason.UNKNOWN_ASSET)


def is_taken(state: State, market: Market) -> bool:
    """Whether a symbol is another market's, or id or symbol are a calendar's to give."""
    others = any(other.symbol == market.symbol for other in state.markets.values())
    return others or any(names(series.calendar, market.id, market.symbol) for series in state.series.values())


def check_terms(state: State, market: Market) -> Refusal | None:
    """Refuse what breaks a rule of listings."""
    base = state.assets.get(market.base_asset)
    if market.is_spot and base is not None and market.base_decimals != base.decimals:
        return Refusal(Reason.INVALID_LISTING, 17)
    return check_market(market, state.assets[market.settlement_asset]) or check_partitions(state, market)


def check_partitions(state: State, market: Market) -> Refusal | None:
    """Refuse partitions that the venue does not have; as rule 16, of which only the constitution knows the upper end."""
    partitions = state.genesis.partitions if state.genesis is not None else {}
    there = market.matching_partition < partitions["matching"] and market.funding_partition < partitions["funding"]
    return None if there else Refusal(Reason.INVALID_LISTING, 16)


def process_list_calendar(state: State, listing: ListCalendar) -> list[Message]:
    """Take a calendar up and list its futures of now; the same again changes nothing."""
    header, calendar = listing.header, listing.calendar
    answer = begin(state, header)
    if answer is not None:
        return answer
    known = state.series.get(calendar.id)
    refusal = check_new_calendar(state, calendar, known)
    done = answered(state, header, refusal)
    if refusal is not None or known is not None:
        return done
    state.series[calendar.id] = Series(calendar)
    return [*roll(state, calendar.id), *done]


def check_new_calendar(state: State, calendar: Calendar, known: Series | None) -> Refusal | None:
    """Refuse an unknown asset, another calendar under a known id, a market that could not be listed, a rule of calendars."""
    market = calendar.market
    refusal = check_assets(state, market)
    if refusal is not None:
        return refusal
    if known is not None:
        return None if known.calendar == calendar else Refusal(Reason.ALREADY_LISTED)
    first = dated(calendar, market.id, state.now_ms + 1) if market.is_future and not market.expires_ms else market
    others = [series.calendar for series in state.series.values()]
    markets = [(other.id, other.symbol) for other in state.markets.values()]
    return check_terms(state, first) or check_calendar(calendar, others, markets)


def roll(state: State, calendar_id: int) -> list[Message]:
    """List the futures that a calendar has now and had not before, as long as it has ids, and await the end of the next."""
    series = state.series[calendar_id]
    calendar = series.calendar
    events: list[Message] = []
    ends = ends_of(calendar, state.now_ms)
    for expires_ms in ends:
        if expires_ms not in series.ends and series.listed < calendar.markets_max:
            events.append(list_market(state, dated(calendar, calendar.market.id + series.listed, expires_ms)))
            series.listed += 1
            series.ends.append(expires_ms)
    series.ends = [expires_ms for expires_ms in series.ends if expires_ms > state.now_ms]
    state.timers.arm(ends[0], TimerKind.CALENDAR, calendar_id)
    return events


def dated(calendar: Calendar, market_id: int, expires_ms: Milliseconds) -> Market:
    """Return the common form of a calendar's futures with an id, an end and a symbol of its own."""
    return replace(calendar.market, id=market_id, symbol=symbol_of(calendar, expires_ms), expires_ms=expires_ms)
