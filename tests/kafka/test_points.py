"""Points kept by Faust from a real broker: killed again and again, or begun anew, they are those of the reducer over the same records."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from deploy.kafka.broker import Cluster, free_ports
from services.analytics.api import Servicer
from services.analytics.reader import Points
from services.analytics.state import Stream
from services.analytics.store import Store
from services.core.kafka_log import KafkaLog, KafkaSettings
from services.core.rpc import open_channel
from services.core.topics import SERVICES, all_topics
from tests.builders import ALICE, BITCOIN, BOB, BTC, CAROL, COIN, SPOT, USDC
from tests.kafka.processes import Process, wait_until
from tests.unit.analytics.week import (
    BEGIN,
    CENT,
    COIN_8,
    END,
    TERMS,
    Feed,
    Feeds,
    Told,
    balance,
    fill,
    marks,
    new_feeds,
    position,
    read,
)
from vigil.v1 import points_pb2 as pb
from vigil.v1 import points_pb2_grpc as rpc

pytestmark = pytest.mark.slow
PARTITIONS = dict.fromkeys(SERVICES, 1) | {"risk": 2}
KILLS = 4
STEP_MS = 200_000
PEOPLE = (ALICE, BOB, CAROL)


def load(feeds: Feeds, seed: int, begin: int, steps: int) -> list[list[Told]]:
    """Say what people do in so many steps of time; returns what is new of each stream."""
    luck = random.Random(seed)
    said = [len(stream) for stream in feeds.streams]
    for number in range(begin, begin + steps):
        at_ms, who = BEGIN + (number + 1) * STEP_MS, luck.choice(PEOPLE)
        feeds.markets.tell(at_ms, marks(luck.randint(4_000, 12_000)))
        feeds.account(who).tell(
            at_ms,
            fill(who, luck.choice((BTC.id, SPOT.id)), luck.randint(1, COIN), luck.randint(4_000, 12_000) * CENT),
            position(who, BTC.id, luck.randint(-COIN, COIN)),
            balance(
                who, luck.choice((USDC.id, BITCOIN.id)), lent=luck.randint(0, 1) * COIN_8, owed=luck.randint(0, COIN_8)
            ),
        )
    return [stream[first:] for stream, first in zip(feeds.streams, said, strict=True)]


async def write(home: KafkaLog, new: list[list[Told]], repeats: int = 0) -> None:
    """Append what is new; of each stream the last records twice, as a machine that starts again does."""
    for stream in new:
        if stream:
            values = [one.value for one in stream]
            await (await home.append(*stream[0].place[:2], [*values, *values[-repeats:]] if repeats else values))


async def write_aborted(bootstrap: str, told: Told) -> None:
    """A record of a transaction that is aborted."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="aborting")
    await producer.start()
    await producer.begin_transaction()
    await (await producer.send(told.place.topic, told.value, partition=told.place.partition))
    await producer.abort_transaction()
    await producer.stop()


def never_said(feed: Feed) -> Told:
    """A trade with the number of the record that comes next: were it read, that one would be taken for a repeat."""
    beside = Feed(feed.topic, feed.machine, feed.partition)
    beside.told = list(feed.told)
    beside.tell(END, fill(ALICE, BTC.id, 1_000 * COIN, 9_000 * CENT))
    return beside.told[-1]


@pytest.fixture
async def home(kafka_tools: None) -> AsyncIterator[KafkaLog]:
    """A broker with the topics of a venue of two shards."""
    del kafka_tools
    cluster = await asyncio.to_thread(Cluster().start)
    home = KafkaLog(cluster.bootstrap, KafkaSettings())
    try:
        await home.create(all_topics(PARTITIONS))
        yield home
    finally:
        await home.close()
        await asyncio.to_thread(cluster.stop)


def analytics(home: KafkaLog, folder: Path) -> Process:
    """The service."""
    (port,) = free_ports(1)
    environment = {
        "VIGIL_KAFKA": home.bootstrap,
        "VIGIL_ANALYTICS_FILE": str(folder / "points.json"),
        "VIGIL_ANALYTICS_GRPC": f"127.0.0.1:{port}",
    }
    return Process("analytics", "services.analytics", environment, f"127.0.0.1:{port}", [""], folder)


async def acknowledged(bootstrap: str, file: Path) -> dict[str, int]:
    """What Kafka was told to be read, by the group whose name the file has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(f"vigil-points-{Store(file).reading}")
    finally:
        await admin.close()
    return {f"{place.topic}/{place.partition}": one.offset for place, one in found.items() if one.offset > 0}


async def answers(process: Process) -> list[pb.Points]:
    """What the service says of everybody."""
    channel = open_channel(process.address)
    stub: rpc.PointsQueriesAsyncStub = rpc.PointsQueriesStub(channel)
    try:
        found = [await stub.GetPoints(pb.PointsQuery(account=who.account), timeout=5) for who in PEOPLE]
    finally:
        await channel.close()
    for one in found:
        one.ClearField("behind")  # the mark of the aborted transaction has an offset, too, and is never read
    return found


async def expected(feeds: Feeds, folder: Path) -> list[pb.Points]:
    """What the same reducer says in this process."""
    points = Points(Store(folder / "expected.json"))
    read((one for stream in feeds.streams for one in stream), points.state)
    servicer = Servicer(points, TERMS)
    return [await servicer.GetPoints(pb.PointsQuery(account=who.account), None) for who in PEOPLE]  # type: ignore[arg-type]


async def wait_until_same(process: Process, feeds: Feeds, folder: Path) -> list[pb.Points]:
    """Wait until the service says what the reducer says; AssertionError when it never does."""
    wanted = await expected(feeds, folder)
    seen: list[pb.Points] = []

    async def same() -> bool:
        seen[:] = await answers(process) if await process.is_healthy() else []
        return seen == wanted

    try:
        await wait_until(same, "the points are those of the reducer", 60)
    except AssertionError:
        assert str(seen) == str(wanted)
        raise
    return wanted


async def test_points_survive_kills_and_are_built_anew(home: KafkaLog, tmp_path: Path) -> None:
    feeds = new_feeds()
    process, file = analytics(home, tmp_path), tmp_path / "points.json"
    await write(home, feeds.streams)
    await process.start()
    await process.wait_until_healthy()
    try:
        for kill in range(KILLS):
            before = sum((await acknowledged(home.bootstrap, file)).values())
            await write(home, load(feeds, kill, kill * 500, 500), repeats=10)

            async def has_got_on(kill: int = kill, before: int = before) -> bool:
                """Killed when it has acknowledged, or in the middle of reading."""
                if kill % 2:
                    process.check()
                    return sum((await acknowledged(home.bootstrap, file)).values()) > before
                return await process.is_healthy() and (await answers(process))[0].at_ms > BEGIN + kill * 500 * STEP_MS

            await wait_until(has_got_on, "a part is read")
            await process.kill()
            told = await acknowledged(home.bootstrap, file)
            counted = Store(file).state.streams
            assert {
                place: offset for place, offset in told.items() if offset > counted.get(place, Stream()).offset
            } == {}
        await write_aborted(home.bootstrap, never_said(feeds.account(ALICE)))
        beyond = [len(stream) for stream in feeds.streams]
        feeds.markets.tell(END + 27 * 3_600_000, marks(9_000))
        feeds.account(ALICE).tell(END + 27 * 3_600_000, fill(ALICE, BTC.id, COIN, 9_000 * CENT))
        await write(home, [stream[first:] for stream, first in zip(feeds.streams, beyond, strict=True)])
        wanted = await wait_until_same(process, feeds, tmp_path)
        assert [len(one.weeks) for one in wanted] == [2, 2, 2]
        assert sum(one.points for one in wanted) == 2 * TERMS.week_points
        await process.stop()
        file.unlink()
        await process.start()
        await wait_until_same(process, feeds, tmp_path)
        await process.stop()
    finally:
        await process.end(signal.SIGKILL)
