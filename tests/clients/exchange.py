"""A whole venue in one process for tests: every machine on a log in memory, real gRPC between them, prices on demand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from services.client import Vigil
from services.core import messages as m
from services.core.decimals import parse_decimal
from services.core.fixed import INDEX_DECIMALS
from services.core.host import Host, HostSettings
from services.core.log import Log
from services.core.memory_log import MemoryLog
from services.core.rpc import RpcServer, RpcSettings, open_channel
from services.core.snapshots import Folder, Snapshots
from services.core.spine import Engine, Machine
from services.funding import api as funding_api
from services.funding.machine import MACHINE as FUNDING
from services.gateway.gateway import Gateway, end_tasks
from services.gateway.limits import GatewaySettings
from services.gateway.queries import Channels, Queries
from services.insurance_fund import api as insurance_fund_api
from services.insurance_fund.machine import MACHINE as INSURANCE_FUND
from services.lending_pool import api as lending_pool_api
from services.lending_pool.machine import MACHINE as LENDING_POOL
from services.local.venue import Venue, found, list_assets, list_markets, read_venue
from services.matching import api as matching_api
from services.matching.machine import MACHINE as MATCHING
from services.risk import api as risk_api
from services.risk.machine import MACHINE as RISK
from services.settlement import api as settlement_api
from services.settlement.machine import MACHINE as SETTLEMENT

MACHINES: list[tuple[Machine[Any], ModuleType]] = [
    (SETTLEMENT, settlement_api),
    (FUNDING, funding_api),
    (MATCHING, matching_api),
    (RISK, risk_api),
    (INSURANCE_FUND, insurance_fund_api),
    (LENDING_POOL, lending_pool_api),
]
PRICES = {
    "BTC_USD": "8000",
    "BTC_USDT": "8000",
    "ETH_USD": "200",
    "SOL_USD": "20",
    "USDT_USD": "1",
    "TBILL_USD": "1.02",
    "PEPE_USD": "0.00001",
}
OBSERVED = {index: parse_decimal(price, INDEX_DECIMALS) for index, price in PRICES.items()}
SOURCES = ("one", "two", "three")
CALM = GatewaySettings(loop_late_s_max=60, standing_s=60, lag_ms_max=60_000)
"""Clients are judged here. The machines share their loop with the gateway, which shall not call that overload."""


class Exchange:
    """The venue; gateways are started on it as a test likes."""

    def __init__(self, folder: Path, shards: int = 1, change: Callable[[Venue], Venue] = lambda venue: venue) -> None:
        """`change` may list otherwise than the venue's file does."""
        self.home = MemoryLog()
        self.venue: Venue = change(read_venue(partitions={"risk": shards}))
        self.hosts: dict[str, dict[int, Host[Any]]] = {}
        self.folder = folder
        self.gateways: list[Gateway] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.server: RpcServer

    async def start(self) -> None:
        await found(self.home, self.venue)
        services = []
        for machine, api in MACHINES:
            hosts = {number: self.host(machine, number) for number in range(self.partitions(machine.service))}
            self.hosts[machine.service] = hosts
            services += api.services_of(hosts)
            self.tasks += [asyncio.create_task(host.run()) for host in hosts.values()]
        self.server = RpcServer(RpcSettings(rpcs_max=10_000, streams_per_connection=1_000), services)
        await self.server.start()
        await list_assets(self.home, self.venue)
        await list_markets(self.home, self.venue)
        self.tasks.append(asyncio.create_task(self.tell_prices()))

    def apis(self) -> list[tuple[str, ModuleType]]:
        """Services with what they answer."""
        return [(machine.service, api) for machine, api in MACHINES]

    def partitions(self, service: str) -> int:
        return self.venue.genesis.partitions[service]

    def host(self, machine: Machine[Any], partition: int) -> Host[Any]:
        snapshots = Snapshots(Folder(self.folder), f"{machine.service}/{partition}")
        pace = HostSettings(wait_ms=20)
        return Host(Engine(machine, partition), self.home, snapshots, asyncio.ensure_future, pace)

    async def tell_prices(self) -> None:
        """Observe the same prices again and again, so that marks stay fresh."""
        while True:
            now = self.home.now_ms()
            seen = [
                m.PriceObserved(source, index, price, now) for index, price in OBSERVED.items() for source in SOURCES
            ]
            await self.home.append("funding.inbox", 0, [msgspec.msgpack.encode(m.Record(one)) for one in seen])
            await asyncio.sleep(0.3)

    def channels(self) -> Channels:
        """Ways to every machine's answers."""
        return {
            service: [open_channel(self.server.address)] * self.partitions(service)
            for service in ("risk", "matching", "settlement", "funding", "lending_pool")
        }

    async def gateway(
        self, settings: GatewaySettings = CALM, home: Log | None = None, *, marked: bool = True
    ) -> Gateway:
        """Start one more gateway; it is ready when every market has its first mark, if that is to be waited for."""
        gateway = Gateway(home or self.home, Queries(self.channels()), settings)
        self.gateways.append(gateway)
        await gateway.start()
        if marked:
            async with asyncio.timeout(10):
                await self.marked(gateway)
        return gateway

    async def marked(self, gateway: Gateway) -> None:
        """Wait until a gateway knows a mark of every market."""
        missing = {market.id for market in self.venue.markets} - {line.market for line in gateway.marks.listed().marks}
        if not missing:
            return
        async with Vigil(gateway.address) as client:
            async for record in client.watch_marks():
                missing -= {mark.market for mark in record.marks_updated.marks}
                if not missing:
                    return

    async def stop(self) -> None:
        for gateway in self.gateways:
            await gateway.stop()
            for stub in gateway.queries.channels:
                await stub.close()
        await self.server.stop(0)
        await end_tasks(self.tasks)

    def inbox_ends(self) -> dict[str, int]:
        """How many records of clients each inbox holds; Ticks and prices come by themselves."""
        ends = {}
        for (topic, partition), records in self.home.partitions.items():
            if topic in ("risk.inbox", "settlement.inbox"):
                decode = msgspec.msgpack.decode
                ends[f"{topic}/{partition}"] = sum(is_asked(*decode(one.value)[:2]) for one in records)
        return ends


def is_asked(message: list[Any], source: str) -> bool:
    """Whether a record is a command, which comes from no machine; what hosts append themselves has the lowest tags."""
    return source == "" and message[0] >= m.FrameSigned.__struct_config__.tag


@contextlib.asynccontextmanager
async def running(
    folder: Path, shards: int = 1, change: Callable[[Venue], Venue] = lambda venue: venue
) -> AsyncIterator[Exchange]:
    """An exchange for the length of a block."""
    exchange = Exchange(folder, shards, change)
    try:
        await exchange.start()
        yield exchange
    finally:
        await exchange.stop()
