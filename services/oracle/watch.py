"""What operators are told of sources: who is silent, far off, frozen or going back in time. It judges for people only.

Whether a price counts is decided by funding from its own state; this says in logs and metrics what it is likely to leave out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.core.fixed import Milliseconds, Price, median
from services.core.messages import PriceObserved

SILENT_MS = 10_000
FROZEN_MS = 60_000
BACK_MS = 10_000
"""How long a step back in time is told."""
FAR_PPM = 10_000
"""One percent from the median of an index's sources."""

log = structlog.get_logger(__name__)


class Trouble(StrEnum):
    """What a source is found doing."""

    SILENT = "silent"
    BACK_IN_TIME = "back-in-time"
    FROZEN = "frozen"
    FAR = "far"


@dataclass
class Heard:
    """What was last heard from a source of an index."""

    price: Price
    observed_ms: Milliseconds
    changed_ms: Milliseconds
    back_ms: Milliseconds = -BACK_MS
    trouble: Trouble | None = None


@dataclass
class Watch:
    """Listens to all that the oracle publishes; a change of trouble is one line in the log."""

    registry: CollectorRegistry
    heard: dict[str, dict[str, Heard]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the metrics."""
        self.observations = Counter("vigil_observations", "Prices that the sources saw", registry=self.registry)
        labels = ("index", "source", "trouble")
        text = "1 while a source of an index is silent, far, frozen or goes back in time"
        self.troubles = Gauge("vigil_oracle_source_trouble", text, labels, registry=self.registry)

    def expect(self, index: str, source: str, now_ms: Milliseconds) -> None:
        """Know a source before it says anything: if it never does, it is silent."""
        self.heard.setdefault(index, {}).setdefault(source, Heard(0, now_ms, now_ms))

    def look(self, seen: list[PriceObserved], now_ms: Milliseconds) -> None:
        """Note what was said, and judge every source."""
        self.observations.inc(len(seen))
        for one in seen:
            self.note(one)
        for index, sources in self.heard.items():
            for name, trouble in judged(sources, now_ms):
                self.tell(index, name, sources[name], trouble)

    def note(self, observed: PriceObserved) -> None:
        """Note one observation."""
        sources = self.heard.setdefault(observed.index, {})
        known = sources.setdefault(observed.source, Heard(0, 0, 0))
        if observed.observed_ms < known.observed_ms:
            known.back_ms = known.observed_ms
            return
        if observed.price != known.price:
            known.price, known.changed_ms = observed.price, observed.observed_ms
        known.observed_ms = observed.observed_ms

    def tell(self, index: str, name: str, heard: Heard, trouble: Trouble | None) -> None:
        """Say what changed."""
        if trouble is heard.trouble:
            return
        if heard.trouble is not None:
            self.troubles.labels(index, name, heard.trouble).set(0)
        if trouble is None:
            log.info("source_recovered", index=index, source=name, was=heard.trouble)
        else:
            self.troubles.labels(index, name, trouble).set(1)
            log.warning("source_trouble", index=index, source=name, trouble=trouble, price=heard.price)
        heard.trouble = trouble


def judged(sources: dict[str, Heard], now_ms: Milliseconds) -> Iterator[tuple[str, Trouble | None]]:
    """Each source of an index with its trouble, if any."""
    speaking = [one for one in sources.values() if one.price and now_ms - one.observed_ms <= SILENT_MS]
    moving = [one for one in speaking if now_ms - one.changed_ms <= FROZEN_MS]
    middle = median([one.price for one in speaking]) if speaking else 0
    for name, one in sources.items():
        yield name, trouble_of(one, now_ms, middle, others_move=2 * len(moving) > len(speaking))


def trouble_of(heard: Heard, now_ms: Milliseconds, middle: Price, *, others_move: bool) -> Trouble | None:
    """Trouble of one source beside the median of all."""
    if now_ms - heard.back_ms <= BACK_MS:
        return Trouble.BACK_IN_TIME
    if now_ms - heard.observed_ms > SILENT_MS:
        return Trouble.SILENT
    if others_move and now_ms - heard.changed_ms > FROZEN_MS:
        return Trouble.FROZEN
    return Trouble.FAR if heard.price and abs(heard.price - middle) * 1_000_000 > FAR_PPM * middle else None
