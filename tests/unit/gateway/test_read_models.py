"""Books from a snapshot and what follows it; feeds whose records come twice."""

import asyncio

import grpc
import msgspec
import pytest

from services.core.collateral import PRICE_ONE
from services.core.feeds import plain_fields
from services.core.markets import NO_COLLATERAL
from services.core.memory_log import MemoryLog
from services.core.rpc import Refused
from services.gateway.books import Books
from services.gateway.queries import Queries
from services.gateway.read_models import Collateral, Listings, Marks
from services.gateway.tails import FeedEvent, Tail
from tests.unit.gateway.records import Levels, book_changed, event
from tests.unit.gateway.venue import BITCOIN, DOLLAR, MARKET
from vigil.v1 import common_pb2, feeds_pb2, market_data_pb2


def changed(update_id: int, bids: Levels) -> FeedEvent:
    return event(book_changed(update_id, bids))


class FakeQueries(Queries):
    """Answers with one snapshot after another, and lets records pass meanwhile."""

    def __init__(self, snapshots: list[market_data_pb2.Book]) -> None:
        self.snapshots = snapshots
        self.meanwhile: list[FeedEvent] = []
        self.books: Books | None = None
        self.states: dict[int, int] = {}

    async def book(self, partition: int, market: int) -> market_data_pb2.Book:
        assert (partition, market) == (0, 1)
        await asyncio.sleep(0)
        for one in self.meanwhile:
            assert self.books is not None
            self.books.take(one)
        self.meanwhile = []
        return self.snapshots.pop(0)


def snapshot(update_id: int, bids: Levels | None = None, state: int = 0) -> market_data_pb2.Book:
    levels = [market_data_pb2.Level(price=price, size=size) for price, size in (bids or {}).items()]
    kind = common_pb2.MarketState.ValueType(state)
    return market_data_pb2.Book(
        market=1, machine="matching/0", seq=update_id, update_id=update_id, bids=levels, state=kind
    )


def books_with(queries: FakeQueries, seq: int) -> Books:
    tail = Tail(MemoryLog(), "feed.book", 0, lambda _event: None)
    tail.seq = seq
    queries.books = Books(queries, {0: tail}, queries.states.__setitem__)
    return queries.books


async def test_changes_during_the_snapshot_are_neither_lost_nor_doubled() -> None:
    queries = FakeQueries([snapshot(5, {100: 7}, common_pb2.MARKET_STATE_OPEN)])
    queries.meanwhile = [changed(5, {100: 3}), changed(6, {101: 2}), changed(7, {100: 0})]
    book = await books_with(queries, 4).get(MARKET)
    assert (book.bids, book.update_id) == ({101: 2}, 7)
    assert queries.states == {1: common_pb2.MARKET_STATE_OPEN}


async def test_a_machine_that_catches_up_is_asked_again() -> None:
    book = await books_with(FakeQueries([snapshot(3), snapshot(8), snapshot(9, {100: 1})]), 9).get(MARKET)
    assert (book.bids, book.update_id) == ({100: 1}, 9)


async def test_a_book_with_a_gap_is_fetched_anew() -> None:
    books = books_with(FakeQueries([snapshot(1, {100: 1}), snapshot(4, {103: 1})]), 0)
    await books.get(MARKET)
    books.take(changed(2, {101: 1}))
    assert (await books.get(MARKET)).bids == {100: 1, 101: 1}
    books.take(changed(4, {103: 1}))
    assert (await books.get(MARKET)).bids == {103: 1}


async def test_the_top_of_a_book() -> None:
    books = books_with(FakeQueries([snapshot(1, {100: 1, 99: 5})]), 0)
    ticker = (await books.get(MARKET)).ticker()
    assert (ticker.best_bid, ticker.best_bid_size, ticker.best_ask, ticker.best_ask_size) == (100, 1, 0, 0)


async def test_many_who_ask_at_once_fetch_once() -> None:
    books = books_with(FakeQueries([snapshot(1, {100: 1})]), 0)
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
    values = [changed(seq, {100: 1}).raw for seq in (1, 2, 3, 2, 3, 4)]
    await log.append("feed.book", 0, [*values, b"\xff\xff", changed(5, {100: 1}).raw])
    running = asyncio.ensure_future(tail.run())
    async with asyncio.timeout(5):
        while tail.offset < 8:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0)
    running.cancel()
    assert seen == [1, 2, 3, 4, 5]


async def test_a_tail_that_begins_at_the_end_knows_where_the_feed_stands() -> None:
    log, seen = MemoryLog(), list[int]()
    await log.create({"feed.book": 1})
    await log.append("feed.book", 0, [changed(seq, {100: 1}).raw for seq in range(1, 10)])
    tail = Tail(log, "feed.book", 0, lambda event: seen.append(event.record.seq))
    await tail.begin_at_end()
    for record in await log.read("feed.book", 0, tail.offset, 10, 0):
        tail.take(record.value)
    assert seen == [9]


def test_listings_follow_what_happens_to_markets() -> None:
    listings = Listings()
    listed = common_pb2.Market(**plain_fields(MARKET, common_pb2.Market.DESCRIPTOR))
    listings.take_market(listed)
    assert listings.listed().states[0].state == common_pb2.MARKET_STATE_HALTED
    listed.tick *= 2
    listings.take_market(listed)
    listings.take_state(MARKET.id, common_pb2.MARKET_STATE_POST_ONLY)
    answer = listings.listed()
    assert (answer.markets[0].tick, answer.states[0].state) == (2 * MARKET.tick, common_pb2.MARKET_STATE_POST_ONLY)
    known = listings.market(MARKET.symbol)
    assert known is not None
    assert known.tick == 2 * MARKET.tick
    listings.take_delisted(feeds_pb2.MarketDelisted(market=MARKET.id, price=1))
    assert listings.state(MARKET.id) == common_pb2.MARKET_STATE_DELISTED


def test_collateral_is_its_terms_and_its_last_price() -> None:
    listings = Listings()
    collateral = Collateral(listings)
    for asset in (DOLLAR, BITCOIN, msgspec.structs.replace(BITCOIN, id=9, symbol="RIGHTS", collateral=NO_COLLATERAL)):
        listings.take_asset(common_pb2.Asset(**plain_fields(asset, common_pb2.Asset.DESCRIPTOR)))
    assert [(one.symbol, one.price) for one in collateral.listed().assets] == [("USDC", PRICE_ONE), ("BTC", 0)]
    for at_ms, price in ((7, 8_000 * PRICE_ONE), (8, 8_001 * PRICE_ONE)):
        prices = [feeds_pb2.CollateralPrice(asset=BITCOIN.id, price=price)]
        collateral.take_prices(
            feeds_pb2.FeedRecord(at_ms=at_ms, marks_updated=feeds_pb2.MarksUpdated(collateral=prices))
        )
    _, bitcoin = collateral.listed().assets
    assert (bitcoin.price, bitcoin.at_ms, bitcoin.collateral.index) == (8_001 * PRICE_ONE, 8, "BTC_USD")
    assert listings.unit_of_account() == DOLLAR


def test_marks_say_the_last_settlement() -> None:
    marks = Marks(Listings())
    mark = feeds_pb2.Mark(market=1, mark_price=5, index_price=5)
    marks.take_marks(feeds_pb2.FeedRecord(marks_updated=feeds_pb2.MarksUpdated(marks=[mark])))
    assert marks.listed().marks[0].settled_at_ms == 0
    marks.take_settlement(feeds_pb2.MarketSettled(market=1, step=1, price=4, at_ms=9))
    (line,) = marks.listed().marks
    assert (line.settlement_price, line.settled_at_ms) == (4, 9)
