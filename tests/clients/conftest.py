"""An exchange with one gateway, and clients with keys of their own."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.client import SigningKey, Vigil
from services.gateway.gateway import Gateway
from tests.clients.exchange import Exchange, running


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Exchange]:
    async with running(tmp_path) as venue:
        yield venue


@pytest.fixture
async def gateway(exchange: Exchange) -> Gateway:
    return await exchange.gateway()


@pytest.fixture
async def new_client(gateway: Gateway) -> AsyncIterator[Callable[..., Vigil]]:
    """Make clients; seeded keys, so that a red run is red again."""
    made: list[Vigil] = []

    def make(seed: int = 0, address: str = "") -> Vigil:
        key = SigningKey(bytes([seed + 1] * 32))
        made.append(Vigil(address or gateway.address, key, time_age_s=0))
        return made[-1]

    yield make
    for client in made:
        await client.close()
