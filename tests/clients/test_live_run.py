"""`run --live` as a whole: unmodified ccxt hears two venues that replay a recording, and the venue marks and trades by what they say."""

import asyncio
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from services.client import Vigil
from services.core.process import CannotStart
from services.local import prices
from services.local.run import Options, Run, Setup, prices_of, started
from services.local.single_process import Addresses
from services.local.venue import MARKETS_FILE
from tests.clients.recorded_venue import Clock, RecordedVenue, recording, serving

VENUES = ("binance", "binanceus")
ANYWHERE = Addresses("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
PATIENCE_S = 30.0


def only_bitcoin(file: Path) -> Path:
    """The venue file with the markets and calendars that the recording has a price for."""
    head, *tables = re.split(r"(?m)^(?=\[\[(?:market|calendar)\]\])", MARKETS_FILE.read_text())
    file.write_text("".join([head, *(one for one in tables if 'index = "BTC_USD"' in one)]))
    return file


def options(folder: Path) -> Options:
    return Options(
        setup=Setup("", "", 1, 1, ",".join(VENUES)),
        folder=folder / "run",
        markets=only_bitcoin(folder / "markets.toml"),
        speed=60,
        participants=4,
        headless=True,
        duration_ms=None,
        begins_ms=None,
        addresses=ANYWHERE,
    )


@pytest.fixture
async def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RecordedVenue]:
    """A server that both names lead to; its time stands still in the middle of the recording."""
    played = recording()
    async with serving(played, Clock((played.begins_ms + played.ends_ms) // 2)) as server:
        address = server.options()["urls"]["api"]["public"]
        tables = [f'[{name}]\nrateLimit = 1\n[{name}.urls.api]\npublic = "{address}"\n' for name in VENUES]
        file = tmp_path / "live.toml"
        file.write_text("\n".join(tables))
        monkeypatch.setenv("VIGIL_ORACLE_LIVE_OPTIONS", str(file))
        yield server


async def first_trade(running: Run) -> tuple[Decimal, Decimal]:
    """Mark and price of the first trade that somebody from outside sees."""
    async with Vigil(running.process.gateway.address) as client, asyncio.timeout(PATIENCE_S):
        async for trade in client.follow_trades("BTC_USDC_PERP"):
            (mark,) = [one for one in await client.marks() if one.symbol == trade.symbol]
            return mark.mark_price, trade.price
    raise AssertionError("the stream of trades ended")


async def test_it_trades_by_what_live_venues_say(venue: RecordedVenue, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    asked, stop = options(tmp_path), asyncio.Event()
    async with started(asked, prices_of(asked)) as running:
        await running.crowd.start()
        playing = asyncio.create_task(running.pacer.run(running.ends_ms, stop))
        mark, price = await first_trade(running)
        stop.set()
        await playing
        assert running.process.failure() is None
    top = venue.top()
    middle = (Decimal(top["bidPrice"]) + Decimal(top["askPrice"])) / 2
    assert abs(mark / middle - 1) < Decimal("0.001")
    assert abs(price / middle - 1) < Decimal("0.01")


async def test_venues_that_say_nothing_are_named(
    venue: RecordedVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue.broken = True
    monkeypatch.setattr(prices, "LIVE_SECONDS", 1.0)
    asked = options(tmp_path)
    with pytest.raises(CannotStart, match="--live: binance, binanceus said nothing within 1 s, and 2 of 2 must"):
        async with started(asked, prices_of(asked)):
            pass
