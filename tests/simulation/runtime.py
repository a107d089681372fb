"""Virtual processes, log and disk: the production host runs on them unchanged, one step at a time, as a seeded scheduler likes.

A coroutine that waits yields the `Op` it waits for; the scheduler decides when it happens, or that its process dies first. An append
is handed to a network that keeps the order of one process and destination, and may lose one while later ones land.
"""

from collections import deque
from collections.abc import Coroutine, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.core.log import AppendFailed, LogRecord

NEVER_MS = 1 << 62


class Op:
    """Something a process waits for; `label` names the crash point before it."""

    def __init__(self, label: str, ready_ms: int = 0, arrived: "Any | None" = None) -> None:
        self.label = label
        self.ready_ms = ready_ms
        self.arrived = arrived
        self.finished = False

    def ready(self, now_ms: int) -> bool:
        """Whether the process may go on."""
        return now_ms >= self.ready_ms or self.arrived is None or self.arrived()

    def __await__(self) -> Generator["Op", None, None]:
        yield self


class Ack:
    """The acknowledgement of an append or the end of a side task."""

    def __init__(self) -> None:
        self.finished = False
        self.error: BaseException | None = None

    def done(self) -> bool:
        """Whether awaiting returns at once."""
        return self.finished

    def finish(self, error: BaseException | None = None) -> None:
        """Answer."""
        self.finished = True
        self.error = error

    def __await__(self) -> Generator[Op, None, None]:
        while not self.finished:
            yield Op("before_ack", NEVER_MS, self.done)
        if self.error is not None:
            raise self.error


@dataclass
class Flight:
    """An append on its way; `hold_until_ms` delays it, and what is behind it."""

    topic: str
    partition: int
    values: list[bytes]
    ack: Ack
    hold_until_ms: int = 0
    held: int = 0


@dataclass
class Task:
    """A coroutine of a process, and what it waits for."""

    coroutine: Coroutine[Op, None, None]
    ack: Ack = field(default_factory=Ack)
    waiting: Op | None = None
    main: bool = False

    def is_runnable(self, now_ms: int) -> bool:
        """Whether it may go on."""
        return self.waiting is None or self.waiting.ready(now_ms)


class Process:
    """One incarnation of one machine: its tasks and its appends under way. Nothing it does counts after it died.

    What it can do, `found`, is the same until `same_until_ms`, unless somebody wakes it: by a record of its inbox or an acknowledgement.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.tasks: list[Task] = []
        self.flights: dict[tuple[str, int], deque[Flight]] = {}
        self.appends_in_turn = 0
        self.found: list[tuple[Process, Task | Flight]] = []
        self.same_until_ms = 0

    def spawn(self, coroutine: Coroutine[Any, Any, None], *, main: bool = False) -> Ack:
        """Start a task; when the main one fails the process is dead."""
        task = Task(coroutine, main=main)
        self.tasks.append(task)
        return task.ack

    def look(self, now_ms: int) -> None:
        """Find the tasks that may go on, and the appends that may land."""
        firsts = [queue[0] for queue in self.flights.values() if queue]
        self.found = [(self, task) for task in self.tasks if task.is_runnable(now_ms)]
        self.found += [(self, flight) for flight in firsts if flight.hold_until_ms <= now_ms]
        times = [flight.hold_until_ms for flight in firsts]
        times += [task.waiting.ready_ms for task in self.tasks if task.waiting is not None]
        self.same_until_ms = min([at_ms for at_ms in times if at_ms > now_ms], default=NEVER_MS)

    def wake(self) -> None:
        """Look again: something that it may wait for has happened."""
        self.same_until_ms = 0

    def resume(self, task: Task) -> None:
        """Run a task until it waits again; its end answers whoever waits for it."""
        self.wake()
        try:
            task.waiting = task.coroutine.send(None)
        except StopIteration:
            self.tasks.remove(task)
            task.ack.finish()
        except (AppendFailed, OSError) as error:
            self.tasks.remove(task)
            task.ack.finish(error)
            if task.main:
                self.close()

    def close(self) -> None:
        """Die: nothing runs on, not even what would clean up."""
        self.alive = False
        for task in self.tasks:
            task.coroutine.close()
        self.tasks.clear()


class VirtualLog:
    """Topics, markers and time of the simulated venue."""

    def __init__(self, now_ms: int) -> None:
        self.time_ms = now_ms
        self.records: dict[tuple[str, int], list[LogRecord]] = {}
        self.markers: dict[str, int] = {}

    def land(self, topic: str, partition: int, values: Sequence[bytes]) -> list[LogRecord]:
        """Write records at the end of a partition."""
        records = self.records[topic, partition]
        landed = [LogRecord(len(records) + i, self.time_ms, value) for i, value in enumerate(values)]
        records.extend(landed)
        return landed


class ProcessLog:
    """The log as one process sees it: the production interface over the virtual log."""

    def __init__(self, log: VirtualLog, process: Process, *, markers: bool) -> None:
        self.log = log
        self.process = process
        self.markers = markers

    def now_ms(self) -> int:
        """Virtual time."""
        return self.log.time_ms

    async def read(self, topic: str, partition: int, offset: int, limit: int, wait_ms: int) -> list[LogRecord]:
        """Wait for the first record, or the time."""
        records = self.log.records[topic, partition]
        self.process.appends_in_turn = 0
        await Op("before_read", self.log.time_ms + wait_ms, lambda: len(records) > offset)
        return records[offset : offset + limit]

    async def append(
        self, topic: str, partition: int, values: Sequence[bytes], at_ms: Sequence[int] | None = None
    ) -> Ack:
        """Hand over to the network."""
        assert at_ms is None
        await Op("between_appends" if self.process.appends_in_turn else "after_apply")
        self.process.appends_in_turn += 1
        flight = Flight(topic, partition, list(values), Ack())
        self.process.flights.setdefault((topic, partition), deque()).append(flight)
        return flight.ack

    async def end(self, topic: str, partition: int) -> int:
        """Offset of the next record."""
        return len(self.log.records[topic, partition])

    async def marker(self, machine: str) -> int:
        """Last marker."""
        return self.log.markers.get(machine, 0)

    async def write_marker(self, machine: str, offset: int) -> None:
        """Note a marker, or lose it."""
        await Op("before_marker")
        if self.markers:
            self.log.markers[machine] = max(self.log.markers.get(machine, 0), offset)

    async def create(self, topics: dict[str, int], *, keep_times: bool = False) -> None:
        """Create topics."""

    async def topics(self) -> dict[str, int]:
        """Topics of the venue."""
        return {}

    async def close(self) -> None:
        """Nothing to give up."""


class VirtualDisk:
    """A folder that may be full, and in which a killed write leaves a part."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.full = False

    async def write(self, name: str, content: bytes) -> None:
        """Write in two halves, with a crash point between them."""
        if self.full:
            message = "No space left on device"
            raise OSError(28, message)
        self.files[name] = content[: len(content) >> 1]
        await Op("mid_snapshot")
        self.files[name] = content

    async def rename(self, old: str, new: str) -> None:
        """Rename, with a crash point before."""
        await Op("before_rename")
        content = self.files.pop(old, None)
        if content is None:
            raise FileNotFoundError(old)
        self.files[new] = content

    def names(self) -> list[str]:
        """Names of the files."""
        return sorted(self.files)

    def read(self, name: str) -> bytes:
        """Content of a file."""
        return self.files[name]

    def remove(self, name: str) -> None:
        """Remove a file."""
        self.files.pop(name, None)
