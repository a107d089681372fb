"""What a gRPC server counts: calls by method, status and reason, seconds of unary calls, open streams; it refuses nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Protocol

import grpc
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.core.metrics import Histogram, histogram_family

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STATUS = {code.value[0]: code.name for code in grpc.StatusCode}
REASON_HEADER = "vigil-reason-name"
"""As rpc.REASON_NAME_HEADER, which says it to clients."""


class Answer(Protocol):
    """What is read of grpc's context when a call is over."""

    def code(self) -> Any:  # noqa: ANN401 - a number, or grpc.StatusCode
        """Status, 0 or None for none set."""
        ...

    def trailing_metadata(self) -> Any:  # noqa: ANN401 - pairs, or None
        """Where a refusal names its reason."""
        ...


class RpcMeter:
    """Counters of one server, in plain numbers. Only methods that exist are counted, so labels are bounded."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str, str], int] = {}
        self.seconds: dict[tuple[str, ...], Histogram] = {}
        self.streams: dict[str, int] = {}

    @contextmanager
    def measured(self, method: str, context: Answer, *, streams: bool) -> Iterator[None]:
        """Count one call when it ends; a stream's length says nothing about latency, so it has no seconds."""
        name = short(method)
        began = perf_counter()
        if streams:
            self.streams[name] = self.streams.get(name, 0) + 1
        gone = True
        try:
            yield
            gone = False
        except grpc.aio.AbortError:
            gone = False
            raise
        finally:
            self.finish(name, context, gone=gone)
            if streams:
                self.streams[name] -= 1
            else:
                histogram = self.seconds.get((name,)) or self.seconds.setdefault((name,), Histogram(SECONDS))
                histogram.observe(perf_counter() - began)

    def finish(self, name: str, context: Answer, *, gone: bool) -> None:
        """Count how a call ended; one that was left without a status is the client's hanging up."""
        code = context.code() or 0
        number = code.value[0] if isinstance(code, grpc.StatusCode) else int(code)
        status = "CANCELLED" if gone and number == 0 else STATUS.get(number, "UNKNOWN")
        reason = "" if status == "OK" else dict(context.trailing_metadata() or ()).get(REASON_HEADER, "")
        key = (name, status, str(reason))
        self.calls[key] = self.calls.get(key, 0) + 1


def short(method: str) -> str:
    """`/vigil.v1.Trading/Submit` as `Trading/Submit`."""
    return method.rpartition(".")[2]


class RpcCollector(Collector):
    """Metrics of the servers of a process, which share one meter."""

    def __init__(self, meter: RpcMeter) -> None:
        self.meter = meter

    def collect(self) -> Iterator[Metric]:
        """Read the meter once."""
        calls = CounterMetricFamily("vigil_rpc_calls", "gRPC calls that ended", labels=["method", "status", "reason"])
        for key, count in tuple(self.meter.calls.items()):
            calls.add_metric(key, count)
        streams = GaugeMetricFamily("vigil_rpc_streams", "gRPC streams open", labels=["method"])
        for method, count in tuple(self.meter.streams.items()):
            streams.add_metric([method], count)
        seconds = dict(self.meter.seconds)
        yield from (
            calls,
            streams,
            histogram_family("vigil_rpc_seconds", "Seconds of unary calls", ("method",), seconds),
        )
