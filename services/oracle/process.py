"""The oracle as a process of its own: settings, the path they name, and looking at it for as long as the process lives."""

import asyncio
from pathlib import Path as FilePath
from typing import Annotated, ClassVar

import structlog
from prometheus_client import CollectorRegistry, Counter
from pydantic import Field, field_validator

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
from services.core.settings import EXIT_CONFIGURATION, Settings, check_address
from services.oracle.path import Path, Played
from services.oracle.publisher import Publisher
from services.oracle.recorded import POINTS, BadRecording, read_recording
from services.oracle.scenario import SCENARIOS, scenario
from services.oracle.sources import INTERVAL_MS, declared_sources

LOOK_SECONDS = 0.02

log = structlog.get_logger(__name__)


class OracleSettings(Settings):
    """Settings of the oracle."""

    service: ClassVar[str] = "oracle"

    oracle_index: str = "BTC_USD"
    oracle_scenario: str = "march-2020"
    oracle_recorded: FilePath | None = None
    """A recorded file, instead of a scenario."""
    oracle_points: Annotated[int, Field(ge=4, le=100_000)] = POINTS
    """Steps per bar of a recorded file."""
    oracle_seed: Annotated[int, Field(ge=0)] = 1
    oracle_speed: Annotated[int, Field(gt=0, le=100_000)] = 1
    oracle_interval_ms: Annotated[int, Field(gt=0, le=60_000)] = INTERVAL_MS
    oracle_begins_ms: Annotated[int, Field(ge=0)] = 0
    """Log time at which the path begins; 0 means when the process starts, so name it if a restart shall go on where it was."""
    oracle_grpc: str = "127.0.0.1:0"
    oracle_metrics: str = "127.0.0.1:0"

    @field_validator("oracle_scenario")
    @classmethod
    def scenario_exists(cls, value: str) -> str:
        """Refuse an unknown scenario."""
        if value not in SCENARIOS:
            raise ValueError(f"one of {', '.join(SCENARIOS)}")
        return value

    @field_validator("oracle_grpc", "oracle_metrics")
    @classmethod
    def address_is_well_formed(cls, value: str) -> str:
        """Refuse what is no host:port."""
        check_address(value)
        return value


def path_of(settings: OracleSettings) -> Path:
    """Return the path that the settings name; CannotStart when its file cannot be played."""
    if settings.oracle_recorded is None:
        return scenario(settings.oracle_scenario, settings.oracle_seed)
    try:
        return read_recording(settings.oracle_recorded, settings.oracle_seed, settings.oracle_points)
    except BadRecording as error:
        raise CannotStart(f"VIGIL_ORACLE_RECORDED: {error}", EXIT_CONFIGURATION) from error


async def serve(settings: OracleSettings) -> None:
    """Look and publish until SIGTERM or SIGINT."""
    stop = stop_on_signals()
    path = path_of(settings)
    async with opened_home(settings) as home:
        partitions = await wait_for_inbox(home, "funding", settings)
        played = Played(path, settings.oracle_begins_ms or home.now_ms(), settings.oracle_speed)
        sources = declared_sources(settings.oracle_seed, settings.oracle_interval_ms)
        publisher = Publisher(home, played, settings.oracle_index, sources, partitions)
        server = open_server("VIGIL_ORACLE_GRPC", settings.oracle_grpc, [])
        registry = CollectorRegistry()
        counter = Counter("vigil_observations", "Prices that the sources saw", registry=registry)
        with open_metrics("VIGIL_ORACLE_METRICS", settings.oracle_metrics, registry) as metrics:
            await server.start()
            log.info("started", grpc=server.address, metrics=metrics.address, begins_ms=played.begins_ms)
            await publish_until(publisher, stop, counter)
            await server.stop()


async def publish_until(publisher: Publisher, stop: asyncio.Event, counter: Counter) -> None:
    """Publish what is due, many times per second; a failed append ends the process."""
    while not stop.is_set():
        try:
            counter.inc(await publisher.publish())
        except LogError as error:
            end_without_flushing("oracle", error)
        await asyncio.sleep(LOOK_SECONDS)
