"""The only read-apply-append loop: it feeds an Engine from its inbox and appends what comes out; it knows no money and no Kafka.

Everything it waits for it gets from its Environment, so that production and simulation run this same code: a Log, a folder for
snapshots, a clock and a way to start a side task. What it guarantees is DESIGN.md 1, 'Exactly once, without transactions'.
"""

from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Generic

import msgspec
import structlog

from services.core import messages as m
from services.core.log import AppendFailed, Log, LogRecord, Pending
from services.core.snapshots import Snapshots
from services.core.spine import Engine, Output, S, fingerprint
from services.core.topics import inbox

log = structlog.get_logger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None]], Pending]


@dataclass(frozen=True)
class HostSettings:
    """How a host paces itself; times are of the log's clock, in ms."""

    batch: int = 500
    wait_ms: int = 50
    in_flight: int = 64
    tick_ms: int = 1_000
    marker_ms: int = 100
    snapshot_every: int = 100_000


class PartitionStopped(Exception):
    """A bug or a broken record stopped this partition; others go on."""


class WrongSnapshot(Exception):
    """A snapshot belongs to another log."""


@dataclass(slots=True)
class InFlight:
    """Appends of one batch: when all are acknowledged, the outputs of inputs before `position` are."""

    position: int
    appends: list[Pending] = field(default_factory=list)

    def done(self) -> bool:
        """Whether every append has its answer."""
        return all(append.done() for append in self.appends)


class Host(Generic[S]):
    """Runs one partition of one machine."""

    def __init__(
        self,
        engine: Engine[S],
        home: Log,
        snapshots: Snapshots,
        spawn: Spawn,
        settings: HostSettings | None = None,
    ) -> None:
        """Tie an engine to its log; `spawn` starts a side task and returns its Pending."""
        self.engine = engine
        self.home = home
        self.snapshots = snapshots
        self.spawn = spawn
        self.settings = settings or HostSettings()
        self.topic = inbox(engine.machine.service)
        self.partition = engine.partition
        self.flight: deque[InFlight] = deque()
        self.position = 0
        self.acknowledged = 0
        self.emit_from = 0
        self.marked = 0
        self.marked_ms = 0
        self.snapshot_at = 0
        self.heard_ms = 0
        self.side: list[Pending] = []
        self.failure: BaseException | None = None
        self.stopping = False
        self.running = False

    async def run(self) -> None:
        """Read, apply, append, until stopped.

        Raises   PartitionStopped after a bug or a broken record; AppendFailed, on which the process must end; WrongSnapshot, SnapshotTooNew
        """
        await self.recover()
        await self.append_own(m.Resumed())
        self.running = True
        while not self.stopping:
            await self.turn()
        await self.finish()

    async def turn(self) -> None:
        """Do one round: read what is there, apply it, append, look after the rest."""
        wait_ms = 0 if self.engine.machine.has_work(self.engine.state) else self.settings.wait_ms
        records = await self.home.read(self.topic, self.partition, self.position, self.settings.batch, wait_ms)
        outputs = self.advance(records)
        await self.append(outputs)
        await self.collect()
        if self.failure is not None:
            self.running = False
            msg = f"{self.engine.name} stopped at input {self.position}: {self.failure!r}"
            raise PartitionStopped(msg) from self.failure
        await self.look_after(bool(records))

    def advance(self, records: list[LogRecord]) -> list[Output]:
        """Apply records in order; at the first one that fails, keep the outputs of those before it and stop."""
        outputs: list[Output] = []
        position, emit_from, step = self.position, self.emit_from, self.engine.step
        try:
            for offset, at_ms, value in records:
                produced = step(offset, at_ms, value)
                position = offset + 1
                if offset >= emit_from:
                    outputs += produced
        except Exception as bug:  # noqa: BLE001 - whatever a bug raises stops this partition, and only this one
            self.failure = bug
        self.position = position
        return outputs

    async def append(self, outputs: list[Output]) -> None:
        """Append outputs by destination, in order, without waiting for acknowledgement."""
        flight = InFlight(self.position)
        for (topic, partition), values in grouped(outputs).items():
            flight.appends.append(await self.home.append(topic, partition, values))
        self.flight.append(flight)

    async def collect(self) -> None:
        """Take acknowledgements in order; wait for the oldest when too many batches are in flight, or for all when the partition stops."""
        while self.flight and (
            self.flight[0].done() or len(self.flight) > self.settings.in_flight or self.failure is not None
        ):
            for append in self.flight[0].appends:
                await append
            self.acknowledged = max(self.acknowledged, self.flight.popleft().position)

    def query(self) -> S:
        """Return the state for a query between two records; a stopped partition answers none.

        Raises PartitionStopped
        """
        if not self.running:
            msg = f"{self.engine.name} is not running"
            raise PartitionStopped(msg)
        return self.engine.state

    async def recover(self) -> None:
        """Load the newest snapshot that the marker has reached; inputs up to the marker are then replayed without emitting."""
        self.emit_from = self.acknowledged = self.marked = await self.home.marker(self.engine.name)
        found = self.snapshots.load(self.emit_from)
        if found is not None:
            self.engine.restore(found[1])
            await self.check_snapshot()
        self.snapshot_at = self.position = self.engine.spine.position
        log.info("recovered", machine=self.engine.name, snapshot=self.snapshot_at, marker=self.emit_from)

    async def check_snapshot(self) -> None:
        """Refuse a snapshot whose last input is not what this log holds there."""
        spine = self.engine.spine
        records = await self.home.read(self.topic, self.partition, spine.position - 1, 1, 0)
        same = [(record.at_ms, fingerprint(record.value)) for record in records] == [
            (spine.last_at_ms, spine.last_input)
        ]
        if spine.machine != self.engine.name or not same:
            msg = f"the snapshot of {self.engine.name} at {spine.position} is not of this log; remove it, or name the right log"
            raise WrongSnapshot(msg)
        spine.last_input = records[0].value

    async def finish(self) -> None:
        """Wait for acknowledgements, leave a marker and, if there is something new in it, a snapshot."""
        self.running = False
        while self.flight:
            for append in self.flight[0].appends:
                await append
            self.acknowledged = max(self.acknowledged, self.flight.popleft().position)
        for task in self.side:
            await task
        await self.home.write_marker(self.engine.name, self.acknowledged)
        if self.snapshot_at < self.position == self.acknowledged:
            await self.save(self.position, self.engine.snapshot())

    async def look_after(self, heard: bool) -> None:  # noqa: FBT001 - private to the loop
        """Marker, Tick or Continue, snapshot: each when due."""
        now = self.home.now_ms()
        while self.side and self.side[0].done():
            await self.side.pop(0)
        if heard:
            self.heard_ms = now
        elif self.engine.machine.has_work(self.engine.state):
            await self.append_own(m.Continue())
        elif now - self.heard_ms >= self.settings.tick_ms:
            self.heard_ms = now
            await self.append_own(m.Tick())
        if self.acknowledged > self.marked and now - self.marked_ms >= self.settings.marker_ms and not self.side:
            self.marked, self.marked_ms = self.acknowledged, now
            self.side.append(self.spawn(self.home.write_marker(self.engine.name, self.marked)))
        if self.position - self.snapshot_at >= self.settings.snapshot_every and not self.side:
            self.snapshot_at = self.position
            self.side.append(self.spawn(self.save(self.snapshot_at, self.engine.snapshot())))

    async def save(self, position: int, body: bytes) -> None:
        """Save a snapshot; without room on the disk the machine goes on, only its restart takes longer."""
        try:
            await self.snapshots.save(position, body)
        except OSError as error:
            log.warning("snapshot_not_saved", machine=self.engine.name, position=position, error=str(error))

    async def append_own(self, message: m.Message) -> None:
        """Append to the own inbox; it fails as every append does."""
        value = msgspec.msgpack.encode(m.Record(message))
        self.flight.append(
            InFlight(self.acknowledged_position(), [await self.home.append(self.topic, self.partition, [value])])
        )

    def acknowledged_position(self) -> int:
        """Position up to which outputs are under way: what an append without outputs stands for."""
        return self.flight[-1].position if self.flight else self.acknowledged


def grouped(outputs: list[Output]) -> dict[tuple[str, int], list[bytes]]:
    """Values by destination, order kept within each."""
    groups: dict[tuple[str, int], list[bytes]] = {}
    for topic, partition, value in outputs:
        groups.setdefault((topic, partition), []).append(value)
    return groups


__all__ = ["AppendFailed", "Host", "HostSettings", "PartitionStopped", "Spawn", "WrongSnapshot", "grouped"]
