"""What a venue is, read from deploy/markets.toml, and how it enters a log: topics, Genesis, listings; it decides no parameter.

Everything here may be repeated at any time: what is in the log already is not appended again.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, LIMIT, SLOTS
from services.core.log import Log
from services.core.markets import Asset, ContractKind, Market, check_market
from services.core.spine import record_type
from services.core.topics import SERVICES, all_topics, inbox

ROOT = Path(__file__).resolve().parents[2]
MARKETS_FILE = ROOT / "deploy" / "markets.toml"
FRACTION_DECIMALS = len(str(FRACTION_ONE)) - 1
WINDOW_MS = 60_000
READ_BATCH = 500


class BadVenue(Exception):
    """The file or the log says something that cannot be: the text names the field or the topic."""


def exact_decimal(value: object) -> Decimal:
    """Read a decimal in quotes or a whole number; a float would have lost digits already."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("write it as a decimal in quotes")  # noqa: TRY004 - pydantic turns ValueError into its own
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("write a finite decimal")
    return number


Quantity = Annotated[Decimal, BeforeValidator(exact_decimal)]


class Entry(BaseModel):
    """A table of the file; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VenueEntry(Entry):
    """[venue]."""

    name: str
    generation: Annotated[int, Field(gt=0)] = 1
    rules: Annotated[int, Field(gt=0)] = 1
    admin_key_ids: tuple[str, ...]
    partitions: dict[str, Annotated[int, Field(gt=0, le=SLOTS)]]


class AssetEntry(Entry):
    """[[asset]]."""

    id: int
    symbol: str
    decimals: Annotated[int, Field(ge=0, le=12)] = 8
    faucet_max: Quantity = Decimal(0)


class FundEntry(Entry):
    """[[fund]]."""

    group: str
    asset: str
    amount: Quantity


class MarketEntry(Entry):
    """[[market]], in the order of the file."""

    id: int
    symbol: str
    kind: str
    settlement_asset: str
    group: str
    index: str
    price_decimals: int
    size_decimals: int
    tick: Quantity
    lot: Quantity
    price_max: Quantity
    order_size_max: Quantity
    position_max: Quantity
    orders_max: int
    initial_margin_fraction: Quantity
    maintenance_margin_fraction: Quantity
    maker_fee: Quantity
    taker_fee: Quantity
    band: Quantity
    impact_notional: Quantity
    funding_interval_ms: int
    funding_rate_max: Quantity
    interest_rate: Quantity
    mark_interval_ms: int
    price_stale_ms: int
    matching_partition: int = 0
    funding_partition: int = 0


class File(Entry):
    """The whole file."""

    venue: VenueEntry
    asset: tuple[AssetEntry, ...]
    market: tuple[MarketEntry, ...]
    fund: tuple[FundEntry, ...] = ()


@dataclass(frozen=True)
class Venue:
    """What enters the log."""

    genesis: m.Genesis
    assets: tuple[Asset, ...]
    markets: tuple[Market, ...]
    funds: tuple[tuple[str, int, int], ...]
    """(group, asset, amount)."""


def read_venue(path: Path = MARKETS_FILE, partitions: dict[str, int] | None = None) -> Venue:
    """Read a venue; `partitions` goes before what the file says.

    Raises   BadVenue, naming every field that cannot be used
    """
    try:
        file = File.model_validate(tomllib.loads(path.read_text()))
    except ValidationError as refused:
        lines = [f"{path.name}: {dotted(error['loc'])}: {error['msg']}" for error in refused.errors()]
        raise BadVenue("\n".join(lines)) from refused
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadVenue(f"{path} cannot be read: {error}") from error
    assets = tuple(asset_of(entry) for entry in file.asset)
    by_symbol = {asset.symbol: asset for asset in assets}
    markets = tuple(market_of(entry, by_symbol) for entry in file.market)
    funds = tuple(fund_of(entry, by_symbol) for entry in file.fund)
    return Venue(genesis_of(file.venue, partitions or {}), assets, markets, funds)


def dotted(location: tuple[int | str, ...]) -> str:
    """Name of a field as in `market.0.tick`."""
    return ".".join(str(part) for part in location)


def units(value: Decimal, decimals: int, field: str) -> int:
    """Return `value` as an integer of 10^-decimals; BadVenue when it has more digits than that."""
    scaled = value.scaleb(decimals)
    if scaled != scaled.to_integral_value() or abs(scaled) >= LIMIT:
        raise BadVenue(f"{field}: {value} is no whole number of 10^-{decimals} below 2^62")
    return int(scaled)


def genesis_of(entry: VenueEntry, partitions: dict[str, int]) -> m.Genesis:
    """Build the constitution: slots go to risk partitions in turn."""
    counts = entry.partitions | partitions
    if set(counts) != set(SERVICES):
        raise BadVenue(f"venue.partitions: name each of {', '.join(SERVICES)}, and nothing else")
    try:
        admins = [int(one, 16) for one in entry.admin_key_ids]
    except ValueError as error:
        raise BadVenue(f"venue.admin_key_ids: {error}") from error
    if not admins:
        raise BadVenue("venue.admin_key_ids: at least one key must be able to list assets and markets")
    slots = [slot % counts["risk"] for slot in range(SLOTS)]
    ordered = {service: counts[service] for service in SERVICES}
    return m.Genesis(entry.name, entry.generation, ordered, slots, admins, entry.rules)


def asset_of(entry: AssetEntry) -> Asset:
    """Convert an asset."""
    faucet_max = units(entry.faucet_max, entry.decimals, f"asset {entry.symbol}: faucet_max")
    return Asset(entry.id, entry.symbol, entry.decimals, faucet_max)


def asset_named(symbol: str, assets: dict[str, Asset], field: str) -> Asset:
    """Return an asset of the file."""
    if symbol not in assets:
        raise BadVenue(f"{field}: the file has no asset {symbol}")
    return assets[symbol]


def fund_of(entry: FundEntry, assets: dict[str, Asset]) -> tuple[str, int, int]:
    """Convert a contribution."""
    asset = asset_named(entry.asset, assets, f"fund {entry.group}: asset")
    return entry.group, asset.id, units(entry.amount, asset.decimals, f"fund {entry.group}: amount")


def market_of(entry: MarketEntry, assets: dict[str, Asset]) -> Market:
    """Convert a market; BadVenue names the field or the rule of listing that it breaks."""
    asset = asset_named(entry.settlement_asset, assets, f"market {entry.symbol}: settlement_asset")
    if entry.kind not in ContractKind.__members__:
        raise BadVenue(f"market {entry.symbol}: kind: one of {', '.join(ContractKind.__members__)}")
    fields: dict[str, Any] = {name: getattr(entry, name) for name in Market.__struct_fields__ if hasattr(entry, name)}
    fields |= {"kind": ContractKind[entry.kind], "settlement_asset": asset.id, "settlement_decimals": asset.decimals}
    for name, decimals in decimals_of(entry, asset).items():
        fields[name] = units(getattr(entry, name), decimals, f"market {entry.symbol}: {name}")
    market = Market(**fields)
    refusal = check_market(market, asset)
    if refusal is not None:
        raise BadVenue(f"market {entry.symbol}: breaks rule {refusal.limit} of services/core/markets.py")
    return market


def decimals_of(entry: MarketEntry, asset: Asset) -> dict[str, int]:
    """Decimals of each quantity of a market."""
    prices = dict.fromkeys(("tick", "price_max"), entry.price_decimals)
    sizes = dict.fromkeys(("lot", "order_size_max", "position_max"), entry.size_decimals)
    fractions = [name for name in MarketEntry.model_fields if name.endswith(("_fraction", "_fee"))]
    parts = dict.fromkeys([*fractions, "band", "funding_rate_max", "interest_rate"], FRACTION_DECIMALS)
    return prices | sizes | parts | {"impact_notional": asset.decimals}


async def found(home: Log, venue: Venue) -> None:
    """Make the topics and the first record of every inbox.

    Raises   BadVenue when the log is another venue's; LogError
    """
    await home.create(all_topics(venue.genesis.partitions))
    for service in SERVICES:
        for partition in range(venue.genesis.partitions[service]):
            await found_inbox(home, service, partition, venue.genesis)


async def found_inbox(home: Log, service: str, partition: int, genesis: m.Genesis) -> None:
    """Append Genesis to an empty inbox, or check the one that is there."""
    if await home.end(inbox(service), partition) == 0:
        await append(home, service, partition, [genesis])
        return
    records = await home.read(inbox(service), partition, 0, 1, 10_000)
    first = msgspec.msgpack.decode(records[0].value, type=record_type(service)).message if records else None
    if first != genesis:
        raise BadVenue(f"{inbox(service)}/{partition} belongs to another venue: name another folder or cluster")


async def list_assets(home: Log, venue: Venue) -> None:
    """Tell settlement the assets, and have it fill the insurance funds."""
    commands: list[m.Message] = [
        *(m.ListAsset(header(home, venue, "asset", asset), asset) for asset in venue.assets),
        *(m.ContributeToFund(header(home, venue, "fund", fund), *fund) for fund in venue.funds),
    ]
    await append_new(home, "settlement", 0, commands)


async def list_markets(home: Log, venue: Venue, wait_ms: int = 60_000) -> None:
    """Tell funding the markets, once it knows their assets: settlement and funding must be running.

    Raises   BadVenue when the assets do not arrive within `wait_ms` of real time
    """
    for partition in range(venue.genesis.partitions["funding"]):
        own = [market for market in venue.markets if market.funding_partition == partition]
        await wait_for_assets(home, partition, {market.settlement_asset for market in own}, wait_ms)
        listings: list[m.Message] = [m.ListMarket(header(home, venue, "market", market), market) for market in own]
        await append_new(home, "funding", partition, listings)


async def wait_for_assets(home: Log, partition: int, wanted: set[int], wait_ms: int) -> None:
    """Wait until a funding inbox holds the listing of each asset."""
    missing, offset = set(wanted), 0
    decode = msgspec.msgpack.Decoder(record_type("funding")).decode
    while missing:
        records = await home.read(inbox("funding"), partition, offset, READ_BATCH, wait_ms)
        if not records:
            raise BadVenue(f"assets {sorted(missing)} are not listed after {wait_ms} ms: is settlement running?")
        messages = [decode(record.value).message for record in records]
        missing -= {message.asset.id for message in messages if isinstance(message, m.AssetListed)}
        offset += len(records)


def header(home: Log, venue: Venue, kind: str, content: object) -> m.CommandHeader:
    """Header of an admin command; its id comes from the content, so that the same command is known again."""
    digest = blake2b(msgspec.msgpack.encode((venue.genesis.venue, kind, content)), digest_size=8).digest()
    identity = int.from_bytes(digest, "big")
    return m.CommandHeader(0, venue.genesis.admin_keys[0], identity, home.now_ms(), WINDOW_MS)


async def append_new(home: Log, service: str, partition: int, commands: Sequence[m.Message]) -> None:
    """Append the admin commands that an inbox does not hold yet, whenever that was: machines forget ids in minutes."""
    missing = {command.header.command_id: command for command in commands}  # type: ignore[attr-defined]
    decode = msgspec.msgpack.Decoder(record_type(service)).decode
    end, offset = await home.end(inbox(service), partition), 0
    while missing and offset < end:
        records = await home.read(inbox(service), partition, offset, READ_BATCH, 1_000)
        for record in records:
            known = getattr(decode(record.value).message, "header", None)
            if known is not None and known.account == 0:
                missing.pop(known.command_id, None)
        offset += len(records)
    await append(home, service, partition, list(missing.values()))


async def append(home: Log, service: str, partition: int, messages: Sequence[m.Message]) -> None:
    """Append messages from outside, and wait until they are kept."""
    values = [msgspec.msgpack.encode(m.Record(message)) for message in messages]
    if values:
        await (await home.append(inbox(service), partition, values))
