"""The ledger as a process of its own: follows every ledger topic, answers over gRPC, shows how far it is."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import field_validator

from services.core.log import LogError
from services.core.process import (
    EXIT_UNREACHABLE,
    CannotStart,
    open_metrics,
    open_server,
    opened_home,
    stop_on_signals,
    wait_for_topic,
)
from services.core.settings import EXIT_CONFIGURATION, Settings, check_address
from services.settlement.ledger.api import services_of
from services.settlement.ledger.queries import queries_of
from services.settlement.ledger.reader import LEDGER, LedgerStopped, Stream, follow, open_streams
from services.settlement.ledger.store import LedgerUnusable, Store

EXIT_STOPPED = 65

log = structlog.get_logger(__name__)


class LedgerSettings(Settings):
    """Settings of the ledger."""

    service: ClassVar[str] = "ledger"

    ledger_file: Path = Path("run/ledger.sqlite")
    """SQLite file of the books; built anew from the log when it is missing."""
    ledger_grpc: str = "127.0.0.1:0"
    ledger_metrics: str = "127.0.0.1:0"

    @field_validator("ledger_grpc", "ledger_metrics")
    @classmethod
    def address_is_well_formed(cls, value: str) -> str:
        """Refuse what is no host:port."""
        check_address(value)
        return value


class StreamCollector(Collector):
    """Metrics of the streams, each with the label `machine`."""

    def __init__(self, streams: list[Stream]) -> None:
        self.streams = streams

    def collect(self) -> Iterator[Metric]:
        """Read every stream once."""
        entries = CounterMetricFamily("vigil_ledger_entries", "Entries taken", labels=["machine"])
        offset = GaugeMetricFamily("vigil_ledger_offset", "Offset of the next record", labels=["machine"])
        early = CounterMetricFamily("vigil_ledger_early", "Entries after a gap, which come again", labels=["machine"])
        for stream in self.streams:
            entries.add_metric([stream.machine], stream.position.seq)
            offset.add_metric([stream.machine], stream.position.offset)
            early.add_metric([stream.machine], stream.early)
        yield from (entries, offset, early)


async def serve(settings: LedgerSettings) -> None:
    """Read and answer until SIGTERM or SIGINT; raises CannotStart, also when a stream turns out not to be true."""
    stop = stop_on_signals()
    async with opened_home(settings) as home:
        await wait_for_topic(home, f"{LEDGER}risk", settings)
        with contextlib.closing(open_store(settings.ledger_file)) as store:
            streams = await open_streams(home, store)
            registry = CollectorRegistry()
            registry.register(StreamCollector(streams))
            server = open_server("VIGIL_LEDGER_GRPC", settings.ledger_grpc, services_of(queries_of(store)))
            with open_metrics("VIGIL_LEDGER_METRICS", settings.ledger_metrics, registry) as metrics:
                await server.start()
                log.info("started", grpc=server.address, metrics=metrics.address, streams=len(streams))
                await follow_until(streams, stop)
                await server.stop()


def open_store(file: Path) -> Store:
    """Open the file; CannotStart when that is not possible."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return Store(file)
    except (LedgerUnusable, OSError) as error:
        raise CannotStart(f"VIGIL_LEDGER_FILE: {error}", EXIT_CONFIGURATION) from error


async def follow_until(streams: list[Stream], stop: asyncio.Event) -> None:
    """Follow until asked to stop; raises CannotStart with what a stream failed with."""
    following = asyncio.create_task(follow(streams))
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait([following, asked], return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not following.done():
        following.cancel()
        return
    try:
        await following
    except* (LedgerStopped, LedgerUnusable) as stopped:
        raise CannotStart(str(stopped.exceptions[0]), EXIT_STOPPED) from None
    except* LogError as lost:
        raise CannotStart(str(lost.exceptions[0]), EXIT_UNREACHABLE) from None
