"""An asset, a perpetual and a spot market as listed, for tests of the gateway: numbers of their own, whatever the venue's file says."""

import msgspec

from services.core.fixed import FRACTION_ONE
from services.core.markets import UNIT_OF_ACCOUNT, Asset, Calendar, Collateral, ContractKind, Market, PoolTerms
from services.local.venue import read_venue

VENUE = read_venue()
POOL = PoolTerms(
    9 * FRACTION_ONE // 10, FRACTION_ONE // 20, FRACTION_ONE, throttle_fraction=FRACTION_ONE // 10, debt_max=10**15
)
ASSET: Asset = msgspec.structs.replace(VENUE.assets[0], pool=POOL)
MARKET: Market = msgspec.structs.replace(VENUE.markets[0], tick=10, lot=10, order_size_max=10_000_000, price_figures=0)
SPOT: Market = msgspec.structs.replace(
    next(market for market in VENUE.markets if market.kind == ContractKind.SPOT), price_figures=5, tick=1
)
BASE: Asset = msgspec.structs.replace(next(asset for asset in VENUE.assets if asset.id == SPOT.base_asset), pool=None)
DOLLAR = Asset(1, "USDC", 8, 10**14, UNIT_OF_ACCOUNT, POOL)
BITCOIN = Asset(
    id=2,
    symbol="BTC",
    decimals=8,
    collateral=Collateral("BTC_USD", 9 * FRACTION_ONE // 10, 95 * FRACTION_ONE // 100, venue_max=10**13, sources_min=2),
)
"""Every kind of field differs from what it is by default."""
FUTURE: Market = msgspec.structs.replace(
    MARKET,
    id=1_000,
    symbol="BTC_USD",
    kind=int(ContractKind.INVERSE_FUTURE),
    settlement_asset=2,
    face=100 * 10**MARKET.price_decimals,
    tiers=((0, FRACTION_ONE // 20, FRACTION_ONE // 40, 0), (10**9, FRACTION_ONE // 10, FRACTION_ONE // 20, 25 * 10**6)),
    expires_ms=1_600_000_000_000,
    settlement_interval_ms=86_400_000,
    settlement_price=3,
    profit_lock=True,
    limit_steps=(7 * 10**10, 13 * 10**10),
    limit_pause_ms=120_000,
)
CALENDAR = Calendar(4, FUTURE, weeks=2, quarters=2, hour_ms=28_800_000, markets_max=900)


class Listed:
    """Listings of them."""

    def market(self, symbol: str) -> Market | None:
        return {MARKET.symbol: MARKET, SPOT.symbol: SPOT}.get(symbol)

    def asset(self, symbol: str) -> Asset | None:
        return {ASSET.symbol: ASSET, BASE.symbol: BASE}.get(symbol)

    def asset_by_id(self, asset: int) -> Asset | None:
        return {ASSET.id: ASSET, BASE.id: BASE}.get(asset)

    def unit_of_account(self) -> Asset | None:
        return ASSET
