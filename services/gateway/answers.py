"""What servicers of the gateway share: the begin of a stream, and one answer of several machines about a command."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeAlias

from services.core.rpc import Context
from services.gateway.frames import WINDOW_DEFAULT_MS
from services.gateway.queries import Queries
from services.gateway.results import Owner, result_of
from vigil.v1 import queries_pb2
from vigil.v1 import trading_pb2 as pb

RawStream: TypeAlias = AsyncIterator[bytes]
"""Serialized stream messages: feed records go through undecoded."""
READY = (("vigil-stream", "ready"),)
PRECEDENCE = (
    pb.COMMAND_ANSWER_RESULT,
    pb.COMMAND_ANSWER_PENDING,
    pb.COMMAND_ANSWER_FORGOTTEN,
    pb.COMMAND_ANSWER_NEVER,
)


async def begun(context: Context) -> None:
    """Say, by initial metadata, that a stream has begun."""
    await context.send_initial_metadata(READY)


async def state_of(queries: Queries, owners: Sequence[Owner], query: pb.Query) -> pb.CommandResultAnswer:
    """What became of a command, asked of each machine that could have decided it; raises Refused when one does not answer."""
    named = query.command_result
    states = []
    for owner in owners:
        asked = queries_pb2.CommandResultsQuery(
            partition=owner.partition,
            account=query.account,
            timestamp_ms=named.timestamp_ms,
            window_ms=named.window_ms or WINDOW_DEFAULT_MS,
            command_ids=[named.command_id],
        )
        states += await queries.command_results(owner.service, asked)
    return combined(states)


def combined(states: list[queries_pb2.CommandState]) -> pb.CommandResultAnswer:
    """One answer of several machines: a result wins; NEVER only if all say so."""
    state = min(states, key=lambda one: PRECEDENCE.index(one.answer))
    if state.answer != pb.COMMAND_ANSWER_RESULT:
        return pb.CommandResultAnswer(answer=state.answer)
    return pb.CommandResultAnswer(answer=state.answer, result=result_of(state.resolved))
