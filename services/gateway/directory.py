"""Which key may do what, as risk's feeds tell: a shield, for risk decides by its own state; it checks no signature.

It begins with risk's own pages and goes on from feed.account. Adding a known key changes nothing and a revoked one never comes back, so
what comes twice, or in the pages and in the feed, does no harm.
"""

from typing import NamedTuple

import grpc

from services.core.fixed import AccountId, Milliseconds
from services.core.keys import PublicKey
from services.core.messages import SCOPES_ALL, Scope
from services.core.reasons import TEXT, Reason
from services.core.rpc import Refused
from services.gateway.queries import Queries
from vigil.v1 import feeds_pb2, queries_pb2
from vigil.v1 import trading_pb2 as pb

PAGE = 5_000
TRADES = (
    *("place_order", "cancel_order", "replace_order", "cancel_all"),
    *("mass_quote", "schedule_cancel", "transfer"),
    *("place_trigger", "place_twap", "cancel_trigger"),
    *("set_leverage", "set_protection", "reset_protection"),
    *("set_modes", "lend", "redeem", "borrow", "repay"),
)
WITHDRAWS = ("withdraw", "add_key")


class Rights(NamedTuple):
    """What a key may do (bits of Scope), until when (0 for ever), and whether it was revoked."""

    scopes: int
    expires_ms: Milliseconds
    revoked: bool


NOTHING = Rights(0, 0, revoked=False)


class KeyDirectory:
    """Keys of every account."""

    def __init__(self) -> None:
        self.accounts: dict[AccountId, dict[int, Rights]] = {}

    async def load(self, queries: Queries, partition: int) -> int:
        """Read all pages of a risk partition, while the feed is read beside; return the feed's `seq` that the first one contains.

        Raises   Refused when the machine does not answer
        """
        start, contained = 0, 0
        while True:
            page = await queries.keys(queries_pb2.KeysQuery(partition=partition, start=start, accounts=PAGE))
            for account in page.accounts:
                for key in account.keys:
                    self.note(account.account, key.key_id, Rights(key.scopes, key.expires_ms, key.revoked))
            contained = contained if start else page.seq
            start += len(page.accounts)
            if len(page.accounts) < PAGE:
                return contained

    def note(self, account: AccountId, key_id: int, rights: Rights) -> None:
        """Know a key; one that was revoked stays so."""
        keys = self.accounts.setdefault(account, {})
        known = keys.get(key_id)
        if known is None or not known.revoked:
            keys[key_id] = rights

    def take_added(self, added: feeds_pb2.KeyAdded) -> None:
        """Note a new key."""
        self.note(added.account, added.key_id, Rights(added.scopes, added.expires_ms, revoked=False))

    def take_revoked(self, gone: feeds_pb2.KeyRevoked) -> None:
        """Note that a key may act no more."""
        keys = self.accounts.setdefault(gone.account, {})
        keys[gone.key_id] = keys.get(gone.key_id, NOTHING)._replace(revoked=True)

    def listed(self, account: AccountId) -> pb.AccountKeys:
        """Keys of an account, by id."""
        keys = [
            pb.KeyRights(key_id=key_id, scopes=rights.scopes, expires_ms=rights.expires_ms, revoked=rights.revoked)
            for key_id, rights in sorted(self.accounts.get(account, {}).items())
        ]
        return pb.AccountKeys(account=account, keys=keys)

    def check(self, account: AccountId, key: PublicKey, now_ms: Milliseconds) -> int:
        """Scopes of a key; one whose account is not open yet may ask for all, which risk then refuses or not.

        Raises   Refused
        """
        known = self.accounts.get(account)
        rights = None if known is None else known.get(key.key_id)
        if rights is None:
            if known is None and account == key.account:
                return SCOPES_ALL
            text = f"this key opens account {key.account} and is none of account {account}'s; add it there with AddKey"
            raise Refused(grpc.StatusCode.PERMISSION_DENIED, text, Reason.UNAUTHORIZED)
        if rights.revoked:
            raise refused(Reason.KEY_REVOKED, 0)
        if rights.expires_ms and rights.expires_ms <= now_ms:
            raise refused(Reason.KEY_EXPIRED, rights.expires_ms)
        return rights.scopes


def refused(reason: Reason, limit: int) -> Refused:
    """Refusal of a key that may act no more."""
    return Refused(grpc.StatusCode.PERMISSION_DENIED, TEXT[reason].format(limit=limit), reason, limit)


def missing_scope(kind: str | None, command: pb.Command, key: PublicKey, scopes: int) -> Scope | None:
    """Scope that a command needs and its key has not."""
    if scopes == SCOPES_ALL:
        return None
    if kind in TRADES:
        return None if scopes & Scope.TRADE else Scope.TRADE
    withdraws = kind in WITHDRAWS or (kind == "revoke_key" and command.revoke_key.key_id != key.key_id)
    return Scope.WITHDRAW if withdraws and not scopes & Scope.WITHDRAW else None
