"""RPCs as the server calls them, without a network: the guarded handlers themselves, on a context that notes how a call ended."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple

import grpc

from services.core.rpc import Service, guarded_handler
from services.core.rpc_meter import RpcMeter

ANSWER_S = 5.0
OK = grpc.StatusCode.OK


class FakeContext:
    """What servicers and the guard use of grpc's context. A stream that has begun has shown enough and is cancelled."""

    def __init__(self, peer: str) -> None:
        self.name = peer
        self.status = OK
        self.text = ""
        self.metadata: tuple[tuple[str, str], ...] = ()
        self.callbacks: list[Callable[[Any], None]] = []

    def peer(self) -> str:
        return self.name

    def code(self) -> grpc.StatusCode:
        return self.status

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return self.metadata

    def time_remaining(self) -> float:
        return ANSWER_S

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self.callbacks.append(callback)

    async def send_initial_metadata(self, _metadata: object) -> None:
        raise asyncio.CancelledError

    async def abort(self, status: grpc.StatusCode, text: str = "", metadata: tuple[tuple[str, str], ...] = ()) -> None:
        self.status, self.text, self.metadata = status, text, metadata
        raise grpc.aio.AbortError(text)

    @property
    def reason(self) -> str:
        """Name of the reason in the trailing metadata, empty without."""
        return dict(self.metadata).get("vigil-reason-name", "")


class Rpc(NamedTuple):
    """A method with its handler."""

    path: str
    handler: Any


class Catcher:
    """Stands where grpc's server stands when servicers are added to it."""

    def __init__(self) -> None:
        self.rpcs: dict[str, Rpc] = {}

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """The same as the registered ones."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        for name, handler in handlers.items():
            path = f"/{service}/{name}"
            self.rpcs[path] = Rpc(path, guarded_handler(path, handler, RpcMeter()))


def rpcs_of(services: Sequence[Service]) -> dict[str, Rpc]:
    """Guarded handlers by path."""
    catcher = Catcher()
    for service in services:
        service.add(service.servicer, catcher)  # type: ignore[arg-type]
    return catcher.rpcs


async def call(rpc: Rpc, *raw: bytes, peer: str) -> tuple[FakeContext, list[Any]]:
    """Call a method with raw requests, one unless it takes a stream; how it ended, and its answers."""
    context = FakeContext(peer)
    answers: list[Any] = []
    handler = rpc.handler
    try:
        if handler.request_streaming:
            answers += [one async for one in handler.stream_stream(each(raw), context)]
        elif handler.response_streaming:
            answers += [one async for one in handler.unary_stream(raw[0], context)]
        else:
            answers.append(await handler.unary_unary(raw[0], context))
    except grpc.aio.AbortError:
        pass
    except asyncio.CancelledError:
        if handler.response_streaming is False:
            raise
    for callback in context.callbacks:
        callback(context)
    return context, answers


async def each(raw: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Requests of a stream."""
    for one in raw:
        yield one
