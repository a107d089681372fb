"""`run-kafka`: every service as a process of its own on a real Kafka broker, in real time; prices are played as fast as wished.

A broker is used when VIGIL_KAFKA names one; else one of our own is started under the folder, and stopped at the end.
"""

import asyncio
import contextlib
import json
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from services.core.kafka_log import KafkaLog, KafkaSettings
from services.core.log import LogError
from services.core.memory_log import wall_clock_ms
from services.core.process import EXIT_UNREACHABLE, CannotStart, stop_on_signals
from services.core.settings import EXIT_CONFIGURATION
from services.core.topics import SERVICES
from services.local.supervisor import Child, ChildFailed, Supervisor
from services.local.venue import ROOT, BadVenue, Venue, found, list_assets, list_markets, read_venue
from services.local.window import Sources, Window, show

BROKER = ROOT / "deploy" / "kafka" / "broker.py"
EXIT_FAILED = 1
LOOPBACK = "127.0.0.1"
ASKED = (
    *("risk", "matching", "settlement", "funding", "insurance_fund", "ledger", "oracle", "gateway", "analytics"),
    "lending_pool",
)
"""Who answers queries and shows metrics: each has the first port plus its place here."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class KafkaOptions:
    """What the command was told."""

    folder: Path
    markets: Path
    scenario: str
    recorded: str
    seed: int
    speed: int
    participants: int
    risk_partitions: int
    live: str
    replicas: int
    broker_port: int
    queries_port: int
    metrics_port: int
    gateway: str
    admin: str
    headless: bool

    def queries(self, name: str) -> str:
        """Address of a process's queries."""
        return f"{LOOPBACK}:{self.queries_port + ASKED.index(name)}"

    def metrics(self, name: str) -> str:
        """Address of a process's metrics."""
        return f"{LOOPBACK}:{self.metrics_port + ASKED.index(name)}"


async def run_kafka(options: KafkaOptions) -> None:
    """Run until Ctrl-C; raises CannotStart."""
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # we start programs, never a copy of ourselves
    stop = stop_on_signals()
    try:
        venue = read_venue(options.markets, {"risk": options.risk_partitions})
        (options.folder / "logs").mkdir(parents=True, exist_ok=True)
    except (BadVenue, OSError) as error:
        raise CannotStart(str(error), EXIT_CONFIGURATION) from error
    async with contextlib.AsyncExitStack() as undo:
        bootstrap = await undo.enter_async_context(broker(options))
        supervisor = Supervisor()
        undo.push_async_callback(supervisor.stop)
        await start_everything(options, venue, bootstrap, supervisor)
        window = Window(sources(options))
        undo.push_async_callback(window.close)
        shown = asyncio.create_task(show(window, headless=options.headless, speed=None))
        try:
            await supervisor.wait(stop)
        except ChildFailed as error:
            raise CannotStart(str(error), EXIT_FAILED) from error
        finally:
            shown.cancel()
            await asyncio.gather(shown, return_exceptions=True)
    sys.stdout.write("stopped; the log stays on the broker\n")


async def start_everything(options: KafkaOptions, venue: Venue, bootstrap: str, supervisor: Supervisor) -> None:
    """Found the venue, then machines and ledger, listings, gateway and prices, participants; raises CannotStart."""
    home = KafkaLog(bootstrap, KafkaSettings(replicas=options.replicas, attempts=10))
    try:
        await found(home, venue)
        await list_assets(home, venue)
        machines = [machine(options, bootstrap, service) for service in SERVICES]
        await supervisor.start([*machines, ledger(options, bootstrap), analytics(options, bootstrap)])
        await list_markets(home, venue)
    except LogError as error:
        raise CannotStart(str(error), EXIT_UNREACHABLE) from error
    except BadVenue as error:
        raise CannotStart(str(error), EXIT_CONFIGURATION) from error
    finally:
        await home.close()
    await supervisor.start([gateway(options, bootstrap), oracle(options, venue, bootstrap)])
    if options.participants:
        await supervisor.start([participants(options)])


@contextlib.asynccontextmanager
async def broker(options: KafkaOptions) -> AsyncIterator[str]:
    """Bootstrap address of the broker that VIGIL_KAFKA names, or of our own for as long as the block runs."""
    named = os.environ.get("VIGIL_KAFKA")
    if named:
        yield named
        return
    if not BROKER.exists():
        raise CannotStart("no broker: name one with VIGIL_KAFKA=host:port", EXIT_CONFIGURATION)
    folder = options.folder / "kafka"
    await broker_command("start", "--dir", str(folder), "--port", str(options.broker_port))
    try:
        yield f"{LOOPBACK}:{options.broker_port}"
    finally:
        await broker_command("stop", "--dir", str(folder))


async def broker_command(*arguments: str) -> None:
    """Start or stop our own broker; CannotStart with what it says when it cannot."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(BROKER), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise CannotStart(said.decode(errors="replace").strip(), EXIT_UNREACHABLE)
    log.info("broker", command=arguments[0], said=said.decode(errors="replace").strip())


def child(options: KafkaOptions, name: str, command: Iterable[str], environment: dict[str, str]) -> Child:
    """Child that is a Python module of ours."""
    return Child(name, [sys.executable, "-m", *command], environment, options.folder / "logs" / f"{name}.log")


def machine(options: KafkaOptions, bootstrap: str, service: str) -> Child:
    """Process of a machine, with all its partitions."""
    environment = {
        "VIGIL_KAFKA": bootstrap,
        "VIGIL_SNAPSHOTS": str(options.folder / "snapshots"),
        "VIGIL_GRPC": options.queries(service),
        "VIGIL_METRICS": options.metrics(service),
    }
    return child(options, service, [f"services.{service}"], environment)


def ledger(options: KafkaOptions, bootstrap: str) -> Child:
    """Process of the ledger."""
    environment = {
        "VIGIL_KAFKA": bootstrap,
        "VIGIL_LEDGER_FILE": str(options.folder / "ledger.sqlite"),
        "VIGIL_LEDGER_GRPC": options.queries("ledger"),
        "VIGIL_LEDGER_METRICS": options.metrics("ledger"),
    }
    return child(options, "ledger", ["services.settlement.ledger"], environment)


def analytics(options: KafkaOptions, bootstrap: str) -> Child:
    """Process of the points."""
    environment = {
        "VIGIL_KAFKA": bootstrap,
        "VIGIL_ANALYTICS_FILE": str(options.folder / "points.json"),
        "VIGIL_ANALYTICS_GRPC": options.queries("analytics"),
        "VIGIL_ANALYTICS_METRICS": options.metrics("analytics"),
    }
    return child(options, "analytics", ["services.analytics"], environment)


def gateway(options: KafkaOptions, bootstrap: str) -> Child:
    """Process of the gateway."""
    environment = {
        "VIGIL_KAFKA": bootstrap,
        "VIGIL_GATEWAY_GRPC": options.gateway,
        "VIGIL_GATEWAY_RISK": options.queries("risk"),
        "VIGIL_GATEWAY_MATCHING": options.queries("matching"),
        "VIGIL_GATEWAY_SETTLEMENT": options.queries("settlement"),
        "VIGIL_GATEWAY_FUNDING": options.queries("funding"),
        "VIGIL_GATEWAY_LENDING_POOL": options.queries("lending_pool"),
        "VIGIL_GATEWAY_ADMIN": options.admin,
        "VIGIL_GATEWAY_METRICS": options.metrics("gateway"),
    }
    return child(options, "gateway", ["services.gateway"], environment)


def oracle(options: KafkaOptions, venue: Venue, bootstrap: str) -> Child:
    """Process of the oracle; its path begins when the folder was first used, so a restart goes on in it."""
    environment = {
        "VIGIL_KAFKA": bootstrap,
        "VIGIL_ORACLE_SCENARIO": options.scenario,
        "VIGIL_ORACLE_RECORDED": options.recorded,
        "VIGIL_ORACLE_LIVE": options.live,
        "VIGIL_ORACLE_INDEX": ",".join(venue.indices),
        "VIGIL_ORACLE_SEED": str(options.seed),
        "VIGIL_ORACLE_SPEED": str(options.speed),
        "VIGIL_ORACLE_BEGINS_MS": str(begins_ms(options.folder)),
        "VIGIL_ORACLE_GRPC": options.queries("oracle"),
        "VIGIL_ORACLE_METRICS": options.metrics("oracle"),
    }
    return child(options, "oracle", ["services.oracle"], environment)


def participants(options: KafkaOptions) -> Child:
    """Process of all participants."""
    command = ["services.local", "participants", "--gateway", options.gateway, "--count", str(options.participants)]
    return child(options, "participants", [*command, "--seed", str(options.seed)], {})


def begins_ms(folder: Path) -> int:
    """When prices began to be played here: now, for a new folder."""
    file = folder / "run-kafka.json"
    if not file.exists():
        file.write_text(json.dumps({"begins_ms": wall_clock_ms()}) + "\n")
    return int(json.loads(file.read_text())["begins_ms"])


def sources(options: KafkaOptions) -> Sources:
    """Where the window looks."""
    addresses = [options.metrics(service) for service in SERVICES]
    urls = [f"http://{address}/metrics" for address in addresses]

    async def read_metrics() -> list[Metric]:
        return await asyncio.to_thread(scrape, urls)

    return Sources(
        options.gateway,
        options.queries("ledger"),
        options.queries("insurance_fund"),
        " ".join(addresses),
        read_metrics,
    )


def scrape(urls: Iterable[str]) -> list[Metric]:
    """Metrics of all addresses that answer."""
    metrics: list[Metric] = []
    for url in urls:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own
            metrics += text_string_to_metric_families(answer.read().decode())
    return metrics
