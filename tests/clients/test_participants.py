"""Participants on a whole venue: they trade in every market, and go on when a gateway dies and another takes its address."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services.client import Vigil
from services.core.rpc import RpcSettings
from services.local.participants import Crowd, Mix
from services.local.venue import Venue
from tests.builders import but
from tests.clients.exchange import CALM, Exchange, running

RATE = 20.0
PATIENCE_S = 60.0


def with_short_periods(venue: Venue) -> Venue:
    """The venue with periods of a second: what everybody has just paid in can be spent by the next opening of its pool."""
    assets = (but(one, pool=one.pool and but(one.pool, period_ms=1_000)) for one in venue.assets)
    return replace(venue, assets=tuple(assets))


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Exchange]:
    async with running(tmp_path, change=with_short_periods) as venue:
        yield venue


@pytest.fixture
async def crowd(exchange: Exchange) -> AsyncIterator[Crowd]:
    """Two makers, some takers and an arbitrageur, in a hurry."""
    gateway = await exchange.gateway()
    crowd = Crowd(gateway.address, Mix(2, 5, 1), seed=1, rate=RATE)
    yield crowd
    await crowd.close()


async def traded_everywhere(watcher: Vigil) -> Counter[str]:
    """Wait until every market has seen a trade, those that calendars list, too."""
    seen: Counter[str] = Counter()

    async def follow(symbol: str) -> None:
        async for _ in watcher.follow_trades(symbol):
            seen[symbol] += 1
            return

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        for symbol in (await watcher.listed()).by_symbol:
            group.create_task(follow(symbol))
    return seen


@pytest.fixture
async def trading(crowd: Crowd) -> AsyncIterator[Callable[[], None]]:
    """The crowd at work, until the test ends it."""
    stop = asyncio.Event()
    await crowd.start()
    running = asyncio.create_task(crowd.run(stop))
    yield stop.set
    stop.set()
    await running


@pytest.mark.usefixtures("trading")
async def test_they_trade_in_every_market(exchange: Exchange, crowd: Crowd) -> None:
    async with Vigil(crowd.watcher.address) as watcher:
        seen = await traded_everywhere(watcher)
        listed = {market.symbol for market in exchange.venue.markets}
        dated = {symbol.rpartition("_")[0] for symbol in seen.keys() - listed}
        assert listed < set(seen)
        assert dated == {calendar.market.symbol for calendar in exchange.venue.calendars}
        for symbol in seen:
            book = await watcher.book(symbol)
            assert not (book.bids and book.asks) or book.bids[0][0] < book.asks[0][0]
    assert crowd.refused < crowd.orders


@pytest.mark.usefixtures("trading")
async def test_they_go_on_when_their_gateway_is_another_one(exchange: Exchange, crowd: Crowd) -> None:
    address = crowd.watcher.address
    async with Vigil(address) as watcher:
        await traded_everywhere(watcher)
    await exchange.gateways.pop().stop()
    await exchange.gateway(replace(CALM, rpc=RpcSettings(address=address)))
    async with Vigil(address) as watcher:
        await traded_everywhere(watcher)
