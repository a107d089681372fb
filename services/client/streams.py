"""Streams of a gateway: messages of one call, records each once, and streams that go on after a loss where they were."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc

from services.client.errors import ClientError, NotRemembered, StreamEnded, Unreachable, refused_for
from services.client.submission import Pace
from vigil.v1 import feeds_pb2

Message = TypeVar("Message")


async def received(
    call: Any,  # noqa: ANN401 - a server stream
    begun: asyncio.Event | None = None,
) -> AsyncIterator[Any]:
    """Messages of a stream.

    Raises   NotRemembered when the gateway does not go back so far; DefiniteReject when it was refused; StreamEnded when it is over
    """
    try:
        await call.initial_metadata()
        if begun is not None:
            begun.set()
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as error:
        raise stream_failed(error) from error
    finally:
        call.cancel()
    raise StreamEnded("the gateway ended the stream")


async def has_begun(call: Any) -> None:  # noqa: ANN401 - a server stream
    """Wait until a stream has begun; raises as received() does."""
    try:
        await call.initial_metadata()
    except grpc.aio.AioRpcError as error:
        raise stream_failed(error) from error


def stream_failed(error: grpc.aio.AioRpcError) -> ClientError:
    """What the end of a stream means."""
    text = f"{error.code().name}: {error.details()}"
    if error.code() == grpc.StatusCode.OUT_OF_RANGE:
        return NotRemembered(text)
    if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return StreamEnded(text)
    return refused_for(error) or StreamEnded(text)


async def batches(
    call: Any,  # noqa: ANN401 - a server stream
    begun: asyncio.Event | None = None,
    seen: dict[str, int] | None = None,
) -> AsyncIterator[feeds_pb2.FeedRecord]:
    """Records of a stream one by one; per machine, what came before, here or in an earlier stream that noted it in `seen`, is dropped."""
    seen = {} if seen is None else seen
    async for batch in received(call, begun):
        for record in batch.records:
            if record.seq > seen.get(record.machine, 0):
                seen[record.machine] = record.seq
                yield record


async def follow(begin: Callable[[], Awaitable[AsyncIterator[Message]]], pace: Pace) -> AsyncIterator[Message]:
    """Messages of a stream that is begun again after each loss; `begin` knows where to go on.

    Raises   DefiniteReject, whenever the venue refuses the stream
    """
    waits = pace.waits()
    while True:
        try:
            async with aclosing(await begin()) as messages:  # type: ignore[type-var]
                async for message in messages:
                    waits = pace.waits()
                    yield message
        except (StreamEnded, Unreachable, NotRemembered):
            await asyncio.sleep(next(waits))
