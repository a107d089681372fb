"""The command line of the local venue: `python -m services.local`, and the `vigil` commands that read a ledger."""

import re
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from services.core.process import CannotStart
from services.core.settings import EXIT_CONFIGURATION, check_address
from services.local.development import write_admin_keys
from services.local.init_venue import init_venue
from services.local.participants import Crowd, Mix, NoSuchMarket, trade
from services.local.research.commands import app as research_app
from services.local.run import Options, Setup, log_to, run
from services.local.single_process import Addresses
from services.local.venue import MARKETS_FILE

app = typer.Typer(
    help="The venue on this machine.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
app.add_typer(research_app, name="research")

SPEED = 60
VENUES = "binance,coinbase,kraken,bitstamp"
UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(text: str) -> int:
    """Read `90s`, `30m`, `2h` or `1d`; seconds without a unit."""
    match = re.fullmatch(r"(\d+)([smhd]?)", text)
    if match is None or int(match[1]) == 0:
        raise typer.BadParameter("write it as 90s, 30m, 2h or 1d")
    return int(match[1]) * UNITS_MS[match[2] or "s"]


def address(text: str) -> str:
    """Check `host:port`."""
    try:
        check_address(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return text


def time_ms(text: str) -> int:
    """Read `2020-03-12T10:30`, UTC."""
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)
    except ValueError as error:
        raise typer.BadParameter("write it as 2020-03-12T10:30, UTC") from error


@app.command("run")
def run_command(
    speed: Annotated[
        int | None,
        typer.Option(min=0, max=100_000, help="times as fast as real time, 60 unless said; 0: as fast as it can"),
    ] = None,
    scenario: Annotated[str, typer.Option(help="scripted prices")] = "march-2020",
    recorded: Annotated[
        str, typer.Option(help="recorded prices instead: a CSV file of BTC_USD, maybe gzip, or INDEX=file by commas")
    ] = "",
    venues: Annotated[str, typer.Option(help="with --live: venues by their ccxt names, each one source")] = VENUES,
    misbehave: Annotated[
        str, typer.Option(help="drill: source:kind@seconds+seconds, a kind of dies, lies, freezes, back-in-time")
    ] = "",
    participants: Annotated[int, typer.Option(min=0, max=1_000, help="clients that trade")] = 12,
    folder: Annotated[Path, typer.Option("--dir", help="where log, snapshots and ledger are kept")] = Path("run"),
    seed: Annotated[int, typer.Option(min=0, help="of prices and participants")] = 1,
    risk_partitions: Annotated[int, typer.Option(min=1, max=64, help="shards of accounts")] = 1,
    duration: Annotated[str, typer.Option(help="simulated time after which it ends: 30m, 2h")] = "",
    begin: Annotated[str, typer.Option(help="simulated time at which a new folder begins: 2020-03-12T10:30")] = "",
    markets: Annotated[Path, typer.Option(help="what the venue lists")] = MARKETS_FILE,
    grpc: Annotated[str, typer.Option(callback=address, help="address for clients")] = "127.0.0.1:50051",
    admin: Annotated[str, typer.Option(callback=address, help="address for admins")] = "127.0.0.1:50052",
    queries: Annotated[
        str, typer.Option(callback=address, help="address of the machines' queries")
    ] = "127.0.0.1:50061",
    metrics: Annotated[str, typer.Option(callback=address, help="address of the metrics")] = "127.0.0.1:9464",
    picture: Annotated[Path | None, typer.Option(help="SVG file: the dashboard as it is at the end")] = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="prices of live venues, in real time; needs a network")] = False,
    headless: Annotated[bool, typer.Option("--headless", help="plain lines instead of the dashboard")] = False,
) -> None:
    """Run the exchange in one process on an embedded log, with prices and participants; it goes on where it stopped."""
    if live and (recorded or speed is not None or begin):
        raise typer.BadParameter("live prices take real time: leave --recorded, --speed and --begin away")
    options = Options(
        setup=Setup("" if recorded or live else scenario, recorded, seed, risk_partitions, venues if live else ""),
        folder=folder,
        markets=markets,
        speed=SPEED if speed is None else speed,
        participants=participants,
        headless=headless,
        duration_ms=duration_ms(duration) if duration else None,
        begins_ms=time_ms(begin) if begin else None,
        addresses=Addresses(grpc, queries, metrics, admin),
        misbehave=misbehave,
        picture=picture,
    )
    end_with("run", run(options), folder, quiet=headless)


@app.command("run-kafka")
def run_kafka_command(
    speed: Annotated[int, typer.Option(min=1, max=100_000, help="how fast prices are played; time is real")] = 1,
    scenario: Annotated[str, typer.Option(help="scripted prices")] = "march-2020",
    recorded: Annotated[
        str, typer.Option(help="recorded prices instead: a CSV file of BTC_USD, maybe gzip, or INDEX=file by commas")
    ] = "",
    venues: Annotated[str, typer.Option(help="with --live: venues by their ccxt names, each one source")] = VENUES,
    participants: Annotated[int, typer.Option(min=0, max=1_000, help="clients that trade")] = 12,
    folder: Annotated[Path, typer.Option("--dir", help="where snapshots, ledger and logs are kept")] = Path(
        "run-kafka"
    ),
    seed: Annotated[int, typer.Option(min=0, help="of prices and participants")] = 1,
    risk_partitions: Annotated[int, typer.Option(min=1, max=64, help="shards of accounts")] = 1,
    replicas: Annotated[int, typer.Option(min=1, max=5, help="copies of each topic")] = 1,
    broker_port: Annotated[int, typer.Option(help="of our own broker; VIGIL_KAFKA names another")] = 19192,
    queries_port: Annotated[int, typer.Option(help="first of those for the queries of each process")] = 50061,
    metrics_port: Annotated[int, typer.Option(help="first of those for their metrics")] = 9465,
    markets: Annotated[Path, typer.Option(help="what the venue lists")] = MARKETS_FILE,
    grpc: Annotated[str, typer.Option(callback=address, help="address for clients")] = "127.0.0.1:50051",
    admin: Annotated[str, typer.Option(callback=address, help="address for admins")] = "127.0.0.1:50052",
    *,
    live: Annotated[bool, typer.Option("--live", help="prices of live venues; needs a network")] = False,
    headless: Annotated[bool, typer.Option("--headless", help="plain lines instead of the dashboard")] = False,
) -> None:
    """Run every service as a process on a real Kafka broker; a process that dies is started again."""
    if live and recorded:
        raise typer.BadParameter("live prices come from no file: leave --recorded away")
    from services.local.run_kafka import KafkaOptions, run_kafka  # noqa: PLC0415 - needs the extra `kafka`

    options = KafkaOptions(
        folder=folder,
        markets=markets,
        scenario=scenario,
        recorded=recorded,
        seed=seed,
        speed=speed,
        participants=participants,
        risk_partitions=risk_partitions,
        live=venues if live else "",
        replicas=replicas,
        broker_port=broker_port,
        queries_port=queries_port,
        metrics_port=metrics_port,
        gateway=grpc,
        admin=admin,
        headless=headless,
    )
    end_with("run-kafka", run_kafka(options), folder, quiet=headless)


@app.command("init-venue")
def init_venue_command(
    kafka: Annotated[str, typer.Option(envvar="VIGIL_KAFKA", help="bootstrap address of the broker")] = "",
    log_file: Annotated[Path | None, typer.Option(help="SQLite file of an embedded log instead")] = None,
    markets: Annotated[Path, typer.Option(help="what the venue lists")] = MARKETS_FILE,
    risk_partitions: Annotated[int, typer.Option(min=1, max=64, help="shards of accounts")] = 1,
    replicas: Annotated[int, typer.Option(min=1, max=5, help="copies of each topic")] = 1,
    wait: Annotated[int, typer.Option(min=0, help="seconds to wait for settlement; 0 lists no markets yet")] = 60,
) -> None:
    """Create topics, Genesis, assets, funds and markets; what is there already is left alone, so it may be repeated."""
    work = init_venue(kafka, log_file, markets, risk_partitions, replicas, wait)
    end_with("init-venue", work, Path(), quiet=True)


@app.command("participants")
def participants_command(
    gateway: Annotated[str, typer.Option(callback=address, help="address of a gateway")] = "127.0.0.1:50051",
    count: Annotated[int, typer.Option(min=1, max=10_000, help="how many, in the usual mix")] = 12,
    makers: Annotated[
        int | None, typer.Option(min=0, max=10_000, help="exactly so many makers, and of the others")
    ] = None,
    takers: Annotated[int | None, typer.Option(min=0, max=10_000, help="exactly so many takers")] = None,
    arbitrageurs: Annotated[int | None, typer.Option(min=0, max=10_000, help="exactly so many arbitrageurs")] = None,
    markets: Annotated[str, typer.Option(help="in these alone: BTC_USDC,BTC_USDC_PERP; all without a name")] = "",
    rate: Annotated[float, typer.Option(min=0.001, max=1_000, help="times as often as usual")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="of their keys and whims")] = 1,
) -> None:
    """Trade at a running venue until stopped, as `run` and `run-kafka` have it done."""
    symbols = [symbol.strip() for symbol in markets.split(",") if symbol.strip()]
    mix = mix_of(count, makers, takers, arbitrageurs)
    end_with("participants", trade_until_stopped(gateway, mix, seed, symbols, rate), Path(), quiet=True)


def mix_of(count: int, makers: int | None, takers: int | None, arbitrageurs: int | None) -> Mix:
    """The usual mix of so many, unless a kind is counted: then exactly those."""
    if makers is None and takers is None and arbitrageurs is None:
        return Mix.usual(count)
    return Mix(makers or 0, takers or 0, arbitrageurs or 0)


async def trade_until_stopped(gateway: str, mix: Mix, seed: int, markets: list[str], rate: float) -> None:
    """Trade at a venue; raises CannotStart for a market that it does not list."""
    try:
        await trade(Crowd(gateway, mix, seed, markets, rate))
    except NoSuchMarket as error:
        raise CannotStart(f"--markets: {error}", EXIT_CONFIGURATION) from error


@app.command("admin-keys")
def admin_keys_command(
    folder: Annotated[Path, typer.Option("--dir", help="where admin-1.key and admin-2.key are written")] = Path("run"),
) -> None:
    """Write the admin keys of a venue for development, which everybody can; `vigil admin` signs with them."""
    try:
        files = write_admin_keys(folder)
    except OSError as error:
        typer.echo(f"admin-keys: --dir {folder}: {error}", err=True)
        raise typer.Exit(EXIT_CONFIGURATION) from error
    typer.echo("\n".join(str(file) for file in files))


def end_with(name: str, work: Coroutine[Any, Any, None], folder: Path, *, quiet: bool) -> None:
    """Do the work on uvloop; what cannot be done is one line and an exit code. With `quiet` logs go to standard error."""
    stream = log_to(folder, quiet=quiet)
    try:
        uvloop.run(work)
    except CannotStart as refused:
        typer.echo(f"{name}: {refused}", err=True)
        raise typer.Exit(refused.code) from refused
    finally:
        if stream is not None:
            stream.close()
