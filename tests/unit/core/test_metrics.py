"""States are measured between records, on their own loop, seldom, and in pieces."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from services.core import metrics as metrics_module
from services.core.memory_log import MemoryLog
from services.core.metrics import SHARE, Family, Histogram, Metrics, Reading, StateCollector, histogram_family
from services.core.snapshots import Folder, Snapshots
from services.core.spine import Engine
from services.core.telemetry import MeasuredHost
from tests.machines import ECHO, EchoState

ANSWERED = Family("vigil_answered", "Answered", (), "counter")
AMOUNT = Family("vigil_amount", "An amount", ("asset",))
FAMILIES = (ANSWERED, AMOUNT)


def measure(state: EchoState) -> Iterator[Reading | None]:
    yield Reading(ANSWERED, (), state.answered)
    yield None
    yield Reading(AMOUNT, ("USDC",), -state.answered, 8)


def echo_host(folder: Path) -> MeasuredHost[EchoState]:
    host = MeasuredHost(
        Engine(ECHO, 0), MemoryLog(lambda: 1_000), Snapshots(Folder(folder), ECHO.service + "/0"), asyncio.ensure_future
    )
    host.engine.state.answered = 5
    host.running = True
    return host


def samples(metrics: list[Metric]) -> dict[tuple[str, ...], float]:
    return {(one.name, *one.labels.values()): one.value for metric in metrics for one in metric.samples}


SHOWN = {("vigil_answered_total", "insurance_fund/0"): 5, ("vigil_amount", "insurance_fund/0", "USDC"): -5e-8}


async def test_another_thread_gets_what_the_loop_measures(tmp_path: Path) -> None:
    collector = StateCollector([echo_host(tmp_path)], {ECHO.service: Metrics(FAMILIES, measure)})
    assert samples(await asyncio.to_thread(lambda: list(collector.collect()))) == SHOWN


async def test_the_loop_itself_may_ask(tmp_path: Path) -> None:
    collector = StateCollector([echo_host(tmp_path)], {ECHO.service: Metrics(FAMILIES, measure)})
    assert samples(list(collector.collect())) == SHOWN


async def test_the_machine_goes_on_between_two_pieces(tmp_path: Path) -> None:
    host = echo_host(tmp_path)
    collector = StateCollector([host], {ECHO.service: Metrics(FAMILIES, measure)})
    taking = asyncio.create_task(collector.take())
    await asyncio.sleep(0)
    host.engine.state.answered = 6
    assert [reading.value for _, reading in await taking] == [5, -6]


async def test_a_fresh_measurement_is_given_again(tmp_path: Path) -> None:
    host = echo_host(tmp_path)
    collector = StateCollector([host], {ECHO.service: Metrics(FAMILIES, measure)})
    first = await collector.take()
    collector.fresh_until = float("inf")
    host.engine.state.answered = 6
    assert await collector.take() is first
    collector.fresh_until = 0
    assert [reading.value for _, reading in await collector.take()] == [6, -6]


async def test_who_cannot_wait_gets_the_last_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = StateCollector([echo_host(tmp_path)], {ECHO.service: Metrics(FAMILIES, measure)})
    await collector.take()
    async with collector.lock:
        monkeypatch.setattr(metrics_module, "WAIT_SECONDS", 0.0)
        assert samples(await asyncio.to_thread(lambda: list(collector.collect()))) == SHOWN


async def test_a_state_that_takes_long_is_measured_seldom(tmp_path: Path) -> None:
    collector = StateCollector([echo_host(tmp_path)], {ECHO.service: Metrics(FAMILIES, slow)})
    await collector.take()
    assert collector.fresh_until >= collector.loop.time() + SHARE * 0.1 - 1


def slow(state: EchoState) -> Iterator[Reading | None]:
    began = perf_counter()
    while perf_counter() < began + 0.1:
        yield None
    yield Reading(ANSWERED, (), state.answered)


async def test_what_does_not_run_shows_families_without_samples(tmp_path: Path) -> None:
    host = echo_host(tmp_path)
    host.running = False
    registry = CollectorRegistry()
    registry.register(StateCollector([host], {ECHO.service: Metrics(FAMILIES, measure)}))
    text = generate_latest(registry).decode()
    assert "# TYPE vigil_amount gauge" in text
    assert "insurance_fund/0" not in text


def test_a_loop_that_is_gone_shows_nothing(tmp_path: Path) -> None:
    async def make() -> StateCollector:
        return StateCollector([echo_host(tmp_path)], {ECHO.service: Metrics(FAMILIES, measure)})

    collector = asyncio.run(make())
    collector.thread = 0
    assert samples(list(collector.collect())) == {}


@pytest.mark.parametrize(
    ("value", "counts"), [(0.0, [1, 1, 1]), (0.5, [1, 1, 1]), (0.6, [0, 1, 1]), (2.0, [0, 1, 1]), (9.0, [0, 0, 1])]
)
def test_a_value_is_in_its_bucket_and_in_all_above(value: float, counts: list[int]) -> None:
    histogram = Histogram((0.5, 2.0))
    histogram.observe(value)
    family = histogram_family("vigil_x_seconds", "X", ("machine",), {("risk/0",): histogram})
    found = samples([family])
    assert [found["vigil_x_seconds_bucket", "risk/0", bound] for bound in ("0.5", "2.0", "+Inf")] == counts
    assert found["vigil_x_seconds_sum", "risk/0"] == value
