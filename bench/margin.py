"""What margin costs: a mark among up to a million positions, how often somebody is looked at, and the end of a market.

    python -m bench.margin [--quick] [--plain]

Each size is measured in a process of its own, compiled unless --plain, with the collector as a machine's process has it: it looks seldom,
and nothing is frozen. A mark is one MarksUpdated through the engine's step, host and log excluded, until whoever it reaches has been
judged. `resting` moves within everybody's box, `beside a wall` by a cent in the bucket of the nearest wires, reaching nobody either; the
others go on until so many have been reached, and each has a new box. Times are medians in microseconds.
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

import services.risk.health
from bench.crowd import PRICE, Crowd, check_both
from bench.expiry import measured as measured_expiry
from deploy.compiled import FOLDER as COMPILED
from deploy.compiled import ROOT, compile_modules
from services.core.fixed import INDEX_DECIMALS, Price
from services.core.process import tune_collector
from services.oracle.recorded import SHARED, read_recording
from services.risk.wires import Buckets, SeriesKind
from tests.builders import DOLLAR
from tests.market_data import FOLDER

FIGURES = ROOT / "build" / "bench" / "margin.json"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
EXPIRING = 100_000
QUICK_MAX = 100_000
REACHED = (10, 1_000)
REST = 10
"""Of how many people one at most is reached by a move: it goes through a price that a crowd may see."""
RESTING, ROUNDS = 1_000, 12
CENTS = 50
"""How far a resting mark moves."""
CHECKED = 1_000
PEOPLE, STEPS, HOUR = 2_000, 1_000, 60
PATH = Path("btcusdt_binance_spot_1m_2021-11-11_2021-12-11.csv.gz")
GOALS = {"times_10k_at_1m": 2.0, "bytes_per_account": 6_000.0, "order_max_ms": 5.0}
"""At most so much."""

Figures = dict[str, float]
console = Console(highlight=False, width=140)


def resident() -> int:
    """Bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def nearest(buckets: Buckets, side: int, count: int) -> Price:
    """Threshold at which so many wires of a side have been reached."""
    thresholds: list[Price] = []
    for key in sorted(buckets, key=lambda key: side * key):
        thresholds += sorted(buckets[key].wires.values(), key=lambda threshold: side * threshold)
        if len(thresholds) >= count:
            return thresholds[count - 1]
    return thresholds[-1]


class Marks:
    """Marks told to a crowd, and what they cost in microseconds."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.wires = crowd.state.wires[SeriesKind.MARK, crowd.market.id]

    def see(self, mark: Price) -> float:
        """Let a tenth of a second pass and see a mark; the price of collateral stays."""
        self.crowd.inbox.now_ms += 100
        return 1e6 * self.crowd.see(mark, self.crowd.price)

    def resting(self, middle: Price, away: Price) -> float:
        """Marks that reach nobody; RuntimeError when one does."""
        self.see(middle)
        judged = self.crowd.judged
        times = [self.see(middle + (number & 1) * away) for number in range(RESTING)]
        if self.crowd.judged != judged:
            raise RuntimeError(f"{self.crowd.judged - judged} were reached by marks at rest")
        return median(times)

    def beside_wall(self) -> float:
        """The same just before the first wire above."""
        return self.resting(nearest(self.wires.above, 1, 1) - 2, 1)

    def reaching(self, count: int) -> tuple[float, float]:
        """Marks that reach about so many, up and down in turn; and how many they reached."""
        times, reached = [], []
        for number in range(ROUNDS):
            walls, side = (self.wires.below, -1) if number & 1 else (self.wires.above, 1)
            judged = self.crowd.judged
            times.append(self.see(nearest(walls, side, count)))
            reached.append(self.crowd.judged - judged)
        return median(times), median(reached)


def measured_size(count: int) -> Figures:
    """Memory of so many people, and marks among them."""
    crowd = Crowd()
    gc.collect()
    before = resident()
    crowd.fill_up(count)
    gc.collect()
    figures: Figures = {"people": count, "bytes_per_account": (resident() - before) / count}
    marks = Marks(crowd)
    figures["resting_us"] = marks.resting(PRICE, CENTS)
    figures["beside_wall_us"] = marks.beside_wall()
    for wanted in (one for one in REACHED if one * REST <= count):
        figures[f"reaching_{wanted}_us"], figures[f"reached_{wanted}"] = marks.reaching(wanted)
    return figures


def measured_path() -> Figures:
    """How often somebody was judged while the mark followed closes of a recording: its first, and those round its deepest fall."""
    bars = read_recording(Path(os.environ.get(FOLDER) or SHARED) / PATH, seed=1).bars
    falls = [one.close - other.close for one, other in pairwise(bars[::HOUR])]
    deepest = max(0, falls.index(max(falls)) * HOUR - STEPS // 2)
    calm, crash = (followed([bar.close for bar in bars[one : one + STEPS + 1]]) for one in (0, deepest))
    return {
        "touches_per_account_1000": calm[0],
        "highest_over_lowest": calm[2],
        "touches_in_crash_1000": crash[0],
        "liquidated_in_crash": crash[1],
        "highest_over_lowest_in_crash": crash[2],
    }


def followed(closes: list[int]) -> tuple[float, int, float]:
    """Times that somebody was judged, how many were liquidated, and how far the path goes; nobody answers what liquidations ask."""
    path = [close * DOLLAR // 10**INDEX_DECIMALS for close in closes]
    crowd = Crowd(price=path[0])
    crowd.fill_up(PEOPLE)
    before = crowd.judged
    for mark in path[1:]:
        crowd.inbox.now_ms += 60_000
        crowd.see(mark)
    liquidated = sum(one.liquidation is not None for one in crowd.state.subaccounts.values())
    return (crowd.judged - before) / PEOPLE, liquidated, max(path) / min(path)


def measured(kind: str, count: int) -> Figures:
    """What one process measures."""
    tune_collector()
    if kind == "check":
        check_both(count)
        figures: Figures = {}
    elif kind == "path":
        figures = measured_path()
    else:
        figures = measured_expiry(count) if kind == "expiry" else measured_size(count)
    plain = str(services.risk.health.__file__).endswith(".py")
    return figures | {"compiled": not plain, "load": os.getloadavg()[0]}


def elsewhere(kind: str, count: int, interpreter: dict[str, str]) -> Figures:
    """Measure in a process of its own, whose interpreter has these settings."""
    console.print(f"[dim]{kind} {count:,}[/dim]")
    command = [sys.executable, "-m", "bench.margin", "--kind", kind, "--count", str(count)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | interpreter, stdout=subprocess.PIPE, check=True)  # noqa: S603 - ourselves
    figures: Figures = json.loads(done.stdout)
    return figures


def show(sizes: list[Figures]) -> None:
    """Print marks by size."""
    table = Table("people", "bytes each", "resting", "beside a wall", *(f"reaching {one}" for one in REACHED), "load")
    for one in sizes:
        times = [f"{one[name]:,.0f}" for name in ("bytes_per_account", "resting_us", "beside_wall_us")]
        reached = [(one.get(f"reaching_{wanted}_us", 0), one.get(f"reached_{wanted}", 0)) for wanted in REACHED]
        reaching = [f"{us:,.0f} ({people:.0f})" if people else "" for us, people in reached]
        table.add_row(f"{one['people']:,}", *times, *reaching, f"{one['load']:.1f}")
    console.print(table)


def figures_of(sizes: list[Figures], path: Figures, expiry: Figures) -> Figures:
    """The figures with fixed names."""
    by_size = {int(one["people"]): one for one in sizes}
    largest = sizes[-1]
    figures = {"mark_us_10k": by_size[10_000]["resting_us"], "bytes_per_account": largest["bytes_per_account"]}
    if 1_000_000 in by_size:
        figures["mark_us_1m"] = by_size[1_000_000]["resting_us"]
        figures["times_10k_at_1m"] = figures["mark_us_1m"] / figures["mark_us_10k"]
    figures |= {name: path[name] for name in ("touches_per_account_1000", "touches_in_crash_1000")}
    return figures | {name: value for name, value in expiry.items() if name not in ("compiled", "load")}


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
    console.print(f"{CHECKED:,} people who came by records, and as many who came by calls, leave equal states")
    sizes = [elsewhere("size", size, interpreter) for size in SIZES if not told.quick or size <= QUICK_MAX]
    show(sizes)
    path = elsewhere(
        "path", PEOPLE, {}
    )  # Touches are the same, compiled or not, and the copy has no recordings beside it.
    expiry = elsewhere("expiry", EXPIRING, interpreter)
    console.print(f"{STEPS:,} closes of {PATH.name}, {PEOPLE:,} people: {path}")
    console.print(f"a market ends: {expiry}")
    figures = figures_of(sizes, path, expiry)
    for name, value in figures.items():
        goal = GOALS.get(name)
        reached = "" if goal is None else f"  (at most {goal:g}: {'reached' if value <= goal else 'missed'})"
        console.print(f"  {name}: {value:,.4g}{reached}")
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    written = {"figures": figures, "cores": os.cpu_count(), "compiled": not told.plain}
    FIGURES.write_text(json.dumps(written | {"sizes": sizes, "path": path, "expiry": expiry}, indent=1) + "\n")
    console.print(f"written to {FIGURES}")


if __name__ == "__main__":
    main()
