"""What a market and an asset are: data that enters the log by listing; it does not hold prices or positions.

What may be listed is judged by listing.py.
"""

from enum import IntEnum
from typing import TypeAlias

import msgspec

from services.core.fixed import (
    FRACTION_ONE,
    Amount,
    AssetId,
    Fraction,
    MarketId,
    Milliseconds,
    Price,
    Size,
    div_exact,
)


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
REFERENCE_PARTITIONS = 12
"""Equal parts of the window of a reference rate (F-1.5)."""
UNITS = {exponent: (10 ** max(0, exponent), 10 ** max(0, -exponent)) for exponent in range(-24, 13)}
"""Ten to the power of what decimals leave, as (numerator, denominator)."""


class Collateral(msgspec.Struct, array_like=True, frozen=True):
    """What an asset is worth as margin (M-3): weights of a positive net amount, and what a negative one needs.

    Weight of a net of q whole units: min(weight, weight_base / (1 + weight_penalty * sqrt(q))); without a base the weight itself.
    A debt of q needs q * max(base, factor * sqrt(q)) beside counting in full. Fractions are parts of 1e12. `index` names the price, ""
    is the unit of account itself, worth one. `account_max` and `venue_max` are what counts at most, of one subaccount (each of an
    account has its own) and of all, 0 for no limit. `minute_move_max` bounds the price's move per minute, 0 for no bound; a spread of
    the sources beyond `dispersion_free` is taken off the price; fewer than `sources_min` believed sources, or more than
    `dispersion_max` between them, leave the price as it was.
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


def is_unit(terms: Collateral) -> bool:
    """Whether worth may be counted in an asset: it is worth one, without an index; the first one listed gives its symbol to worth."""
    return terms.initial_weight > 0 and not terms.index


class PoolTerms(msgspec.Struct, array_like=True, frozen=True):
    """An asset's lending pool (M-9, M-10). Rates are parts of 1e12 per year of 365 days, the rest parts of one.

    Borrowers pay `base` and up to `slope` at `optimal` utilisation, up to `steep_slope` more at 1; `reserve_factor` of what the pool
    gains is the reserve's. New borrows and redemptions stop at the throttle: `throttle_bound` if there is one, else a bound that from
    `throttle_threshold` on grows by `throttle_fraction` of what is left to `utilisation_max` per period. Caps are 0 for none:
    `supply_max`, `debt_max` of the pool, `account_debt_max` of a subaccount; `profit_debt_max` is what all may owe against
    floating profit (reliability a.4). Above `convert_bound` debts are repaid by converting collateral (M-7).
    """

    optimal: Fraction
    slope: Fraction
    steep_slope: Fraction
    base: Fraction = 0
    reserve_factor: Fraction = 0
    throttle_threshold: Fraction = FRACTION_ONE
    throttle_bound: Fraction = 0
    throttle_fraction: Fraction = 0
    utilisation_max: Fraction = FRACTION_ONE
    supply_max: Amount = 0
    debt_max: Amount = 0
    account_debt_max: Amount = 0
    profit_debt_max: Amount = 0
    convert_bound: Fraction = FRACTION_ONE
    period_ms: Milliseconds = 60_000


class Asset(msgspec.Struct, array_like=True, frozen=True):
    """An asset of the venue; `faucet_max` is what a test venue gives away per request, 0 for none. By default it is no collateral.

    With a `pool` its idle money is lent and its losses are borrowed (M-7); one without keeps both as plain balances.
    """

    id: AssetId
    symbol: str
    decimals: int = 8
    faucet_max: Amount = 0
    collateral: Collateral = NO_COLLATERAL
    pool: PoolTerms | None = None


class Market(msgspec.Struct, array_like=True, frozen=True):
    """A market as listed. Decimals are fixed for ever; tick and lot are multiples of 10^-decimals.

    Limits that were appended later are off at 0: notional_min, open_interest_max, book_orders_max, levels_max (per side),
    price_figures (significant figures of a price, whole numbers excepted, F-HL-3), impact_band (how far a market order may go past the
    best price), premium_band (how far past the mean premium an order's price may lie). `dispersion_max` is the largest spread of the
    sources round their median; with a larger one there is no index. A spot market has a base asset and neither margin nor funding.

    Every `pulse_interval_ms` positions are settled to the mark into claims of the asset's pool (M-6), 0 for never. What leaves the venue
    must leave `withdrawal_fraction` of the notional; floating profit lent against is at most `profit_debt_max` of the market.

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
    pulse_interval_ms: Milliseconds = 0
    withdrawal_fraction: Fraction = 200_000_000_000
    profit_debt_max: Amount = 0

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
