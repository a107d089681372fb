"""Frames over one Trade stream, many under way at once; a stream that is lost is begun anew with the same bytes in the same order.

An answer that comes after a loss is judged as one to a repeated frame: a gateway's own refusal proves nothing then. What stays open is
left UNKNOWN; who sent it asks the machine that decides.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias

import grpc

from services.client.errors import ClientError, DefiniteReject, StreamEnded, Unreachable, refused_for
from services.client.submission import (
    NOT_IN_TIME,
    Pace,
    Result,
    SignedCommands,
    all_unknown,
    read_results,
)
from vigil.v1 import trading_pb2 as pb

IN_FLIGHT_MAX = 64
"""Frames under way at once; more wait here."""
OpenCall: TypeAlias = Callable[[AsyncIterator[pb.TradeRequest]], Any]
SignSession: TypeAlias = Callable[[int], Awaitable[pb.SignedQuery]]


@dataclass(slots=True)
class Waiting:
    """A request without an answer; `in_doubt` once a stream that may have carried it was lost."""

    request: pb.TradeRequest
    answer: "asyncio.Future[pb.TradeReply]"
    written: bool = False
    in_doubt: bool = False


class TradeStream:
    """One stream of one account at a time. Between begin() and end() it keeps itself up."""

    def __init__(
        self, connected: Callable[[], Awaitable[None]], open_call: OpenCall, sign_session: SignSession, pace: Pace
    ) -> None:
        """`connected` waits for a connection, `open_call` begins the RPC, `sign_session` asks for a session with a lease of some ms."""
        self.connected = connected
        self.open_call = open_call
        self.sign_session = sign_session
        self.pace = pace
        self.lease_ms = 0
        self.waiting: dict[int, Waiting] = {}
        self.outbox = asyncio.Queue[Waiting]()
        self.places = asyncio.Semaphore(IN_FLIGHT_MAX)
        self.number = 0
        self.heard_at = 0.0
        self.was_heard = False
        self.stalled = False
        self.losses = 0
        self.call: Any = None
        self.task: asyncio.Task[None] | None = None
        self.over: ClientError | None = None

    async def begin(self, lease_ms: int = 0) -> None:
        """Begin; with a lease the account's orders are cancelled when the stream or its gateway ends. Raises ClientError."""
        self.lease_ms = lease_ms
        self.over = None
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self.run(begun))
        try:
            async with asyncio.timeout(self.pace.patience_s):
                await begun
        except TimeoutError:
            await self.end()
            raise Unreachable("no gateway took a Trade stream in time") from None

    async def end(self) -> None:
        """End the stream; the orders that a lease guards are cancelled by the venue."""
        self.over = StreamEnded("the stream was ended here")
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        if self.call is not None:
            self.call.cancel()

    async def submit(self, signed: SignedCommands) -> tuple[list[Result], str]:
        """Results of a frame, and why some of them are UNKNOWN.

        Raises   DefiniteReject when the whole frame was refused and no earlier attempt can have landed; StreamEnded after end()
        """
        if self.over is not None:
            raise self.over
        async with self.places:
            waiting = self.put(pb.TradeRequest(frame=signed.request))
            try:
                reply = await self.answer_to(waiting)
            except (TimeoutError, StreamEnded) as error:
                return all_unknown(signed), str(error) or NOT_IN_TIME
            finally:
                del self.waiting[waiting.request.request_id]
        try:
            raise_refused(reply)
        except DefiniteReject as refusal:
            if waiting.in_doubt:
                return all_unknown(signed), str(refusal)
            raise
        return read_results(signed, reply.result, in_doubt=waiting.in_doubt), NOT_IN_TIME

    async def guard(self, lease_ms: int) -> int:
        """Guard the account's orders with another lease; 0 ends the guard without cancelling. Raises ClientError."""
        self.lease_ms = lease_ms
        waiting = self.put(pb.TradeRequest(session=await self.sign_session(lease_ms)))
        try:
            reply = await self.answer_to(waiting)
        finally:
            del self.waiting[waiting.request.request_id]
        raise_refused(reply)
        return reply.session.lease_ms

    def put(self, request: pb.TradeRequest) -> Waiting:
        """Number a request and have it written."""
        self.number += 1
        request.request_id = self.number
        waiting = Waiting(request, asyncio.get_running_loop().create_future())
        self.waiting[self.number] = waiting
        self.outbox.put_nowait(waiting)
        return waiting

    async def answer_to(self, waiting: Waiting) -> pb.TradeReply:
        """Wait for an answer; a stream that says nothing to anybody for the time of one answer is begun anew."""
        until = monotonic() + self.pace.patience_s
        while (left := until - monotonic()) > 0:
            done, _ = await asyncio.wait([waiting.answer], timeout=min(self.pace.timeout_s, left))
            if done:
                return waiting.answer.result()
            if self.call is not None and monotonic() - self.heard_at >= self.pace.timeout_s:
                self.stalled = True
                self.call.cancel()
        raise TimeoutError(NOT_IN_TIME)

    # ------------------------------------------------------------ the stream itself

    async def run(self, begun: "asyncio.Future[None]") -> None:
        """Keep a stream up until end(), or until the venue refuses it."""
        waits = self.pace.waits()
        try:
            while True:
                try:
                    await self.one_stream(begun)
                except (grpc.aio.AioRpcError, Unreachable, StreamEnded, TimeoutError) as error:
                    if not begun.done() and isinstance(error, grpc.aio.AioRpcError):
                        raise_refusal(error)
                except asyncio.CancelledError:
                    if not self.stalled:
                        raise
                waits = self.pace.waits() if self.lose() else waits
                await asyncio.sleep(next(waits))
        except ClientError as error:
            self.fail(error, begun)

    async def one_stream(self, begun: "asyncio.Future[None]") -> None:
        """Begin a stream, ask for its session, write what waits, and hand out answers until it ends."""
        await asyncio.wait_for(self.connected(), self.pace.timeout_s)
        session = pb.TradeRequest()
        if self.lease_ms:
            session.session.CopyFrom(await self.sign_session(self.lease_ms))
            session.request_id = self.number = self.number + 1
        self.outbox = outbox = asyncio.Queue[Waiting]()
        for waiting in self.waiting.values():
            outbox.put_nowait(waiting)
        self.stalled, self.heard_at = False, monotonic()
        call = self.call = self.open_call(written(outbox, session))
        if not self.lease_ms:
            set_begun(begun)
        async for reply in call:
            self.heard_at, self.was_heard = monotonic(), True
            if reply.request_id == session.request_id:
                raise_refused(reply)
                set_begun(begun)
            else:
                self.take(reply)
        raise StreamEnded("the gateway ended the stream")

    def take(self, reply: pb.TradeReply) -> None:
        """Hand an answer to who waits for it; nobody waits for what came too late."""
        waiting = self.waiting.get(reply.request_id)
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_result(reply)

    def lose(self) -> bool:
        """Doubt what the stream that was lost may have carried; returns whether it had said anything."""
        self.losses += 1
        if self.call is not None:
            self.call.cancel()
            self.call = None
        for waiting in self.waiting.values():
            waiting.in_doubt = waiting.in_doubt or waiting.written
        said, self.was_heard = self.was_heard, False
        return said

    def fail(self, error: ClientError, begun: "asyncio.Future[None]") -> None:
        """End for good: say so to all who wait."""
        self.over = error
        if not begun.done():
            begun.set_exception(error)
        for waiting in self.waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(StreamEnded(str(error)))


def set_begun(begun: "asyncio.Future[None]") -> None:
    """Say that the stream has begun, the first time."""
    if not begun.done():
        begun.set_result(None)


async def written(outbox: "asyncio.Queue[Waiting]", session: pb.TradeRequest) -> AsyncIterator[pb.TradeRequest]:
    """Requests in the order in which they were put, the session, if there is one, first."""
    if session.request_id:
        yield session
    while True:
        waiting = await outbox.get()
        if not waiting.answer.done():
            waiting.written = True
            yield waiting.request


def raise_refused(reply: pb.TradeReply) -> None:
    """Raise DefiniteReject when a request was refused whole."""
    if reply.HasField("refused"):
        refused = reply.refused
        raise DefiniteReject(refused.reason_name or "REFUSED", refused.text, refused.limit)


def raise_refusal(error: grpc.aio.AioRpcError) -> None:
    """Raise DefiniteReject when the status says that the stream itself was refused."""
    refusal = refused_for(error)
    if refusal is not None:
        raise refusal from error
