"""Fan-out to streams: a bounded queue per reader, feed bytes as they are; who reads too slowly is disconnected, never waited for."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import grpc

from services.core.reasons import Reason
from services.core.rpc import Refused

Subject: TypeAlias = tuple[str, int]
"""What is followed: ("trades", market), ("book", market), ("account", account), ("marks", 0), ("liquidations", 0)."""


class Subscription:
    """One reader of one subject."""

    def __init__(self, records_max: int) -> None:
        self.records_max = records_max
        self.waiting: deque[bytes] = deque()
        self.arrived = asyncio.Event()
        self.end: Refused | None = None

    def put(self, raw: bytes) -> None:
        """Queue a record; a full queue ends the stream."""
        if len(self.waiting) >= self.records_max:
            text = f"the reader is {self.records_max} records behind; begin again with a new snapshot"
            self.close(Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, Reason.TOO_MANY_REQUESTS))
            return
        self.waiting.append(raw)
        self.arrived.set()

    def close(self, why: Refused) -> None:
        """End the stream; what waits is dropped."""
        self.end = why
        self.waiting.clear()
        self.arrived.set()

    async def batches(self, records_max: int) -> AsyncIterator[list[bytes]]:
        """Give what is there, as soon as something is; raises the reason when the stream ends."""
        while True:
            await self.arrived.wait()
            if self.end is not None:
                raise self.end
            count = min(records_max, len(self.waiting))
            yield [self.waiting.popleft() for _ in range(count)]
            if not self.waiting and self.end is None:
                self.arrived.clear()


class Hub:
    """Subscriptions by subject."""

    def __init__(self, records_max: int, streams_max: int) -> None:
        self.records_max = records_max
        self.streams_max = streams_max
        self.count = 0
        self.readers: dict[Subject, dict[Subscription, None]] = {}

    @contextmanager
    def subscribed(self, subject: Subject) -> Iterator[Subscription]:
        """Follow a subject; raises Refused when too many do."""
        if self.count >= self.streams_max:
            text = f"this gateway serves {self.streams_max} streams already; try another or come back"
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, Reason.TOO_MANY_REQUESTS)
        subscription = Subscription(self.records_max)
        self.readers.setdefault(subject, {})[subscription] = None
        self.count += 1
        try:
            yield subscription
        finally:
            self.count -= 1
            readers = self.readers[subject]
            del readers[subscription]
            if not readers:
                del self.readers[subject]

    def publish(self, subject: Subject, raw: bytes) -> None:
        """Give a record to everybody who follows the subject."""
        for subscription in self.readers.get(subject, ()):
            subscription.put(raw)

    def end_all(self, why: Refused) -> None:
        """End every stream."""
        for readers in self.readers.values():
            for subscription in readers:
                subscription.close(why)


def varint(number: int) -> bytes:
    """Protobuf's form of an unsigned number."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def repeated(field: int, values: list[bytes]) -> bytes:
    """Serialized message whose repeated message field `field` holds `values`, which are not decoded."""
    tag = varint(field << 3 | 2)
    return b"".join(part for value in values for part in (tag, varint(len(value)), value))
