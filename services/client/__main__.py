"""The `vigil` command; sub-commands of other packages join through the entry-point group `vigil.commands`."""

import os
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

import typer

from services.client.cli.admin import admin_app
from services.client.cli.feed import feed_app
from services.client.cli.keys import keys_app
from services.client.cli.lending import lending_app
from services.client.cli.look import look_app
from services.client.cli.margin import margin_app
from services.client.cli.order import batch_app, order_app
from services.client.cli.points import points_app
from services.client.cli.pool import pool_app
from services.client.cli.trading import trading_app
from services.client.cli.waiting import waiting_app
from services.client.cli.watch import watch_app

GROUP = "vigil.commands"

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Trade at a Vigil venue.", rich_markup_mode=None)
app.add_typer(keys_app, name="keys")
app.add_typer(order_app, name="order")
app.add_typer(batch_app)
app.add_typer(waiting_app)
app.add_typer(trading_app)
app.add_typer(margin_app)
app.add_typer(lending_app)
app.add_typer(pool_app)
app.add_typer(points_app)
app.add_typer(look_app)
app.add_typer(watch_app, name="watch")
app.add_typer(feed_app)
app.add_typer(admin_app, name="admin")


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    join(app, entry_points(group=GROUP))
    app()


def join(to: typer.Typer, entries: Iterable[EntryPoint]) -> None:
    """Add sub-commands of other packages: each entry point names a typer.Typer."""
    for entry in entries:
        to.add_typer(entry.load(), name=entry.name)


if __name__ == "__main__":
    main()
