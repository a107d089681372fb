"""One frame from signing to its results: retries that can never double, and what may be concluded from each answer.

A command keeps its id and its bytes over all attempts. Only silence is retried; after any answer that leaves a command open, its owner is
asked instead, for sending the frame again could revive a command that the same answer refused.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain, repeat
from random import uniform
from typing import Any, TypeAlias

import grpc

from services.client.errors import DefiniteReject, refused_for
from services.core.fixed import AccountId, Milliseconds
from services.core.keys import FRAME_DOMAIN, QUERY_DOMAIN, SigningKey
from services.core.messages import CommandId
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb


class Outcome(Enum):
    """What a client may conclude."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Names a command for ever: keep it to ask for its result."""

    command_id: CommandId
    timestamp_ms: Milliseconds
    window_ms: int
    is_faucet: bool = False

    def __str__(self) -> str:
        return f"command {self.command_id}"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a command. `order_id`, sizes and `limit` are integers of the market's decimals."""

    ticket: Ticket
    outcome: Outcome
    reason: str = ""
    text: str = ""
    limit: int = 0
    order_id: int = 0
    open_size: int = 0
    filled_size: int = 0


@dataclass(frozen=True, slots=True)
class SignedCommands:
    """A frame ready to be sent, as often as it takes: a SignedFrame, of admins an AdminSignedFrame."""

    request: Any
    tickets: tuple[Ticket, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """Patience of a client, in real seconds."""

    timeout_s: float = 5.0
    """How long one answer may take; a stream that says nothing for so long is given up and begun anew."""
    retries: tuple[float, ...] = (0.1, 0.3, 0.9)
    """Waits before each further attempt after silence, made longer by up to half so that clients do not come back in step."""
    ask_every_s: float = 0.25
    ask_for_s: float = 15.0
    """How long to ask for what is still open."""
    reconnect_s_max: float = 5.0
    """Longest wait before a stream is begun anew."""

    @property
    def patience_s(self) -> float:
        """How long a frame waits on a stream over all attempts, before its commands are asked for one by one."""
        return self.timeout_s * (len(self.retries) + 1) + sum(self.retries)

    def waits(self) -> Iterator[float]:
        """Waits before each attempt to begin a stream anew, without end."""
        return (
            jittered(min(wait_s, self.reconnect_s_max)) for wait_s in chain(self.retries, repeat(self.reconnect_s_max))
        )


def jittered(wait_s: float) -> float:
    """The wait, up to half longer by chance."""
    return wait_s * uniform(1.0, 1.5)  # noqa: S311 - spreads attempts, guards nothing


def new_command_id() -> CommandId:
    """Random id: 64 bits, not 0."""
    return secrets.randbits(64) or 1


def sign_commands(
    key: SigningKey,
    venue: str,
    now_ms: Milliseconds,
    window_ms: int,
    commands: Sequence[pb.Command],
    account: AccountId | None = None,
) -> SignedCommands:
    """Sign commands as one frame; each that has no id gets a random one. `account` is the key's own unless it is named."""
    for command in commands:
        command.command_id = command.command_id or new_command_id()
    owner = key.account if account is None else account
    frame = pb.Frame(account=owner, timestamp_ms=now_ms, window_ms=window_ms, commands=commands)
    content = frame.SerializeToString(deterministic=True)
    request = pb.SignedFrame(key=key.public, frame=content, signature=key.sign(FRAME_DOMAIN, venue, content))
    tickets = (
        Ticket(one.command_id, now_ms, window_ms, one.WhichOneof("request") == "faucet_deposit") for one in commands
    )
    return SignedCommands(request, tuple(tickets))


Subject: TypeAlias = (
    pb.AccountState
    | pb.CommandOf
    | pb.AccountEvents
    | pb.TradeSession
    | pb.OwnKeys
    | pb.MarginOf
    | pb.MaxOrderSizeOf
    | pb.TriggersOf
    | pb.WithdrawableOf
    | pb.InterestOf
)
SUBJECTS: dict[type[Subject], str] = {
    pb.AccountState: "account_state",
    pb.CommandOf: "command_result",
    pb.AccountEvents: "account_events",
    pb.TradeSession: "trade_session",
    pb.OwnKeys: "own_keys",
    pb.MarginOf: "margin",
    pb.MaxOrderSizeOf: "max_order_size",
    pb.TriggersOf: "triggers",
    pb.WithdrawableOf: "withdrawable",
    pb.InterestOf: "interest",
}


def sign_query(
    key: SigningKey,
    venue: str,
    now_ms: Milliseconds,
    window_ms: int,
    subject: Subject,
    account: AccountId | None = None,
) -> pb.SignedQuery:
    """Sign a query about `subject`; `account` is the key's own unless it is named."""
    subjects: dict[str, Any] = {SUBJECTS[type(subject)]: subject}
    asker = key.account if account is None else account
    query = pb.Query(account=asker, timestamp_ms=now_ms, window_ms=window_ms, **subjects)
    content = query.SerializeToString(deterministic=True)
    return pb.SignedQuery(key=key.public, query=content, signature=key.sign(QUERY_DOMAIN, venue, content))


async def send(
    submit: Callable[..., Awaitable[pb.FrameResult]], signed: SignedCommands, pace: Pace
) -> tuple[list[Result], str]:
    """Send a frame until somebody answers; open commands come back as UNKNOWN, with why.

    Raises   DefiniteReject when the whole frame was refused and no earlier attempt can have landed
    """
    in_doubt = False
    why = ""
    for wait_s in (0.0, *pace.retries):
        await asyncio.sleep(jittered(wait_s))
        try:
            answer = await submit(signed.request, timeout=pace.timeout_s)
        except grpc.aio.AioRpcError as error:
            refusal = refused_for(error)
            if refusal is not None and not in_doubt:
                raise refusal from error
            why = f"{error.code().name}: {error.details()}"
            if refusal is not None:
                break
            in_doubt = True
            continue
        return read_results(signed, answer, in_doubt=in_doubt), NOT_IN_TIME
    return all_unknown(signed), why


NOT_IN_TIME = "the venue did not answer in time"


def read_results(signed: SignedCommands, answer: pb.FrameResult, *, in_doubt: bool) -> list[Result]:
    """What a gateway's answer to a frame means."""
    lines = zip(signed.tickets, answer.results, strict=True)
    return [read_result(ticket, line, in_doubt=in_doubt) for ticket, line in lines]


def all_unknown(signed: SignedCommands) -> list[Result]:
    """A frame of which nothing is known."""
    return [Result(ticket, Outcome.UNKNOWN) for ticket in signed.tickets]


def read_result(ticket: Ticket, line: pb.CommandResult, *, in_doubt: bool) -> Result:
    """What a gateway's answer means: a refusal of its own is no proof when an earlier attempt may have landed."""
    if line.outcome == common_pb2.COMMAND_OUTCOME_DONE:
        return Result(
            ticket,
            Outcome.DONE,
            order_id=line.order_id,
            open_size=line.open_size,
            filled_size=line.filled_size,
        )
    if line.outcome == common_pb2.COMMAND_OUTCOME_REFUSED and (line.recorded or not in_doubt):
        return Result(ticket, Outcome.REFUSED, line.reason_name, line.text, line.limit, line.order_id)
    return Result(ticket, Outcome.UNKNOWN)


def read_answer(ticket: Ticket, answer: pb.CommandResultAnswer) -> Result | None:
    """What an owner's answer means; None while it may still come."""
    if answer.answer == pb.COMMAND_ANSWER_RESULT:
        return read_result(ticket, answer.result, in_doubt=False)
    if answer.answer == pb.COMMAND_ANSWER_NEVER:
        text = "it did not reach the venue within its window and never will"
        return Result(ticket, Outcome.REFUSED, "OUTSIDE_WINDOW", text, ticket.window_ms)
    if answer.answer == pb.COMMAND_ANSWER_FORGOTTEN:
        return Result(ticket, Outcome.UNKNOWN, text="too old to be known there; see the history")
    return None


def command_of(ticket: Ticket) -> pb.CommandOf:
    """Question about a command."""
    return pb.CommandOf(
        command_id=ticket.command_id,
        timestamp_ms=ticket.timestamp_ms,
        window_ms=ticket.window_ms,
        owner=pb.COMMAND_OWNER_SETTLEMENT if ticket.is_faucet else pb.COMMAND_OWNER_RISK,
    )


def raise_if_refused(result: Result) -> Result:
    """Return a result that was not refused; raises DefiniteReject."""
    if result.outcome is Outcome.REFUSED:
        raise DefiniteReject(result.reason, result.text, result.limit)
    return result
