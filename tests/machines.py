"""A small machine for tests of the engine, the host and the logs: it answers in the insurance fund's place, and knows no money.

Each deficit comes back to risk as covered. The deficit's `group` asks for more: an answer in slices, a timer, or a bug.
"""

from dataclasses import dataclass, field
from zlib import crc32

import msgspec

from services.core import messages as m
from services.core.fixed import SLOTS, Milliseconds
from services.core.spine import Machine, MachineState
from services.core.timers import Timer, next_multiple

PARTITIONS = {"settlement": 1, "funding": 1, "matching": 1, "risk": 2, "insurance_fund": 1, "lending_pool": 1}
GENESIS = m.Genesis("test", 1, PARTITIONS, [slot % 2 for slot in range(SLOTS)], [])
RECURRING_MS = 1_000

PLAIN, SLICES, TIMER, RECURRING, BUG, LATE_BUG = "", "slices", "timer", "recurring", "bug", "late bug"


class Bug(Exception):
    """What a planted bug raises."""


@dataclass(slots=True)
class EchoState(MachineState):
    """Counts, and the slices still to do."""

    answered: int = 0
    slices: list[m.DeficitReported] = field(default_factory=list)
    ballast: list[bytes] = field(default_factory=list)
    fired: list[tuple[Milliseconds, Milliseconds]] = field(default_factory=list)


def covered(deficit: m.DeficitReported) -> m.Message:
    """Answer a deficit."""
    return m.DeficitCovered(deficit.subaccount, deficit.asset, deficit.amount, deficit.deficit_id)


def apply(state: EchoState, record: m.Record) -> list[m.Message]:
    """Answer, or do what the deficit's group asks for."""
    deficit = record.message
    if not isinstance(deficit, m.DeficitReported):
        return []
    state.answered += 1
    if deficit.group == PLAIN:
        return [covered(deficit)]
    if deficit.group == BUG:
        raise Bug("planted")
    if deficit.group == LATE_BUG:
        return [covered(deficit), m.Tick()]
    if deficit.group == SLICES:
        state.slices += [deficit] * deficit.amount
    else:
        state.timers.arm(state.now_ms + deficit.amount, int(deficit.group == RECURRING), deficit.deficit_id)
    return []


def fire(state: EchoState, timer: Timer) -> list[m.Message]:
    """Report what fired, and arm a recurring timer again."""
    state.fired.append((timer.due_ms, state.now_ms))
    if timer.kind:
        state.timers.arm(next_multiple(state.now_ms, RECURRING_MS), timer.kind, timer.subject)
    return [m.DeficitUncovered(0, 0, timer.due_ms, timer.subject)]


def work(state: EchoState) -> list[m.Message]:
    """Answer one slice."""
    return [covered(state.slices.pop(0))] if state.slices else []


def has_work(state: EchoState) -> bool:
    """Whether slices are left."""
    return bool(state.slices)


def check_invariants(state: EchoState) -> None:
    """Nothing to check."""


ECHO = Machine("insurance_fund", EchoState, apply, check_invariants, fire, work, has_work)


def deficit(number: int, amount: int = 1, group: str = PLAIN, subaccount: int = 256) -> m.DeficitReported:
    """Build an input of the echo machine."""
    return m.DeficitReported(subaccount, group, 1, amount, number)


class Sender:
    """Writes records as a machine does: numbered and chained."""

    def __init__(self, name: str = "risk/0") -> None:
        self.name = name
        self.seq = 0
        self.chain = 0

    def record(self, message: m.Message, origin_ms: Milliseconds = 0, trace: int = 0) -> bytes:
        """Encode the next record."""
        self.seq += 1
        value = msgspec.msgpack.encode(m.Record(message, self.name, self.seq, self.chain, origin_ms, trace))
        self.chain = crc32(value)
        return value


def outside(message: m.Message) -> bytes:
    """Encode a record that comes from no machine."""
    return msgspec.msgpack.encode(m.Record(message))
