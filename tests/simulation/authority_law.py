"""Nothing is done for a key that may not ask: revoked, expired, unknown, without the scope, or an admin alone where two must sign.

Keys are known from the public events alone.
"""

from dataclasses import dataclass, field
from typing import Any

from services.core import messages as m
from services.core.messages import Scope
from tests.simulation.law import law
from tests.simulation.venue import ADMIN_KEYS
from vigil.v1 import feeds_pb2

SCOPES = {
    m.PlaceOrder: Scope.TRADE,
    m.ReplaceOrder: Scope.TRADE,
    m.MassQuote: Scope.TRADE,
    m.CancelOrder: Scope.TRADE,
    m.CancelAll: Scope.TRADE,
    m.ScheduleCancel: Scope.TRADE,
    m.PlaceTrigger: Scope.TRADE,
    m.PlaceTwap: Scope.TRADE,
    m.CancelTrigger: Scope.TRADE,
    m.SetLeverage: Scope.TRADE,
    m.SetProtection: Scope.TRADE,
    m.ResetProtection: Scope.TRADE,
    m.Transfer: Scope.TRADE,
    m.Withdraw: Scope.WITHDRAW,
    m.AddKey: Scope.WITHDRAW,
    m.RevokeKey: Scope.WITHDRAW,
}
"""What each client command needs; a key may always revoke itself."""
MONEY = (m.ContributeToFund, m.SetFeeSchedule, m.SetAccountTier, m.SetLimitTiers, m.SetOwner)
"""What two admins must sign."""


@dataclass
class PublicKey:
    """A key as it was announced."""

    scopes: int
    expires_ms: int
    revoked: bool = False


@dataclass
class Authority:
    """Keys that were announced, and whether the command that is judged may be taken up."""

    keys: dict[tuple[int, int], PublicKey] = field(default_factory=dict)
    judged: m.CommandHeader | None = None
    may: bool = True

    def hear(self, event: feeds_pb2.FeedRecord) -> None:
        """Take an announcement."""
        added, revoked = event.key_added, event.key_revoked
        if event.HasField("key_added"):
            law((added.account, added.key_id) not in self.keys, "a key is added once, and a revoked one never again")
            self.keys[added.account, added.key_id] = PublicKey(added.scopes, added.expires_ms)
        elif event.HasField("key_revoked"):
            self.keys[revoked.account, revoked.key_id].revoked = True

    def prepare(self, state: Any, message: m.Message, at_ms: int) -> None:
        """Judge who asks before it is decided; a command that was taken up before does nothing more."""
        self.judged = None
        header = getattr(message, "header", None)
        if header is None or state.commands.seen(header):
            return
        self.judged = header
        if header.account == 0:
            self.may = is_admins(header, two=isinstance(message, MONEY))
        elif type(message) in SCOPES:
            self.may = self.may_sign(header, message, max(state.now_ms, at_ms))
        else:
            self.judged = None

    def may_sign(self, header: m.CommandHeader, message: m.Message, now_ms: int) -> bool:
        """Whether the key may ask this now."""
        key = self.keys.get((header.account, header.key_id))
        if key is None or key.revoked or 0 < key.expires_ms <= now_ms:
            return False
        own = isinstance(message, m.RevokeKey) and message.revoked_key_id == header.key_id
        return own or bool(key.scopes & SCOPES[type(message)])

    def judge(self, state: Any) -> None:
        """Nothing that may not be asked was taken up."""
        if self.judged is not None and not self.may:
            law(not state.commands.seen(self.judged), f"nothing is done for who may not ask: {self.judged}")


def is_admins(header: m.CommandHeader, *, two: bool) -> bool:
    """Whether an admin sent this, with the word of another where `two` are needed, and of nobody else."""
    others = [key for key in ADMIN_KEYS if key != header.key_id]
    return header.key_id in ADMIN_KEYS and (header.approver in others or (header.approver == 0 and not two))
