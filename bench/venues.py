"""Venues for the orders bench: every service a process on a broker of our own, or all in one process on the embedded log."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.kafka.broker import Cluster, free_ports
from services.core.kafka_log import KafkaLog
from services.core.log import Log
from services.core.sqlite_log import SqliteLog
from services.core.topics import SERVICES
from services.local.venue import MARKETS_FILE
from tests.kafka.processes import ROOT, Process, own_environment, python

HOST = "127.0.0.1"
MID = 8_000
ASKED = ("risk", "matching", "settlement", "funding", "lending_pool")
BARS = 240
COMMANDS_PER_S = "1000000"
"""The gateway's limit per account, out of the way: it is not what is measured."""


@dataclass(frozen=True)
class Running:
    """A venue that serves: where, which processes it has, and its log for reading."""

    name: str
    gateway: str
    pids: dict[str, int]
    home: Log


def write_prices(folder: Path) -> Path:
    """Hours of minute bars that never move."""
    bars = [f"{number * 60_000},{MID},{MID},{MID},{MID}" for number in range(BARS)]
    file = folder / "prices.csv"
    file.write_text("\n".join(["ts_ms,open,high,low,close", *bars]) + "\n")
    return file


@contextlib.asynccontextmanager
async def kafka_venue(folder: Path, interpreter: Mapping[str, str]) -> AsyncIterator[Running]:
    """Broker and services as an operator runs them, for the length of a block."""
    cluster = await asyncio.to_thread(Cluster().start)
    processes: dict[str, Process] = {}
    home = KafkaLog(cluster.bootstrap)
    try:
        processes = build_processes(cluster.bootstrap, folder, interpreter)
        founding = await asyncio.create_subprocess_exec(
            *python("services.local", "init-venue", "--kafka", cluster.bootstrap, "--markets", str(MARKETS_FILE)),
            cwd=ROOT,
            env=own_environment({}),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        for process in processes.values():
            await process.start()
        if await founding.wait():
            raise RuntimeError("the venue was not founded")
        await asyncio.gather(*(process.wait_until_healthy() for process in processes.values()))
        yield Running("kafka", processes["gateway"].address, pids_of(cluster, processes), home)
        for process in processes.values():
            process.check()
    finally:
        for process in reversed(processes.values()):
            await process.end(9)  # type: ignore[arg-type]
        await home.close()
        await asyncio.to_thread(cluster.stop)


def pids_of(cluster: Cluster, processes: dict[str, Process]) -> dict[str, int]:
    """Process ids by name."""
    found = {name: process.process.pid for name, process in processes.items() if process.process is not None}
    return {"broker": cluster.nodes[0].pid or 0, **found}


def build_processes(bootstrap: str, folder: Path, interpreter: Mapping[str, str]) -> dict[str, Process]:
    """Every service, not yet started."""
    names = [*SERVICES, "ledger", "gateway", "oracle"]
    addresses = dict(zip(names, (f"{HOST}:{port}" for port in free_ports(len(names))), strict=True))
    common = {"VIGIL_KAFKA": bootstrap, "VIGIL_START_SECONDS_MAX": "120", "VIGIL_LOG_LEVEL": "warning", **interpreter}

    def process(name: str, module: str, health: list[str], environment: dict[str, str]) -> Process:
        return Process(name, f"services.{module}", common | environment, addresses[name], health, folder)

    built = {}
    for service in SERVICES:
        environment = {"VIGIL_SNAPSHOTS": str(folder / "snapshots"), "VIGIL_GRPC": addresses[service]}
        built[service] = process(service, service, [f"{service}/0"], environment)
    ledger = {"VIGIL_LEDGER_FILE": str(folder / "ledger.sqlite"), "VIGIL_LEDGER_GRPC": addresses["ledger"]}
    built["ledger"] = process("ledger", "settlement.ledger", [""], ledger)
    gateway = {f"VIGIL_GATEWAY_{service.upper()}": addresses[service] for service in ASKED}
    gateway |= {"VIGIL_GATEWAY_GRPC": addresses["gateway"], "VIGIL_GATEWAY_COMMANDS_PER_S": COMMANDS_PER_S}
    built["gateway"] = process("gateway", "gateway", ["vigil.v1.Trading"], gateway)
    oracle = {"VIGIL_ORACLE_RECORDED": str(write_prices(folder)), "VIGIL_ORACLE_GRPC": addresses["oracle"]}
    built["oracle"] = process("oracle", "oracle", [""], oracle)
    return built


@contextlib.asynccontextmanager
async def embedded_venue(folder: Path, interpreter: Mapping[str, str]) -> AsyncIterator[Running]:
    """All services in one process on the embedded log, for the length of a block."""
    (port,) = free_ports(1)
    address = f"{HOST}:{port}"
    command = ["bench.embedded", str(folder), address, str(write_prices(folder))]
    with (folder / "venue.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *python(*command),
            cwd=ROOT,
            env=own_environment(interpreter),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    watched = Process("venue", "", {}, address, ["vigil.v1.Trading"], folder)
    home: SqliteLog | None = None
    try:
        await watched.wait_until_healthy()
        home = SqliteLog(folder / "log.sqlite", read_only=True)
        yield Running("embedded", address, {"venue": process.pid}, home)
        if process.returncode is not None:
            raise RuntimeError(f"the venue ended with code {process.returncode}:\n{watched.last_words()}")
    finally:
        if home is not None:
            await home.close()
        if process.returncode is None:
            process.terminate()
            await process.wait()
