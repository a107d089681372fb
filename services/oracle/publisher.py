"""Appends what the sources see to every funding inbox, by the clock of the log; a look that is over is never made up for."""

from dataclasses import dataclass, field

import msgspec

from services.core.fixed import Milliseconds
from services.core.log import Log
from services.core.messages import PriceObserved, Record
from services.core.topics import inbox
from services.oracle.path import Path
from services.oracle.sources import Source


@dataclass
class Publisher:
    """Publishes one index from its sources to `partitions` funding partitions."""

    home: Log
    path: Path
    index: str
    sources: tuple[Source, ...]
    partitions: int
    looked_ms: dict[str, Milliseconds] = field(default_factory=dict)

    def due(self, now_ms: Milliseconds) -> list[PriceObserved]:
        """Observations since the last call: of each source the newest at most, for an older one would be late."""
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

    async def publish(self) -> int:
        """Append what is due, and wait until it is kept; returns how many observations that were. Raises LogError."""
        seen = self.due(self.home.now_ms())
        values = [msgspec.msgpack.encode(Record(one, origin_ms=one.observed_ms)) for one in seen]
        if values:
            for partition in range(self.partitions):
                await (await self.home.append(inbox("funding"), partition, values))
        return len(seen)
