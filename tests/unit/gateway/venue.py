"""An asset, a perpetual and a spot market as listed, for tests of the gateway: numbers of their own, whatever the venue's file says."""

import msgspec

from services.core.markets import Asset, ContractKind, Market
from services.local.venue import read_venue

VENUE = read_venue()
ASSET: Asset = VENUE.assets[0]
MARKET: Market = msgspec.structs.replace(VENUE.markets[0], tick=10, lot=10, order_size_max=10_000_000, price_figures=0)
SPOT: Market = msgspec.structs.replace(
    next(market for market in VENUE.markets if market.kind == ContractKind.SPOT), price_figures=5, tick=1
)
BASE: Asset = next(asset for asset in VENUE.assets if asset.id == SPOT.base_asset)


class Listed:
    """Listings of them."""

    def market(self, symbol: str) -> Market | None:
        return {MARKET.symbol: MARKET, SPOT.symbol: SPOT}.get(symbol)

    def asset(self, symbol: str) -> Asset | None:
        return ASSET if symbol == ASSET.symbol else None

    def asset_by_id(self, asset: int) -> Asset | None:
        return {ASSET.id: ASSET, BASE.id: BASE}.get(asset)
