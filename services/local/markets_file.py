"""deploy/markets.toml as tables, and each of them as what enters the log; every refusal names the field. It touches no log."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, LIMIT, SLOTS
from services.core.markets import Asset, ContractKind, Market, check_market
from services.core.topics import SERVICES
from services.local.development import ADMIN_KEY_IDS, DEVELOPMENT_SUFFIX

FRACTION_DECIMALS = len(str(FRACTION_ONE)) - 1


class BadVenue(Exception):
    """The file or the log says something that cannot be: the text names the field or the topic."""


def exact_decimal(value: object) -> Decimal:
    """Read a decimal in quotes or a whole number; a float would have lost digits already."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("write it as a decimal in quotes")  # noqa: TRY004 - pydantic turns ValueError into its own
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("write it as a decimal in quotes") from None
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


PERPETUAL_FIELDS = (
    *("initial_margin_fraction", "maintenance_margin_fraction", "open_interest_max", "premium_band"),
    *("funding_interval_ms", "funding_rate_max", "interest_rate"),
)
"""What a perpetual must say and a spot market must not."""


class MarketEntry(Entry):
    """[[market]], in the order of the file. Every limit must be said, "0" where there shall be none."""

    id: int
    symbol: str
    kind: str
    settlement_asset: str
    base_asset: str | None = None
    group: str
    index: str
    price_decimals: int
    size_decimals: int
    tick: Quantity
    lot: Quantity
    price_max: Quantity
    price_figures: int = 0
    order_size_max: Quantity
    position_max: Quantity
    notional_min: Quantity
    orders_max: int
    book_orders_max: int
    levels_max: int
    open_interest_max: Quantity | None = None
    initial_margin_fraction: Quantity | None = None
    maintenance_margin_fraction: Quantity | None = None
    maker_fee: Quantity
    taker_fee: Quantity
    band: Quantity
    impact_band: Quantity
    premium_band: Quantity | None = None
    impact_notional: Quantity
    funding_interval_ms: int | None = None
    funding_rate_max: Quantity | None = None
    interest_rate: Quantity | None = None
    mark_interval_ms: int
    price_stale_ms: int
    sources_min: int
    dispersion_max: Quantity
    matching_partition: int = 0
    funding_partition: int = 0

    @model_validator(mode="after")
    def fields_suit_the_kind(self) -> Self:
        """A perpetual has margin and funding; a spot market has a base asset instead."""
        if self.kind not in ContractKind.__members__:
            raise ValueError(f"kind: one of {', '.join(ContractKind.__members__)}")
        is_spot = self.kind == ContractKind.SPOT.name
        wanted, unwanted = (("base_asset",), PERPETUAL_FIELDS) if is_spot else (PERPETUAL_FIELDS, ("base_asset",))
        if missing := [name for name in wanted if getattr(self, name) is None]:
            raise ValueError(f"a {self.kind} market needs {', '.join(missing)}")
        if surplus := [name for name in unwanted if getattr(self, name) is not None]:
            raise ValueError(f"a {self.kind} market has no {', '.join(surplus)}")
        return self


class File(Entry):
    """The whole file."""

    venue: VenueEntry
    asset: tuple[AssetEntry, ...]
    market: tuple[MarketEntry, ...]
    fund: tuple[FundEntry, ...] = ()


RULES = (
    "id is 1 to 2^22 - 1; symbol, index and group are not empty",
    "kind is a known one",
    "settlement_decimals are those of the asset",
    "price_decimals and size_decimals are 0 to 12",
    "tick and lot are positive, and price_max is a multiple of the tick",
    "tick * lot is a whole number of settlement units",
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
)
"""The rules of listing in words, in the order of `rules_of` in services/core/markets.py."""


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


def asset_of(entry: AssetEntry) -> Asset:
    """Convert an asset."""
    faucet_max = units(entry.faucet_max, entry.decimals, f"asset {entry.symbol}: faucet_max")
    return Asset(entry.id, entry.symbol, entry.decimals, faucet_max)


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
    asset = asset_named(entry.settlement_asset, assets, f"market {entry.symbol}: settlement_asset")
    stated = {name: value for name, value in entry if value is not None and name in Market.__struct_fields__}
    fields: dict[str, Any] = dict.fromkeys(PERPETUAL_FIELDS, 0) | stated
    fields |= {"kind": ContractKind[entry.kind], "settlement_asset": asset.id, "settlement_decimals": asset.decimals}
    if entry.base_asset is not None:
        base = asset_named(entry.base_asset, assets, f"market {entry.symbol}: base_asset")
        fields |= {"base_asset": base.id, "base_decimals": base.decimals}
    for name, decimals in decimals_of(entry, asset).items():
        fields[name] = units(Decimal(fields[name]), decimals, f"market {entry.symbol}: {name}")
    market = Market(**fields)
    refusal = check_market(market, asset)
    if refusal is not None:
        raise BadVenue(f"market {entry.symbol}: breaks rule {refusal.limit} of listing: {RULES[refusal.limit - 1]}")
    return market


def decimals_of(entry: MarketEntry, asset: Asset) -> dict[str, int]:
    """Decimals of each quantity of a market."""
    prices = dict.fromkeys(("tick", "price_max"), entry.price_decimals)
    sizes = dict.fromkeys(("lot", "order_size_max", "position_max", "open_interest_max"), entry.size_decimals)
    names = [name for name in MarketEntry.model_fields if name.endswith(("_fraction", "_fee", "band"))]
    parts = dict.fromkeys([*names, "funding_rate_max", "interest_rate", "dispersion_max"], FRACTION_DECIMALS)
    return prices | sizes | parts | dict.fromkeys(("impact_notional", "notional_min"), asset.decimals)
