"""The `vigil` command; sub-commands of other packages join through the entry-point group `vigil.commands`.

Exit codes   0 done; 1 refused, unknown or unreachable, said in one line; 2 wrong usage
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from services.client import show
from services.client.errors import ClientError
from services.client.keyfile import DEFAULT, read_key, write_key
from services.client.submission import Outcome, Result, Ticket
from services.client.vigil import Vigil, cancel_command, order_command
from services.core.keys import SigningKey
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

GROUP = "vigil.commands"
EXIT_REFUSED = 1

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Trade at a Vigil venue.", rich_markup_mode=None)
keys_app = typer.Typer(no_args_is_help=True, help="Your key: it is your account.")
order_app = typer.Typer(no_args_is_help=True, help="Place orders.")
watch_app = typer.Typer(no_args_is_help=True, help="Follow what happens; Ctrl-C ends it.")
app.add_typer(keys_app, name="keys")
app.add_typer(order_app, name="order")
app.add_typer(watch_app, name="watch")
console = Console()

Address = Annotated[str, typer.Option(envvar="VIGIL_CLIENT_ADDRESS", help="Gateway, host:port.")]
KeyFile = Annotated[Path, typer.Option(envvar="VIGIL_CLIENT_KEY_FILE", help="File of the private key.")]
SubaccountNumber = Annotated[int, typer.Option(min=0, max=255, help="Subaccount.")]
LOCAL = "127.0.0.1:50051"
Work = Callable[[Vigil], Coroutine[Any, Any, None]]


def main() -> None:
    """Run the command line."""
    join(app, entry_points(group=GROUP))
    app()


def join(to: typer.Typer, entries: Iterable[EntryPoint]) -> None:
    """Add sub-commands of other packages: each entry point names a typer.Typer."""
    for entry in entries:
        to.add_typer(entry.load(), name=entry.name)


def run(address: str, key: SigningKey | None, work: Work) -> None:
    """Do something with a client; an error is one line and exit code 1."""

    async def connected() -> None:
        async with Vigil(address, key, time_age_s=0) as vigil:
            await work(vigil)

    try:
        asyncio.run(connected())
    except (ClientError, ValueError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def fail(text: str) -> None:
    """Say what went wrong and end."""
    sys.stderr.write(f"vigil: {text}\n")
    raise typer.Exit(EXIT_REFUSED)


def key_of(path: Path) -> SigningKey:
    """Read the key, or end."""
    try:
        return read_key(path)
    except ClientError as error:
        fail(str(error))
        raise


def report(vigil_listed: Any, lines: list[tuple[str, Result, str]]) -> None:  # noqa: ANN401 - views.Listed
    """Print results; exit code 1 when one is not DONE."""
    for what, result, symbol in lines:
        console.print(
            show.result_line(what, result, vigil_listed, symbol), highlight=False, markup=False, soft_wrap=True
        )
    if any(result.outcome is not Outcome.DONE for _, result, _ in lines):
        raise typer.Exit(EXIT_REFUSED)


# ---------------------------------------------------------------- keys


@keys_app.command("new")
def keys_new(file: KeyFile = DEFAULT) -> None:
    """Make a key; an existing file is never overwritten."""
    try:
        key = write_key(file)
    except ClientError as error:
        fail(str(error))
        return
    console.print(
        f"account {key.account}, key {key.public.hex()}, kept in {file.expanduser()}", highlight=False, soft_wrap=True
    )


@keys_app.command("show")
def keys_show(file: KeyFile = DEFAULT) -> None:
    """Show the account and the public key; never the private one."""
    key = key_of(file)
    console.print(f"account {key.account}, key {key.public.hex()}", highlight=False, soft_wrap=True)


# ---------------------------------------------------------------- commands


@app.command()
def deposit(
    amount: str,
    asset: str = "USDC",
    subaccount: SubaccountNumber = 0,
    address: Address = LOCAL,
    key_file: KeyFile = DEFAULT,
) -> None:
    """Open the account if need be, and take money from the faucet of a test venue."""
    asked = pb.FaucetDeposit(subaccount=subaccount, asset=asset, amount=amount)

    async def work(vigil: Vigil) -> None:
        commands = [pb.Command(open_account=pb.OpenAccount()), pb.Command(faucet_deposit=asked)]
        opened, paid = await vigil.submit(commands)
        report(await vigil.listed(), [("account", opened, ""), (f"deposit of {amount} {asset}", paid, "")])

    run(address, key_of(key_file), work)


@app.command()
def withdraw(
    amount: str,
    to: str,
    asset: str = "USDC",
    subaccount: SubaccountNumber = 0,
    address: Address = LOCAL,
    key_file: KeyFile = DEFAULT,
) -> None:
    """Take money out of the venue."""
    asked = pb.Withdraw(subaccount=subaccount, asset=asset, amount=amount, address=to)

    async def work(vigil: Vigil) -> None:
        (result,) = await vigil.submit([pb.Command(withdraw=asked)])
        report(await vigil.listed(), [(f"withdrawal of {amount} {asset}", result, "")])

    run(address, key_of(key_file), work)


def add_order_command(name: str, side: "common_pb2.Side.ValueType") -> None:
    """Add `order buy` or `order sell`."""

    def place(
        symbol: str,
        size: str,
        price: Annotated[str, typer.Option(help="Limit; without it a market order.")] = "",
        post_only: Annotated[bool, typer.Option(help="Cancelled instead of trading at once.")] = False,  # noqa: FBT002
        ioc: Annotated[bool, typer.Option(help="What does not trade at once is cancelled.")] = False,  # noqa: FBT002
        reduce_only: Annotated[bool, typer.Option(help="Only towards zero.")] = False,  # noqa: FBT002
        client_id: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Your own number for it.")] = 0,
        subaccount: SubaccountNumber = 0,
        address: Address = LOCAL,
        key_file: KeyFile = DEFAULT,
    ) -> None:
        command = order_command(
            symbol,
            side,
            size=size,
            price=price or None,
            time_in_force=time_in_force_of(post_only=post_only, ioc=ioc),
            client_id=client_id,
            reduce_only=reduce_only,
            subaccount=subaccount,
        )

        async def work(vigil: Vigil) -> None:
            (result,) = await vigil.submit([command])
            report(await vigil.listed(), [(f"{name} {size} {symbol}", result, symbol)])

        run(address, key_of(key_file), work)

    order_app.command(name, help=f"Place an order to {name}.")(place)


def time_in_force_of(*, post_only: bool, ioc: bool) -> "common_pb2.TimeInForce.ValueType | None":
    """Time in force of the options; None for the usual one."""
    if post_only and ioc:
        raise typer.BadParameter("--post-only and --ioc exclude each other")
    if post_only:
        return common_pb2.TIME_IN_FORCE_POST_ONLY
    return common_pb2.TIME_IN_FORCE_IOC if ioc else None


add_order_command("buy", common_pb2.SIDE_BID)
add_order_command("sell", common_pb2.SIDE_ASK)


@app.command()
def cancel(
    symbol: str,
    order_id: Annotated[int, typer.Option(min=0, max=2**64 - 1)] = 0,
    client_id: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
    subaccount: SubaccountNumber = 0,
    address: Address = LOCAL,
    key_file: KeyFile = DEFAULT,
) -> None:
    """Cancel an order by --order-id or --client-id."""

    async def work(vigil: Vigil) -> None:
        command = cancel_command(symbol, order_id=order_id, client_id=client_id, subaccount=subaccount)
        (result,) = await vigil.submit([command])
        report(await vigil.listed(), [("cancel", result, "")])

    run(address, key_of(key_file), work)


# ---------------------------------------------------------------- questions


@app.command()
def account(address: Address = LOCAL, key_file: KeyFile = DEFAULT) -> None:
    """Show balances, positions, orders and margin."""

    async def work(vigil: Vigil) -> None:
        show.show_account(console, await vigil.account())

    run(address, key_of(key_file), work)


@app.command()
def book(symbol: str, depth: Annotated[int, typer.Option(min=1, max=1_000)] = 10, address: Address = LOCAL) -> None:
    """Show the best levels of a market."""

    async def work(vigil: Vigil) -> None:
        console.print(show.book_table(await vigil.book(symbol, depth), depth))

    run(address, None, work)


@app.command()
def result(
    command_id: Annotated[int, typer.Argument(min=1, max=2**64 - 1)],
    timestamp: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of its frame, ms.")],
    window: Annotated[int, typer.Option(min=1, max=60_000, help="Of its frame, ms.")] = 5_000,
    faucet: Annotated[bool, typer.Option(help="It was a deposit.")] = False,  # noqa: FBT002
    address: Address = LOCAL,
    key_file: KeyFile = DEFAULT,
) -> None:
    """Say what became of a command."""

    async def work(vigil: Vigil) -> None:
        ticket = Ticket(command_id, timestamp, window, faucet)
        known = await vigil.result(ticket)
        report(await vigil.listed(), [(str(ticket), known or Result(ticket, Outcome.UNKNOWN), "")])

    run(address, key_of(key_file), work)


# ---------------------------------------------------------------- watch


@watch_app.command("trades")
def watch_trades(symbol: str, address: Address = LOCAL) -> None:
    """Trades of a market."""

    async def work(vigil: Vigil) -> None:
        async for trade in vigil.watch_trades(symbol):
            console.print(show.trade_line(trade))

    run(address, None, work)


@watch_app.command("book")
def watch_book(symbol: str, depth: Annotated[int, typer.Option(min=1, max=100)] = 10, address: Address = LOCAL) -> None:
    """The book of a market, live."""

    async def work(vigil: Vigil) -> None:
        with Live(console=console) as live:
            async for view in vigil.watch_book(symbol):
                draw = live.update if console.is_terminal else console.print
                draw(show.book_table(view, depth))

    run(address, None, work)


@watch_app.command("account")
def watch_account(address: Address = LOCAL, key_file: KeyFile = DEFAULT) -> None:
    """Events of your account."""

    async def work(vigil: Vigil) -> None:
        listed = await vigil.listed()
        async for record in vigil.watch_account():
            console.print(show.event_line(record, listed), highlight=False, markup=False, soft_wrap=True)

    run(address, key_of(key_file), work)


@watch_app.command("marks")
def watch_marks(address: Address = LOCAL) -> None:
    """Marks and funding steps of all markets."""

    async def work(vigil: Vigil) -> None:
        listed = await vigil.listed()
        async for record in vigil.watch_marks():
            console.print(show.event_line(record, listed), highlight=False, markup=False, soft_wrap=True)

    run(address, None, work)


if __name__ == "__main__":
    main()
