"""Books as matching's feed tells them: each begins with its owner's snapshot and goes on from the feed by `update_id`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from services.core.fixed import MarketId, Milliseconds, Price, Size
from services.core.markets import Market
from services.gateway.queries import Queries
from services.gateway.tails import FeedEvent, Tail
from vigil.v1 import feeds_pb2, market_data_pb2

SNAPSHOT_RETRY_S = 0.1


@dataclass(slots=True)
class Book:
    """Levels of one market by price; `update_id` is that of the last change it contains."""

    market: MarketId
    machine: str
    seq: int
    update_id: int
    at_ms: Milliseconds
    bids: dict[Price, Size] = field(default_factory=dict)
    asks: dict[Price, Size] = field(default_factory=dict)
    last: feeds_pb2.FeedRecord | None = None

    def take(self, record: feeds_pb2.FeedRecord) -> bool:
        """Apply the next change; false when the book contains it, or when one before it is missing."""
        change = record.book_changed
        if change.update_id != self.update_id + 1:
            return change.update_id <= self.update_id
        self.seq, self.update_id, self.at_ms, self.last = record.seq, change.update_id, record.at_ms, record
        for levels, side in ((change.bids, self.bids), (change.asks, self.asks)):
            for level in levels:
                if level.size:
                    side[level.price] = level.size
                else:
                    side.pop(level.price, None)
        return True

    def encode(self, depth: int | None = None) -> market_data_pb2.Book:
        """Best levels first, `depth` of each side or all."""
        bids = sorted(self.bids.items(), reverse=True)[:depth]
        asks = sorted(self.asks.items())[:depth]
        return market_data_pb2.Book(
            market=self.market,
            machine=self.machine,
            seq=self.seq,
            update_id=self.update_id,
            at_ms=self.at_ms,
            bids=[market_data_pb2.Level(price=price, size=size) for price, size in bids],
            asks=[market_data_pb2.Level(price=price, size=size) for price, size in asks],
        )

    def ticker(self) -> market_data_pb2.Ticker:
        """Best prices with their sizes."""
        bid, ask = max(self.bids, default=0), min(self.asks, default=0)
        return market_data_pb2.Ticker(
            market=self.market,
            update_id=self.update_id,
            at_ms=self.at_ms,
            best_bid=bid,
            best_bid_size=self.bids.get(bid, 0),
            best_ask=ask,
            best_ask_size=self.asks.get(ask, 0),
        )


def decode_book(snapshot: market_data_pb2.Book) -> Book:
    """Book of its owner's snapshot."""
    bids = {level.price: level.size for level in snapshot.bids}
    asks = {level.price: level.size for level in snapshot.asks}
    return Book(snapshot.market, snapshot.machine, snapshot.seq, snapshot.update_id, snapshot.at_ms, bids, asks)


class Books:
    """Books of all markets, fetched at start or when first asked for, and kept up to date from then on."""

    def __init__(self, queries: Queries, tails: dict[int, Tail], take_state: Callable[[MarketId, int], None]) -> None:
        """`tails` are those of feed.book, by partition; `take_state` gets the state that comes with a snapshot."""
        self.queries = queries
        self.tails = tails
        self.take_state = take_state
        self.books: dict[MarketId, Book] = {}
        self.early: dict[MarketId, list[feeds_pb2.FeedRecord]] = {}
        self.locks: dict[MarketId, asyncio.Lock] = {}

    def take(self, event: FeedEvent) -> None:
        """Apply a change to the book, or keep it until the book's snapshot is here; a book with a gap is fetched anew when asked for."""
        market = event.record.book_changed.market
        if market in self.early:
            self.early[market].append(event.record)
        book = self.books.get(market)
        if book is not None and not book.take(event.record):
            del self.books[market]

    async def get(self, market: Market) -> Book:
        """Book of a market, fetched from its owner the first time; raises Refused when the owner does not answer."""
        known = self.books.get(market.id)
        if known is not None:
            return known
        async with self.locks.setdefault(market.id, asyncio.Lock()):
            if market.id not in self.books:
                await self.fetch(market)
        return self.books[market.id]

    async def fetch(self, market: Market) -> None:
        """Begin a book; a machine that catches up may not be asked too early."""
        known_seq = self.tails[market.matching_partition].seq
        self.early[market.id] = []
        try:
            snapshot = await self.queries.book(market.matching_partition, market.id)
            while snapshot.seq < known_seq:
                await asyncio.sleep(SNAPSHOT_RETRY_S)
                snapshot = await self.queries.book(market.matching_partition, market.id)
            self.take_state(market.id, snapshot.state)
            book = decode_book(snapshot)
            for record in self.early[market.id]:
                book.take(record)
            self.books[market.id] = book
        finally:
            del self.early[market.id]
