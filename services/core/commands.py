"""Client commands as a machine remembers them: windows, one effect per id, results for twice the window (DESIGN.md 1).

It is a part of the state of each machine that takes commands, and decides by log time alone, so memory is bounded and a replay
decides the same. Who may do what is the machine's own check.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heappush

from services.core.fixed import AccountId, Milliseconds
from services.core.messages import CommandHeader, CommandId, CommandResolved, Genesis, Outcome
from services.core.reasons import Reason, Refusal

WINDOW_MAX_MS = 60_000


class Answer(IntEnum):
    """What can be said of a command id."""

    RESULT = 1
    PENDING = 2
    NEVER = 3
    FORGOTTEN = 4


@dataclass(slots=True)
class Commands:
    """Results by account and command id, None while pending; `expiry` is a heap of when each may be forgotten."""

    results: dict[AccountId, dict[CommandId, CommandResolved | None]] = field(default_factory=dict)
    expiry: list[tuple[Milliseconds, AccountId, CommandId]] = field(default_factory=list)

    def take(
        self, header: CommandHeader, refusal: Refusal | None, now_ms: Milliseconds
    ) -> list[CommandResolved] | None:
        """Take a command up, once: None says go on, and its id is pending from now.

        An id seen before is answered with nothing, for nothing happens again; a `refusal` of the request itself (who asks, when) is
        answered, but is no result of the id and is not remembered.
        """
        if self.seen(header):
            return []
        if refusal is not None:
            return [resolved(header.account, header.command_id, refusal)]
        self.begin(header, now_ms)
        return None

    def seen(self, header: CommandHeader) -> bool:
        """Whether the id was used already: then nothing happens again."""
        known = self.results.get(header.account)
        return known is not None and header.command_id in known

    def begin(self, header: CommandHeader, now_ms: Milliseconds) -> None:
        """Remember an id, pending; forget what is old."""
        self.forget(now_ms)
        self.results.setdefault(header.account, {})[header.command_id] = None
        heappush(self.expiry, (keep_until(header), header.account, header.command_id))

    def resolve(
        self,
        account: AccountId,
        command_id: CommandId,
        *,
        refusal: Refusal | None = None,
        order: tuple[int, int, int] = (0, 0, 0),
    ) -> list[CommandResolved]:
        """Note the result and return it as an event; [] if the id is resolved already or was never begun here.

        `order` is (order id, open size, filled size).
        """
        known = self.results.get(account)
        if known is None or command_id not in known or known[command_id] is not None:
            return []
        result = resolved(account, command_id, refusal, order)
        known[command_id] = result
        return [result]

    def forget(self, now_ms: Milliseconds) -> None:
        """Drop results whose time is over; a pending one is kept and looked at again a minute later."""
        while self.expiry and self.expiry[0][0] < now_ms:
            _, account, command_id = heappop(self.expiry)
            known = self.results[account]
            if known[command_id] is None:
                heappush(self.expiry, (now_ms + WINDOW_MAX_MS, account, command_id))
                continue
            del known[command_id]
            if not known:
                del self.results[account]

    def answer(self, header: CommandHeader, now_ms: Milliseconds) -> tuple[Answer, CommandResolved | None]:
        """Answer GetCommandResult: NEVER only once no record can arrive in its window any more."""
        known = self.results.get(header.account, {})
        if header.command_id in known:
            result = known[header.command_id]
            return (Answer.PENDING, None) if result is None else (Answer.RESULT, result)
        if now_ms <= header.timestamp_ms + header.window_ms:
            return Answer.PENDING, None
        return (Answer.NEVER if now_ms <= keep_until(header) else Answer.FORGOTTEN), None


def keep_until(header: CommandHeader) -> Milliseconds:
    """Return the time until which a result is kept: twice the window after the timestamp."""
    return header.timestamp_ms + 2 * header.window_ms


def resolved(
    account: AccountId, command_id: CommandId, refusal: Refusal | None, order: tuple[int, int, int] = (0, 0, 0)
) -> CommandResolved:
    """Build a result."""
    if refusal is None:
        return CommandResolved(account, command_id, Outcome.DONE, 0, 0, *order)
    return CommandResolved(account, command_id, Outcome.REFUSED, refusal.reason, refusal.limit, *order)


def check_window(header: CommandHeader, now_ms: Milliseconds) -> Refusal | None:
    """Refuse a command outside its window of at most a minute, on either side of log time; id 0 means none, in many messages."""
    if header.command_id == 0:
        return Refusal(Reason.MALFORMED)
    if not 0 < header.window_ms <= WINDOW_MAX_MS:
        return Refusal(Reason.WINDOW_TOO_LONG, WINDOW_MAX_MS)
    if abs(now_ms - header.timestamp_ms) > header.window_ms:
        return Refusal(Reason.OUTSIDE_WINDOW, header.window_ms)
    return None


def check_admin(
    header: CommandHeader, genesis: Genesis | None, now_ms: Milliseconds, *, two: bool = False
) -> Refusal | None:
    """Refuse what no admin of the venue sent, or not now; `two` asks for the word of a second admin, as what touches money does."""
    if genesis is None or header.account != 0 or header.key_id not in genesis.admin_keys:
        return Refusal(Reason.UNAUTHORIZED)
    if header.approver and (header.approver == header.key_id or header.approver not in genesis.admin_keys):
        return Refusal(Reason.UNAUTHORIZED)
    if two and not header.approver:
        return Refusal(Reason.SECOND_SIGNATURE_MISSING)
    return check_window(header, now_ms)
