"""`run`: the venue in one process, with prices and participants, until it is stopped, over, or has run long enough; then a summary."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import TextIO

import structlog
from prometheus_client import Metric

from services.analytics.store import FileUnusable
from services.analytics.terms import BadPoints
from services.client import ClientError
from services.core.fixed import Milliseconds
from services.core.log import LogError
from services.core.memory_log import wall_clock_ms
from services.core.process import CannotStart, stop_on_signals
from services.core.settings import EXIT_CONFIGURATION
from services.core.telemetry import configure_logs
from services.local.clock import Pacer, RealTime, ScenarioClock
from services.local.participants import Crowd, Mix
from services.local.prices import Prices, open_prices
from services.local.single_process import Addresses, SingleProcess, last_time
from services.local.venue import BadVenue, Venue, read_venue
from services.local.window import Sources, Window, save_picture, show
from services.oracle.scenario import FOREVER_MS
from services.settlement.ledger.queries import open_queries
from services.settlement.ledger.store import LedgerUnusable

LOG_FILE = "vigil.log"
SETUP_FILE = "run.json"
WATCH_SECONDS = 0.5
EXIT_FAILED = 1

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Setup:
    """What a folder was begun with, and must go on with."""

    scenario: str
    recorded: str
    seed: int
    risk_partitions: int
    live: str = ""
    """Venues, by commas."""


@dataclass(frozen=True)
class Options:
    """What the command was told."""

    setup: Setup
    folder: Path
    markets: Path
    speed: int
    participants: int
    headless: bool
    duration_ms: int | None
    begins_ms: Milliseconds | None
    addresses: Addresses
    misbehave: str = ""
    """Drills of sources."""
    picture: Path | None = None
    """Where the dashboard is kept as it was at the end."""


@dataclass
class Run:
    """Everything of one run."""

    clock: Callable[[], Milliseconds]
    process: SingleProcess
    crowd: Crowd
    pacer: Pacer | RealTime
    ends_ms: Milliseconds
    failure: BaseException | None = None


async def run(options: Options) -> None:
    """Run until Ctrl-C, the end of the recording, or the duration; raises CannotStart."""
    stop = stop_on_signals()
    prices = prices_of(options)
    keep_setup(options.folder, options.setup)
    speed = None if prices.is_live else options.speed
    async with started(options, prices) as running:
        began, begin_ms = monotonic(), running.clock()
        window = Window(sources(running.process))
        tasks = [
            asyncio.create_task(watch(running, stop)),
            asyncio.create_task(show(window, headless=options.headless, speed=speed)),
        ]
        try:
            await running.crowd.start()
            await running.pacer.run(running.ends_ms, stop)
            await keep_picture(window, speed, options.picture)
        except ClientError as error:
            raise CannotStart(f"participants: {error}", EXIT_FAILED) from error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await window.close()
        seconds = monotonic() - began
    sys.stdout.write(summary(running, seconds, begin_ms))
    if running.failure is not None:
        raise CannotStart(f"stopped: {running.failure!r}", EXIT_FAILED) from running.failure


async def keep_picture(window: Window, speed: int | None, file: Path | None) -> None:
    """Look once more and keep what is shown, where that was asked for; raises CannotStart."""
    if file is not None:
        await window.refresh()
        try:
            save_picture(window, speed, file)
        except OSError as error:
            raise CannotStart(f"--picture {file}: {error}", EXIT_FAILED) from error


def venue_of(options: Options) -> Venue:
    """Read the venue file; raises CannotStart."""
    try:
        return read_venue(options.markets, {"risk": options.setup.risk_partitions})
    except BadVenue as error:
        raise CannotStart(str(error), EXIT_CONFIGURATION) from error


def prices_of(options: Options) -> Prices:
    """Open the prices of every index that the venue's markets need; raises CannotStart."""
    setup = options.setup
    indices = venue_of(options).indices
    origin = {"scenario": setup.scenario, "recorded": setup.recorded, "live": setup.live}
    return open_prices(indices, **origin, seed=setup.seed, misbehave=options.misbehave)


def keep_setup(folder: Path, setup: Setup) -> None:
    """Note what a new folder begins with; CannotStart when it was begun with something else."""
    file = folder / SETUP_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(json.dumps(asdict(setup), indent=1) + "\n")
            return
        known = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise CannotStart(f"--dir {folder}: {error}", EXIT_CONFIGURATION) from error
    wanted = asdict(setup)
    other = {name: known.get(name) for name in wanted if known.get(name) != wanted[name]}
    if other:
        raise CannotStart(
            f"--dir {folder}: it was begun with {other}: name the same again, or another folder", EXIT_CONFIGURATION
        )


@contextlib.asynccontextmanager
async def started(options: Options, prices: Prices) -> AsyncIterator[Run]:
    """Everything of a run, started, and ended in good order; raises CannotStart."""
    simulated = None if prices.is_live else ScenarioClock(options.begins_ms or prices.begins_ms)
    clock = simulated or wall_clock_ms
    venue = venue_of(options)
    async with contextlib.AsyncExitStack() as undo:
        feeds = await undo.enter_async_context(prices.feeds(clock))
        try:
            process = SingleProcess(options.folder, venue, clock, None, options.setup.seed, options.addresses)
            undo.push_async_callback(process.stop)
            if simulated is not None:
                simulated.now = max(simulated.now, await last_time(process.home, venue))
            await process.start()
        except (BadVenue, BadPoints, FileUnusable, LogError, LedgerUnusable, OSError, RuntimeError) as error:
            raise CannotStart(str(error), EXIT_CONFIGURATION) from error
        process.oracle = prices.oracle(process.home, feeds, process.partitions("funding"), process.registry)
        crowd = Crowd(process.gateway.address, Mix.usual(options.participants), options.setup.seed)
        undo.push_async_callback(crowd.close)
        ends_ms = FOREVER_MS if prices.is_live else prices.ends_ms
        if options.duration_ms is not None:
            ends_ms = min(ends_ms, clock() + options.duration_ms)
        yield Run(clock, process, crowd, pacer_of(process, crowd, simulated, options.speed), ends_ms)


def pacer_of(process: SingleProcess, crowd: Crowd, simulated: ScenarioClock | None, speed: int) -> Pacer | RealTime:
    """Tie clock, venue and crowd together."""
    if simulated is None:
        return RealTime(process.clock, process.publish_prices, crowd.run)

    async def after_step() -> None:
        await process.publish_prices()
        await crowd.turn(simulated())

    return Pacer(simulated, speed, process.is_busy, after_step)


def sources(process: SingleProcess) -> Sources:
    """Where the window looks: addresses of this process."""

    async def read_metrics() -> Iterable[Metric]:
        return process.registry.collect()

    queries = process.server.address
    return Sources(process.gateway.address, queries, queries, process.metrics.address, read_metrics)


async def watch(running: Run, stop: asyncio.Event) -> None:
    """End the run when a part fails that may not; a stopped partition is no reason, the others go on."""
    while not stop.is_set():
        running.failure = running.process.failure()
        if running.failure is not None:
            log.error("run_failed", error=repr(running.failure))
            stop.set()
        await asyncio.sleep(WATCH_SECONDS)


def summary(running: Run, seconds: float, begin_ms: Milliseconds) -> str:
    """What the run did, in a few lines."""
    hosts = running.process.hosts
    applied = sum(host.engine.counters.applied for host in hosts)
    simulated = (running.clock() - begin_ms) / 1_000
    trial = open_queries(running.process.ledger_file).trial_balance()
    balanced = "balanced" if not trial.unbalanced() else f"NOT BALANCED: {trial.unbalanced()}"
    stopped = [host.engine.name for host in hosts if host.failure is not None]
    lines = [
        f"simulated {simulated / 60:.1f} min in {seconds:.1f} s: {simulated / max(seconds, 0.001):.0f} times as fast",
        f"records applied {applied} ({applied / max(seconds, 0.001):.0f}/s), clock stood still {running.pacer.waited_seconds:.1f} s",
        f"participants sent {running.crowd.orders} commands, {running.crowd.refused} refused",
        f"ledger: {trial.entry} entries, {balanced}",
        *(["stopped partitions: " + ", ".join(stopped)] if stopped else []),
    ]
    return "\n".join(lines) + "\n"


def log_to(folder: Path, *, quiet: bool) -> TextIO | None:
    """Send logs to standard error, or to a file when the terminal shows the dashboard (not `quiet`)."""
    if quiet:
        configure_logs("info", "console")
        return None
    folder.mkdir(parents=True, exist_ok=True)
    stream = (folder / LOG_FILE).open("a")
    configure_logs("info", "json", stream)
    return stream
