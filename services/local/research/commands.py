"""`vigil research`: experiments on the command line."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.core.process import CannotStart
from services.core.settings import EXIT_CONFIGURATION
from services.local.research.experiment import Experiment, run
from services.local.research.paths import open_path
from services.local.research.pulse import pulse
from services.local.research.pulse_report import report_of
from services.local.venue import BadVenue

MONTH = "btcusdt_binance_spot_1m_2021-11-11_2021-12-11.csv.gz"
"""A month by the minute, with a fall of nine percent within one of them."""

app = typer.Typer(
    help="Experiments: the venue's own machines on a price path, on virtual time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def research() -> None:
    """Experiments: the venue's own machines on a price path, on virtual time."""


@app.command("pulse")
def pulse_command(
    days: Annotated[int, typer.Option(min=1, max=366, help="how much of the path is played")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="of people, and of what the path leaves open")] = 1,
    prices: Annotated[
        str, typer.Option(help="recorded bars: a file, or its name in the folder MARKET_DATA; or `generated`")
    ] = MONTH,
    out: Annotated[Path, typer.Option(help="where pulse.html, .md, .svg and .json are written")] = Path(
        "build/research"
    ),
) -> None:
    """The same month with auto-lend and pulses, and without: income of lenders, cost of losers, utilisation and rates."""
    asked = f"vigil research pulse --days {days} --seed {seed} --prices {Path(prices).name}"
    try:
        experiment = pulse(open_path(prices, seed, days), Path(prices).name, days, seed, asked)
        report = report_of(experiment, watched(experiment))
        written = report.write(out)
    except CannotStart as refused:
        typer.echo(f"research: {refused}", err=True)
        raise typer.Exit(refused.code) from refused
    except (BadVenue, OSError) as error:
        typer.echo(f"research: {error}", err=True)
        raise typer.Exit(EXIT_CONFIGURATION) from error
    typer.echo("\n".join(str(file) for file in written))


def watched(experiment: Experiment) -> dict[str, dict[str, object]]:
    """Run all variants with a progress bar on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(experiment.name, total=experiment.steps * len(experiment.variants))
        return run(experiment, experiment.variants, lambda done: bar.update(task, completed=done))
