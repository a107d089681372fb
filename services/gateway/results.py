"""Results of commands: who waits for which, by feed or by asking the owner; it decides nothing."""

import asyncio
from typing import TypeAlias

from services.core.fixed import AccountId
from services.core.messages import CommandId
from services.core.reasons import Reason
from services.gateway.explain import Units, explained
from vigil.v1 import common_pb2, feeds_pb2
from vigil.v1 import trading_pb2 as pb

ResultKey: TypeAlias = tuple[str, AccountId, CommandId]
"""(owner, account, command id): risk and settlement each keep ids of their own."""
Found: TypeAlias = "asyncio.Future[feeds_pb2.CommandResolved]"

NOT_REMEMBERED = (
    *(Reason.UNKNOWN_KEY, Reason.KEY_OF_ANOTHER_ACCOUNT, Reason.UNAUTHORIZED, Reason.INVALID_SUBACCOUNT),
    *(Reason.WINDOW_TOO_LONG, Reason.OUTSIDE_WINDOW),
)
"""Refusals by a machine of who asks, or when: the command id stays unused, so other bytes with the same id could still act."""


class Results:
    """Futures of results that have not come yet; bounded by the RPCs that wait."""

    def __init__(self) -> None:
        self.waiting: dict[ResultKey, list[Found]] = {}

    def expect(self, key: ResultKey) -> Found:
        """Wait for a result; call before the command is appended."""
        future: Found = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(key, []).append(future)
        return future

    def give_up(self, key: ResultKey, future: Found) -> None:
        """Wait no more."""
        futures = self.waiting[key]
        futures.remove(future)
        if not futures:
            del self.waiting[key]

    def resolve(self, owner: str, resolved: feeds_pb2.CommandResolved) -> None:
        """Tell everybody who waits for this result."""
        for future in self.waiting.get((owner, resolved.account, resolved.command_id), ()):
            if not future.done():
                future.set_result(resolved)


def result_of(resolved: feeds_pb2.CommandResolved, units: Units) -> pb.CommandResult:
    """A result as clients read it."""
    result = pb.CommandResult(
        command_id=resolved.command_id,
        outcome=resolved.outcome,
        order_id=resolved.order_id,
        open_size=resolved.open_size,
        filled_size=resolved.filled_size,
    )
    if resolved.outcome == common_pb2.COMMAND_OUTCOME_REFUSED:
        result.reason, result.limit = resolved.reason, resolved.limit
        result.reason_name, result.text = explained(resolved.reason, resolved.limit, units)
        result.recorded = resolved.reason not in NOT_REMEMBERED
    return result


def refused(command_id: CommandId, reason: Reason, limit: int, text: str) -> pb.CommandResult:
    """Result of a command that this gateway does not pass on."""
    return pb.CommandResult(
        command_id=command_id,
        outcome=common_pb2.COMMAND_OUTCOME_REFUSED,
        reason=reason,
        reason_name=reason.name,
        limit=limit,
        text=text,
    )


def unknown(command_id: CommandId) -> pb.CommandResult:
    """Result that did not come in time."""
    return pb.CommandResult(command_id=command_id, outcome=common_pb2.COMMAND_OUTCOME_UNKNOWN)
