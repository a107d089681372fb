"""What a client may watch: `watch_*` is one stream until it ends, `follow_*` goes on after every loss where it was."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from services.client.errors import NotRemembered
from services.client.live_book import LiveBook
from services.client.mirror import AccountMirror
from services.client.pool_questions import PoolQuestions
from services.client.questions import markets_in
from services.client.streams import batches, follow, has_begun, received
from services.client.views import BookView, TickerView, Trade
from vigil.v1 import feeds_pb2, lending_pb2, market_data_pb2
from vigil.v1 import trading_pb2 as pb

Missed = Callable[[str], None]
Record: TypeAlias = feeds_pb2.FeedRecord
FeedPlace: TypeAlias = market_data_pb2.FeedPlace


@dataclass(frozen=True, slots=True)
class AccountChange:
    """The account after an event; without one when it begins, or begins anew."""

    mirror: AccountMirror
    record: Record | None


def ignore(_text: str) -> None:
    """Nobody asked what was missed."""


class Watching(PoolQuestions):
    """Streams; `watch_*` raises StreamEnded when its stream is over, each raises DefiniteReject when it is refused."""

    # ------------------------------------------------------------ one stream

    async def watch_trades(self, symbol: str, begun: asyncio.Event | None = None) -> AsyncIterator[Trade]:
        """Trades of a market from now on; `begun` is set when the stream has begun."""
        listed = await self.listed()
        query = market_data_pb2.SymbolQuery(symbol=symbol)
        async for record in batches(self.market_data.StreamTrades(query), begun):
            yield listed.trade(record)

    async def watch_marks(self) -> AsyncIterator[Record]:
        """Marks, funding steps and changes of all markets from now on."""
        async for record in batches(self.market_data.StreamMarks(market_data_pb2.MarksQuery())):
            yield record

    async def watch_liquidations(self) -> AsyncIterator[Record]:
        """Liquidations of all accounts from now on."""
        async for record in batches(self.market_data.StreamLiquidations(market_data_pb2.LiquidationsQuery())):
            yield record

    async def watch_account(self, begun: asyncio.Event | None = None) -> AsyncIterator[Record]:
        """Events of the account from now on. Ask snapshot() after `begun` is set: what it lacks comes here, by `seq`."""
        async for record in batches(self.trading.StreamAccount(await self.query(pb.AccountEvents())), begun):
            yield record

    async def watch_ticker(self, symbol: str) -> AsyncIterator[TickerView]:
        """Best prices of a market, as they are and whenever they change."""
        listed = await self.listed()
        async for best in received(self.market_data.StreamTicker(market_data_pb2.SymbolQuery(symbol=symbol))):
            yield listed.ticker(best)

    async def watch_book(self, symbol: str) -> AsyncIterator[BookView]:
        """The book after each change, whole."""
        listed = await self.listed()
        book = LiveBook()
        async for update in received(self.market_data.StreamBook(market_data_pb2.SymbolQuery(symbol=symbol))):
            book.take(update)
            yield book.view(listed)

    # ------------------------------------------------------------ streams that go on

    async def follow_trades(self, symbol: str, missed: Missed = ignore) -> AsyncIterator[Trade]:
        """Trades of a market from now on, each once; `missed` is told when some can no longer be had."""
        listed = await self.listed()
        last = 0
        seen: dict[str, int] = {}

        async def begin() -> AsyncIterator[Record]:
            return going_on(last)

        async def going_on(after: int) -> AsyncIterator[Record]:
            nonlocal last
            query = market_data_pb2.SymbolQuery(symbol=symbol, after=after)
            try:
                async for record in batches(self.market_data.StreamTrades(query), seen=seen):
                    yield record
            except NotRemembered as gap:
                last = 0
                missed(str(gap))
                raise

        async for record in follow(begin, self.pace):
            last = record.trade_executed.trade_id
            yield listed.trade(record)

    def follow_marks(self, missed: Missed = ignore) -> AsyncIterator[Record]:
        """Marks, funding steps and changes of all markets from now on; `missed` is told when some can no longer be had.

        States of markets are told only while there is a stream; marks() says them as they are.
        """

        def stream(after: list[FeedPlace]) -> Any:  # noqa: ANN401 - a server stream
            return self.market_data.StreamMarks(market_data_pb2.MarksQuery(after=after))

        return self.follow_machines("funding", stream, missed)

    def follow_liquidations(self, missed: Missed = ignore) -> AsyncIterator[Record]:
        """Liquidations of all accounts from now on; `missed` is told when some can no longer be had."""

        def stream(after: list[FeedPlace]) -> Any:  # noqa: ANN401 - a server stream
            return self.market_data.StreamLiquidations(market_data_pb2.LiquidationsQuery(after=after))

        return self.follow_machines("risk", stream, missed)

    def follow_pools(self, missed: Missed = ignore) -> AsyncIterator[Record]:
        """Openings, steps of ladders and losses of all pools; `missed` is told when some can no longer be had."""

        def stream(after: list[FeedPlace]) -> Any:  # noqa: ANN401 - a server stream
            return self.lending.StreamPools(lending_pb2.PoolsOf(after=after))

        return self.follow_machines("lending_pool", stream, missed)

    async def follow_machines(
        self, service: str, stream: Callable[[list[FeedPlace]], Any], missed: Missed
    ) -> AsyncIterator[Record]:
        """Records of a stream that all machines of a service tell, each once; after a loss it goes on after the last of each."""
        places: dict[str, int] = {}
        seen: dict[str, int] = {}

        async def begin() -> AsyncIterator[Record]:
            return going_on([FeedPlace(machine=machine, seq=seq) for machine, seq in places.items()])

        async def going_on(after: list[FeedPlace]) -> AsyncIterator[Record]:
            try:
                async for record in batches(stream(after), seen=seen):
                    yield record
            except NotRemembered as gap:
                places.clear()
                missed(str(gap))
                raise

        async for record in follow(begin, self.pace):
            if record.machine.startswith(f"{service}/"):
                places[record.machine] = record.seq
            yield record

    async def follow_ticker(self, symbol: str) -> AsyncIterator[TickerView]:
        """Best prices of a market, and after a loss as they are then."""

        async def begin() -> AsyncIterator[TickerView]:
            return self.watch_ticker(symbol)

        async for best in follow(begin, self.pace):
            yield best

    async def follow_book(self, symbol: str) -> AsyncIterator[BookView]:
        """The book after each message, whole; after a loss or a gap it goes on, from a new snapshot where it must."""
        listed = await self.listed()
        book = LiveBook()

        async def begin() -> AsyncIterator[BookView]:
            return changes(market_data_pb2.SymbolQuery(symbol=symbol, after=book.update_id))

        async def changes(query: market_data_pb2.SymbolQuery) -> AsyncIterator[BookView]:
            nonlocal book
            try:
                async for update in received(self.market_data.StreamBook(query)):
                    book.take(update)
                    yield book.view(listed)
            except NotRemembered:
                book = LiveBook()
                raise

        async for view in follow(begin, self.pace):
            yield view

    async def follow_account(self) -> AsyncIterator[AccountChange]:
        """The account, kept in step: as it is, then after each event; after a loss it goes on, from a new snapshot where it must."""
        mirror: AccountMirror | None = None

        async def begin() -> AsyncIterator[AccountChange]:
            return changes(mirror)

        async def changes(known: AccountMirror | None) -> AsyncIterator[AccountChange]:
            nonlocal mirror
            after = pb.AccountEvents() if known is None else pb.AccountEvents(machine=known.machine, seq=known.seq)
            call = self.trading.StreamAccount(await self.query(after))
            try:
                if known is None:
                    await has_begun(call)
                    mirror = await self.new_mirror()
                    yield AccountChange(mirror, None)
                async for record in batches(call):
                    if mirror is not None and mirror.take(record):
                        yield AccountChange(mirror, record)
            except NotRemembered:
                mirror = None
                raise
            finally:
                call.cancel()

        async for change in follow(begin, self.pace):
            yield change

    async def new_mirror(self) -> AccountMirror:
        """The account as it is now, to be kept in step."""
        answer = await self.snapshot()
        return AccountMirror(answer, await self.listed_with(markets_in(answer)))
