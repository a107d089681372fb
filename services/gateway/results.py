"""Results of commands: who waits for which, and how clients read them; it decides nothing.

A frame in work is one Submission: results fill its places, by feed or because the owner was asked, and it is done with the last.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from services.core.fixed import AccountId, Milliseconds
from services.core.messages import CommandId
from services.core.reasons import Reason
from services.gateway.explain import Units, explained
from vigil.v1 import common_pb2, feeds_pb2
from vigil.v1 import trading_pb2 as pb

ResultKey: TypeAlias = tuple[str, AccountId, CommandId]
"""(service, account, command id): each machine keeps ids of its own."""
REFUSED = common_pb2.COMMAND_OUTCOME_REFUSED
UNKNOWN = common_pb2.COMMAND_OUTCOME_UNKNOWN

NOT_REMEMBERED = (
    *(Reason.UNKNOWN_KEY, Reason.KEY_OF_ANOTHER_ACCOUNT, Reason.UNAUTHORIZED, Reason.INVALID_SUBACCOUNT),
    *(Reason.KEY_EXPIRED, Reason.KEY_REVOKED, Reason.SECOND_SIGNATURE_MISSING, Reason.TOO_MANY_REQUESTS),
    *(Reason.WINDOW_TOO_LONG, Reason.OUTSIDE_WINDOW),
)
"""Refusals by a machine of who asks, or when: the command id stays unused, so other bytes with the same id could still act."""


class Owner(NamedTuple):
    """The machine that decides a command."""

    service: str
    partition: int


@dataclass(slots=True, eq=False)
class Submission:
    """One frame in work; times are monotonic seconds.

    `kinds`, `results` and `owners` are by index in the frame; `left` are passed on and not answered; `weights` is what each machine got;
    `units` says in what the limits of a refused command are.
    """

    account: AccountId
    ids: Sequence[CommandId]
    timestamp_ms: Milliseconds
    window_ms: int
    begun: float
    deadline: float
    ask_at: float
    ask_in: float
    kinds: Sequence[str | None]
    units: Callable[[int], Units]
    results: list[feeds_pb2.CommandResolved | pb.CommandResult | None]
    owners: list[Owner | None]
    done: "asyncio.Future[None]"
    left: int = 0
    weights: dict[Owner, int] = field(default_factory=dict)

    def refuse(self, index: int, reason: Reason, limit: int, text: str) -> None:
        """Answer a command that this gateway does not pass on."""
        self.results[index] = pb.CommandResult(
            command_id=self.ids[index],
            outcome=REFUSED,
            reason=reason,
            reason_name=reason.name,
            limit=limit,
            text=text,
        )

    def open(self) -> list[int]:
        """Places without a result."""
        return [index for index, result in enumerate(self.results) if result is None]

    def fill(self, index: int, resolved: feeds_pb2.CommandResolved) -> None:
        """Take a result; with the last one the frame is done."""
        if self.results[index] is None:
            self.results[index] = resolved
            self.left -= 1
            if not self.left:
                self.finish()

    def finish(self) -> None:
        """Wait no more."""
        if not self.done.done():
            self.done.set_result(None)

    def answer(self, frame: pb.FrameResult) -> pb.FrameResult:
        """Write the results in order, UNKNOWN where none came."""
        for index, result in enumerate(self.results):
            if result is None:
                frame.results.add(command_id=self.ids[index], outcome=UNKNOWN)
            elif isinstance(result, pb.CommandResult):
                frame.results.append(result)
            else:
                add_result(frame, result, self.units, index)
        return frame


class Results:
    """Places that wait for results; bounded by the frames in work."""

    def __init__(self) -> None:
        self.waiting: dict[ResultKey, list[tuple[Submission, int]]] = {}

    def expect(self, submission: Submission, index: int, owner: Owner) -> None:
        """Wait for a result; call before the command is appended."""
        submission.owners[index] = owner
        submission.left += 1
        key = (owner.service, submission.account, submission.ids[index])
        places = self.waiting.get(key)
        if places is None:
            self.waiting[key] = [(submission, index)]
        else:
            places.append((submission, index))

    def give_up(self, submission: Submission) -> None:
        """Wait no more for what has not come."""
        for index in submission.open():
            owner = submission.owners[index]
            if owner is not None:
                key = (owner.service, submission.account, submission.ids[index])
                places = [place for place in self.waiting.get(key, ()) if place[0] is not submission]
                if places:
                    self.waiting[key] = places
                else:
                    self.waiting.pop(key, None)

    def resolve(self, service: str, resolved: feeds_pb2.CommandResolved) -> Submission | None:
        """Tell everybody who waits for this result; return one of the frames that did."""
        places = self.waiting.pop((service, resolved.account, resolved.command_id), None)
        if places is None:
            return None
        for submission, index in places:
            submission.fill(index, resolved)
        return places[0][0]


def add_result(
    frame: pb.FrameResult, resolved: feeds_pb2.CommandResolved, units: Callable[[int], Units], index: int
) -> None:
    """Add a machine's answer as clients read it; fields that are 0 are not touched."""
    result = frame.results.add()
    result.command_id = resolved.command_id
    result.outcome = outcome = resolved.outcome
    if outcome == REFUSED:
        refuse(result, resolved, units(index))
    order_id = resolved.order_id
    if order_id:
        result.order_id = order_id
        result.open_size = resolved.open_size
        result.filled_size = resolved.filled_size


def result_of(resolved: feeds_pb2.CommandResolved) -> pb.CommandResult:
    """A machine's answer as clients read it who ask later: limits are in raw units."""
    frame = pb.FrameResult()
    add_result(frame, resolved, lambda _index: Units(), 0)
    return frame.results[0]


def refuse(result: pb.CommandResult, resolved: feeds_pb2.CommandResolved, units: Units) -> None:
    """Say why a machine refused."""
    result.reason, result.limit = resolved.reason, resolved.limit
    result.reason_name, result.text = explained(resolved.reason, resolved.limit, units)
    result.recorded = resolved.reason not in NOT_REMEMBERED
