"""How the bench's clients hand frames over: a Trade stream per account, several streams to a connection."""

import asyncio
from typing import Any

import grpc

from services.core.rpc import open_channel
from vigil.v1 import trading_pb2 as pb
from vigil.v1 import trading_pb2_grpc


class NotAnswered(Exception):
    """A frame without results; the text says why. `refused` when it was refused whole, so that nothing of it happened."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


class Door:
    """The Trade stream of one account: frames go out as they come, answers are told apart by their request ids."""

    def __init__(self, stub: trading_pb2_grpc.TradingStub, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        begin: Any = stub.Trade
        self.call = begin()  # without an iterator: frames are written one by one
        self.writing = asyncio.Lock()
        self.number = 0
        self.waiting: dict[int, asyncio.Future[Any]] = {}
        self.reading = asyncio.create_task(self.read())

    async def submit(self, frame: pb.SignedFrame) -> pb.FrameResult:
        """Send a frame and wait for its results; raises NotAnswered."""
        self.number += 1
        number = self.number
        answer = self.waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self.deadline_s):
                async with self.writing:
                    await self.call.write(pb.TradeRequest(request_id=number, frame=frame))
                reply = await answer
        except TimeoutError:
            raise NotAnswered("not answered in time") from None
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise NotAnswered("stream lost") from error
        finally:
            del self.waiting[number]
        if reply.HasField("refused"):
            raise NotAnswered(f"frame refused {reply.refused.reason_name}", refused=True)
        result: pb.FrameResult = reply.result
        return result

    async def read(self) -> None:
        """Hand out answers until the stream ends."""
        try:
            async for reply in self.call:
                answer = self.waiting.get(reply.request_id)
                if answer is not None and not answer.done():
                    answer.set_result(reply)
        except grpc.aio.AioRpcError as error:
            for answer in self.waiting.values():
                if not answer.done():
                    answer.set_exception(error)

    async def close(self) -> None:
        """End the stream."""
        self.reading.cancel()
        self.call.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)


class Connections:
    """Connections of a process to one gateway, and the doors opened over them, one per account."""

    def __init__(self, gateway: str, count: int) -> None:
        self.channels = [open_channel(gateway) for _ in range(count)]
        self.stubs = [trading_pb2_grpc.TradingStub(channel) for channel in self.channels]
        self.doors: list[Door] = []

    def open(self, count: int, deadline_s: float) -> list[Door]:
        """Open that many doors, the connections in turn."""
        self.doors += [Door(self.stubs[number % len(self.stubs)], deadline_s) for number in range(count)]
        return self.doors

    async def close(self) -> None:
        """Hang up."""
        for door in self.doors:
            await door.close()
        for channel in self.channels:
            await channel.close()
