"""Keys of an account: who may sign what, for how long, and how an owner adds and revokes them; the first key comes with OpenAccount.

A key is never forgotten and never comes back: what a revoked one signed stays refused, and its record says why.
"""

from services.core.commands import check_window
from services.core.fixed import LIMIT, Milliseconds
from services.core.keys import is_sound_key, key_id
from services.core.messages import (
    SCOPES_ALL,
    AddKey,
    CommandHeader,
    KeyAdded,
    KeyRevoked,
    Message,
    RevokeKey,
    Scope,
)
from services.core.reasons import Reason, Refusal
from services.risk.state import Account, Key, State

KEYS_MAX = 32
"""Per account, revoked and expired ones counted: they are remembered for ever."""


def check_signer(account: Account | None, signer: int, scope: Scope, now_ms: Milliseconds) -> Refusal | None:
    """Refuse a key that is not the account's, may not do this, or may act no more."""
    key = None if account is None else account.keys.get(signer)
    if key is not None and not key.scopes & scope:
        return Refusal(Reason.UNAUTHORIZED)
    return check_alive(account, signer, now_ms)


def check_alive(account: Account | None, signer: int, now_ms: Milliseconds) -> Refusal | None:
    """Refuse a key that is not the account's, whose time is over (at `expires_ms` itself it is), or that was revoked."""
    key = None if account is None else account.keys.get(signer)
    if key is None:
        return Refusal(Reason.UNKNOWN_KEY)
    if key.expires_ms and key.expires_ms <= now_ms:
        return Refusal(Reason.KEY_EXPIRED, key.expires_ms)
    return Refusal(Reason.KEY_REVOKED) if key.revoked else None


def process_add(state: State, add: AddKey) -> list[Message]:
    """Let another key act for the account; the same key with the same terms again changes nothing."""
    header = add.header
    account = state.accounts.get(header.account)
    refusal = check_signer(account, header.key_id, Scope.WITHDRAW, state.now_ms) or check_window(header, state.now_ms)
    answer = state.commands.take(header, refusal, state.now_ms)
    if answer is not None or account is None:
        return [*(answer or [])]
    added = key_id(add.key)
    refusal = check_add(account, added, add, state.now_ms)
    resolved = state.commands.resolve(header.account, header.command_id, refusal=refusal)
    if refusal is not None or added in account.keys:
        return [*resolved]
    account.keys[added] = Key(add.key, add.scopes, add.expires_ms, revoked=False)
    return [KeyAdded(account.id, added, add.key, add.scopes, add.expires_ms), *resolved]


def check_add(account: Account, added: int, add: AddKey, now_ms: Milliseconds) -> Refusal | None:
    """Refuse a revoked key, a time that is past, what is no key, other terms than the known ones, one key too many."""
    known = account.keys.get(added)
    if known is not None and known.revoked:
        return Refusal(Reason.KEY_REVOKED)
    if add.expires_ms and not now_ms < add.expires_ms < LIMIT:
        return Refusal(Reason.INVALID_EXPIRY, now_ms + 1 if add.expires_ms <= now_ms else LIMIT - 1)
    if not is_sound_key(add.key) or not 0 < add.scopes <= SCOPES_ALL:
        return Refusal(Reason.INVALID_KEY)
    if known is not None and known != Key(add.key, add.scopes, add.expires_ms, revoked=False):
        return Refusal(Reason.INVALID_KEY)
    if known is None and len(account.keys) >= KEYS_MAX:
        return Refusal(Reason.TOO_MANY_KEYS, KEYS_MAX)
    return None


def process_revoke(state: State, revoke: RevokeKey) -> list[Message]:
    """Take a key's rights away for ever; once more changes nothing."""
    header = revoke.header
    account = state.accounts.get(header.account)
    refusal = check_revoker(account, header, revoke, state.now_ms) or check_window(header, state.now_ms)
    answer = state.commands.take(header, refusal, state.now_ms)
    if answer is not None or account is None:
        return [*(answer or [])]
    key = account.keys.get(revoke.revoked_key_id)
    refusal = Refusal(Reason.UNKNOWN_KEY) if key is None else check_not_last(account, key)
    resolved = state.commands.resolve(header.account, header.command_id, refusal=refusal)
    if refusal is not None or key is None or key.revoked:
        return [*resolved]
    key.revoked = True
    return [KeyRevoked(account.id, revoke.revoked_key_id), *resolved]


def check_revoker(
    account: Account | None, header: CommandHeader, revoke: RevokeKey, now_ms: Milliseconds
) -> Refusal | None:
    """Refuse who may not withdraw, but a key may always give up its own rights."""
    if header.key_id == revoke.revoked_key_id:
        return check_alive(account, header.key_id, now_ms)
    return check_signer(account, header.key_id, Scope.WITHDRAW, now_ms)


def check_not_last(account: Account, key: Key) -> Refusal | None:
    """Refuse to leave the account without a key that may withdraw whatever the time."""
    if is_lasting(key) and sum(1 for other in account.keys.values() if is_lasting(other)) == 1:
        return Refusal(Reason.LAST_KEY)
    return None


def is_lasting(key: Key) -> bool:
    """Whether a key may withdraw and will for ever, unless it is revoked."""
    return not key.revoked and not key.expires_ms and bool(key.scopes & Scope.WITHDRAW)
