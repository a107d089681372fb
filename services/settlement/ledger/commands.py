"""`vigil trial-balance` and `vigil statement`: the ledger's file on the command line.

Exit codes   0 books balance, or lines printed; 1 books do not balance, or the file cannot be read
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from services.settlement.ledger.queries import NoSuchEntry, Queries, TrialBalance, open_queries, unit_text
from services.settlement.ledger.store import LedgerUnusable

trial_balance_app = typer.Typer(help="Sums per machine, asset and book; every asset must sum to zero.")
statement_app = typer.Typer(help="Lines of one subaccount, oldest first.")

LedgerFile = Annotated[Path, typer.Option("--ledger", help="the ledger's SQLite file")]
DEFAULT_FILE = Path("run/ledger.sqlite")


@trial_balance_app.callback(invoke_without_command=True)
def trial_balance(
    ledger: LedgerFile = DEFAULT_FILE,
    entry: Annotated[int, typer.Option(min=0, help="after this entry; 0 for the last")] = 0,
) -> None:
    """Print the trial balance; integers of each asset's decimals, sizes of markets, shares of pools."""
    try:
        found = opened(ledger).trial_balance(entry)
    except NoSuchEntry as error:
        raise failed(str(error)) from error
    print_trial(found)
    wrong = [f"{machine} {unit_text(asset)} {total}" for (machine, asset), total in found.unbalanced().items()]
    if wrong:
        raise failed(f"the books do not balance: {', '.join(wrong)}")
    typer.echo(f"{ledger}: balanced after entry {found.entry}")


@statement_app.callback(invoke_without_command=True, context_settings={"allow_interspersed_args": True})
def statement(
    subaccount: Annotated[int, typer.Argument(help="account * 256 + number")],
    ledger: LedgerFile = DEFAULT_FILE,
    after: Annotated[int, typer.Option(min=0, help="lines of later entries only")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="most lines")] = 100,
) -> None:
    """Print the statement of a subaccount."""
    for line in opened(ledger).statement(subaccount, after, limit):
        at = datetime.fromtimestamp(line.at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        where = f"{line.book.name.lower()}{f' {line.market}' if line.market else ''}"
        typer.echo(f"{line.entry:>10}  {at}  {line.kind:<14} {where:<12} {unit_text(line.asset):<24} {line.amount:>22}")


def opened(ledger: Path) -> Queries:
    """Open the file, or end."""
    try:
        return open_queries(ledger)
    except LedgerUnusable as error:
        raise failed(str(error)) from error


def failed(text: str) -> typer.Exit:
    """Say what is wrong; the exit to raise."""
    typer.echo(f"ledger: {text}", err=True)
    return typer.Exit(1)


def print_trial(found: TrialBalance) -> None:
    """Print lines and totals."""
    for line in found.lines:
        typer.echo(f"{line.machine:<18} {unit_text(line.asset):<24} {line.book.name:<10} {line.amount:>26}")
    for asset, books in sorted(found.totals().items()):
        typer.echo(f"{'all machines':<18} {unit_text(asset):<24} {'':<10} {sum(books.values()):>26}")
