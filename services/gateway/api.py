"""The servicer of market data: what everybody may see."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc

from services.core.markets import Market
from services.core.reasons import Reason
from services.core.rpc import Context, Refused, malformed, not_found, shown
from services.gateway.answers import RawStream, begun
from services.gateway.books import Book
from services.gateway.rings import forgotten
from services.gateway.streams import BookSubscription, Subscription, TickerSubscription
from vigil.v1 import market_data_pb2 as pb
from vigil.v1 import market_data_pb2_grpc

if TYPE_CHECKING:
    from services.gateway.gateway import Gateway

DEPTH_DEFAULT = 20
DEPTH_MAX = 1_000


class MarketData(market_data_pb2_grpc.MarketDataServicer):
    """What everybody may see."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway

    def market(self, symbol: str) -> Market:
        """Return a listed market; raises Refused."""
        market = self.gateway.listings.market(symbol)
        if market is None:
            raise not_found(f"no market {shown(symbol)}; see ListMarkets", Reason.UNKNOWN_MARKET)
        return market

    async def book(self, market: Market) -> Book:
        """Book of a market; raises Refused when its owner does not tell it in time."""
        try:
            async with asyncio.timeout(self.gateway.settings.deadline_s):
                return await self.gateway.books.get(market)
        except TimeoutError:
            text = f"the book of {market.symbol} is not known here yet; ask again"
            raise Refused(grpc.StatusCode.UNAVAILABLE, text, Reason.SYSTEM_LAGGING) from None

    async def ListMarkets(self, request: pb.ListMarketsQuery, context: Context) -> pb.Listings:  # noqa: N802
        """List assets and markets."""
        del request, context
        return self.gateway.listings.listed()

    async def GetBook(self, request: pb.BookQuery, context: Context) -> pb.Book:  # noqa: N802
        """Best levels of a market's book."""
        del context
        if request.depth > DEPTH_MAX:
            raise malformed(f"depth {request.depth}: at most {DEPTH_MAX} levels are accepted", DEPTH_MAX)
        market = self.market(request.symbol)
        book = (await self.book(market)).encode(request.depth or DEPTH_DEFAULT)
        book.state = self.gateway.listings.state(market.id)
        return book

    async def GetCollateral(self, request: pb.CollateralQuery, context: Context) -> pb.CollateralPrices:  # noqa: N802
        """What assets are worth as margin."""
        del request, context
        return self.gateway.collateral.listed()

    async def GetMarks(self, request: pb.MarksQuery, context: Context) -> pb.Marks:  # noqa: N802
        """Marks of all markets."""
        del request, context
        return self.gateway.marks.listed()

    async def StreamTrades(  # type: ignore[override] # noqa: N802 - yields serialized messages
        self, request: pb.SymbolQuery, context: Context
    ) -> RawStream:
        """Trades of a market, from now on or after one that the reader has."""
        market, after = self.market(request.symbol), request.after
        with self.gateway.hub.subscribed(("trades", market.id), Subscription) as subscription:
            if after:
                ring = self.gateway.feeds.ring("trades", market.id)
                if not ring.reaches(after):
                    raise forgotten(f"trade {after}")
                for raw, record in ring.since(after, 0):
                    subscription.put(raw, record)
            await begun(context)
            async for message in subscription.messages():
                yield message

    async def StreamBook(  # type: ignore[override] # noqa: N802
        self, request: pb.SymbolQuery, context: Context
    ) -> RawStream:
        """A book and its changes: between what is sent first and the subscription nothing is awaited, so nothing is missed."""
        market, after = self.market(request.symbol), request.after
        book = await self.book(market)
        with self.gateway.hub.subscribed(("book", market.id), BookSubscription) as subscription:
            ring = self.gateway.feeds.ring("book", market.id)
            first = b""
            if after and (after == book.update_id or ring.reaches(after)):
                for raw, record in ring.since(after, 0):
                    subscription.put(raw, record)
            else:
                snapshot = book.encode()
                snapshot.state = self.gateway.listings.state(market.id)
                first = pb.BookUpdate(snapshot=snapshot).SerializeToString()
            await begun(context)
            if first:
                yield first
            async for message in subscription.messages():
                yield message

    async def StreamTicker(  # type: ignore[override] # noqa: N802
        self, request: pb.SymbolQuery, context: Context
    ) -> RawStream:
        """Best prices of a market: as they are, then as they change."""
        market = self.market(request.symbol)
        book = await self.book(market)
        with self.gateway.hub.subscribed(("ticker", market.id), TickerSubscription) as subscription:
            first = book.ticker().SerializeToString()
            await begun(context)
            yield first
            async for message in subscription.messages():
                yield message

    async def StreamMarks(  # type: ignore[override] # noqa: N802
        self, request: pb.MarksQuery, context: Context
    ) -> RawStream:
        """Marks, funding steps, and what happens to markets, from now on or after what the reader has."""
        async for message in self.follow("marks", "funding", request.after, context):
            yield message

    async def StreamLiquidations(  # type: ignore[override] # noqa: N802
        self, request: pb.LiquidationsQuery, context: Context
    ) -> RawStream:
        """Liquidations, from now on or after what the reader has."""
        async for message in self.follow("liquidations", "risk", request.after, context):
            yield message

    async def follow(self, subject: str, service: str, after: Sequence[pb.FeedPlace], context: Context) -> RawStream:
        """Stream message after stream message of a subject that a service's machines tell; raises Refused."""
        with self.gateway.hub.subscribed((subject, 0), Subscription) as subscription:
            for raw, record in self.gateway.feeds.since(subject, service, after):
                subscription.put(raw, record)
            await begun(context)
            async for message in subscription.messages():
                yield message
