"""What all commands share: options that name a venue and a key, what is printed, and how a command ends.

Exit codes   0 done; 1 refused, or cannot be done; 2 wrong usage; 3 not known yet, ask `vigil result`; 4 unreachable
"""

import asyncio
import inspect
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer
from rich.console import Console, RenderableType

from services.client import show
from services.client.connection import Tls
from services.client.errors import ClientError, DefiniteReject, OutcomeUnknown, Unreachable
from services.client.keyfile import DEFAULT, read_key
from services.client.submission import Outcome, Result
from services.client.vigil import Vigil
from services.core.keys import SigningKey
from vigil.v1 import trading_pb2 as pb

EXIT_REFUSED = 1
EXIT_UNKNOWN = 3
EXIT_UNREACHABLE = 4
LOCAL = "127.0.0.1:50051"
Options = ParamSpec("Options")

Address = Annotated[str, typer.Option(envvar="VIGIL_CLIENT_ADDRESS", help="Gateway, host:port.")]
KeyFile = Annotated[Path, typer.Option(envvar="VIGIL_CLIENT_KEY_FILE", help="File of the private key.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line instead of text.")]
Authorities = Annotated[
    Path | None,
    typer.Option("--ca", envvar="VIGIL_CLIENT_CA", help="TLS: certificates to trust, a PEM file.", exists=True),
]
UsesTls = Annotated[bool, typer.Option("--tls", envvar="VIGIL_CLIENT_TLS", help="TLS, with well-known certificates.")]
ServerName = Annotated[
    str, typer.Option(envvar="VIGIL_CLIENT_SERVER_NAME", help="TLS: name in the certificate, if not the address.")
]
AccountId = Annotated[
    int,
    typer.Option("--account", envvar="VIGIL_CLIENT_ACCOUNT", min=0, help="Account, if another key opened it."),
]
SubaccountNumber = Annotated[int, typer.Option("--subaccount", min=0, max=255, help="Subaccount.")]
Seconds = Annotated[str, typer.Option(help="Such as 30s, 5m, 2h, 1d.")]
UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Terminal:
    """Where a command's answers go: text for people, or one JSON object per line."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console()
        self.exit_code = 0

    def line(self, text: str, content: dict[str, Any]) -> None:
        """One line, as text or as JSON."""
        if self.as_json:
            sys.stdout.write(json.dumps(content) + "\n")
            sys.stdout.flush()
        else:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def draw(self, drawn: RenderableType, content: dict[str, Any]) -> None:
        """A table, or its content as JSON."""
        if self.as_json:
            self.line("", content)
        else:
            self.console.print(drawn)

    def report(self, what: str, result: Result, market: show.MarketNumbers | None = None) -> None:
        """One result; what was not done decides how the command ends."""
        self.line(show.result_line(what, result, market), show.result_json(what, result, market))
        code = {Outcome.REFUSED: EXIT_REFUSED, Outcome.UNKNOWN: EXIT_UNKNOWN}.get(result.outcome, 0)
        self.exit_code = max(self.exit_code, code)


@dataclass(frozen=True)
class Venue:
    """What a command works with."""

    client: Vigil
    terminal: Terminal

    async def do(self, what: str, command: pb.Command, symbol: str = "") -> None:
        """Have one command done and report it."""
        (result,) = await self.client.submit([command])
        self.terminal.report(what, result, await self.numbers(symbol))

    async def numbers(self, symbol: str) -> show.MarketNumbers | None:
        """What turns sizes of a market into decimals; None for no or an unknown one."""
        listed = await self.client.listed()
        market = listed.by_symbol.get(symbol)
        return None if market is None else show.MarketNumbers(listed, market.id)


Work = Callable[Concatenate[Venue, Options], Coroutine[Any, Any, None]]


def venue_command(app: typer.Typer, name: str, *, signs: bool = True) -> Callable[[Work[Options]], Work[Options]]:
    """Add a command whose body gets a Venue; options that name the venue, and the key when it `signs`, are added to its own."""

    def add(work: Work[Options]) -> Work[Options]:
        own = list(inspect.signature(work).parameters.values())[1:]
        body: Callable[..., Coroutine[Any, Any, None]] = work

        def call(**options: Any) -> None:  # noqa: ANN401 - what typer read
            connection = {key: options.pop(key) for key in ("address", "as_json", "tls", "ca", "server_name")}
            key_file, account = options.pop("key_file", None), options.pop("account_id", 0)
            key = None if key_file is None else key_of(key_file)
            run(lambda venue: body(venue, **options), key=key, account=account or None, **connection)

        parameters = [*own, *(SIGNER if signs else ()), *CONNECTION]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {one.name: one.annotation for one in parameters}
        call.__doc__ = work.__doc__
        app.command(name)(call)
        return work

    return add


def option(name: str, annotation: Any, default: Any) -> inspect.Parameter:  # noqa: ANN401 - an Annotated type and its default
    """One more option of a command."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


SIGNER = (option("key_file", KeyFile, DEFAULT), option("account_id", AccountId, 0))
CONNECTION = (
    option("address", Address, LOCAL),
    option("as_json", AsJson, False),  # noqa: FBT003
    option("tls", UsesTls, False),  # noqa: FBT003
    option("ca", Authorities, None),
    option("server_name", ServerName, ""),
)


def run(
    work: Callable[[Venue], Awaitable[None]],
    *,
    address: str,
    as_json: bool,
    tls: bool,
    ca: Path | None,
    server_name: str,
    key: SigningKey | None = None,
    account: int | None = None,
) -> None:
    """Do something with a client, and end as it went."""
    terminal = Terminal(as_json=as_json)

    async def connected() -> None:
        secured = tls_of(tls=tls, ca=ca, server_name=server_name)
        async with Vigil(address, key, account=account, tls=secured, time_age_s=0) as client:
            await work(Venue(client, terminal))

    finish(connected(), terminal)


def finish(work: Coroutine[Any, Any, None], terminal: Terminal) -> None:
    """Run to the end; an error is one line on stderr, with JSON an object on stdout too."""
    try:
        asyncio.run(work)
    except (ClientError, ValueError) as error:
        if terminal.as_json:
            terminal.line("", {"outcome": outcome_of(error), **show.error_json(error)})
        fail(str(error), exit_code_of(error))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise typer.Exit(0) from None
    raise typer.Exit(terminal.exit_code)


def tls_of(*, tls: bool, ca: Path | None, server_name: str) -> Tls | None:
    """TLS as asked for; None for plain text."""
    return Tls(ca, server_name) if tls or ca else None


def exit_code_of(error: Exception) -> int:
    """How an error ends a command."""
    if isinstance(error, OutcomeUnknown):
        return EXIT_UNKNOWN
    return EXIT_UNREACHABLE if isinstance(error, Unreachable) else EXIT_REFUSED


def outcome_of(error: Exception) -> str:
    """What a script may conclude from an error."""
    if isinstance(error, DefiniteReject):
        return "refused"
    return {EXIT_UNKNOWN: "unknown", EXIT_UNREACHABLE: "unreachable"}.get(exit_code_of(error), "failed")


def fail(text: str, code: int = EXIT_REFUSED) -> None:
    """Say what went wrong and end."""
    sys.stderr.write(f"vigil: {text}\n")
    raise typer.Exit(code)


def key_of(path: Path) -> SigningKey:
    """Read the key, or end."""
    try:
        return read_key(path)
    except ClientError as error:
        fail(str(error))
        raise


def duration_ms(text: str) -> int:
    """Milliseconds of 500ms, 30s, 5m, 2h or 1d; BadParameter otherwise."""
    number = text.rstrip("mshd")
    unit = text[len(number) :]
    if unit not in UNITS_MS or not number.isdecimal() or not number.isascii() or int(number) == 0:
        raise typer.BadParameter(f"{text!r} is no time: write 500ms, 30s, 5m, 2h or 1d")
    return int(number) * UNITS_MS[unit]
