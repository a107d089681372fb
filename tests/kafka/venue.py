"""A whole venue as an operator runs it: broker, `init-venue` and every service as a process of its own, on ports of its own."""

import asyncio
import contextlib
import json
import signal
import tomllib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from deploy.kafka.broker import Cluster, free_ports
from services.core.kafka_log import KafkaLog, KafkaSettings
from services.core.memory_log import wall_clock_ms
from services.core.messages import Continue, Resumed, Tick
from services.core.topics import SERVICES, all_topics, inbox
from services.local.venue import MARKETS_FILE
from services.settlement.ledger.queries import open_queries
from tests.kafka.processes import ROOT, Process, own_environment, python, wait_until
from vigil.v1 import feeds_pb2

HOST = "127.0.0.1"
SHARDS = 2
SNAPSHOT_EVERY = 400
"""Inputs: so few that most restarts begin with a snapshot of a minute ago or less."""
BARS = 3_600
SPEED = 60
"""Minute bars are played one per second."""
OWN_TAGS = [kind.__struct_config__.tag for kind in (Tick, Continue, Resumed)]
WAVE = (0, 2, 4, 6, 5, 3, 1, -1, -3, -5, -6, -4, -2)
"""Percent by which prices stray: further than a position of twenty times its margin bears."""
SMALLER_MARKET = {
    "funding_interval_ms = 3_600_000": "funding_interval_ms = 60_000",
    "mark_interval_ms = 1_000": "mark_interval_ms = 500",
    'amount = "250000"': 'amount = "500"',
    "period_ms = 60_000": "period_ms = 2_000",
}


FUTURES_S = (55, 80)
"""Seconds from the beginning of a venue to the ends of its two futures: by then it was founded, and is loaded."""
FUTURES: tuple[dict[str, Any], ...] = (
    {"id": 901, "symbol": "BTC_USDC_SOON", "expiry_price": "INDEX_MEAN", "settlement_window_ms": 12_000},
    {"id": 902, "symbol": "BTC_USD_SOON", "expiry_price": "TRADED_MEAN", "settlement_window_ms": 20_000},
)
"""What tells them from the futures of the first two calendars: the first pays dollars for coins, the second settles in the coin."""
SOON: dict[str, Any] = {
    "settlement_interval_ms": 60_000,
    "settlement_offset_ms": 0,
    "limit_steps": [],
    "limit_pause_ms": 0,
    "mark_interval_ms": 1_000,
}
"""Settled each minute, and no pause in which nobody could trade to the end."""


class Venue:
    """Processes on a cluster. What they keep lies in `folder`; they may be stopped, judged and started again."""

    def __init__(self, cluster: Cluster, folder: Path, gateways: int) -> None:
        self.cluster = cluster
        self.folder = folder
        self.home = KafkaLog(cluster.bootstrap, KafkaSettings(replicas=len(cluster.nodes), attempts=20))
        (folder / "logs").mkdir(parents=True)
        self.began_ms = wall_clock_ms()
        self.markets = write_markets(folder, self.began_ms)
        self.prices = write_prices(folder)
        self.partitions = dict.fromkeys(SERVICES, 1) | {"risk": SHARDS}
        self.gateways = [f"gateway-{number}" for number in range(1, gateways + 1)]
        names = [*SERVICES, *self.gateways, "ledger", "oracle"]
        self.addresses = dict(zip(names, (f"{HOST}:{port}" for port in free_ports(len(names))), strict=True))
        self.services = {service: self.machine(service, self.addresses[service], service) for service in SERVICES}
        self.services |= {name: self.gateway(name) for name in self.gateways}
        self.services |= {"ledger": self.ledger(), "oracle": self.oracle()}
        self.twins: list[Process] = []

    def process(self, name: str, module: str, grpc: str, health: list[str], environment: dict[str, str]) -> Process:
        """A service of this venue."""
        common = {"VIGIL_KAFKA": self.cluster.bootstrap, "VIGIL_START_SECONDS_MAX": "120"}
        return Process(name, f"services.{module}", common | environment, grpc, health, self.folder / "logs")

    def machine(self, service: str, grpc: str, name: str) -> Process:
        """A process of a machine, with all its partitions."""
        health = [f"{service}/{number}" for number in range(self.partitions[service])]
        environment = {
            "VIGIL_SNAPSHOTS": str(self.folder / "snapshots"),
            "VIGIL_SNAPSHOT_EVERY": str(SNAPSHOT_EVERY),
            "VIGIL_GRPC": grpc,
        }
        return self.process(name, service, grpc, health, environment)

    def gateway(self, name: str) -> Process:
        """A process of a gateway."""
        environment = {"VIGIL_GATEWAY_GRPC": self.addresses[name]}
        for service in ("risk", "matching", "settlement"):
            environment[f"VIGIL_GATEWAY_{service.upper()}"] = self.addresses[service]
        return self.process(name, "gateway", self.addresses[name], ["vigil.v1.Trading"], environment)

    @property
    def ledger_file(self) -> Path:
        """The file of the ledger process."""
        return self.folder / "ledger.sqlite"

    def ledger(self) -> Process:
        """The process of the ledger."""
        environment = {"VIGIL_LEDGER_FILE": str(self.ledger_file), "VIGIL_LEDGER_GRPC": self.addresses["ledger"]}
        return self.process("ledger", "settlement.ledger", self.addresses["ledger"], [""], environment)

    def oracle(self) -> Process:
        """The process of the oracle; after a restart it goes on in the same path."""
        environment = {
            "VIGIL_ORACLE_GRPC": self.addresses["oracle"],
            "VIGIL_ORACLE_RECORDED": str(self.prices),
            "VIGIL_ORACLE_SPEED": str(SPEED),
            "VIGIL_ORACLE_INTERVAL_MS": "500",
            "VIGIL_ORACLE_BEGINS_MS": str(self.began_ms),
        }
        return self.process("oracle", "oracle", self.addresses["oracle"], [""], environment)

    async def start_twin(self, service: str) -> Process:
        """Start a second instance of a machine's partitions, which knows nothing of the first; returns when it serves."""
        (port,) = free_ports(1)
        twin = self.machine(service, f"{HOST}:{port}", f"{service}-twin")
        self.twins.append(twin)
        await twin.start()
        await twin.wait_until_healthy()
        return twin

    async def start(self) -> None:
        """Start whatever does not run, in no order, as a cluster manager would; returns when all of it serves."""
        if all(service.runs for service in self.services.values()):
            return
        founding = await self.init_venue()
        for service in self.services.values():
            if not service.runs:
                await service.start()
        said, _ = await founding.communicate()
        assert founding.returncode == 0, said.decode()
        await asyncio.gather(*(service.wait_until_healthy() for service in self.services.values()))

    async def init_venue(self) -> asyncio.subprocess.Process:
        """Begin to found the venue, or to find it founded."""
        options = ["--kafka", self.cluster.bootstrap, "--markets", str(self.markets), "--risk-partitions", str(SHARDS)]
        return await asyncio.create_subprocess_exec(
            *python("services.local", "init-venue", *options, "--replicas", str(len(self.cluster.nodes))),
            cwd=ROOT,
            env=own_environment({}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def stop(self) -> None:
        """Stop all services in good order: what feeds the others first, and the machines when all is answered."""
        await self.stop_services("oracle", *self.gateways, "funding")
        await wait_until(self.is_quiet, "every machine has answered everything")
        await self.stop_services(*SERVICES)
        await wait_until(self.ledger_is_complete, "the ledger has read every entry")
        await self.stop_services("ledger")

    async def stop_services(self, *names: str) -> None:
        """Stop those of these that run."""
        running = [self.services[name] for name in names if self.services[name].runs]
        await asyncio.gather(*(service.stop() for service in running))

    def check(self) -> None:
        """Raise what one of the services failed with."""
        for service in self.services.values():
            if service.runs:
                service.check()

    async def told(self, topic: str, event: str) -> list[feeds_pb2.FeedRecord]:
        """What a feed tells of one kind, repeats included."""
        found: list[feeds_pb2.FeedRecord] = []
        for partition in range(all_topics(self.partitions)[topic]):
            end, offset = await self.home.end(topic, partition), 0
            while offset < end:
                records = await self.home.read(topic, partition, offset, 5_000, 1_000)
                read = (feeds_pb2.FeedRecord.FromString(record.value) for record in records)
                found += [record for record in read if record.WhichOneof("event") == event]
                offset += len(records)
        return found

    async def has_paid_funding(self) -> bool:
        """Whether the accounts have gone through a funding step."""
        return bool(await self.told("feed.account", "funding_paid"))

    async def ended(self) -> set[int]:
        """Markets that have come to their ends."""
        return {record.market_delisted.market for record in await self.told("feed.markets", "market_delisted")}

    async def is_quiet(self) -> bool:
        """Whether nothing is under way between the machines that run: all they have not answered are their own Ticks."""
        places = [(service, n) for service in SERVICES for n in range(self.partitions[service]) if service != "funding"]
        ends = [await self.home.end(inbox(service), number) for service, number in places]
        for (service, number), end in zip(places, ends, strict=True):
            if await self.home.marker(f"{service}/{number}") < end:
                return False
        for (service, number), end in zip(places, ends, strict=True):
            new = await self.home.read(inbox(service), number, end, 100, 0)
            if any(msgspec.msgpack.decode(record.value)[0][0] not in OWN_TAGS for record in new):
                return False
        return True

    async def ledger_is_complete(self) -> bool:
        """Whether the ledger process has read its topics to their ends."""
        queries = open_queries(self.ledger_file)
        positions = {(topic, partition): offset for topic, partition, offset, _ in queries.positions()}
        queries.database.close()
        for topic, count in all_topics(self.partitions).items():
            for partition in range(count if topic.startswith("ledger.") else 0):
                if positions.get((topic, partition), 0) != await self.home.end(topic, partition):
                    return False
        return True

    async def end(self) -> None:
        """Kill what still runs, and forget the connections."""
        for process in [*self.services.values(), *self.twins]:
            with contextlib.suppress(AssertionError):
                await process.end(signal.SIGKILL)
        await self.home.close()


def write_markets(folder: Path, began_ms: int) -> Path:
    """The venue file of the repository, where minutes are hours, pools open every two seconds, a fund can run dry, and futures end soon."""
    text = MARKETS_FILE.read_text()
    calendars = tomllib.loads(text)["calendar"]
    for old, new in SMALLER_MARKET.items():
        assert old in text, old
        text = text.replace(old, new)
    ends = [datetime.fromtimestamp(began_ms // 1_000 + seconds, UTC) for seconds in FUTURES_S]
    futures = [
        table_of(calendar["market"] | SOON | own, end)
        for calendar, own, end in zip(calendars, FUTURES, ends, strict=True)
    ]
    (folder / "markets.toml").write_text("\n".join([text, *futures]))
    return folder / "markets.toml"


def table_of(market: dict[str, Any], expires: datetime) -> str:
    """A market of the venue file; what it says reads the same in JSON and in TOML."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in market.items()]
    return "\n".join(["[[market]]", *lines, f"expires = {expires.isoformat()}", ""])


def write_prices(folder: Path) -> Path:
    """An hour and more of prices that rise and fall again and again."""
    prices = [80 * (100 + WAVE[number % len(WAVE)]) for number in range(BARS + 1)]
    bars = [
        f"{number * 60_000},{prices[number]},{max(prices[number : number + 2])},"
        f"{min(prices[number : number + 2])},{prices[number + 1]}"
        for number in range(BARS)
    ]
    (folder / "prices.csv").write_text("\n".join(["ts_ms,open,high,low,close", *bars]) + "\n")
    return folder / "prices.csv"


@contextlib.asynccontextmanager
async def running(folder: Path, *, brokers: int = 1, gateways: int = 2) -> AsyncIterator[Venue]:
    """A venue on a cluster of its own for the length of a block; nothing of it is left behind."""
    cluster = await asyncio.to_thread(Cluster(brokers=brokers).start)
    try:
        venue = Venue(cluster, folder, gateways)
        try:
            await venue.start()
            yield venue
        finally:
            await venue.end()
    finally:
        await asyncio.to_thread(cluster.stop)
