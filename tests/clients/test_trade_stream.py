"""Frames over one Trade stream: each answered once, refusals that end nothing, sessions that cancel what they guard."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from services.client import Vigil
from services.client.submission import sign_commands, sign_query
from services.client.vigil import cancel_command, order_command
from services.core.reasons import Reason
from services.gateway.gateway import Gateway
from tests.clients.exchange import CALM, Exchange
from tests.clients.test_trading import SYMBOL, NewClient, rich_client
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

LEASE_MS = 1_000


def bid(price: str, client_id: int) -> pb.Command:
    return order_command(SYMBOL, common_pb2.SIDE_BID, size="0.1", price=price, client_id=client_id)


class Talk:
    """One Trade stream, spoken by hand."""

    def __init__(self, client: Vigil) -> None:
        self.client = client
        self.call: Any = client.trading.Trade()
        self.number = 0

    async def send(self, *commands: pb.Command, key: Any = None) -> int:
        assert self.client.key is not None
        now = await self.client.now_ms()
        signed = sign_commands(key or self.client.key, self.client.venue, now, 5_000, commands)
        return await self.write(pb.TradeRequest(frame=signed.request))

    async def session(self, lease_ms: int) -> int:
        assert self.client.key is not None
        now, asked = await self.client.now_ms(), pb.TradeSession(lease_ms=lease_ms)
        query = sign_query(self.client.key, self.client.venue, now, 5_000, asked)
        return await self.write(pb.TradeRequest(session=query))

    async def write(self, request: pb.TradeRequest) -> int:
        self.number += 1
        request.request_id = self.number
        await self.call.write(request)
        return self.number

    async def replies(self, count: int) -> dict[int, pb.TradeReply]:
        found: dict[int, pb.TradeReply] = {}
        async with asyncio.timeout(10):
            while len(found) < count:
                reply = await self.call.read()
                assert reply.request_id not in found
                found[reply.request_id] = reply
        return found


@pytest.fixture
async def client(new_client: NewClient) -> Vigil:
    return await rich_client(new_client, 1)


async def test_many_frames_are_answered_each_by_its_number(client: Vigil) -> None:
    talk = Talk(client)
    for number in range(30):
        await talk.send(*(bid("7900", 10 * number + place + 1) for place in range(5)))
    replies = await talk.replies(30)
    results = [result for reply in replies.values() for result in reply.result.results]
    assert {result.outcome for result in results} == {common_pb2.COMMAND_OUTCOME_DONE}
    assert len({result.order_id for result in results}) == 150
    talk.call.cancel()


async def test_a_place_and_its_cancel_keep_their_order(client: Vigil) -> None:
    talk = Talk(client)
    for number in range(20):
        await talk.send(bid("7900", number + 1))
        await talk.send(cancel_command(SYMBOL, client_id=number + 1))
    replies = await talk.replies(40)
    outcomes = {result.outcome for reply in replies.values() for result in reply.result.results}
    assert outcomes == {common_pb2.COMMAND_OUTCOME_DONE}
    assert (await client.account()).orders == ()
    await talk.call.done_writing()
    assert await talk.call.code() is not None


async def test_a_refusal_ends_nothing(client: Vigil, new_client: NewClient) -> None:
    talk, stranger = Talk(client), new_client(9)
    forged = await talk.write(pb.TradeRequest(frame=pb.SignedFrame(key=b"1", frame=b"2", signature=b"3")))
    empty = await talk.write(pb.TradeRequest())
    mixed = await talk.send(bid("7900.001", 1), bid("7900", 2))
    assert stranger.key is not None
    replies = await talk.replies(3)
    assert replies[forged].refused.reason == Reason.UNKNOWN_KEY
    assert replies[empty].refused.reason == Reason.MALFORMED
    results = replies[mixed].result.results
    assert [result.reason_name for result in results] == ["INVALID_PRICE", ""]
    assert not results[0].recorded
    talk.call.cancel()


async def orders_gone(client: Vigil) -> None:
    async with asyncio.timeout(10):
        while (await client.account()).orders:  # noqa: ASYNC110 - asks
            await asyncio.sleep(0.02)


async def guarded(client: Vigil) -> Talk:
    talk = Talk(client)
    await talk.session(LEASE_MS)
    await talk.send(bid("7900", 1), bid("7901", 2))
    replies = await talk.replies(2)
    assert replies[1].session.lease_ms == LEASE_MS
    assert len((await client.account()).orders) == 2
    return talk


async def test_orders_go_when_the_stream_that_guards_them_ends(client: Vigil) -> None:
    talk = await guarded(client)
    talk.call.cancel()
    await orders_gone(client)


async def test_a_guard_lives_as_long_as_its_stream_and_can_be_given_up(client: Vigil) -> None:
    talk = await guarded(client)
    began = await client.now_ms()
    while await client.now_ms() < began + 2 * LEASE_MS:  # noqa: ASYNC110 - the venue's clock
        await asyncio.sleep(0.1)
    assert len((await client.account()).orders) == 2
    await talk.session(0)
    assert (await talk.replies(1))[3].session.lease_ms == 0
    talk.call.cancel()
    await client.buy(SYMBOL, size="0.1", price="7902")
    assert len((await client.account()).orders) == 3


async def test_orders_go_when_the_gateway_that_guards_them_dies(
    exchange: Exchange, client: Vigil, new_client: NewClient
) -> None:
    second = await exchange.gateway()
    away = new_client(1, second.address)
    talk = await guarded(away)
    for task in [*second.tasks]:
        task.cancel()
    second.submitter.appender.broken = True
    await orders_gone(client)
    talk.call.cancel()


async def test_under_load_cancels_pass_where_new_orders_do_not(exchange: Exchange, new_client: NewClient) -> None:
    gateway = await exchange.gateway(replace(CALM, open_min=8, open_queued_min=8))
    await rich_client(new_client, 1)
    client = new_client(1, gateway.address)
    placed = await client.buy(SYMBOL, size="0.1", price="7899", client_id=99)
    risk: Any = exchange.hosts["risk"][0]
    turn, reached, gate = risk.turn, asyncio.Event(), asyncio.Event()

    async def held() -> None:
        reached.set()
        await gate.wait()
        await turn()

    risk.turn = held
    await reached.wait()
    talk = Talk(client)
    taken = [await talk.send(*(bid("7900", 4 * number + place + 1) for place in range(4))) for number in range(2)]
    shed = [await talk.send(bid("7900", 20 + number)) for number in range(5)]
    cancelled = await talk.send(cancel_command(SYMBOL, order_id=placed.order_id))
    mixed = await talk.send(bid("7900", 30), cancel_command(SYMBOL, client_id=1))
    refused = await talk.replies(len(shed))
    assert set(refused) == set(shed)
    assert {reply.refused.reason_name for reply in refused.values()} == {"SYSTEM_LAGGING"}
    assert all("retry in" in reply.refused.text for reply in refused.values())
    gate.set()
    answered = await talk.replies(4)
    assert set(answered) == {*taken, cancelled, mixed}
    done = common_pb2.COMMAND_OUTCOME_DONE
    assert [result.outcome for result in answered[cancelled].result.results] == [done]
    first, second = answered[mixed].result.results
    assert (first.reason_name, first.recorded, second.outcome) == ("SYSTEM_LAGGING", False, done)
    talk.call.cancel()


async def test_a_client_that_reads_nothing_is_read_no_further(exchange: Exchange, new_client: NewClient) -> None:
    gateway: Gateway = await exchange.gateway(replace(CALM, frames_max=4))
    await rich_client(new_client, 1)
    client = new_client(1, gateway.address)
    talk = Talk(client)
    for number in range(12):
        await talk.send(bid("7900", number + 1))
    replies = await talk.replies(12)
    assert all(reply.result.results[0].outcome == common_pb2.COMMAND_OUTCOME_DONE for reply in replies.values())
    talk.call.cancel()
