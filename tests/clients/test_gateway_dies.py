"""A gateway that is killed between append and reply: every outcome becomes known, and nothing is done twice."""

import asyncio
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from services.client import Outcome, SigningKey, Vigil
from services.client.submission import Pace
from services.client.vigil import order_command
from services.core.log import AppendFailed, Pending
from services.gateway.gateway import Gateway
from tests.clients.exchange import Exchange
from vigil.v1 import common_pb2

SYMBOL = "BTC_USDC_PERP"
PACE = Pace(timeout_s=1.0, retries=(0.05, 0.1, 0.2), ask_every_s=0.05, ask_for_s=10)
ORDERS = 40


class DyingLog:
    """The venue's log, until the gateway that appends to it is killed: before or after what it appends has landed."""

    def __init__(self, home: Any, chance: random.Random) -> None:
        self.home = home
        self.chance = chance
        self.armed = False
        self.gateway: Gateway | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.home, name)

    async def append(self, topic: str, partition: int, values: Sequence[bytes]) -> Pending:
        if not self.armed or self.chance.random() < 0.5:
            return await self.home.append(topic, partition, values)  # type: ignore[no-any-return]
        self.armed = False
        if self.chance.random() < 0.7:
            await self.home.append(topic, partition, values)
        assert self.gateway is not None
        self.killing = asyncio.ensure_future(self.gateway.server.server.stop(None))
        await asyncio.sleep(3_600)
        raise AssertionError


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
async def test_every_unknown_resolves_and_each_order_acts_once(exchange: Exchange, seed: int) -> None:
    chance = random.Random(seed)
    dying = DyingLog(exchange.home, chance)
    dying.gateway = await exchange.gateway(home=dying)  # type: ignore[arg-type]
    second = await exchange.gateway()
    both = f"ipv4:{dying.gateway.address},{second.address}"
    async with Vigil(both, SigningKey(bytes([9] * 32)), pace=PACE) as client:
        await client.open_account()
        await client.deposit("USDC", "100000")
        dying.armed = True
        commands = [
            order_command(SYMBOL, common_pb2.SIDE_BID, size="0.01", price=7_700 + number, client_id=number + 1)
            for number in range(ORDERS)
        ]
        results = [result for command in commands for result in await client.submit([command])]
        assert not dying.armed
        orders = (await client.account()).orders
    assert {result.outcome for result in results} <= {Outcome.DONE, Outcome.REFUSED}
    done = [7_700 + number for number, result in enumerate(results) if result.outcome is Outcome.DONE]
    assert [order.price for order in orders] == [Decimal(price) for price in done]
    assert len(done) >= ORDERS - 1


class FailingLog(DyingLog):
    """A log whose appends fail from some moment on, though they may have landed."""

    async def append(self, topic: str, partition: int, values: Sequence[bytes]) -> Pending:
        pending: Pending = await self.home.append(topic, partition, values)
        if not self.armed:
            return pending
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(AppendFailed("the broker is gone"))
        return failed


async def test_a_failed_append_is_unknown_to_the_client_and_the_end_of_the_gateway(
    exchange: Exchange, new_client: Callable[..., Vigil]
) -> None:
    failing = FailingLog(exchange.home, random.Random(0))
    gateway = await exchange.gateway(home=failing)  # type: ignore[arg-type]
    client = new_client(1, gateway.address)
    failing.armed = True
    result = (await client.submit([order_command(SYMBOL, common_pb2.SIDE_BID, size="1", price=8_000)]))[0]
    with pytest.raises(AppendFailed):
        await asyncio.wait_for(gateway.wait(), 5)
    assert result.outcome is not Outcome.DONE
