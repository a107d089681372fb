"""Streams of a gateway, live: they go on after every loss, and Ctrl-C ends them."""

import sys
from collections.abc import AsyncIterator

import typer

from services.client import events, show
from services.client.cli.app import Venue, venue_command
from services.client.cli.look import Depth, draw_live
from vigil.v1 import feeds_pb2

watch_app = typer.Typer(no_args_is_help=True, help="Follow what happens; Ctrl-C ends it.")


@venue_command(watch_app, "trades", signs=False)
async def watch_trades(venue: Venue, symbol: str) -> None:
    """Trades of a market."""
    async for trade in venue.client.follow_trades(symbol, warn):
        venue.terminal.line(show.trade_line(trade), show.content_of(trade))


@venue_command(watch_app, "ticker", signs=False)
async def watch_ticker(venue: Venue, symbol: str) -> None:
    """Best prices of a market."""
    async for best in venue.client.follow_ticker(symbol):
        venue.terminal.line(show.ticker_line(best), show.content_of(best))


@venue_command(watch_app, "book", signs=False)
async def watch_book(venue: Venue, symbol: str, depth: Depth = 10) -> None:
    """The book of a market."""
    await draw_live(venue, symbol, depth)


@venue_command(watch_app, "account")
async def watch_account(venue: Venue) -> None:
    """Events of the account; after a gap, the account as it is then."""
    async for change in venue.client.follow_account():
        if change.record is not None:
            await tell(venue, change.record)
        else:
            view = change.mirror.view()
            venue.terminal.draw(show.account_tables(view), {"event": "account", "account": show.content_of(view)})


@venue_command(watch_app, "marks", signs=False)
async def watch_marks(venue: Venue) -> None:
    """Marks, funding steps and changes of all markets."""
    await tell_all(venue, venue.client.follow_marks(warn))


@venue_command(watch_app, "liquidations", signs=False)
async def watch_liquidations(venue: Venue) -> None:
    """Liquidations of all accounts."""
    await tell_all(venue, venue.client.follow_liquidations(warn))


@venue_command(watch_app, "pools", signs=False)
async def watch_pools(venue: Venue) -> None:
    """Openings of lending pools, steps of their ladders, and losses."""
    await tell_all(venue, venue.client.follow_pools(warn))


async def tell_all(venue: Venue, records: AsyncIterator[feeds_pb2.FeedRecord]) -> None:
    """One line per record."""
    async for record in records:
        await tell(venue, record)


async def tell(venue: Venue, record: feeds_pb2.FeedRecord) -> None:
    """One line for one record."""
    line = events.event_line(record, await venue.client.listed())
    venue.terminal.line(line, events.record_json(record))


def warn(text: str) -> None:
    """Say what was missed."""
    sys.stderr.write(f"vigil: some were missed: {text}\n")
