"""The door of every client command: known id, key and scope, window, owner, rate; nothing behind it decides that again."""

from services.core.commands import check_window
from services.core.fixed import SUBACCOUNTS, SubaccountId, account_of
from services.core.messages import CommandHeader, Message, Scope
from services.core.reasons import Reason, Refusal
from services.risk.keys import check_signer
from services.risk.rate import CANCELS_PER_S, ORDERS_PER_S, charge
from services.risk.state import Account, State


def take_up(
    state: State, header: CommandHeader, subaccount: SubaccountId, scope: Scope, *, orders: int = 0, cancels: int = 0
) -> list[Message] | None:
    """Take a command up, once; None says go on. `orders` and `cancels` are what it costs in the buckets of its account."""
    if state.commands.seen(header):
        return []
    account = state.accounts.get(header.account)
    refusal = check_access(account, header, subaccount, scope, state.now_ms)
    if refusal is None and account is not None:
        refusal = check_rate(account, orders, cancels, state.now_ms)
    answer = state.commands.take(header, refusal, state.now_ms)
    return None if answer is None else [*answer]


def check_access(
    account: Account | None, header: CommandHeader, subaccount: SubaccountId, scope: Scope, now_ms: int
) -> Refusal | None:
    """Refuse who may not ask, or not now; such a refusal is no result of the command id and is not remembered."""
    refusal = check_signer(account, header.key_id, scope, now_ms) or check_window(header, now_ms)
    if refusal is None and account_of(subaccount) != header.account:
        return Refusal(Reason.INVALID_SUBACCOUNT, SUBACCOUNTS - 1)
    return refusal


def check_rate(account: Account, orders: int, cancels: int, now_ms: int) -> Refusal | None:
    """Charge the account's buckets."""
    if orders:
        return charge(account.orders_bucket, orders, ORDERS_PER_S, now_ms)
    return charge(account.cancels_bucket, cancels, CANCELS_PER_S, now_ms) if cancels else None
