"""Metrics come from the counters of hosts; logs carry the trace."""

import asyncio
import io
import json
import urllib.request
from pathlib import Path

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from services.core import messages as m
from services.core.memory_log import MemoryLog
from services.core.snapshots import Folder, Snapshots
from services.core.spine import Engine
from services.core.telemetry import HostCollector, MeasuredHost, MetricsServer, configure_logs
from services.core.topics import all_topics
from services.insurance_fund.machine import MACHINE
from services.insurance_fund.state import State
from tests.machines import Sender

PARTITIONS = {"settlement": 1, "funding": 1, "matching": 1, "risk": 1, "insurance_fund": 1, "lending_pool": 1}


async def host_after_genesis(folder: Path) -> MeasuredHost[State]:
    home = MemoryLog(lambda: 1_000)
    await home.create(all_topics(PARTITIONS))
    genesis = m.Record(m.Genesis("test", 1, PARTITIONS, [0] * 4096, []))
    tick = msgspec.msgpack.encode(m.Record(m.Tick()))
    await home.append("insurance_fund.inbox", 0, [tick, msgspec.msgpack.encode(genesis), tick])

    def spawn(_task: object) -> None:
        raise AssertionError("nothing is due")

    host = MeasuredHost(Engine(MACHINE, 0), home, Snapshots(Folder(folder), "insurance_fund/0"), spawn)  # type: ignore[arg-type]
    host.advance(await home.read("insurance_fund.inbox", 0, 0, 10, 0))
    await home.append("insurance_fund.inbox", 0, [tick, tick])
    assert await host.measure_lag() == 2
    await host.save(3, host.engine.snapshot())
    return host


async def test_metrics_are_the_counters_of_the_host(tmp_path: Path) -> None:
    host = await host_after_genesis(tmp_path)
    registry = CollectorRegistry()
    registry.register(HostCollector([host]))

    def sample(name: str) -> float | None:
        return registry.get_sample_value(name, {"machine": "insurance_fund/0"})

    assert sample("vigil_records_applied_total") == 2
    assert sample("vigil_records_unborn_total") == 1
    assert sample("vigil_inbox_lag_records") == 2
    assert sample("vigil_inbox_position") == 3
    assert sample("vigil_machine_time_seconds") == 1
    assert sample("vigil_partition_stopped") == 0
    assert sample("vigil_snapshots_total") == 1
    assert (sample("vigil_step_seconds_total") or 0) > 0


async def test_ages_are_counted_by_sender_for_a_sample_of_what_was_applied(tmp_path: Path) -> None:
    """At 1,000 ms: a price of 400 ms before, 40 deficits of 20 ms before, of which the first and the 33rd are looked at."""
    home = MemoryLog(lambda: 1_000)
    await home.create(all_topics(PARTITIONS))
    sender = Sender("risk/0")
    old = sender.record(m.DeficitReported(256, "main", 1, 1, 1), origin_ms=600)
    young = [sender.record(m.DeficitReported(256, "main", 1, 1, number + 2), origin_ms=980) for number in range(40)]
    genesis = m.Record(m.Genesis("test", 1, PARTITIONS, [0] * 4096, []))
    await home.append("insurance_fund.inbox", 0, [msgspec.msgpack.encode(genesis), old, *young])
    host = MeasuredHost(
        Engine(MACHINE, 0), home, Snapshots(Folder(tmp_path), "insurance_fund/0"), asyncio.ensure_future
    )
    host.emit_from = 1
    for size in (1, 1, 40):
        host.advance(await home.read("insurance_fund.inbox", 0, host.position, size, 0))
    registry = CollectorRegistry()
    registry.register(HostCollector([host]))
    labels = {"machine": "insurance_fund/0", "source": "risk"}
    below = {
        bound: registry.get_sample_value("vigil_hop_seconds_bucket", {**labels, "le": bound})
        for bound in ("0.02", "0.2")
    }
    assert below == {"0.02": 2, "0.2": 2}
    assert registry.get_sample_value("vigil_hop_seconds_count", labels) == 3
    assert registry.get_sample_value("vigil_hop_seconds_count", {**labels, "source": "outside"}) is None


async def test_what_stopped_a_partition_is_shown_by_kind(tmp_path: Path) -> None:
    host = await host_after_genesis(tmp_path)
    fork = Sender("risk/0")
    fork.chain = 7
    await host.home.append("insurance_fund.inbox", 0, [fork.record(m.DeficitReported(256, "main", 1, 1, 1))])
    host.advance(await host.home.read("insurance_fund.inbox", 0, host.position, 10, 0))
    registry = CollectorRegistry()
    registry.register(HostCollector([host]))
    labels = {"machine": "insurance_fund/0"}
    assert registry.get_sample_value("vigil_partition_stopped", labels) == 1
    assert registry.get_sample_value("vigil_partition_failure", {**labels, "kind": "ChainBroken"}) == 1


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
        content: bytes = answer.read()
    return content.decode()


async def test_metrics_over_http(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(HostCollector([await host_after_genesis(tmp_path)]))
    with MetricsServer("127.0.0.1:0", registry) as server:
        text = await asyncio.to_thread(fetch, f"http://{server.address}/metrics")
    assert 'vigil_records_applied_total{machine="insurance_fund/0"} 2.0' in text


def test_logs_are_json_lines_with_the_trace_in_hexadecimal() -> None:
    stream = io.StringIO()
    try:
        configure_logs("info", "json", stream, machine="risk/0")
        structlog.get_logger().info("withdrawal_returned", trace=255)
        structlog.get_logger().debug("not shown")
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["trace"], entry["machine"], entry["level"]) == (
        *("withdrawal_returned", "00000000000000ff", "risk/0", "info"),
    )
