"""Lending pools: all of them in a table, one of them explained with its rate curve, drawn in the terminal and as a picture."""

from io import StringIO
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.client import pool_lines, show
from services.client.cli.app import Venue, venue_command
from services.client.errors import ClientError
from services.client.pool_view import PoolDetail
from services.client.rate_curve import rate_curve

pool_app = typer.Typer()
PICTURE_COLUMNS = 100
Picture = Annotated[Path | None, typer.Option("--picture", help="Write the rate curve to an SVG file.", dir_okay=False)]


@venue_command(pool_app, "pool", signs=False)
async def pool(
    venue: Venue,
    asset: Annotated[str, typer.Argument(help="Such as USDC; all pools without.")] = "",
    picture: Picture = None,
) -> None:
    """Show the lending pools, or one of them: rates, cash, stress, and its rate curve with the point of now."""
    if not asset:
        if picture is not None:
            raise typer.BadParameter("--picture draws the curve of one pool: name its asset")
        pools = await venue.client.pools()
        venue.terminal.draw(pool_lines.pools_table(pools), {"pools": show.content_of(pools)})
        return
    detail = await venue.client.pool(asset)
    venue.terminal.draw(pool_lines.pool_page(detail, venue.terminal.console.width), show.content_of(detail))
    if picture is not None:
        save_curve(detail, picture)
        venue.terminal.line(f"curve written to {picture}", {"picture": str(picture)})


def save_curve(detail: PoolDetail, path: Path) -> None:
    """Write the rate curve as a picture; the same curve gives the same bytes. ClientError when that cannot be done."""
    console = Console(record=True, width=PICTURE_COLUMNS, file=StringIO(), force_terminal=True)
    console.print(rate_curve(detail, PICTURE_COLUMNS))
    try:
        path.write_text(console.export_svg(title=f"rates of the {detail.pool.asset} pool", unique_id="curve"))
    except OSError as error:
        raise ClientError(f"{path} cannot be written: {error.strerror}") from None
