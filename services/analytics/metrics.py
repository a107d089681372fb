"""What the points show of themselves: how far each feed is read, and the week that runs."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.analytics.reader import Points
from services.analytics.weeks import week_of


class PointsCollector(Collector):
    """Metrics of the points; those of streams have the label `stream`."""

    def __init__(self, points: Points) -> None:
        self.points = points

    def collect(self) -> Iterator[Metric]:
        """Read the state once."""
        state = self.points.state
        seq = CounterMetricFamily("vigil_points_records", "Feed records taken", labels=["stream"])
        early = CounterMetricFamily("vigil_points_early", "Records after a gap, which come again", labels=["stream"])
        repeats = CounterMetricFamily("vigil_points_repeats", "Records that were there before", labels=["stream"])
        for name, stream in list(state.streams.items()):
            seq.add_metric([name], stream.seq)
            early.add_metric([name], stream.early)
            repeats.add_metric([name], stream.duplicates)
        behind = GaugeMetricFamily("vigil_points_behind", "Feed records not read yet", value=self.points.behind)
        unsaved = GaugeMetricFamily(
            "vigil_points_unsaved",
            "Records read since the file was written",
            value=self.points.changes - self.points.saved,
        )
        active = len(state.weeks.get(week_of(state.now_ms), {}))
        accounts = GaugeMetricFamily("vigil_points_accounts", "Accounts that traded or moved this week", value=active)
        yield from (seq, early, repeats, behind, unsaved, accounts)
