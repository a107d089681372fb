"""What a client may conclude: retries carry the same bytes, and doubt is never called a rejection."""

from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from services.client.errors import DefiniteReject
from services.client.submission import (
    Outcome,
    Pace,
    SignedCommands,
    Ticket,
    read_answer,
    send,
    sign_commands,
)
from services.core.keys import SigningKey
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

KEY = SigningKey(bytes([1] * 32))
PACE = Pace(timeout_s=1, retries=(0, 0), ask_every_s=0, ask_for_s=1)
DONE = pb.CommandResult(outcome=common_pb2.COMMAND_OUTCOME_DONE, order_id=5)
RECORDED = pb.CommandResult(
    outcome=common_pb2.COMMAND_OUTCOME_REFUSED, reason_name="INSUFFICIENT_MARGIN", recorded=True
)
SHIELD = pb.CommandResult(outcome=common_pb2.COMMAND_OUTCOME_REFUSED, reason_name="SYSTEM_LAGGING")
UNKNOWN = pb.CommandResult(outcome=common_pb2.COMMAND_OUTCOME_UNKNOWN)


def failed(code: grpc.StatusCode, reason: str = "") -> grpc.aio.AioRpcError:
    trailing = (("vigil-reason", "1"), ("vigil-reason-name", reason)) if reason else ()
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), "why")


SILENCE = failed(grpc.StatusCode.UNAVAILABLE)
LATE = failed(grpc.StatusCode.DEADLINE_EXCEEDED)
RATE = failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS")
WINDOW = failed(grpc.StatusCode.FAILED_PRECONDITION, "OUTSIDE_WINDOW")


class Gateway:
    """Answers as told, and keeps what it was sent."""

    def __init__(self, answers: Sequence[Any]) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []

    async def submit(self, request: pb.SignedFrame, timeout: float) -> pb.FrameResult:  # noqa: ASYNC109 - grpc's
        assert timeout == PACE.timeout_s
        self.requests.append(request.SerializeToString())
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return pb.FrameResult(results=[answer])


def one_command() -> SignedCommands:
    return sign_commands(KEY, "venue", 1_000, 5_000, [pb.Command(open_account=pb.OpenAccount())])


ROWS: list[tuple[str, list[Any], Outcome, int]] = [
    ("done", [DONE], Outcome.DONE, 1),
    ("refused by the machine", [RECORDED], Outcome.REFUSED, 1),
    ("refused by the gateway", [SHIELD], Outcome.REFUSED, 1),
    ("not seen in time", [UNKNOWN], Outcome.UNKNOWN, 1),
    ("silence, then done", [SILENCE, DONE], Outcome.DONE, 2),
    ("silence twice, then refused by the machine", [SILENCE, LATE, RECORDED], Outcome.REFUSED, 3),
    ("silence, then refused by the gateway", [SILENCE, SHIELD], Outcome.UNKNOWN, 2),
    ("silence, then the rate", [SILENCE, RATE], Outcome.UNKNOWN, 2),
    ("silence, then outside the window", [LATE, WINDOW], Outcome.UNKNOWN, 2),
    ("silence only", [SILENCE, LATE, SILENCE], Outcome.UNKNOWN, 3),
]


@pytest.mark.parametrize(("answers", "outcome", "attempts"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_concluded(answers: list[Any], outcome: Outcome, attempts: int) -> None:
    gateway = Gateway(answers)
    (result,), _ = await send(gateway.submit, one_command(), PACE)
    assert result.outcome is outcome
    assert len(gateway.requests) == attempts
    assert len(set(gateway.requests)) == 1


@pytest.mark.parametrize("refusal", [RATE, WINDOW])
async def test_a_frame_refused_at_the_first_attempt_is_a_definite_reject(refusal: grpc.aio.AioRpcError) -> None:
    gateway = Gateway([refusal])
    with pytest.raises(DefiniteReject):
        await send(gateway.submit, one_command(), PACE)
    assert len(gateway.requests) == 1


def test_ids_stay_when_a_command_is_signed_again() -> None:
    command = pb.Command(open_account=pb.OpenAccount())
    first = sign_commands(KEY, "venue", 1_000, 5_000, [command])
    second = sign_commands(KEY, "venue", 2_000, 5_000, [command])
    assert first.tickets[0].command_id == second.tickets[0].command_id != 0


TICKET = Ticket(7, 1_000, 5_000)
ANSWERS = [
    (pb.CommandResultAnswer(answer=pb.COMMAND_ANSWER_PENDING), None),
    (pb.CommandResultAnswer(answer=pb.COMMAND_ANSWER_NEVER), Outcome.REFUSED),
    (pb.CommandResultAnswer(answer=pb.COMMAND_ANSWER_FORGOTTEN), Outcome.UNKNOWN),
    (pb.CommandResultAnswer(answer=pb.COMMAND_ANSWER_RESULT, result=DONE), Outcome.DONE),
    (pb.CommandResultAnswer(answer=pb.COMMAND_ANSWER_RESULT, result=RECORDED), Outcome.REFUSED),
]


@pytest.mark.parametrize(("answer", "outcome"), ANSWERS)
def test_what_an_owner_says_is_final(answer: pb.CommandResultAnswer, outcome: Outcome | None) -> None:
    result = read_answer(TICKET, answer)
    assert (None if result is None else result.outcome) is outcome
