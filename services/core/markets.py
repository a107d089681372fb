"""What a market and an asset are: data that enters the log by listing; it does not hold prices or positions.

`check_market` refuses a listing with which money would not be exact or a number could leave its range (DESIGN.md 3).
"""

from collections.abc import Iterator
from enum import IntEnum
from itertools import pairwise
from typing import TypeAlias

import msgspec

from services.core.fixed import (
    FRACTION_ONE,
    LIMIT,
    Amount,
    AssetId,
    Fraction,
    MarketId,
    Milliseconds,
    Price,
    Size,
    div_ceil,
    div_exact,
)
from services.core.reasons import Reason, Refusal
from services.core.roots import root_ceil

MARKETS_MAX = 2**22
"""An order id is market * 2^40 + counter and stays below 2^62."""
ROOM = LIMIT >> 2
"""Marks and protection prices may lie beyond price_max by the band, less than four times."""


class ContractKind(IntEnum):
    """Row of the contract table (M-2)."""

    LINEAR_PERPETUAL = 1
    SPOT = 2
    INVERSE_PERPETUAL = 3
    LINEAR_FUTURE = 4
    INVERSE_FUTURE = 5


LINEAR_PERPETUAL = int(ContractKind.LINEAR_PERPETUAL)
SPOT = int(ContractKind.SPOT)
INVERSE_PERPETUAL = int(ContractKind.INVERSE_PERPETUAL)
LINEAR_FUTURE = int(ContractKind.LINEAR_FUTURE)
INVERSE_FUTURE = int(ContractKind.INVERSE_FUTURE)
PERPETUALS = (LINEAR_PERPETUAL, INVERSE_PERPETUAL)
FUTURES = (LINEAR_FUTURE, INVERSE_FUTURE)
INVERSE = (INVERSE_PERPETUAL, INVERSE_FUTURE)


class SettlementPrice(IntEnum):
    """What a market is settled at, on its days and at its end (F-1.2, F-1.3, F-1.5)."""

    MARK = 0
    INDEX_MEAN = 1
    TRADED_MEAN = 2
    REFERENCE_RATE = 3


MarginTier: TypeAlias = tuple[Amount, Fraction, Fraction, Amount]
"""(least notional, initial fraction, maintenance fraction, maintenance amount): from that notional on the whole position needs
`notional * maintenance fraction - maintenance amount` (F-2.11); amounts of 0 are risk limits of the F-2.4 kind."""
TIERS_MAX = 32
STEPS_MAX = 8
WINDOW_MAX_MS = 86_400_000
REFERENCE_PARTITIONS = 12
"""Equal parts of the window of a reference rate (F-1.5)."""
UNITS = {exponent: (10 ** max(0, exponent), 10 ** max(0, -exponent)) for exponent in range(-24, 13)}
"""Ten to the power of what decimals leave, as (numerator, denominator)."""


class Collateral(msgspec.Struct, array_like=True, frozen=True):
    """What an asset is worth as margin (M-3): weights of a positive net amount, and what a negative one needs.

    Weight of a net of q whole units: min(weight, weight_base / (1 + weight_penalty * sqrt(q))); without a base the weight itself.
    A debt of q needs q * max(base, factor * sqrt(q)) beside counting in full. Fractions are parts of 1e12. `index` names the price, ""
    is the unit of account itself, worth one. `account_max` and `venue_max` are what counts at most, of one subaccount and of all, 0
    for no limit. `minute_move_max` bounds the price's move per minute, 0 for no bound; a spread of the sources beyond
    `dispersion_free` is taken off the price; fewer than `sources_min` believed sources, or more than `dispersion_max` between them,
    leave the price as it was.
    `borrow_rate_max` is the most that a debt can grow per hour.
    """

    index: str = ""
    initial_weight: Fraction = 0
    maintenance_weight: Fraction = 0
    weight_base: Fraction = 0
    weight_penalty: Fraction = 0
    account_max: Amount = 0
    venue_max: Amount = 0
    borrow_initial_fraction: Fraction = 0
    borrow_initial_factor: Fraction = 0
    borrow_maintenance_fraction: Fraction = 0
    borrow_maintenance_factor: Fraction = 0
    borrow_rate_max: Fraction = 0
    minute_move_max: Fraction = 0
    dispersion_free: Fraction = 0
    dispersion_max: Fraction = FRACTION_ONE
    sources_min: int = 1
    price_stale_ms: Milliseconds = 60_000


NO_COLLATERAL = Collateral()
UNIT_OF_ACCOUNT = Collateral(initial_weight=FRACTION_ONE, maintenance_weight=FRACTION_ONE)
"""An asset that is worth one, in full: what equity and margin are counted in."""


class Asset(msgspec.Struct, array_like=True, frozen=True):
    """An asset of the venue; `faucet_max` is what a test venue gives away per request, 0 for none. By default it is no collateral."""

    id: AssetId
    symbol: str
    decimals: int = 8
    faucet_max: Amount = 0
    collateral: Collateral = NO_COLLATERAL


class Market(msgspec.Struct, array_like=True, frozen=True):
    """A market as listed. Decimals are fixed for ever; tick and lot are multiples of 10^-decimals.

    Limits that were appended later are off at 0: notional_min, open_interest_max, book_orders_max, levels_max (per side),
    price_figures (significant figures of a price, whole numbers excepted, F-HL-3), impact_band (how far a market order may go past the
    best price), premium_band (how far past the mean premium an order's price may lie). `dispersion_max` is the largest spread of the
    sources round their median; with a larger one there is no index. A spot market has a base asset and neither margin nor funding.

    An inverse contract is worth `face` (10^-price_decimals of the quote) and settles in the coin. Margin of a notional N in whole
    settlement units: max(fraction, factor * sqrt(N)) of it; with `tiers` those decide. Between `open_interest_lower` and `_upper` the
    initial fraction rises to one (F-DX-2). `expires_ms` ends a future at the price of `expiry_price` over `settlement_window_ms`.
    Every `settlement_interval_ms`, counted from `settlement_offset_ms`, positions are settled at `settlement_price`; with `profit_lock`
    what closing realises stays in the position until then (v0). `limit_steps` bound prices round the last settlement, inner ones by
    an auction of `limit_pause_ms` (F-1.6). `owner_position_max` bounds the positions of one owner's accounts together.
    """

    id: MarketId
    symbol: str
    kind: int
    settlement_asset: AssetId
    group: str
    index: str
    price_decimals: int
    size_decimals: int
    settlement_decimals: int
    tick: Price
    lot: Size
    price_max: Price
    order_size_max: Size
    position_max: Size
    orders_max: int
    initial_margin_fraction: Fraction
    maintenance_margin_fraction: Fraction
    maker_fee: Fraction
    taker_fee: Fraction
    band: Fraction
    impact_notional: Amount
    funding_interval_ms: int
    funding_rate_max: Fraction
    interest_rate: Fraction
    mark_interval_ms: int
    price_stale_ms: int
    matching_partition: int = 0
    funding_partition: int = 0
    base_asset: AssetId = 0
    base_decimals: int = 0
    notional_min: Amount = 0
    open_interest_max: Size = 0
    book_orders_max: int = 0
    levels_max: int = 0
    price_figures: int = 0
    impact_band: Fraction = 0
    premium_band: Fraction = 0
    sources_min: int = 1
    dispersion_max: Fraction = FRACTION_ONE
    face: Amount = 0
    initial_margin_factor: Fraction = 0
    maintenance_margin_factor: Fraction = 0
    tiers: tuple[MarginTier, ...] = ()
    open_interest_lower: Size = 0
    open_interest_upper: Size = 0
    owner_position_max: Size = 0
    expires_ms: Milliseconds = 0
    expiry_price: int = SettlementPrice.INDEX_MEAN
    settlement_interval_ms: Milliseconds = 0
    settlement_offset_ms: Milliseconds = 0
    settlement_price: int = SettlementPrice.MARK
    settlement_window_ms: Milliseconds = 0
    profit_lock: bool = False
    limit_steps: tuple[Fraction, ...] = ()
    limit_pause_ms: Milliseconds = 0

    @property
    def is_spot(self) -> bool:
        """Whether fills exchange two assets and leave no position."""
        return self.kind == SPOT

    @property
    def is_inverse(self) -> bool:
        """Whether a contract is worth a fixed amount of the quote and settles in the coin."""
        return self.kind in INVERSE

    @property
    def is_perpetual(self) -> bool:
        """Whether positions pay funding and never expire."""
        return self.kind in PERPETUALS

    @property
    def is_future(self) -> bool:
        """Whether positions end at a time."""
        return self.kind in FUTURES

    @property
    def face_unit(self) -> tuple[int, int]:
        """Settlement units of one size unit of an inverse contract times its price, as (numerator, denominator)."""
        numerator, denominator = UNITS[self.settlement_decimals - self.size_decimals]
        return self.face * numerator, denominator

    @property
    def unit(self) -> tuple[int, int]:
        """Settlement units in one price unit times one size unit, as (numerator, denominator)."""
        return UNITS[self.settlement_decimals - self.price_decimals - self.size_decimals]


class Calendar(msgspec.Struct, array_like=True, frozen=True):
    """Futures that list, roll and expire by themselves: `market` is their common form, its symbol without the date, its expiry 0.

    At any time there is one that expires on each of the next `weeks` Fridays and of the next `quarters` last Fridays of March, June,
    September and December, at `hour_ms` of the day (UTC). Ids are given from `market.id` on, at most `markets_max` of them.
    """

    id: int
    market: Market
    weeks: int
    quarters: int
    hour_ms: Milliseconds
    markets_max: int


def on_grid(market: Market, price: Price) -> bool:
    """Whether a price is a positive multiple of the tick, with at most the market's significant figures unless it is a whole number.

    Source   F-HL-3
    """
    if price <= 0 or price % market.tick:
        return False
    if not market.price_figures or price % 10**market.price_decimals == 0:
        return True
    figures = price
    while figures % 10 == 0:
        figures = div_exact(figures, 10)
    most: int = 10**market.price_figures
    return figures < most


def check_market(market: Market, asset: Asset) -> Refusal | None:
    """Refuse a listing that breaks a rule; `limit` of the refusal is the number of the rule."""
    for number, holds in enumerate(rules_of(market, asset), 1):
        if not holds:
            return Refusal(Reason.INVALID_LISTING, number)
    return None


def rules_of(market: Market, asset: Asset) -> Iterator[bool]:
    """Judge rule by rule: each may rely on those before it, such as on a lot that is not zero."""
    yield from naming_rules(market, asset)
    yield from number_rules(market)
    yield from charge_rules(market)
    yield from funding_rules(market)
    yield is_spot_sound(market)
    yield from limit_rules(market)
    yield is_margin_sound(market)
    yield is_contract_sound(market)
    yield is_settlement_sound(market)
    yield 0 <= market.owner_position_max < ROOM
    yield 0 <= market.open_interest_lower <= market.open_interest_upper < ROOM
    yield market.is_spot or asset.collateral.initial_weight > 0


def naming_rules(market: Market, asset: Asset) -> Iterator[bool]:
    """Rules 1 to 4: what it is called, which contract it is, how many decimals its numbers have."""
    yield 0 < market.id < MARKETS_MAX and market.symbol != "" and market.index != "" and market.group != ""
    yield market.kind in tuple(ContractKind)
    yield market.settlement_decimals == asset.decimals
    yield 0 <= market.price_decimals <= 12 and 0 <= market.size_decimals <= 12


def number_rules(market: Market) -> Iterator[bool]:
    """Rules 5 to 8: the grid, on which money is exact, and the largest numbers, which have room."""
    yield market.tick > 0 and market.lot > 0 and market.price_max % market.tick == 0
    yield market.is_inverse or market.tick * market.lot * market.unit[0] % market.unit[1] == 0
    yield 0 < market.order_size_max <= market.position_max and market.order_size_max % market.lot == 0
    worth, parts = largest_notional(market)
    yield 0 < market.price_max < ROOM and market.position_max < ROOM and worth < ROOM * parts


def largest_notional(market: Market) -> tuple[int, int]:
    """Notional of the largest position at the price that makes it largest, as (numerator, denominator) of settlement units."""
    if market.is_inverse:
        numerator, denominator = market.face_unit
        return market.position_max * numerator, denominator * market.tick
    numerator, denominator = market.unit
    return market.position_max * market.price_max * numerator, denominator


def charge_rules(market: Market) -> Iterator[bool]:
    """Rules 9 to 12: margin, fees, the band, and what impact prices and orders look at."""
    least = market.maintenance_margin_fraction
    yield market.is_spot or 0 < least < market.initial_margin_fraction <= FRACTION_ONE
    yield 0 <= market.maker_fee <= market.taker_fee < (FRACTION_ONE if market.is_spot else least)
    yield 0 < market.band < FRACTION_ONE
    yield 0 < market.impact_notional < LIMIT and 0 < market.orders_max <= 10_000


def funding_rules(market: Market) -> Iterator[bool]:
    """Rules 13 to 16: funding of perpetuals, marks, and the partitions that serve them."""
    least, most = market.maintenance_margin_fraction, market.funding_rate_max
    yield not market.is_perpetual or (60_000 <= market.funding_interval_ms < LIMIT and 0 < most < least)
    yield not market.is_perpetual or abs(market.interest_rate) <= most
    yield 0 < market.mark_interval_ms <= market.price_stale_ms < LIMIT
    yield market.matching_partition >= 0 and market.funding_partition >= 0


def is_spot_sound(market: Market) -> bool:
    """Whether a spot market has a base asset that holds its sizes exactly (rule 17)."""
    return not market.is_spot or (
        market.base_asset > 0
        and market.base_asset != market.settlement_asset
        and market.size_decimals <= market.base_decimals <= 12
        and market.position_max * 10 ** (market.base_decimals - market.size_decimals) < ROOM
    )


def limit_rules(market: Market) -> Iterator[bool]:
    """Rules 18 to 21: what bounds orders, the book, prices and sources."""
    yield 0 <= market.notional_min < LIMIT and 0 <= market.open_interest_max < ROOM
    yield 0 <= market.book_orders_max < LIMIT and 0 <= market.levels_max < LIMIT and 0 <= market.price_figures <= 18
    yield 0 <= market.impact_band < FRACTION_ONE and 0 <= market.premium_band < FRACTION_ONE
    yield market.sources_min > 0 and 0 < market.dispersion_max <= FRACTION_ONE


def is_margin_sound(market: Market) -> bool:
    """Whether margin is monotone in size, has room, and initial is never below maintenance: factors in order, tiers ascending (rule 22)."""
    if not 0 <= market.maintenance_margin_factor <= market.initial_margin_factor <= FRACTION_ONE:
        return False
    worth, parts = largest_notional(market)
    steepest = root_ceil(div_ceil(worth, parts), market.settlement_decimals) * market.initial_margin_factor
    return worth * steepest < LIMIT * parts * FRACTION_ONE**2 and are_tiers_sound(market)


def are_tiers_sound(market: Market) -> bool:
    """Whether tiers begin at nothing, with no less than the market's own maintenance, and ascend."""
    tiers = market.tiers
    if not tiers:
        return True
    floor, _, maintenance, amount = tiers[0]
    begins = floor == 0 and amount == 0 and maintenance >= market.maintenance_margin_fraction
    return (
        begins
        and len(tiers) <= TIERS_MAX
        and all(0 < tier[2] < tier[1] <= FRACTION_ONE for tier in tiers)
        and all(is_tier_above(before, after) for before, after in pairwise(tiers))
    )


def is_tier_above(before: MarginTier, after: MarginTier) -> bool:
    """Whether a tier begins above another and asks for no less, where the two meet and beyond."""
    floor, initial, maintenance, amount = after
    meets = floor * (maintenance - before[2]) >= (amount - before[3]) * FRACTION_ONE
    return before[0] < floor < LIMIT and initial >= before[1] and maintenance >= before[2] and amount >= 0 and meets


def is_contract_sound(market: Market) -> bool:
    """Whether an inverse contract has a face and no other has; whether a future ends and no other does (rule 23)."""
    has_face = 0 < market.face < ROOM if market.is_inverse else market.face == 0
    return has_face and ((0 < market.expires_ms < LIMIT) if market.is_future else market.expires_ms == 0)


def is_settlement_sound(market: Market) -> bool:
    """Whether settlements come in order, have a price to be made from, and limits a settlement to stand round (rule 24)."""
    every, offset = market.settlement_interval_ms, market.settlement_offset_ms
    if not 0 <= offset < max(1, every) or (every and not 60_000 <= every < LIMIT) or (every and market.is_spot):
        return False
    if (market.profit_lock or market.limit_steps) and not every:
        return False
    return are_windows_sound(market) and are_steps_sound(market)


def are_windows_sound(market: Market) -> bool:
    """Whether every price that is made over a window has one: whole seconds, a day at most, and in equal parts for a reference rate."""
    methods, window = tuple(SettlementPrice), market.settlement_window_ms
    if market.expiry_price not in methods or market.settlement_price not in methods:
        return False
    used = [market.expiry_price] if market.is_future else []
    used += [market.settlement_price] if market.settlement_interval_ms else []
    parts = REFERENCE_PARTITIONS if SettlementPrice.REFERENCE_RATE in used else 1
    least = 1_000 if any(method != SettlementPrice.MARK for method in used) else 0
    return least <= window <= WINDOW_MAX_MS and window % (1_000 * parts) == 0


def are_steps_sound(market: Market) -> bool:
    """Whether limits round a settlement ascend, and inner ones have a pause."""
    steps, pause = market.limit_steps, market.limit_pause_ms
    ascend = all(before < after for before, after in pairwise((0, *steps)))
    return ascend and len(steps) <= STEPS_MAX and max(steps, default=0) < FRACTION_ONE and bool(steps) <= pause < LIMIT
