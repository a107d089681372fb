"""Keys: your own in a file, and others that act for your account."""

import json
from typing import Annotated

import typer

from services.client import show
from services.client.cli.app import AsJson, KeyFile, Terminal, Venue, duration_ms, fail, key_of, venue_command
from services.client.commands import add_key_command, revoke_key_command
from services.client.errors import ClientError
from services.client.keyfile import DEFAULT, write_key
from services.client.views import SCOPES
from services.core.keys import SigningKey, key_id

keys_app = typer.Typer(no_args_is_help=True, help="Keys: the one that opens an account, and those that act for it.")
NUMBERS = {name: scope for scope, name in SCOPES.items()}


def tell(terminal: Terminal, key: SigningKey, where: str) -> None:
    """Say what is public of a key."""
    content = {"account": str(key.account), "key": key.public.hex(), "key_id": str(key.key_id)}
    terminal.line(f"account {key.account}, key {key.public.hex()}, key id {key.key_id}{where}", content)


@keys_app.command("new")
def keys_new(key_file: KeyFile = DEFAULT, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Make a key; an existing file is never overwritten."""
    try:
        key = write_key(key_file)
    except ClientError as error:
        fail(str(error))
        return
    tell(Terminal(as_json=as_json), key, f", kept in {key_file.expanduser()}")


@keys_app.command("show")
def keys_show(key_file: KeyFile = DEFAULT, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Show account and public key; never the private one."""
    tell(Terminal(as_json=as_json), key_of(key_file), "")


@venue_command(keys_app, "list")
async def keys_list(venue: Venue) -> None:
    """Show the account's keys: what each may do, until when, and whether it was revoked."""
    keys = await venue.client.keys()
    venue.terminal.draw(show.keys_table(keys, await venue.client.now_ms()), {"keys": show.content_of(keys)})


@venue_command(keys_app, "add")
async def keys_add(
    venue: Venue,
    key: Annotated[str, typer.Argument(help="Public key, 64 hexadecimal digits.")],
    scopes: Annotated[str, typer.Option(help="What it may do: read, trade, withdraw.")] = "read,trade",
    expires_in: Annotated[str, typer.Option(help="Until when, such as 30d; for ever without.")] = "",
) -> None:
    """Let another key act for the account; it trades with --account."""
    expires_ms = duration_ms(expires_in) + await venue.client.now_ms() if expires_in else 0
    command = add_key_command(public_key(key), scopes_of(scopes), expires_ms=expires_ms)
    await venue.do(f"key {key_id(public_key(key))}", command)


@venue_command(keys_app, "revoke")
async def keys_revoke(
    venue: Venue, key: Annotated[str, typer.Argument(help="Key id, or public key of 64 hexadecimal digits.")]
) -> None:
    """Take a key's rights away, for ever."""
    number = int(key) if key.isdecimal() and len(key) < 2 * 32 else key_id(public_key(key))
    await venue.do(f"revoke key {number}", revoke_key_command(number))


def public_key(text: str) -> bytes:
    """Bytes of a public key; BadParameter otherwise."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise typer.BadParameter(f"{json.dumps(text)} is no public key: 64 hexadecimal digits are expected")
    return key


def scopes_of(text: str) -> int:
    """Bits of scopes by name."""
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in NUMBERS]
    if unknown:
        raise typer.BadParameter(f"no scope {', '.join(unknown)}: there are {', '.join(NUMBERS)}")
    return sum(NUMBERS[name] for name in {*names})
