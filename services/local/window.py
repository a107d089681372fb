"""What a run shows: a window kept up to date over gRPC and metrics as any operator could, and its two faces, live and plain lines.

It sees machines only from outside: streams and books from the gateway, funds and ledger from the queries, the rest from metrics.
"""

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic
from typing import Any

import grpc
from prometheus_client import Metric
from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from services.client import ClientError, Vigil
from services.client.views import BookView, MarkView, Trade
from services.core.decimals import format_decimal
from services.core.rpc import open_channel
from vigil.v1 import feeds_pb2, ledger_pb2, ledger_pb2_grpc, queries_pb2, queries_pb2_grpc

REFRESH_SECONDS = 0.5
LINE_SECONDS = 10.0
RETRY_SECONDS = 0.5
SMOOTH_SECONDS = 2.0
TRADES_SHOWN = 12
LIQUIDATIONS_SHOWN = 8
DEPTH_SHOWN = 6
SPARKS = "▁▂▃▄▅▆▇█"


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


@dataclass
class Seen:
    """What is known of the venue at a moment."""

    time_ms: int = 0
    mark: MarkView | None = None
    book: BookView | None = None
    open_interest: Decimal = Decimal(0)
    funds: list[tuple[str, Decimal]] = field(default_factory=list)
    entries: int = 0
    balanced: bool = True
    applied: float = 0
    records_per_s: float = 0
    lag: float = 0
    stopped: int = 0
    speed: float = 0
    liquidations: int = 0
    trades: int = 0
    funding_rate: Decimal = Decimal(0)
    last_trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_SHOWN))
    last_liquidations: deque[str] = field(default_factory=lambda: deque(maxlen=LIQUIDATIONS_SHOWN))
    marks: deque[Decimal] = field(default_factory=lambda: deque(maxlen=100))


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
            await self.read_market()
            await self.read_money()
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

    async def read_market(self) -> None:
        """Mark and book of the first market; raises ClientError."""
        listed = await self.vigil.listed()
        symbol = next(iter(listed.by_symbol))
        self.seen.mark = next(iter(await self.vigil.marks()), None)
        self.seen.book = await self.vigil.book(symbol, DEPTH_SHOWN)
        if self.seen.mark is not None:
            self.seen.marks.append(self.seen.mark.mark_price)
            self.seen.funding_rate = self.seen.mark.funding_rate
        market = listed.by_symbol[symbol].id
        answer = await self.ledger.GetOpenInterest(ledger_pb2.OpenInterestQuery(market=market), timeout=2)
        self.seen.open_interest = listed.size(market, answer.size)

    async def read_money(self) -> None:
        """Funds and trial balance; raises AioRpcError or ClientError."""
        listed = await self.vigil.listed()
        funds = await self.fund.GetFunds(queries_pb2.FundsQuery(), timeout=2)
        self.seen.funds = [(one.group, listed.amount(one.asset, one.balance)) for one in funds.funds]
        trial = await self.ledger.GetTrialBalance(ledger_pb2.TrialBalanceQuery(), timeout=2)
        self.seen.entries, self.seen.balanced = trial.entry, trial.balanced

    async def listen(self) -> None:
        """Follow trades and liquidations for ever; a stream that ends is begun again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follow(self.trades))
            group.create_task(self.follow(self.liquidations))

    async def follow(self, listening: Callable[[], Any]) -> None:
        """Begin a stream again and again."""
        while True:
            with contextlib.suppress(ClientError):
                await listening()
            await asyncio.sleep(RETRY_SECONDS)

    async def trades(self) -> None:
        """Note trades."""
        symbol = next(iter((await self.vigil.listed()).by_symbol))
        async for trade in self.vigil.watch_trades(symbol):
            self.seen.trades += 1
            self.seen.last_trades.appendleft(trade)

    async def liquidations(self) -> None:
        """Note liquidations as they begin and end."""
        async for record in self.vigil.watch_liquidations():
            self.seen.liquidations += record.HasField("liquidation_started")
            self.seen.last_liquidations.appendleft(told(record))

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


def told(record: feeds_pb2.FeedRecord) -> str:
    """One line about a liquidation; amounts in units of 1e-8."""
    at = clock_text(record.at_ms)
    if record.HasField("liquidation_started"):
        started = record.liquidation_started
        account = short(started.subaccount)
        return f"{at} {account} equity {money(started.equity)} < {money(started.maintenance_margin)}"
    ended = record.liquidation_ended
    outcome = f"fund pays {money(ended.deficit)}" if ended.deficit else f"fund gets {money(ended.contributed)}"
    return f"{at} {short(ended.subaccount)} done, {outcome}"


def short(subaccount: int) -> str:
    """Beginning of an account's id in hexadecimal."""
    return f"{subaccount >> 8:014x}"[:6]


def money(units: int) -> str:
    """Amount of 1e-8, whole."""
    return format_decimal(units, 8).partition(".")[0]


def clock_text(time_ms: int) -> str:
    """Time of day, UTC."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%H:%M:%S")


async def show(window: Window, *, headless: bool, speed: int) -> None:
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


async def show_live(window: Window, speed: int) -> None:
    """Redraw the terminal several times a second."""
    with Live(console=Console(), auto_refresh=False, screen=True) as live:
        async for _ in ticks(REFRESH_SECONDS):
            await window.refresh()
            live.update(picture(window, speed), refresh=True)


async def ticks(seconds: float) -> AsyncIterator[None]:
    """Now, and then every so often."""
    while True:
        yield
        await asyncio.sleep(seconds)


def line_of(seen: Seen) -> str:
    """Everything that matters in one line."""
    when = datetime.fromtimestamp(seen.time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    mark = seen.mark
    price = f"mark {mark.mark_price} index {mark.index_price}" if mark else "no mark yet"
    fund = " ".join(f"{amount:.0f}" for _, amount in seen.funds) or "-"
    trial = f"balanced at {seen.entries}" if seen.balanced else "NOT BALANCED"
    return (
        f"{when}  {price}  OI {seen.open_interest}  trades {seen.trades}  liquidations {seen.liquidations}  fund {fund}  "
        f"{seen.records_per_s:.0f} records/s  lag {seen.lag:.0f}  x{seen.speed:.0f}  ledger {trial}"
    )


def picture(window: Window, speed: int) -> Group:
    """The whole dashboard."""
    seen = window.seen
    return Group(
        headline(seen, speed),
        Columns([book_panel(seen), trades_panel(seen), venue_panel(seen)], expand=True),
        Panel(Text("\n".join(seen.last_liquidations) or "none yet"), title=f"liquidations ({seen.liquidations})"),
        Text(str(window.sources), style="dim"),
        Text("Ctrl-C ends it cleanly; the same command goes on where it stopped", style="dim"),
    )


def headline(seen: Seen, speed: int) -> Panel:
    """Time, prices and their recent course."""
    when = datetime.fromtimestamp(seen.time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    mark = seen.mark
    text = Text.assemble((when, "bold"), f"   speed x{seen.speed:.0f} of {speed or 'as fast as it can'}\n")
    if mark is not None:
        text.append(f"{mark.symbol}  mark {mark.mark_price:.1f}", "bold cyan")
        text.append(f"  index {mark.index_price:.1f}  funding {mark.funding_rate * 100:.4f} %\n")
    text.append(sparkline(list(seen.marks)), "cyan")
    return Panel(text, title="Vigil")


def sparkline(values: list[Decimal]) -> str:
    """Course of the mark in block characters."""
    if not values:
        return ""
    low, high = min(values), max(values)
    steps = len(SPARKS) - 1
    return "".join(SPARKS[int((value - low) * steps / (high - low)) if high > low else 0] for value in values)


def book_panel(seen: Seen) -> Panel:
    """Best levels, asks above bids."""
    table = Table(box=None, show_header=False)
    if seen.book is not None:
        for price, size in reversed(seen.book.asks):
            table.add_row(Text(f"{price:.1f}", "red"), f"{size}")
        table.add_row("-", "-")
        for price, size in seen.book.bids:
            table.add_row(Text(f"{price:.1f}", "green"), f"{size}")
    return Panel(table, title="book")


def trades_panel(seen: Seen) -> Panel:
    """Last trades; liquidations are marked."""
    table = Table(box=None, show_header=False)
    for trade in seen.last_trades:
        style = "green" if trade.taker_side == "buy" else "red"
        flag = "liquidation" if trade.is_liquidation else ""
        table.add_row(clock_text(trade.at_ms), Text(f"{trade.price:.1f}", style), f"{trade.size}", flag)
    return Panel(table, title=f"trades ({seen.trades})")


def venue_panel(seen: Seen) -> Panel:
    """Money and machines."""
    table = Table(box=None, show_header=False)
    table.add_row("open interest", f"{seen.open_interest}")
    for group, amount in seen.funds:
        table.add_row(f"insurance fund {group}", f"{amount:.2f}")
    trial = Text("OK", "bold green") if seen.balanced else Text("NOT BALANCED", "bold red")
    table.add_row("trial balance", trial)
    table.add_row("ledger entries", f"{seen.entries}")
    table.add_row("records/s", f"{seen.records_per_s:.0f}")
    table.add_row("lag, records", f"{seen.lag:.0f}")
    table.add_row("stopped partitions", Text(str(seen.stopped), "bold red" if seen.stopped else ""))
    return Panel(table, title="venue")
