"""What a market and an asset are: data that enters the log by listing; it does not hold prices or positions.

`check_market` refuses a listing with which money would not be exact or a number could leave its range (DESIGN.md 3).
"""

from collections.abc import Iterator
from enum import IntEnum

import msgspec

from services.core.fixed import FRACTION_ONE, LIMIT, Amount, AssetId, Fraction, MarketId, Price, Size, div_exact
from services.core.reasons import Reason, Refusal

MARKETS_MAX = 2**22
"""An order id is market * 2^40 + counter and stays below 2^62."""
ROOM = LIMIT >> 2
"""Marks and protection prices may lie beyond price_max by the band, less than four times."""


class ContractKind(IntEnum):
    """Row of the contract table (M-2)."""

    LINEAR_PERPETUAL = 1
    SPOT = 2


SPOT = int(ContractKind.SPOT)
UNITS = {exponent: (10 ** max(0, exponent), 10 ** max(0, -exponent)) for exponent in range(-24, 13)}
"""Ten to the power of what decimals leave, as (numerator, denominator)."""


class Asset(msgspec.Struct, array_like=True, frozen=True):
    """An asset of the venue; `faucet_max` is what a test venue gives away per request, 0 for none."""

    id: AssetId
    symbol: str
    decimals: int = 8
    faucet_max: Amount = 0


class Market(msgspec.Struct, array_like=True, frozen=True):
    """A market as listed. Decimals are fixed for ever; tick and lot are multiples of 10^-decimals.

    Limits that were appended later are off at 0: notional_min, open_interest_max, book_orders_max, levels_max (per side),
    price_figures (significant figures of a price, whole numbers excepted, F-HL-3), impact_band (how far a market order may go past the
    best price), premium_band (how far past the mean premium an order's price may lie). `dispersion_max` is the largest spread of the
    sources round their median; with a larger one there is no index. A spot market has a base asset and neither margin nor funding.
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

    @property
    def is_spot(self) -> bool:
        """Whether fills exchange two assets and leave no position."""
        return self.kind == SPOT

    @property
    def unit(self) -> tuple[int, int]:
        """Settlement units in one price unit times one size unit, as (numerator, denominator)."""
        return UNITS[self.settlement_decimals - self.price_decimals - self.size_decimals]


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
    yield 0 < market.id < MARKETS_MAX and market.symbol != "" and market.index != "" and market.group != ""
    yield market.kind in tuple(ContractKind)
    yield market.settlement_decimals == asset.decimals
    yield 0 <= market.price_decimals <= 12 and 0 <= market.size_decimals <= 12
    yield market.tick > 0 and market.lot > 0 and market.price_max % market.tick == 0
    yield market.tick * market.lot * market.unit[0] % market.unit[1] == 0
    yield 0 < market.order_size_max <= market.position_max and market.order_size_max % market.lot == 0
    yield (
        0 < market.price_max < ROOM
        and market.position_max < ROOM
        and market.position_max * market.price_max * market.unit[0] < ROOM * market.unit[1]
    )
    yield market.is_spot or 0 < market.maintenance_margin_fraction < market.initial_margin_fraction <= FRACTION_ONE
    yield (
        0
        <= market.maker_fee
        <= market.taker_fee
        < (FRACTION_ONE if market.is_spot else market.maintenance_margin_fraction)
    )
    yield 0 < market.band < FRACTION_ONE
    yield 0 < market.impact_notional < LIMIT and 0 < market.orders_max <= 10_000
    yield market.is_spot or (
        market.funding_interval_ms >= 60_000 and 0 < market.funding_rate_max < market.maintenance_margin_fraction
    )
    yield market.is_spot or abs(market.interest_rate) <= market.funding_rate_max
    yield 0 < market.mark_interval_ms <= market.price_stale_ms
    yield market.matching_partition >= 0 and market.funding_partition >= 0
    yield not market.is_spot or (
        market.base_asset > 0
        and market.base_asset != market.settlement_asset
        and market.size_decimals <= market.base_decimals <= 12
        and market.position_max * 10 ** (market.base_decimals - market.size_decimals) < ROOM
    )
    yield 0 <= market.notional_min < LIMIT and 0 <= market.open_interest_max < ROOM
    yield 0 <= market.book_orders_max < LIMIT and 0 <= market.levels_max < LIMIT and 0 <= market.price_figures <= 18
    yield 0 <= market.impact_band < FRACTION_ONE and 0 <= market.premium_band < FRACTION_ONE
    yield market.sources_min > 0 and 0 < market.dispersion_max <= FRACTION_ONE
