"""The log on Kafka: one idempotent producer, one consumer per read position, static assignment; no groups, no transactions.

An append is one batch of at most BATCH_BYTES and lands whole or not at all; a longer one is split, in order, and may land in part when
it fails. Records wait for all in-sync replicas. `close` flushes nothing: what was not acknowledged has failed.

A marker is the last record of a compacted topic of its machine, not the offset of a group: those expire seven days after a venue
stopped, which would replay it from genesis, and need a coordinator of their own; a record needs nothing beyond what appends need.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaError, KafkaTimeoutError, OffsetOutOfRangeError, TopicAlreadyExistsError, for_code

from services.core.fixed import Milliseconds
from services.core.log import AppendFailed, LogError, LogRecord, Pending, RecordsExpired
from services.core.memory_log import wall_clock_ms

BATCH_BYTES = 1_000_000
"""Just under what a broker takes as one batch by default."""
RECORD_BYTES_MAX = 950_000
FETCH_BYTES = 1_048_576
FETCH_WAIT_MS = 500
"""How long a broker holds back the answer to a read at the end of a partition, unless a record comes; a quiet venue asks so often."""
READERS_MAX = 4
"""Read positions kept open per partition; more readers than that take turns and seek."""
FEED_RETENTION_MS = 7 * 24 * 3_600_000
MARKERS = "marker."

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class KafkaSettings:
    """How patient the log is, and how many copies its topics have."""

    replicas: int = 1
    attempts: int = 5
    backoff_ms: int = 200
    call_ms: int = 10_000
    append_ms: int = 30_000
    silence_ms: int = 30_000


@dataclass(slots=True)
class Reader:
    """A consumer at its position; `fresh` until a broker has answered it there."""

    consumer: Any
    position: int
    busy: bool = True
    fresh: bool = True
    silent_ms: int = 0


@dataclass(slots=True)
class Clients:
    """Connections to the cluster; `asker` reads nothing, it asks for offsets."""

    producer: Any
    admin: Any
    asker: Any


@dataclass(slots=True)
class Partition:
    """What is kept of one partition: who reads it, and the lock that keeps the batches of one append together."""

    readers: list[Reader] = field(default_factory=list)
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)


def as_log_record(key: bytes | None) -> bytes | None:
    """Mark a consumer as one of a log's: its keys are left as they are, its records become LogRecords."""
    return key


class LogRecords(fetcher.PartitionRecords):  # type: ignore[misc] # aiokafka has no types
    """Fetched records with the three fields that a log reads instead of eleven, which is half of what reading costs.

    aiokafka has no setting for it, so this class stands in for its own; consumers that are no log's get what they always get.
    """

    def _consumer_record(self, tp: TopicPartition, record: Any) -> Any:  # noqa: ANN401
        if self._key_deserializer is not as_log_record:
            return super()._consumer_record(tp, record)
        return LogRecord(record.offset, record.timestamp, record.value)


fetcher.PartitionRecords = LogRecords


class KafkaLog:
    """Topics of a Kafka cluster; an append is acknowledged when all in-sync replicas have it."""

    def __init__(self, bootstrap: str, settings: KafkaSettings | None = None) -> None:
        """Log at `bootstrap` ("host:port,host:port"); it connects at its first use, or at `connect`."""
        self.now_ms = wall_clock_ms
        self.bootstrap = bootstrap
        self.settings = settings or KafkaSettings()
        self.clients: Clients | None = None
        self.connecting = asyncio.Lock()
        self.counts: dict[str, int] = {}
        self.copies = 1
        self.keeps_times: dict[str, bool] = {}
        self.partitions: defaultdict[TopicPartition, Partition] = defaultdict(Partition)
        self.unacknowledged: set[asyncio.Future[None]] = set()
        self.closed = False

    async def connect(self) -> Clients:
        """Reach the cluster, once; LogError after bounded retries."""
        if self.closed:
            raise LogError(f"the log on Kafka at {self.bootstrap} is closed")
        if self.clients is not None:
            return self.clients
        async with self.connecting:
            if self.clients is None:
                self.clients = await self.attempt("connect (start a broker, or correct the address)", self.start)
        return self.clients

    async def start(self) -> Clients:
        """Start all clients, or none."""
        started: list[Any] = []
        try:
            for make in (self.new_producer, self.new_admin, self.new_consumer):
                started.append(make())
                await started[-1].start()
        except BaseException:
            for client in started:
                await stop(client)
            raise
        return Clients(*started)

    def new_producer(self) -> Any:  # noqa: ANN401 - aiokafka has no types
        """Producer that keeps order and repeats nothing over its own retries."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=self.settings.call_ms,
        )
        # By default a batch waits no longer for a leader than for one answer: too short for the restart of a broker.
        producer._message_accumulator._batch_ttl = self.settings.append_ms / 1_000  # noqa: SLF001
        return producer

    def new_admin(self) -> Any:  # noqa: ANN401 - aiokafka has no types
        """Client that creates and describes topics."""
        return AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=self.settings.call_ms)

    def new_consumer(self) -> Any:  # noqa: ANN401 - aiokafka has no types
        """Consumer without group, which never resets its own position."""
        return AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="none",
            key_deserializer=as_log_record,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
            request_timeout_ms=self.settings.call_ms,
        )

    async def attempt(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Do a call that may be repeated, with bounded retries and a log line each; LogError at the end."""
        reason: BaseException | None = None
        for number in range(1, self.settings.attempts + 1):
            try:
                async with asyncio.timeout(self.settings.call_ms / 1_000):
                    return await call()
            except (KafkaError, OSError, TimeoutError) as error:
                reason = error
                log.warning("kafka_call_failed", call=what, at=self.bootstrap, attempt=number, error=repr(error))
            await asyncio.sleep(number * self.settings.backoff_ms / 1_000)
        raise LogError(
            f"Kafka at {self.bootstrap} failed {self.settings.attempts} times to {what}: {reason!r}"
        ) from reason

    async def create(self, topics: dict[str, int], *, keep_times: bool = False) -> None:
        """Create missing topics, with everything said that a broker's defaults could say otherwise."""
        existing = await self.topics()
        missing = {topic: count for topic, count in topics.items() if topic not in existing}
        wanted = {name: (count, configuration(name, keep_times)) for name, count in missing.items()}
        await self.make(wanted, self.settings.replicas)
        for topic, count in topics.items():
            if self.counts.get(topic) != count:
                raise LogError(
                    f"topic {topic} has {self.counts.get(topic)} partitions, not {count}: start a new generation"
                )

    async def make(self, topics: dict[str, tuple[int, dict[str, str]]], copies: int) -> None:
        """Create topics and wait until each partition has a leader; one that somebody else just made is fine."""
        if not topics:
            return
        clients = await self.connect()
        safe = {"min.insync.replicas": str(max(1, copies - 1)), "unclean.leader.election.enable": "false"}
        wanted = [NewTopic(name, count, copies, topic_configs=rest | safe) for name, (count, rest) in topics.items()]

        async def created() -> None:
            answer = await clients.admin.create_topics(wanted)
            for name, code, text in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"{name}: {text}")

        async def led() -> None:
            found = await clients.admin.describe_topics(list(topics))
            while not all(is_led(topic) for topic in found):
                await asyncio.sleep(0.01)
                found = await clients.admin.describe_topics(list(topics))
            self.counts |= {topic["topic"]: len(topic["partitions"]) for topic in found}

        await self.attempt(f"create topics {', '.join(topics)}", created)
        await self.attempt(f"elect leaders of {', '.join(topics)}", led)

    async def topics(self) -> dict[str, int]:
        """Topics with their numbers of partitions, but markers and the broker's own; what one broker knew, the next may not know yet."""
        clients = await self.connect()
        found = await self.attempt("list topics", clients.admin.describe_topics)
        self.counts |= {topic["topic"]: len(topic["partitions"]) for topic in found}
        self.copies = max([self.copies, *(len(place["replicas"]) for topic in found for place in topic["partitions"])])
        return {name: count for name, count in self.counts.items() if not name.startswith(("__", MARKERS))}

    async def place(self, topic: str, partition: int) -> TopicPartition:
        """Name of an existing partition; LogError when there is none."""
        if not 0 <= partition < self.counts.get(topic, 0):
            await self.topics()
        if not 0 <= partition < self.counts.get(topic, 0):
            raise LogError(
                f"no topic partition {topic}/{partition} on Kafka at {self.bootstrap}: create its topic first"
            )
        return TopicPartition(topic, partition)

    async def keeps(self, topic: str) -> bool:
        """Whether a topic's records bring their times, as it was created."""
        if topic not in self.keeps_times:
            clients = await self.connect()
            asked = [ConfigResource(ConfigResourceType.TOPIC, topic, {"message.timestamp.type": ""})]
            (answer,) = await self.attempt(f"describe {topic}", lambda: clients.admin.describe_configs(asked))
            self.keeps_times[topic] = answer.resources[0][4][0][1] == "CreateTime"
        return self.keeps_times[topic]

    async def append(
        self, topic: str, partition: int, values: Sequence[bytes], at_ms: Sequence[Milliseconds] | None = None
    ) -> Pending:
        """Hand over records; waits while an earlier batch of this partition has not left yet.

        Raises   LogError before anything is sent; AppendFailed, here or from the Pending, when the outcome is not known
        """
        clients = await self.connect()
        place = await self.place(topic, partition)
        if (at_ms is not None) != await self.keeps(topic):
            raise LogError(f"topic {topic} {'does not take' if at_ms is not None else 'needs'} times with its records")
        times = at_ms if at_ms is not None else [self.now_ms()] * len(values)
        batches = fill(clients.producer, topic, values, times)
        sent = []
        async with self.partitions[place].sending:
            for batch in batches:
                try:
                    sent.append(await self.hand_over(clients.producer, batch, place))
                except KafkaError as error:
                    raise AppendFailed(f"{place} on Kafka at {self.bootstrap}: {error!r}") from error
        return self.pending(place, sent)

    async def hand_over(self, producer: Any, batch: Any, place: TopicPartition) -> asyncio.Future[Any]:  # noqa: ANN401
        """Queue a batch once the one before it has left; a broker may restart meanwhile."""
        deadline = asyncio.get_running_loop().time() + self.settings.append_ms / 1_000
        while True:
            try:
                sent: asyncio.Future[Any] = await producer.send_batch(batch, place.topic, partition=place.partition)
            except KafkaTimeoutError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            else:
                return sent

    def pending(self, place: TopicPartition, sent: list[asyncio.Future[Any]]) -> asyncio.Future[None]:
        """Future of an append: done when all its batches are acknowledged, failed when one failed or time is up."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[None] = loop.create_future()
        if not sent:
            outcome.set_result(None)
            return outcome
        left = len(sent)

        def settle(batch: asyncio.Future[Any]) -> None:
            nonlocal left
            left -= 1
            if error := batch.exception():
                fail(outcome, f"{place} on Kafka at {self.bootstrap}: {error!r}")
            elif not left and not outcome.done():
                outcome.set_result(None)

        late = f"{place} on Kafka at {self.bootstrap}: not acknowledged within {self.settings.append_ms} ms"
        timer = loop.call_later(self.settings.append_ms / 1_000, fail, outcome, late)
        self.unacknowledged.add(outcome)
        outcome.add_done_callback(self.unacknowledged.discard)
        outcome.add_done_callback(lambda _: timer.cancel())
        for batch in sent:
            batch.add_done_callback(settle)
        return outcome

    async def read(self, topic: str, partition: int, offset: int, limit: int, wait_ms: int) -> list[LogRecord]:
        """Return what is there from `offset` on; wait for the first record at most `wait_ms`.

        Raises   LogError: no such partition, records expired, or no broker answered for a while
        """
        place = await self.place(topic, partition)
        async with self.reader(place, offset) as reader:
            try:
                found = await self.poll(place, reader, limit, wait_ms)
            except OffsetOutOfRangeError as error:
                if offset < await self.end(topic, partition):
                    raise RecordsExpired(
                        f"{place} no longer has its record {offset}: restore it from the archive"
                    ) from error
                await asyncio.sleep(wait_ms / 1_000)
                return []
            except KafkaError as error:
                raise LogError(f"{place} could not be read from Kafka at {self.bootstrap}: {error!r}") from error
            if found:
                reader.position = found[-1].offset + 1
        return found

    async def poll(self, place: TopicPartition, reader: Reader, limit: int, wait_ms: int) -> list[LogRecord]:
        """Records at a reader's position. A fresh reader, or one that may not wait, asks first whether there are any."""
        answered = reader.consumer.last_poll_timestamp(place)
        found: dict[TopicPartition, list[LogRecord]] = await reader.consumer.getmany(
            place, timeout_ms=wait_ms, max_records=limit
        )
        if not found and (reader.fresh or not wait_ms) and await self.end(*place) > reader.position:
            found = await reader.consumer.getmany(place, timeout_ms=self.settings.call_ms, max_records=limit)
        reader.fresh = False
        heard = found or reader.consumer.last_poll_timestamp(place) != answered
        reader.silent_ms = 0 if heard else reader.silent_ms + wait_ms
        if reader.silent_ms > self.settings.silence_ms:
            raise LogError(f"Kafka at {self.bootstrap} has not answered a read of {place} for {reader.silent_ms} ms")
        return found.get(place, [])

    @asynccontextmanager
    async def reader(self, place: TopicPartition, offset: int) -> AsyncIterator[Reader]:
        """Borrow the consumer that stands at `offset`, else a new one, else the one longest unused."""
        readers = self.partitions[place].readers
        idle = [reader for reader in readers if not reader.busy]
        reader = next((reader for reader in idle if reader.position == offset), None)
        if reader is None and idle and len(readers) >= READERS_MAX:
            reader = idle[0]
            reader.consumer.seek(place, offset)
            reader.position, reader.fresh = offset, True
        if reader is None:
            consumer = await self.attempt(f"read {place}", lambda: self.start_reader(place, offset))
            reader = Reader(consumer, offset)
            readers.append(reader)
        reader.busy = True
        try:
            yield reader
        finally:
            reader.busy = False
            readers.remove(reader)
            if len(readers) < READERS_MAX:
                readers.append(reader)
            else:
                await reader.consumer.stop()

    async def start_reader(self, place: TopicPartition, offset: int) -> Any:  # noqa: ANN401 - aiokafka has no types
        """Start a consumer of one partition."""
        consumer = self.new_consumer()
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        consumer.assign([place])
        consumer.seek(place, offset)
        return consumer

    async def end(self, topic: str, partition: int) -> int:
        """Offset of the next record."""
        clients = await self.connect()
        place = await self.place(topic, partition)
        ends = await self.attempt(f"find the end of {place}", lambda: clients.asker.end_offsets([place]))
        return int(ends[place])

    async def marker(self, machine: str) -> int:
        """Last marker, 0 for none."""
        topic = await self.marker_topic(machine)
        end = await self.end(topic, 0)
        records = await self.read(topic, 0, end - 1, 1, self.settings.call_ms) if end else []
        for reader in self.partitions.pop(TopicPartition(topic, 0), Partition()).readers:
            await reader.consumer.stop()
        return int(records[0].value) if records else 0

    async def write_marker(self, machine: str, offset: int) -> None:
        """Note a marker."""
        clients = await self.connect()
        topic = await self.marker_topic(machine)
        try:
            async with asyncio.timeout(self.settings.append_ms / 1_000):
                sent = await clients.producer.send(topic, str(offset).encode(), key=machine.encode(), partition=0)
                await sent
        except (KafkaError, TimeoutError) as error:
            raise LogError(
                f"the marker of {machine} was not written to Kafka at {self.bootstrap}: {error!r}"
            ) from error

    async def marker_topic(self, machine: str) -> str:
        """Name of a machine's marker topic, made if missing with as many copies as others have; only its last record counts."""
        topic = MARKERS + machine.replace("/", ".")
        if topic not in self.counts:
            await self.topics()
        if topic not in self.counts:
            small = {
                "cleanup.policy": "compact",
                "segment.bytes": str(2**20),
                "message.timestamp.type": "LogAppendTime",
            }
            await self.make({topic: (1, small)}, self.copies)
        return topic

    async def close(self) -> None:
        """Drop all connections without flushing; unacknowledged appends fail."""
        self.closed = True
        for outcome in list(self.unacknowledged):
            fail(outcome, f"the log on Kafka at {self.bootstrap} was closed before the acknowledgement")
        clients, self.clients = self.clients, None
        consumers = [reader.consumer for place in self.partitions.values() for reader in place.readers]
        self.partitions.clear()
        if clients is not None:
            await abandon(clients.producer)
            consumers.append(clients.asker)
            await clients.admin.close()
        for consumer in consumers:
            if consumer is not None:
                await consumer.stop()


def configuration(topic: str, keep_times: bool) -> dict[str, str]:  # noqa: FBT001 - one caller
    """Settings of a topic: feeds expire, since read models start from their owners' snapshots; all else is kept."""
    kept = {"retention.ms": str(FEED_RETENTION_MS) if topic.startswith("feed.") else "-1", "retention.bytes": "-1"}
    if keep_times:
        unlimited = str(2**63 - 1)
        limits = {"message.timestamp.before.max.ms": unlimited, "message.timestamp.after.max.ms": unlimited}
        return kept | limits | {"message.timestamp.type": "CreateTime", "cleanup.policy": "delete"}
    return kept | {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete"}


def is_led(topic: dict[str, Any]) -> bool:
    """Whether each partition of a described topic has a leader."""
    return bool(topic["partitions"]) and all(partition["leader"] >= 0 for partition in topic["partitions"])


def fill(producer: Any, topic: str, values: Sequence[bytes], times: Sequence[Milliseconds]) -> list[Any]:  # noqa: ANN401
    """Put records into as few batches as they fit in; LogError for one that fits in none."""
    if len(times) != len(values):
        raise LogError(f"{len(values)} records came with {len(times)} times")
    batches: list[Any] = []
    batch = None
    for value, at_ms in zip(values, times, strict=True):
        if len(value) > RECORD_BYTES_MAX:
            raise LogError(f"a record of {len(value)} bytes is too long for {topic}: at most {RECORD_BYTES_MAX}")
        if batch is None or batch.append(timestamp=at_ms, key=None, value=value) is None:
            batch = producer.create_batch()
            batch.append(timestamp=at_ms, key=None, value=value)
            batches.append(batch)
    return batches


def fail(outcome: asyncio.Future[None], reason: str) -> None:
    """Fail an append unless it is settled; that nobody waits for it is no news of its own."""
    if not outcome.done():
        outcome.set_exception(AppendFailed(reason))
        outcome.exception()


async def stop(client: Any) -> None:  # noqa: ANN401 - aiokafka has no types
    """Stop a client that may have started only in part."""
    await (client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())


async def abandon(producer: Any) -> None:  # noqa: ANN401 - aiokafka has no types
    """Stop a producer without flushing, which its own `stop` would do: its sender is cancelled, and again while it waits for answers."""
    sender = producer._sender.sender_task  # noqa: SLF001
    sender.cancel()
    await producer.client.close()
    while not sender.done():
        sender.cancel()
        await asyncio.wait([sender], timeout=0.1)
    producer._closed = True  # noqa: SLF001
