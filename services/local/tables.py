"""Tables of deploy/markets.toml as they may be written: names, kinds, which go together; what they are worth in units is markets_file's."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.core.fixed import SLOTS
from services.core.markets import ContractKind, SettlementPrice

DAY_MS = 86_400_000
EXPIRIES_MAX = 8
"""Of weeks, and of quarters."""


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


def settlement_price(value: object) -> object:
    """Read a way to make a settlement price by its name."""
    if not isinstance(value, str) or value not in SettlementPrice.__members__:
        raise ValueError(f"one of {', '.join(SettlementPrice.__members__)}")
    return int(SettlementPrice[value])


Quantity = Annotated[Decimal, BeforeValidator(exact_decimal)]
Method = Annotated[int, BeforeValidator(settlement_price)]


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


class CollateralEntry(Entry):
    """[asset.collateral]. Every limit must be said, "0" where there shall be none."""

    index: str
    initial_weight: Quantity
    maintenance_weight: Quantity
    weight_base: Quantity
    weight_penalty: Quantity
    account_max: Quantity
    venue_max: Quantity
    borrow_initial_fraction: Quantity
    borrow_initial_factor: Quantity
    borrow_maintenance_fraction: Quantity
    borrow_maintenance_factor: Quantity
    borrow_rate_max: Quantity
    minute_move_max: Quantity
    dispersion_free: Quantity
    dispersion_max: Quantity
    sources_min: int
    price_stale_ms: int


class PoolEntry(Entry):
    """[asset.pool]. Every limit must be said, "0" where there shall be none; rates are parts of one per year."""

    base: Quantity
    optimal: Quantity
    slope: Quantity
    steep_slope: Quantity
    reserve_factor: Quantity
    throttle_threshold: Quantity
    throttle_bound: Quantity
    throttle_fraction: Quantity
    utilisation_max: Quantity
    supply_max: Quantity
    debt_max: Quantity
    account_debt_max: Quantity
    profit_debt_max: Quantity
    convert_bound: Quantity
    period_ms: int


class AssetEntry(Entry):
    """[[asset]]: the unit of account, or what its collateral says; without either it counts for nothing. With a pool it is lent.

    What a debt of the unit of account may grow by per hour is said here, for it has no collateral table.
    """

    id: int
    symbol: str
    decimals: Annotated[int, Field(ge=0, le=12)] = 8
    faucet_max: Quantity = Decimal(0)
    unit_of_account: bool = False
    collateral: CollateralEntry | None = None
    borrow_rate_max: Quantity | None = None
    pool: PoolEntry | None = None

    @model_validator(mode="after")
    def worth_is_said_once(self) -> Self:
        """The unit of account is worth one; it has no other terms."""
        if self.unit_of_account and self.collateral is not None:
            raise ValueError("the unit of account has no collateral table: it is worth one, in full")
        if not self.unit_of_account and self.borrow_rate_max is not None:
            raise ValueError("borrow_rate_max stands in the collateral table; only the unit of account has none")
        return self


class FundEntry(Entry):
    """[[fund]]."""

    group: str
    asset: str
    amount: Quantity


class TierEntry(Entry):
    """A row of `tiers`; `from` is a word of the language, so it has another name here."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    floor: Annotated[Quantity, Field(alias="from")]
    initial: Quantity
    maintenance: Quantity
    amount: Quantity


CONTRACT_FIELDS = (
    *("initial_margin_fraction", "initial_margin_factor", "maintenance_margin_fraction", "maintenance_margin_factor"),
    *("open_interest_max", "owner_position_max", "withdrawal_fraction", "profit_debt_max"),
)
PERPETUAL_FIELDS = ("premium_band", "funding_interval_ms", "funding_rate_max", "interest_rate", "pulse_interval_ms")
FUTURE_FIELDS = ("expiry_price", "settlement_window_ms")
FIELDS_NEEDED = {
    "SPOT": ("base_asset",),
    "LINEAR_PERPETUAL": (*CONTRACT_FIELDS, *PERPETUAL_FIELDS),
    "INVERSE_PERPETUAL": (*CONTRACT_FIELDS, *PERPETUAL_FIELDS, "face"),
    "LINEAR_FUTURE": (*CONTRACT_FIELDS, *FUTURE_FIELDS),
    "INVERSE_FUTURE": (*CONTRACT_FIELDS, *FUTURE_FIELDS, "face"),
}
"""What each kind must say, beside what all must."""
SETTLEMENT_FIELDS = (
    *("tiers", "open_interest_lower", "open_interest_upper", "settlement_interval_ms", "settlement_offset_ms"),
    *("settlement_price", "settlement_window_ms", "profit_lock", "limit_steps", "limit_pause_ms"),
)
"""What a contract may say, and a spot market may not."""


class ListingEntry(Entry):
    """What all markets say, and what those of some kinds do. Every limit must be said, "0" where there shall be none."""

    id: int
    symbol: str
    kind: str
    settlement_asset: str
    base_asset: str | None = None
    group: str
    index: str
    price_decimals: int
    size_decimals: int
    face: Quantity | None = None
    tick: Quantity
    lot: Quantity
    price_max: Quantity
    price_figures: int = 0
    order_size_max: Quantity
    position_max: Quantity
    owner_position_max: Quantity | None = None
    notional_min: Quantity
    orders_max: int
    book_orders_max: int
    levels_max: int
    open_interest_max: Quantity | None = None
    open_interest_lower: Quantity | None = None
    open_interest_upper: Quantity | None = None
    initial_margin_fraction: Quantity | None = None
    initial_margin_factor: Quantity | None = None
    maintenance_margin_fraction: Quantity | None = None
    maintenance_margin_factor: Quantity | None = None
    tiers: tuple[TierEntry, ...] | None = None
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
    expiry_price: Method | None = None
    settlement_price: Method | None = None
    settlement_window_ms: int | None = None
    settlement_interval_ms: int | None = None
    settlement_offset_ms: int | None = None
    profit_lock: bool | None = None
    limit_steps: tuple[Quantity, ...] | None = None
    limit_pause_ms: int | None = None
    pulse_interval_ms: int | None = None
    withdrawal_fraction: Quantity | None = None
    profit_debt_max: Quantity | None = None
    matching_partition: int = 0
    funding_partition: int = 0

    @model_validator(mode="after")
    def fields_suit_the_kind(self) -> Self:
        """A contract has margin; a perpetual has funding, a future an end; a spot market has a base asset instead."""
        if self.kind not in ContractKind.__members__:
            raise ValueError(f"kind: one of {', '.join(ContractKind.__members__)}")
        wanted = self.wanted()
        if missing := [name for name in wanted if getattr(self, name) is None]:
            raise ValueError(f"a {self.kind} market needs {', '.join(missing)}")
        optional = () if self.kind == ContractKind.SPOT.name else SETTLEMENT_FIELDS
        known = {*SETTLEMENT_FIELDS, "expires", *(name for names in FIELDS_NEEDED.values() for name in names)}
        stated = [name for name in type(self).model_fields if name in known and getattr(self, name) is not None]
        if surplus := [name for name in stated if name not in (*wanted, *optional)]:
            raise ValueError(f"a {self.kind} market has no {', '.join(surplus)}")
        return self

    def wanted(self) -> tuple[str, ...]:
        """What its kind must say."""
        return FIELDS_NEEDED[self.kind]


class MarketEntry(ListingEntry):
    """[[market]]; a future says when it ends."""

    expires: AwareDatetime | None = None

    def wanted(self) -> tuple[str, ...]:
        """What its kind must say, and the end."""
        return (*super().wanted(), *(["expires"] if self.kind.endswith("_FUTURE") else []))

    @property
    def expires_ms(self) -> int:
        """When it ends, 0 for never."""
        return 0 if self.expires is None else milliseconds(self.expires)


class CalendarEntry(Entry):
    """[[calendar]]: the common form of futures, and when there is one."""

    id: Annotated[int, Field(gt=0)]
    market: ListingEntry
    weeks: Annotated[int, Field(ge=0, le=EXPIRIES_MAX)]
    quarters: Annotated[int, Field(ge=0, le=EXPIRIES_MAX)]
    hour_ms: Annotated[int, Field(ge=0, lt=DAY_MS)]
    markets_max: Annotated[int, Field(gt=0)]

    @model_validator(mode="after")
    def lists_futures(self) -> Self:
        """There is something to list, and it ends."""
        if not self.weeks and not self.quarters:
            raise ValueError("weeks, quarters: at least one of them is 1 or more")
        if self.weeks + self.quarters > self.markets_max:
            raise ValueError(f"markets_max: {self.weeks + self.quarters} at least, for there are so many at once")
        if not self.market.kind.endswith("_FUTURE"):
            raise ValueError("market.kind: LINEAR_FUTURE or INVERSE_FUTURE")
        return self


class File(Entry):
    """The whole file."""

    venue: VenueEntry
    asset: tuple[AssetEntry, ...]
    market: tuple[MarketEntry, ...] = ()
    calendar: tuple[CalendarEntry, ...] = ()
    fund: tuple[FundEntry, ...] = ()


class BadForm(Exception):
    """A form that is not there, or says what no market has; the text names the field."""


def without_forms(file: dict[str, Any]) -> dict[str, Any]:
    """Give each market what its form says and it does not say itself.

    Raises   BadForm
    """
    forms = file.get("form", {})
    for name, form in forms.items():
        if unknown := [field for field in form if field not in MarketEntry.model_fields]:
            raise BadForm(f"form.{name}.{unknown[0]}: no market has such a field")
    rest = {name: value for name, value in file.items() if name != "form"}
    rest["market"] = [whole(one, forms, f"market.{number}") for number, one in enumerate(file.get("market", []))]
    rest["calendar"] = [
        one | {"market": whole(one.get("market", {}), forms, f"calendar.{number}.market")}
        for number, one in enumerate(file.get("calendar", []))
    ]
    return rest


def whole(market: dict[str, Any], forms: dict[str, Any], place: str) -> dict[str, Any]:
    """Return a market with what its form says; BadForm for a form that is not there."""
    if "form" not in market:
        return market
    name = market["form"]
    if name not in forms:
        raise BadForm(f"{place}.form: the file has no form {name}; it has {', '.join(forms) or 'none'}")
    return {**forms[name], **{field: value for field, value in market.items() if field != "form"}}


def milliseconds(at: datetime) -> int:
    """Unix milliseconds of a time."""
    return int(at.timestamp() * 1_000)
