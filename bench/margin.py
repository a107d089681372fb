"""What margin costs: a mark among up to a million positions, the end of a market, and how often somebody is looked at.

    python -m bench.margin [--quick] [--plain]
    python -m bench.margin --size 10000

Each size is measured in a process of its own, compiled unless --plain, with the collector as a machine's process has it and what the
shard holds frozen. A mark is one MarksUpdated through the engine's step, host and log excluded, until whoever it reaches has been judged.
`at rest` moves within everybody's box, `beside a wall` by a cent in the bucket of the nearest wires, reaching nobody either; the rest
goes on until so many have been reached. Times are medians, `others` is the load on this machine meanwhile.
"""

import os
from dataclasses import replace
from pathlib import Path
from statistics import median

from rich.console import Console

from bench.crowd import Crowd
from deploy.compiled import ROOT
from services.core.fixed import Price
from services.core.messages import Message
from services.risk import machine
from services.risk.state import State
from services.risk.wires import Buckets, SeriesKind

FIGURES = ROOT / "build" / "bench" / "margin.json"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
REACHED = (10, 1_000)
RESTING, ROUNDS = 500, 12
STEPS = 1_000
STEP_MS = 60_000
PATH = Path("btcusdt_binance_spot_1m_2021-11-11_2021-12-11.csv.gz")
PEOPLE = 2_000
EXPIRING = 100_000
EXPIRY = "expiry"

console = Console(highlight=False, width=140)


def resident() -> int:
    """Bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def nearest(buckets: Buckets, side: int, count: int) -> Price:
    """Threshold at which the first `count` wires of a side have been reached."""
    thresholds: list[Price] = []
    for key in sorted(buckets, key=lambda key: side * key):
        if len(thresholds) >= count:
            break
        thresholds += sorted(buckets[key].wires.values(), key=lambda threshold: side * threshold)
    return thresholds[min(count, len(thresholds)) - 1]


class Marks:
    """Marks told to a crowd, and what they cost."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.wires = crowd.state.wires[SeriesKind.MARK, crowd.market.id]
        self.side = 1
        self.judged = 0

    def see(self, mark: Price, coin_mark: Price = 0) -> float:
        """Microseconds of one mark."""
        self.crowd.inbox.now_ms += 100
        return 1e6 * self.crowd.see(mark, coin_mark or self.crowd.price)

    def resting(self, middle: Price, away: Price) -> float:
        """Median of marks that reach nobody."""
        return median(self.see(middle + number % 2 * away) for number in range(RESTING))

    def beside_wall(self) -> float:
        """The same just before the first wire above."""
        return self.resting(nearest(self.wires.above, 1, 1) - 2, 1)

    def reaching(self, count: int) -> tuple[float, float]:
        """Median of marks that reach about `count`, and how many they reached; up and down in turn, back to the middle between."""
        times, reached = [], []
        for _ in range(ROUNDS):
            self.side = -self.side
            walls = self.wires.above if self.side > 0 else self.wires.below
            mark, judged = nearest(walls, self.side, count), count_judged(self.crowd)
            times.append(self.see(mark))
            reached.append(count_judged(self.crowd) - judged)
        return median(times), median(reached)


def count_judged(crowd: Crowd) -> int:
    """How many subaccounts have been judged."""
    counting: Counting = crowd.counting  # type: ignore[attr-defined]
    return counting.judged


class Counting:
    """The machine's work with a count of those whom it judges."""

    def __init__(self, crowd: Crowd) -> None:
        self.judged = 0
        engine = crowd.inbox.engine
        engine.machine = replace(engine.machine, work=self.work)

    def work(self, state: State) -> list[Message]:
        """Do a slice, and count."""
        waiting = len(state.queue)
        events = machine.work(state)
        self.judged += waiting - len(state.queue)
        return events
