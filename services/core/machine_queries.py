"""What the query servicers of all machines share: the host of a partition, its status, results of commands; read-only."""

from collections.abc import Mapping
from typing import Any, TypeVar

from services.core.commands import WINDOW_MAX_MS, Answer, Commands
from services.core.feeds import plain_fields
from services.core.fixed import Milliseconds
from services.core.host import Host
from services.core.messages import CommandHeader
from services.core.reasons import Reason
from services.core.rpc import malformed, not_found
from services.core.spine import MachineState
from vigil.v1 import feeds_pb2, queries_pb2, trading_pb2

S = TypeVar("S", bound=MachineState)
COMMANDS_MAX = 200
ANSWERS = {
    Answer.RESULT: trading_pb2.COMMAND_ANSWER_RESULT,
    Answer.PENDING: trading_pb2.COMMAND_ANSWER_PENDING,
    Answer.NEVER: trading_pb2.COMMAND_ANSWER_NEVER,
    Answer.FORGOTTEN: trading_pb2.COMMAND_ANSWER_FORGOTTEN,
}


def host_of(hosts: Mapping[int, Host[Any]], partition: int) -> Host[Any]:
    """Host of a partition; raises Refused when it is not hosted here."""
    host = hosts.get(partition)
    if host is None:
        raise not_found(f"partition {partition} is not hosted here; hosted: {sorted(hosts)}", Reason.MALFORMED)
    return host


def feed_seq(host: Host[Any], topic: str) -> int:
    """Last `seq` that the partition wrote to its own part of a feed."""
    peer = host.engine.spine.sent.get(f"{topic}/{host.partition}")
    return 0 if peer is None else peer.seq


def status_of(hosts: Mapping[int, Host[Any]], query: queries_pb2.StatusQuery) -> queries_pb2.MachineStatus:
    """How far a machine is; raises Refused or PartitionStopped."""
    host = host_of(hosts, query.partition)
    state: MachineState = host.query()
    engine = host.engine
    return queries_pb2.MachineStatus(
        machine=engine.name,
        position=engine.spine.position,
        now_ms=state.now_ms,
        rules=state.rules,
        digest=engine.spine.digest,
        duplicates=engine.counters.duplicates,
        early=engine.counters.early,
    )


def command_results(
    commands: Commands, now_ms: Milliseconds, query: queries_pb2.CommandResultsQuery
) -> queries_pb2.CommandResultsAnswer:
    """What became of commands, in order; raises Refused for a window or a number of ids that no frame has."""
    if not 0 < query.window_ms <= WINDOW_MAX_MS or len(query.command_ids) > COMMANDS_MAX:
        raise malformed(f"windows of 1 to {WINDOW_MAX_MS} ms and at most {COMMANDS_MAX} ids are accepted")
    states = [command_state(commands, now_ms, query, command_id) for command_id in query.command_ids]
    return queries_pb2.CommandResultsAnswer(states=states)


def command_state(
    commands: Commands, now_ms: Milliseconds, query: queries_pb2.CommandResultsQuery, command_id: int
) -> queries_pb2.CommandState:
    """What became of one command."""
    header = CommandHeader(query.account, 0, command_id, query.timestamp_ms, query.window_ms)
    answer, resolved = commands.answer(header, now_ms)
    state = queries_pb2.CommandState(answer=ANSWERS[answer])
    if resolved is not None:
        state.resolved.CopyFrom(
            feeds_pb2.CommandResolved(**plain_fields(resolved, feeds_pb2.CommandResolved.DESCRIPTOR))
        )
    return state
