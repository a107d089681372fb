"""100,000 requests that no honest client sends, over every RPC there is: typed refusals, no change of state, nothing in the log."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2 as reflection
from grpc_reflection.v1alpha import reflection_pb2_grpc
from structlog.testing import capture_logs

from services.core.keys import FRAME_DOMAIN
from services.gateway.gateway import Gateway
from tests.fuzz.campaign import ACCEPTED, Campaign
from tests.fuzz.handlers import OK, call
from tests.fuzz.hostile import TEXTS, broken, hostile
from tests.fuzz.venue import Fuzzed, fuzzed
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

CASES = int(os.environ.get("FUZZ_CASES", "100000"))
SEED = int(os.environ.get("FUZZ_SEED", "5"))
SIGNED_FRAMES = 400
AT_ONCE = 20
OVER_THE_WIRE = 2_000
ON_THE_WIRE = {*ACCEPTED, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNIMPLEMENTED}
"""Streams that went on are cancelled; health has a method that its library does not serve."""
SYMBOLS = ("BTC_USDC_PERP", "BTC_USDC")


def failures(logs: Any) -> list[Any]:
    return [line for line in logs if line["log_level"] in ("error", "critical")]


@pytest.mark.slow
async def test_hostile_requests_do_nothing(tmp_path: Path) -> None:
    async with fuzzed(tmp_path, SEED) as venue:
        await venue.quiet()
        before, ends = venue.digests(), venue.exchange.inbox_ends()
        campaign = Campaign(venue)
        with capture_logs() as logs:
            await campaign.broken_requests(CASES * 6 // 10)
            await campaign.defects(CASES * 4 // 10)
            campaign.sent += await over_the_wire(venue.gateway, venue.chance)
        print(f"{campaign.sent} requests to {len(venue.rpcs)} RPCs: {dict(campaign.answers.most_common())}")
        assert campaign.wrong == []
        assert failures(logs) == []
        assert venue.exchange.inbox_ends() == ends
        assert venue.digests() == before
        venue.check_invariants()


async def over_the_wire(gateway: Gateway, chance: random.Random) -> int:
    """Broken requests by a real channel to every method that the server lists; how many were sent."""
    async with grpc.aio.insecure_channel(gateway.address) as channel:
        methods = await listed_methods(channel)
        assert {"Submit", "Trade", "StreamAccount", "StreamTicker", "Check", "ServerReflectionInfo"} <= {
            path.rpartition("/")[2] for path in methods
        }
        for _ in range(0, OVER_THE_WIRE, 25):
            path = chance.choice(methods)
            some = [broken(chance, chance.randbytes(chance.randrange(60))) for _ in range(25)]
            codes = await asyncio.gather(*(patient_code_of(channel, path, raw) for raw in some))
            assert [code for code in codes if code not in ON_THE_WIRE] == [], path
    return OVER_THE_WIRE


async def listed_methods(channel: grpc.aio.Channel) -> list[str]:
    """Ask the server itself what it serves."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]

    async def ask(request: reflection.ServerReflectionRequest) -> Any:
        return await stub.ServerReflectionInfo(iter([request])).read()

    methods = []
    for service in (await ask(reflection.ServerReflectionRequest(list_services=""))).list_services_response.service:
        answer = await ask(reflection.ServerReflectionRequest(file_containing_symbol=service.name))
        for raw in answer.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(raw)
            for one in file.service:
                if f"{file.package}.{one.name}" == service.name:
                    methods += [f"/{service.name}/{method.name}" for method in one.method]
    return methods


async def patient_code_of(channel: Any, path: str, raw: bytes) -> grpc.StatusCode:
    """Send bytes; a connection whose streams are all taken refuses more for a moment, as any client must expect."""
    for _ in range(20):
        code = await code_of(channel, path, raw)
        if code is not grpc.StatusCode.UNAVAILABLE:
            return code
        await asyncio.sleep(0.1)
    return grpc.StatusCode.UNAVAILABLE


async def code_of(channel: Any, path: str, raw: bytes) -> grpc.StatusCode:
    """Send bytes as a stream of one, which every kind of method takes; what begins and goes on is cancelled."""
    made = channel.stream_stream(path)(iter([raw]), timeout=5)
    done, _ = await asyncio.wait([asyncio.ensure_future(made.code())], timeout=0.05)
    if not done:
        made.cancel()
        return grpc.StatusCode.OK
    return done.pop().result()  # type: ignore[no-any-return]


def mostly(chance: random.Random, right: Sequence[Any], wrong: Any) -> Any:
    """Something right, four times out of five."""
    return chance.choice(right) if chance.random() < 0.8 else wrong


def plausible(chance: random.Random, command: pb.Command) -> None:
    """Make some fields right, so that the wrong ones are reached."""
    kind = command.WhichOneof("request")
    request: Any = getattr(command, kind) if kind is not None else None
    if hasattr(request, "symbol"):
        request.symbol = mostly(chance, SYMBOLS, request.symbol)
    if hasattr(request, "asset"):
        request.asset = mostly(chance, ("USDC",), request.asset)
        request.amount = mostly(chance, ("1", "100000000"), request.amount)
    if hasattr(request, "modes"):
        request.modes = mostly(chance, tuple(range(32)), request.modes)
    if hasattr(request, "subaccount"):
        request.subaccount %= 256
    if hasattr(request, "trigger_by"):
        request.kind = chance.choice((1, 2, 3))
        request.trigger_by = chance.choice((0, 1, 2, 3))
        request.trigger_price = mostly(chance, ("8000", "7900.1"), chance.choice(TEXTS))
        request.trail = mostly(chance, ("0.01",), "") if request.kind == common_pb2.TRIGGER_KIND_TRAILING else ""
    if hasattr(request, "tolerance"):
        request.tolerance = mostly(chance, ("0.01",), chance.choice(TEXTS))
        request.interval_ms, request.duration_ms = mostly(chance, ((60_000, 600_000),), (7, 8))
    if hasattr(request, "side"):
        request.side = chance.choice((common_pb2.SIDE_BID, common_pb2.SIDE_ASK))
    if hasattr(request, "time_in_force"):
        request.time_in_force = chance.choice((0, 1, 2, 3, 4))
        request.self_trade = mostly(chance, (0, 1, 2, 3), request.self_trade)
    if hasattr(request, "display"):
        request.expires_ms = mostly(chance, (0,), request.expires_ms)
        request.display = mostly(chance, ("",), "0.0001")
        del request.exits[mostly(chance, (0,), 2) :]
    if hasattr(request, "size"):
        request.size = mostly(chance, ("0.1", "50"), chance.choice(TEXTS))
    if hasattr(request, "price"):
        request.price = mostly(chance, ("8000", "7900.1", "100", ""), chance.choice(TEXTS))


def signed_frame(venue: Fuzzed) -> bytes:
    """A frame whose signature is right and whose commands are hostile."""
    chance, attacker = venue.chance, venue.keys.attacker
    frame = pb.Frame(account=attacker.account, timestamp_ms=venue.gateway.home.now_ms())
    for _ in range(chance.choice((1, 1, 2, 5, 20, 201))):
        request = chance.choice(pb.Command.DESCRIPTOR.oneofs_by_name["request"].fields)
        command = frame.commands.add(command_id=chance.choice((0, chance.getrandbits(64))))
        if request.message_type is not None:
            content = hostile(chance, request.message_type).SerializeToString()
            getattr(command, request.name).MergeFromString(content)
        plausible(chance, command)
    content = frame.SerializeToString(deterministic=True)
    signature = attacker.sign(FRAME_DOMAIN, venue.gateway.venue, content)
    return pb.SignedFrame(key=attacker.public, frame=content, signature=signature).SerializeToString()


@pytest.mark.slow
async def test_hostile_commands_of_an_honest_key_are_answered_one_by_one(tmp_path: Path) -> None:
    async with fuzzed(tmp_path, SEED) as venue:
        answered, results = Counter[str](), list[pb.CommandResult]()
        submit = venue.rpcs["/vigil.v1.Trading/Submit"]
        with capture_logs() as logs:
            for _ in range(0, SIGNED_FRAMES, AT_ONCE):
                some = [call(submit, signed_frame(venue), peer="one") for _ in range(AT_ONCE)]
                for context, answers in await asyncio.gather(*some):
                    assert context.status in ACCEPTED
                    results += [result for answer in answers for result in answer.results]
                    answered[context.reason] += context.status is not OK
        answered.update(result.reason_name or "DONE" for result in results)
        print(f"{SIGNED_FRAMES} frames, {len(results)} commands: {dict(answered.most_common())}")
        assert [one for one in results if one.outcome == common_pb2.COMMAND_OUTCOME_UNKNOWN] == []
        assert all(one.text for one in results if one.outcome == common_pb2.COMMAND_OUTCOME_REFUSED)
        assert len(answered) > 15
        assert failures(logs) == []
        venue.check_invariants()
