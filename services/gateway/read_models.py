"""What the gateway knows of the venue, by reading feeds: listings, marks, books; it owns none of it.

Listings and marks are read from the beginning of their feeds. A book begins with its owner's snapshot, which names the feed's `seq`,
and goes on from the feed.
"""

import asyncio
from dataclasses import dataclass, field

from services.core.fixed import AssetId, MarketId, Milliseconds, Price, Size
from services.core.markets import Asset, Market
from services.gateway.queries import Queries
from services.gateway.tails import FeedEvent, Tail
from vigil.v1 import common_pb2, feeds_pb2, market_data_pb2

SNAPSHOT_RETRY_S = 0.1


class Listings:
    """Assets and markets, by id and by symbol."""

    def __init__(self) -> None:
        self.assets: dict[AssetId, Asset] = {}
        self.markets: dict[MarketId, Market] = {}
        self.asset_symbols: dict[str, Asset] = {}
        self.market_symbols: dict[str, Market] = {}
        self.listed = market_data_pb2.Listings()

    def market(self, symbol: str) -> Market | None:
        """Return the market of a symbol."""
        return self.market_symbols.get(symbol)

    def asset(self, symbol: str) -> Asset | None:
        """Return the asset of a symbol."""
        return self.asset_symbols.get(symbol)

    def asset_by_id(self, asset: AssetId) -> Asset | None:
        """Return the asset of an id."""
        return self.assets.get(asset)

    def take_asset(self, listed: common_pb2.Asset) -> None:
        """Note a listed asset."""
        asset = Asset(**{name: getattr(listed, name) for name in Asset.__struct_fields__})
        self.assets[asset.id] = self.asset_symbols[asset.symbol] = asset
        self.listed.assets.append(listed)
        self.listed.assets.sort(key=lambda one: one.id)

    def take_market(self, listed: common_pb2.Market) -> None:
        """Note a listed market."""
        market = Market(**{name: getattr(listed, name) for name in Market.__struct_fields__})
        self.markets[market.id] = self.market_symbols[market.symbol] = market
        self.listed.markets.append(listed)
        self.listed.markets.sort(key=lambda one: one.id)


class Marks:
    """Last mark and funding step of each market."""

    def __init__(self, listings: Listings) -> None:
        self.listings = listings
        self.marks: dict[MarketId, market_data_pb2.MarketMark] = {}

    def of(self, market: MarketId) -> market_data_pb2.MarketMark:
        """Return a market's line, begun when it is new."""
        known = self.marks.get(market)
        if known is None:
            listed = self.listings.markets.get(market)
            symbol = "" if listed is None else listed.symbol
            known = self.marks[market] = market_data_pb2.MarketMark(market=market, symbol=symbol)
        return known

    def take_marks(self, record: feeds_pb2.FeedRecord) -> None:
        """Note marks."""
        for mark in record.marks_updated.marks:
            line = self.of(mark.market)
            line.mark_price, line.index_price, line.at_ms = mark.mark_price, mark.index_price, record.at_ms

    def take_funding(self, step: feeds_pb2.FundingStepped) -> None:
        """Note a funding step."""
        line = self.of(step.market)
        line.funding_rate, line.funding_at_ms = step.rate, step.at_ms

    def listed(self) -> market_data_pb2.Marks:
        """All markets that have a mark, by id."""
        return market_data_pb2.Marks(
            marks=[self.marks[one] for one in sorted(self.marks) if self.marks[one].mark_price]
        )


@dataclass(slots=True)
class Book:
    """Levels of one market by price."""

    market: MarketId
    machine: str
    seq: int
    at_ms: Milliseconds
    bids: dict[Price, Size] = field(default_factory=dict)
    asks: dict[Price, Size] = field(default_factory=dict)

    def take(self, record: feeds_pb2.FeedRecord) -> None:
        """Apply a change, unless the book contains it."""
        if record.seq <= self.seq:
            return
        self.seq, self.at_ms = record.seq, record.at_ms
        change = record.book_level_changed
        side = self.bids if change.side == common_pb2.SIDE_BID else self.asks
        if change.size:
            side[change.price] = change.size
        else:
            side.pop(change.price, None)

    def encode(self, depth: int | None = None) -> market_data_pb2.Book:
        """Best levels first, `depth` of each side or all."""
        bids = sorted(self.bids.items(), reverse=True)[:depth]
        asks = sorted(self.asks.items())[:depth]
        return market_data_pb2.Book(
            market=self.market,
            machine=self.machine,
            seq=self.seq,
            at_ms=self.at_ms,
            bids=[market_data_pb2.Level(price=price, size=size) for price, size in bids],
            asks=[market_data_pb2.Level(price=price, size=size) for price, size in asks],
        )


def decode_book(snapshot: market_data_pb2.Book) -> Book:
    """Book of its owner's snapshot."""
    bids = {level.price: level.size for level in snapshot.bids}
    asks = {level.price: level.size for level in snapshot.asks}
    return Book(snapshot.market, snapshot.machine, snapshot.seq, snapshot.at_ms, bids, asks)


class Books:
    """Books that somebody asked for, kept up to date from then on."""

    def __init__(self, queries: Queries, tails: dict[int, Tail]) -> None:
        """`tails` are those of feed.book, by partition."""
        self.queries = queries
        self.tails = tails
        self.books: dict[MarketId, Book] = {}
        self.early: dict[MarketId, list[feeds_pb2.FeedRecord]] = {}
        self.locks: dict[MarketId, asyncio.Lock] = {}

    def take(self, event: FeedEvent) -> None:
        """Apply a change to the book, or keep it until the book's snapshot is here."""
        market = event.record.book_level_changed.market
        if market in self.books:
            self.books[market].take(event.record)
        elif market in self.early:
            self.early[market].append(event.record)

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
        tail = self.tails[market.matching_partition]
        known_seq = tail.seq
        self.early[market.id] = []
        try:
            snapshot = await self.queries.book(market.matching_partition, market.id)
            while snapshot.seq < known_seq:
                await asyncio.sleep(SNAPSHOT_RETRY_S)
                snapshot = await self.queries.book(market.matching_partition, market.id)
            book = decode_book(snapshot)
            for record in self.early[market.id]:
                book.take(record)
            self.books[market.id] = book
        finally:
            del self.early[market.id]
