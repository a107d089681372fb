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
PACE_MS = 1_000


class NoSuchMarket(Exception):
    """A market was named that the venue does not list; the text says which there are."""


@dataclass
class MarketView:
    """One market. `base` is the asset that a spot market trades, "" for a contract; `base_faucet` the most a test venue gives of it.

    `face` is what a contract of an inverse market is worth, 0 of others; `expires_ms` the end of a future, 0 for none. It is marked every
    `pace_ms`: what is marked rarely needs little attention. Equity is counted in `money`.
    """

    symbol: str
    index_name: str
    tick: Decimal
    lot: Decimal
    size_max: Decimal
    settlement: str = "USDC"
    base: str = ""
    base_faucet: Decimal = NOTHING
    face: Decimal = NOTHING
    expires_ms: Milliseconds = 0
    pace_ms: int = PACE_MS
    money: str = "USDC"
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
        return self.size(worth / (self.face or self.mark))

    def worth(self, size: Decimal) -> Decimal:
        """Worth of a size at the mark, with its sign; a contract of an inverse market is worth its face at any price."""
        return size * (self.face or self.mark)

    @property
    def is_rare(self) -> bool:
        """Whether it is marked less often than the busy ones."""
        return self.pace_ms > PACE_MS

    def held(self, account: AccountView) -> Decimal:
        """Position of subaccount 0, or of a spot market its balance of the base asset, what is lent with it and what is owed not."""
        if self.base:
            return next((one.idle + one.lent - one.owed for one in account.balances if one.asset == self.base), NOTHING)
        return next((one.size for one in account.positions if one.symbol == self.symbol), NOTHING)


class View:
    """All markets that are traded, by symbol, in the order of the listing; those that a calendar lists later come with their first mark."""

    def __init__(self) -> None:
        self.now_ms: Milliseconds = 0
        self.markets: dict[str, MarketView] = {}
        self.symbols: frozenset[str] = frozenset()
        self.listed: Listed | None = None

    def begin(self, listed: Listed, symbols: Collection[str]) -> None:
        """Take up the named markets, all without a name; raises NoSuchMarket."""
        unknown = [symbol for symbol in symbols if symbol not in listed.by_symbol]
        if unknown:
            raise NoSuchMarket(f"no market {', '.join(unknown)}; the venue lists {', '.join(listed.by_symbol)}")
        self.symbols = frozenset(symbols)
        self.markets = {}
        self.take_up(listed)

    def take_up(self, listed: Listed) -> None:
        """Take up markets that are new in the listings, where all are traded."""
        if listed is self.listed:
            return
        self.listed = listed
        for symbol, market in listed.by_symbol.items():
            is_over = 0 < market.expires_ms <= self.now_ms
            if symbol not in self.markets and not is_over and (not self.symbols or symbol in self.symbols):
                self.markets[symbol] = market_view(listed, symbol)

    def look(self, now_ms: Milliseconds, marks: Collection[MarkView]) -> None:
        """Note the marks, and forget what has expired."""
        self.now_ms = now_ms
        for symbol in [one.symbol for one in self.markets.values() if 0 < one.expires_ms <= now_ms]:
            del self.markets[symbol]
        for mark in marks:
            if mark.symbol in self.markets and mark.mark_price:
                self.markets[mark.symbol].look(now_ms, mark.mark_price, mark.index_price)

    def marked(self) -> list[MarketView]:
        """Markets that have a mark."""
        return [market for market in self.markets.values() if market.mark]

    def pairs(self) -> list[tuple[MarketView, MarketView]]:
        """Spot and linear perpetual of the same index in the same money, where both are traded and have a mark."""
        perpetuals: dict[tuple[str, str], MarketView] = {}
        for market in self.marked():
            if not (market.base or market.face or market.expires_ms):
                perpetuals.setdefault((market.index_name, market.settlement), market)
        spots = [(market, (market.index_name, market.settlement)) for market in self.marked() if market.base]
        return [(spot, perpetuals[both]) for spot, both in spots if both in perpetuals]


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
        listed.price(market.id, market.face),
        market.expires_ms,
        market.mark_interval_ms or PACE_MS,
        money_of(listed) or listed.assets[market.settlement_asset].symbol,
    )


def money_of(listed: Listed) -> str:
    """Symbol of the asset that equity is counted in, "" where none is: it is worth one without an index."""
    assets = (asset for asset in listed.assets.values() if asset.HasField("collateral"))
    return next((asset.symbol for asset in assets if not asset.collateral.index), "")
