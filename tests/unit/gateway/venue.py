"""An asset and a market as listed, for tests of the gateway."""

from services.core.markets import Asset, Market
from services.local.venue import read_venue

VENUE = read_venue()
ASSET: Asset = VENUE.assets[0]
MARKET: Market = VENUE.markets[0]


class Listed:
    """Listings of one asset and one market."""

    def market(self, symbol: str) -> Market | None:
        return MARKET if symbol == MARKET.symbol else None

    def asset(self, symbol: str) -> Asset | None:
        return ASSET if symbol == ASSET.symbol else None

    def asset_by_id(self, asset: int) -> Asset | None:
        return ASSET if asset == ASSET.id else None
