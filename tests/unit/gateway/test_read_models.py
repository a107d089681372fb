"""Books from a snapshot and what follows it; feeds whose records come twice."""

import asyncio

import grpc
import pytest

from services.core.memory_log import MemoryLog
from services.core.rpc import Refused
from services.gateway.queries import Queries
from services.gateway.read_models import Books
from services.gateway.tails import FeedEvent, Tail
from tests.unit.gateway.venue import MARKET
from vigil.v1 import common_pb2, feeds_pb2, market_data_pb2


def changed(seq: int, price: int, size: int, side: "common_pb2.Side.ValueType" = common_pb2.SIDE_BID) -> FeedEvent:
    level = feeds_pb2.BookLevelChanged(market=1, side=side, price=price, size=size)
    record = feeds_pb2.FeedRecord(machine="matching/0", seq=seq, at_ms=seq, book_level_changed=level)
    return FeedEvent("feed.book", 0, record, record.SerializeToString())


class FakeQueries(Queries):
    """Answers with one snapshot after another, and lets records pass meanwhile."""

    def __init__(self, snapshots: list[market_data_pb2.Book]) -> None:
        self.snapshots = snapshots
        self.meanwhile: list[FeedEvent] = []
        self.books: Books | None = None

    async def book(self, partition: int, market: int) -> market_data_pb2.Book:
        assert (partition, market) == (0, 1)
        await asyncio.sleep(0)
        for event in self.meanwhile:
            assert self.books is not None
            self.books.take(event)
        self.meanwhile = []
        return self.snapshots.pop(0)


def snapshot(seq: int, **bids: int) -> market_data_pb2.Book:
    levels = [market_data_pb2.Level(price=int(price[1:]), size=size) for price, size in bids.items()]
    return market_data_pb2.Book(market=1, machine="matching/0", seq=seq, bids=levels)


def books_with(queries: FakeQueries, seq: int) -> Books:
    tail = Tail(MemoryLog(), "feed.book", 0, lambda _event: None)
    tail.seq = seq
    queries.books = Books(queries, {0: tail})
    return queries.books


async def test_changes_during_the_snapshot_are_neither_lost_nor_doubled() -> None:
    queries = FakeQueries([snapshot(5, p100=7)])
    queries.meanwhile = [changed(5, 100, 3), changed(6, 101, 2), changed(7, 100, 0)]
    book = await books_with(queries, 4).get(MARKET)
    assert (book.bids, book.seq) == ({101: 2}, 7)


async def test_a_machine_that_catches_up_is_asked_again() -> None:
    book = await books_with(FakeQueries([snapshot(3), snapshot(8), snapshot(9, p100=1)]), 9).get(MARKET)
    assert (book.bids, book.seq) == ({100: 1}, 9)


async def test_many_who_ask_at_once_fetch_once() -> None:
    books = books_with(FakeQueries([snapshot(1, p100=1)]), 0)
    found = await asyncio.gather(*(books.get(MARKET) for _ in range(5)))
    assert all(one is found[0] for one in found)
    assert books.early == {}


async def test_a_machine_that_does_not_answer_leaves_nothing_behind() -> None:
    class Silent(FakeQueries):
        async def book(self, partition: int, market: int) -> market_data_pb2.Book:
            await super().book(partition, market)
            raise Refused(grpc.StatusCode.UNAVAILABLE, "no answer")

    books = books_with(Silent([snapshot(1)]), 0)
    with pytest.raises(Refused):
        await books.get(MARKET)
    assert (books.books, books.early) == ({}, {})


async def test_a_tail_hands_every_record_on_once_and_passes_over_rubbish() -> None:
    log, seen = MemoryLog(), list[int]()
    await log.create({"feed.book": 1})
    tail = Tail(log, "feed.book", 0, lambda event: seen.append(event.record.seq))
    values = [changed(seq, 100, 1).raw for seq in (1, 2, 3, 2, 3, 4)]
    await log.append("feed.book", 0, [*values, b"\xff\xff", changed(5, 100, 1).raw])
    running = asyncio.ensure_future(tail.run())
    async with asyncio.timeout(5):
        while tail.offset < 8:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0)
    running.cancel()
    assert seen == [1, 2, 3, 4, 5]


async def test_a_tail_that_begins_at_the_end_knows_where_the_feed_stands() -> None:
    log, seen = MemoryLog(), list[int]()
    await log.create({"feed.book": 1})
    await log.append("feed.book", 0, [changed(seq, 100, 1).raw for seq in range(1, 10)])
    tail = Tail(log, "feed.book", 0, lambda event: seen.append(event.record.seq))
    await tail.begin_at_end()
    for record in await log.read("feed.book", 0, tail.offset, 10, 0):
        tail.take(record.value)
    assert seen == [9]
