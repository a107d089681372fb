"""Points as a process of its own: reads the feeds from Kafka by Faust, or from the embedded log; answers, and shows how far it is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import structlog
from prometheus_client import CollectorRegistry
from pydantic import field_validator

from services.analytics.api import services_of
from services.analytics.metrics import PointsCollector
from services.analytics.reader import MEASURE_SECONDS, Points, PointsStopped, follow, places_of
from services.analytics.reducer import FEEDS
from services.analytics.store import FileUnusable, Store
from services.analytics.terms import TERMS_FILE, BadPoints, Terms, read_terms
from services.core.log import Log, LogError
from services.core.process import (
    EXIT_UNREACHABLE,
    CannotStart,
    open_metrics,
    open_server,
    opened_home,
    stop_on_signals,
    wait_for_topic,
)
from services.core.rpc_meter import RpcCollector
from services.core.settings import EXIT_CONFIGURATION, Settings, check_address

EXIT_STOPPED = 65

log = structlog.get_logger(__name__)


class AnalyticsSettings(Settings):
    """Settings of the analytics."""

    service: ClassVar[str] = "analytics"

    analytics_points: Path = TERMS_FILE
    """Seasons, weights and ranks."""
    analytics_file: Path = Path("run/points.json")
    """What was counted so far; built anew from the feeds when it is missing."""
    analytics_grpc: str = "127.0.0.1:0"
    analytics_metrics: str = "127.0.0.1:0"

    @field_validator("analytics_grpc", "analytics_metrics")
    @classmethod
    def address_is_well_formed(cls, value: str) -> str:
        """Refuse what is no host:port."""
        check_address(value)
        return value


async def serve(settings: AnalyticsSettings) -> None:
    """Read and answer until SIGTERM or SIGINT; raises CannotStart, also when a feed turns out to be none."""
    stop = stop_on_signals()
    terms, points = open_points(settings)
    async with opened_home(settings) as home:
        for topic in FEEDS:
            await wait_for_topic(home, topic, settings)
        registry = CollectorRegistry()
        registry.register(PointsCollector(points))
        server = open_server("VIGIL_ANALYTICS_GRPC", settings.analytics_grpc, services_of(points, terms))
        registry.register(RpcCollector(server.meter))
        with open_metrics("VIGIL_ANALYTICS_METRICS", settings.analytics_metrics, registry) as metrics:
            try:
                async with reading(points, home, settings) as failed:
                    await server.start()
                    log.info("started", grpc=server.address, metrics=metrics.address, points=str(points.store.path))
                    await wait_for_either(failed, stop)
                    await server.stop()
            except (PointsStopped, FileUnusable) as stopped:
                raise CannotStart(str(stopped), EXIT_STOPPED) from stopped
            except LogError as lost:
                raise CannotStart(str(lost), EXIT_UNREACHABLE) from lost
    log.info("stopped")


def open_points(settings: AnalyticsSettings) -> tuple[Terms, Points]:
    """Read the terms and the file; CannotStart when one of them cannot be used."""
    try:
        terms = read_terms(settings.analytics_points)
    except BadPoints as error:
        raise CannotStart(f"VIGIL_ANALYTICS_POINTS: {error}", EXIT_CONFIGURATION) from error
    try:
        return terms, Points(Store(settings.analytics_file))
    except FileUnusable as error:
        raise CannotStart(f"VIGIL_ANALYTICS_FILE: {error}", EXIT_CONFIGURATION) from error


@contextlib.asynccontextmanager
async def reading(points: Points, home: Log, settings: AnalyticsSettings) -> AsyncIterator[asyncio.Future[None]]:
    """Read for the length of a block, by Faust where the log is Kafka's; the block gets what the reading fails with."""
    places = await places_of(home)
    await points.measure(home, places)
    if not settings.kafka:
        async with followed(points, home) as failed:
            yield failed
        return
    from services.analytics.kafka_app import KafkaPoints  # noqa: PLC0415 - an extra that not everybody installs

    measuring = asyncio.create_task(measure(points, home, places))
    try:
        async with KafkaPoints(points, settings.kafka).reading() as failed:
            yield failed
    finally:
        measuring.cancel()


@contextlib.asynccontextmanager
async def followed(points: Points, home: Log) -> AsyncIterator[asyncio.Future[None]]:
    """Follow the feeds for the length of a block."""
    following = asyncio.create_task(follow(points, home))
    try:
        yield following
    finally:
        following.cancel()
        await asyncio.wait([following])


async def measure(points: Points, home: Log, places: list[tuple[str, int]]) -> None:
    """See again and again how far behind the feeds the points are."""
    while True:
        await asyncio.sleep(MEASURE_SECONDS)
        try:
            await points.measure(home, places)
        except LogError as error:
            log.warning("lag_unknown", error=str(error))


async def wait_for_either(failed: asyncio.Future[None], stop: asyncio.Event) -> None:
    """Wait until asked to stop; raises what the reading failed with, the first of a group."""
    asked: asyncio.Future[Any] = asyncio.create_task(stop.wait())
    await asyncio.wait([asked, failed], return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not failed.done():
        return
    try:
        await failed
    except* (PointsStopped, FileUnusable, LogError) as group:
        raise group.exceptions[0] from None
