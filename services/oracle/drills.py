"""Drills: sources that misbehave on purpose and on time, so that operators see the guards of the index work."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import msgspec

from services.core.fixed import Milliseconds, Price
from services.core.messages import PriceObserved

FOREVER_MS = 2**62
BACK_MS = 3_000
"""A source that goes back in time says what it says as of so long ago: older than what it said before, not yet late."""


class Misbehaviour(StrEnum):
    """What a source can do wrong."""

    DIES = "dies"
    LIES = "lies"
    FREEZES = "freezes"
    BACK_IN_TIME = "back-in-time"


class Drill(NamedTuple):
    """One source misbehaves from one time to another, both since the oracle began."""

    source: str
    kind: Misbehaviour
    from_ms: Milliseconds
    until_ms: Milliseconds


def read_drills(text: str) -> tuple[Drill, ...]:
    """Read `source:kind@seconds`, or with `+seconds` for how long, by commas.

    Raises   ValueError that says what is accepted
    """
    return tuple(read_drill(one.strip()) for one in text.split(",") if one.strip())


def read_drill(text: str) -> Drill:
    """Read one drill; as read_drills."""
    source, _, rest = text.rpartition(":")
    kind, _, times = rest.partition("@")
    begins, plus, lasts = times.partition("+")
    if not source or kind not in tuple(Misbehaviour) or not begins.isdigit() or (plus and not lasts.isdigit()):
        kinds = ", ".join(Misbehaviour)
        raise ValueError(f"{text!r} is not source:kind@seconds or source:kind@seconds+seconds, with a kind of {kinds}")
    from_ms = int(begins) * 1_000
    return Drill(source, Misbehaviour(kind), from_ms, from_ms + int(lasts) * 1_000 if plus else FOREVER_MS)


@dataclass
class Drills:
    """Bends what sources see, by the clock of the log; `frozen` are the prices that frozen sources go on saying."""

    drills: tuple[Drill, ...]
    begins_ms: Milliseconds
    frozen: dict[tuple[str, str], Price] = field(default_factory=dict)

    def bend(self, seen: list[PriceObserved], now_ms: Milliseconds) -> list[PriceObserved]:
        """Return what the sources say instead."""
        since_ms = now_ms - self.begins_ms
        under_way = {one.source: one.kind for one in self.drills if one.from_ms <= since_ms < one.until_ms}
        bent = [self.bent(one, under_way.get(one.source)) for one in seen]
        return [one for one in bent if one is not None]

    def bent(self, observed: PriceObserved, kind: Misbehaviour | None) -> PriceObserved | None:
        """Return what a source says that saw this."""
        match kind:
            case None:
                self.frozen.pop((observed.source, observed.index), None)
                return observed
            case Misbehaviour.DIES:
                return None
            case Misbehaviour.LIES:
                return msgspec.structs.replace(observed, price=2 * observed.price)
            case Misbehaviour.FREEZES:
                price = self.frozen.setdefault((observed.source, observed.index), observed.price)
                return msgspec.structs.replace(observed, price=price)
            case Misbehaviour.BACK_IN_TIME:
                return msgspec.structs.replace(observed, observed_ms=observed.observed_ms - BACK_MS)
