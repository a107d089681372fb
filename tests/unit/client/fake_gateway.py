"""A gateway of real gRPC for tests of the client: it keeps what each command id did, and loses connections and answers as told."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc

from services.client import SigningKey, Vigil
from services.client.submission import Pace
from services.core.keys import FRAME_DOMAIN, QUERY_DOMAIN, signed_bytes, verifies
from services.core.memory_log import wall_clock_ms
from vigil.v1 import (
    common_pb2,
    lending_pb2,
    lending_pb2_grpc,
    market_data_pb2,
    market_data_pb2_grpc,
    pool_pb2,
    trading_pb2_grpc,
)
from vigil.v1 import trading_pb2 as pb

Answer = TypeVar("Answer")
VENUE = "fake"
PACE = Pace(timeout_s=0.5, retries=(0.01, 0.02, 0.04), ask_every_s=0.02, ask_for_s=10, reconnect_s_max=0.05)
ANSWER, SWALLOW, LOSE_BEFORE, LOSE_AFTER, REFUSE = "answer", "swallow", "lose before", "lose after", "refuse"
WHOLE = common_pb2.Collateral(initial_weight=10**12, maintenance_weight=10**12)
USDC = common_pb2.Asset(id=1, symbol="USDC", decimals=8, collateral=WHOLE)
COIN = common_pb2.Asset(id=2, symbol="BTC", decimals=8, collateral=common_pb2.Collateral(index="BTC_USD"))
INVERSE = common_pb2.Market(
    id=2,
    symbol="BTC_USD_20260626",
    kind=5,
    settlement_asset=2,
    price_decimals=1,
    settlement_decimals=8,
    face=1_000,
    expires_ms=90_000_000,
)
BTC = common_pb2.Market(
    id=1, symbol="BTC_USDC_PERP", kind=1, settlement_asset=1, price_decimals=2, size_decimals=5, settlement_decimals=8
)


@dataclass
class Fake(trading_pb2_grpc.TradingServicer, market_data_pb2_grpc.MarketDataServicer, lending_pb2_grpc.LendingServicer):
    """`fate` says what happens to the next frame; `done` counts effects by (account, command id), which only act once, as risk sees to."""

    fate: Callable[[], str] = lambda: ANSWER
    done: Counter[tuple[int, int]] = field(default_factory=Counter)
    sent: dict[int, set[bytes]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    streams: int = 0
    after: list[Any] = field(default_factory=list)
    scripts: list[Iterable[Any]] = field(default_factory=list)
    account: pb.Account = field(default_factory=pb.Account)
    asked: list[pb.Query] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)

    async def GetTime(self, request: pb.TimeQuery, context: Any) -> pb.TimeAnswer:  # noqa: N802
        del request, context
        return pb.TimeAnswer(now_ms=wall_clock_ms(), venue=VENUE)

    async def ListMarkets(self, request: Any, context: Any) -> market_data_pb2.Listings:  # noqa: N802
        del request, context
        return market_data_pb2.Listings(assets=[USDC, COIN], markets=[BTC, INVERSE])

    async def GetAccount(self, request: pb.SignedQuery, context: Any) -> pb.Account:  # noqa: N802
        del request, context
        return self.account

    async def GetKeys(self, request: pb.SignedQuery, context: Any) -> pb.AccountKeys:  # noqa: N802
        del context
        return pb.AccountKeys(account=self.read(request).account)

    async def GetMargin(self, request: pb.SignedQuery, context: Any) -> pb.MarginReport:  # noqa: N802
        del context
        return self.answer(request, "margin", pb.MarginReport)

    async def GetMaxOrderSize(self, request: pb.SignedQuery, context: Any) -> pb.MaxOrderSize:  # noqa: N802
        del context
        return self.answer(request, "max_order_size", pb.MaxOrderSize)

    async def GetTriggers(self, request: pb.SignedQuery, context: Any) -> pb.Triggers:  # noqa: N802
        del context
        return self.answer(request, "triggers", pb.Triggers)

    async def GetCollateral(self, request: Any, context: Any) -> market_data_pb2.CollateralPrices:  # noqa: N802
        del request, context
        prices: market_data_pb2.CollateralPrices = self.answers["collateral"]
        return prices

    async def GetWithdrawable(self, request: pb.SignedQuery, context: Any) -> pb.Withdrawable:  # noqa: N802
        del context
        return self.answer(request, "withdrawable", pb.Withdrawable)

    async def GetInterest(self, request: pb.SignedQuery, context: Any) -> pb.InterestPage:  # noqa: N802
        del context
        query = self.read(request)
        self.asked.append(query)
        page: pb.InterestPage = self.answers["interest"][query.interest.place]
        return page

    async def GetPools(self, request: Any, context: Any) -> pool_pb2.Pools:  # noqa: N802
        del request, context
        pools: pool_pb2.Pools = self.answers["pools"]
        return pools

    async def GetPool(self, request: lending_pb2.PoolOf, context: Any) -> pool_pb2.PoolReport:  # noqa: N802
        del context
        report: pool_pb2.PoolReport = self.answers[request.asset]
        return report

    async def GetPoolHistory(self, request: lending_pb2.PoolHistoryOf, context: Any) -> pool_pb2.PoolHistory:  # noqa: N802
        del context
        history: pool_pb2.PoolHistory = self.answers[f"history of {request.asset}"]
        return history

    async def StreamPools(self, request: lending_pb2.PoolsOf, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for message in self.play({one.machine: one.seq for one in request.after}, context):
            yield message

    def answer(self, request: pb.SignedQuery, subject: str, kind: type[Answer]) -> Answer:
        """What the test wants to be answered about a subject, which the query must name."""
        self.asked.append(self.read(request))
        assert self.asked[-1].WhichOneof("subject") == subject
        answer = self.answers[subject]
        assert isinstance(answer, kind)
        return answer

    async def Submit(self, request: pb.SignedFrame, context: Any) -> pb.FrameResult:  # noqa: N802
        fate = self.fate()
        if fate in (SWALLOW, LOSE_BEFORE):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "lost before")
        reply = self.take(request, fate)
        if fate == LOSE_AFTER:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "lost after")
        if reply.HasField("refused"):
            trailing = (("vigil-reason", "13"), ("vigil-reason-name", reply.refused.reason_name))
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, reply.refused.text, trailing)
        return reply.result

    async def Trade(self, requests: AsyncIterator[pb.TradeRequest], context: Any) -> AsyncIterator[pb.TradeReply]:  # noqa: N802
        self.streams += 1
        async for request in requests:
            if request.HasField("session"):
                query = self.read(request.session)
                self.sessions.append(query.trade_session.lease_ms)
                yield pb.TradeReply(request_id=request.request_id, session=pb.SessionBegun(lease_ms=5_000))
                continue
            fate = self.fate()
            if fate == LOSE_BEFORE:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "lost before")
            reply = self.take(request.frame, fate)
            if fate == LOSE_AFTER:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "lost after")
            if fate != SWALLOW:
                reply.request_id = request.request_id
                yield reply

    def take(self, signed: pb.SignedFrame, fate: str) -> pb.TradeReply:
        """Do what a frame says, in its window, once per command id."""
        assert verifies(signed.key, signed.signature, signed_bytes(FRAME_DOMAIN, VENUE, signed.frame))
        frame = pb.Frame.FromString(signed.frame)
        for one in frame.commands:
            self.sent.setdefault(one.command_id, set()).add(signed.SerializeToString())
        if fate == REFUSE:
            return pb.TradeReply(refused=pb.RequestRefused(reason=13, reason_name="TOO_MANY_REQUESTS", text="later"))
        if wall_clock_ms() > frame.timestamp_ms + frame.window_ms:
            return pb.TradeReply(refused=pb.RequestRefused(reason=11, reason_name="OUTSIDE_WINDOW", text="too late"))
        for one in frame.commands:
            key = (frame.account, one.command_id)
            self.order += [] if self.done[key] else [one.command_id]
            self.done[key] = 1
        done = common_pb2.COMMAND_OUTCOME_DONE
        results = [pb.CommandResult(command_id=one.command_id, outcome=done) for one in frame.commands]
        return pb.TradeReply(result=pb.FrameResult(results=results))

    async def GetCommandResult(self, request: pb.SignedQuery, context: Any) -> pb.CommandResultAnswer:  # noqa: N802
        del context
        query = self.read(request)
        named = query.command_result
        if self.done[query.account, named.command_id]:
            result = pb.CommandResult(command_id=named.command_id, outcome=common_pb2.COMMAND_OUTCOME_DONE)
            return pb.CommandResultAnswer(answer=pb.COMMAND_ANSWER_RESULT, result=result)
        over = wall_clock_ms() > named.timestamp_ms + named.window_ms
        return pb.CommandResultAnswer(answer=pb.COMMAND_ANSWER_NEVER if over else pb.COMMAND_ANSWER_PENDING)

    def read(self, signed: pb.SignedQuery) -> pb.Query:
        """A query whose signature holds."""
        assert verifies(signed.key, signed.signature, signed_bytes(QUERY_DOMAIN, VENUE, signed.query))
        return pb.Query.FromString(signed.query)

    async def StreamAccount(self, request: pb.SignedQuery, context: Any) -> AsyncIterator[pb.FeedBatch]:  # noqa: N802
        events = self.read(request).account_events
        async for message in self.play((events.machine, events.seq), context):
            yield message

    async def StreamTrades(self, request: market_data_pb2.SymbolQuery, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for message in self.play(request.after, context):
            yield message

    async def StreamBook(self, request: market_data_pb2.SymbolQuery, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for message in self.play(request.after, context):
            yield message

    async def StreamTicker(self, request: market_data_pb2.SymbolQuery, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for message in self.play(request.symbol, context):
            yield message

    async def StreamMarks(self, request: market_data_pb2.MarksQuery, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for message in self.play({one.machine: one.seq for one in request.after}, context):
            yield message

    async def StreamLiquidations(  # noqa: N802
        self, request: market_data_pb2.LiquidationsQuery, context: Any
    ) -> AsyncIterator[Any]:
        async for message in self.play({one.machine: one.seq for one in request.after}, context):
            yield message

    async def GetBook(self, request: market_data_pb2.BookQuery, context: Any) -> market_data_pb2.Book:  # noqa: N802
        del request, context
        return market_data_pb2.Book(market=BTC.id)

    async def GetMarks(self, request: market_data_pb2.MarksQuery, context: Any) -> market_data_pb2.Marks:  # noqa: N802
        del request, context
        return market_data_pb2.Marks()

    async def play(self, after: Any, context: Any) -> AsyncIterator[Any]:
        """Say what the next script has; a status in it ends the stream so, and its end is a lost connection."""
        self.after.append(after)
        await context.send_initial_metadata(())
        for message in self.scripts.pop(0):
            if isinstance(message, grpc.StatusCode):
                await context.abort(message, "as told")
            yield message
        if not self.scripts:
            await asyncio.Event().wait()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "lost")


@contextlib.asynccontextmanager
async def served(fake: Fake, window_ms: int = 5_000, **client: Any) -> AsyncIterator[Vigil]:
    """A client of the fake, over real gRPC."""
    server = grpc.aio.server()
    trading_pb2_grpc.add_TradingServicer_to_server(fake, server)
    market_data_pb2_grpc.add_MarketDataServicer_to_server(fake, server)
    lending_pb2_grpc.add_LendingServicer_to_server(fake, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        key = SigningKey(bytes([7] * 32))
        async with Vigil(f"127.0.0.1:{port}", key, window_ms=window_ms, pace=PACE, **client) as vigil:
            yield vigil
    finally:
        await server.stop(None)
