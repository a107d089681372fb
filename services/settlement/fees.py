"""Fee tiers: the venue's schedule and which tier an account has; it charges nothing, risk does.

A tier says what part of a market's own fees its accounts pay. Tier 0, and one that the schedule does not name, pays them in full, so
a schedule may drop a tier that accounts still have.
"""

from services.core.commands import check_admin
from services.core.fixed import FRACTION_ONE
from services.core.messages import (
    AccountTierSet,
    FeeScheduleSet,
    FeeTier,
    Message,
    SetAccountTier,
    SetFeeSchedule,
)
from services.core.reasons import Reason, Refusal
from services.settlement.state import State

TIER_MAX = 63
ACCOUNTS = 2**54
"""An account's id is the first 54 bits of its first key's hash."""


def process_fee_schedule(state: State, command: SetFeeSchedule) -> list[Message]:
    """Set the fee tiers and tell every risk shard; the same again changes nothing."""
    header = command.header
    answer = state.commands.take(header, check_admin(header, state.genesis, state.now_ms, two=True), state.now_ms)
    if answer is not None:
        return [*answer]
    refusal = check_schedule(command.tiers)
    resolved = state.commands.resolve(header.account, header.command_id, refusal=refusal)
    tiers = sorted(command.tiers)
    if refusal is not None or tiers == state.fee_tiers:
        return [*resolved]
    state.fee_tiers = tiers
    return [FeeScheduleSet(tiers), *resolved]


def check_schedule(tiers: list[FeeTier]) -> Refusal | None:
    """Refuse tiers that are not 1 to 63, each once, and shares that are not nothing to all (1e12) of a fee."""
    numbers = sorted(tier for tier, _maker, _taker in tiers)
    if any(not 0 < tier <= TIER_MAX for tier in numbers) or len(dict.fromkeys(numbers)) != len(numbers):
        return Refusal(Reason.INVALID_TIER, TIER_MAX)
    if any(not 0 <= share <= FRACTION_ONE for _tier, *shares in tiers for share in shares):
        return Refusal(Reason.INVALID_AMOUNT, FRACTION_ONE)
    return None


def process_account_tier(state: State, command: SetAccountTier) -> list[Message]:
    """Give an account a tier that fees or limits name, or tier 0."""
    header = command.header
    answer = state.commands.take(header, check_admin(header, state.genesis, state.now_ms, two=True), state.now_ms)
    if answer is not None:
        return [*answer]
    refusal = check_tier(state, command)
    resolved = state.commands.resolve(header.account, header.command_id, refusal=refusal)
    return [*resolved] if refusal is not None else [AccountTierSet(command.account, command.tier), *resolved]


def check_tier(state: State, command: SetAccountTier) -> Refusal | None:
    """Refuse a tier that neither fees nor limits name, and what cannot be an account."""
    named = [tier for tier, *_ in (*state.fee_tiers, *state.limit_tiers)]
    if command.tier and command.tier not in named:
        return Refusal(Reason.INVALID_TIER, TIER_MAX)
    return None if 0 < command.account < ACCOUNTS else Refusal(Reason.UNKNOWN_ACCOUNT)
