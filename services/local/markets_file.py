"""deploy/markets.toml as what enters the log: integers in units, judged by the rules of listing; every refusal names the field."""

import tomllib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from pydantic import ValidationError

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, LIMIT, SLOTS
from services.core.listing import check_market
from services.core.markets import (
    NO_COLLATERAL,
    UNIT_OF_ACCOUNT,
    Asset,
    Calendar,
    Collateral,
    ContractKind,
    MarginTier,
    Market,
    PoolTerms,
)
from services.core.topics import SERVICES
from services.funding.calendar import check_calendar
from services.local.development import ADMIN_KEY_IDS, DEVELOPMENT_SUFFIX
from services.local.tables import (
    AssetEntry,
    BadForm,
    CalendarEntry,
    CollateralEntry,
    File,
    FundEntry,
    ListingEntry,
    MarketEntry,
    PoolEntry,
    TierEntry,
    VenueEntry,
    without_forms,
)
from services.settlement.listing import check_asset

FRACTION_DECIMALS = len(str(FRACTION_ONE)) - 1
POOL_CAPS = ("supply_max", "debt_max", "account_debt_max", "profit_debt_max")


class BadVenue(Exception):
    """The file or the log says something that cannot be: the text names the field or the topic."""


RULES = (
    "id is 1 to 2^22 - 1; symbol, index and group are not empty",
    "kind is a known one",
    "settlement_decimals are those of the asset",
    "price_decimals and size_decimals are 0 to 12",
    "tick and lot are positive, and price_max is a multiple of the tick",
    "tick * lot is a whole number of settlement units, but for inverse markets",
    "0 < order_size_max <= position_max, and order_size_max is a multiple of the lot",
    "price_max, position_max and their product stay below 2^60 settlement units",
    "0 < maintenance_margin_fraction < initial_margin_fraction <= 1",
    "0 <= maker_fee <= taker_fee < maintenance_margin_fraction",
    "0 < band < 1",
    "impact_notional is positive, and orders_max is 1 to 10000",
    "funding_interval_ms is at least 60000, and 0 < funding_rate_max < maintenance_margin_fraction",
    "|interest_rate| <= funding_rate_max",
    "0 < mark_interval_ms <= price_stale_ms",
    "partitions are not negative",
    "base_asset is another one than settlement_asset, with at least size_decimals, and position_max fits its numbers",
    "notional_min and open_interest_max are not negative, and below 2^60",
    "book_orders_max and levels_max are not negative, and price_figures is 0 to 18",
    "impact_band and premium_band are 0 or more, below 1",
    "sources_min is at least 1, and 0 < dispersion_max <= 1",
    "0 <= maintenance_margin_factor <= initial_margin_factor <= 1; the margin of position_max stays below 2^62; tiers start at 0 and rise",
    "an inverse market alone has a face, and a future alone an end",
    "a settlement has an interval of a minute or more, its offset within, and a window of whole seconds in 12 parts for a reference rate",
    "owner_position_max is not negative, and below 2^60",
    "0 <= open_interest_lower <= open_interest_upper",
    "a contract settles in an asset that counts as collateral",
    "pulse_interval_ms is 0, or of a perpetual from 1000 to 3600000",
    "withdrawal_fraction is 0 to 1, and profit_debt_max not negative",
)
"""The rules of listing in words, in the order of `rules_of` in services/core/listing.py."""


ASSET_RULES = (
    "id is 1 to 2^22 - 1, and symbol is not empty",
    "decimals are 0 to 12",
    "faucet_max is not negative, and below 2^62",
    "0 <= initial_weight <= maintenance_weight <= 1",
    "weight_base and weight_penalty are both 0, or both above 0 and at most 10",
    "without an index it is the unit of account, or no collateral",
    "account_max and venue_max are not negative, and below 2^62",
    "borrow fractions and factors are 0 to 1, and those for keeping at most those for opening",
    "borrow_rate_max is 0 to 1",
    "0 <= minute_move_max < 1, 0 <= dispersion_free <= dispersion_max <= 1, not 0; sources_min is 1 or more, price_stale_ms a day at most",
    "what has a pool is the unit of account, or has an index: its debts have a price",
    "pool.optimal is above 0 and at most 1; pool.base, slope and steep_slope are 0 to 100",
    "pool.reserve_factor is 0 or more, below 1",
    "pool.throttle_threshold and throttle_bound are at most utilisation_max, that, throttle_fraction and convert_bound at most 1",
    "pool.supply_max, debt_max, account_debt_max and profit_debt_max are not negative, and below 2^62",
    "pool.period_ms is 1000 to 3600000",
    "pool.base + slope + steep_slope, per year, are no more than borrow_rate_max, per hour",
)
"""The rules of assets in words, in the order of `rules_of` in services/settlement/listing.py."""


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
    slots = [slot % counts["risk"] for slot in range(SLOTS)]
    ordered = {service: counts[service] for service in SERVICES}
    return m.Genesis(entry.name, entry.generation, ordered, slots, admins_of(entry), entry.rules)


def admins_of(entry: VenueEntry) -> list[int]:
    """Key ids of the admins: at least two, and none that everybody has."""
    try:
        admins = [int(one, 16) for one in entry.admin_key_ids]
    except ValueError as error:
        raise BadVenue(f"venue.admin_key_ids: {error}") from error
    if len(set(admins)) < 2:
        raise BadVenue("venue.admin_key_ids: name at least two different keys: what touches money needs two signatures")
    known = [f"{one:016x}" for one in admins if one in ADMIN_KEY_IDS]
    if known and not entry.name.endswith(DEVELOPMENT_SUFFIX):
        raise BadVenue(
            f"venue.admin_key_ids: everybody has the development keys {', '.join(known)}: put your own (vigil keys new), "
            f'or end venue.name in "{DEVELOPMENT_SUFFIX}"'
        )
    return admins


def read_file(path: Path) -> File:
    """Read the tables of a file, its forms filled in.

    Raises   BadVenue, naming every field that cannot be used
    """
    try:
        return File.model_validate(without_forms(tomllib.loads(path.read_text())))
    except ValidationError as refused:
        lines = [f"{path.name}: {dotted(error['loc'])}: {error['msg']}" for error in refused.errors()]
        raise BadVenue("\n".join(lines)) from refused
    except BadForm as error:
        raise BadVenue(f"{path.name}: {error}") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadVenue(f"{path} cannot be read: {error}") from error


def dotted(location: tuple[int | str, ...]) -> str:
    """Name of a field as in `market.0.tick`."""
    return ".".join(str(part) for part in location)


def asset_of(entry: AssetEntry) -> Asset:
    """Convert an asset."""
    faucet_max = units(entry.faucet_max, entry.decimals, f"asset {entry.symbol}: faucet_max")
    collateral = UNIT_OF_ACCOUNT if entry.unit_of_account else NO_COLLATERAL
    if entry.collateral is not None:
        collateral = collateral_of(entry.collateral, entry)
    elif entry.borrow_rate_max is not None:
        rate = units(entry.borrow_rate_max, FRACTION_DECIMALS, f"asset {entry.symbol}: borrow_rate_max")
        collateral = replace(collateral, borrow_rate_max=rate)
    pool = None if entry.pool is None else pool_of(entry.pool, entry)
    asset = Asset(entry.id, entry.symbol, entry.decimals, faucet_max, collateral, pool)
    refusal = check_asset(asset)
    if refusal is not None:
        raise BadVenue(f"asset {entry.symbol}: breaks rule {refusal.limit}: {ASSET_RULES[refusal.limit - 1]}")
    return asset


def collateral_of(entry: CollateralEntry, asset: AssetEntry) -> Collateral:
    """Convert what an asset is worth; amounts are in its own units, all other quantities are fractions."""
    fields: dict[str, Any] = dict(entry)
    for name, value in fields.items():
        if isinstance(value, Decimal):
            decimals = asset.decimals if name in ("account_max", "venue_max") else FRACTION_DECIMALS
            fields[name] = units(value, decimals, f"asset {asset.symbol}: collateral.{name}")
    return Collateral(**fields)


def pool_of(entry: PoolEntry, asset: AssetEntry) -> PoolTerms:
    """Convert the terms of a pool; caps are in the asset's units, all other quantities are parts of one."""
    fields: dict[str, Any] = dict(entry)
    for name, value in fields.items():
        if isinstance(value, Decimal):
            decimals = asset.decimals if name in POOL_CAPS else FRACTION_DECIMALS
            fields[name] = units(value, decimals, f"asset {asset.symbol}: pool.{name}")
    return PoolTerms(**fields)


def asset_named(symbol: str, assets: dict[str, Asset], field: str) -> Asset:
    """Return an asset of the file."""
    if symbol not in assets:
        raise BadVenue(f"{field}: the file has no asset {symbol}; it has {', '.join(assets)}")
    return assets[symbol]


def fund_of(entry: FundEntry, assets: dict[str, Asset]) -> tuple[str, int, int]:
    """Convert a contribution."""
    asset = asset_named(entry.asset, assets, f"fund {entry.group}: asset")
    return entry.group, asset.id, units(entry.amount, asset.decimals, f"fund {entry.group}: amount")


def market_of(entry: MarketEntry, assets: dict[str, Asset]) -> Market:
    """Convert a market; BadVenue names the field or the rule of listing that it breaks."""
    market = listing_of(entry, assets, f"market {entry.symbol}", entry.expires_ms)
    judge(market, asset_named(entry.settlement_asset, assets, ""), f"market {entry.symbol}")
    return market


def calendar_of(entry: CalendarEntry, assets: dict[str, Asset]) -> Calendar:
    """Convert a calendar; its market is judged as if it ended some time, as each that it lists does."""
    place = f"calendar {entry.id}: market {entry.market.symbol}"
    settlement = asset_named(entry.market.settlement_asset, assets, f"{place}: settlement_asset")
    judge(listing_of(entry.market, assets, place, expires_ms=1), settlement, place)
    market = listing_of(entry.market, assets, place, expires_ms=0)
    return Calendar(entry.id, market, entry.weeks, entry.quarters, entry.hour_ms, entry.markets_max)


def judge(market: Market, asset: Asset, place: str) -> None:
    """Raise BadVenue when a market breaks a rule of listing."""
    refusal = check_market(market, asset)
    if refusal is not None:
        raise BadVenue(f"{place}: breaks rule {refusal.limit} of listing: {RULES[refusal.limit - 1]}")


def listing_of(entry: ListingEntry, assets: dict[str, Asset], place: str, expires_ms: int) -> Market:
    """Convert what a market says, exactly; BadVenue names the field."""
    asset = asset_named(entry.settlement_asset, assets, f"{place}: settlement_asset")
    fields: dict[str, Any] = dict.fromkeys(ALWAYS, 0)
    fields |= {name: value for name, value in entry if value is not None and name in Market.__struct_fields__}
    fields |= {"kind": int(ContractKind[entry.kind]), "settlement_asset": asset.id, "expires_ms": expires_ms}
    fields["settlement_decimals"] = asset.decimals
    if entry.base_asset is not None:
        base = asset_named(entry.base_asset, assets, f"{place}: base_asset")
        fields |= {"base_asset": base.id, "base_decimals": base.decimals}
    for name, decimals in decimals_of(entry, asset).items():
        if name in fields:
            fields[name] = units(Decimal(fields[name]), decimals, f"{place}: {name}")
    steps = enumerate(entry.limit_steps or ())
    fields["limit_steps"] = tuple(
        units(step, FRACTION_DECIMALS, f"{place}: limit_steps.{number}") for number, step in steps
    )
    fields["tiers"] = tuple(
        tier_of(tier, asset, f"{place}: tiers.{number}") for number, tier in enumerate(entry.tiers or ())
    )
    return Market(**fields)


ALWAYS = (
    *("initial_margin_fraction", "maintenance_margin_fraction"),
    *("funding_interval_ms", "funding_rate_max", "interest_rate"),
)
"""What a market has for every kind, 0 where its kind knows no such thing."""


def tier_of(entry: TierEntry, asset: Asset, place: str) -> MarginTier:
    """Convert a tier of margin."""
    return (
        units(entry.floor, asset.decimals, f"{place}.from"),
        units(entry.initial, FRACTION_DECIMALS, f"{place}.initial"),
        units(entry.maintenance, FRACTION_DECIMALS, f"{place}.maintenance"),
        units(entry.amount, asset.decimals, f"{place}.amount"),
    )


PRICES = ("tick", "price_max", "face")
SIZES = (
    *("lot", "order_size_max", "position_max", "owner_position_max"),
    *("open_interest_max", "open_interest_lower", "open_interest_upper"),
)
AMOUNTS = ("impact_notional", "notional_min", "profit_debt_max")
PARTS = tuple(name for name in ListingEntry.model_fields if name.endswith(("_fraction", "_factor", "_fee", "band")))


def decimals_of(entry: ListingEntry, asset: Asset) -> dict[str, int]:
    """Decimals of each quantity of a market."""
    parts = dict.fromkeys((*PARTS, "funding_rate_max", "interest_rate", "dispersion_max"), FRACTION_DECIMALS)
    prices, sizes = dict.fromkeys(PRICES, entry.price_decimals), dict.fromkeys(SIZES, entry.size_decimals)
    return prices | sizes | parts | dict.fromkeys(AMOUNTS, asset.decimals)


def check_calendars(calendars: Sequence[Calendar], markets: Sequence[Market]) -> None:
    """Refuse a calendar that funding would; raises BadVenue."""
    known = [(market.id, market.symbol) for market in markets]
    for number, calendar in enumerate(calendars):
        refusal = check_calendar(calendar, list(calendars[:number]), known)
        if refusal is not None:
            raise BadVenue(f"calendar {calendar.id}: breaks rule {refusal.limit} of services/funding/calendar.py")


def check_apart(file: File) -> None:
    """Refuse what would have one id or one symbol with another, and another number of units of account than one; raises BadVenue."""
    counted_in = sum(entry.unit_of_account for entry in file.asset)
    if counted_in != 1:
        raise BadVenue(f"asset: exactly one says unit_of_account = true, not {counted_in}: equity is counted in it")
    check_once((entry.id for entry in file.asset), "asset", "id")
    check_once((entry.symbol for entry in file.asset), "asset", "symbol")
    check_once((entry.id for entry in file.calendar), "calendar", "id")
    check_once((entry.symbol for entry in file.market), "market", "symbol")
    ranges = [(entry.id, entry.id, f"market {entry.symbol}") for entry in file.market]
    ranges += [(one.market.id, one.market.id + one.markets_max - 1, f"calendar {one.id}") for one in file.calendar]
    for (_, last, name), (first, _, other) in pairwise(sorted(ranges)):
        if first <= last:
            raise BadVenue(f"{other}: id {first} belongs to {name} already, which goes to {last}")


def check_once(values: Iterator[object], table: str, field: str) -> None:
    """Raise BadVenue for a value that comes twice."""
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise BadVenue(f"{table} {value}: two of them have this {field}")
        seen.add(value)
