"""Fan-out to streams: a bounded queue per reader, feed bytes as they are; nobody waits for a slow reader.

Who reads too slowly is disconnected, with a reason. Readers of books and tickers first get what waits merged into one.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeAlias, TypeVar

import grpc

from services.core.fixed import Price, Size
from services.core.reasons import Reason
from services.core.rpc import Refused
from vigil.v1 import feeds_pb2, market_data_pb2

Subject: TypeAlias = tuple[str, int]
"""What is followed: ("trades", market), ("book", market), ("ticker", market), ("account", account), ("marks", 0), ("liquidations", 0),
("pools", 0)."""
BATCH_RECORDS = 200
"""Records per stream message."""
BATCH_FIELD = 1
UPDATE_FIELD = 2
STALLED_S = 10.0
"""A reader of merged books or tickers who takes nothing for so long is disconnected."""


class Subscription:
    """One reader; `raw` is a serialized FeedRecord, `record` the same, read."""

    def __init__(self, records_max: int) -> None:
        self.records_max = records_max
        self.waiting: deque[bytes] = deque()
        self.arrived = asyncio.Event()
        self.end: Refused | None = None
        self.read_at = monotonic()

    def put(self, raw: bytes, record: feeds_pb2.FeedRecord) -> None:
        """Queue a record; a full queue ends the stream."""
        del record
        if len(self.waiting) >= self.records_max:
            self.close(too_slow(f"the reader is {self.records_max} records behind"))
            return
        self.waiting.append(raw)
        self.arrived.set()

    def close(self, why: Refused) -> None:
        """End the stream; what waits is dropped."""
        self.end = why
        self.waiting.clear()
        self.arrived.set()

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self.waiting

    def take(self) -> bytes:
        """Serialized stream message of what waits first."""
        count = min(BATCH_RECORDS, len(self.waiting))
        return repeated(BATCH_FIELD, [self.waiting.popleft() for _ in range(count)])

    async def messages(self) -> AsyncIterator[bytes]:
        """Give what is there, as soon as something is; raises the reason when the stream ends."""
        while True:
            await self.arrived.wait()
            if self.end is not None:
                raise self.end
            self.read_at = monotonic()
            yield self.take()
            if self.is_empty() and self.end is None:
                self.arrived.clear()

    def is_stalled(self) -> bool:
        """Whether the reader has taken nothing for long; then the stream ends."""
        if monotonic() - self.read_at < STALLED_S:
            return False
        self.close(too_slow(f"the reader has taken nothing for {STALLED_S:g} s"))
        return True


class BookSubscription(Subscription):
    """A reader of a book: when too many changes wait, they become one."""

    def __init__(self, records_max: int) -> None:
        super().__init__(records_max)
        self.records: deque[feeds_pb2.FeedRecord] = deque()
        self.merged: Merged | None = None

    def put(self, raw: bytes, record: feeds_pb2.FeedRecord) -> None:
        """Queue a change, or merge it with those that wait."""
        if self.merged is None and len(self.waiting) >= self.records_max:
            self.merged = Merged(self.records)
            self.waiting.clear()
            self.records.clear()
        if self.merged is None:
            self.waiting.append(raw)
            self.records.append(record)
        elif self.end is None and not self.is_stalled():
            self.merged.add(record)
        self.arrived.set()

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self.waiting and self.merged is None

    def take(self) -> bytes:
        """Serialized BookUpdate: merged changes, or a batch of them."""
        if self.merged is not None:
            update = market_data_pb2.BookUpdate(merged=self.merged.encode())
            self.merged = None
            return update.SerializeToString()
        count = min(BATCH_RECORDS, len(self.waiting))
        for _ in range(count):
            self.records.popleft()
        return repeated(UPDATE_FIELD, [self.waiting.popleft() for _ in range(count)])


class Merged:
    """Changes of a book as one: the levels touched, with their last size."""

    def __init__(self, records: deque[feeds_pb2.FeedRecord]) -> None:
        """Merge the changes that wait, at least one."""
        self.first = records[0].book_changed.update_id
        self.bids: dict[Price, Size] = {}
        self.asks: dict[Price, Size] = {}
        self.last = records[0]
        for record in records:
            self.add(record)

    def add(self, record: feeds_pb2.FeedRecord) -> None:
        """Merge the next change."""
        change = record.book_changed
        self.last = record
        self.bids.update((level.price, level.size) for level in change.bids)
        self.asks.update((level.price, level.size) for level in change.asks)

    def encode(self) -> market_data_pb2.BookMerged:
        """As clients read it, best levels first."""
        change = self.last.book_changed
        merged = market_data_pb2.BookMerged(
            market=change.market, first_update_id=self.first, update_id=change.update_id, at_ms=self.last.at_ms
        )
        for price in sorted(self.bids, reverse=True):
            merged.bids.add(price=price, size=self.bids[price])
        for price in sorted(self.asks):
            merged.asks.add(price=price, size=self.asks[price])
        return merged


class TickerSubscription(Subscription):
    """A reader of best prices: only the latest ones wait."""

    def __init__(self, _records_max: int) -> None:
        super().__init__(1)
        self.latest: market_data_pb2.Ticker | None = None

    def put(self, raw: bytes, record: feeds_pb2.FeedRecord) -> None:
        """Take new best prices in place of those that wait."""
        del raw
        if self.end is not None or (self.latest is not None and self.is_stalled()):
            return
        ticker = ticker_of(record)
        ticker.conflated = self.latest is not None
        self.latest = ticker
        self.arrived.set()

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self.latest is None

    def take(self) -> bytes:
        """Serialized Ticker."""
        latest, self.latest = self.latest, None
        return b"" if latest is None else latest.SerializeToString()


def ticker_of(record: feeds_pb2.FeedRecord) -> market_data_pb2.Ticker:
    """Best prices after a change."""
    change = record.book_changed
    return market_data_pb2.Ticker(
        market=change.market,
        update_id=change.update_id,
        at_ms=record.at_ms,
        best_bid=change.best_bid,
        best_bid_size=change.best_bid_size,
        best_ask=change.best_ask,
        best_ask_size=change.best_ask_size,
    )


def too_slow(what: str) -> Refused:
    """Refusal to go on with a reader."""
    text = f"{what}; begin again with a new snapshot, and read faster"
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, Reason.TOO_MANY_REQUESTS)


S = TypeVar("S", bound=Subscription)


class Hub:
    """Subscriptions by subject."""

    def __init__(self, records_max: int, streams_max: int) -> None:
        self.records_max = records_max
        self.streams_max = streams_max
        self.count = 0
        self.readers: dict[Subject, dict[Subscription, None]] = {}

    @contextmanager
    def counted(self) -> Iterator[None]:
        """One more stream, whatever it carries; raises Refused when there are too many."""
        if self.count >= self.streams_max:
            text = f"this gateway serves {self.streams_max} streams already; try another or come back"
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, Reason.TOO_MANY_REQUESTS, self.streams_max)
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1

    @contextmanager
    def subscribed(self, subject: Subject, kind: Callable[[int], S]) -> Iterator[S]:
        """Follow a subject by a subscription of a kind; raises Refused when too many do."""
        with self.counted():
            subscription = kind(self.records_max)
            self.readers.setdefault(subject, {})[subscription] = None
            try:
                yield subscription
            finally:
                readers = self.readers[subject]
                del readers[subscription]
                if not readers:
                    del self.readers[subject]

    def publish(self, subject: Subject, raw: bytes, record: feeds_pb2.FeedRecord) -> None:
        """Give a record to everybody who follows the subject."""
        for subscription in self.readers.get(subject, ()):
            subscription.put(raw, record)

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
