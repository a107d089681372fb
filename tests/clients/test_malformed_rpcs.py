"""Every RPC of a gateway and of the machines, listed by reflection so that none is forgotten, gets what no honest client sends.

It answers with a typed refusal or a status that says whose fault it was; nothing fails inside, and no state changes.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from grpc_reflection.v1alpha import reflection_pb2 as reflection
from grpc_reflection.v1alpha import reflection_pb2_grpc
from structlog.testing import capture_logs

from services.client import SigningKey, Vigil
from services.core.keys import FRAME_DOMAIN, QUERY_DOMAIN
from services.gateway.gateway import Gateway
from tests.clients.exchange import Exchange
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

SEED = 4
CASES_PER_RPC = 250
SIGNED_CASES = 600
BEGUN_S = 0.02
ACCEPTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
}
INTEGERS = (0, 1, 2, 255, 256, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
TEXTS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "+1",
        "1e9",
        "NaN",
        "Infinity",
        "1.",
        ".5",
        "00.5",
        "0x10",
        "1_000",
        "1,5",
        "\u0663.\u0665",
        "\uff11",
        "\x00",
        "\n",
    ),
    *(
        "9" * 60,
        "0." + "0" * 50 + "1",
        "BTC_USDC_PERP",
        "USDC",
        "btc_usdc_perp",
        "../../etc",
        "'; drop table",
        "🦀",
        "A" * 40_000,
    ),
)


async def listed_methods(channel: grpc.aio.Channel) -> list[MethodDescriptor]:
    """Ask the server itself what it serves."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]

    async def ask(request: reflection.ServerReflectionRequest) -> Any:
        return await stub.ServerReflectionInfo(iter([request])).read()

    listing = await ask(reflection.ServerReflectionRequest(list_services=""))
    names = [service.name for service in listing.list_services_response.service]
    pool = descriptor_pool.DescriptorPool()
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for name in names:
        answer = await ask(reflection.ServerReflectionRequest(file_containing_symbol=name))
        for raw in answer.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(raw)
            files[file.name] = file
    for file in in_order(files):
        pool.Add(file)
    services: list[ServiceDescriptor] = [pool.FindServiceByName(name) for name in names]
    return [method for service in services for method in service.methods]


def in_order(files: dict[str, descriptor_pb2.FileDescriptorProto]) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    """Files after those they import."""
    done: set[str] = set()
    while len(done) < len(files):
        for file in files.values():
            if file.name not in done and all(one in done or one not in files for one in file.dependency):
                done.add(file.name)
                yield file


# ---------------------------------------------------------------- hostile requests


def hostile(chance: random.Random, kind: Descriptor, depth: int = 0) -> Message:
    """A readable message whose fields hold what nobody expects."""
    message = message_factory.GetMessageClass(kind)()
    for field in kind.fields:
        if chance.random() < 0.3 or depth > 4:
            continue
        if field.is_repeated:
            for _ in range(chance.choice((1, 2, 3))):
                add(chance, message, field, depth)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(hostile(chance, field.message_type, depth + 1))
        else:
            setattr(message, field.name, scalar(chance, field))
    return message


def add(chance: random.Random, message: Message, field: FieldDescriptor, depth: int) -> None:
    """One more of a repeated field."""
    values = getattr(message, field.name)
    if field.message_type is not None:
        values.add().CopyFrom(hostile(chance, field.message_type, depth + 1))
    else:
        values.append(scalar(chance, field))


def scalar(chance: random.Random, field: FieldDescriptor) -> Any:
    """A value at the edges of its type."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        text = chance.choice(TEXTS)
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if field.cpp_type == FieldDescriptor.CPPTYPE_UINT32:
        return chance.choice(INTEGERS) % 2**32
    if field.cpp_type == FieldDescriptor.CPPTYPE_UINT64:
        return chance.choice(INTEGERS)
    bits = 64 if field.cpp_type == FieldDescriptor.CPPTYPE_INT64 else 32
    return chance.choice((-1, 1)) * (chance.choice(INTEGERS) % 2 ** (bits - 1))


def request_bytes(chance: random.Random, method: MethodDescriptor) -> bytes:
    """Random, hostile, truncated, flipped, doubled, or with a tail."""
    raw = hostile(chance, method.input_type).SerializeToString()
    match chance.randrange(7):
        case 0:
            return chance.randbytes(chance.randrange(1, 300))
        case 1:
            return raw[: chance.randrange(len(raw) + 1)]
        case 2 if raw:
            at = chance.randrange(len(raw))
            return raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]
        case 3:
            return raw + raw
        case 4:
            return raw + b"\xfa\x3f\x03abc"
        case 5:
            return b"\x0a" * 70_000 if chance.random() < 0.1 else b"\xff" * chance.randrange(40)
        case _:
            return raw


async def status(channel: Any, method: MethodDescriptor, raw: bytes) -> grpc.StatusCode:
    """Send bytes to a method; a connection whose streams are all taken refuses more for a moment, as any client must expect."""
    code = await call(channel, method, raw)
    for _ in range(20):
        if code is not grpc.StatusCode.UNAVAILABLE:
            break
        await asyncio.sleep(0.1)
        code = await call(channel, method, raw)
    return code


async def call(channel: Any, method: MethodDescriptor, raw: bytes) -> grpc.StatusCode:
    """Send bytes to a method; a stream that begins counts as OK."""
    assert method.containing_service is not None
    path = f"/{method.containing_service.full_name}/{method.name}"
    made: Any
    if method.client_streaming:
        made = channel.stream_stream(path)(iter([raw]), timeout=5)
    elif method.server_streaming:
        made = channel.unary_stream(path)(raw, timeout=5)
    else:
        made = channel.unary_unary(path)(raw, timeout=5)
    if not method.server_streaming:
        return await made.code()  # type: ignore[no-any-return]
    done, _ = await asyncio.wait([asyncio.ensure_future(made.code())], timeout=BEGUN_S)
    if not done:
        made.cancel()
        return grpc.StatusCode.OK
    return done.pop().result()  # type: ignore[no-any-return]


def sound(exchange: Exchange) -> bool:
    """Whether every machine runs and holds its invariants."""
    for hosts in exchange.hosts.values():
        for host in hosts.values():
            host.engine.machine.check_invariants(host.query())
    return True


@pytest.mark.slow
@pytest.mark.parametrize("server", ["gateway", "machines"])
async def test_every_rpc_survives_malformed_and_hostile_requests(
    exchange: Exchange, gateway: Gateway, server: str
) -> None:
    chance = random.Random(SEED)
    channel = grpc.aio.insecure_channel(gateway.address if server == "gateway" else exchange.server.address)
    methods = await listed_methods(channel)
    expected = {"gateway": {"Submit", "StreamAccount", "StreamBook"}, "machines": {"GetAccount", "GetFunds"}}
    assert {"Check", "ServerReflectionInfo", *expected[server]} <= {method.name for method in methods}
    before, counts = exchange.inbox_ends(), Counter[grpc.StatusCode]()
    with capture_logs() as logs:
        for method in methods:
            requests = [request_bytes(chance, method) for _ in range(CASES_PER_RPC)]
            for start in range(0, len(requests), 25):
                some = requests[start : start + 25]
                codes = await asyncio.gather(*(status(channel, method, raw) for raw in some))
                wrong = [
                    (method.full_name, raw, code) for raw, code in zip(some, codes, strict=True) if code not in ACCEPTED
                ]
                assert wrong == []
                counts.update(codes)
    await channel.close()
    print(f"{sum(counts.values())} requests to {len(methods)} RPCs: {dict(counts)}")
    assert [line for line in logs if line["log_level"] in ("error", "critical")] == []
    assert exchange.inbox_ends() == before
    assert sound(exchange)


# ---------------------------------------------------------------- signed by somebody


def signed_frame(chance: random.Random, client: Vigil, now_ms: int) -> pb.SignedFrame:
    """A frame whose signature is right and whose commands are hostile."""
    assert client.key is not None
    frame = pb.Frame(account=client.key.account, timestamp_ms=now_ms)
    for _ in range(chance.choice((1, 1, 1, 2, 5, 201))):
        command = frame.commands.add()
        command.MergeFromString(hostile(chance, pb.Command.DESCRIPTOR).SerializeToString())
        if chance.random() < 0.5:
            command.command_id = 0
        plausible(chance, command)
    content = frame.SerializeToString(deterministic=True)
    if chance.random() < 0.1:
        content += content[-3:]
    content = content[:60_000]
    signature = client.key.sign(FRAME_DOMAIN, client.venue, content)
    return pb.SignedFrame(key=client.key.public, frame=content, signature=signature)


def plausible(chance: random.Random, command: pb.Command) -> None:
    """Make some fields right, so that the wrong ones are reached."""
    order = command.place_order if command.WhichOneof("request") == "place_order" else None
    if order is not None:
        order.symbol = "BTC_USDC_PERP"
        order.subaccount %= 256
        order.side = chance.choice((common_pb2.SIDE_BID, common_pb2.SIDE_ASK, order.side))
        order.time_in_force = chance.choice((common_pb2.TIME_IN_FORCE_IOC, order.time_in_force))
        order.size = chance.choice(("0.1", order.size))
        order.price = chance.choice(("8000", order.price))


async def test_signed_hostile_commands_are_refused_one_by_one(
    exchange: Exchange, new_client: Callable[..., Vigil]
) -> None:
    chance = random.Random(SEED)
    victim, attacker = new_client(1), new_client(2)
    await victim.open_account()
    await victim.deposit("USDC", "1000")
    await attacker.open_account()
    states: list[pb.CommandResult] = []
    answered = Counter[str]()
    with capture_logs() as logs:
        for _ in range(SIGNED_CASES):
            frame = signed_frame(chance, attacker, await attacker.now_ms())
            submitted = attacker.trading.Submit(frame, timeout=5)
            code = await submitted.code()
            assert code in ACCEPTED
            if code is not grpc.StatusCode.OK:
                answered[code.name] += 1
                continue
            results = (await submitted).results
            states += results
            answered.update(line.reason_name or "DONE" for line in results)
    print(f"{SIGNED_CASES} frames: {dict(answered)}")
    assert all(line.outcome != common_pb2.COMMAND_OUTCOME_UNKNOWN for line in states)
    assert all(line.text for line in states if line.outcome == common_pb2.COMMAND_OUTCOME_REFUSED)
    assert [line for line in logs if line["log_level"] in ("error", "critical")] == []
    assert sound(exchange)
    assert (await victim.account()).orders == ()


async def test_a_signature_cannot_be_moved(new_client: Callable[..., Vigil]) -> None:
    client, thief = new_client(1), new_client(2)
    assert client.key is not None
    assert thief.key is not None
    now, venue = await client.now_ms(), await client.venue_name()
    frame = pb.Frame(account=client.key.account, timestamp_ms=now, commands=[pb.Command(open_account=pb.OpenAccount())])
    content = frame.SerializeToString(deterministic=True)

    async def code(key: SigningKey, domain: str, at: str, sent: bytes = content) -> tuple[grpc.StatusCode, str]:
        request = pb.SignedFrame(key=key.public, frame=sent, signature=key.sign(domain, at, content))
        try:
            await client.trading.Submit(request)
        except grpc.aio.AioRpcError as error:
            return error.code(), dict(error.trailing_metadata() or ())["vigil-reason-name"]
        return grpc.StatusCode.OK, ""

    unauthenticated = grpc.StatusCode.UNAUTHENTICATED
    assert await code(client.key, QUERY_DOMAIN, venue) == (unauthenticated, "INVALID_SIGNATURE")
    assert await code(client.key, FRAME_DOMAIN, "another-venue") == (unauthenticated, "INVALID_SIGNATURE")
    assert await code(client.key, FRAME_DOMAIN, venue, content + b"\x18\x01") == (unauthenticated, "INVALID_SIGNATURE")
    assert await code(thief.key, FRAME_DOMAIN, venue) == (grpc.StatusCode.PERMISSION_DENIED, "UNAUTHORIZED")
    assert await code(client.key, FRAME_DOMAIN, venue) == (grpc.StatusCode.OK, "")
