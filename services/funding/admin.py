"""Commands of admins: change, halt and delist markets; each answered once, those with a time take effect at exactly that time."""

from services.core.commands import check_admin
from services.core.listing import check_market
from services.core.messages import (
    ChangeMarket,
    CommandHeader,
    DelistMarket,
    MarketChanged,
    MarketState,
    MarketStateSet,
    Message,
    SetMarketState,
)
from services.core.reasons import Reason, Refusal
from services.core.timers import Timer
from services.funding.changes import check_bounds, check_state, check_when, earliest_ms
from services.funding.publication import TimerKind
from services.funding.pulses import arm_pulse
from services.funding.settlements import arm_settlement, terms_of
from services.funding.state import Change, State
from services.funding.steps import arm_step, share_remainder


def begin(state: State, header: CommandHeader) -> list[Message] | None:
    """Take a command of an admin up; None says go on."""
    answer = state.commands.take(header, check_admin(header, state.genesis, state.now_ms), state.now_ms)
    return None if answer is None else [*answer]


def answered(state: State, header: CommandHeader, refusal: Refusal | None) -> list[Message]:
    """Resolve a command."""
    return [*state.commands.resolve(header.account, header.command_id, refusal=refusal)]


def process_change(state: State, change: ChangeMarket) -> list[Message]:
    """Take a change to come; it takes the place of one that still is."""
    header, market = change.header, change.market
    answer = begin(state, header)
    if answer is not None:
        return answer
    refusal = check_change_command(state, change)
    if refusal is None:
        state.changes[market.id] = Change(market, change.effective_ms)
        state.timers.arm(change.effective_ms, TimerKind.CHANGE, market.id)
    return answered(state, header, refusal)


def check_change_command(state: State, change: ChangeMarket) -> Refusal | None:
    """Refuse a change of what is not there, out of bounds, or at another time than is accepted."""
    known = state.markets.get(change.market.id)
    when = check_when(change.effective_ms, earliest_ms(known, change.market, state.now_ms), state.now_ms)
    if when is not None and when.reason is Reason.CHANGE_TOO_EARLY:
        return when
    if known is None:
        return Refusal(Reason.UNKNOWN_MARKET)
    asset, mark_price = state.assets[known.settlement_asset], state.funding[known.id].mark_price
    refusal = check_market(change.market, asset) or check_alive(state, known.id)
    return refusal or check_bounds(known, change.market, mark_price) or when


def check_alive(state: State, market_id: int) -> Refusal | None:
    """Refuse what asks for a market that ended."""
    delisted = state.funding[market_id].delisted
    return Refusal(Reason.MARKET_STATE, MarketState.DELISTED) if delisted else None


def fire_change(state: State, timer: Timer) -> list[Message]:
    """Give a market its new parameters from here on in its stream, if this is the time of the change that stands."""
    change = state.changes.get(timer.subject)
    if change is None or change.effective_ms != timer.due_ms:
        return []
    del state.changes[timer.subject]
    before, market = state.markets[timer.subject], change.market
    share_remainder(state.funding[market.id], before, market)
    state.markets[market.id] = market
    if before.funding_interval_ms != market.funding_interval_ms:
        arm_step(state, market)
    if before.pulse_interval_ms != market.pulse_interval_ms:
        arm_pulse(state, market)
    if terms_of(before) != terms_of(market):
        arm_settlement(state, market)
    return [MarketChanged(market)]


def process_state(state: State, command: SetMarketState) -> list[Message]:
    """Pass an admin's word about a market's state on to matching."""
    header = command.header
    answer = begin(state, header)
    if answer is not None:
        return answer
    refusal = check_state_command(state, command)
    done = answered(state, header, refusal)
    return done if refusal is not None else [MarketStateSet(command.market, command.state, command.until_ms), *done]


def check_state_command(state: State, command: SetMarketState) -> Refusal | None:
    """Refuse a state that is none, of a market that is not there, has ended, or has no mark to open with."""
    refusal = check_state(command.state, command.until_ms, state.now_ms)
    if refusal is not None and refusal.reason is Reason.MALFORMED:
        return refusal
    if command.market not in state.markets:
        return Refusal(Reason.UNKNOWN_MARKET)
    ended = check_alive(state, command.market)
    if ended is not None:
        return ended
    if command.state != MarketState.HALTED and not state.funding[command.market].marked_ms:
        return Refusal(Reason.NO_MARK)
    return refusal


def process_delisting(state: State, command: DelistMarket) -> list[Message]:
    """Take the time of a market's end; it takes the place of one that is still to come."""
    header = command.header
    answer = begin(state, header)
    if answer is not None:
        return answer
    refusal = check_delisting(state, command)
    if refusal is None:
        state.delistings[command.market] = command.effective_ms
        state.timers.arm(command.effective_ms, TimerKind.DELIST, command.market)
    return answered(state, header, refusal)


def check_delisting(state: State, command: DelistMarket) -> Refusal | None:
    """Refuse to end what is not there or has ended, or at another time than is accepted."""
    when = check_when(command.effective_ms, state.now_ms, state.now_ms)
    if when is not None and when.reason is Reason.CHANGE_TOO_EARLY:
        return when
    if command.market not in state.markets:
        return Refusal(Reason.UNKNOWN_MARKET)
    return check_alive(state, command.market) or when
