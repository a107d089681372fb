"""Margin: what an account has and needs, how large an order could be, and what its owner bounds and protects."""

from typing import Annotated, Literal

import typer

from services.client import margin_lines, show
from services.client.cli.app import SubaccountNumber, Venue, duration_ms, venue_command
from services.client.cli.order_terms import SIDES
from services.client.waiting import leverage_command, protection_command, reset_protection_command

margin_app = typer.Typer()


@venue_command(margin_app, "margin")
async def margin(venue: Venue, subaccount: SubaccountNumber = 0) -> None:
    """Explain margin line by line: what assets count, what positions and orders need, what binds, what may be withdrawn."""
    view = await venue.client.margin(subaccount)
    unit = (await venue.client.listed()).unit_of_account
    content = {"unit_of_account": unit, **show.content_of(view)}
    venue.terminal.draw(margin_lines.margin_page(view, unit), content)


@venue_command(margin_app, "max-size")
async def max_size(
    venue: Venue,
    side: Annotated[Literal["buy", "sell"], typer.Argument()],
    symbol: str,
    price: Annotated[str, typer.Option(help="Limit; without it a market order.")] = "",
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Only towards zero.")] = False,  # noqa: FBT002
    subaccount: SubaccountNumber = 0,
) -> None:
    """Say how large an order could be now, and what bounds it."""
    found = await venue.client.max_order_size(
        symbol, SIDES[side], price=price or None, reduce_only=reduce_only, subaccount=subaccount
    )
    venue.terminal.line(margin_lines.max_size_line(side, found), {"side": side, **show.content_of(found)})


@venue_command(margin_app, "leverage")
async def leverage(
    venue: Venue,
    limit: Annotated[
        str, typer.Argument(help="1 to 100; `off` leaves it to the markets; without it, say what it is.")
    ] = "",
    subaccount: SubaccountNumber = 0,
) -> None:
    """Bound the leverage of a subaccount, or say how it is bounded."""
    if not limit:
        limits = {one.subaccount: one.leverage_max for one in (await venue.client.account()).leverages}
        known = limits.get(subaccount, 0)
        content = {"subaccount": subaccount, "leverage_max": known}
        venue.terminal.line(f"leverage at most {known}" if known else "leverage as the markets allow", content)
        return
    if limit != "off" and not (limit.isascii() and limit.isdecimal() and 0 < int(limit) <= 100):
        raise typer.BadParameter(f"leverage {limit!r}: a whole number from 1 to 100 is accepted, or `off`")
    command = leverage_command(0 if limit == "off" else int(limit), subaccount=subaccount)
    await venue.do(f"leverage {limit}", command)


@venue_command(margin_app, "protect")
async def protect(
    venue: Venue,
    symbol: str,
    interval: Annotated[str, typer.Option(help="Within: 500ms, 1s, 1m from a first fill on; `off` ends it.")] = "1s",
    quantity: Annotated[str, typer.Option(help="Most that quotes may trade, bought and sold together.")] = "",
    delta: Annotated[str, typer.Option(help="Most that they may trade net.")] = "",
    frozen: Annotated[str, typer.Option(help="No quotes for so long after a trip; without it until --reset.")] = "",
    reset: Annotated[bool, typer.Option("--reset", help="Take quotes again after a trip.")] = False,  # noqa: FBT002
    subaccount: SubaccountNumber = 0,
) -> None:
    """Cancel all quotes in a market when they have traded too much within an interval."""
    is_off = interval == "off"
    if reset and (is_off or quantity or delta or frozen):
        raise typer.BadParameter("--reset stands alone: limits stay as they are")
    if not reset and is_off == bool(quantity or delta):
        raise typer.BadParameter("give --quantity, --delta or both, or --interval off, or --reset")
    command = (
        reset_protection_command(symbol, subaccount=subaccount)
        if reset
        else protection_command(
            symbol,
            interval_ms=0 if is_off else duration_ms(interval),
            quantity_max=quantity or None,
            delta_max=delta or None,
            frozen_ms=duration_ms(frozen) if frozen else 0,
            subaccount=subaccount,
        )
    )
    await venue.do(f"protection in {symbol}", command)


@venue_command(margin_app, "collateral", signs=False)
async def collateral(venue: Venue) -> None:
    """Show what assets are worth as margin."""
    terms = await venue.client.collateral()
    unit = (await venue.client.listed()).unit_of_account
    venue.terminal.draw(show.collateral_table(terms, unit), {"collateral": show.content_of(terms)})
