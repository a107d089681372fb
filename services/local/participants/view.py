"""What every participant can see: the listed markets with mark, index and best prices now, and the marks of the last minutes."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from services.client.listed import Listed
from services.client.views import AccountView, BookView, MarkView
from services.core.fixed import Milliseconds
from services.core.markets import ContractKind

BASIS_POINT = Decimal("0.0001")
NOTHING = Decimal(0)
ONE = Decimal(1)
MEMORY = 700
"""Marks that are remembered, one per second at most."""
MEMORY_STEP_MS = 1_000


class NoSuchMarket(Exception):
    """A market was named that the venue does not list; the text says which there are."""


@dataclass
class MarketView:
    """One market. `base` is the asset that a spot market trades, "" for a perpetual; `base_faucet` the most a test venue gives of it."""

    symbol: str
    index_name: str
    tick: Decimal
    lot: Decimal
    size_max: Decimal
    settlement: str = "USDC"
    base: str = ""
    base_faucet: Decimal = NOTHING
    now_ms: Milliseconds = 0
    mark: Decimal = NOTHING
    index: Decimal = NOTHING
    best_bid: Decimal = NOTHING
    best_ask: Decimal = NOTHING
    marks: deque[tuple[Milliseconds, Decimal]] = field(default_factory=lambda: deque(maxlen=MEMORY))

    def look(self, now_ms: Milliseconds, mark: Decimal, index: Decimal) -> None:
        """Note a mark."""
        self.now_ms, self.mark, self.index = now_ms, mark, index
        if not self.marks or now_ms - self.marks[-1][0] >= MEMORY_STEP_MS:
            self.marks.append((now_ms, mark))

    def look_at_book(self, book: BookView) -> None:
        """Note the best prices, 0 where a side is empty."""
        self.best_bid = book.bids[0][0] if book.bids else NOTHING
        self.best_ask = book.asks[0][0] if book.asks else NOTHING

    def move(self, since_ms: int) -> Decimal:
        """Relative move of the mark over a time."""
        before = next((mark for at_ms, mark in self.marks if at_ms >= self.now_ms - since_ms), self.mark)
        return self.mark / before - 1

    def price(self, price: Decimal) -> Decimal:
        """Nearest price on the tick."""
        return (price / self.tick).quantize(ONE, ROUND_HALF_EVEN) * self.tick

    def size(self, size: Decimal) -> Decimal:
        """Nearest size in lots, >= 0, that one order may have."""
        return min(self.size_max, max(NOTHING, (size / self.lot).quantize(ONE, ROUND_HALF_EVEN) * self.lot))

    def size_worth(self, worth: Decimal) -> Decimal:
        """Size in lots of about that worth at the mark."""
        return self.size(worth / self.mark)

    def held(self, account: AccountView) -> Decimal:
        """Position of subaccount 0, or of a spot market its balance of the base asset."""
        if self.base:
            return next((one.idle for one in account.balances if one.asset == self.base), NOTHING)
        return next((one.size for one in account.positions if one.symbol == self.symbol), NOTHING)


class View:
    """All markets that are traded, by symbol, in the order of the listing."""

    def __init__(self) -> None:
        self.now_ms: Milliseconds = 0
        self.markets: dict[str, MarketView] = {}

    def begin(self, listed: Listed, symbols: Collection[str]) -> None:
        """Take up the named markets, all without a name; raises NoSuchMarket."""
        unknown = [symbol for symbol in symbols if symbol not in listed.by_symbol]
        if unknown:
            raise NoSuchMarket(f"no market {', '.join(unknown)}; the venue lists {', '.join(listed.by_symbol)}")
        wanted = symbols or listed.by_symbol
        self.markets = {symbol: market_view(listed, symbol) for symbol in listed.by_symbol if symbol in wanted}

    def look(self, now_ms: Milliseconds, marks: Collection[MarkView]) -> None:
        """Note the marks."""
        self.now_ms = now_ms
        for mark in marks:
            if mark.symbol in self.markets and mark.mark_price:
                self.markets[mark.symbol].look(now_ms, mark.mark_price, mark.index_price)

    def marked(self) -> list[MarketView]:
        """Markets that have a mark."""
        return [market for market in self.markets.values() if market.mark]

    def pairs(self) -> list[tuple[MarketView, MarketView]]:
        """Spot and perpetual of the same index, where both are traded and have a mark."""
        perpetuals = {market.index_name: market for market in self.marked() if not market.base}
        spots = [market for market in self.marked() if market.base and market.index_name in perpetuals]
        return [(spot, perpetuals[spot.index_name]) for spot in spots]


def market_view(listed: Listed, symbol: str) -> MarketView:
    """View of a listed market, before anything was seen of it."""
    market = listed.by_symbol[symbol]
    base = listed.assets[market.base_asset] if market.kind == ContractKind.SPOT else None
    return MarketView(
        symbol,
        market.index,
        listed.price(market.id, market.tick),
        listed.size(market.id, market.lot),
        listed.size(market.id, market.order_size_max),
        listed.assets[market.settlement_asset].symbol,
        "" if base is None else base.symbol,
        NOTHING if base is None else listed.amount(base.id, base.faucet_max),
    )
