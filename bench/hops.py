"""Where the time of a command goes: the times that the log gave to its records, joined by the trace that goes along all its hops."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from services.core.log import Log
from services.core.messages import CancelOrder, PlaceOrder
from vigil.v1 import feeds_pb2

TOPICS = ("risk.inbox", "matching.inbox", "feed.account")
HOPS = (
    "client to risk.inbox",
    "risk.inbox to matching.inbox",
    "matching.inbox to risk.inbox",
    "risk.inbox to feed.account",
    "feed.account to client",
)
COMMANDS = [kind.__struct_config__.tag for kind in (PlaceOrder, CancelOrder)]
READ = 5_000


@dataclass(slots=True)
class Journey:
    """When the last record of a frame was appended at each station, ms; `signed_ms` by the client's clock."""

    signed_ms: int = 0
    at_ms: dict[str, int] = field(default_factory=dict)


class Stations:
    """The stations that a frame passes, read from where the log ended when this was made."""

    def __init__(self, home: Log) -> None:
        self.home = home
        self.offsets: dict[str, int] = {}
        self.journeys: defaultdict[int, Journey] = defaultdict(Journey)

    async def begin(self) -> None:
        """Look only at what comes from now on."""
        self.offsets = {topic: await self.home.end(topic, 0) for topic in TOPICS}

    async def mean_ms(self, client_mean_ms: float) -> dict[str, float]:
        """Mean time of each hop; what the client waited beyond the log is the last."""
        for topic in TOPICS:
            await self.read(topic)
        stations = ("risk.inbox", "matching.inbox", "answers", "feed.account")
        whole = [one for one in self.journeys.values() if one.signed_ms and len(one.at_ms) == len(stations)]
        if not whole:
            return {}
        times = [[one.signed_ms, *(one.at_ms[station] for station in stations)] for one in whole]
        sums = [sum(row[place] for row in times) / len(times) for place in range(len(stations) + 1)]
        hops = [after - before for before, after in pairwise(sums)]
        return dict(zip(HOPS, [*hops, client_mean_ms - sum(hops)], strict=True))

    async def read(self, topic: str) -> None:
        """Read a topic to its end."""
        offset, end = self.offsets[topic], await self.home.end(topic, 0)
        while offset < end:
            records = await self.home.read(topic, 0, offset, READ, 5_000)
            for record in records:
                self.take(topic, record.at_ms, record.value)
            offset += len(records)

    def take(self, topic: str, at_ms: int, value: bytes) -> None:
        """Note when a record was appended."""
        if topic == "feed.account":
            event = feeds_pb2.FeedRecord.FromString(value)
            if event.trace and event.HasField("command_resolved"):
                self.journeys[event.trace].at_ms[topic] = at_ms
            return
        message, source, _seq, _chain, _origin_ms, trace, *_ = msgspec.msgpack.decode(value)
        if not trace:
            return
        journey = self.journeys[trace]
        if message[0] in COMMANDS and not source:
            journey.signed_ms = message[1][3]
        journey.at_ms["answers" if source.startswith("matching") else topic] = at_ms
