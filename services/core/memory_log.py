"""The log in memory: for tests, simulation and throw-away runs; nothing survives the process."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence

from services.core.fixed import Milliseconds
from services.core.log import LogError, LogRecord, Pending


def wall_clock_ms() -> Milliseconds:
    """Return Unix time in ms."""
    return time.time_ns() // 1_000_000


class MemoryLog:
    """Topics as lists; every append is acknowledged at once."""

    def __init__(self, clock: Callable[[], Milliseconds] = wall_clock_ms) -> None:
        """Empty log whose records get their time from `clock`."""
        self.now_ms = clock
        self.partitions: dict[tuple[str, int], list[LogRecord]] = {}
        self.counts: dict[str, int] = {}
        self.keeps_times: dict[str, bool] = {}
        self.markers: dict[str, int] = {}
        self.arrived = asyncio.Event()

    async def create(self, topics: dict[str, int], *, keep_times: bool = False) -> None:
        """Create missing topics."""
        for topic, count in topics.items():
            if self.counts.setdefault(topic, count) != count:
                msg = f"topic {topic} has {self.counts[topic]} partitions, not {count}: start a new generation"
                raise LogError(msg)
            self.keeps_times.setdefault(topic, keep_times)
            for partition in range(count):
                self.partitions.setdefault((topic, partition), [])

    async def topics(self) -> dict[str, int]:
        """Topics with their numbers of partitions."""
        return dict(self.counts)

    def records(self, topic: str, partition: int) -> list[LogRecord]:
        """Return the list behind a partition."""
        try:
            return self.partitions[topic, partition]
        except KeyError:
            msg = f"no topic partition {topic}/{partition}"
            raise LogError(msg) from None

    async def append(
        self, topic: str, partition: int, values: Sequence[bytes], at_ms: Sequence[Milliseconds] | None = None
    ) -> Pending:
        """Append all; done at once."""
        records = self.records(topic, partition)
        if (at_ms is not None) != self.keeps_times[topic]:
            msg = f"topic {topic} {'needs' if self.keeps_times[topic] else 'does not take'} times with its records"
            raise LogError(msg)
        times = at_ms if at_ms is not None else [self.now_ms()] * len(values)
        if len(times) != len(values):
            msg = f"{len(values)} records came with {len(times)} times"
            raise LogError(msg)
        records.extend(map(LogRecord, itertools.count(len(records)), times, values))
        self.arrived.set()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def read(self, topic: str, partition: int, offset: int, limit: int, wait_ms: int) -> list[LogRecord]:
        """Return what is there from `offset` on; wait for the first record at most `wait_ms`."""
        records = self.records(topic, partition)
        await asyncio.sleep(0)
        deadline = time.monotonic() + wait_ms / 1_000
        while len(records) <= offset and (left := deadline - time.monotonic()) > 0:
            self.arrived.clear()
            try:
                # Not wait_for: its task begins to listen a round later, when another reader may have cleared the event.
                async with asyncio.timeout(left):
                    await self.arrived.wait()
            except TimeoutError:
                break
        return records[offset : offset + limit]

    async def end(self, topic: str, partition: int) -> int:
        """Offset of the next record."""
        return len(self.records(topic, partition))

    async def marker(self, machine: str) -> int:
        """Last marker, 0 for none."""
        return self.markers.get(machine, 0)

    async def write_marker(self, machine: str, offset: int) -> None:
        """Note a marker."""
        self.markers[machine] = offset

    async def close(self) -> None:
        """Nothing to give up."""
