"""Lending: what moves money into pools and out of them, what it does by itself, what it earned, and what may leave."""

from typing import Annotated

import typer

from services.client import pool_lines, show
from services.client.cli.app import SubaccountNumber, Venue, duration_ms, venue_command
from services.client.lending import (
    MODES,
    borrow_command,
    lend_command,
    modes_command,
    redeem_command,
    repay_command,
)
from services.client.views import modes_of
from services.core.messages import MODES_DEFAULT

lending_app = typer.Typer()
Asset = Annotated[str, typer.Argument(help="Such as USDC.")]
SomeOrAll = Annotated[str, typer.Argument(help="Such as 100; `all` for all of it.")]
ALL = "all"


@venue_command(lending_app, "lend")
async def lend(venue: Venue, amount: str, asset: Asset = "USDC", subaccount: SubaccountNumber = 0) -> None:
    """Supply idle money to a lending pool."""
    await venue.do(f"lend {amount} {asset}", lend_command(asset, amount, subaccount=subaccount))


@venue_command(lending_app, "redeem")
async def redeem(venue: Venue, amount: SomeOrAll, asset: Asset = "USDC", subaccount: SubaccountNumber = 0) -> None:
    """Take lent money back, as far as the pool's cash goes."""
    some = None if amount == ALL else amount
    await venue.do(f"redeem {amount} {asset}", redeem_command(asset, some, subaccount=subaccount))


@venue_command(lending_app, "borrow")
async def borrow(venue: Venue, amount: str, asset: Asset = "USDC", subaccount: SubaccountNumber = 0) -> None:
    """Borrow from a lending pool; the interest of its open period is paid at once."""
    await venue.do(f"borrow {amount} {asset}", borrow_command(asset, amount, subaccount=subaccount))


@venue_command(lending_app, "repay")
async def repay(venue: Venue, amount: SomeOrAll, asset: Asset = "USDC", subaccount: SubaccountNumber = 0) -> None:
    """Repay a debt to a lending pool from idle money."""
    some = None if amount == ALL else amount
    await venue.do(f"repay {amount} {asset}", repay_command(asset, some, subaccount=subaccount))


@venue_command(lending_app, "modes")
async def modes(
    venue: Venue,
    changes: Annotated[
        list[str] | None,
        typer.Argument(help=f"MODE=on or MODE=off, of {', '.join(MODES)}; without it, say what they are."),
    ] = None,
    subaccount: SubaccountNumber = 0,
) -> None:
    """Say what a subaccount's money does by itself, or change it: lend what is idle, redeem, borrow, repay, realise profit."""
    asked = dict(map(change_of, changes or ()))
    known = {one.subaccount: one.modes for one in (await venue.client.account()).modes}
    now = known.get(subaccount, modes_of(MODES_DEFAULT))
    if not asked:
        text = "\n".join(f"{name:<8} {'on' if name in now else 'off'}" for name in MODES)
        venue.terminal.line(text, {"subaccount": subaccount, "modes": {name: name in now for name in MODES}})
        return
    wanted = [name for name in MODES if asked.get(name, name in now)]
    await venue.do(f"modes {', '.join(wanted) or 'none'}", modes_command(wanted, subaccount=subaccount))


def change_of(text: str) -> tuple[str, bool]:
    """A mode and whether it shall be on; BadParameter otherwise."""
    name, _, switch = text.partition("=")
    if name not in MODES or switch not in ("on", "off"):
        raise typer.BadParameter(f"{text!r}: write MODE=on or MODE=off; modes are {', '.join(MODES)}")
    return name, switch == "on"


@venue_command(lending_app, "interest")
async def interest(
    venue: Venue,
    since: Annotated[
        str, typer.Option(help="Of the last 30s, 5m, 2h, 1d; without it, as far as the feed is kept.")
    ] = "",
) -> None:
    """State every accrual of interest, and totals by asset."""
    length_ms = duration_ms(since) if since else 0
    since_ms = await venue.client.now_ms() - length_ms if since else 0
    view = await venue.client.interest(max(0, since_ms))
    venue.terminal.draw(pool_lines.interest_page(view), show.content_of(view))


@venue_command(lending_app, "withdrawable")
async def withdrawable(venue: Venue, asset: Asset = "USDC", subaccount: SubaccountNumber = 0) -> None:
    """Say in numbers what may be withdrawn now, what binds it, and when the rest matures."""
    view = await venue.client.withdrawable(asset, subaccount)
    venue.terminal.draw(pool_lines.withdrawable_page(view), show.content_of(view))
