"""Feeds read from Kafka directly: each record once, in the order of its partition; it commits nothing and writes nothing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from google.protobuf.message import DecodeError

from services.client.errors import ClientError, Unreachable
from services.client.listed import Listed
from services.core.topics import DIGESTS, ROUTES, topic_of
from vigil.v1 import feeds_pb2, market_data_pb2

try:
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.errors import KafkaError
except ImportError as error:  # pragma: no cover - the extra is part of every installation that tests
    raise ClientError("reading Kafka needs aiokafka: pip install 'vigil-exchange[kafka]'") from error

READ_MAX = 500
READ_MS = 1_000
ANSWER_MS = 10_000
"""How long a broker may take to answer."""


def subjects() -> tuple[str, ...]:
    """What there are feeds of: account, book, trades and so on."""
    hops = chain.from_iterable(row.hops for row in ROUTES)
    topics = {DIGESTS, *(topic_of(hop) for hop in hops if hop.reader.startswith("feed."))}
    return tuple(sorted(topic.removeprefix("feed.") for topic in topics))


@dataclass(frozen=True, slots=True)
class Line:
    """A record of a feed and where it stood; `missing` records before it were not there."""

    topic: str
    partition: int
    record: feeds_pb2.FeedRecord
    missing: int


class Numbers:
    """What was read of one topic: repeats, which a writer makes after a crash, and gaps, which it never makes, are seen by `seq`."""

    def __init__(self) -> None:
        self.last: dict[int | str, int] = {}

    def missing_before(self, partition: int, record: feeds_pb2.FeedRecord) -> int | None:
        """How many records are missing before this one; None when it was there before. Digests have offsets instead, with gaps."""
        is_digest = record.WhichOneof("event") == "digest_announced"
        place: int | str = record.machine if is_digest else partition
        number = record.digest_announced.offset if is_digest else record.seq
        last = self.last.get(place)
        if last is not None and number <= last:
            return None
        self.last[place] = number
        return 0 if last is None or is_digest else number - last - 1


@asynccontextmanager
async def reader(bootstrap: str) -> AsyncIterator[Any]:
    """Consumer without a group; Unreachable when there is no broker, or it stops answering."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", request_timeout_ms=ANSWER_MS, group_id=None
    )
    try:
        await consumer.start()
        yield consumer
    except (KafkaError, OSError, ValueError) as error:
        raise Unreachable(f"Kafka at {bootstrap}: {error!r}") from error
    finally:
        await consumer.stop()


async def places_of(consumer: Any, topic: str) -> list[Any]:  # noqa: ANN401 - aiokafka has no types
    """Every partition of a topic, assigned to the consumer; ClientError when there is no such topic."""
    there = await consumer.topics()
    if topic not in there:
        found = sorted(one.removeprefix("feed.") for one in there if one.startswith("feed."))
        raise ClientError(f"this Kafka has no topic {topic}; feeds there: {', '.join(found) or 'none'}")
    consumer.subscribe([topic])
    await consumer.getmany(timeout_ms=0)
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]


async def read_feed(
    bootstrap: str, subject: str, *, from_start: bool = False, until_end: bool = False
) -> AsyncIterator[Line]:
    """Records of a feed, each once: from now on, or from the oldest that is kept; for ever, or until what is there now is read.

    Raises   Unreachable: no broker; ClientError: no such feed, or what it holds is none
    """
    topic = f"feed.{subject}"
    async with reader(bootstrap) as consumer:
        places = await places_of(consumer, topic)
        ends = await consumer.end_offsets(places)
        begins = await consumer.beginning_offsets(places)
        for place in places:
            # What came just before is read too, so that repeats of it are known; it is not passed on.
            consumer.seek(place, begins[place] if from_start else max(begins[place], ends[place] - READ_MAX))
        async for line, offset in lines(consumer, topic, ends if until_end else None):
            if from_start or offset >= ends[TopicPartition(topic, line.partition)]:
                yield line


async def lines(consumer: Any, topic: str, ends: dict[Any, int] | None) -> AsyncIterator[tuple[Line, int]]:  # noqa: ANN401
    """New records with their offset, until all partitions are read up to `ends`."""
    numbers = Numbers()
    while ends is None or await is_behind(consumer, ends):
        batches = await consumer.getmany(timeout_ms=READ_MS, max_records=READ_MAX)
        for message in chain.from_iterable(batches.values()):
            record = decoded(topic, message)
            missing = numbers.missing_before(message.partition, record)
            is_wanted = ends is None or message.offset < ends[TopicPartition(topic, message.partition)]
            if missing is not None and is_wanted:
                yield Line(topic, message.partition, record, missing), message.offset


async def is_behind(consumer: Any, ends: dict[Any, int]) -> bool:  # noqa: ANN401
    """Whether a partition is not read up to its end."""
    for place, end in ends.items():
        if await consumer.position(place) < end:
            return True
    return False


def decoded(topic: str, message: Any) -> feeds_pb2.FeedRecord:  # noqa: ANN401
    """One record; ClientError when it is none."""
    try:
        return feeds_pb2.FeedRecord.FromString(message.value)
    except DecodeError:
        where = f"{topic}/{message.partition} at offset {message.offset}"
        raise ClientError(f"{where} holds what is no FeedRecord: is this the Kafka of a Vigil venue?") from None


async def read_listed(bootstrap: str) -> Listed:
    """Assets and markets as the feeds tell them, without a gateway."""
    assets, markets = {}, {}
    for subject in ("settlement", "markets"):
        async for line in read_feed(bootstrap, subject, from_start=True, until_end=True):
            record = line.record
            if record.HasField("asset_listed"):
                assets[record.asset_listed.asset.id] = record.asset_listed.asset
            for name in ("market_listed", "market_changed"):
                if record.HasField(name):
                    market = getattr(record, name).market
                    markets[market.id] = market
    return Listed(market_data_pb2.Listings(assets=assets.values(), markets=markets.values()))


def about(market: int, account: int) -> Callable[[feeds_pb2.FeedRecord], bool]:
    """Whether a record is about a market and an account; 0 takes all."""

    def is_wanted(record: feeds_pb2.FeedRecord) -> bool:
        event: Any = getattr(record, record.WhichOneof("event") or "command_resolved")
        markets = [getattr(event, "market", 0), *(one.market for one in getattr(event, "marks", ()))]
        own = getattr(event, "account", 0) or getattr(event, "subaccount", 0) >> 8
        return (not market or market in {getattr(one, "id", one) for one in markets}) and (
            not account or own == account
        )

    return is_wanted
