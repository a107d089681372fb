"""What a venue is, read from deploy/markets.toml, and how it enters a log: topics, Genesis, listings; it decides no parameter.

Everything here may be repeated at any time: what is in the log already is not appended again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgspec

from services.core import messages as m
from services.core.log import Log
from services.core.markets import Asset, Calendar, Market
from services.core.spine import record_type
from services.core.topics import SERVICES, all_topics, inbox
from services.local.markets_file import (
    BadVenue,
    asset_of,
    calendar_of,
    check_apart,
    check_calendars,
    fund_of,
    genesis_of,
    market_of,
    read_file,
)

__all__ = [
    "MARKETS_FILE",
    "ROOT",
    "BadVenue",
    "Venue",
    "append",
    "found",
    "list_assets",
    "list_markets",
    "read_venue",
]

ROOT = Path(__file__).resolve().parents[2]
MARKETS_FILE = ROOT / "deploy" / "markets.toml"
WINDOW_MS = 60_000
READ_BATCH = 500


@dataclass(frozen=True)
class Venue:
    """What enters the log."""

    genesis: m.Genesis
    assets: tuple[Asset, ...]
    markets: tuple[Market, ...]
    funds: tuple[tuple[str, int, int], ...]
    """(group, asset, amount)."""
    calendars: tuple[Calendar, ...] = ()

    @property
    def listings(self) -> tuple[Market, ...]:
        """Markets, and the common forms of those that calendars list."""
        return (*self.markets, *(calendar.market for calendar in self.calendars))

    @property
    def indices(self) -> list[str]:
        """Every index that something of the venue has its price by."""
        collateral = {asset.collateral.index for asset in self.assets} - {""}
        return sorted(collateral | {market.index for market in self.listings})


def read_venue(path: Path = MARKETS_FILE, partitions: dict[str, int] | None = None) -> Venue:
    """Read a venue; `partitions` goes before what the file says.

    Raises   BadVenue, naming every field that cannot be used
    """
    file = read_file(path)
    check_apart(file)
    assets = tuple(asset_of(entry) for entry in file.asset)
    by_symbol = {asset.symbol: asset for asset in assets}
    markets = tuple(market_of(entry, by_symbol) for entry in file.market)
    calendars = tuple(calendar_of(entry, by_symbol) for entry in file.calendar)
    check_calendars(calendars, markets)
    funds = tuple(fund_of(entry, by_symbol) for entry in file.fund)
    return Venue(genesis_of(file.venue, partitions or {}), assets, markets, funds, calendars)


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
    """Tell funding the markets and calendars, once it knows their assets: settlement and funding must be running.

    Raises   BadVenue when the assets do not arrive within `wait_ms` of real time
    """
    for partition in range(venue.genesis.partitions["funding"]):
        own = [market for market in venue.listings if market.funding_partition == partition]
        await wait_for_assets(home, partition, assets_of(own), wait_ms)
        await append_new(home, "funding", partition, listings_of(home, venue, partition))


def listings_of(home: Log, venue: Venue, partition: int) -> list[m.Message]:
    """Commands that list what belongs to a funding partition."""
    markets = [market for market in venue.markets if market.funding_partition == partition]
    calendars = [one for one in venue.calendars if one.market.funding_partition == partition]
    return [
        *(m.ListMarket(header(home, venue, "market", market), market) for market in markets),
        *(m.ListCalendar(header(home, venue, "calendar", calendar), calendar) for calendar in calendars),
    ]


def assets_of(markets: Sequence[Market]) -> set[int]:
    """Every asset that markets settle or trade in."""
    return {market.settlement_asset for market in markets} | {market.base_asset for market in markets if market.is_spot}


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
    """Header of an admin command, by the first two admins; its id comes from the content, so that the same command is known again."""
    digest = blake2b(msgspec.msgpack.encode((venue.genesis.venue, kind, content)), digest_size=8).digest()
    identity = int.from_bytes(digest, "big")
    first, second, *_ = venue.genesis.admin_keys
    return m.CommandHeader(0, first, identity, home.now_ms(), WINDOW_MS, second)


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
