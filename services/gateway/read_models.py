"""What the gateway knows of the venue, by reading feeds: listings, states and marks; it owns none of it.

They are read from the beginning of their feeds, but states of markets, which come with the books (books.py).
"""

from services.core.collateral import PRICE_ONE
from services.core.feeds import plain_fields
from services.core.fixed import AssetId, MarketId
from services.core.markets import NO_COLLATERAL, Asset, Market, is_unit
from services.gateway.listed import listed
from vigil.v1 import common_pb2, feeds_pb2, market_data_pb2


class Listings:
    """Assets and markets as they are now, by id and by symbol."""

    def __init__(self) -> None:
        self.assets: dict[AssetId, Asset] = {}
        self.markets: dict[MarketId, Market] = {}
        self.asset_symbols: dict[str, Asset] = {}
        self.market_symbols: dict[str, Market] = {}
        self.states: dict[MarketId, int] = {}
        self.unit: Asset | None = None

    def market(self, symbol: str) -> Market | None:
        """Return the market of a symbol."""
        return self.market_symbols.get(symbol)

    def asset(self, symbol: str) -> Asset | None:
        """Return the asset of a symbol."""
        return self.asset_symbols.get(symbol)

    def asset_by_id(self, asset: AssetId) -> Asset | None:
        """Return the asset of an id."""
        return self.assets.get(asset)

    def unit_of_account(self) -> Asset | None:
        """Return the asset in which margin is counted."""
        return self.unit

    def take_asset(self, said: common_pb2.Asset) -> None:
        """Note a listed asset."""
        asset = listed(said, Asset)
        self.assets[asset.id] = self.asset_symbols[asset.symbol] = asset
        if is_unit(asset.collateral):
            self.unit = self.unit or asset

    def take_market(self, said: common_pb2.Market) -> None:
        """Note a market as it is from now on."""
        market = listed(said, Market)
        self.markets[market.id] = self.market_symbols[market.symbol] = market

    def take_state(self, market: MarketId, state: int) -> None:
        """Note what a market takes now."""
        self.states[market] = state

    def take_delisted(self, delisted: feeds_pb2.MarketDelisted) -> None:
        """Note that a market ended; it stays known by its id and symbol."""
        self.states[delisted.market] = common_pb2.MARKET_STATE_DELISTED

    def state(self, market: MarketId) -> "common_pb2.MarketState.ValueType":
        """What a market takes now."""
        return common_pb2.MarketState.ValueType(self.states.get(market, common_pb2.MARKET_STATE_HALTED))

    def listed(self) -> market_data_pb2.Listings:
        """All of it, by id."""
        listings = market_data_pb2.Listings()
        for asset in sorted(self.assets):
            listings.assets.add(**plain_fields(self.assets[asset], common_pb2.Asset.DESCRIPTOR))
        for market in sorted(self.markets):
            listings.markets.add(**plain_fields(self.markets[market], common_pb2.Market.DESCRIPTOR))
            listings.states.add(market=market, state=self.state(market))
        return listings


class Collateral:
    """Last price of each asset that counts as margin."""

    def __init__(self, listings: Listings) -> None:
        self.listings = listings
        self.prices: dict[AssetId, tuple[int, int]] = {}

    def take_prices(self, record: feeds_pb2.FeedRecord) -> None:
        """Note prices, and when they were made."""
        for line in record.marks_updated.collateral:
            self.prices[line.asset] = (line.price, record.at_ms)

    def listed(self) -> market_data_pb2.CollateralPrices:
        """Terms and price of each, by asset."""
        assets = [self.listings.assets[one] for one in sorted(self.listings.assets)]
        return market_data_pb2.CollateralPrices(
            assets=[self.line(asset) for asset in assets if asset.collateral != NO_COLLATERAL]
        )

    def line(self, asset: Asset) -> market_data_pb2.CollateralTerms:
        """Terms and price of one; the unit of account is worth one for ever."""
        price, at_ms = self.prices.get(asset.id, (0, 0)) if asset.collateral.index else (PRICE_ONE, 0)
        terms = common_pb2.Collateral(**plain_fields(asset.collateral, common_pb2.Collateral.DESCRIPTOR))
        return market_data_pb2.CollateralTerms(
            asset=asset.id, symbol=asset.symbol, collateral=terms, price=price, at_ms=at_ms
        )


class Marks:
    """Last mark, funding step and settlement of each market."""

    def __init__(self, listings: Listings) -> None:
        self.listings = listings
        self.marks: dict[MarketId, market_data_pb2.MarketMark] = {}

    def of(self, market: MarketId) -> market_data_pb2.MarketMark:
        """Return a market's line, begun when it is new."""
        known = self.marks.get(market)
        if known is None:
            listed = self.listings.markets.get(market)
            symbol = "" if listed is None else listed.symbol
            known = self.marks[market] = market_data_pb2.MarketMark(market=market, symbol=symbol)
        return known

    def take_marks(self, record: feeds_pb2.FeedRecord) -> None:
        """Note marks."""
        for mark in record.marks_updated.marks:
            line = self.of(mark.market)
            line.mark_price, line.index_price, line.at_ms = mark.mark_price, mark.index_price, record.at_ms

    def take_funding(self, step: feeds_pb2.FundingStepped) -> None:
        """Note a funding step."""
        line = self.of(step.market)
        line.funding_rate, line.funding_at_ms = step.rate, step.at_ms

    def take_settlement(self, settled: feeds_pb2.MarketSettled) -> None:
        """Note a settlement."""
        line = self.of(settled.market)
        line.settlement_price, line.settled_at_ms = settled.price, settled.at_ms

    def listed(self) -> market_data_pb2.Marks:
        """All markets that have a mark, by id, with their states."""
        lines = [self.marks[one] for one in sorted(self.marks) if self.marks[one].mark_price]
        for line in lines:
            line.state = self.listings.state(line.market)
        return market_data_pb2.Marks(marks=lines)


class Tops:
    """Best prices of each market as last told."""

    def __init__(self) -> None:
        self.tops: dict[MarketId, tuple[int, int, int, int]] = {}

    def changed(self, change: feeds_pb2.BookChanged) -> bool:
        """Whether a change touched the best prices or their sizes."""
        top = (change.best_bid, change.best_bid_size, change.best_ask, change.best_ask_size)
        if self.tops.get(change.market) == top:
            return False
        self.tops[change.market] = top
        return True
