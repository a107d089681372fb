"""A machine as a process: settings, log, a host per partition, gRPC, metrics, and how all of it ends; it knows no money.

Exit codes   0   asked to stop: everything acknowledged, marker and snapshot written
             2   bad settings, one line per field
             65  a snapshot that cannot be used (another log's, or of a newer release)
             69  the log or its topics could not be reached in time
             70  an append failed: ended at once without flushing, start it again
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import structlog
import uvloop
from grpc_health.v1 import health_pb2
from prometheus_client import CollectorRegistry

from services.core.host import Host, HostSettings, PartitionStopped, WrongSnapshot
from services.core.log import Log, LogError
from services.core.metrics import Metrics, StateCollector
from services.core.rpc import RpcServer, RpcSettings, Service
from services.core.rpc_meter import RpcCollector
from services.core.settings import EXIT_CONFIGURATION, MachineSettings, Settings, load_or_exit
from services.core.snapshots import Folder, Snapshots, SnapshotTooNew
from services.core.spine import Engine, Machine, S
from services.core.sqlite_log import SqliteLog
from services.core.telemetry import HostCollector, MeasuredHost, MetricsServer, configure_logs
from services.core.topics import inbox

EXIT_SNAPSHOT = 65
EXIT_UNREACHABLE = 69
EXIT_APPEND_FAILED = 70
WATCH_SECONDS = 1.0
READ_WAIT_MS = 50
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

Hosts = dict[int, Host[Any]]
MakeServices = Callable[[Hosts], list[Service]]

log = structlog.get_logger(__name__)


class CannotStart(Exception):
    """The process cannot begin: what to say, and the exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def run_machine(machine: Machine[S], make_services: MakeServices, metrics: Metrics) -> NoReturn:
    """Be the process of a machine until asked to stop; ends the interpreter with one of the codes above."""
    settings = load_or_exit(MachineSettings)
    run_process(settings, machine.service, lambda: serve(machine, make_services, metrics, settings))


def run_process(settings: Settings, name: str, main: Callable[[], Any]) -> NoReturn:
    """Run an async main on uvloop, with logs; what it raises about the world becomes an exit code and one clear line."""
    configure_logs(settings.log_level, settings.log_format, service=name)
    tune_collector()
    try:
        uvloop.run(main())
    except CannotStart as refused:
        sys.stderr.write(f"{name}: {refused}\n")
        sys.exit(refused.code)
    sys.exit(0)


def tune_collector() -> None:
    """Look for cycles seldom: messages and states hold none, and a look costs time in proportion to the state."""
    gc.set_threshold(50_000, 20, 100)


async def serve(machine: Machine[S], make_services: MakeServices, shown: Metrics, settings: MachineSettings) -> None:
    """Host the partitions until SIGTERM or SIGINT."""
    stop = stop_on_signals()
    async with opened_home(settings) as home:
        partitions = await wait_for_inbox(home, machine.service, settings)
        numbers = chosen(settings.partitions, partitions)
        hosts = {number: new_host(machine, number, home, settings) for number in numbers}
        server = open_server("VIGIL_GRPC", settings.grpc, make_services(dict(hosts)))
        registry = CollectorRegistry()
        registry.register(HostCollector(hosts.values()))
        registry.register(StateCollector(hosts.values(), {machine.service: shown}))
        registry.register(RpcCollector(server.meter))
        with open_metrics("VIGIL_METRICS", settings.metrics, registry) as metrics:
            await server.health.set("", NOT_SERVING)  # until every partition has recovered
            await server.start()
            log.info("started", grpc=server.address, metrics=metrics.address, partitions=list(hosts))
            try:
                await run_hosts(hosts.values(), server, stop)
            finally:
                await server.stop()
    log.info("stopped")


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def opened_home(settings: Settings) -> AsyncIterator[Log]:
    """The log that the settings name, for the length of a block; CannotStart when it cannot be opened."""
    home = open_home(settings)
    try:
        yield home
    finally:
        await home.close()


def open_home(settings: Settings) -> Log:
    """Open the log that the settings name; CannotStart when that is not possible."""
    if settings.log_file is None:
        from services.core.kafka_log import KafkaLog, KafkaSettings  # noqa: PLC0415 - an extra that not everybody installs

        attempts = max(1, settings.start_seconds_max // 3)
        return KafkaLog(settings.kafka, KafkaSettings(attempts=attempts))
    synchronous = "FULL" if settings.log_durability == "power-loss" else "NORMAL"
    try:
        return SqliteLog(settings.log_file, synchronous=synchronous)  # type: ignore[arg-type]
    except LogError as error:
        raise CannotStart(str(error), EXIT_UNREACHABLE) from error


async def wait_for_topic(home: Log, topic: str, settings: Settings) -> int:
    """Wait until a topic is there; return its number of partitions. CannotStart after the settings' time."""
    topics: dict[str, int] = {}

    async def created() -> bool:
        topics.update(await home.topics())  # kept, for another broker may not know it yet when asked again
        return topic in topics

    await wait_until(created, f"no topic {topic}", settings)
    return topics[topic]


async def wait_for_inbox(home: Log, service: str, settings: Settings) -> int:
    """Wait until each partition of an inbox has its Genesis, before which nothing may be appended; return their number.

    CannotStart after the settings' time.
    """
    topic = inbox(service)
    partitions = await wait_for_topic(home, topic, settings)

    async def founded() -> bool:
        return all([await home.end(topic, partition) for partition in range(partitions)])

    await wait_until(founded, f"no Genesis in {topic}", settings)
    return partitions


async def wait_until(holds: Callable[[], Awaitable[bool]], what_is_missing: str, settings: Settings) -> None:
    """Ask again and again whether the venue is founded; CannotStart when the log is lost, or after the settings' time."""
    deadline = asyncio.get_running_loop().time() + settings.start_seconds_max
    try:
        while not await holds():
            if asyncio.get_running_loop().time() > deadline:
                raise CannotStart(f"{what_is_missing}: found the venue with init-venue first", EXIT_UNREACHABLE)
            await asyncio.sleep(0.2)
    except LogError as error:
        raise CannotStart(str(error), EXIT_UNREACHABLE) from error


def chosen(wanted: tuple[int, ...], partitions: int) -> tuple[int, ...]:
    """Partitions to host: those wanted, or all."""
    beyond = [number for number in wanted if number >= partitions]
    if beyond:
        raise CannotStart(f"VIGIL_PARTITIONS: {beyond} beyond the {partitions} that there are", EXIT_CONFIGURATION)
    return wanted or tuple(range(partitions))


def new_host(machine: Machine[S], partition: int, home: Log, settings: MachineSettings) -> MeasuredHost[S]:
    """Build the host of one partition; CannotStart when the snapshot folder cannot be used."""
    try:
        folder = Folder(settings.snapshots)
    except OSError as error:
        raise CannotStart(f"VIGIL_SNAPSHOTS: {error}", EXIT_CONFIGURATION) from error
    pace = HostSettings(
        settings.batch,
        READ_WAIT_MS,
        tick_ms=settings.tick_ms,
        marker_ms=settings.marker_ms,
        snapshot_every=settings.snapshot_every,
    )
    snapshots = Snapshots(folder, f"{machine.service}/{partition}")
    return MeasuredHost(Engine(machine, partition), home, snapshots, asyncio.ensure_future, pace)


def open_server(setting: str, address: str, services: list[Service]) -> RpcServer:
    """Take the gRPC port that a setting names; CannotStart when somebody else has it."""
    try:
        return RpcServer(RpcSettings(address=address), services)
    except RuntimeError as error:
        raise CannotStart(f"{setting}: {address}: {error}", EXIT_CONFIGURATION) from error


def open_metrics(setting: str, address: str, registry: CollectorRegistry) -> MetricsServer:
    """Take the port of the metrics that a setting names; CannotStart when somebody else has it."""
    try:
        return MetricsServer(address, registry)
    except OSError as error:
        raise CannotStart(f"{setting}: {address}: {error}", EXIT_CONFIGURATION) from error


async def run_hosts(hosts: Iterable[MeasuredHost[Any]], server: RpcServer, stop: asyncio.Event) -> None:
    """Run every host until `stop`, then end them in good order; a failed append ends the process here and now."""
    hosts = tuple(hosts)
    tasks = [asyncio.create_task(run_host(host)) for host in hosts]
    watch = asyncio.create_task(watch_hosts(hosts, server))
    asked = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            await asyncio.wait([asked, *tasks], return_when=asyncio.FIRST_COMPLETED)
            tasks = [task for task in tasks if not ended(task)]
        for host in hosts:
            host.stopping = True
        for task in tasks:
            await task
    finally:
        watch.cancel()
        asked.cancel()


def ended(task: asyncio.Task[None]) -> bool:
    """Whether a host's task is over; raises what it raised."""
    if task.done():
        task.result()
    return task.done()


async def run_host(host: Host[Any]) -> None:
    """Run one host; a stopped partition is logged and stays stopped, others go on.

    Raises   CannotStart for a snapshot that cannot be used
    """
    try:
        await host.run()
    except PartitionStopped:
        log.exception("partition_stopped", machine=host.engine.name, position=host.position)
    except (WrongSnapshot, SnapshotTooNew) as error:
        raise CannotStart(str(error), EXIT_SNAPSHOT) from error
    except LogError as error:
        end_without_flushing(host.engine.name, error)


def end_without_flushing(name: str, error: LogError) -> NoReturn:
    """End at once: what was appended after the failed append must not be acknowledged by a tidy shutdown (DESIGN.md 1)."""
    log.error("append_failed", machine=name, error=str(error))
    sys.stderr.flush()
    os._exit(EXIT_APPEND_FAILED)


async def watch_hosts(hosts: Iterable[MeasuredHost[Any]], server: RpcServer | None) -> None:
    """Keep lag and health up to date; health has a name per partition, such as `risk/0`, and "" for all of them."""
    while True:
        healthy = True
        for host in hosts:
            try:
                await host.measure_lag()
            except LogError as error:
                log.warning("lag_unknown", machine=host.engine.name, error=str(error))
            if server is not None:
                answers = host.running and host.failure is None
                healthy = healthy and answers
                await server.health.set(host.engine.name, SERVING if answers else NOT_SERVING)
        if server is not None:
            await server.health.set("", SERVING if healthy else NOT_SERVING)
        await asyncio.sleep(WATCH_SECONDS)
