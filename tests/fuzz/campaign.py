"""Many hostile requests, none of which may do anything: what was sent, what was answered, and what was wrong with that."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from tests.fuzz.handlers import OK, FakeContext, Rpc, call
from tests.fuzz.hostile import broken, hostile
from tests.fuzz.venue import Fuzzed
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

BATCH = 50
STREAMED = 20
BREATH_EVERY = 20
"""Calls after which the machines' own tasks get a turn."""
ACCEPTED = {
    OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
}
SIGNED_FRAMES = ("/vigil.v1.Trading/Submit",)
SIGNED_QUERIES = (
    "/vigil.v1.Trading/GetAccount",
    "/vigil.v1.Trading/GetCommandResult",
    "/vigil.v1.Trading/GetKeys",
    "/vigil.v1.Trading/GetMargin",
    "/vigil.v1.Trading/GetMaxOrderSize",
    "/vigil.v1.Trading/GetTriggers",
    "/vigil.v1.Trading/GetWithdrawable",
    "/vigil.v1.Trading/GetInterest",
    "/vigil.v1.Trading/StreamAccount",
)
TRADE = "/vigil.v1.Trading/Trade"
ADMIN = "/vigil.v1.Admin/Submit"
ADMIN_QUERY = "/vigil.v1.Admin/GetCommandResult"


@dataclass
class Campaign:
    """What came of it; `wrong` are the first answers that should not be."""

    venue: Fuzzed
    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def broken_requests(self, count: int) -> None:
        """Hostile messages and rubbish, to every RPC in turn."""
        chance, rpcs = self.venue.chance, list(self.venue.rpcs.values())
        for number in range(count // BATCH):
            rpc = rpcs[number % len(rpcs)]
            method = descriptor_of(rpc)
            requests = [self.request(chance, method) for _ in range(BATCH)]
            for some in chunks(requests, STREAMED if rpc.handler.request_streaming else 1):
                await self.send(rpc, *some)

    def request(self, chance: random.Random, method: MethodDescriptor) -> bytes:
        """One request of a method, made or broken."""
        return broken(chance, hostile(chance, method.input_type).SerializeToString())

    async def defects(self, count: int) -> None:
        """Sound requests with one defect each, by every way that takes signatures; none may do anything."""
        chance, maker = self.venue.chance, self.venue.maker
        while count > 0:
            if chance.random() < 0.3:
                some = [self.trade_request() for _ in range(STREAMED)]
                await self.send(self.venue.rpcs[TRADE], *some, refused=True)
                count -= STREAMED
                continue
            ways: list[tuple[str, Any]] = [
                *((path, maker.frame) for path in SIGNED_FRAMES * 3),
                *((path, maker.signed_query) for path in (*SIGNED_QUERIES, ADMIN_QUERY)),
                (ADMIN, maker.admin_frame),
            ]
            path, make = chance.choice(ways)
            await self.send(self.venue.rpcs[path], make().SerializeToString(), refused=True)
            count -= 1

    def trade_request(self) -> bytes:
        """A request of a Trade stream with one defect."""
        maker, number = self.venue.maker, self.venue.chance.randrange(2**64)
        if self.venue.chance.random() < 0.8:
            return pb.TradeRequest(request_id=number, frame=maker.frame()).SerializeToString()
        return pb.TradeRequest(request_id=number, session=maker.signed_query()).SerializeToString()

    async def send(self, rpc: Rpc, *raw: bytes, refused: bool = False) -> None:
        """Send, and judge the answer; with `refused` nothing may have been done."""
        context, answers = await call(rpc, *raw, peer=f"ipv4:127.0.0.1:{self.sent}")
        self.sent += len(raw)
        self.answers[context.reason or context.status.name] += 1
        if context.status not in ACCEPTED or (context.status is not OK and not context.text):
            self.note(rpc, raw, context, "an untyped answer")
        for answer in answers:
            self.judge_answer(rpc, raw, context, answer)
        streams = rpc.handler.response_streaming
        if refused and context.status is OK and not streams and not done_nothing(answers):
            self.note(rpc, raw, context, "it was served")
        if self.sent % BREATH_EVERY == 0:
            await asyncio.sleep(0)

    def judge_answer(self, rpc: Rpc, raw: tuple[bytes, ...], context: FakeContext, answer: Any) -> None:
        """Look into what a call or a stream answered."""
        if isinstance(answer, pb.TradeReply):
            self.answers[answer.refused.reason_name or "RESULT"] += 1
            if answer.HasField("session") or not done_nothing([answer.result]):
                self.note(rpc, raw, context, "a stream served it")
            if answer.HasField("refused") and not (answer.refused.reason and answer.refused.text):
                self.note(rpc, raw, context, "an untyped refusal in a stream")
        if isinstance(answer, pb.FrameResult) and not done_nothing([answer]):
            self.note(rpc, raw, context, "a frame was served")

    def note(self, rpc: Rpc, raw: tuple[bytes, ...], context: FakeContext, what: str) -> None:
        """Keep what is wrong, some of it."""
        self.answers["WRONG"] += 1
        if len(self.wrong) < 10:
            self.wrong.append(f"{what}: {rpc.path} {context.status} {context.text!r} {[one.hex() for one in raw][:2]}")


def done_nothing(answers: list[Any]) -> bool:
    """Whether answers hold nothing but refusals by the gateway itself, which a machine never saw."""
    frames = [one for one in answers if isinstance(one, pb.FrameResult)]
    others = [one for one in answers if not isinstance(one, pb.FrameResult | pb.TradeReply)]
    results = [result for frame in frames for result in frame.results]
    refusals = [one for one in results if one.outcome == common_pb2.COMMAND_OUTCOME_REFUSED and one.reason and one.text]
    return not others and len(refusals) == len(results) and not any(result.recorded for result in results)


def descriptor_of(rpc: Rpc) -> MethodDescriptor:
    """Descriptor of a method by its path."""
    service, _, name = rpc.path[1:].rpartition("/")
    methods = descriptor_pool.Default().FindServiceByName(service).methods_by_name
    return methods[name]


def chunks(requests: list[bytes], size: int) -> Iterator[list[bytes]]:
    """Requests in portions."""
    for start in range(0, len(requests), size):
        yield requests[start : start + size]
