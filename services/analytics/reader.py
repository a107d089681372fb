"""Feeds read into a state by one process, from any home of the log: how points are kept without Kafka, and how they are built anew."""

import asyncio

from google.protobuf.message import DecodeError

from services.analytics.reducer import FEEDS, Place, apply
from services.analytics.state import State, Stream
from services.analytics.store import Store
from services.core.log import Log
from vigil.v1 import feeds_pb2 as pb

BATCH = 1_000
WAIT_MS = 200
SAVE_SECONDS = 10.0
MEASURE_SECONDS = 1.0


class PointsStopped(Exception):
    """A feed holds what is no record of a feed."""


class Points:
    """Points as they are kept: the state, its file, and how far behind the feeds it is."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.state = store.state
        self.changes = 0
        self.saved = 0
        self.behind = 0
        """Records of the feeds not read yet, when that was last looked at."""

    def take(self, place: Place, value: bytes) -> None:
        """Take one record as it stands in its feed; raises PointsStopped."""
        apply(self.state, place, decoded(place, value))
        self.changes += 1

    def save(self) -> None:
        """Write the file if there is anything new; raises FileUnusable."""
        if self.changes != self.saved:
            self.store.save()
            self.saved = self.changes

    async def measure(self, home: Log, places: list[tuple[str, int]]) -> None:
        """See how far behind the ends of the feeds the state is; raises LogError."""
        behind = 0
        for topic, partition in places:
            behind += await home.end(topic, partition) - offset_of(self.state, topic, partition)
        self.behind = max(0, behind)


def decoded(place: Place, value: bytes) -> pb.FeedRecord:
    """One record; raises PointsStopped."""
    try:
        return pb.FeedRecord.FromString(value)
    except DecodeError as error:
        raise PointsStopped(f"{place.stream} offset {place.offset} holds no feed record: {error}") from error


def offset_of(state: State, topic: str, partition: int) -> int:
    """Next offset of a feed partition."""
    return state.streams.get(f"{topic}/{partition}", Stream()).offset


async def places_of(home: Log) -> list[tuple[str, int]]:
    """Partitions of the feeds that points are made of; raises LogError."""
    topics = await home.topics()
    return [(topic, partition) for topic in FEEDS for partition in range(topics.get(topic, 0))]


async def turn(points: Points, home: Log, topic: str, partition: int, wait_ms: int = WAIT_MS) -> int:
    """Read what is there of one partition; returns how many records that were. Raises LogError, PointsStopped."""
    offset = offset_of(points.state, topic, partition)
    records = await home.read(topic, partition, offset, BATCH, wait_ms)
    for record in records:
        points.take(Place(topic, partition, record.offset), record.value)
    return len(records)


async def read_all(points: Points, home: Log) -> int:
    """Read every feed to its present end; returns how many records that were. Raises LogError, PointsStopped."""
    places = await places_of(home)
    total = 0
    for topic, partition in places:
        while read := await turn(points, home, topic, partition, wait_ms=0):
            total += read
    await points.measure(home, places)
    return total


async def follow(points: Points, home: Log) -> None:
    """Read on for ever, and save now and then and at the end; raises what stops the reading."""
    places = await places_of(home)
    await points.measure(home, places)
    try:
        async with asyncio.TaskGroup() as group:
            for topic, partition in places:
                group.create_task(follow_one(points, home, topic, partition))
            group.create_task(measure(points, home, places))
            group.create_task(keep(points))
    finally:
        points.save()


async def follow_one(points: Points, home: Log, topic: str, partition: int) -> None:
    """Read one partition for ever."""
    while True:
        await turn(points, home, topic, partition)


async def measure(points: Points, home: Log, places: list[tuple[str, int]]) -> None:
    """See for ever how far behind the feeds the points are; raises LogError."""
    while True:
        await asyncio.sleep(MEASURE_SECONDS)
        await points.measure(home, places)


async def keep(points: Points) -> None:
    """Save for ever; raises FileUnusable."""
    while True:
        await asyncio.sleep(SAVE_SECONDS)
        points.save()
