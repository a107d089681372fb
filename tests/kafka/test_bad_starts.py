"""What cannot start says why in one clear line and ends with the code for it: every service, tried as a process."""

import asyncio
import json
import shutil
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.kafka.broker import free_ports
from services.core.kafka_log import KafkaLog
from services.core.messages import Tick
from services.core.process import EXIT_SNAPSHOT, EXIT_UNREACHABLE
from services.core.settings import EXIT_CONFIGURATION
from services.core.snapshots import MAGIC, VERSION
from services.core.sqlite_log import SqliteLog
from services.core.topics import SERVICES, inbox
from services.local.venue import append, found, read_venue
from tests.kafka.processes import ROOT, Process, ProcessFailed, own_environment, python, wait_until

pytestmark = pytest.mark.slow
ALL = (*SERVICES, "gateway", "oracle", "settlement.ledger")
AT_ONCE = 4
PATIENCE = {"VIGIL_START_SECONDS_MAX": "6"}
ATTEMPTS = 2
"""Of a service that is given six seconds."""
FUND = "insurance_fund"


class Ended(NamedTuple):
    """How a process ended, and what it said."""

    code: int | None
    lines: list[str]

    @property
    def last(self) -> str:
        """What a person reads."""
        return self.lines[-1] if self.lines else ""


async def ended(*arguments: str, **environment: str) -> Ended:
    """Run a module of ours to its end, which must come by itself."""
    process = await asyncio.create_subprocess_exec(
        *python(*arguments),
        cwd=ROOT,
        env=own_environment(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 120)
    except TimeoutError:
        process.kill()
        said, _ = await process.communicate()
    return Ended(process.returncode, said.decode(errors="replace").splitlines())


async def each(services: Iterable[str], environment: Mapping[str, str], at_once: int = AT_ONCE) -> dict[str, Ended]:
    """Run services in the same environment."""
    names = list(services)
    found: dict[str, Ended] = {}
    for start in range(0, len(names), at_once):
        some = names[start : start + at_once]
        ends = await asyncio.gather(*(ended(f"services.{name}", **environment) for name in some))
        found |= dict(zip(some, ends, strict=True))
    return found


def judge(ends: Mapping[str, Ended], code: int, *words: str) -> None:
    """All ended with the code, and their last line has the words."""
    for name, end in ends.items():
        assert end.code == code, (name, end)
        assert not any("Traceback" in line for line in end.lines), (name, end)
        assert [word for word in words if word not in end.last] == [], (name, end.last)


async def test_wrong_settings_name_their_fields() -> None:
    wrong = {"VIGIL_KAFKA": "nowhere", "VIGIL_TICKMS": "5", "VIGIL_LOG_LEVEL": "loud"}
    for name, end in (await each(ALL, wrong)).items():
        named = {line.removeprefix("settings: ").partition(":")[0] for line in end.lines}
        assert (end.code, named) == (EXIT_CONFIGURATION, set(wrong)), (name, end)


@pytest.mark.parametrize(
    ("service", "setting", "text"),
    [
        ("gateway", "VIGIL_GATEWAY_GPRC", "127.0.0.1:1"),
        ("gateway", "VIGIL_GATEWAY_RISK", "127.0.0.1"),
        ("oracle", "VIGIL_ORACLE_SPED", "60"),
        ("oracle", "VIGIL_ORACLE_SCENARIO", "march-1720"),
        ("settlement.ledger", "VIGIL_LEDGER_FIEL", "ledger.sqlite"),
        ("risk", "VIGIL_PARTITIONS", "0,0"),
        ("risk", "VIGIL_SNAPSHOT_EVERY", "often"),
        ("risk", "VIGIL_CONFIG", "/there/is/no/such/file"),
    ],
)
async def test_a_wrong_setting_of_one_service_is_named(service: str, setting: str, text: str) -> None:
    end = await ended(f"services.{service}", VIGIL_KAFKA="127.0.0.1:1", **{setting: text})
    judge({service: end}, EXIT_CONFIGURATION, f"{setting}: ")


async def test_a_log_has_exactly_one_home() -> None:
    for homes in ({}, {"VIGIL_KAFKA": "127.0.0.1:1", "VIGIL_LOG_FILE": "log.sqlite"}):
        judge(await each(["risk", "gateway"], homes), EXIT_CONFIGURATION, "name exactly one home of the log")


async def test_a_broker_out_of_reach_is_tried_a_few_times_and_named() -> None:
    """One where nobody listens, and one that takes the connection and says nothing."""
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        named = f"127.0.0.1:{silent.getsockname()[1]}"
        waiting = asyncio.create_task(ended("services.risk", VIGIL_KAFKA=named, VIGIL_START_SECONDS_MAX="1"))
        ends = await each(ALL, {"VIGIL_KAFKA": address} | PATIENCE)
        founding = await ended("services.local", "init-venue", "--kafka", address)
        judge({"risk": await waiting}, EXIT_UNREACHABLE, named)
    judge(ends | {"init-venue": founding}, EXIT_UNREACHABLE, address, "start a broker, or correct the address")
    for name, end in ends.items():
        assert sum("kafka_call_failed" in line for line in end.lines) == ATTEMPTS, (name, end)


async def test_a_venue_that_was_never_founded_is_missed_by_name(kafka: str) -> None:
    home = KafkaLog(kafka)
    topics = await home.topics()
    await home.close()
    if inbox("risk") in topics:
        pytest.skip("the broker that VIGIL_KAFKA names has a venue")
    ends = await each(ALL, {"VIGIL_KAFKA": kafka, "VIGIL_START_SECONDS_MAX": "1"})
    judge(ends, EXIT_UNREACHABLE, "no topic ", "found the venue with init-venue first")


async def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    file = str(tmp_path / "file" / "log.sqlite")
    judge(await each(ALL, {"VIGIL_LOG_FILE": file}), EXIT_UNREACHABLE, str(tmp_path / "file"), "not writable")


@pytest.fixture
async def log_file(tmp_path: Path) -> Path:
    """An embedded log with a venue in it, in which nothing has happened."""
    await found_in(tmp_path / "log.sqlite")
    return tmp_path / "log.sqlite"


async def found_in(file: Path) -> None:
    home = SqliteLog(file)
    await found(home, read_venue())
    await home.close()


@pytest.mark.parametrize("folder", ["file/snapshots", "/proc"])
async def test_a_snapshot_folder_that_cannot_be_written_is_named(log_file: Path, folder: str) -> None:
    (log_file.parent / "file").touch()
    path = log_file.parent / folder
    if not path.parent.exists():
        pytest.skip("there is no /proc here")
    ends = await each(SERVICES, {"VIGIL_LOG_FILE": str(log_file), "VIGIL_SNAPSHOTS": str(path)}, at_once=1)
    judge(ends, EXIT_CONFIGURATION, "VIGIL_SNAPSHOTS: ", str(path))


async def test_a_ledger_file_that_cannot_be_used_is_named(log_file: Path) -> None:
    (log_file.parent / "no-ledger").write_text("a text")
    for file in ("log.sqlite/ledger.sqlite", "no-ledger", "log.sqlite"):
        path = str(log_file.parent / file)
        end = await ended("services.settlement.ledger", VIGIL_LOG_FILE=str(log_file), VIGIL_LEDGER_FILE=path)
        judge({file: end}, EXIT_CONFIGURATION, "VIGIL_LEDGER_FILE: ", str(log_file.parent))


async def test_a_port_that_is_taken_is_named(log_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        common = {"VIGIL_LOG_FILE": str(log_file), "VIGIL_SNAPSHOTS": str(log_file.parent / "snapshots")}
        for service, setting in {
            "risk": "VIGIL_GRPC",
            "matching": "VIGIL_METRICS",
            "gateway": "VIGIL_GATEWAY_GRPC",
            "oracle": "VIGIL_ORACLE_GRPC",
            "settlement.ledger": "VIGIL_LEDGER_GRPC",
        }.items():
            ledger = {"VIGIL_LEDGER_FILE": str(log_file.parent / "ledger.sqlite")} if "ledger" in service else {}
            end = await ended(f"services.{service}", **common, **ledger, **{setting: address})
            judge({service: end}, EXIT_CONFIGURATION, f"{setting}: ", address)


async def live_for_a_while(log_file: Path, snapshots: Path) -> Path:
    """Have the fund run on a log until it has read a Tick, and end in good order; returns its newest snapshot."""
    home = SqliteLog(log_file)
    await append(home, FUND, 0, [Tick()])
    await home.close()
    home = SqliteLog(log_file, read_only=True)
    (port,) = free_ports(1)
    environment = {
        "VIGIL_LOG_FILE": str(log_file),
        "VIGIL_SNAPSHOTS": str(snapshots),
        "VIGIL_GRPC": f"127.0.0.1:{port}",
    }
    fund = Process(FUND, f"services.{FUND}", environment, f"127.0.0.1:{port}", [f"{FUND}/0"], log_file.parent)
    await fund.start()

    async def has_read_its_own() -> bool:
        fund.check()
        return await home.marker(f"{FUND}/0") > 2

    await wait_until(has_read_its_own, "the fund has read what it was told")
    await fund.stop()
    await home.close()
    return max(path for path in snapshots.iterdir() if path.suffix == ".snapshot")  # noqa: ASYNC240 - three files


async def test_a_snapshot_of_another_log_is_refused_even_when_both_ended_alike(log_file: Path) -> None:
    """Two venues of the same file in which nothing happened: the same records, only at other times."""
    ours, theirs = log_file.parent / "ours", log_file.parent / "theirs"
    await found_in(log_file.parent / "other.sqlite")
    kept = await live_for_a_while(log_file, ours)
    other = await live_for_a_while(log_file.parent / "other.sqlite", theirs)
    foreign = min(kept, other, key=lambda one: one.name)
    used, log = (theirs, log_file.parent / "other.sqlite") if foreign is kept else (ours, log_file)
    shutil.rmtree(used)
    used.mkdir()
    shutil.copy(foreign, used)
    end = await ended(f"services.{FUND}", VIGIL_LOG_FILE=str(log), VIGIL_SNAPSHOTS=str(used))
    judge({FUND: end}, EXIT_SNAPSHOT, f"the snapshot of {FUND}/0", "not of this log; remove it, or name the right log")


async def test_a_snapshot_of_a_newer_release_is_refused(log_file: Path) -> None:
    newest = await live_for_a_while(log_file, log_file.parent / "snapshots")
    content = newest.read_bytes()
    newest.write_bytes(MAGIC + (VERSION + 1).to_bytes(2, "big") + content[len(MAGIC) + 2 :])
    end = await ended(f"services.{FUND}", VIGIL_LOG_FILE=str(log_file), VIGIL_SNAPSHOTS=str(newest.parent))
    judge({FUND: end}, EXIT_SNAPSHOT, newest.name, f"version {VERSION + 1}", "run the newer release")


async def test_a_record_that_cannot_be_read_stops_the_partition_and_says_where(log_file: Path) -> None:
    home = SqliteLog(log_file)
    await (await home.append(inbox(FUND), 0, [b"no record"]))
    await home.close()
    (port,) = free_ports(1)
    environment = {
        "VIGIL_LOG_FILE": str(log_file),
        "VIGIL_SNAPSHOTS": str(log_file.parent / "snapshots"),
        "VIGIL_GRPC": f"127.0.0.1:{port}",
    }
    fund = Process(FUND, f"services.{FUND}", environment, f"127.0.0.1:{port}", [f"{FUND}/0"], log_file.parent)
    await fund.start()

    async def has_stopped() -> bool:
        return "partition_stopped" in fund.log_file.read_text()

    await wait_until(has_stopped, "the partition stops")
    with pytest.raises(ProcessFailed, match="stopped a partition"):
        fund.check()

    async def is_not_healthy() -> bool:
        return not await fund.is_healthy()

    await wait_until(is_not_healthy, "its health says so")
    await fund.stop()
    (line,) = [json.loads(line) for line in fund.log_file.read_text().splitlines() if "partition_stopped" in line]
    assert (line["machine"], line["position"]) == (f"{FUND}/0", 1)
