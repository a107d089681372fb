"""How a machine's process ends: each way with its exit code and one clear line; a stopped partition stops alone."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.core import messages as m
from services.core.memory_log import MemoryLog
from services.core.process import CannotStart, chosen, run_hosts
from services.core.rpc import RpcServer, RpcSettings
from services.core.snapshots import Folder, Snapshots
from services.core.spine import Engine
from services.core.sqlite_log import SqliteLog
from services.core.telemetry import MeasuredHost
from services.core.topics import all_topics
from services.insurance_fund.machine import MACHINE

PARTITIONS = {"settlement": 1, "funding": 1, "matching": 1, "risk": 1, "insurance_fund": 2, "lending_pool": 1}
GENESIS = msgspec.msgpack.encode(m.Record(m.Genesis("test", 1, PARTITIONS, [0] * 4096, [])))
INBOX = "insurance_fund.inbox"


def environment(**settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VIGIL_")}
    return inherited | {f"VIGIL_{name}": value for name, value in settings.items()}


def run_fund(**settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.insurance_fund"]
    return subprocess.run(command, env=environment(**settings), capture_output=True, text=True, timeout=60, check=False)


def test_bad_settings_end_it_with_2() -> None:
    ended = run_fund(LOG_FILE="log.sqlite", BATCH="none", TICKMS="1")
    assert ended.returncode == 2
    assert [line.split(":")[1] for line in ended.stderr.splitlines()] == [" VIGIL_TICKMS", " VIGIL_BATCH"]


def test_a_log_that_cannot_be_written_ends_it_with_69(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = run_fund(LOG_FILE=str(tmp_path / "file" / "log.sqlite"))
    assert ended.returncode == 69
    assert "not writable" in ended.stderr


def test_a_venue_that_was_never_founded_ends_it_with_69(tmp_path: Path) -> None:
    ended = run_fund(LOG_FILE=str(tmp_path / "log.sqlite"), START_SECONDS_MAX="1")
    assert ended.returncode == 69
    assert "insurance_fund: no topic insurance_fund.inbox: found the venue with init-venue first" in ended.stderr


def test_a_broker_out_of_reach_ends_it_with_69_after_bounded_retries() -> None:
    ended = run_fund(KAFKA="127.0.0.1:1", START_SECONDS_MAX="1")
    assert ended.returncode == 69
    assert "127.0.0.1:1" in ended.stderr.splitlines()[-1]


async def founded(folder: Path) -> Path:
    file = folder / "log.sqlite"
    home = SqliteLog(file)
    await home.create(all_topics(PARTITIONS))
    for partition in (0, 1):
        await home.append(INBOX, partition, [GENESIS])
    await home.close()
    return file


async def test_a_port_that_is_taken_ends_it_with_2(tmp_path: Path) -> None:
    log_file = str(await founded(tmp_path))
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ended = await asyncio.to_thread(run_fund, LOG_FILE=log_file, METRICS=f"127.0.0.1:{port}", SNAPSHOTS=str(tmp_path))
    server.close()
    assert ended.returncode == 2
    assert f"VIGIL_METRICS: 127.0.0.1:{port}" in ended.stderr


async def test_sigterm_leaves_marker_and_snapshot_and_ends_it_with_0(tmp_path: Path) -> None:
    log_file = await founded(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.insurance_fund"),
        env=environment(LOG_FILE=str(log_file), SNAPSHOTS=str(tmp_path / "snapshots")),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    events = []
    async for line in process.stderr:
        events.append(json.loads(line)["event"])
        if events.count("recovered") == 2 and "started" in events:
            process.send_signal(signal.SIGTERM)
            break
    await process.communicate()
    assert process.returncode == 0
    home = SqliteLog(log_file, read_only=True)
    assert await home.marker("insurance_fund/0") == 2
    await home.close()
    assert len(Folder(tmp_path / "snapshots").names()) == 2


def test_partitions_that_do_not_exist_are_refused() -> None:
    assert chosen((), 2) == (0, 1)
    assert chosen((1,), 2) == (1,)
    with pytest.raises(CannotStart, match="VIGIL_PARTITIONS"):
        chosen((1, 2), 2)


async def test_a_poisoned_record_stops_its_partition_and_no_other(tmp_path: Path) -> None:
    home = MemoryLog()
    await home.create(all_topics(PARTITIONS))
    hosts: list[MeasuredHost[Any]] = []
    for partition in (0, 1):
        await home.append(INBOX, partition, [GENESIS])
        snapshots = Snapshots(Folder(tmp_path), f"insurance_fund/{partition}")
        hosts.append(MeasuredHost(Engine(MACHINE, partition), home, snapshots, asyncio.ensure_future))
    server = RpcServer(RpcSettings(), [])
    stop = asyncio.Event()
    running = asyncio.create_task(run_hosts(hosts, server, stop))
    await home.append(INBOX, 0, [b"\xc1"])
    await until(lambda: hosts[0].failure is not None)
    await home.append(INBOX, 1, [GENESIS])
    await until(lambda: hosts[1].position >= 2)
    assert [host.running for host in hosts] == [False, True]
    stop.set()
    await running
    assert await home.marker("insurance_fund/1") >= 2


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the host has no event for it
            await asyncio.sleep(0)
