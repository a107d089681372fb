"""Throughput and latency of the log's homes and of the host over them, with a machine that answers each record by one.

    python -m bench.log [--records 200000]

The machine costs about nothing, so the figures are those of the spine. All of it runs in one process on one event loop (uvloop), as one
partition would; the broker, of our own unless VIGIL_KAFKA names one, is another process of the same machine.
"""

import argparse
import asyncio
import gc
import itertools
import json
import logging
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rich.console import Console
from rich.table import Table

from deploy.kafka.broker import Cluster
from services.core import messages as m
from services.core.fixed import SLOTS
from services.core.host import Host, HostSettings
from services.core.kafka_log import BATCH_BYTES, KafkaLog
from services.core.log import Log, LogRecord, Pending
from services.core.memory_log import MemoryLog
from services.core.process import tune_collector
from services.core.snapshots import Folder, Snapshots
from services.core.spine import Engine, Machine, MachineState
from services.core.sqlite_log import SqliteLog
from services.core.topics import DIGESTS
from tests.machines import Sender, deficit, outside

FIGURES = Path(__file__).resolve().parents[1] / "build" / "bench" / "log.json"
PARTITIONS = {"settlement": 1, "funding": 1, "matching": 1, "risk": 1, "insurance_fund": 1}
GENESIS = m.Genesis("bench", 1, PARTITIONS, [0] * SLOTS, [])
INBOX, OUTBOX = "insurance_fund.inbox", "risk.inbox"
BATCH = HostSettings().batch
HOPS = 1_000
HOLDINGS = 310_000
"""As many make a snapshot of 20 MB."""
PAUSE_ROUNDS = 3

GOALS: dict[str, tuple[str, Callable[[dict[str, float]], bool]]] = {
    "raw_per_s": ("", lambda _: True),
    "host_kafka_per_s": (">= 60 % of raw", lambda f: f["host_kafka_per_s"] >= 0.6 * f["raw_per_s"]),
    "host_sqlite_per_s": ("", lambda _: True),
    "host_memory_per_s": (">= 250,000", lambda f: f["host_memory_per_s"] >= 250_000),
    "hop_p50_ms": ("< 2", lambda f: f["hop_p50_ms"] < 2),
    "hop_p99_ms": ("", lambda _: True),
    "round_trip_p50_ms": ("", lambda _: True),
    "round_trip_p99_ms": ("", lambda _: True),
    "restart_s": ("< 2", lambda f: f["restart_s"] < 2),
    "snapshot_stall_ms": ("< 100", lambda f: f["snapshot_stall_ms"] < 100),
}


@dataclass(slots=True)
class Holding:
    """Something like a position, to fill a snapshot with."""

    size: int
    cash: int
    basis: int
    index: int


@dataclass(slots=True)
class BenchState(MachineState):
    """What a snapshot weighs."""

    holdings: dict[int, Holding] = field(default_factory=dict)


def answer(_state: BenchState, record: m.Record) -> list[m.Message]:
    """Answer each deficit as covered."""
    asked = record.message
    if isinstance(asked, m.DeficitReported):
        return [m.DeficitCovered(asked.subaccount, asked.asset, asked.amount, asked.deficit_id)]
    return []


def check_invariants(_state: BenchState) -> None:
    """Nothing to check."""


ECHO = Machine("insurance_fund", BenchState, answer, check_invariants)


class Apart:
    """Log on Kafka whose topics nobody else uses: the broker may be somebody's."""

    def __init__(self, kafka: str, prefix: str | None = None) -> None:
        """Topics with `prefix`, by default a new one."""
        self.log = KafkaLog(kafka)
        self.prefix = f"bench.{prefix or uuid.uuid4().hex}."
        self.now_ms = self.log.now_ms
        self.close = self.log.close

    async def create(self, topics: dict[str, int], *, keep_times: bool = False) -> None:
        """Create topics of our own."""
        await self.log.create({self.prefix + name: count for name, count in topics.items()}, keep_times=keep_times)

    async def topics(self) -> dict[str, int]:
        """Topics of our own."""
        every = (await self.log.topics()).items()
        return {name.removeprefix(self.prefix): count for name, count in every if name.startswith(self.prefix)}

    async def append(
        self, topic: str, partition: int, values: Sequence[bytes], at_ms: Sequence[int] | None = None
    ) -> Pending:
        """Append."""
        return await self.log.append(self.prefix + topic, partition, values, at_ms)

    async def read(self, topic: str, partition: int, offset: int, limit: int, wait_ms: int) -> list[LogRecord]:
        """Read."""
        return await self.log.read(self.prefix + topic, partition, offset, limit, wait_ms)

    async def end(self, topic: str, partition: int) -> int:
        """Offset of the next record."""
        return await self.log.end(self.prefix + topic, partition)

    async def marker(self, machine: str) -> int:
        """Marker of our own machine."""
        return await self.log.marker(self.prefix + machine)

    async def write_marker(self, machine: str, offset: int) -> None:
        """Note a marker of our own machine."""
        await self.log.write_marker(self.prefix + machine, offset)


def inputs(count: int) -> list[bytes]:
    """Genesis and `count` records as risk would write them."""
    sender = Sender()
    return [outside(GENESIS), *(sender.record(deficit(number), 1_584_000_000_000, number) for number in range(count))]


def new_host(
    log: Log, folder: Path, settings: HostSettings, engine: Engine[BenchState] | None = None
) -> Host[BenchState]:
    """Build the host of an echo machine."""
    snapshots = Snapshots(Folder(folder), "insurance_fund/0")
    return Host(engine or Engine(ECHO, 0), log, snapshots, asyncio.ensure_future, settings)


@asynccontextmanager
async def running(host: Host[BenchState]) -> AsyncIterator[None]:
    """Run a host meanwhile."""
    task = asyncio.ensure_future(host.run())
    try:
        yield
    finally:
        host.stopping = True
        await task


async def until(holds: Callable[[], bool]) -> None:
    """Look every millisecond; an event for each thing measured would be measured too."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def fill(log: Log, topic: str, values: list[bytes]) -> None:
    """Append all, some thousands at a time."""
    for start in range(0, len(values), 5_000):
        await (await log.append(topic, 0, values[start : start + 5_000]))


async def prepare(log: Log, count: int) -> None:
    """Make the topics of an echo machine, with inputs."""
    await log.create({INBOX: 1, OUTBOX: 1, DIGESTS: 1})
    await fill(log, INBOX, inputs(count))


async def host_per_s(log: Log, count: int) -> float:
    """Records per second that a host reads, applies and answers, until the last answer is acknowledged."""
    await prepare(log, count)
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder:
        host = new_host(log, Path(folder), HostSettings(snapshot_every=10 * count))
        began = time.perf_counter()
        async with running(host):
            await until(lambda: host.acknowledged > count)
            took = time.perf_counter() - began
    gc.unfreeze()
    await log.close()
    return count / took


async def raw_per_s(kafka: str, count: int) -> float:
    """Records per second that aiokafka alone copies from topic to topic, with batches and bytes like the host's."""
    source, target = f"bench.{uuid.uuid4().hex}", f"bench.{uuid.uuid4().hex}"
    log = KafkaLog(kafka)
    await log.create({source: 1, target: 1})
    await fill(log, source, inputs(count)[1:])
    await log.close()
    place = TopicPartition(source, 0)
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", enable_idempotence=True, linger_ms=0, max_batch_size=BATCH_BYTES
    )
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    async with producer, consumer:
        consumer.assign([place])
        consumer.seek(place, 0)
        began = time.perf_counter()
        await copy(consumer, producer, target, count)
        return count / (time.perf_counter() - began)


async def copy(consumer: Any, producer: Any, target: str, count: int) -> None:  # noqa: ANN401 - aiokafka has no types
    """Copy `count` records, until the last is acknowledged."""
    copied, sent = 0, []
    while copied < count:
        for records in (await consumer.getmany(timeout_ms=100, max_records=BATCH)).values():
            batch = producer.create_batch()
            for record in records:
                batch.append(timestamp=None, key=None, value=record.value)
            sent.append(await producer.send_batch(batch, target, partition=0))
            copied += len(records)
    await asyncio.gather(*sent)


async def hops_ms(log: Log) -> tuple[list[float], list[float]]:
    """Milliseconds from handing over an input, one at a time, until the machine applies it, and until its answer is read."""
    applied: list[float] = []

    def timed(state: BenchState, record: m.Record) -> list[m.Message]:
        applied.append(time.perf_counter())
        return answer(state, record)

    await prepare(log, 1)
    sender = Sender("risk/1")
    hops: list[float] = []
    round_trips: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        host = new_host(log, Path(folder), HostSettings(), Engine(replace(ECHO, apply=timed), 0))
        async with running(host):
            offset = 0
            while not offset:
                offset = await log.end(OUTBOX, 0)
            for number in range(HOPS):
                began = time.perf_counter()
                await log.append(INBOX, 0, [sender.record(deficit(number))])
                while not (found := await log.read(OUTBOX, 0, offset, 10, 1_000)):
                    pass
                round_trips.append((time.perf_counter() - began) * 1_000)
                hops.append((applied[-1] - began) * 1_000)
                offset += len(found)
    await log.close()
    return sorted(hops), sorted(round_trips)


def full_state() -> dict[int, Holding]:
    """Holdings that make a snapshot of about 20 MB."""
    return {
        (number * 977) << 8: Holding(number * 1_000_003, -number * 10**9, number * 77, 10**15 + number)
        for number in range(HOLDINGS)
    }


async def restart_s(open_log: Callable[[], Log]) -> float:
    """Seconds from opening the log to the first new answer, beginning with a snapshot of 20 MB."""
    with tempfile.TemporaryDirectory() as folder:
        log = open_log()
        await prepare(log, 1)
        host = new_host(log, Path(folder), HostSettings())
        host.engine.state.holdings = full_state()
        async with running(host):
            await until(lambda: host.acknowledged > 1)
        await log.close()
        gc.collect()
        return await time_of_restart(open_log, Path(folder))


async def time_of_restart(open_log: Callable[[], Log], folder: Path) -> float:
    """Restart on the snapshot in `folder` and ask once."""
    log = open_log()
    offset = await log.end(OUTBOX, 0)
    await (await log.append(INBOX, 0, [Sender("risk/2").record(deficit(1))]))
    await log.close()
    began = time.perf_counter()
    log = open_log()
    async with running(new_host(log, folder, HostSettings())):
        while not await log.read(OUTBOX, 0, offset, 10, 1_000):
            pass
        took = time.perf_counter() - began
    await log.close()
    return took


async def snapshot_stall_ms() -> float:
    """Longest time between two turns of a busy host around writing snapshots of 20 MB."""
    log = MemoryLog()
    await prepare(log, PAUSE_ROUNDS * 60_000)
    longest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        host = new_host(log, Path(folder), HostSettings(batch=50, snapshot_every=50_000, marker_ms=1))
        host.engine.state.holdings = full_state()
        gc.collect()
        gc.freeze()
        await host.recover()
        while host.position <= PAUSE_ROUNDS * 60_000:
            began = time.perf_counter()
            await host.turn()
            longest = max(longest, time.perf_counter() - began)
        await host.finish()
        gc.unfreeze()
    return longest * 1_000


async def best(measure: Callable[[], Awaitable[float]], rounds: int = 2) -> float:
    """Repeat a throughput and take the best: the rest is other work on the machine."""
    return max([await measure() for _ in range(rounds)])


async def measure_all(kafka: str, count: int) -> dict[str, float]:
    """Take all figures in one run."""
    figures: dict[str, float] = {}
    figures["host_memory_per_s"] = await best(lambda: host_per_s(MemoryLog(), count))
    with tempfile.TemporaryDirectory() as folder:
        paths = (Path(folder) / f"{number}.sqlite" for number in itertools.count())
        figures["host_sqlite_per_s"] = await best(lambda: host_per_s(SqliteLog(next(paths)), count))
    figures["snapshot_stall_ms"] = await snapshot_stall_ms()
    figures["raw_per_s"] = await best(lambda: raw_per_s(kafka, count))
    figures["host_kafka_per_s"] = await best(lambda: host_per_s(Apart(kafka), count))
    hops, round_trips = await hops_ms(Apart(kafka))
    for name, taken in (("hop", hops), ("round_trip", round_trips)):
        figures[f"{name}_p50_ms"] = statistics.median(taken)
        figures[f"{name}_p99_ms"] = taken[len(taken) * 99 // 100]
    topics = uuid.uuid4().hex
    figures["restart_s"] = await restart_s(lambda: Apart(kafka, topics))
    return figures


def show(figures: dict[str, float]) -> None:
    """Print a table of figures and goals."""
    table = Table("figure", "here", "goal", "")
    for name, (goal, reached) in GOALS.items():
        value = figures[name]
        verdict = "" if not goal else "reached" if reached(figures) else "missed"
        table.add_row(name, f"{value:,.0f}" if value >= 100 else f"{value:.2f}", goal, verdict)
    console = Console()
    console.print(table)
    share = figures["host_kafka_per_s"] / figures["raw_per_s"]
    console.print(
        f"The host on Kafka does {share:.0%} of raw. A hop is one way through the log: handed over, then applied by the machine; "
        "a round trip ends when its answer is read."
    )
    console.print("The snapshot stall grows with the state, about linearly: encoding it is one step of the event loop.")


def main() -> None:
    """Measure, print, write the figures."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--records", type=int, default=200_000)
    count = parser.parse_args().records
    tune_collector()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    named = os.environ.get("VIGIL_KAFKA")
    with ExitStack() as own:
        kafka = named or own.enter_context(Cluster()).bootstrap
        figures = uvloop.run(measure_all(kafka, count))
    show(figures)
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps({name: round(figures[name], 3) for name in GOALS}, indent=1) + "\n")
    print(f"written to {FIGURES}")


if __name__ == "__main__":
    main()
