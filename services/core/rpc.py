"""gRPC servers and channels as every process has them: health, reflection, limits, typed errors; it knows no service.

All servicers are grpc.aio. Every RPC runs inside one interceptor, which reads the request itself (what cannot be read or holds
unknown fields is INVALID_ARGUMENT, never INTERNAL), turns `Refused` and a stopped partition into their status, and an unexpected
exception, which is a bug, into INTERNAL with a log line that has the trace id.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.core.host import PartitionStopped
from services.core.reasons import Reason
from services.core.rpc_meter import RpcMeter

log = structlog.get_logger(__name__)

TRACE: ContextVar[int] = ContextVar("trace", default=0)
"""Trace id of the RPC that this task serves; it goes with every record that the RPC appends."""
TRACE_HEADER = "vigil-trace"
REASON_HEADER = "vigil-reason"
REASON_NAME_HEADER = "vigil-reason-name"
STRICT = "/vigil."
"""Methods whose requests may not hold fields that this release does not know."""
SHOWN_MAX = 64

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


@dataclass(frozen=True)
class Tls:
    """Certificate chain and private key of a server, PEM."""

    certificate: bytes
    key: bytes

    def credentials(self) -> grpc.ServerCredentials:
        """As grpc takes them."""
        return grpc.ssl_server_credentials([(self.key, self.certificate)])


@dataclass(frozen=True)
class RpcSettings:
    """Limits of a server; the defaults suit a public one."""

    address: str = "127.0.0.1:0"
    tls: Tls | None = None
    """None: in plaintext, for addresses of this host and networks that nobody else is in."""
    request_bytes_max: int = 64 * 1024
    response_bytes_max: int = 16 * 1024 * 1024
    metadata_bytes_max: int = 8 * 1024
    connections_max: int = 2_000
    streams_per_connection: int = 100
    rpcs_max: int = 5_000
    ping_interval_ms_min: int = 30_000
    idle_ms_max: int = 300_000


class Refused(Exception):
    """A request that is not served, and why: the interceptor answers with `status`, `reason` and the text."""

    def __init__(self, status: grpc.StatusCode, text: str, reason: Reason = Reason.MALFORMED, limit: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason
        self.limit = limit


def malformed(text: str, limit: int = 0) -> Refused:
    """Refusal of a request that cannot be read or that asks for something that does not exist in this form."""
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, text, Reason.MALFORMED, limit)


def not_found(text: str, reason: Reason) -> Refused:
    """Refusal of a request that names something unknown."""
    return Refused(grpc.StatusCode.NOT_FOUND, text, reason)


def shown(text: str) -> str:
    """What a client sent, as it may stand in an answer: quoted, printable and short."""
    short = text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "..."
    return ascii(short)


def reason_metadata(reason: Reason) -> tuple[tuple[str, str], ...]:
    """Trailing metadata of a refusal."""
    return ((REASON_HEADER, str(int(reason))), (REASON_NAME_HEADER, reason.name))


# ---------------------------------------------------------------- the interceptor


class Guard(grpc.aio.ServerInterceptor):
    """Wraps every RPC: see the module's docstring."""

    def __init__(self, meter: RpcMeter, is_serving: Callable[[], bool]) -> None:
        self.meter = meter
        self.is_serving = is_serving
        self.wrapped: dict[str, Handler | None] = {}

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Any], details: grpc.HandlerCallDetails
    ) -> Any:  # noqa: ANN401 - grpc's own stubs say so
        """Return the wrapped handler of a method, None for an unknown one."""
        method = details.method
        if method.startswith(STRICT) and not self.is_serving():
            return starting(await continuation(details))
        if method in self.wrapped:
            return self.wrapped[method]
        handler = await continuation(details)
        if handler is not None:
            handler = self.wrapped[method] = guarded_handler(method, handler, self.meter)
        return handler


def starting(handler: "Handler | None") -> "Handler | None":
    """A handler in the same form that says to come back; None for an unknown method."""
    if handler is None:
        return None

    async def refuse(_request: Any, context: Context) -> None:  # noqa: ANN401
        await context.abort(grpc.StatusCode.UNAVAILABLE, "this process is starting; ask its health, and come back")

    return grpc.unary_unary_rpc_method_handler(refuse)


def guarded_handler(method: str, handler: Handler, meter: RpcMeter) -> Handler:
    """The same handler, which gets raw bytes, reads them itself, answers every exception and counts every call."""
    read = request_reader(method, handler.request_deserializer)
    write = response_writer(handler.response_serializer)
    if handler.request_streaming:
        behaviour: Any = handler.stream_stream if handler.response_streaming else handler.stream_unary
    else:
        behaviour = handler.unary_stream if handler.response_streaming else handler.unary_unary

    def request(raw: Any) -> Any:  # noqa: ANN401 - bytes, or an iterator of them
        return read_each(raw, read) if handler.request_streaming else read(raw)

    async def unary(raw: Any, context: Context) -> Any:  # noqa: ANN401
        with meter.measured(method, context, streams=handler.request_streaming):
            async with answered(method, context):
                return await behaviour(request(raw), context)

    async def stream(raw: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
        with meter.measured(method, context, streams=True):
            async with answered(method, context):
                answers = behaviour(request(raw), context)
                if not hasattr(answers, "__aiter__"):
                    await answers
                    return
                async for answer in answers:
                    yield answer

    kinds: dict[tuple[bool, bool], tuple[Callable[..., Handler], Any]] = {
        (False, False): (grpc.unary_unary_rpc_method_handler, unary),
        (False, True): (grpc.unary_stream_rpc_method_handler, stream),
        (True, False): (grpc.stream_unary_rpc_method_handler, unary),
        (True, True): (grpc.stream_stream_rpc_method_handler, stream),
    }
    make, wrapped = kinds[handler.request_streaming, handler.response_streaming]
    return make(wrapped, request_deserializer=None, response_serializer=write)


def request_reader(method: str, deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
    """Reader of one request; it raises Refused for what cannot be read."""
    strict = method.startswith(STRICT)

    def read(raw: bytes) -> Any:  # noqa: ANN401 - any message
        if deserialize is None:
            return raw
        try:
            request = deserialize(raw)
        except DecodeError:
            raise malformed("the request cannot be read; see protos/ for what each field accepts") from None
        if strict and has_unknown_fields(request):
            raise malformed("the request holds fields that this release does not know")
        return request

    return read


def has_unknown_fields(message: Message) -> bool:
    """Whether a message, or one within it, holds fields of no schema; they are gone afterwards."""
    size = message.ByteSize()
    message.DiscardUnknownFields()
    return message.ByteSize() != size


async def read_each(raw: AsyncIterator[bytes], read: Callable[[bytes], Any]) -> AsyncIterator[Any]:
    """Read the requests of a stream one by one."""
    async for one in raw:
        yield read(one)


def response_writer(serialize: Callable[[Any], bytes] | None) -> Callable[[Any], bytes]:
    """Writer of one answer; bytes go through as they are, so that feed records need no second encoding."""

    def write(answer: Any) -> bytes:  # noqa: ANN401 - a message, or its bytes
        return answer if isinstance(answer, bytes) or serialize is None else serialize(answer)

    return write


@asynccontextmanager
async def answered(method: str, context: Context) -> AsyncIterator[None]:
    """Give the RPC a trace id, and every exception the status it stands for."""
    trace = secrets.randbits(64)
    token = TRACE.set(trace)
    try:
        yield
    except (grpc.aio.AbortError, grpc.aio.UsageError):
        raise
    except Refused as refused:
        await context.abort(refused.status, refused.text, reason_metadata(refused.reason))
    except NotImplementedError:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not served here")
    except PartitionStopped as stopped:
        await context.abort(grpc.StatusCode.UNAVAILABLE, str(stopped))
    except Exception:  # a bug in one RPC answers that RPC, and is logged
        log.exception("rpc_failed", method=method, trace=trace)
        await context.abort(grpc.StatusCode.INTERNAL, f"a bug; tell the operator this trace id: {trace:016x}")
    finally:
        restore_trace(token)


def restore_trace(token: Any) -> None:  # noqa: ANN401 - contextvars.Token
    """Reset the trace; a stream that was dropped is closed in another context, where there is nothing to reset."""
    try:
        TRACE.reset(token)
    except ValueError:
        TRACE.set(0)


# ---------------------------------------------------------------- servers and channels


class Service(NamedTuple):
    """A servicer with what grpc generated for it."""

    name: str
    add: Callable[[Any, grpc.aio.Server], None]
    servicer: object


class RpcServer:
    """A server of some services; `port` is the one it got. Servers of one process may share a meter."""

    def __init__(self, settings: RpcSettings, services: list[Service], meter: RpcMeter | None = None) -> None:
        """Build it and take its port; RuntimeError when the port is taken."""
        self.settings = settings
        self.meter = meter or RpcMeter()
        self.server = grpc.aio.server(
            interceptors=[Guard(self.meter, lambda: self.serving)],
            options=list(server_options(settings)),
            maximum_concurrent_rpcs=settings.rpcs_max,
        )
        self.serving = False
        self.health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        self.names = [service.name for service in services]
        for service in services:
            service.add(service.servicer, self.server)
        reflected = [*self.names, health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(reflected, self.server)
        if settings.tls is None:
            self.port = self.server.add_insecure_port(settings.address)
        else:
            self.port = self.server.add_secure_port(settings.address, settings.tls.credentials())

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{self.settings.address.rpartition(':')[0]}:{self.port}"

    async def start(self, *, serving: bool = True) -> None:
        """Listen, and serve; without `serving` every call but health and reflection is UNAVAILABLE until serve()."""
        await self.server.start()
        for name in self.names:
            await self.health.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
        if serving:
            await self.serve()

    async def serve(self) -> None:
        """Answer calls from now on."""
        self.serving = True
        for name in self.names:
            await self.health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float = 1.0) -> None:
        """Take no more calls; end what still runs after `grace_s` seconds."""
        await self.health.enter_graceful_shutdown()
        await self.server.stop(grace_s)


def server_options(settings: RpcSettings) -> Iterator[tuple[str, int]]:
    """Limits in grpc's words."""
    yield "grpc.so_reuseport", 0
    yield "grpc.max_receive_message_length", settings.request_bytes_max
    yield "grpc.max_send_message_length", settings.response_bytes_max
    yield "grpc.max_metadata_size", settings.metadata_bytes_max
    yield "grpc.absolute_max_metadata_size", settings.metadata_bytes_max
    yield "grpc.max_concurrent_streams", settings.streams_per_connection
    yield "grpc.max_allowed_incoming_connections", settings.connections_max
    yield "grpc.http2.min_ping_interval_without_data_ms", settings.ping_interval_ms_min
    yield "grpc.max_connection_idle_ms", settings.idle_ms_max


def open_channel(
    address: str, response_bytes_max: int = 16 * 1024 * 1024, roots: bytes | None = None
) -> grpc.aio.Channel:
    """Channel to a server of this module; it connects when first used, and again after every loss.

    With `roots` (PEM) it speaks TLS and trusts certificates that these signed; otherwise plaintext.
    """
    options = [
        ("grpc.max_receive_message_length", response_bytes_max),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if roots is None:
        return grpc.aio.insecure_channel(address, options)
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(roots), options)
