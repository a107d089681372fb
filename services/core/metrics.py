"""Numbers about a machine's state, for Prometheus: read between two records when somebody asks, never inside apply.

Each service says in its `metrics.py` which families it has and measures its state in integers; here they become floats, the only ones
that a number of money ever meets, on its way out to a chart.
"""

import asyncio
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from services.core.host import Host

WAIT_SECONDS = 2.0
"""Whoever asks gets the last measurement when a new one takes longer."""
FRESH_SECONDS = 1.0
"""A state is measured at most this often, however many ask."""
SHARE = 20
"""And for at most one part in so many of the time, however large it is."""
PAUSE_EVERY = 500
"""Accounts measured before the machine may go on: some milliseconds."""


class Family(NamedTuple):
    """A metric by name; every sample also has the label `machine`. A counter's name gets `_total` when it is shown."""

    name: str
    text: str
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter"] = "gauge"


class Reading(NamedTuple):
    """One sample: value * 10^-decimals."""

    family: Family
    labels: tuple[str, ...]
    value: int
    decimals: int = 0


@dataclass(frozen=True)
class Metrics:
    """What a service shows of its state. `measure` yields None where the machine may go on before the rest is measured."""

    families: tuple[Family, ...]
    measure: Callable[[Any], Iterator[Reading | None]]


class Histogram:
    """Counts per bucket, in plain integers; `bounds` are upper ends, ascending."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulated counts by upper end, as Prometheus wants them."""
        found, count = [], 0
        for bound, here in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            count += here
            found.append((bound, float(count)))
        return found


def histogram_family(
    name: str, text: str, labels: tuple[str, ...], found: Mapping[tuple[str, ...], Histogram]
) -> Metric:
    """A family of histograms, by labels."""
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, histogram in found.items():
        family.add_metric(values, histogram.buckets(), histogram.total)
    return family


Taken: TypeAlias = tuple[Host[Any], Reading]
"""A reading and whose it is."""


class StateCollector(Collector):
    """Measures the states of hosts on their own event loop, whatever thread asks; make it there."""

    def __init__(self, hosts: Iterable[Host[Any]], metrics: Mapping[str, Metrics]) -> None:
        """Measure these hosts; `metrics` are by service."""
        self.measured = [(host, metrics[host.engine.machine.service]) for host in hosts]
        self.families = tuple(dict.fromkeys(family for _, one in self.measured for family in one.families))
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self.lock = asyncio.Lock()
        self.taken: list[Taken] = []
        self.fresh_until = 0.0

    def collect(self) -> Iterator[Metric]:
        """All families; without samples as long as nothing was measured."""
        kinds = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}
        shown = {one: kinds[one.kind](one.name, one.text, labels=["machine", *one.labels]) for one in self.families}
        for host, reading in self.ask():
            if host.running:
                labels = [host.engine.name, *reading.labels]
                shown[reading.family].add_metric(labels, reading.value / 10**reading.decimals)
        yield from shown.values()

    def ask(self) -> list[Taken]:
        """Readings taken on the loop, which goes on measuring when that takes too long to wait for."""
        if threading.get_ident() == self.thread:
            return [found for host, metrics in self.measured for found in readings(host, metrics) if found is not None]
        taking = self.take()
        try:
            return asyncio.run_coroutine_threadsafe(taking, self.loop).result(WAIT_SECONDS)
        except (TimeoutError, CancelledError):
            return self.taken
        except RuntimeError:  # the loop is closed: the process ends
            taking.close()
            return []

    async def take(self) -> list[Taken]:
        """Measure all hosts, or give what is fresh; records are applied in between."""
        async with self.lock:
            began = self.loop.time()
            if began < self.fresh_until:
                return self.taken
            taken: list[Taken] = []
            for host, metrics in self.measured:
                for found in readings(host, metrics):
                    if found is None:
                        await asyncio.sleep(0)
                    else:
                        taken.append(found)
            self.taken, now = taken, self.loop.time()
            self.fresh_until = now + max(FRESH_SECONDS, SHARE * (now - began))
            return taken


def readings(host: Host[Any], metrics: Metrics) -> Iterator[Taken | None]:
    """Readings of one host; of one that does not run, none: its state is not to be trusted."""
    if not host.running:
        return
    for found in metrics.measure(host.engine.state):
        yield None if found is None else (host, found)
