"""Orders per second and latency end to end: client -> gateway -> risk -> matching -> risk -> client, on Kafka and on the embedded log.

    python -m bench.orders [--quick] [--plain] [--only kafka|embedded|book] [--frame 100]

Every service is a process on a broker of our own (on the embedded log all are one process), the clients are another process that signs
every frame; all of them share this machine. An order is one command that a machine decided: half are new orders, nearly half cancels, one
in 25 of the new ones trades. The services run compiled (`make compiled`) unless --plain. `us` is processor time per order, which stays
about the same when other work shares the machine; times do not. `others` is the share of the processors that such work took,
`done` the share of what was sent that was not refused: where the gateway sheds, the mix is no longer the one above.
"""

import argparse
import asyncio
import json
import logging
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
import uvloop
from rich.console import Console
from rich.table import Table

from bench.books import compiled_per_s, per_s
from bench.hops import Stations
from bench.venues import Running, embedded_venue, kafka_venue
from deploy.compiled import FOLDER as COMPILED
from deploy.compiled import compile_modules
from tests.kafka.processes import ROOT, own_environment, python

FIGURES = ROOT / "build" / "bench" / "orders.json"
RATES = (500, 2_000, 5_000)
OVERLOAD = 10
CANCELS_PER_S = 400
LATENCY_FRAME = 20
CANCEL_FRAME = 10
WARM_LOADS = 3
"""How many times as long as a load the venue is warmed up: the broker compiles itself while it works."""
FLOOD_FRAME = 200
UNDER_WAY = 2_000
"""Commands of the closed loop that wait for their answers: what a gateway takes at once before it knows its machines."""
GOALS = {
    "book_per_s": None,
    "book_compiled_per_s": None,
    "kafka_orders_per_s": 15_000,
    "embedded_orders_per_s": 25_000,
    "kafka_p50_ms_2000": -8,
    "kafka_p99_ms_2000": -40,
    "cancel_share_10x": 0.999,
}
"""At least so much; below zero: less than."""

console = Console(highlight=False, width=140)


def say(text: str) -> None:
    """Say what is done now."""
    console.print(f"[dim]{text}[/dim]")


@asynccontextmanager
async def clients(running: Running, **spec: Any) -> AsyncIterator[asyncio.subprocess.Process]:  # noqa: ANN401 - fields of Spec
    """A process of clients, ready to begin."""
    told = {"gateway": running.gateway, "pids": running.pids, **spec}
    process = await asyncio.create_subprocess_exec(
        *python("bench.clients", json.dumps(told)),
        cwd=ROOT,
        env=own_environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        if process.stdout is None or await process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the clients did not get ready: {told}")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def finished(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Let ready clients work; return their report."""
    said, _ = await process.communicate(b"go\n")
    if process.returncode:
        raise RuntimeError("the clients failed")
    report: dict[str, Any] = json.loads(said)
    return report


class Bench:
    """The measurements of one venue, in order."""

    def __init__(self, running: Running, seconds: float, frame: int) -> None:
        self.running = running
        self.seconds = seconds
        self.frame = frame
        self.seed = 0

    async def load(self, **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of Spec
        """Report of one load."""
        self.seed += 1
        stations = Stations(self.running.home)
        await stations.begin()
        async with clients(self.running, seed=self.seed, seconds=self.seconds, **spec) as process:
            report = await finished(process)
        report["hops_ms"] = await stations.mean_ms(report["mean_ms"]) if spec["mode"] == "open" else {}
        return report | {"frame": spec["frame"], "rate": spec.get("rate", 0)}

    async def run(self) -> dict[str, Any]:
        """Highest rate, latency at fixed rates, overload."""
        name = self.running.name
        say(f"{name}: warming up")
        for _ in range(WARM_LOADS):
            await self.load(mode="closed", frame=self.frame, accounts=UNDER_WAY // self.frame)
        say(f"{name}: as fast as it can, frames of {self.frame}")
        found = {"max": await self.load(mode="closed", frame=self.frame, accounts=UNDER_WAY // self.frame)}
        for rate in RATES:
            say(f"{name}: {rate}/s, frames of {LATENCY_FRAME}")
            accounts = min(64, rate // LATENCY_FRAME // 4)
            found[f"at_{rate}"] = await self.load(mode="open", rate=rate, frame=LATENCY_FRAME, accounts=accounts)
        say(f"{name}: {OVERLOAD} times as much as it can")
        found["overload"] = await self.overload(found["max"]["answered_per_s"])
        return found

    async def overload(self, most: float) -> dict[str, Any]:
        """Cancels of some accounts while others send far too many orders."""
        self.seed += 1
        flood = {"mode": "flood", "keys": "flood", "rate": int(OVERLOAD * most), "frame": FLOOD_FRAME, "pids": {}}
        cancels = {"mode": "cancels", "keys": "cancels", "rate": CANCELS_PER_S, "frame": CANCEL_FRAME}
        common = {"seed": self.seed, "seconds": self.seconds}
        async with (
            clients(self.running, **common, **flood, window_ms=60_000) as pouring,
            clients(self.running, **common, **cancels, warm_seconds=3.0) as cancelling,
        ):
            poured, cancelled = await asyncio.gather(finished(pouring), finished(cancelling))
        return {"flood": poured, "cancels": cancelled, "share": cancelled["in_time"] / max(1, cancelled["sent"])}


def figures_of(name: str, found: dict[str, Any]) -> dict[str, float]:
    """The figures with fixed names."""
    figures = {f"{name}_orders_per_s": found["max"]["answered_per_s"], f"{name}_frame": found["max"]["frame"]}
    for rate in RATES:
        figures |= {f"{name}_{part}_ms_{rate}": found[f"at_{rate}"][f"{part}_ms"] for part in ("p50", "p95", "p99")}
    figures[f"{name}_cancel_share_10x"] = found["overload"]["share"]
    return figures


def show_venue(name: str, found: dict[str, Any]) -> None:
    """Print what was measured at one venue."""
    columns = ("load", "frame", "answered/s", "p50 ms", "p95 ms", "p99 ms", "us/order", "done", "others")
    table = Table(*columns, title=f"{name}: end to end")
    loads = {load: report for load, report in found.items() if load != "overload"}
    for load, report in loads.items():
        latencies = [f"{report[f'{part}_ms']:.1f}" for part in ("p50", "p95", "p99")]
        total = f"{sum(report['cpu_us'].values()):.0f}"
        rate, others = f"{report['answered_per_s']:,.0f}", f"{report['others']:.0%}"
        done = f"{report['done'] / max(1, report['sent']):.0%}"
        table.add_row(load, str(report["frame"]), rate, *latencies, total, done, others)
    console.print(table)
    services = list(found["max"]["cpu_us"])
    table = Table("load", *services, title=f"{name}: processor time per order, us")
    for load, report in loads.items():
        table.add_row(load, *(f"{report['cpu_us'].get(service, 0):.1f}" for service in services))
    console.print(table)
    hops = {load: report["hops_ms"] for load, report in loads.items() if report["hops_ms"]}
    if hops:
        names = list(next(iter(hops.values())))
        table = Table("load", *names, title=f"{name}: mean time of a frame per hop, ms")
        for load, times in hops.items():
            table.add_row(load, *(f"{times[hop]:.1f}" for hop in names))
        console.print(table)
    for load, report in loads.items():
        console.print(f"  {load}: {report['requests']} -> {report['outcomes']}")
    show_overload(found["overload"])


def show_overload(found: dict[str, Any]) -> None:
    """Print what became of cancels and orders under overload."""
    cancels, flood = found["cancels"], found["flood"]
    console.print(
        f"  overload: {cancels['sent']} cancels, {found['share']:.2%} answered within a second (p99 {cancels['p99_ms']:.0f} ms), "
        f"{cancels['outcomes']}; {flood['sent']} new orders offered meanwhile: {flood['outcomes']}"
    )


def show_figures(figures: dict[str, float]) -> None:
    """Print the figures with fixed names, and whether goals were reached."""
    table = Table("figure", "here", "goal", "")
    for name, goal in GOALS.items():
        if name not in figures:
            continue
        value = figures[name]
        reached = goal is None or (value >= goal if goal > 0 else value < -goal)
        text = "" if goal is None else f">= {goal:,}" if goal > 0 else f"< {-goal}"
        table.add_row(name, shown(value), text, "" if goal is None else "reached" if reached else "missed")
    console.print(table)


def shown(value: float) -> str:
    """A figure with as many digits as matter."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"


async def measure(only: str, seconds: float, frame: int, interpreter: dict[str, str]) -> dict[str, Any]:
    """Measure at each venue, whose services run in interpreters with these settings."""
    found: dict[str, Any] = {}
    for name, venue in (("kafka", kafka_venue), ("embedded", embedded_venue)):
        if only not in ("", name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            say(f"{name}: starting")
            async with venue(Path(folder), interpreter) as running:
                found[name] = await Bench(running, seconds, frame).run()
        show_venue(name, found[name])
    return found


def book_figures() -> dict[str, float]:
    """Commands per second of the book alone."""
    say("the book alone, as it is and compiled")
    plain, compiled = per_s(), compiled_per_s()
    return {"book_per_s": plain, "book_compiled_per_s": compiled}


def compiled_interpreter() -> dict[str, str]:
    """Settings of an interpreter that meets the compiled services."""
    say("compiling")
    compile_modules()
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(COMPILED)}


def main() -> None:
    """Measure, print, write the figures."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds per load")
    parser.add_argument("--only", choices=["kafka", "embedded", "book"], default="")
    parser.add_argument("--frame", type=int, default=100, help="commands per frame when as fast as it can")
    parser.add_argument("--plain", action="store_true", help="run the services as they are, not compiled")
    told = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    figures = book_figures() if told.only in ("", "book") else {}
    interpreter = {} if told.plain else compiled_interpreter()
    found = uvloop.run(measure(told.only, 4.0 if told.quick else 10.0, told.frame, interpreter))
    figures |= {key: value for name in found for key, value in figures_of(name, found[name]).items()}
    if "kafka" in found:
        figures["cancel_share_10x"] = figures["kafka_cancel_share_10x"]
    show_figures(figures)
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(
        json.dumps({"figures": figures, "cores": os.cpu_count(), "compiled": not told.plain, "venues": found}, indent=1)
        + "\n"
    )
    console.print(f"written to {FIGURES}")


if __name__ == "__main__":
    main()
