"""What a market and an asset are: data that enters the log by listing; it does not hold prices or positions.

`check_market` refuses a listing with which money would not be exact or a number could leave its range (DESIGN.md 3).
"""

from collections.abc import Iterator
from enum import IntEnum

import msgspec

from services.core.fixed import FRACTION_ONE, LIMIT, Amount, AssetId, Fraction, MarketId, Price, Size
from services.core.reasons import Reason, Refusal

MARKETS_MAX = 2**22
"""An order id is market * 2^40 + counter and stays below 2^62."""
ROOM = LIMIT >> 2
"""Marks and protection prices may lie beyond price_max by the band, less than four times."""


class ContractKind(IntEnum):
    """Row of the contract table (M-2)."""

    LINEAR_PERPETUAL = 1


class Asset(msgspec.Struct, array_like=True, frozen=True):
    """An asset of the venue; `faucet_max` is what a test venue gives away per request, 0 for none."""

    id: AssetId
    symbol: str
    decimals: int = 8
    faucet_max: Amount = 0


class Market(msgspec.Struct, array_like=True, frozen=True):
    """A market as listed. Decimals are fixed for ever; tick and lot are multiples of 10^-decimals."""

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

    @property
    def unit(self) -> tuple[int, int]:
        """Settlement units in one price unit times one size unit, as (numerator, denominator)."""
        exponent = self.settlement_decimals - self.price_decimals - self.size_decimals
        return (10**exponent, 1) if exponent >= 0 else (1, 10**-exponent)


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
    yield 0 < market.maintenance_margin_fraction < market.initial_margin_fraction <= FRACTION_ONE
    yield 0 <= market.maker_fee <= market.taker_fee < market.maintenance_margin_fraction
    yield 0 < market.band < FRACTION_ONE
    yield 0 < market.impact_notional < LIMIT and 0 < market.orders_max <= 10_000
    yield market.funding_interval_ms >= 60_000 and 0 < market.funding_rate_max < market.maintenance_margin_fraction
    yield abs(market.interest_rate) <= market.funding_rate_max
    yield 0 < market.mark_interval_ms <= market.price_stale_ms
    yield market.matching_partition >= 0 and market.funding_partition >= 0
