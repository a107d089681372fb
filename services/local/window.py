"""What a run shows, kept up to date over gRPC and metrics as any operator could.

It sees machines only from outside: streams and books from the gateway, funds and ledger from the queries, the rest from metrics.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
from prometheus_client import Metric
from rich.console import Console
from rich.live import Live

from services.client import ClientError, Vigil
from services.core.rpc import open_channel
from services.local.picture import line_of, picture, told
from services.local.seen import Seen
from vigil.v1 import ledger_pb2, ledger_pb2_grpc, queries_pb2, queries_pb2_grpc

REFRESH_SECONDS = 0.5
LINE_SECONDS = 10.0
RETRY_SECONDS = 0.5
SMOOTH_SECONDS = 2.0
DEPTH_SHOWN = 6
OPENINGS_ASKED = 1_440
"""Openings that a pool keeps; of a pool seen for the first time all of them are read."""
FOLLOWED_MAX = 64
"""Streams of trades at most: a venue may list a thousand markets."""
PICTURE_WIDTH = 132


@dataclass(frozen=True)
class Sources:
    """Where to look: addresses, and how to read the metrics that `metrics` serve."""

    gateway: str
    ledger: str
    fund: str
    metrics: str
    read_metrics: Callable[[], Awaitable[Iterable[Metric]]]

    def __str__(self) -> str:
        return f"gRPC {self.gateway}   ledger {self.ledger}   metrics {self.metrics}"


class Window:
    """Asks and listens; `seen` is the result."""

    def __init__(self, sources: Sources) -> None:
        """Look at a venue by its addresses."""
        self.sources = sources
        self.vigil = Vigil(sources.gateway, time_age_s=0)
        self.channels = [open_channel(sources.ledger), open_channel(sources.fund)]
        self.ledger = ledger_pb2_grpc.LedgerQueriesStub(self.channels[0])
        self.fund = queries_pb2_grpc.InsuranceFundQueriesStub(self.channels[1])
        self.seen = Seen()
        self.refreshed = monotonic()

    async def refresh(self) -> None:
        """Ask everything once; what does not answer stays as it was."""
        with contextlib.suppress(ClientError, grpc.aio.AioRpcError):
            await self.read_markets()
            await self.read_money()
            await self.read_pools()
        before = (self.seen.applied, self.seen.time_ms)
        totals = totals_of(await self.sources.read_metrics())
        self.seen.applied = totals.get("vigil_records_applied_total", 0)
        self.seen.lag = totals.get("vigil_inbox_lag_records", 0)
        self.seen.stopped = int(totals.get("vigil_partition_stopped", 0))
        await self.measure(before)

    async def measure(self, before: tuple[float, int]) -> None:
        """Rates since the last look, smoothed."""
        with contextlib.suppress(ClientError):
            self.seen.time_ms = await self.vigil.now_ms()
        elapsed = max(0.001, monotonic() - self.refreshed)
        self.refreshed = monotonic()
        if before[1]:
            rates = ((self.seen.applied - before[0]) / elapsed, (self.seen.time_ms - before[1]) / 1_000 / elapsed)
            weight = min(1.0, elapsed / SMOOTH_SECONDS)
            self.seen.records_per_s += (rates[0] - self.seen.records_per_s) * weight
            self.seen.speed += (rates[1] - self.seen.speed) * weight

    async def read_markets(self) -> None:
        """Marks of all markets, best prices and open interest of those shown, the first one's book; raises ClientError or AioRpcError."""
        marks = await self.vigil.marks()
        self.seen.begin(await self.vigil.listed())
        for mark in marks:
            if mark.symbol in self.seen.markets:
                self.seen.markets[mark.symbol].see_mark(mark)
        self.seen.collateral = await self.vigil.collateral()
        for number, market in enumerate(self.seen.shown):
            book = await self.vigil.book(market.symbol, DEPTH_SHOWN if number == 0 else 1)
            market.see_book(book)
            self.seen.book = book if number == 0 else self.seen.book
            if not market.is_spot:
                await self.read_open_interest(market.symbol)

    async def read_open_interest(self, symbol: str) -> None:
        """Open interest as the ledger knows it; raises AioRpcError."""
        listed = await self.vigil.listed()
        market = listed.by_symbol[symbol].id
        answer = await self.ledger.GetOpenInterest(ledger_pb2.OpenInterestQuery(market=market), timeout=2)
        self.seen.markets[symbol].open_interest = listed.size(market, answer.size)

    async def read_money(self) -> None:
        """Funds and trial balance; raises AioRpcError or ClientError."""
        listed = await self.vigil.listed()
        funds = await self.fund.GetFunds(queries_pb2.FundsQuery(), timeout=2)
        self.seen.funds = [
            (f"{one.group} {listed.assets[one.asset].symbol}", listed.amount(one.asset, one.balance))
            for one in funds.funds
        ]
        trial = await self.ledger.GetTrialBalance(ledger_pb2.TrialBalanceQuery(), timeout=2)
        self.seen.entries, self.seen.balanced = trial.entry, trial.balanced

    async def listen(self) -> None:
        """Follow liquidations, and the trades of the first markets as they are listed, for ever; a stream that ends is begun again."""
        followed: set[str] = set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follow(self.liquidations))
            while True:
                with contextlib.suppress(ClientError):
                    self.seen.begin(await self.vigil.listed())
                for symbol in self.seen.trading[:FOLLOWED_MAX]:
                    if symbol in followed:
                        continue
                    followed.add(symbol)
                    group.create_task(self.follow(partial(self.trades, symbol)))
                await asyncio.sleep(RETRY_SECONDS)

    async def follow(self, listening: Callable[[], Any]) -> None:
        """Begin a stream again and again."""
        while True:
            with contextlib.suppress(ClientError):
                await listening()
            await asyncio.sleep(RETRY_SECONDS)

    async def trades(self, symbol: str) -> None:
        """Note trades of a market."""
        async for trade in self.vigil.follow_trades(symbol):
            self.seen.markets[symbol].see_trade(trade)
            self.seen.last_trades.appendleft(trade)

    async def liquidations(self) -> None:
        """Note liquidations as they begin and end."""
        async for record in self.vigil.follow_liquidations():
            self.seen.liquidations += record.HasField("liquidation_started")
            self.seen.last_liquidations.appendleft(told(record))

    async def read_pools(self) -> None:
        """Lending pools as they are, and the openings since the last look; raises ClientError."""
        self.seen.see_pools(await self.vigil.pools())
        for asset, pool in self.seen.pools.items():
            new = pool.view.period - pool.counted
            if new > 0:
                pool.see_openings(await self.vigil.pool_history(asset, min(new, OPENINGS_ASKED)))

    async def close(self) -> None:
        """Give up the connections."""
        await self.vigil.close()
        for channel in self.channels:
            await channel.close()


def totals_of(metrics: Iterable[Metric]) -> dict[str, float]:
    """Sum of each metric over all machines."""
    totals: dict[str, float] = {}
    for metric in metrics:
        for sample in metric.samples:
            totals[sample.name] = totals.get(sample.name, 0) + sample.value
    return totals


async def show(window: Window, *, headless: bool, speed: int | None) -> None:
    """Show the window until cancelled: live on a terminal, as plain lines elsewhere."""
    listening = asyncio.create_task(window.listen())
    try:
        if headless or not sys.stdout.isatty():
            await show_lines(window)
        else:
            await show_live(window, speed)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def show_lines(window: Window) -> None:
    """Print a line now and then."""
    sys.stdout.write(f"{window.sources}\n")
    async for _ in ticks(LINE_SECONDS):
        await window.refresh()
        sys.stdout.write(line_of(window.seen) + "\n")
        sys.stdout.flush()


async def show_live(window: Window, speed: int | None) -> None:
    """Redraw the terminal several times a second."""
    with Live(console=Console(), auto_refresh=False, screen=True) as live:
        async for _ in ticks(REFRESH_SECONDS):
            await window.refresh()
            live.update(picture(window.seen, speed, str(window.sources)), refresh=True)


def save_picture(window: Window, speed: int | None, file: Path) -> None:
    """Write the dashboard as it is, as SVG. Raises OSError."""
    console = Console(record=True, width=PICTURE_WIDTH, file=StringIO(), force_terminal=True)
    console.print(picture(window.seen, speed, str(window.sources)))
    file.write_text(console.export_svg(title="make run"))


async def ticks(seconds: float) -> AsyncIterator[None]:
    """Now, and then every so often."""
    while True:
        yield
        await asyncio.sleep(seconds)
