"""The oracle as a process of its own: the prices that its settings name, published for as long as the process lives."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import structlog
from prometheus_client import CollectorRegistry

from services.core.fixed import Milliseconds
from services.core.log import LogError
from services.core.process import (
    CannotStart,
    end_without_flushing,
    open_metrics,
    open_server,
    opened_home,
    stop_on_signals,
    wait_for_inbox,
)
from services.core.settings import EXIT_CONFIGURATION
from services.oracle.correlated import BASE_INDEX, paths_of
from services.oracle.drills import Drills
from services.oracle.live import Connect, NoLiveVenue, connectors, live_venues
from services.oracle.path import Path, Played
from services.oracle.publisher import Feed, Oracle, PathFeed
from services.oracle.recorded import BadRecording, read_recording
from services.oracle.scenario import scenario
from services.oracle.settings import OracleSettings
from services.oracle.sources import declared_sources
from services.oracle.watch import Watch

LOOK_SECONDS = 0.02

log = structlog.get_logger(__name__)


def paths(settings: OracleSettings) -> dict[str, Path]:
    """Return the path of each index; CannotStart when a file cannot be played, or nothing says what others follow."""
    try:
        recorded: dict[str, Path] = {
            index: read_recording(file, settings.oracle_seed, settings.oracle_points)
            for index, file in settings.oracle_recorded.items()
        }
    except BadRecording as error:
        raise CannotStart(f"VIGIL_ORACLE_RECORDED: {error}", EXIT_CONFIGURATION) from error
    following = [index for index in settings.oracle_index if index not in recorded]
    if recorded and following and BASE_INDEX not in recorded:
        text = f"{', '.join(following)} follow {BASE_INDEX}, which has no file; name {BASE_INDEX}=file too"
        raise CannotStart(f"VIGIL_ORACLE_RECORDED: {text}", EXIT_CONFIGURATION)
    base = recorded.get(BASE_INDEX) or scenario(settings.oracle_scenario, settings.oracle_seed)
    return {**paths_of(base, following, settings.oracle_seed), **recorded}


def path_feeds(settings: OracleSettings, found: dict[str, Path], begins_ms: Milliseconds) -> list[Feed]:
    """Return the declared sources of each index, looking at its path; all paths begin at once."""
    sources = declared_sources(settings.oracle_seed, settings.oracle_interval_ms, settings.oracle_sources)
    played = {index: Played(path, begins_ms, settings.oracle_speed) for index, path in found.items()}
    return [PathFeed(played[index], index, sources) for index in settings.oracle_index]


def connects(settings: OracleSettings) -> dict[str, Connect]:
    """Return what connects to the venues that are named; CannotStart when one is unknown or ccxt is not there."""
    try:
        return connectors(settings.oracle_live, settings.oracle_live_options)
    except NoLiveVenue as error:
        raise CannotStart(f"VIGIL_ORACLE_LIVE: {error}", EXIT_CONFIGURATION) from error


def watched(settings: OracleSettings, registry: CollectorRegistry, now_ms: Milliseconds) -> Watch:
    """Return a watch that knows all sources there should be."""
    watch = Watch(registry)
    count = settings.oracle_sources
    names = settings.oracle_live or [one.name for one in declared_sources(settings.oracle_seed, count=count)]
    for index in settings.oracle_index:
        for name in names:
            watch.expect(index, name, now_ms)
    return watch


async def serve(settings: OracleSettings) -> None:
    """Look and publish until SIGTERM or SIGINT."""
    stop = stop_on_signals()
    venues, found = connects(settings), {} if settings.oracle_live else paths(settings)
    async with opened_home(settings) as home, AsyncExitStack() as undo:
        partitions = await wait_for_inbox(home, "funding", settings)
        now_ms = home.now_ms()
        begins_ms = settings.oracle_begins_ms or now_ms
        feeds: Sequence[Feed] = path_feeds(settings, found, begins_ms) if found else ()
        if venues:
            ms, listen = settings.oracle_interval_ms, settings.oracle_live_listens
            live = live_venues(venues, settings.oracle_index, home.now_ms, interval_ms=ms, listen=listen)
            feeds = await undo.enter_async_context(live)
        registry = CollectorRegistry()
        drills = Drills(settings.oracle_misbehave, now_ms)
        oracle = Oracle(home, feeds, partitions, drills, watched(settings, registry, now_ms))
        server = open_server("VIGIL_ORACLE_GRPC", settings.oracle_grpc, [])
        with open_metrics("VIGIL_ORACLE_METRICS", settings.oracle_metrics, registry) as metrics:
            await server.start()
            log.info("started", grpc=server.address, metrics=metrics.address, begins_ms=begins_ms)
            await publish_until(oracle, stop)
            await server.stop()


async def publish_until(oracle: Oracle, stop: asyncio.Event) -> None:
    """Publish what is due, many times per second; a failed append ends the process."""
    while not stop.is_set():
        try:
            await oracle.publish()
        except LogError as error:
            end_without_flushing("oracle", error)
        await asyncio.sleep(LOOK_SECONDS)
