"""Questions: the account, books, markets, what became of a command."""

from typing import Annotated

import typer
from rich.live import Live

from services.client import show
from services.client.cli.app import Venue, venue_command
from services.client.submission import Outcome, Result, Ticket

look_app = typer.Typer()
WIDE = 130
"""Columns that all figures of a market need."""
Depth = Annotated[int, typer.Option(min=1, max=1_000, help="Levels per side.")]


@venue_command(look_app, "account")
async def account(venue: Venue) -> None:
    """Show balances, positions, orders and margin."""
    view = await venue.client.account()
    venue.terminal.draw(show.account_tables(view), show.content_of(view))


@venue_command(look_app, "positions")
async def positions(venue: Venue) -> None:
    """Show positions."""
    view = await venue.client.account()
    venue.terminal.draw(show.positions_table(view.positions), {"positions": show.content_of(view.positions)})


@venue_command(look_app, "orders")
async def orders(
    venue: Venue, symbol: Annotated[str, typer.Argument(help="Of this market; of all without.")] = ""
) -> None:
    """Show open orders."""
    view = await venue.client.account()
    wanted = tuple(one for one in view.orders if symbol in ("", one.symbol))
    venue.terminal.draw(show.orders_table(wanted), {"orders": show.content_of(wanted)})


@venue_command(look_app, "markets", signs=False)
async def markets(venue: Venue) -> None:
    """Show the markets, their kinds, states, marks, time left, and fees where there is room for them."""
    listed = await venue.client.listed()
    marks = {one.symbol: one for one in await venue.client.marks()}
    found = [listed.market(symbol) for symbol in listed.by_symbol]
    content = [{**show.content_of(one), "mark": show.content_of(marks.get(one.symbol))} for one in found]
    wide = venue.terminal.console.width >= WIDE
    venue.terminal.draw(show.markets_table(found, marks, await venue.client.now_ms(), wide=wide), {"markets": content})


@venue_command(look_app, "book", signs=False)
async def book(
    venue: Venue,
    symbol: str,
    depth: Depth = 10,
    watch: Annotated[bool, typer.Option("--watch", help="Live, until Ctrl-C.")] = False,  # noqa: FBT002
) -> None:
    """Show the best levels of a market."""
    if watch:
        await draw_live(venue, symbol, depth)
        return
    view = await venue.client.book(symbol, depth)
    venue.terminal.draw(show.book_table(view, depth), show.content_of(view))


async def draw_live(venue: Venue, symbol: str, depth: int) -> None:
    """The book of a market, drawn anew after each change; one table after the other where nothing can be drawn over."""
    terminal = venue.terminal
    if terminal.as_json or not terminal.console.is_terminal:
        async for view in venue.client.follow_book(symbol):
            terminal.draw(show.book_table(view, depth), show.content_of(view))
        return
    with Live(console=terminal.console, screen=False, auto_refresh=True) as live:
        async for view in venue.client.follow_book(symbol):
            live.update(show.book_table(view, depth))


@venue_command(look_app, "time", signs=False)
async def time(venue: Venue) -> None:
    """Show the venue's name and clock."""
    now_ms, name = await venue.client.now_ms(), await venue.client.venue_name()
    venue.terminal.line(f"{name}: {show.clock(now_ms)} UTC", {"venue": name, "now_ms": now_ms})


@venue_command(look_app, "result")
async def result(
    venue: Venue,
    command_id: Annotated[int, typer.Argument(min=1, max=2**64 - 1)],
    timestamp: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of its frame, ms.")],
    window: Annotated[int, typer.Option(min=1, max=60_000, help="Of its frame, ms.")] = 5_000,
    faucet: Annotated[bool, typer.Option("--faucet", help="It was a deposit.")] = False,  # noqa: FBT002
) -> None:
    """Say what became of a command."""
    ticket = Ticket(command_id, timestamp, window, faucet)
    known = await venue.client.result(ticket)
    venue.terminal.report(str(ticket), known or Result(ticket, Outcome.UNKNOWN))
