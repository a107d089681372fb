"""A Trade stream that is lost, stalls, refuses and comes back: each command acts once, and every outcome is the true one."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.client import DefiniteReject, Outcome, Result, Unreachable
from services.client.commands import cancel_all_command
from services.client.submission import Pace
from services.client.trade_stream import IN_FLIGHT_MAX
from tests.unit.client.fake_gateway import ANSWER, LOSE_AFTER, LOSE_BEFORE, REFUSE, SWALLOW, Fake, served
from vigil.v1 import trading_pb2 as pb

WINDOW_MS = 800


def script(*fates: str) -> Fake:
    """A gateway that deals these fates to frames, then answers."""
    rest = iter(fates)
    return Fake(fate=lambda: next(rest, ANSWER))


def command(number: int) -> pb.Command:
    made = cancel_all_command()
    made.command_id = number
    return made


ROWS: list[tuple[str, list[str], Outcome]] = [
    ("answered", [], Outcome.DONE),
    ("lost before it was taken", [LOSE_BEFORE], Outcome.DONE),
    ("lost after it was taken", [LOSE_AFTER], Outcome.DONE),
    ("lost twice", [LOSE_AFTER, LOSE_BEFORE], Outcome.DONE),
    ("taken, never answered", [SWALLOW], Outcome.DONE),
    ("lost after it was taken, then refused by the gateway", [LOSE_AFTER, REFUSE], Outcome.DONE),
    ("lost before it was taken, then refused by the gateway", [LOSE_BEFORE, REFUSE], Outcome.REFUSED),
]


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "unary"])
@pytest.mark.parametrize(("fates", "outcome"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_the_true_outcome_and_one_effect(fates: list[str], outcome: Outcome, streams: bool) -> None:  # noqa: FBT001
    fake = script(*fates)
    async with served(fake, WINDOW_MS) as client:
        if streams:
            await client.begin_stream()
        (result,) = await client.submit([command(5)])
    assert result.outcome is outcome
    assert sum(fake.done.values()) == (outcome is Outcome.DONE)
    assert [len(bytes_sent) for bytes_sent in fake.sent.values()] == [1]


async def test_a_first_refusal_is_definite() -> None:
    async with served(script(REFUSE)) as client, client.session():
        with pytest.raises(DefiniteReject, match="TOO_MANY_REQUESTS"):
            await client.submit([command(5)])
        assert (await client.submit([command(6)]))[0].outcome is Outcome.DONE


@pytest.mark.parametrize("seed", range(3))
async def test_many_frames_under_way_over_a_stream_that_keeps_breaking(seed: int) -> None:
    chance = random.Random(seed)
    fates = [chance.choice([ANSWER] * 12 + [LOSE_BEFORE, LOSE_AFTER, SWALLOW, REFUSE]) for _ in range(60)]
    fake = script(*fates)

    async def submit(number: int) -> Result | None:
        try:
            return (await client.submit([command(number)]))[0]
        except DefiniteReject:
            return None

    async with served(fake, 3 * WINDOW_MS) as client, client.session():
        results = await asyncio.gather(*(submit(number) for number in range(1, 100)))
    done = {one.ticket.command_id for one in results if one is not None and one.outcome is Outcome.DONE}
    assert done == {command_id for (_, command_id), count in fake.done.items() if count}
    assert Outcome.UNKNOWN not in {one.outcome for one in results if one is not None}
    assert {len(sent) for sent in fake.sent.values()} == {1}
    assert fake.streams > 1


async def test_frames_keep_their_order_over_a_loss() -> None:
    fake = script(*[ANSWER] * 3, LOSE_BEFORE)
    async with served(fake) as client, client.session() as stream:
        signed = [await client.signed([command(number)]) for number in range(1, 40)]
        await asyncio.gather(*(stream.submit(one) for one in signed))
        assert stream.losses == 1
    assert fake.order == list(range(1, 40))


async def test_no_more_than_so_many_are_under_way() -> None:
    fake = script(*[SWALLOW] * 10_000)
    async with served(fake) as client, client.session() as stream:
        signed = [await client.signed([command(number)]) for number in range(1, IN_FLIGHT_MAX + 20)]
        tasks = [asyncio.ensure_future(stream.submit(one)) for one in signed]
        async with asyncio.timeout(5):
            while len(fake.order) < IN_FLIGHT_MAX:
                await asyncio.wait(tasks, timeout=0.01)
        assert len(fake.order) == len(stream.waiting) == IN_FLIGHT_MAX
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not stream.waiting


async def test_a_session_is_asked_for_on_every_stream_before_anything_else() -> None:
    fake = script(ANSWER, LOSE_AFTER)
    async with served(fake) as client, client.session(lease_ms=4_000) as stream:
        for number in (1, 2, 3):
            await client.submit([command(number)])
        assert fake.sessions == [4_000, 4_000]
        assert await stream.guard(0) == 5_000
        assert fake.sessions == [4_000, 4_000, 0]


class Refusing(Fake):
    """Refuses whatever a stream asks."""

    async def Trade(self, requests: AsyncIterator[pb.TradeRequest], context: Any) -> AsyncIterator[pb.TradeReply]:  # noqa: N802
        del context
        refused = pb.RequestRefused(reason_name="UNAUTHORIZED", text="this key may only read")
        async for request in requests:
            yield pb.TradeReply(request_id=request.request_id, refused=refused)


async def test_a_refused_session_begins_no_stream() -> None:
    async with served(Refusing()) as client:
        with pytest.raises(DefiniteReject, match="may only read"):
            await client.begin_stream(lease_ms=4_000)
        assert client.stream is None


async def test_no_gateway_is_unreachable() -> None:
    async with served(Fake()) as client:
        pace = Pace(timeout_s=0.05, retries=(0.01,), reconnect_s_max=0.01)
        gone = type(client)("127.0.0.1:1", client.key, pace=pace)
        with pytest.raises(Unreachable):
            await gone.begin_stream()
        await gone.close()


def numbers() -> Iterator[float]:
    return Pace(retries=(0.1, 1.0), reconnect_s_max=5.0).waits()


def test_waits_grow_to_the_longest_and_differ() -> None:
    first, second = numbers(), numbers()
    mine, others = [next(first) for _ in range(5)], [next(second) for _ in range(5)]
    assert mine != others
    for wait, low in zip(mine, (0.1, 1.0, 5.0, 5.0, 5.0), strict=True):
        assert low <= wait <= low * 1.5
