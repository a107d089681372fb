"""A thousand markets of one file against ten: time to start, memory, and how long an order waits for its answer.

    python -m bench.listings [--quick]

Each venue is a process of its own with all services and the client in it, on the embedded log, plain. Every market has an index of its own,
which three sources see move. It has started when the gateway serves and all markets have marks; orders go to all markets in turn.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import monotonic

import uvloop
from rich.console import Console
from rich.table import Table

from bench.margin import resident
from bench.venues import MID, write_prices
from deploy.compiled import ROOT
from deploy.kafka.broker import free_ports
from services.client.vigil import Vigil
from services.core.keys import SigningKey
from services.core.memory_log import wall_clock_ms
from services.core.process import tune_collector
from services.core.telemetry import configure_logs
from services.local.single_process import Addresses, SingleProcess
from services.local.venue import MARKETS_FILE, read_venue
from services.oracle.path import Played
from services.oracle.publisher import Oracle, PathFeed
from services.oracle.recorded import read_recording
from services.oracle.sources import declared_sources
from vigil.v1 import common_pb2

FIGURES = ROOT / "build" / "bench" / "listings.json"
FEW, MANY, QUICK = 10, 1_000, 100
ORDERS = 400
LOOK_SECONDS = 0.1
START_SECONDS_MAX = 300.0
FIRST_TABLE = "[[market]]"
TABLE = """
[[market]]
id = {id}
form = "perpetual"
symbol = "{symbol}"
index = "{index}"
price_decimals = 2
size_decimals = 5
tick = "0.1"
lot = "0.00001"
price_max = "1000000"
order_size_max = "100"
position_max = "1000"
owner_position_max = "2000"
open_interest_max = "4000"
initial_margin_fraction = "0.02"
initial_margin_factor = "0.00002494"
maintenance_margin_fraction = "0.0125"
maintenance_margin_factor = "0.00001496"
"""

Figures = dict[str, float]
console = Console(highlight=False, width=140)


def symbols(count: int) -> list[str]:
    """Symbols of so many markets; the first is bitcoin's, which the recording is of."""
    return ["BTC_USDC_PERP", *(f"C{number:04}_USDC_PERP" for number in range(1, count))]


def markets_file(folder: Path, count: int) -> Path:
    """Write the venue's file with so many markets instead of its own."""
    head, _markets = MARKETS_FILE.read_text().split(FIRST_TABLE, 1)
    tables = [
        TABLE.format(id=number + 1, symbol=symbol, index=f"{symbol.split('_')[0]}_USD")
        for number, symbol in enumerate(symbols(count))
    ]
    file = folder / "markets.toml"
    file.write_text(head + "".join(tables))
    return file


@asynccontextmanager
async def running(folder: Path, count: int) -> AsyncIterator[str]:
    """A venue with so many markets whose prices move, for the length of a block; its gateway's address."""
    gateway, queries, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
    path = Played(read_recording(write_prices(folder), seed=1), wall_clock_ms(), speed=1)
    listed = read_venue(markets_file(folder, count))
    venue = SingleProcess(folder, listed, wall_clock_ms, None, 1, Addresses(gateway, queries, metrics))
    feeds = [PathFeed(path, index, declared_sources(1)) for index in listed.indices]
    venue.oracle = Oracle(venue.home, feeds, venue.partitions("funding"))

    async def publish() -> None:
        """Let the sources see prices."""
        while venue.failure() is None:
            await venue.publish_prices()
            await asyncio.sleep(LOOK_SECONDS)

    publishing = asyncio.create_task(asyncio.sleep(0))
    try:
        await venue.start()
        publishing = asyncio.create_task(publish())
        yield gateway
    finally:
        publishing.cancel()
        await venue.stop()


async def until_marked(client: Vigil, count: int) -> None:
    """Wait until every market has a mark."""
    until_s = monotonic() + START_SECONDS_MAX
    while len(await client.marks()) < count:
        if monotonic() > until_s:
            raise TimeoutError(f"not all of {count} markets had marks within {START_SECONDS_MAX:g} s")
        await asyncio.sleep(LOOK_SECONDS)


async def order_ms(client: Vigil, symbol: str, number: int) -> float:
    """Milliseconds from an order to its answer; it is taken back then. RuntimeError when it is refused."""
    began = monotonic()
    result = await client.place(
        symbol, common_pb2.SIDE_BID, price=str(MID * 98 // 100), size="0.01", client_id=number + 1
    )
    took = 1_000 * (monotonic() - began)
    if not result.open_size:
        raise RuntimeError(f"order {number} in {symbol}: {result}")
    await client.cancel(symbol, client_id=number + 1)
    return took


async def measured(folder: Path, count: int) -> Figures:
    """Start a venue with so many markets, and trade in all of them."""
    before, began = resident(), monotonic()
    async with (
        running(folder, count) as address,
        Vigil(address, SigningKey(random.Random("listings").randbytes(32))) as client,
    ):
        await until_marked(client, count)
        started = monotonic() - began
        gc.collect()
        memory = resident() - before
        await client.open_account()
        await client.deposit("USDC", "1000000")
        names = symbols(count)
        times = sorted([await order_ms(client, names[number * 7 % count], number) for number in range(ORDERS)])
    return {
        "markets": count,
        "start_s": started,
        "memory_mb": memory / 2**20,
        "order_p50_ms": median(times),
        "order_p99_ms": times[len(times) * 99 // 100],
        "load": os.getloadavg()[0],
    }


def elsewhere(count: int) -> Figures:
    """Measure in a process of its own."""
    console.print(f"[dim]{count:,} markets[/dim]")
    command = [sys.executable, "-m", "bench.listings", "--count", str(count)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S603 - ourselves
    figures: Figures = json.loads(done.stdout)
    return figures


def main() -> None:
    """Measure, print, write the figures."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} markets instead of {MANY:,}")
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.count:
        tune_collector()
        configure_logs("warning", "console")
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(json.dumps(uvloop.run(measured(Path(folder), told.count))))
        return
    few, many = elsewhere(FEW), elsewhere(QUICK if told.quick else MANY)
    table = Table("figure", f"{few['markets']:,} markets", f"{many['markets']:,} markets", "ratio")
    names = ("start_s", "memory_mb", "order_p50_ms", "order_p99_ms")
    ratios = {f"{name}_ratio": many[name] / few[name] for name in names}
    for name in names:
        table.add_row(name, f"{few[name]:,.4g}", f"{many[name]:,.4g}", f"{ratios[f'{name}_ratio']:.3g}")
    console.print(table)
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps({"few": few, "many": many, "ratios": ratios}, indent=1) + "\n")
    console.print(f"written to {FIGURES}")


if __name__ == "__main__":
    main()
