"""The whole venue in one process on the embedded log in real time: `python -m bench.embedded FOLDER ADDRESS PRICES`."""

import asyncio
import sys
from pathlib import Path

import uvloop

from services.core.memory_log import wall_clock_ms
from services.core.process import stop_on_signals, tune_collector
from services.core.telemetry import configure_logs
from services.local.single_process import Addresses, SingleProcess
from services.local.venue import MARKETS_FILE, read_venue
from services.oracle.path import Played
from services.oracle.recorded import read_recording

LOOK_SECONDS = 0.02
ANY_PORT = "127.0.0.1:0"


async def serve(folder: Path, address: str, prices: Path) -> None:
    """Serve until SIGTERM, or until a part fails."""
    stop = stop_on_signals()
    path = Played(read_recording(prices, seed=1), wall_clock_ms(), speed=1)
    addresses = Addresses(address, ANY_PORT, ANY_PORT)
    venue = SingleProcess(folder, read_venue(MARKETS_FILE), wall_clock_ms, path, 1, addresses)
    try:
        await venue.start()
        while not stop.is_set() and venue.failure() is None:
            await venue.publish_prices()
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await venue.stop()


def main() -> None:
    """Serve what the arguments say."""
    tune_collector()
    configure_logs("warning", "console")
    folder, address, prices = sys.argv[1:]
    uvloop.run(serve(Path(folder), address, Path(prices)))


if __name__ == "__main__":
    main()
