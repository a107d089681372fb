"""The loop: what a restart says again, what stops a partition or a process, and what it appends to its own inbox."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from services.core import messages as m
from services.core.fixed import Milliseconds
from services.core.host import Host, HostSettings, PartitionStopped, WrongSnapshot
from services.core.log import AppendFailed, Pending
from services.core.memory_log import MemoryLog
from services.core.snapshots import VERSION, Folder, Snapshots, SnapshotTooNew
from services.core.spine import Engine, record_type
from services.core.topics import all_topics
from tests.machines import BUG, ECHO, GENESIS, PARTITIONS, SLICES, EchoState, Sender, deficit, outside

INBOX = "insurance_fund.inbox"
NEVER_MS = 10**15
START_MS = 1_584_000_000_000
OWN = msgspec.msgpack.Decoder(record_type("insurance_fund"))


class World:
    """A log, a folder and a clock; hosts come and go."""

    def __init__(self, folder: Path, log: MemoryLog | None = None) -> None:
        self.now_ms: Milliseconds = START_MS
        self.log = log or MemoryLog()
        self.log.now_ms = lambda: self.now_ms
        self.folder = Folder(folder)
        self.risk = Sender()

    async def found(self) -> None:
        await self.log.create(all_topics(PARTITIONS | {"insurance_fund": 2}))
        await self.say(outside(GENESIS))

    async def say(self, *values: bytes) -> None:
        await (await self.log.append(INBOX, 0, values))

    async def ask(self, *numbers: int) -> None:
        await self.say(*(self.risk.record(deficit(number)) for number in numbers))

    def host(self, partition: int = 0, **settings: int) -> Host[EchoState]:
        paced = HostSettings(**({"wait_ms": 0, "marker_ms": 0} | settings))
        snapshots = Snapshots(self.folder, f"insurance_fund/{partition}")
        return Host(Engine(ECHO, partition), self.log, snapshots, asyncio.ensure_future, paced)

    def inbox(self) -> list[m.Message]:
        return [OWN.decode(record.value).message for record in self.log.partitions[INBOX, 0]]

    def answers(self) -> list[bytes]:
        return [record.value for record in self.log.partitions["risk.inbox", 1]]

    def position(self, partition: int = 0) -> int:
        return len(self.log.partitions[INBOX, partition])


@pytest.fixture
async def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    await world.found()
    return world


async def started(host: Host[EchoState]) -> Host[EchoState]:
    """Begin as `run` does."""
    await host.recover()
    await host.append_own(m.Resumed())
    host.running = True
    return host


async def caught_up(host: Host[EchoState], world: World) -> Host[EchoState]:
    """Turn until the inbox is read and everything beside the loop is done."""
    while host.position < world.position(host.partition) or host.side:
        await host.turn()
        await asyncio.sleep(0)
    return host


async def run_once(world: World, **settings: int) -> Host[EchoState]:
    """Run a host until it is caught up, and end it in good order."""
    host = await caught_up(await started(world.host(**settings)), world)
    await host.finish()
    return host


async def run_and_kill(world: World, **settings: int) -> Host[EchoState]:
    """Run a host until it is caught up, and forget it."""
    return await caught_up(await started(world.host(**settings)), world)


async def test_without_marker_a_restart_says_everything_again_in_the_same_bytes(world: World) -> None:
    await world.ask(1, 2, 3)
    await run_and_kill(world, marker_ms=NEVER_MS)
    once = world.answers()
    again = await run_and_kill(world, marker_ms=NEVER_MS)
    assert len(once) == 3
    assert world.answers() == once * 2
    assert again.emit_from == 0


async def test_up_to_the_marker_a_restart_says_nothing(world: World) -> None:
    await world.ask(1, 2)
    first = await run_and_kill(world)
    once = world.answers()
    await world.ask(3)
    second = await run_and_kill(world)
    assert (second.emit_from, second.snapshot_at) == (first.position, 0)
    assert world.answers()[:2] == once
    assert len(world.answers()) == 3


async def test_a_restart_begins_at_the_snapshot_that_the_marker_has_reached(world: World) -> None:
    await world.ask(1, 2)
    first = await run_once(world)
    await world.ask(3)
    second = await started(world.host())
    assert second.position == second.snapshot_at == first.position
    assert second.engine.spine.digest == first.engine.spine.digest
    await caught_up(second, world)
    assert len(world.answers()) == 3
    assert second.engine.state.answered == 3


async def test_whatever_it_restarted_from_the_digest_is_that_of_the_whole_history(world: World) -> None:
    host = world.host()
    for number in range(12):
        await world.ask(3 * number, 3 * number + 1, 3 * number + 2)
        host = await run_once(world, snapshot_every=2) if number % 2 else await run_and_kill(world, snapshot_every=2)
    fresh = Engine(ECHO, 0)
    for record in world.log.partitions[INBOX, 0][: host.position]:
        fresh.step(*record)
    assert fresh.spine.digest == host.engine.spine.digest
    assert fresh.snapshot() == host.engine.snapshot()


async def test_a_snapshot_does_not_count_before_the_marker_reached_it(world: World) -> None:
    await world.ask(1, 2)
    await run_and_kill(world, snapshot_every=1, marker_ms=NEVER_MS)
    assert Snapshots(world.folder, "insurance_fund/0").positions()
    again = await started(world.host())
    assert again.position == 0


async def test_a_damaged_snapshot_is_passed_over(world: World) -> None:
    await world.ask(1)
    first = await run_once(world)
    await world.ask(2)
    second = await run_once(world)
    newest = world.folder.path / Snapshots(world.folder, "insurance_fund/0").name_of(second.position)
    content = newest.read_bytes()
    for damaged in (content[:-1], content[:20], b"", content[:60] + bytes([content[60] ^ 1]) + content[61:]):
        newest.write_bytes(damaged)
        third = await started(world.host())
        assert third.position == first.position


async def test_a_snapshot_of_a_newer_release_stops_the_start(world: World) -> None:
    await world.ask(1)
    host = await run_once(world)
    newest = world.folder.path / Snapshots(world.folder, "insurance_fund/0").name_of(host.position)
    content = newest.read_bytes()
    newest.write_bytes(content[:8] + (VERSION + 1).to_bytes(2, "big") + content[10:])
    with pytest.raises(SnapshotTooNew, match=rf"version {VERSION + 1}; this release reads up to {VERSION}"):
        await world.host().run()


async def test_a_snapshot_of_another_log_is_refused(world: World, tmp_path: Path) -> None:
    await world.ask(1, 2)
    host = await run_once(world)
    other = World(tmp_path)
    await other.found()
    await other.log.write_marker("insurance_fund/0", host.position)
    with pytest.raises(WrongSnapshot, match="is not of this log; remove it, or name the right log"):
        await other.host().run()
    await other.ask(7, 8, 9, 10)
    with pytest.raises(WrongSnapshot, match="is not of this log"):
        await other.host().run()


async def test_a_host_stopped_before_its_first_record_starts_again(world: World) -> None:
    for _ in range(2):
        host = world.host()
        host.stopping = True
        await host.run()
    await world.ask(1)
    await run_once(world)
    assert len(world.answers()) == 1


class FullDisk(Folder):
    """A folder without room."""

    async def write(self, name: str, content: bytes) -> None:
        raise OSError(28, "No space left on device", name, content[:0])


async def test_a_full_disk_costs_the_snapshot_and_nothing_else(world: World, tmp_path: Path) -> None:
    world.folder = FullDisk(tmp_path)
    await world.ask(1, 2, 3)
    host = await run_once(world, snapshot_every=1)
    assert len(world.answers()) == 3
    assert world.folder.names() == []
    assert await world.log.marker("insurance_fund/0") == host.position


def poisoned(world: World, kind: str) -> bytes:
    forked = Sender()
    forked.record(deficit(99))
    forked.seq = world.risk.seq
    return {
        "a bug": Sender("risk/9").record(deficit(9, group=BUG)),
        "undecodable": b"\xc1 nonsense",
        "of another inbox": outside(m.AccountOpened(1, 2)),
        "of a forked sender": forked.record(deficit(9)),
    }[kind]


POISONS = ["a bug", "undecodable", "of another inbox", "of a forked sender"]


@pytest.mark.parametrize("kind", POISONS)
async def test_a_poisoned_record_stops_the_partition_after_what_came_before_it(world: World, kind: str) -> None:
    await world.ask(1, 2)
    await world.say(poisoned(world, kind))
    await world.ask(4)
    host = world.host(snapshot_every=1)
    with pytest.raises(PartitionStopped, match="insurance_fund/0 stopped at input 3"):
        await host.run()
    assert len(world.answers()) == 2
    assert (host.position, host.acknowledged) == (3, 3)
    assert world.folder.names() == []
    with pytest.raises(PartitionStopped, match="is not running"):
        host.query()


@pytest.mark.parametrize("kind", POISONS)
async def test_the_record_is_never_skipped(world: World, kind: str) -> None:
    await world.ask(1)
    await world.say(poisoned(world, kind))
    for _ in range(3):
        with pytest.raises(PartitionStopped, match="stopped at input 2"):
            await world.host().run()


async def test_others_go_on_when_one_stops(world: World) -> None:
    await world.say(Sender("risk/9").record(deficit(1, group=BUG)))
    other_risk = Sender("risk/9")
    await world.log.append(INBOX, 1, [outside(GENESIS), other_risk.record(deficit(1))])
    stopped, other = world.host(), world.host(partition=1)
    await started(other)
    with pytest.raises(PartitionStopped, match="insurance_fund/0"):
        await stopped.run()
    await world.log.append(INBOX, 1, [other_risk.record(deficit(2))])
    await caught_up(other, world)
    assert other.query().answered == 2


class UncertainLog(MemoryLog):
    """Appends to risk are answered when the test says so; the records land all the same, unless `losing`."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: list[asyncio.Future[None]] = []
        self.losing = False

    async def append(
        self, topic: str, partition: int, values: Sequence[bytes], at_ms: Sequence[Milliseconds] | None = None
    ) -> Pending:
        if topic != "risk.inbox":
            return await super().append(topic, partition, values, at_ms)
        if not self.losing:
            await super().append(topic, partition, values, at_ms)
        self.pending.append(asyncio.get_running_loop().create_future())
        return self.pending[-1]


@pytest.fixture
async def uncertain(tmp_path: Path) -> tuple[World, UncertainLog]:
    log = UncertainLog()
    world = World(tmp_path, log)
    await world.found()
    return world, log


async def test_a_failed_append_ends_the_host_though_later_ones_landed(uncertain: tuple[World, UncertainLog]) -> None:
    world, log = uncertain
    host = await started(world.host())
    log.losing = True
    await world.ask(1)
    await host.turn()
    log.losing = False
    await world.ask(2)
    await host.turn()
    log.pending[1].set_result(None)
    log.pending[0].set_exception(AppendFailed("no answer"))
    with pytest.raises(AppendFailed, match="no answer"):
        await host.turn()
    assert await log.marker("insurance_fund/0") < 2
    assert len(world.answers()) == 1


async def test_what_a_failed_append_lost_is_said_after_the_restart(uncertain: tuple[World, UncertainLog]) -> None:
    world, _ = uncertain
    await test_a_failed_append_ends_the_host_though_later_ones_landed(uncertain)
    landed = world.answers()
    again = await started(world.host())
    while again.position < world.position():
        await again.turn()
    assert world.answers() == [landed[0], *world.answers()[1:3]]
    assert [decoded(answer) for answer in world.answers()] == [2, 1, 2]
    assert world.answers()[2] == landed[0]


def decoded(answer: bytes) -> int:
    """Sequence number of an answer."""
    seq: int = msgspec.msgpack.decode(answer)[2]
    return seq


async def test_marker_and_snapshot_wait_for_the_acknowledgement(uncertain: tuple[World, UncertainLog]) -> None:
    world, log = uncertain
    host = await started(world.host(snapshot_every=1))
    await world.ask(1)
    while host.position < world.position():
        await host.turn()
    for _ in range(5):
        await host.turn()
    assert await log.marker("insurance_fund/0") == host.acknowledged < host.position
    again = world.host()
    await again.recover()
    assert again.position <= host.acknowledged
    log.pending[0].set_result(None)
    await caught_up(host, world)
    assert await log.marker("insurance_fund/0") == host.acknowledged == host.position


async def test_batches_in_flight_are_bounded(uncertain: tuple[World, UncertainLog]) -> None:
    world, log = uncertain
    host = await started(world.host(batch=1, in_flight=4))
    await world.ask(*range(1, 20))
    task = asyncio.ensure_future(caught_up(host, world))
    for _ in range(200):
        await asyncio.sleep(0)
    assert len(log.pending) <= 6
    assert host.position < 10
    while not task.done():
        for append in log.pending:
            if not append.done():
                append.set_result(None)
        await asyncio.sleep(0)
    await task
    assert host.acknowledged == host.position == world.position()


async def test_a_start_says_resumed(world: World) -> None:
    await run_once(world)
    await run_once(world)
    assert world.inbox().count(m.Resumed()) == 2


async def test_tick_comes_when_nothing_came_for_a_second_of_the_logs_clock(world: World) -> None:
    host = await run_and_kill(world)
    ticks = []
    for step_ms in (999, 1, 500, 499, 0, 1):
        world.now_ms += step_ms
        await host.turn()
        await caught_up(host, world)
        ticks.append(world.inbox().count(m.Tick()))
    assert ticks == [0, 1, 1, 1, 1, 2]


async def test_records_put_off_the_tick(world: World) -> None:
    host = await run_and_kill(world)
    for number in range(1, 5):
        world.now_ms += 900
        await world.ask(number)
        await caught_up(host, world)
    assert world.inbox().count(m.Tick()) == 0


async def test_continue_comes_while_work_is_left_and_nothing_else_arrives(world: World) -> None:
    await world.say(Sender("risk/9").record(deficit(1, 4, SLICES)))
    host = await started(world.host())
    while host.engine.state.slices or host.position < world.position():
        await host.turn()
    await host.turn()
    await host.turn()
    assert len(world.answers()) == 4
    assert world.inbox().count(m.Continue()) == 2


async def test_markers_come_about_ten_times_a_second(world: World) -> None:
    host = await run_and_kill(world, marker_ms=100)
    written: list[Milliseconds] = []
    write = world.log.write_marker

    async def noted(machine: str, offset: int) -> None:
        written.append(world.now_ms)
        await write(machine, offset)

    world.log.write_marker = noted  # type: ignore[method-assign]
    for number in range(1, 61):
        world.now_ms += 10
        await world.ask(number)
        await caught_up(host, world)
    assert len(written) == 6
    assert all(later - earlier >= 100 for earlier, later in pairwise(written))


async def test_only_the_own_queries_are_answered_and_only_while_running(world: World) -> None:
    host = world.host()
    with pytest.raises(PartitionStopped, match="is not running"):
        host.query()
    await caught_up(await started(host), world)
    assert host.query() is host.engine.state
    await host.finish()
    with pytest.raises(PartitionStopped, match="is not running"):
        host.query()


async def test_the_log_gives_the_time_that_the_machine_sees(world: World) -> None:
    world.now_ms = START_MS + 12_345
    await world.ask(1)
    host = await run_and_kill(world)
    assert host.query().now_ms == START_MS + 12_345
    assert msgspec.msgpack.decode(world.answers()[0])[4] == START_MS + 12_345
