"""An asset, a perpetual and a spot market as listed, for tests of the gateway: numbers of their own, whatever the venue's file says."""

import msgspec

from services.core.fixed import FRACTION_ONE
from services.core.markets import UNIT_OF_ACCOUNT, Asset, Calendar, Collateral, ContractKind, Market
from services.local.venue import read_venue

VENUE = read_venue()
ASSET: Asset = VENUE.assets[0]
MARKET: Market = msgspec.structs.replace(VENUE.markets[0], tick=10, lot=10, order_size_max=10_000_000, price_figures=0)
SPOT: Market = msgspec.structs.replace(
    next(market for market in VENUE.markets if market.kind == ContractKind.SPOT), price_figures=5, tick=1
)
BASE: Asset = next(asset for asset in VENUE.assets if asset.id == SPOT.base_asset)
DOLLAR = Asset(1, "USDC", 8, 10**14, UNIT_OF_ACCOUNT)
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
        return ASSET if symbol == ASSET.symbol else None

    def asset_by_id(self, asset: int) -> Asset | None:
        return {ASSET.id: ASSET, BASE.id: BASE}.get(asset)

    def unit_of_account(self) -> Asset | None:
        return ASSET
