"""What a pulse costs: one market's positions settled to the mark of every ten seconds of a recorded path, with up to a million of them.

    python -m bench.pulse [--quick] [--plain]

Each size is measured in a process of its own, compiled unless --plain. A pulse is one SettlementMarked through the engine's step, host and
log excluded; whose claim passes zero is settled in that record. One in four people has bitcoin as collateral, so that his dollars stand
near zero all the time, and a mark that passes his entry makes a debtor of a lender: nobody crosses more often. Times are of the
processor; every record that waits behind a pulse waits that long, so the longest one is the worst wait.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.crowd import MARKET, Crowd, check_both
from bench.margin import CHECKED, PATH, resident
from deploy.compiled import FOLDER as COMPILED
from deploy.compiled import ROOT, compile_modules
from services.core import messages as m
from services.core.fixed import INDEX_DECIMALS, Price
from services.core.process import tune_collector
from services.oracle.recorded import SHARED, read_recording
from tests.builders import DOLLAR, but
from tests.market_data import FOLDER
from tests.pools import POOLED_BITCOIN, POOLED_USDC

FIGURES = ROOT / "build" / "bench" / "pulse.json"
SIZES = (10_000, 100_000, 1_000_000)
QUICK_MAX = 100_000
PULSES_A_MINUTE = 6
MINUTES = 60
PULSING = but(MARKET, pulse_interval_ms=10_000)
GOALS = {"times_10k_at_1m": 2.0, "worst_wait_ms": 5.0}
"""At most so much."""

Figures = dict[str, float]
console = Console(highlight=False, width=140)


def recorded() -> list[Price]:
    """Marks of every ten seconds of the hour with the deepest fall: closes of minutes, and the straight line between them."""
    bars = read_recording(Path(os.environ.get(FOLDER) or SHARED) / PATH, seed=1).bars
    closes = [bar.close * DOLLAR // 10**INDEX_DECIMALS for bar in bars]
    falls = [first - last for first, last in zip(closes, closes[MINUTES:], strict=False)]
    start = falls.index(max(falls))
    steps = pairwise(closes[start : start + MINUTES + 1])
    return [low + (high - low) * part // PULSES_A_MINUTE for low, high in steps for part in range(PULSES_A_MINUTE)]


def pooled(price: Price) -> Crowd:
    """A shard whose assets have pools and whose market pulses."""
    return Crowd(PULSING, price, (POOLED_USDC, POOLED_BITCOIN))


class Pulses:
    """A crowd, its pulses, and what they cost in microseconds of the processor."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.number = 0

    def see(self, mark: Price) -> tuple[float, int]:
        """One pulse; returns what it took and how many were settled on their own."""
        inbox = self.crowd.inbox
        inbox.now_ms += 10_000
        inbox.tell_all(m.Tick())  # Boxes that have ended meanwhile are looked after by records of their own.
        self.number += 1
        inbox.tell(m.SettlementMarked(PULSING.id, mark, self.number, mark, mark))
        took, crossed = 1e6 * inbox.busy_s, crossings(inbox.outputs)
        inbox.tell_all(m.Tick())
        return took, crossed


def crossings(outputs: list[tuple[str, int, bytes]]) -> int:
    """How many were settled on their own: each was told his balance, and nobody else was."""
    return sum(topic.startswith("feed.account") for topic, _partition, _value in outputs)


def measured_size(count: int) -> Figures:
    """Memory of so many people, then pulses: at rest between two marks a cent apart, and along the recorded hour."""
    path = recorded()
    crowd = pooled(path[0])
    gc.collect()
    before = resident()
    crowd.fill_up(count)
    gc.collect()
    figures: Figures = {"people": count, "bytes_per_account": (resident() - before) / count}
    pulses = Pulses(crowd)
    pulses.see(path[0])
    resting = [pulses.see(path[0] + (number & 1)) for number in range(200)]
    figures["resting_us"] = median(took for took, crossed in resting if not crossed)
    seen = [pulses.see(mark) for mark in path]
    calm = [took for took, crossed in seen if not crossed]
    crossed = sum(number for _took, number in seen)
    figures |= {
        "pulses": len(seen),
        "touched_share": crossed / (len(seen) * count),
        "touched_most": max(number for _took, number in seen),
        "us_per_crossing": sum(took for took, _number in seen) / max(1, crossed),
        "nobody_crosses_us": median(calm) if calm else 0.0,
        "p50_us": median(took for took, _number in seen),
        "worst_ms": max(took for took, _number in seen) / 1e3,
    }
    crowd.inbox.engine.machine.check_invariants(crowd.state)
    return figures


def measured(kind: str, count: int) -> Figures:
    """What one process measures."""
    tune_collector()
    if kind == "check":
        check_both(count, lambda: pooled(MARKET.price_max // 20))
        return {}
    return measured_size(count) | {"load": os.getloadavg()[0]}


def elsewhere(kind: str, count: int, interpreter: dict[str, str]) -> Figures:
    """Measure in a process of its own, whose interpreter has these settings."""
    console.print(f"[dim]{kind} {count:,}[/dim]")
    command = [sys.executable, "-m", "bench.pulse", "--kind", kind, "--count", str(count)]
    folder = {FOLDER: os.environ.get(FOLDER) or str(SHARED)}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | folder | interpreter, stdout=subprocess.PIPE, check=True)  # noqa: S603 - ourselves
    figures: Figures = json.loads(done.stdout)
    return figures


def show(sizes: list[Figures]) -> None:
    """Print pulses by size."""
    table = Table("people", "bytes each", "resting us", "p50 us", "worst ms", "touched", "at most", "us each", "load")
    for one in sizes:
        times = [f"{one[name]:,.1f}" for name in ("resting_us", "p50_us", "worst_ms")]
        touched = [f"{one['touched_share']:.3%}", f"{one['touched_most']:,.0f}", f"{one['us_per_crossing']:,.1f}"]
        table.add_row(f"{one['people']:,}", f"{one['bytes_per_account']:,.0f}", *times, *touched, f"{one['load']:.1f}")
    console.print(table)


def figures_of(sizes: list[Figures]) -> Figures:
    """The figures with fixed names; the worst wait is that of the smallest size, a shard of a venue, and of the largest beside it."""
    first, largest = sizes[0], sizes[-1]
    figures = {"pulse_us_10k": first["resting_us"], "touched_share": largest["touched_share"]}
    if largest["people"] == SIZES[-1]:
        figures["pulse_us_1m"] = largest["resting_us"]
        figures["times_10k_at_1m"] = largest["resting_us"] / first["resting_us"]
    return figures | {
        "worst_wait_ms": largest["worst_ms"],
        "worst_wait_ms_10k": first["worst_ms"],
        "bytes_per_account": largest["bytes_per_account"],
    }


def main() -> None:
    """Measure, print, write the figures."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"no crowd larger than {QUICK_MAX:,}")
    parser.add_argument("--plain", action="store_true", help="run risk as it is, not compiled")
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.kind:
        sys.stdout.write(json.dumps(measured(told.kind, told.count)))
        return
    interpreter = {} if told.plain else {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(COMPILED)}
    if interpreter:
        console.print("[dim]compiling[/dim]")
        compile_modules()
    elsewhere("check", CHECKED, interpreter)
    sizes = [elsewhere("size", size, interpreter) for size in SIZES if not told.quick or size <= QUICK_MAX]
    show(sizes)
    figures = figures_of(sizes)
    for name, value in figures.items():
        goal = GOALS.get(name)
        reached = "" if goal is None else f"  (at most {goal:g}: {'reached' if value <= goal else 'missed'})"
        console.print(f"  {name}: {value:,.4g}{reached}")
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    written = {"figures": figures, "sizes": sizes, "cores": os.cpu_count(), "compiled": not told.plain}
    FIGURES.write_text(json.dumps(written, indent=1) + "\n")
    console.print(f"written to {FIGURES}")


if __name__ == "__main__":
    main()
