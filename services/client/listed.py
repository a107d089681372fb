"""Assets and markets as a venue lists them, and what it answers read with them: from the integers of the wire, exactly."""

from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches

from services.client.views import (
    AccountView,
    Balance,
    BookView,
    CollateralView,
    Leverage,
    Margin,
    MarketInfo,
    MarkView,
    Modes,
    Order,
    Position,
    TickerView,
    Trade,
    Trigger,
    exact,
    modes_of,
    word,
)
from services.core.fixed import INDEX_DECIMALS, SUBACCOUNTS, AssetId, MarketId
from services.core.markets import INVERSE, ContractKind
from vigil.v1 import common_pb2, feeds_pb2, market_data_pb2
from vigil.v1 import trading_pb2 as pb

KINDS: dict[int, str] = {
    ContractKind.LINEAR_PERPETUAL: "perpetual",
    ContractKind.SPOT: "spot",
    ContractKind.INVERSE_PERPETUAL: "inverse perpetual",
    ContractKind.LINEAR_FUTURE: "future",
    ContractKind.INVERSE_FUTURE: "inverse future",
}
SIDES = {common_pb2.SIDE_BID: "buy", common_pb2.SIDE_ASK: "sell"}
FRACTION_DECIMALS = 12
SYMBOLS_SHOWN = 8


class Listed:
    """Assets and markets of a venue; it turns integers into Decimals."""

    def __init__(self, listings: market_data_pb2.Listings) -> None:
        self.assets: dict[AssetId, common_pb2.Asset] = {asset.id: asset for asset in listings.assets}
        self.markets: dict[MarketId, common_pb2.Market] = {market.id: market for market in listings.markets}
        self.by_symbol = {market.symbol: market for market in listings.markets}
        self.states = {one.market: word(common_pb2.MarketState, one.state) for one in listings.states}

    def knows(self, markets: Iterable[MarketId] = (), assets: Iterable[AssetId] = ()) -> bool:
        """Whether all of these are listed here; else the listings are older than what names them."""
        return all(one in self.markets for one in markets) and all(one in self.assets for one in assets)

    @property
    def unit_of_account(self) -> str:
        """Symbol of the asset in which equity and margins are counted, "" when none is listed."""
        units = (one for one in self.assets.values() if one.collateral.initial_weight and not one.collateral.index)
        return next((one.symbol for one in units), "")

    def no_market(self, symbol: str) -> str:
        """What to say of a symbol that is not listed: those that are, or the nearest where they are many."""
        if len(self.by_symbol) <= SYMBOLS_SHOWN:
            return f"no market {symbol!r}; there are {', '.join(self.by_symbol) or 'none'}"
        nearest = get_close_matches(symbol, self.by_symbol, n=SYMBOLS_SHOWN, cutoff=0)
        return f"no market {symbol!r}; of {len(self.by_symbol)} the nearest are {', '.join(nearest)}"

    def amount(self, asset: AssetId, units: int) -> Decimal:
        """Amount of an asset."""
        return exact(units, self.assets[asset].decimals)

    def price(self, market: MarketId, units: int) -> Decimal:
        """Price of a market."""
        return exact(units, self.markets[market].price_decimals)

    def size(self, market: MarketId, units: int) -> Decimal:
        """Size of a market."""
        return exact(units, self.markets[market].size_decimals)

    def settled(self, market: MarketId, units: int) -> Decimal:
        """Amount of the asset that a market settles in."""
        return self.amount(self.markets[market].settlement_asset, units)

    def symbol(self, market: MarketId) -> str:
        """Symbol of a market."""
        return self.markets[market].symbol

    def entry_price(self, market: MarketId, size: int, basis: int) -> int:
        """Price units at which a position was entered on average, rounded down; it is only displayed.

        linear    |basis| / |size|
        inverse   |size| * face / |basis|; 0 where the basis is, of a position that is worth less than a unit
        """
        listed = self.markets[market]
        if listed.kind in INVERSE:
            up, down = ten_to(listed.settlement_decimals - listed.size_decimals)
            return int(abs(size) * listed.face * up // (abs(basis) * down)) if basis else 0
        up, down = ten_to(listed.price_decimals + listed.size_decimals - listed.settlement_decimals)
        return int(abs(basis) * up // (abs(size) * down))

    def market(self, symbol: str) -> MarketInfo:
        """A market as listed."""
        listed = self.by_symbol[symbol]
        return MarketInfo(
            symbol,
            listed.id,
            KINDS.get(listed.kind, str(listed.kind)),
            self.states.get(listed.id, "halted"),
            self.assets[listed.settlement_asset].symbol,
            self.price(listed.id, listed.tick),
            self.size(listed.id, listed.lot),
            self.settled(listed.id, listed.notional_min),
            self.size(listed.id, listed.order_size_max),
            exact(listed.initial_margin_fraction, FRACTION_DECIMALS),
            exact(listed.maintenance_margin_fraction, FRACTION_DECIMALS),
            exact(listed.maker_fee, FRACTION_DECIMALS),
            exact(listed.taker_fee, FRACTION_DECIMALS),
            exact(listed.band, FRACTION_DECIMALS),
            listed.funding_interval_ms,
            listed.expires_ms,
            self.price(listed.id, listed.face),
        )

    def ticker(self, best: market_data_pb2.Ticker) -> TickerView:
        """Best prices."""
        market = best.market
        return TickerView(
            self.symbol(market),
            best.update_id,
            best.at_ms,
            self.price(market, best.best_bid) if best.best_bid else None,
            self.size(market, best.best_bid_size),
            self.price(market, best.best_ask) if best.best_ask else None,
            self.size(market, best.best_ask_size),
            best.conflated,
        )

    def account(self, answer: pb.Account) -> AccountView:
        """State of an account."""
        subaccounts = answer.subaccounts
        return AccountView(
            answer.account,
            answer.seq,
            answer.at_ms,
            tuple(self.balance(one, line) for one in subaccounts for line in one.balances),
            tuple(self.position(one, line) for one in subaccounts for line in one.positions),
            tuple(self.order(one, line) for one in subaccounts for line in one.orders),
            tuple(self.margin(one, line) for one in subaccounts for line in one.margins),
            tuple(number(one) for one in subaccounts if one.liquidating),
            tuple(self.trigger(line) for one in subaccounts for line in one.triggers),
            tuple(Leverage(number(one), one.leverage_max) for one in subaccounts if one.leverage_max),
            tuple(Modes(number(one), modes_of(one.modes)) for one in subaccounts),
        )

    def balance(self, subaccount: pb.Subaccount, line: pb.Balance) -> Balance:
        """One balance."""
        amounts = [
            self.amount(line.asset, units) for units in (line.idle, line.hold, line.unsettled, line.lent, line.owed)
        ]
        return Balance(number(subaccount), self.assets[line.asset].symbol, *amounts)

    def position(self, subaccount: pb.Subaccount, line: pb.Position) -> Position:
        """One position."""
        return Position(
            number(subaccount),
            self.symbol(line.market),
            self.size(line.market, line.size),
            self.price(line.market, line.entry_price),
            self.settled(line.market, line.unrealised_pnl),
        )

    def order(self, subaccount: pb.Subaccount, line: pb.Order) -> Order:
        """One open order."""
        return Order(
            number(subaccount),
            self.symbol(line.market),
            line.order_id,
            line.client_id,
            SIDES.get(line.side, ""),
            self.price(line.market, line.price),
            self.size(line.market, line.size),
            self.size(line.market, line.remaining),
            line.reduce_only,
            word(common_pb2.OrderKind, line.kind),
            line.expires_ms,
            line.group,
        )

    def trigger(self, line: pb.Trigger) -> Trigger:
        """What waits."""
        market = line.market
        return Trigger(
            line.subaccount % SUBACCOUNTS,
            self.symbol(market),
            line.trigger_id,
            line.client_id,
            word(common_pb2.TriggerKind, line.kind),
            word(common_pb2.TriggerBy, line.trigger_by) if line.kind != common_pb2.TRIGGER_KIND_TWAP else "",
            SIDES.get(line.side, ""),
            self.price(market, line.trigger_price),
            self.price(market, line.price) if line.price else None,
            self.size(market, line.size) if line.size else None,
            self.size(market, line.remaining),
            exact(line.trail, FRACTION_DECIMALS),
            line.reduce_only,
            line.group,
            word(common_pb2.TriggerStatus, line.status),
            line.next_ms,
            line.ends_ms,
        )

    def margin(self, subaccount: pb.Subaccount, line: pb.Margin) -> Margin:
        """Margin in one asset."""
        units = (line.equity, line.initial_margin, line.maintenance_margin)
        amounts = [self.amount(line.asset, one) for one in units]
        return Margin(number(subaccount), self.assets[line.asset].symbol, *amounts)

    def book(self, answer: market_data_pb2.Book) -> BookView:
        """A book."""
        return BookView(
            self.symbol(answer.market),
            answer.seq,
            answer.at_ms,
            self.levels(answer.market, answer.bids),
            self.levels(answer.market, answer.asks),
            answer.update_id,
            word(common_pb2.MarketState, answer.state),
        )

    def levels(self, market: MarketId, levels: Iterable[market_data_pb2.Level]) -> tuple[tuple[Decimal, Decimal], ...]:
        """Levels of one side."""
        return tuple((self.price(market, level.price), self.size(market, level.size)) for level in levels)

    def trade(self, record: feeds_pb2.FeedRecord) -> Trade:
        """A public trade."""
        trade = record.trade_executed
        return Trade(
            self.symbol(trade.market),
            trade.trade_id,
            record.at_ms,
            self.price(trade.market, trade.price),
            self.size(trade.market, trade.size),
            SIDES.get(trade.taker_side, ""),
            trade.kind == common_pb2.ORDER_KIND_LIQUIDATION,
        )

    def mark(self, line: market_data_pb2.MarketMark) -> MarkView:
        """A mark."""
        return MarkView(
            line.symbol,
            self.price(line.market, line.mark_price),
            self.price(line.market, line.index_price),
            exact(line.funding_rate, FRACTION_DECIMALS),
            line.at_ms,
        )

    def collateral(self, line: market_data_pb2.CollateralTerms) -> CollateralView:
        """What an asset is worth as margin."""
        terms = line.collateral
        return CollateralView(
            line.symbol,
            exact(line.price, INDEX_DECIMALS) if line.price else None,
            line.at_ms,
            exact(terms.initial_weight, FRACTION_DECIMALS),
            exact(terms.maintenance_weight, FRACTION_DECIMALS),
            exact(terms.weight_base, FRACTION_DECIMALS),
            exact(terms.weight_penalty, FRACTION_DECIMALS),
            exact(terms.borrow_initial_fraction, FRACTION_DECIMALS),
            exact(terms.borrow_maintenance_fraction, FRACTION_DECIMALS),
            self.amount(line.asset, terms.account_max) if terms.account_max else None,
            self.amount(line.asset, terms.venue_max) if terms.venue_max else None,
        )


def ten_to(exponent: int) -> tuple[int, int]:
    """Ten to a power, as (numerator, denominator)."""
    return int(10 ** max(exponent, 0)), int(10 ** max(-exponent, 0))


def number(subaccount: pb.Subaccount) -> int:
    """Number of a subaccount within its account."""
    return subaccount.subaccount % SUBACCOUNTS
