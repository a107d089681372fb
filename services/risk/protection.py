"""Market-maker protection: what an account wants of it, kept here and enforced by matching (F-3.12); what tripped is passed on."""

from services.core.fixed import MarketId, clamp
from services.core.markets import Market
from services.core.messages import Message, ProtectionSet, ProtectionTripped, ResetProtection, Scope, SetProtection
from services.core.reasons import Reason, Refusal
from services.risk.access import take_up
from services.risk.orders import refuse
from services.risk.state import State, Subaccount

TIME_MAX_MS = 86_400_000
"""Longest interval, and longest time that quotes stay frozen."""


def process_set(state: State, command: SetProtection) -> list[Message]:
    """Keep what protects the quotes of a subaccount in a market, and tell matching; interval 0 ends it."""
    header = command.header
    answer = take_up(state, header, command.subaccount, Scope.TRADE, orders=1)
    if answer is not None:
        return answer
    market = state.markets.get(command.market)
    refusal = check_protection(market, command) if market is not None else Refusal(Reason.UNKNOWN_MARKET)
    if refusal is not None:
        return refuse(state, header, refusal)
    subaccount = state.subaccount(command.subaccount)
    if command.interval_ms:
        terms = (command.interval_ms, command.quantity_max, command.delta_max, command.frozen_ms)
        subaccount.protections[command.market] = terms
    else:
        subaccount.protections.pop(command.market, None)
    return [*state.commands.resolve(header.account, header.command_id), protection_of(subaccount, command.market)]


def check_protection(market: Market, command: SetProtection) -> Refusal | None:
    """Refuse times out of a day, sizes out of range, and a protection that nothing trips; without an interval nothing else counts."""
    if command.interval_ms == 0:
        return None
    if command.quantity_max == command.delta_max == 0:
        return Refusal(Reason.INVALID_SIZE, market.position_max)
    for size in (command.quantity_max, command.delta_max):
        if not 0 <= size <= market.position_max:
            return Refusal(Reason.INVALID_SIZE, market.position_max)
    for time_ms, least in ((command.interval_ms, 1), (command.frozen_ms, 0)):
        if not least <= time_ms <= TIME_MAX_MS:
            return Refusal(Reason.INVALID_EXPIRY, clamp(time_ms, least, TIME_MAX_MS))
    return None


def process_reset(state: State, command: ResetProtection) -> list[Message]:
    """Take quotes again after a trip: the same protection, set anew."""
    header = command.header
    answer = take_up(state, header, command.subaccount, Scope.TRADE, orders=1)
    if answer is not None:
        return answer
    if command.market not in state.markets:
        return refuse(state, header, Refusal(Reason.UNKNOWN_MARKET))
    done = state.commands.resolve(header.account, header.command_id)
    known = state.subaccounts.get(command.subaccount)
    return [*done, protection_of(known, command.market)] if known is not None else [*done]


def protection_of(subaccount: Subaccount, market: MarketId) -> ProtectionSet:
    """Protection of a subaccount in a market; interval 0 for none."""
    interval_ms, quantity_max, delta_max, frozen_ms = subaccount.protections.get(market, (0, 0, 0, 0))
    return ProtectionSet(subaccount.id, market, interval_ms, quantity_max, delta_max, frozen_ms)


def process_tripped(_state: State, tripped: ProtectionTripped) -> list[Message]:
    """Tell the account that its quotes are being cancelled; matching's answers release what they held."""
    return [tripped]
