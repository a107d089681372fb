"""The command line of the local venue: `python -m services.local`, and the `vigil` commands that read a ledger."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from services.core.process import CannotStart
from services.local.run import Options, Setup, log_to, run
from services.local.single_process import Addresses
from services.local.venue import MARKETS_FILE

app = typer.Typer(
    help="The venue on this machine.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def main() -> None:
    """Keep `run` a word of its own, however many commands there are."""


UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(text: str) -> int:
    """Read `90s`, `30m`, `2h` or `1d`; seconds without a unit."""
    match = re.fullmatch(r"(\d+)([smhd]?)", text)
    if match is None or int(match[1]) == 0:
        raise typer.BadParameter("write it as 90s, 30m, 2h or 1d")
    return int(match[1]) * UNITS_MS[match[2] or "s"]


def time_ms(text: str) -> int:
    """Read `2020-03-12T10:30`, UTC."""
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)
    except ValueError as error:
        raise typer.BadParameter("write it as 2020-03-12T10:30, UTC") from error


@app.command("run")
def run_command(
    speed: Annotated[
        int, typer.Option(min=0, max=100_000, help="times as fast as real time; 0: as fast as it can")
    ] = 60,
    scenario: Annotated[str, typer.Option(help="scripted prices")] = "march-2020",
    recorded: Annotated[str, typer.Option(help="recorded prices instead: a CSV file, maybe gzip")] = "",
    participants: Annotated[int, typer.Option(min=0, max=1_000, help="clients that trade")] = 12,
    folder: Annotated[Path, typer.Option("--dir", help="where log, snapshots and ledger are kept")] = Path("run"),
    seed: Annotated[int, typer.Option(min=0, help="of prices and participants")] = 1,
    risk_partitions: Annotated[int, typer.Option(min=1, max=64, help="shards of accounts")] = 1,
    duration: Annotated[str, typer.Option(help="simulated time after which it ends: 30m, 2h")] = "",
    begin: Annotated[str, typer.Option(help="simulated time at which a new folder begins: 2020-03-12T10:30")] = "",
    markets: Annotated[Path, typer.Option(help="what the venue lists")] = MARKETS_FILE,
    grpc: Annotated[str, typer.Option(help="address for clients")] = "127.0.0.1:50051",
    queries: Annotated[str, typer.Option(help="address of the machines' queries")] = "127.0.0.1:50061",
    metrics: Annotated[str, typer.Option(help="address of the metrics")] = "127.0.0.1:9464",
    *,
    headless: Annotated[bool, typer.Option("--headless", help="plain lines instead of the dashboard")] = False,
) -> None:
    """Run the exchange in one process on an embedded log, with prices and participants; it goes on where it stopped."""
    options = Options(
        setup=Setup("" if recorded else scenario, recorded, seed, risk_partitions),
        folder=folder,
        markets=markets,
        speed=speed,
        participants=participants,
        headless=headless,
        duration_ms=duration_ms(duration) if duration else None,
        begins_ms=time_ms(begin) if begin else None,
        addresses=Addresses(grpc, queries, metrics),
    )
    end_with(options)


def end_with(options: Options) -> None:
    """Run; what cannot be done is one line and an exit code."""
    stream = log_to(options.folder, quiet=not options.headless)
    try:
        uvloop.run(run(options))
    except CannotStart as refused:
        typer.echo(f"run: {refused}", err=True)
        raise typer.Exit(refused.code) from refused
    finally:
        if stream is not None:
            stream.close()
