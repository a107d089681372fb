"""What waits: TWAPs, and the triggers that `vigil order` leaves."""

from typing import Annotated, Literal

import typer

from services.client import show
from services.client.cli.app import SubaccountNumber, Venue, duration_ms, venue_command
from services.client.cli.order_terms import SIDES, part_of
from services.client.waiting import cancel_trigger_command, twap_command

waiting_app = typer.Typer()
SideName = Annotated[Literal["buy", "sell"], typer.Argument()]
ClientId = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Your own number for it.")]


@venue_command(waiting_app, "twap")
async def twap(
    venue: Venue,
    side: SideName,
    symbol: str,
    size: str,
    duration: Annotated[str, typer.Option("--for", help="In all: 5m to 1d.")] = "30m",
    every: Annotated[str, typer.Option(help="Between slices: 30s to 1h, a part of --for.")] = "1m",
    tolerance: Annotated[str, typer.Option(help="How far from the mark a slice may trade: 0.5% or 0.005.")] = "0.5%",
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Only towards zero.")] = False,  # noqa: FBT002
    client_id: ClientId = 0,
    subaccount: SubaccountNumber = 0,
) -> None:
    """Trade SIZE in equal slices over a while; what one could not trade is added to the next ones."""
    command = twap_command(
        symbol,
        SIDES[side],
        size=size,
        duration_ms=duration_ms(duration),
        interval_ms=duration_ms(every),
        tolerance=part_of(tolerance, "--tolerance"),
        client_id=client_id,
        reduce_only=reduce_only,
        subaccount=subaccount,
    )
    await venue.do(f"twap {side} {size} {symbol}", command, symbol)


@venue_command(waiting_app, "triggers")
async def triggers(
    venue: Venue,
    symbol: Annotated[str, typer.Argument(help="Of this market; of all without.")] = "",
    subaccount: SubaccountNumber = 0,
) -> None:
    """Show what waits: stops, take-profits, trailing stops, TWAPs."""
    waiting = await venue.client.triggers(symbol, subaccount)
    now_ms = await venue.client.now_ms()
    venue.terminal.draw(show.triggers_table(waiting, now_ms), {"triggers": show.content_of(waiting)})


@venue_command(waiting_app, "cancel-trigger")
async def cancel_trigger(
    venue: Venue,
    symbol: str,
    trigger_id: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="As `vigil triggers` shows it.")] = 0,
    client_id: ClientId = 0,
    subaccount: SubaccountNumber = 0,
) -> None:
    """Cancel what waits, by --trigger-id or --client-id."""
    command = cancel_trigger_command(symbol, trigger_id=trigger_id, client_id=client_id, subaccount=subaccount)
    await venue.do("cancel trigger", command)
