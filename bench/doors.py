"""How the bench's clients hand frames over: one unary call each; the rest of the bench does not know which way it is."""

from typing import Protocol

from services.core.rpc import open_channel
from vigil.v1 import trading_pb2 as pb
from vigil.v1 import trading_pb2_grpc


class Door(Protocol):
    """A connection to a gateway."""

    async def submit(self, account: int, request: pb.SignedFrame) -> pb.FrameResult:
        """Send a frame of one account and wait for its results; raises grpc.aio.AioRpcError."""
        ...

    async def close(self) -> None:
        """Give up the connection."""
        ...


class Unary:
    """One call per frame."""

    def __init__(self, gateway: str, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self.channel = open_channel(gateway)
        self.stub = trading_pb2_grpc.TradingStub(self.channel)

    async def submit(self, account: int, request: pb.SignedFrame) -> pb.FrameResult:
        """Send a frame."""
        del account
        answer: pb.FrameResult = await self.stub.Submit(request, timeout=self.deadline_s)
        return answer

    async def close(self) -> None:
        """Give up the connection."""
        await self.channel.close()


def open_door(gateway: str, deadline_s: float) -> Door:
    """The best way that there is."""
    return Unary(gateway, deadline_s)
