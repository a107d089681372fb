"""Commands of the venue's operators, to their own port: signed by one admin, or by two where money is touched."""

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToJson, Parse, ParseDict, ParseError
from google.protobuf.message import Message

from services.client.admin import Admin
from services.client.cli.app import (
    LOCAL,
    Address,
    AsJson,
    Authorities,
    ServerName,
    Terminal,
    UsesTls,
    duration_ms,
    finish,
    key_of,
    tls_of,
)
from services.client.errors import ClientError
from services.client.keyfile import DEFAULT
from services.client.views import word
from services.client.vigil import Vigil
from vigil.v1 import admin_pb2 as pb
from vigil.v1 import common_pb2, feeds_pb2

LOCAL_ADMIN = "127.0.0.1:50052"
SHARE_ONE = 10**12
STATES = {word(common_pb2.MarketState, one).replace("_", "-"): one for one in common_pb2.MarketState.values()}
POOL_STATES = {word(common_pb2.PoolState, one).replace("_", "-"): one for one in common_pb2.PoolState.values()}
admin_app = typer.Typer(no_args_is_help=True, help="Run the venue: for its operators.")

AdminAddress = Annotated[
    str, typer.Option("--admin-address", envvar="VIGIL_CLIENT_ADMIN_ADDRESS", help="Operators' port, host:port.")
]
Signers = Annotated[
    list[Path] | None,
    typer.Option("--key-file", envvar="VIGIL_CLIENT_ADMIN_KEYS", help="Key of an admin; twice for two signatures."),
]
Definition = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON, as `vigil admin show` prints it.")]
Within = Annotated[str, typer.Option("--in", help="When: 30s, 5m, 2h, 1d from now.")]


class Desk:
    """What an admin's command works with."""

    def __init__(self, admin: Admin, client: Vigil, terminal: Terminal) -> None:
        self.admin = admin
        self.client = client
        self.terminal = terminal

    async def do(self, what: str, **request: Message) -> None:
        """Have one command done and report it."""
        fields: dict[str, Any] = dict(request)
        (result,) = await self.admin.submit([pb.AdminCommand(**fields)])
        self.terminal.report(what, result)

    async def market(self, symbol: str) -> common_pb2.Market:
        """A market as it is listed now; ClientError when it is not."""
        listed = await self.client.listed()
        if symbol not in listed.by_symbol:
            raise ClientError(listed.no_market(symbol))
        return listed.by_symbol[symbol]

    async def time_in(self, after: str) -> int:
        """Venue time after a while."""
        return duration_ms(after) + await self.admin.clock.now_ms()


def at_desk(
    work: Callable[[Desk], Coroutine[Any, Any, None]],
    context: typer.Context,
) -> None:
    """Do something as the admins whose keys were named before the command."""
    options = context.obj
    terminal = Terminal(as_json=options["as_json"])

    async def connected() -> None:
        tls = tls_of(tls=options["tls"], ca=options["ca"], server_name=options["server_name"])
        signers = [key_of(path) for path in options["key_file"] or [DEFAULT]]
        async with (
            Admin(options["admin_address"], signers, tls=tls) as admin,
            Vigil(options["address"], tls=tls) as client,
        ):
            await work(Desk(admin, client, terminal))

    finish(connected(), terminal)


@admin_app.callback()
def admin(
    context: typer.Context,
    admin_address: AdminAddress = LOCAL_ADMIN,
    key_file: Signers = None,
    address: Address = LOCAL,
    as_json: AsJson = False,  # noqa: FBT002
    tls: UsesTls = False,  # noqa: FBT002
    ca: Authorities = None,
    server_name: ServerName = "",
) -> None:
    """Options come before the command: vigil admin --key-file one --key-file two fees 1:0.5:0.8."""
    context.obj = {
        "admin_address": admin_address,
        "key_file": key_file,
        "address": address,
        "as_json": as_json,
        "tls": tls,
        "ca": ca,
        "server_name": server_name,
    }


@admin_app.command("show")
def show_market(context: typer.Context, symbol: str) -> None:
    """Print a market as JSON, to be edited and listed."""

    async def work(desk: Desk) -> None:
        text = MessageToJson(await desk.market(symbol), preserving_proto_field_name=True)
        desk.terminal.console.print(text, highlight=False, markup=False, soft_wrap=True)

    at_desk(work, context)


@admin_app.command("list-asset")
def list_asset(context: typer.Context, file: Definition) -> None:
    """List an asset; the same again changes nothing."""
    asset = parsed(file, common_pb2.Asset())
    at_desk(lambda desk: desk.do(f"list {asset.symbol}", list_asset=pb.ListAsset(asset=asset)), context)


@admin_app.command("list-market")
def list_market(context: typer.Context, file: Definition) -> None:
    """List a market; it opens with its first mark."""
    market = parsed(file, common_pb2.Market())
    at_desk(lambda desk: desk.do(f"list {market.symbol}", list_market=pb.ListMarket(market=market)), context)


@admin_app.command("list-calendar")
def list_calendar(context: typer.Context, file: Definition) -> None:
    """List futures by a calendar from now on; the same again changes nothing."""
    calendar = parsed(file, common_pb2.Calendar())
    asked = pb.ListCalendar(calendar=calendar)
    at_desk(lambda desk: desk.do(f"calendar of {calendar.market.symbol}", list_calendar=asked), context)


@admin_app.command("change")
def change(
    context: typer.Context,
    symbol: str,
    fields: Annotated[list[str], typer.Argument(help="FIELD=VALUE, both as `vigil admin show` writes them.")],
    after: Within = "1h",
) -> None:
    """Change parameters of a market from a time on."""

    async def work(desk: Desk) -> None:
        market = common_pb2.Market()
        market.CopyFrom(await desk.market(symbol))
        for assignment in fields:
            assign(market, assignment)
        asked = pb.ChangeMarket(market=market, effective_ms=await desk.time_in(after))
        await desk.do(f"change {symbol}", change_market=asked)

    at_desk(work, context)


@admin_app.command("state")
def state(
    context: typer.Context,
    symbol: str,
    to: Annotated[str, typer.Argument(help=f"One of {', '.join(STATES)}.")],
    auction: Annotated[str, typer.Option("--for", help="How long an auction collects orders: 30s, 5m.")] = "",
) -> None:
    """Halt, limit or reopen a market."""
    if to not in STATES:
        raise typer.BadParameter(f"no state {to!r}: there are {', '.join(STATES)}")

    async def work(desk: Desk) -> None:
        until_ms = await desk.time_in(auction) if auction else 0
        asked = pb.SetMarketState(symbol=symbol, state=STATES[to], until_ms=until_ms)
        await desk.do(f"{symbol} {to}", set_market_state=asked)

    at_desk(work, context)


@admin_app.command("halt")
def halt(context: typer.Context, symbol: str) -> None:
    """Halt a market: nothing trades; cancels are still taken."""
    state(context, symbol, "halted")


@admin_app.command("delist")
def delist(context: typer.Context, symbol: str, after: Within = "1d") -> None:
    """End a market: orders are cancelled, positions closed at the mark of that moment."""

    async def work(desk: Desk) -> None:
        asked = pb.DelistMarket(symbol=symbol, effective_ms=await desk.time_in(after))
        await desk.do(f"delist {symbol}", delist_market=asked)

    at_desk(work, context)


@admin_app.command("fees")
def fees(
    context: typer.Context,
    tiers: Annotated[list[str], typer.Argument(help="TIER:MAKER:TAKER, parts of the market's fees: 1:0.5:0.8.")],
) -> None:
    """Set the fee tiers; needs two signatures."""
    asked = pb.SetFeeSchedule(tiers=[tier_of(text) for text in tiers])
    at_desk(lambda desk: desk.do("fee schedule", set_fee_schedule=asked), context)


@admin_app.command("tier")
def tier(context: typer.Context, account: Annotated[int, typer.Argument(min=0)], number: int) -> None:
    """Set an account's fee tier; needs two signatures."""
    asked = pb.SetAccountTier(account=account, tier=number)
    at_desk(lambda desk: desk.do(f"tier of {account}", set_account_tier=asked), context)


@admin_app.command("limits")
def limits(
    context: typer.Context,
    tiers: Annotated[
        list[str], typer.Argument(help="TIER:SHARE:ORDERS, part of position_max, open orders or 0: 1:0.25:50.")
    ],
) -> None:
    """Set what tiers of accounts may hold and have open; needs two signatures. It closes nothing."""
    asked = pb.SetLimitTiers(tiers=[limit_of(text) for text in tiers])
    at_desk(lambda desk: desk.do("limits of tiers", set_limit_tiers=asked), context)


@admin_app.command("owner")
def owner(
    context: typer.Context,
    account: Annotated[int, typer.Argument(min=0)],
    number: Annotated[int, typer.Argument(min=0, max=2**62 - 1, help="Any number; 0: the account alone.")],
) -> None:
    """Name the owner of an account, whose positions are bounded together; needs two signatures."""
    asked = pb.SetOwner(account=account, owner=number)
    at_desk(lambda desk: desk.do(f"owner of {account}", set_owner=asked), context)


@admin_app.command("pool-state")
def pool_state(
    context: typer.Context,
    asset: str,
    to: Annotated[str, typer.Argument(help=f"One of {', '.join(POOL_STATES)}.")],
) -> None:
    """Let a lending pool take everything, only repayments, or nothing by will, from its next opening on."""
    if to not in POOL_STATES:
        raise typer.BadParameter(f"no state {to!r}: there are {', '.join(POOL_STATES)}")
    asked = pb.SetPoolState(asset=asset, state=POOL_STATES[to])
    at_desk(lambda desk: desk.do(f"pool of {asset} {to}", set_pool_state=asked), context)


@admin_app.command("fund")
def fund(context: typer.Context, group: str, amount: str, asset: str = "USDC") -> None:
    """Move the venue's own money into an insurance fund; needs two signatures."""
    asked = pb.ContributeToFund(group=group, asset=asset, amount=amount)
    at_desk(lambda desk: desk.do(f"{amount} {asset} to fund {group}", contribute_to_fund=asked), context)


def parsed(file: Path, into: Any) -> Any:  # noqa: ANN401 - the message as given
    """A message of a JSON file; BadParameter when it holds another one."""
    try:
        return Parse(file.read_text(), into)
    except ParseError as error:
        raise typer.BadParameter(f"{file} holds no {type(into).__name__}: {error}") from None


def assign(market: common_pb2.Market, assignment: str) -> None:
    """Set one field of a market; BadParameter when there is none, or it takes something else."""
    name, _, text = assignment.partition("=")
    field = market.DESCRIPTOR.fields_by_name.get(name)
    if field is None or not text:
        raise typer.BadParameter(f"{assignment!r}: write FIELD=VALUE; see `vigil admin show` for the fields")
    is_word = not field.is_repeated and (field.type == field.TYPE_STRING or field.enum_type is not None)
    market.ClearField(name)  # type: ignore[arg-type]
    try:
        ParseDict({name: text if is_word else json.loads(text)}, market)
    except (ParseError, json.JSONDecodeError):
        raise typer.BadParameter(f"{name} takes {wanted(field)}, not {text!r}") from None


def wanted(field: FieldDescriptor) -> str:
    """What a field of a market takes, in words."""
    if field.message_type is not None:
        return "a JSON list as `vigil admin show` prints it"
    if field.enum_type is not None:
        return f"one of {', '.join(field.enum_type.values_by_name)}"
    if field.is_repeated:
        return "a JSON list of integers, such as [70000000000, 130000000000]"
    return "true or false" if field.type == field.TYPE_BOOL else "an integer"


def tier_of(text: str) -> feeds_pb2.FeeTier:
    """A tier of TIER:MAKER:TAKER; BadParameter otherwise."""
    try:
        number, maker, taker = text.split(":")
        return feeds_pb2.FeeTier(tier=int(number), maker_share=share_of(maker), taker_share=share_of(taker))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no tier: write TIER:MAKER:TAKER, such as 1:0.5:0.8") from None


def limit_of(text: str) -> feeds_pb2.LimitTier:
    """Limits of TIER:SHARE:ORDERS; BadParameter otherwise."""
    try:
        number, share, orders = text.split(":")
        return feeds_pb2.LimitTier(tier=int(number), position_share=share_of(share), orders_max=int(orders))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no limit: write TIER:SHARE:ORDERS, such as 1:0.25:50") from None


def share_of(text: str) -> int:
    """Parts of 1e12 of a decimal from 0 to 1; ValueError otherwise."""
    whole, _, part = text.partition(".")
    if not (whole + part).isdecimal() or len(part) > 12 or int(whole + part.ljust(12, "0")) > SHARE_ONE:
        raise ValueError(text)
    return int(whole + part.ljust(12, "0"))
