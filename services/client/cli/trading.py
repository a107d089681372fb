"""Open orders, quotes and money: what changes or ends orders, and what moves balances."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from services.client import show
from services.client.cli.app import SubaccountNumber, Venue, duration_ms, venue_command
from services.client.commands import (
    BUY,
    SELL,
    Side,
    cancel_all_command,
    cancel_command,
    deposit_command,
    mass_quote_command,
    open_account_command,
    quote,
    replace_command,
    schedule_cancel_command,
    transfer_command,
    withdraw_command,
)
from services.client.errors import ClientError
from services.core.messages import Cancels
from vigil.v1 import trading_pb2 as pb

trading_app = typer.Typer()
OrderId = Annotated[int, typer.Option(min=0, max=2**64 - 1, help="The venue's number of the order.")]
ClientId = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Your own number for the order.")]
ReceiverNumber = Annotated[int, typer.Option("--to", min=0, max=255, help="Subaccount that gets it.")]


@venue_command(trading_app, "replace")
async def replace(
    venue: Venue,
    symbol: str,
    size: str,
    price: str,
    order_id: OrderId = 0,
    client_id: ClientId = 0,
    subaccount: SubaccountNumber = 0,
) -> None:
    """Give an open order another whole SIZE and PRICE, by --order-id or --client-id; its place stays when only the size falls."""
    command = replace_command(
        symbol, size=size, price=price, order_id=order_id, client_id=client_id, subaccount=subaccount
    )
    await venue.do(f"replace in {symbol}", command, symbol)


@venue_command(trading_app, "cancel")
async def cancel(
    venue: Venue, symbol: str, order_id: OrderId = 0, client_id: ClientId = 0, subaccount: SubaccountNumber = 0
) -> None:
    """Cancel an order by --order-id or --client-id."""
    await venue.do("cancel", cancel_command(symbol, order_id=order_id, client_id=client_id, subaccount=subaccount))


@venue_command(trading_app, "cancel-all")
async def cancel_all(
    venue: Venue,
    symbol: Annotated[str, typer.Argument(help="In this market; in all without.")] = "",
    orders: Annotated[bool, typer.Option("--orders", help="Orders alone.")] = False,  # noqa: FBT002
    triggers: Annotated[bool, typer.Option("--triggers", help="What waits alone.")] = False,  # noqa: FBT002
    subaccount: SubaccountNumber = 0,
) -> None:
    """Cancel every order and all that waits."""
    what = Cancels.ORDERS * orders | Cancels.TRIGGERS * triggers
    command = cancel_all_command(symbol, what=what, subaccount=subaccount)
    await venue.do(f"cancel all {symbol}".rstrip(), command)


@venue_command(trading_app, "schedule-cancel")
async def schedule_cancel(
    venue: Venue,
    after: Annotated[str, typer.Argument(help="Such as 30s, at most 1d; `off` calls it off.")],
    subaccount: SubaccountNumber = 0,
) -> None:
    """Cancel every order after a while, unless the next one of these comes first."""
    at_ms = 0 if after == "off" else duration_ms(after) + await venue.client.now_ms()
    what = "no scheduled cancel" if not at_ms else f"cancel all at {show.clock(at_ms)}"
    await venue.do(what, schedule_cancel_command(at_ms, subaccount=subaccount))


Quotes = Annotated[list[str] | None, typer.Option(help="CLIENT_ID:PRICE:SIZE, as often as needed; size 0 withdraws.")]


@venue_command(trading_app, "quote")
async def set_quotes(
    venue: Venue,
    symbol: str,
    bid: Quotes = None,
    ask: Quotes = None,
    file: Annotated[str, typer.Option(help="Lines of `bid|ask CLIENT_ID PRICE SIZE`; - for the standard input.")] = "",
    subaccount: SubaccountNumber = 0,
) -> None:
    """Place, move and withdraw quotes by client id, all at once."""
    quotes = [quote_of(side, text.split(":")) for side, texts in ((BUY, bid), (SELL, ask)) for text in texts or ()]
    quotes += quotes_of_file(file) if file else []
    if not quotes:
        raise typer.BadParameter("name quotes by --bid, --ask or --file")
    await venue.do(f"{len(quotes)} quotes in {symbol}", mass_quote_command(symbol, quotes, subaccount=subaccount))


def quote_of(side: Side, words: list[str]) -> pb.Quote:
    """One quote of CLIENT_ID, PRICE and SIZE; BadParameter otherwise."""
    if len(words) != 3 or not words[0].isdecimal() or not 0 < int(words[0]) < 2**32:
        raise typer.BadParameter(f"{':'.join(words)} is no quote: write CLIENT_ID:PRICE:SIZE, such as 1:8000:0.1")
    return quote(int(words[0]), side, words[1], words[2])


def quotes_of_file(file: str) -> list[pb.Quote]:
    """Quotes of a file, one per line; empty lines and those that begin with # say nothing. ClientError when there is no such file."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except OSError as error:
        raise ClientError(f"{file} cannot be read: {error.strerror}") from None
    quotes = []
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            if words[0] not in ("bid", "ask"):
                raise typer.BadParameter(f"{line!r}: a quote begins with bid or ask")
            quotes.append(quote_of(BUY if words[0] == "bid" else SELL, words[1:]))
    return quotes


@venue_command(trading_app, "deposit")
async def deposit(venue: Venue, amount: str, asset: str = "USDC", subaccount: SubaccountNumber = 0) -> None:
    """Open the account if need be, and take money from the faucet of a test venue."""
    commands = [open_account_command(), deposit_command(asset, amount, subaccount=subaccount)]
    opened, paid = await venue.client.submit(commands)
    venue.terminal.report("account", opened)
    venue.terminal.report(f"deposit of {amount} {asset}", paid)


@venue_command(trading_app, "withdraw")
async def withdraw(venue: Venue, amount: str, to: str, asset: str = "USDC", subaccount: SubaccountNumber = 0) -> None:
    """Take money out of the venue."""
    await venue.do(f"withdrawal of {amount} {asset}", withdraw_command(asset, amount, to, subaccount=subaccount))


@venue_command(trading_app, "transfer")
async def transfer(
    venue: Venue, amount: str, receiver: ReceiverNumber, asset: str = "USDC", subaccount: SubaccountNumber = 0
) -> None:
    """Move money from --subaccount to subaccount --to of the same account."""
    command = transfer_command(asset, amount, receiver=receiver, subaccount=subaccount)
    await venue.do(f"transfer of {amount} {asset}", command)
