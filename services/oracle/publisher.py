"""Appends what sources see to every funding inbox, by the clock of the log; a look that is over is never made up for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from services.core.fixed import Milliseconds
from services.core.log import Log
from services.core.messages import PriceObserved, Record
from services.core.topics import inbox
from services.oracle.drills import Drills
from services.oracle.path import Path
from services.oracle.sources import Source
from services.oracle.watch import Watch


class Feed(Protocol):
    """Something that sees prices."""

    def due(self, now_ms: Milliseconds) -> list[PriceObserved]:
        """Observations since the last call: of each source the newest at most, for an older one would be late."""
        ...


@dataclass
class PathFeed:
    """The declared sources of one index, all looking at one path."""

    path: Path
    index: str
    sources: tuple[Source, ...]
    looked_ms: dict[str, Milliseconds] = field(default_factory=dict)

    def due(self, now_ms: Milliseconds) -> list[PriceObserved]:
        """Look where it is time."""
        seen = []
        for source in self.sources:
            at_ms = source.observed_ms(now_ms)
            if at_ms <= self.looked_ms.get(source.name, -1):
                continue
            self.looked_ms[source.name] = at_ms
            observed = source.observe(self.path, self.index, at_ms)
            if observed is not None:
                seen.append(observed)
        return seen


@dataclass
class Oracle:
    """Publishes what feeds see to `partitions` funding partitions; by way of drills, and under a watch, where there are any."""

    home: Log
    feeds: Sequence[Feed]
    partitions: int
    drills: Drills | None = None
    watch: Watch | None = None

    async def publish(self) -> int:
        """Append what is due, and wait until it is kept; returns how many observations that were. Raises LogError."""
        now_ms = self.home.now_ms()
        seen = [one for feed in self.feeds for one in feed.due(now_ms)]
        if self.drills is not None:
            seen = self.drills.bend(seen, now_ms)
        if self.watch is not None:
            self.watch.look(seen, now_ms)
        values = [msgspec.msgpack.encode(Record(one, origin_ms=one.observed_ms)) for one in seen]
        if values:
            for partition in range(self.partitions):
                await (await self.home.append(inbox("funding"), partition, values))
        return len(seen)
