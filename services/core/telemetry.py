"""What operators see: structured logs with the trace id, and Prometheus metrics of hosts; it changes nothing.

Hosts and engines count in plain integers; a collector reads them when Prometheus asks, so the hot loop knows no metric.
What each metric means stands in docs/metrics.md.
"""

import logging
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from time import perf_counter
from typing import Any, Generic, Self, TextIO

import msgspec
import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.core.host import Host, HostSettings, Spawn
from services.core.log import Log, LogRecord
from services.core.metrics import Histogram, histogram_family
from services.core.settings import check_address
from services.core.snapshots import Snapshots
from services.core.spine import Engine, Output, S

HOP_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0)
LOOK_EVERY = 32
"""Of a batch, every so many records are looked at for their age: a look costs as much as a tenth of a record's work."""
OUTSIDE = "outside"

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logs(level: str = "info", form: str = "json", stream: TextIO | None = None, **bound: object) -> None:
    """Write logs as JSON lines, or for a console, to standard error or `stream`; `bound` goes with every line."""
    render: Any = structlog.processors.JSONRenderer()
    if form == "console":
        render = structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            show_trace,
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**bound)


def show_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show a trace id as the 16 hexadecimal digits that tracing tools use."""
    if isinstance(event.get("trace"), int):
        event["trace"] = f"{event['trace']:016x}"
    return event


class Envelope(msgspec.Struct, array_like=True, gc=False):
    """What stands round a message in an inbox; the message itself is not read."""

    message: msgspec.Raw
    source: str = ""
    seq: int = 0
    chain: int = 0
    origin_ms: int = 0


read_envelope = msgspec.msgpack.Decoder(Envelope).decode


class MeasuredHost(Host[S], Generic[S]):
    """A host that notes what its rounds cost; three clock readings per batch, none per record."""

    step_seconds = 0.0
    outputs = 0
    lag = 0
    snapshots_saved = 0
    snapshot_seconds = 0.0
    pause_seconds_max = 0.0

    def __init__(
        self, engine: Engine[S], home: Log, snapshots: Snapshots, spawn: Spawn, settings: HostSettings | None = None
    ) -> None:
        """Build the host; `hops` are ages by machine and the service that a record came from."""
        super().__init__(engine, home, snapshots, spawn, settings)
        self.hops: dict[tuple[str, ...], Histogram] = {}

    def advance(self, records: list[LogRecord]) -> list[Output]:
        """Apply records in order, timed."""
        began = perf_counter()
        outputs = super().advance(records)
        self.step_seconds += perf_counter() - began
        self.outputs += len(outputs)
        self.look_at(records)
        return outputs

    def look_at(self, records: list[LogRecord]) -> None:
        """Note how old the causal chains of some records were when they were applied; a replay says nothing about that."""
        now_ms = self.home.now_ms()
        for record in records[::LOOK_EVERY]:
            if self.emit_from <= record.offset < self.position:
                envelope = read_envelope(record.value)
                labels = (self.engine.name, envelope.source.partition("/")[0] or OUTSIDE)
                histogram = self.hops.get(labels) or self.hops.setdefault(labels, Histogram(HOP_SECONDS))
                histogram.observe(max(0, now_ms - (envelope.origin_ms or record.at_ms)) / 1_000)

    async def look_after(self, heard: bool) -> None:  # noqa: FBT001 - as in Host
        """Do what is due; when that was a snapshot, note how long the inbox stood still for it."""
        before, began = self.snapshot_at, perf_counter()
        await super().look_after(heard)
        if self.snapshot_at != before:
            self.pause_seconds_max = max(self.pause_seconds_max, perf_counter() - began)

    async def save(self, position: int, body: bytes) -> None:
        """Save a snapshot, timed."""
        began = perf_counter()
        await super().save(position, body)
        self.snapshots_saved += 1
        self.snapshot_seconds += perf_counter() - began

    async def measure_lag(self) -> int:
        """Note and return how many records of the inbox are not applied yet; raises LogError."""
        end = await self.home.end(self.topic, self.partition)
        self.lag = max(0, end - self.position)
        return self.lag


class HostCollector(Collector):
    """Turns the counters of hosts into metrics, each with the label `machine`."""

    def __init__(self, hosts: Iterable[MeasuredHost[Any]]) -> None:
        """Collect from these hosts."""
        self.hosts = tuple(hosts)

    def collect(self) -> Iterator[Metric]:
        """Read every host once."""
        for name, text, reading in COUNTERS:
            yield self.filled(CounterMetricFamily(name, text, labels=["machine"]), reading)
        for name, text, reading in GAUGES:
            yield self.filled(GaugeMetricFamily(name, text, labels=["machine"]), reading)
        yield self.failures()
        hops = {labels: histogram for host in self.hosts for labels, histogram in tuple(host.hops.items())}
        text = "Age of a record's causal chain when it was applied, by who sent the record; a sample of the records"
        yield histogram_family("vigil_hop_seconds", text, ("machine", "source"), hops)

    def failures(self) -> Metric:
        """What stopped partitions, by the kind of the exception."""
        family = GaugeMetricFamily(
            "vigil_partition_failure", "1 for what stopped a partition", labels=["machine", "kind"]
        )
        for host in self.hosts:
            if host.failure is not None:
                family.add_metric([host.engine.name, type(host.failure).__name__], 1)
        return family

    def filled(self, family: Any, reading: Any) -> Metric:  # noqa: ANN401 - the two families share no typed base
        """Add one sample per host."""
        for host in self.hosts:
            family.add_metric([host.engine.name], reading(host))
        metric: Metric = family
        return metric


COUNTERS: tuple[tuple[str, str, Any], ...] = (
    ("vigil_records_applied", "Inbox records applied", lambda host: host.engine.counters.applied),
    ("vigil_records_duplicate", "Inbox records seen before", lambda host: host.engine.counters.duplicates),
    ("vigil_records_early", "Inbox records after a gap", lambda host: host.engine.counters.early),
    ("vigil_records_unborn", "Inbox records before Genesis", lambda host: host.engine.counters.before_genesis),
    ("vigil_outputs", "Records that the machine wrote", lambda host: host.outputs),
    ("vigil_step_seconds", "Time in decode, apply and encode", lambda host: host.step_seconds),
    ("vigil_snapshots", "Snapshots written", lambda host: host.snapshots_saved),
    ("vigil_snapshot_seconds", "Time spent writing snapshots", lambda host: host.snapshot_seconds),
)
GAUGES: tuple[tuple[str, str, Any], ...] = (
    ("vigil_inbox_position", "Offset of the next record to apply", lambda host: host.position),
    ("vigil_inbox_lag_records", "Records not applied yet", lambda host: host.lag),
    (
        "vigil_machine_time_seconds",
        "The machine's time, which is its log's",
        lambda host: host.engine.state.now_ms / 1_000,
    ),
    ("vigil_partition_running", "1 while the partition answers", lambda host: int(host.running)),
    ("vigil_partition_stopped", "1 after a bug or a broken record", lambda host: int(host.failure is not None)),
    (
        "vigil_snapshot_pause_seconds_max",
        "Longest pause of the inbox for a snapshot",
        lambda host: host.pause_seconds_max,
    ),
)


class MetricsServer:
    """Serves a registry, with memory and time of the process, over HTTP from a thread of its own; `port` is the one it got."""

    def __init__(self, address: str, registry: CollectorRegistry) -> None:
        """Listen at `host:port`; raises OSError when the port is taken."""
        host, port = check_address(address)
        disable_created_metrics()  # type: ignore[no-untyped-call]
        ProcessCollector(registry=registry)
        self.host = host
        self.server, self.thread = start_http_server(port, host, registry)
        self.port: int = self.server.server_port

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{self.host}:{self.port}"

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
