"""Timers of a machine: a heap of (due, kind, subject) inside its state; it does not read a clock.

The engine fires what is due at `now` before it applies a record. A recurring timer re-arms itself when fired, so that one
that fell due several times fires once; its `due_ms` tells since when.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from services.core.fixed import Milliseconds


class Timer(NamedTuple):
    """What falls due: ordered by time, then kind, then subject."""

    due_ms: Milliseconds
    kind: int
    subject: int


@dataclass(slots=True)
class Timers:
    """Pending timers, as a heap."""

    heap: list[Timer] = field(default_factory=list)

    def arm(self, due_ms: Milliseconds, kind: int, subject: int) -> None:
        """Add a timer; whoever fires it judges whether it still matters."""
        heappush(self.heap, Timer(due_ms, kind, subject))

    def pop_due(self, now_ms: Milliseconds) -> Timer | None:
        """Take the earliest timer due at `now_ms`, if any."""
        if self.heap and self.heap[0][0] <= now_ms:
            return heappop(self.heap)
        return None


def next_multiple(now_ms: Milliseconds, interval_ms: int) -> Milliseconds:
    """Return the first multiple of the interval after now."""
    return now_ms - now_ms % interval_ms + interval_ms
