"""`vigil order` and `vigil batch`: orders that act at once, wait for a price, or leave exits behind."""

import sys
from pathlib import Path
from typing import Annotated, Literal, cast

import msgspec
import typer

from services.client.cli.app import SubaccountNumber, Venue, venue_command
from services.client.cli.order_terms import SELF_TRADES, TRIGGER_BYS, OrderTerms, command_of
from services.client.errors import ClientError
from services.core.fixed import Milliseconds
from vigil.v1 import trading_pb2 as pb

BATCH_MAX = 50
EXAMPLE = '{"side": "buy", "symbol": "BTC_USDC_PERP", "size": "0.1", "price": "8000"}'
order_app = typer.Typer(no_args_is_help=True, help="Place orders.")
batch_app = typer.Typer()
ClientId = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Your own number for the order.")]
Borrows = Annotated[bool, typer.Option("--auto-borrow", help="Spot: borrow what it lacks.")]
Repays = Annotated[bool, typer.Option("--auto-borrow-repay", help="Spot: repay debts from what it brings.")]
Redeems = Annotated[bool, typer.Option("--auto-lend-redeem", help="Spot: redeem what it lacks.")]
Lends = Annotated[bool, typer.Option("--auto-lend", help="Spot: lend what it brings.")]


def add_order_command(name: str) -> None:
    """Add `order buy` or `order sell`."""
    worse, better = ("higher", "lower") if name == "buy" else ("lower", "higher")

    async def place(
        venue: Venue,
        symbol: str,
        size: Annotated[str, typer.Argument(help="Such as 0.1; `all`: the position of the moment it triggers.")],
        price: Annotated[str, typer.Option(help="Limit; without it a market order.")] = "",
        stop: Annotated[str, typer.Option(help=f"Wait until the price is this or {worse}.")] = "",
        take_profit: Annotated[str, typer.Option(help=f"Wait until the price is this or {better}.")] = "",
        trail: Annotated[str, typer.Option(help="A stop this far behind the best price: 2% or 0.02.")] = "",
        trigger_price: Annotated[str, typer.Option(help="With --trail: follow from this price on.")] = "",
        trigger_by: Annotated[str, typer.Option(help=f"Price to watch: {', '.join(TRIGGER_BYS)}; mark without.")] = "",
        oco: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Group: its first fill ends the others.")] = 0,
        bracket_tp: Annotated[str, typer.Option(help="Once filled, take profit at TRIGGER[:LIMIT].")] = "",
        bracket_sl: Annotated[str, typer.Option(help="Once filled, stop at TRIGGER[:LIMIT], or trail by 2%.")] = "",
        display: Annotated[str, typer.Option(help="Iceberg: show only so much at a time.")] = "",
        ioc: Annotated[bool, typer.Option("--ioc", help="What does not trade at once is cancelled.")] = False,  # noqa: FBT002
        fok: Annotated[bool, typer.Option("--fok", help="At once and whole, or not at all.")] = False,  # noqa: FBT002
        post_only: Annotated[bool, typer.Option("--post-only", help="Cancelled instead of trading at once.")] = False,  # noqa: FBT002
        slide: Annotated[bool, typer.Option("--slide", help="Moved one tick away instead of trading at once.")] = False,  # noqa: FBT002
        reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Only towards zero.")] = False,  # noqa: FBT002
        expires_in: Annotated[str, typer.Option(help="Ends after a while: 30s, 5m, 2h, 1d.")] = "",
        self_trade: Annotated[
            str, typer.Option(help=f"Against own orders: {', '.join(SELF_TRADES)}.")
        ] = "reject-taker",
        client_id: ClientId = 0,
        auto_borrow: Borrows = False,  # noqa: FBT002
        auto_borrow_repay: Repays = False,  # noqa: FBT002
        auto_lend_redeem: Redeems = False,  # noqa: FBT002
        auto_lend: Lends = False,  # noqa: FBT002
        subaccount: SubaccountNumber = 0,
    ) -> None:
        terms = OrderTerms(
            side=cast("Literal['buy', 'sell']", name),
            symbol=symbol,
            size=size,
            price=price,
            stop=stop,
            take_profit=take_profit,
            trail=trail,
            trigger_price=trigger_price,
            trigger_by=trigger_by,
            oco=oco,
            bracket_tp=bracket_tp,
            bracket_sl=bracket_sl,
            display=display,
            ioc=ioc,
            fok=fok,
            post_only=post_only,
            slide=slide,
            reduce_only=reduce_only,
            expires_in=expires_in,
            self_trade=self_trade,
            client_id=client_id,
            auto_borrow=auto_borrow,
            auto_borrow_repay=auto_borrow_repay,
            auto_lend_redeem=auto_lend_redeem,
            auto_lend=auto_lend,
            subaccount=subaccount,
        )
        await venue.do(str(terms), command_of(terms, await now_for([terms], venue)), symbol)

    place.__doc__ = f"Place an order to {name}."
    venue_command(order_app, name)(place)


add_order_command("buy")
add_order_command("sell")


@venue_command(batch_app, "batch")
async def batch(
    venue: Venue,
    file: Annotated[str, typer.Argument(help=f"Lines of {EXAMPLE}; - for the standard input.")],
) -> None:
    """Place up to 50 orders of a file in one signed frame: JSON lines of the options of `vigil order`, quantities as text."""
    numbered = terms_of_file(file)
    now_ms = await now_for([terms for _, terms in numbered], venue)
    commands = [command_at(line, terms, now_ms) for line, terms in numbered]
    for (_, terms), result in zip(numbered, await venue.client.submit(commands), strict=True):
        venue.terminal.report(str(terms), result, await venue.numbers(terms.symbol))


async def now_for(orders: list[OrderTerms], venue: Venue) -> Milliseconds:
    """The venue's time, when one of the orders ends by it; 0 otherwise."""
    return await venue.client.now_ms() if any(terms.expires_in for terms in orders) else 0


def terms_of_file(file: str) -> list[tuple[int, OrderTerms]]:
    """Orders of a file with their line numbers; empty lines and those that begin with # say nothing.

    Raises   ClientError when the file cannot be read; BadParameter for lines that are no orders, for none, and for more than 50
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except OSError as error:
        raise ClientError(f"{file} cannot be read: {error.strerror}") from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
    if not 0 < len(lines) <= BATCH_MAX:
        raise typer.BadParameter(f"{file} holds {len(lines)} orders: 1 to {BATCH_MAX} go in one batch")
    return [(number, terms_of(number, line)) for number, line in lines]


def terms_of(number: int, line: str) -> OrderTerms:
    """An order of a line; BadParameter otherwise."""
    try:
        return msgspec.json.decode(line, type=OrderTerms)
    except msgspec.DecodeError as error:
        known = ", ".join(OrderTerms.__struct_fields__)
        raise typer.BadParameter(f"line {number}: {error}; write {EXAMPLE}, of the fields {known}") from None


def command_at(number: int, terms: OrderTerms, now_ms: Milliseconds) -> pb.Command:
    """Command of an order; BadParameter names its line."""
    try:
        return command_of(terms, now_ms)
    except typer.BadParameter as error:
        raise typer.BadParameter(f"line {number}: {error.message}") from None
