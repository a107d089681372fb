"""The whole venue in one process: every machine, a gateway, the ledger and prices on one embedded log and one clock.

Machines talk through the log alone, and the gateway asks them over gRPC, as they do when each is a process.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from services.analytics.api import services_of as points_services
from services.analytics.metrics import PointsCollector
from services.analytics.reader import Points, PointsStopped
from services.analytics.reader import follow as follow_points
from services.analytics.reader import read_all as read_points
from services.analytics.store import Store as PointsStore
from services.analytics.terms import TERMS_FILE, read_terms
from services.core.fixed import Milliseconds
from services.core.host import HostSettings
from services.core.log import Log
from services.core.metrics import StateCollector
from services.core.process import run_host, watch_hosts
from services.core.rpc import RpcServer, RpcSettings, open_channel
from services.core.rpc_meter import RpcCollector
from services.core.snapshots import Folder, Snapshots
from services.core.spine import Engine, Machine
from services.core.sqlite_log import SqliteLog
from services.core.telemetry import HostCollector, MeasuredHost, MetricsServer
from services.core.topics import inbox
from services.gateway.gateway import Gateway
from services.gateway.limits import GatewaySettings
from services.gateway.metrics import GatewayCollector
from services.gateway.queries import Queries
from services.local.clock import LOOK_SECONDS
from services.local.composition import MACHINES, METRICS
from services.local.venue import Venue, found, list_assets, list_markets
from services.oracle.correlated import paths_of
from services.oracle.path import Path as PricePath
from services.oracle.publisher import Feed, Oracle, PathFeed
from services.oracle.sources import declared_sources
from services.settlement.ledger.api import services_of as ledger_services
from services.settlement.ledger.queries import queries_of
from services.settlement.ledger.reader import LedgerStopped, Stream, follow, open_streams, read_all
from services.settlement.ledger.store import Store

HOST = HostSettings(wait_ms=10, snapshot_every=200_000)
STOP_SECONDS_MAX = 20.0
ASKED = ("risk", "matching", "settlement", "funding", "lending_pool")
"""Machines that the gateway asks."""
SHIELD_PER_S = 1_000_000
"""The gateway's own shield counts real time, which a fast clock leaves far behind: here risk's buckets alone limit, by the venue's time."""
LOOP_LATE_SECONDS = 2.0
"""Here the machines share the gateway's loop, which is late whenever they are at work: that is no overload."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Addresses:
    """Where the venue listens."""

    gateway: str = "127.0.0.1:50051"
    queries: str = "127.0.0.1:50061"
    metrics: str = "127.0.0.1:9464"
    admin: str = "127.0.0.1:0"


class SingleProcess:
    """A venue that begins with `start` and ends with `stop`; between them its clock is the caller's to move."""

    def __init__(
        self,
        folder: Path,
        venue: Venue,
        clock: Callable[[], Milliseconds],
        prices: PricePath | None,
        seed: int,
        addresses: Addresses | None = None,
    ) -> None:
        """Open the log, taken over by nobody else meanwhile; raises LogError.

        The declared sources look at `prices`, and at what follows it for the other indices; without it whoever runs the venue gives it
        an `oracle` with feeds of its own.
        """
        self.folder = folder
        self.venue = venue
        self.clock = clock
        self.addresses = addresses or Addresses()
        self.home = SqliteLog(folder / "log.sqlite", clock)
        self.hosts: list[MeasuredHost[Any]] = []
        self.ledger_file = folder / "ledger.sqlite"
        self.store = Store(self.ledger_file)
        self.streams: list[Stream] = []
        self.points = Points(PointsStore(folder / "points.json"))
        self.tasks: list[asyncio.Task[None]] = []
        self.machines: list[asyncio.Task[None]] = []
        self.registry = CollectorRegistry()
        self.oracle = Oracle(self.home, self.feeds(prices, seed), self.partitions("funding"))
        self.server: RpcServer
        self.gateway: Gateway
        self.metrics: MetricsServer

    async def start(self) -> None:
        """Found the venue where that was not done, and start everything.

        Raises   BadVenue, BadPoints, LogError, LedgerUnusable, OSError or RuntimeError for a port that is taken
        """
        await found(self.home, self.venue)
        services = []
        for machine, services_of in MACHINES:
            hosts = {number: self.new_host(machine, number) for number in range(self.partitions(machine.service))}
            self.hosts += hosts.values()
            services += services_of(dict(hosts))
        services += ledger_services(queries_of(self.store))
        services += points_services(self.points, read_terms(TERMS_FILE))
        self.server = RpcServer(RpcSettings(address=self.addresses.queries), services)
        self.metrics = MetricsServer(self.addresses.metrics, self.registry)
        self.registry.register(HostCollector(self.hosts))
        self.registry.register(StateCollector(self.hosts, METRICS))
        self.registry.register(PointsCollector(self.points))
        self.machines = [asyncio.create_task(run_host(host)) for host in self.hosts]
        await self.server.start()
        self.spawn(watch_hosts(self.hosts, self.server))
        self.streams = await open_streams(self.home, self.store)
        self.spawn(follow(self.streams))
        self.spawn(follow_points(self.points, self.home))
        await list_assets(self.home, self.venue)
        await list_markets(self.home, self.venue)
        while await any_unread(self.home, self.hosts) and self.failure() is None:  # noqa: ASYNC110 - many signs, no event
            await asyncio.sleep(LOOK_SECONDS)
        await self.start_gateway()

    def partitions(self, service: str) -> int:
        """Partitions of a service."""
        return self.venue.genesis.partitions[service]

    def new_host(self, machine: Machine[Any], partition: int) -> MeasuredHost[Any]:
        """Host of one partition."""
        snapshots = Snapshots(Folder(self.folder / "snapshots"), f"{machine.service}/{partition}")
        return MeasuredHost(Engine(machine, partition), self.home, snapshots, asyncio.ensure_future, HOST)

    async def start_gateway(self) -> None:
        """Start the public server; all its questions go to the one server of queries."""
        channel = open_channel(self.server.address)
        channels = {service: [channel] * self.partitions(service) for service in ASKED}
        settings = GatewaySettings(
            rpc=RpcSettings(address=self.addresses.gateway),
            admin=RpcSettings(address=self.addresses.admin),
            commands_per_s=SHIELD_PER_S,
            queries_per_s=SHIELD_PER_S,
            loop_late_s_max=LOOP_LATE_SECONDS,
        )
        self.gateway = Gateway(self.home, Queries(channels), settings)
        await self.gateway.start()
        self.registry.register(GatewayCollector(self.gateway))
        self.registry.register(RpcCollector(self.gateway.server.meter))

    def spawn(self, work: Any) -> None:  # noqa: ANN401 - any coroutine
        """Run beside everything until the end."""
        self.tasks.append(asyncio.create_task(work))

    def feeds(self, prices: PricePath | None, seed: int) -> list[Feed]:
        """Return the declared sources of every index."""
        paths = {} if prices is None else paths_of(prices, self.venue.indices, seed)
        return [PathFeed(path, index, declared_sources(seed)) for index, path in paths.items()]

    async def publish_prices(self) -> None:
        """Append what the sources see now; raises LogError."""
        await self.oracle.publish()

    async def is_busy(self) -> bool:
        """Whether a running machine has unread records or postponed work, or the gateway waits for a result."""
        return bool(self.gateway.results.waiting) or await any_unread(self.home, self.hosts)

    def failure(self) -> BaseException | None:
        """What ended a part that may not end: a machine's process-wide failure, the ledger, the gateway."""
        gateway = self.gateway.tasks if hasattr(self, "gateway") else []
        for task in [*self.machines, *self.tasks, *gateway]:
            if task.done() and not task.cancelled() and task.exception() is not None:
                return task.exception()
        return None

    async def stop(self) -> None:
        """End in good order: clients, then machines with marker and snapshot, then the log."""
        if hasattr(self, "gateway"):
            if hasattr(self.gateway, "server"):
                await self.gateway.stop()
            for channel in self.gateway.queries.channels:
                await channel.close()
        for host in self.hosts:
            host.stopping = True
        if self.machines:
            await asyncio.wait(self.machines, timeout=STOP_SECONDS_MAX)
        for task in [*self.tasks, *self.machines]:
            task.cancel()
        await asyncio.gather(*self.tasks, *self.machines, return_exceptions=True)
        with contextlib.suppress(LedgerStopped):
            await read_all(self.streams)
        with contextlib.suppress(PointsStopped):
            await read_points(self.points, self.home)
            self.points.save()
        if hasattr(self, "server"):
            await self.server.stop()
        if hasattr(self, "metrics"):
            self.metrics.close()
        self.store.close()
        await self.home.close()


async def any_unread(home: Log, hosts: list[MeasuredHost[Any]]) -> bool:
    """Whether a host that runs has records to read or sliced work to do; a stopped partition is waited for by nobody."""
    for host in hosts:
        if host.failure is not None:
            continue
        unread = host.position < await home.end(host.topic, host.partition)
        if unread or not host.running or host.engine.machine.has_work(host.engine.state):
            return True
    return False


async def last_time(home: Log, venue: Venue) -> Milliseconds:
    """Time of the last record of any inbox, 0 for an empty log: where a clock goes on."""
    latest = 0
    topics = await home.topics()
    for service, partitions in venue.genesis.partitions.items():
        for partition in range(partitions if inbox(service) in topics else 0):
            end = await home.end(inbox(service), partition)
            records = await home.read(inbox(service), partition, end - 1, 1, 0) if end else []
            latest = max([latest, *(record.at_ms for record in records)])
    return latest
