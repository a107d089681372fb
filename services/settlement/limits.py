"""Limits per tier of accounts, and who owns which account: settlement keeps the word, risk and matching keep to it.

They bound what is opened from then on; nothing that is open is ever closed by them.
"""

from services.core.commands import check_admin
from services.core.fixed import FRACTION_ONE, LIMIT
from services.core.messages import (
    LimitTier,
    LimitTiersSet,
    Message,
    OwnerSet,
    SetLimitTiers,
    SetOwner,
)
from services.core.reasons import Reason, Refusal
from services.settlement.fees import ACCOUNTS, TIER_MAX
from services.settlement.state import State

ORDERS_MAX = 10_000
"""As a market's own."""


def process_limit_tiers(state: State, command: SetLimitTiers) -> list[Message]:
    """Set the limits of all tiers and tell every risk shard; the same again changes nothing."""
    header = command.header
    answer = state.commands.take(header, check_admin(header, state.genesis, state.now_ms, two=True), state.now_ms)
    if answer is not None:
        return [*answer]
    refusal = check_limits(command.tiers)
    resolved = state.commands.resolve(header.account, header.command_id, refusal=refusal)
    tiers = sorted(command.tiers)
    if refusal is not None or tiers == state.limit_tiers:
        return [*resolved]
    state.limit_tiers = tiers
    return [LimitTiersSet(tiers), *resolved]


def check_limits(tiers: list[LimitTier]) -> Refusal | None:
    """Refuse tiers that are not 0 to 63, each once, shares beyond all of a limit, and more orders than a market may allow."""
    numbers = sorted(tier for tier, _share, _orders in tiers)
    if any(not 0 <= tier <= TIER_MAX for tier in numbers) or len(dict.fromkeys(numbers)) != len(numbers):
        return Refusal(Reason.INVALID_TIER, TIER_MAX)
    if any(not 0 <= share <= FRACTION_ONE for _tier, share, _orders in tiers):
        return Refusal(Reason.INVALID_AMOUNT, FRACTION_ONE)
    if any(not 0 <= orders <= ORDERS_MAX for _tier, _share, orders in tiers):
        return Refusal(Reason.TOO_MANY_ORDERS, ORDERS_MAX)
    return None


def process_owner(state: State, command: SetOwner) -> list[Message]:
    """Name the owner of an account and tell every matching partition; the same again changes nothing."""
    header = command.header
    answer = state.commands.take(header, check_admin(header, state.genesis, state.now_ms, two=True), state.now_ms)
    if answer is not None:
        return [*answer]
    refusal = check_owner_named(command)
    resolved = state.commands.resolve(header.account, header.command_id, refusal=refusal)
    if refusal is not None or state.owners.get(command.account, 0) == command.owner:
        return [*resolved]
    state.owners.pop(command.account, None)
    if command.owner:
        state.owners[command.account] = command.owner
    return [OwnerSet(command.account, command.owner), *resolved]


def check_owner_named(command: SetOwner) -> Refusal | None:
    """Refuse what cannot be an account, and a number that no feed carries."""
    sound = 0 < command.account < ACCOUNTS and 0 <= command.owner < LIMIT
    return None if sound else Refusal(Reason.UNKNOWN_ACCOUNT)
