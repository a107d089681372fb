"""Fan-out without decoding, and what happens to slow readers and to those who come back."""

from collections import deque

import grpc
import pytest

from services.core.rpc import Refused
from services.gateway import streams
from services.gateway.rings import Ring
from services.gateway.streams import BookSubscription, Hub, Subscription, TickerSubscription, repeated
from tests.unit.gateway.records import book_changed
from vigil.v1 import feeds_pb2, market_data_pb2, trading_pb2

TRADES, BOOK = ("trades", 1), ("book", 1)


def record(seq: int, size: int = 0) -> feeds_pb2.FeedRecord:
    return feeds_pb2.FeedRecord(machine="m" * size, seq=seq)


def publish(hub: Hub, subject: tuple[str, int], *records: feeds_pb2.FeedRecord) -> None:
    for one in records:
        hub.publish(subject, one.SerializeToString(), one)


def seqs(message: bytes) -> list[int]:
    return [one.seq for one in trading_pb2.FeedBatch.FromString(message).records]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_384, 70_000])
def test_batches_of_raw_records_are_what_protobuf_would_write(size: int) -> None:
    records = [record(1, size), record(2), record(3, 5)]
    raw = [one.SerializeToString() for one in records]
    assert repeated(1, raw) == trading_pb2.FeedBatch(records=records).SerializeToString()
    assert repeated(2, raw) == market_data_pb2.BookUpdate(records=records).SerializeToString()


async def test_a_reader_gets_its_subject_in_order() -> None:
    hub = Hub(1_000, 10)
    with hub.subscribed(TRADES, Subscription) as one, hub.subscribed(("trades", 2), Subscription) as two:
        publish(hub, TRADES, *(record(number) for number in range(1, 251)))
        publish(hub, ("trades", 2), record(9))
        messages = one.messages()
        assert seqs(await anext(messages)) == list(range(1, 201))
        assert seqs(await anext(messages)) == list(range(201, 251))
        assert seqs(await anext(two.messages())) == [9]
    assert hub.readers == {}
    assert hub.count == 0


async def test_a_slow_reader_is_disconnected_and_holds_nothing() -> None:
    hub = Hub(2, 10)
    with hub.subscribed(TRADES, Subscription) as slow, hub.subscribed(TRADES, Subscription) as quick:
        messages = quick.messages()
        for number in range(1, 4):
            publish(hub, TRADES, record(number))
            assert seqs(await anext(messages)) == [number]
        assert not slow.waiting
        with pytest.raises(Refused, match="begin again") as refused:
            await anext(slow.messages())
        assert refused.value.status is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_streams_are_counted() -> None:
    hub = Hub(2, 1)
    with hub.subscribed(TRADES, Subscription), pytest.raises(Refused, match="1 streams"), hub.counted():
        pass
    with hub.counted():
        assert hub.count == 1


async def test_changes_of_a_book_are_merged_for_a_slow_reader() -> None:
    hub = Hub(3, 10)
    with hub.subscribed(BOOK, BookSubscription) as slow:
        publish(hub, BOOK, book_changed(5, {100: 1}), book_changed(6, {101: 2}), book_changed(7, {}, {105: 3}))
        publish(hub, BOOK, book_changed(8, {100: 0, 99: 4}), book_changed(9, {}, {105: 6, 104: 1}))
        messages = slow.messages()
        merged = market_data_pb2.BookUpdate.FromString(await anext(messages)).merged
        assert (merged.first_update_id, merged.update_id) == (5, 9)
        assert [(level.price, level.size) for level in merged.bids] == [(101, 2), (100, 0), (99, 4)]
        assert [(level.price, level.size) for level in merged.asks] == [(104, 1), (105, 6)]
        publish(hub, BOOK, book_changed(10, {98: 1}))
        update = market_data_pb2.BookUpdate.FromString(await anext(messages))
        assert [one.book_changed.update_id for one in update.records] == [10]


@pytest.mark.parametrize("kind", [BookSubscription, TickerSubscription])
async def test_who_reads_nothing_at_all_is_disconnected_in_the_end(kind: type[Subscription]) -> None:
    subscription = kind(1)
    for number in range(1, 4):
        subscription.put(b"", book_changed(number, {number: 1}))
    assert subscription.end is None
    subscription.read_at -= streams.STALLED_S
    subscription.put(b"", book_changed(4, {4: 1}))
    with pytest.raises(Refused, match="taken nothing"):
        await anext(subscription.messages())


async def test_a_slow_reader_of_tickers_gets_the_latest_and_hears_that_some_are_missing() -> None:
    subscription = TickerSubscription(1)
    messages = subscription.messages()
    subscription.put(b"", book_changed(1, {100: 1}))
    first = market_data_pb2.Ticker.FromString(await anext(messages))
    assert (first.update_id, first.best_bid, first.conflated) == (1, 100, False)
    subscription.put(b"", book_changed(2, {101: 1}))
    subscription.put(b"", book_changed(3, {102: 5}))
    latest = market_data_pb2.Ticker.FromString(await anext(messages))
    assert (latest.update_id, latest.best_bid, latest.best_bid_size, latest.conflated) == (3, 102, 5, True)


def filled(numbers: range, records_max: int = 5) -> Ring:
    ring = Ring(records_max)
    for number in numbers:
        ring.put(number, number % 2, record(number).SerializeToString())
    return ring


REACHED = [
    ("empty", range(0), 0, False, []),
    ("all of it", range(1, 4), 0, True, [1, 2, 3]),
    ("the rest", range(1, 4), 2, True, [3]),
    ("nothing new", range(1, 4), 3, True, []),
    ("ahead of this gateway", range(1, 4), 9, True, []),
    ("just remembered", range(1, 9), 3, True, [4, 5, 6, 7, 8]),
    ("forgotten", range(1, 9), 2, False, [4, 5, 6, 7, 8]),
]


@pytest.mark.parametrize(
    ("numbers", "after", "reaches", "rest"), [row[1:] for row in REACHED], ids=[r[0] for r in REACHED]
)
def test_a_ring_knows_how_far_it_reaches(numbers: range, after: int, *, reaches: bool, rest: list[int]) -> None:
    ring = filled(numbers)
    assert ring.reaches(after) == reaches
    assert [one.seq for subject in (0, 1) for _, one in ring.since(after, subject)] == sorted(
        rest, key=lambda number: (number % 2, number)
    )


def test_a_ring_with_a_gap_begins_anew() -> None:
    ring = filled(range(1, 4))
    ring.put(7, 0, b"")
    assert not ring.reaches(3)
    assert ring.reaches(6)


def test_merging_keeps_the_last_size_of_each_level() -> None:
    merged = streams.Merged(deque([book_changed(1, {5: 1}), book_changed(2, {5: 0}), book_changed(3, {5: 9})]))
    assert [(level.price, level.size) for level in merged.encode().bids] == [(5, 9)]
