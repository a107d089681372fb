"""What a gateway shows: commands by outcome and reason, machines behind, streams and waiting clients; it shields nothing."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.core.metrics import Histogram, histogram_family
from services.core.reasons import Reason
from services.core.rpc_meter import SECONDS, RpcCollector
from services.gateway.explain import Units, explained
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

if TYPE_CHECKING:
    from services.gateway.gateway import Gateway

NOTHING = "nothing"
PREFIX = "COMMAND_OUTCOME_"
FRAME = "frame"
"""Stands for the kind of frames that are refused before anybody looks at their commands."""


class CommandCounts:
    """Commands answered, by kind, outcome and reason; all three come from enums and schemas, so labels are bounded."""

    def __init__(self) -> None:
        self.answered: dict[tuple[str | None, int, int], int] = {}
        self.seconds = Histogram(SECONDS)

    def count(self, kinds: Sequence[str | None], answer: pb.FrameResult, seconds: float) -> None:
        """Count a frame's results, which it took `seconds` to get; `kinds` are those of its commands, in order."""
        answered = self.answered
        self.seconds.observe(seconds)
        for kind, result in zip(kinds, answer.results, strict=True):
            key = (kind, result.outcome, result.reason)
            answered[key] = answered.get(key, 0) + 1

    def refused(self, reason: Reason) -> None:
        """Count a frame that was refused whole."""
        key = (FRAME, int(common_pb2.COMMAND_OUTCOME_REFUSED), int(reason))
        self.answered[key] = self.answered.get(key, 0) + 1

    def named(self) -> Iterator[tuple[tuple[str, str, str], int]]:
        """Counts under the names of kind, outcome and reason."""
        for (kind, outcome, reason), count in tuple(self.answered.items()):
            name = common_pb2.CommandOutcome.Name(common_pb2.CommandOutcome.ValueType(outcome)).removeprefix(PREFIX)
            yield (kind or NOTHING, name, explained(reason, 0, Units())[0] if reason else ""), count


class GatewayCollector(Collector):
    """Metrics of a gateway that serves."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway

    def collect(self) -> Iterator[Metric]:
        """Read the gateway once."""
        labels = ["command", "outcome", "reason"]
        commands = CounterMetricFamily("vigil_gateway_commands", "Commands answered", labels=labels)
        for key, count in self.gateway.submitter.counts.named():
            commands.add_metric(key, count)
        yield commands
        text = "Seconds from reading a frame to answering it, by stream or unary call"
        yield histogram_family("vigil_gateway_frame_seconds", text, (), {(): self.gateway.submitter.counts.seconds})
        yield GaugeMetricFamily("vigil_gateway_streams", "Feeds followed by clients", value=self.gateway.hub.count)
        waiting = len(self.gateway.results.waiting)
        yield GaugeMetricFamily("vigil_gateway_waiting", "Commands whose result has not come yet", value=waiting)
        yield from self.lags()
        yield from self.load()

    def load(self) -> Iterator[Metric]:
        """What is open at each machine, and what was not taken for it."""
        admission = self.gateway.submitter.admission
        shed = CounterMetricFamily("vigil_gateway_shed", "Commands not taken under load, by worth", labels=["worth"])
        for worth, count in admission.shed.items():
            shed.add_metric([worth.name], count)
        opened = GaugeMetricFamily("vigil_gateway_open", "Commands that a machine has not answered", labels=["machine"])
        for owner, flow in tuple(admission.flows.items()):
            opened.add_metric([f"{owner.service}/{owner.partition}"], flow.open)
        late = admission.loop_late_s
        yield from (shed, opened)
        yield GaugeMetricFamily("vigil_gateway_loop_late_seconds", "How late the gateway's own loop runs", value=late)

    def lags(self) -> Iterator[Metric]:
        """How far machines are behind, as this gateway sees it: what new orders are shed by."""
        records = GaugeMetricFamily("vigil_gateway_lag_records", "Records that a machine is behind", labels=["machine"])
        seconds = GaugeMetricFamily(
            "vigil_gateway_lag_seconds", "Log time that a machine is behind", labels=["machine"]
        )
        answers = GaugeMetricFamily("vigil_gateway_machine_answers", "1 while a machine answers", labels=["machine"])
        for (service, partition), lag in tuple(self.gateway.lag.lags.items()):
            machine = [f"{service}/{partition}"]
            records.add_metric(machine, lag.records)
            seconds.add_metric(machine, lag.ms / 1_000)
            answers.add_metric(machine, lag.answers)
        yield from (records, seconds, answers)


def registry_of(gateway: "Gateway") -> CollectorRegistry:
    """All metrics of a gateway that serves."""
    registry = CollectorRegistry()
    registry.register(GatewayCollector(gateway))
    registry.register(RpcCollector(gateway.server.meter))
    return registry
