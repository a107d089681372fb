"""The feeds read by faust-streaming, from Kafka: at least once, and each record acknowledged when the file that counts it is written.

What comes again after a crash is known by its `seq`, so it counts once. Faust keeps nothing of its own: no tables, no web server, no codec
but raw bytes. Its group on Kafka has the name that the file holds, so a new file reads every feed from the beginning.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import faust
import structlog
from faust.transport.drivers import aiokafka as driver

from services.analytics.reader import Points, PointsStopped
from services.analytics.reducer import FEEDS, Place
from services.analytics.state import Stream
from services.analytics.store import FileUnusable

SAVE_EVERY = 10_000
"""Records between two files at most."""
SAVE_SECONDS = 2.0
SESSION_SECONDS = 10.0
"""How long Kafka waits for a reader that was killed before another may read on; one with the same name need not wait."""

log = structlog.get_logger(__name__)


class CommittedThread(driver.AIOKafkaConsumerThread):
    """Reads nothing of transactions that were aborted, which Faust does only with transactions of its own."""

    def _create_worker_consumer(self, transport: Any) -> Any:  # noqa: ANN401 - aiokafka has no types
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - Faust has no setting for it
        return consumer


class CommittedConsumer(driver.Consumer):
    """A consumer on such a thread."""

    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(driver.Transport):
    """Makes such consumers."""

    Consumer = CommittedConsumer


class Reading(faust.App):
    """A Faust app that reads what is committed."""

    def _new_transport(self) -> CommittedTransport:
        return CommittedTransport(self.conf.broker_consumer, self)


class KafkaPoints:
    """Points kept by a Faust app."""

    def __init__(self, points: Points, bootstrap: str) -> None:
        self.points = points
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.taken: list[Any] = []
        self.app = new_app(points.store.reading, bootstrap, points.store.path.parent)
        topic = self.app.topic(*FEEDS, key_serializer="raw", value_serializer="raw")
        self.app.agent(topic, name="points")(self.read)

    async def read(self, stream: Any) -> None:  # noqa: ANN401 - Faust has few types
        """Take every record; what stops one stops all."""
        try:
            async for event in stream.noack().events():
                self.take(event)
        except (PointsStopped, FileUnusable) as error:
            self.fail(error)

    def take(self, event: Any) -> None:  # noqa: ANN401
        """Take one record, and keep it to be acknowledged; raises PointsStopped, FileUnusable."""
        message = event.message
        place = Place(message.topic, message.partition, message.offset)
        known = self.points.state.streams.get(place.stream, Stream())
        offset, early = known.offset, known.early
        self.points.take(place, message.value)
        if 0 < offset < place.offset and known.early > early:
            has_read_less = f"{self.points.store.path} has read less of {place.stream} than Kafka was told"
            raise PointsStopped(f"{has_read_less}: remove it, it is built anew from the feeds")
        self.taken.append(event)
        if len(self.taken) >= SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Write the file, then acknowledge what it counts; raises FileUnusable."""
        self.points.save()
        taken, self.taken = self.taken, []
        for event in taken:
            event.ack()

    async def save_again_and_again(self) -> None:
        """Save what came, for ever."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            try:
                self.save()
            except FileUnusable as error:
                self.fail(error)

    def fail(self, error: Exception) -> None:
        """Say what the reading ends with."""
        if not self.failed.done():
            self.failed.set_exception(error)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncio.Future[None]]:
        """Read for the length of a block, which gets what the reading fails with."""
        saving = asyncio.create_task(self.save_again_and_again())
        try:
            await self.app.start()
            yield self.failed
        finally:
            saving.cancel()
            if not self.failed.done():
                self.save()
            await self.app.stop()


def new_app(reading: str, bootstrap: str, folder: Path) -> Reading:
    """The Faust app of a file; it makes no topics and serves nothing."""
    return Reading(
        f"vigil-points-{reading}",
        broker=[f"kafka://{address}" for address in bootstrap.split(",")],
        autodiscover=False,
        loop=asyncio.get_running_loop(),
        datadir=folder / "faust",
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id="points",
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=SESSION_SECONDS / 4,
        broker_commit_interval=SAVE_SECONDS,
        key_serializer="raw",
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        stream_wait_empty=False,
    )
