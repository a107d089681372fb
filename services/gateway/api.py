"""The public servicers: requests in, answers and streams out; what they mean is decided elsewhere."""

from collections.abc import AsyncIterator
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from services.core.fixed import slot_of
from services.core.markets import Market
from services.core.reasons import Reason
from services.core.rpc import Context, malformed, not_found, shown
from services.gateway.explain import Units
from services.gateway.frames import WINDOW_DEFAULT_MS, read_frame, read_query
from services.gateway.limits import RateLimit
from services.gateway.results import result_of
from services.gateway.streams import Subject, Subscription, repeated
from vigil.v1 import market_data_pb2, market_data_pb2_grpc, queries_pb2, trading_pb2_grpc
from vigil.v1 import trading_pb2 as pb

if TYPE_CHECKING:
    from services.gateway.gateway import Gateway

DEPTH_DEFAULT = 20
DEPTH_MAX = 1_000
BATCH_FIELD = 1
UPDATE_FIELD = 2
RawStream: TypeAlias = AsyncIterator[bytes]
"""Serialized stream messages: feed records go through undecoded."""
READY = (("vigil-stream", "ready"),)


class Trading(trading_pb2_grpc.TradingServicer):
    """Signed frames and queries of one account each."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway

    async def Submit(self, request: pb.SignedFrame, context: Context) -> pb.FrameResult:  # noqa: N802 - grpc's name
        """Pass commands on and answer each."""
        gateway = self.gateway
        frame = read_frame(request, gateway.venue, gateway.home.now_ms())
        return await gateway.submitter.submit(frame, self.deadline(context))

    def deadline(self, context: Context) -> float:
        """When the answer must go out, monotonic seconds: a little before the client's own deadline."""
        settings = self.gateway.settings
        left: float | None = context.time_remaining()  # None when the client set no deadline
        left = settings.deadline_s if left is None else min(left, settings.deadline_s_max)
        return monotonic() + max(0.0, left - settings.margin_s)

    def query(self, request: pb.SignedQuery, subject: str) -> pb.Query:
        """Read a signed query and charge its account."""
        gateway = self.gateway
        query = read_query(request, gateway.venue, gateway.home.now_ms(), subject)
        gateway.submitter.rate.charge(query.account, RateLimit.SMALL_COST)
        return query

    async def GetCommandResult(  # noqa: N802
        self, request: pb.SignedQuery, context: Context
    ) -> pb.CommandResultAnswer:
        """Say what became of a command: ask the owner, or both that could be."""
        del context
        query = self.query(request, "command_result")
        named = query.command_result
        owners = {pb.COMMAND_OWNER_RISK: ("risk",), pb.COMMAND_OWNER_SETTLEMENT: ("settlement",)}
        services = owners.get(named.owner, ("risk", "settlement"))
        states = [await self.command_state(service, query) for service in services]
        return combined(states)

    async def command_state(self, service: str, query: pb.Query) -> queries_pb2.CommandState:
        """Ask one machine about one command."""
        gateway, named = self.gateway, query.command_result
        partition = gateway.genesis.slots[slot_of(query.account)] if service == "risk" else 0
        asked = queries_pb2.CommandResultsQuery(
            partition=partition,
            account=query.account,
            timestamp_ms=named.timestamp_ms,
            window_ms=named.window_ms or WINDOW_DEFAULT_MS,
            command_ids=[named.command_id],
        )
        return (await gateway.queries.command_results(service, asked))[0]

    async def GetAccount(self, request: pb.SignedQuery, context: Context) -> pb.Account:  # noqa: N802
        """Balances, positions and orders of the signer."""
        del context
        query = self.query(request, "account_state")
        partition = self.gateway.genesis.slots[slot_of(query.account)]
        return await self.gateway.queries.account(partition, query.account)

    async def GetTime(self, request: pb.TimeQuery, context: Context) -> pb.TimeAnswer:  # noqa: N802
        """Say what time it is at the venue."""
        del request, context
        return pb.TimeAnswer(now_ms=self.gateway.home.now_ms(), venue=self.gateway.venue)

    async def StreamAccount(  # type: ignore[override] # noqa: N802 - yields serialized messages
        self, request: pb.SignedQuery, context: Context
    ) -> RawStream:
        """Events of the signer."""
        query = self.query(request, "account_events")
        async for batch in follow(self.gateway, ("account", query.account), context):
            yield batch


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

    async def ListMarkets(  # noqa: N802
        self, request: market_data_pb2.ListMarketsQuery, context: Context
    ) -> market_data_pb2.Listings:
        """List assets and markets."""
        del request, context
        return self.gateway.listings.listed

    async def GetBook(  # noqa: N802
        self, request: market_data_pb2.BookQuery, context: Context
    ) -> market_data_pb2.Book:
        """Best levels of a market's book."""
        del context
        if request.depth > DEPTH_MAX:
            raise malformed(f"depth {request.depth}: at most {DEPTH_MAX} levels are accepted")
        book = await self.gateway.books.get(self.market(request.symbol))
        return book.encode(request.depth or DEPTH_DEFAULT)

    async def GetMarks(self, request: market_data_pb2.MarksQuery, context: Context) -> market_data_pb2.Marks:  # noqa: N802
        """Marks of all markets."""
        del request, context
        return self.gateway.marks.listed()

    async def StreamTrades(  # type: ignore[override] # noqa: N802
        self, request: market_data_pb2.SymbolQuery, context: Context
    ) -> RawStream:
        """Trades of a market."""
        market = self.market(request.symbol)
        async for batch in follow(self.gateway, ("trades", market.id), context):
            yield batch

    async def StreamBook(  # type: ignore[override] # noqa: N802
        self, request: market_data_pb2.SymbolQuery, context: Context
    ) -> RawStream:
        """A book and its changes: between snapshot and subscription nothing is awaited, so nothing is missed."""
        market = self.market(request.symbol)
        book = await self.gateway.books.get(market)
        with self.gateway.hub.subscribed(("book", market.id)) as subscription:
            snapshot = market_data_pb2.BookUpdate(snapshot=book.encode())
            yield snapshot.SerializeToString()
            del context
            async for batch in subscription.batches(self.gateway.settings.batch_records):
                yield repeated(UPDATE_FIELD, batch)

    async def StreamMarks(  # type: ignore[override] # noqa: N802
        self, request: market_data_pb2.MarksQuery, context: Context
    ) -> RawStream:
        """Marks and funding steps."""
        del request
        async for batch in follow(self.gateway, ("marks", 0), context):
            yield batch

    async def StreamLiquidations(  # type: ignore[override] # noqa: N802
        self, request: market_data_pb2.LiquidationsQuery, context: Context
    ) -> RawStream:
        """Liquidations."""
        del request
        async for batch in follow(self.gateway, ("liquidations", 0), context):
            yield batch


async def follow(gateway: "Gateway", subject: Subject, context: Context) -> RawStream:
    """Serialized FeedBatch after FeedBatch of a subject; initial metadata says that it has begun."""
    subscription: Subscription
    with gateway.hub.subscribed(subject) as subscription:
        await context.send_initial_metadata(READY)
        async for batch in subscription.batches(gateway.settings.batch_records):
            yield repeated(BATCH_FIELD, batch)


PRECEDENCE = (
    pb.COMMAND_ANSWER_RESULT,
    pb.COMMAND_ANSWER_PENDING,
    pb.COMMAND_ANSWER_FORGOTTEN,
    pb.COMMAND_ANSWER_NEVER,
)


def combined(states: list[queries_pb2.CommandState]) -> pb.CommandResultAnswer:
    """One answer of several machines: a result wins; NEVER only if all say so."""
    state = min(states, key=lambda one: PRECEDENCE.index(one.answer))
    if state.answer != pb.COMMAND_ANSWER_RESULT:
        return pb.CommandResultAnswer(answer=state.answer)
    return pb.CommandResultAnswer(answer=state.answer, result=result_of(state.resolved, Units()))
