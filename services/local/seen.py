"""What a window has seen of a venue at a moment: plain figures, from outside."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from services.client.listed import Listed
from services.client.pool_view import PoolOpening, PoolView
from services.client.views import BookView, CollateralView, MarkView, Trade
from services.core.markets import ContractKind

TRADES_SHOWN = 16
LIQUIDATIONS_SHOWN = 5
MARKS_SHOWN = 100
MARKETS_SHOWN = 10
MARKETS_FIRST = 6
"""So many of the listing's first are shown in any case, then the future that ends next, then those that trade most."""


@dataclass
class MarketSeen:
    """One market; volume and trades since the window began to listen. `face` of an inverse contract, `expires_ms` of a future, or 0."""

    symbol: str
    is_spot: bool = False
    mark: MarkView | None = None
    best_bid: Decimal = Decimal(0)
    best_ask: Decimal = Decimal(0)
    open_interest: Decimal = Decimal(0)
    volume: Decimal = Decimal(0)
    trades: int = 0
    marks: deque[Decimal] = field(default_factory=lambda: deque(maxlen=MARKS_SHOWN))
    face: Decimal = Decimal(0)
    expires_ms: int = 0

    def see_mark(self, mark: MarkView) -> None:
        """Note a mark."""
        self.mark = mark
        self.marks.append(mark.mark_price)

    def see_book(self, book: BookView) -> None:
        """Note the best prices."""
        self.best_bid = book.bids[0][0] if book.bids else Decimal(0)
        self.best_ask = book.asks[0][0] if book.asks else Decimal(0)

    def see_trade(self, trade: Trade) -> None:
        """Count a trade."""
        self.trades += 1
        self.volume += trade.size * (self.face or trade.price)

    @property
    def spread(self) -> Decimal | None:
        """Between the best prices, in basis points of their middle; None while a side is empty."""
        if not self.best_bid or not self.best_ask:
            return None
        return (self.best_ask - self.best_bid) * 20_000 / (self.best_ask + self.best_bid)


@dataclass
class PoolSeen:
    """One lending pool. `earned` is what those whose money it lends have been credited by the openings seen, the newest of them `last`."""

    view: PoolView
    earned: Decimal = Decimal(0)
    last: PoolOpening | None = None

    @property
    def counted(self) -> int:
        """Number of the last period whose opening was counted, 0 for none."""
        return 0 if self.last is None else self.last.period

    def see_openings(self, openings: Iterable[PoolOpening]) -> None:
        """Add what each new opening credited: what was supplied, times how far its index has come since the opening before."""
        for one in openings:
            if self.last is not None and one.period > self.last.period:
                self.earned += self.last.supplied * (one.supply_index - self.last.supply_index) / self.last.supply_index
            if self.last is None or one.period > self.last.period:
                self.last = one


@dataclass
class Seen:
    """What is known of the venue at a moment."""

    time_ms: int = 0
    markets: dict[str, MarketSeen] = field(default_factory=dict)
    book: BookView | None = None
    funds: list[tuple[str, Decimal]] = field(default_factory=list)
    collateral: tuple[CollateralView, ...] = ()
    pools: dict[str, PoolSeen] = field(default_factory=dict)
    entries: int = 0
    balanced: bool = True
    applied: float = 0
    records_per_s: float = 0
    lag: float = 0
    stopped: int = 0
    speed: float = 0
    liquidations: int = 0
    last_trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_SHOWN))
    last_liquidations: deque[str] = field(default_factory=lambda: deque(maxlen=LIQUIDATIONS_SHOWN))

    def begin(self, listed: Listed) -> None:
        """Take up markets that are new, in the order of the listing."""
        for symbol, market in listed.by_symbol.items():
            if symbol not in self.markets:
                seen = MarketSeen(symbol, market.kind == ContractKind.SPOT, expires_ms=market.expires_ms)
                seen.face = listed.price(market.id, market.face)
                self.markets[symbol] = seen

    def see_pools(self, views: Iterable[PoolView]) -> None:
        """Note all pools as they are."""
        for view in views:
            self.pools.setdefault(view.asset, PoolSeen(view)).view = view

    @property
    def trading(self) -> list[str]:
        """Symbols of markets that have not ended, in the order of the listing."""
        return [one.symbol for one in self.markets.values() if not 0 < one.expires_ms <= self.time_ms]

    @property
    def shown(self) -> list[MarketSeen]:
        """Markets that there is room for, in the order of the listing; none that has ended."""
        alive = [self.markets[symbol] for symbol in self.trading]
        futures = sorted((one for one in alive if one.expires_ms), key=lambda one: one.expires_ms)
        busy = sorted(alive, key=lambda one: -one.volume)
        chosen = dict.fromkeys(one.symbol for one in (*alive[:MARKETS_FIRST], *futures[:1], *busy))
        symbols = list(chosen)[:MARKETS_SHOWN]
        return [one for one in alive if one.symbol in symbols]

    @property
    def first(self) -> MarketSeen | None:
        """The market that is shown in detail."""
        return next(iter(self.markets.values()), None)

    @property
    def trades(self) -> int:
        """Trades of all markets."""
        return sum(market.trades for market in self.markets.values())
