"""What a venue answers, as people think of it: symbols, Decimals; read from the integers of the wire, exactly."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from services.core.decimals import format_decimal
from services.core.fixed import SUBACCOUNTS, AssetId, MarketId
from services.core.messages import Scope
from vigil.v1 import common_pb2, feeds_pb2, market_data_pb2
from vigil.v1 import trading_pb2 as pb

Quantity: TypeAlias = Decimal | int | str
"""What callers may give as a price, size or amount; floats are refused, they would have lost digits already."""


def plain(quantity: Quantity) -> str:
    """A quantity as the wire wants it; TypeError for a float, ValueError for what is not finite."""
    if isinstance(quantity, str):
        return quantity
    if isinstance(quantity, bool) or not isinstance(quantity, int | Decimal):
        raise TypeError(f"{quantity!r}: give a str, int or Decimal, never a float")
    number = Decimal(quantity)
    if not number.is_finite():
        raise ValueError(f"{quantity} is not finite")
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact(units: int, decimals: int) -> Decimal:
    """Decimal of integer units."""
    return Decimal(format_decimal(units, decimals))


@dataclass(frozen=True, slots=True)
class Balance:
    """Money of a subaccount in one asset; `hold` is the part of `idle` that open orders need."""

    subaccount: int
    asset: str
    idle: Decimal
    hold: Decimal
    unsettled: Decimal


@dataclass(frozen=True, slots=True)
class Position:
    """A position; size > 0 is long."""

    subaccount: int
    symbol: str
    size: Decimal
    entry_price: Decimal
    unrealised_pnl: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """An open order."""

    subaccount: int
    symbol: str
    order_id: int
    client_id: int
    side: str
    price: Decimal
    size: Decimal
    remaining: Decimal
    reduce_only: bool = False
    kind: str = "client"
    expires_ms: int = 0


@dataclass(frozen=True, slots=True)
class Margin:
    """Margin of a subaccount in one settlement asset; below `maintenance_margin` it is liquidated."""

    subaccount: int
    asset: str
    equity: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal


@dataclass(frozen=True, slots=True)
class AccountView:
    """State of an account; `seq` is the last of feed.account that it contains."""

    account: int
    seq: int
    at_ms: int
    balances: tuple[Balance, ...]
    positions: tuple[Position, ...]
    orders: tuple[Order, ...]
    margins: tuple[Margin, ...]
    liquidating: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyView:
    """What a key of an account may do, and until when, ms (0: for ever)."""

    key_id: int
    scopes: tuple[str, ...]
    expires_ms: int
    revoked: bool


@dataclass(frozen=True, slots=True)
class BookView:
    """Levels as (price, size), best first."""

    symbol: str
    seq: int
    at_ms: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    update_id: int = 0
    state: str = "open"


@dataclass(frozen=True, slots=True)
class Trade:
    """A public trade."""

    symbol: str
    trade_id: int
    at_ms: int
    price: Decimal
    size: Decimal
    taker_side: str
    is_liquidation: bool


@dataclass(frozen=True, slots=True)
class MarkView:
    """Mark and index of a market, with the last funding rate in parts of one."""

    symbol: str
    mark_price: Decimal
    index_price: Decimal
    funding_rate: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class TickerView:
    """Best prices of a market with their sizes, None where a side is empty; `conflated` when some were left out for a slow reader."""

    symbol: str
    update_id: int
    at_ms: int
    best_bid: Decimal | None
    best_bid_size: Decimal
    best_ask: Decimal | None
    best_ask_size: Decimal
    conflated: bool


@dataclass(frozen=True, slots=True)
class MarketInfo:
    """A market as listed, in people's numbers; fractions and fees in parts of one."""

    symbol: str
    market: int
    kind: str
    state: str
    settlement_asset: str
    tick_size: Decimal
    lot_size: Decimal
    notional_min: Decimal
    order_size_max: Decimal
    initial_margin_fraction: Decimal
    maintenance_margin_fraction: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    band: Decimal
    funding_interval_ms: int


KINDS = {1: "perpetual", 2: "spot"}
SIDES = {common_pb2.SIDE_BID: "buy", common_pb2.SIDE_ASK: "sell"}
SCOPES = {int(scope): scope.name.lower() for scope in Scope}
FRACTION_DECIMALS = 12


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
        """Price units at which a position was entered on average, rounded down; it is only displayed."""
        listed = self.markets[market]
        exponent = listed.price_decimals + listed.size_decimals - listed.settlement_decimals
        up, down = 10 ** max(exponent, 0), 10 ** max(-exponent, 0)
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
        )

    def balance(self, subaccount: pb.Subaccount, line: pb.Balance) -> Balance:
        """One balance."""
        amounts = [self.amount(line.asset, units) for units in (line.idle, line.hold, line.unsettled)]
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


def key_view(rights: pb.KeyRights) -> KeyView:
    """A key; a scope that this release does not know is its number."""
    bits = (1 << bit for bit in range(rights.scopes.bit_length()) if rights.scopes >> bit & 1)
    scopes = tuple(SCOPES.get(bit, str(bit)) for bit in bits)
    return KeyView(rights.key_id, scopes, rights.expires_ms, rights.revoked)


def number(subaccount: pb.Subaccount) -> int:
    """Number of a subaccount within its account."""
    return subaccount.subaccount % SUBACCOUNTS


def word(enum: Any, number: int) -> str:  # noqa: ANN401 - the wrapper of any enum
    """Value of an enum as people write it: `post_only` for MARKET_STATE_POST_ONLY; its number when this release does not know it."""
    known = enum.DESCRIPTOR.values_by_number.get(number)
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.DESCRIPTOR.name).upper() + "_"
    return str(number) if known is None else known.name.removeprefix(prefix).lower()
