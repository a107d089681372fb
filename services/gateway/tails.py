"""Feeds as they grow: one reader per topic partition, which drops repeats and hands every record on; it interprets nothing."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import structlog
from google.protobuf.message import DecodeError

from services.core.log import Log, LogError
from vigil.v1 import feeds_pb2

log = structlog.get_logger(__name__)

READ_LIMIT = 1_000
WAIT_MS = 200
RETRY_S = 1.0


class FeedEvent(NamedTuple):
    """One record of a feed, read, and its bytes."""

    topic: str
    partition: int
    record: feeds_pb2.FeedRecord
    raw: bytes


class Tail:
    """Follows one partition of a feed. `seq` is that of the last record handed on, 0 before the first."""

    def __init__(self, home: Log, topic: str, partition: int, deliver: Callable[[FeedEvent], None]) -> None:
        self.home = home
        self.topic = topic
        self.partition = partition
        self.deliver = deliver
        self.offset = 0
        self.seq = 0
        self.moved = asyncio.Event()

    async def begin_at_end(self) -> None:
        """Skip history but its last record, whose `seq` says where the feed stands."""
        self.offset = max(0, await self.home.end(self.topic, self.partition) - 1)

    async def run(self) -> None:
        """Read on for ever; a log that cannot be read is tried again."""
        while True:
            try:
                records = await self.home.read(self.topic, self.partition, self.offset, READ_LIMIT, WAIT_MS)
            except LogError as error:
                log.warning("feed_unreadable", topic=self.topic, partition=self.partition, error=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            for record in records:
                self.take(record.value)
                self.offset = record.offset + 1
            self.moved.set()
            await asyncio.sleep(0)

    async def reach(self, offset: int) -> None:
        """Wait until everything before an offset was handed on."""
        while self.offset < offset:
            self.moved.clear()
            await self.moved.wait()

    def take(self, raw: bytes) -> None:
        """Hand one record on, unless it came before; what cannot be read is passed over and logged."""
        try:
            record = feeds_pb2.FeedRecord.FromString(raw)
        except DecodeError:
            log.exception("feed_record_unreadable", topic=self.topic, partition=self.partition, offset=self.offset)
            return
        if record.seq <= self.seq:
            return
        self.seq = record.seq
        self.deliver(FeedEvent(self.topic, self.partition, record, raw))
