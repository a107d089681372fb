"""Markets of a matching partition: book, sizes seen, mark seen, counters."""

from dataclasses import dataclass, field

from services.core.fixed import FRACTION_ONE, MarketId, Milliseconds, Price, Size, SubaccountId, div_floor, invariant
from services.core.markets import Market
from services.core.messages import OrderId
from services.core.spine import MachineState
from services.matching.book import Book, check_book

COUNTER_BITS = 40


@dataclass(slots=True)
class MarketState:
    """One market. `size_seen` sums to zero, for every trade of the market is sequenced here."""

    book: Book = field(default_factory=Book)
    size_seen: dict[SubaccountId, Size] = field(default_factory=dict)
    open_interest: Size = 0
    is_open: bool = False
    mark_price_seen: Price = 0
    mark_seen_ms: Milliseconds = 0
    last_price: Price = 0
    orders: int = 0
    trades: int = 0
    updates: int = 0


@dataclass(slots=True)
class State(MachineState):
    """All markets of the partition; `markets` of the base holds their listings."""

    trading: dict[MarketId, MarketState] = field(default_factory=dict)


def next_order_id(market: MarketId, state: MarketState) -> OrderId:
    """Return market * 2^40 + its counter."""
    state.orders += 1
    return (market << COUNTER_BITS) + state.orders


def next_trade_id(market: MarketId, state: MarketState) -> int:
    """Return market * 2^40 + its counter."""
    state.trades += 1
    return (market << COUNTER_BITS) + state.trades


def change_size(state: MarketState, subaccount: SubaccountId, change: Size) -> None:
    """Move a subaccount's size and the open interest (sum of longs)."""
    before = state.size_seen.get(subaccount, 0)
    after = before + change
    state.open_interest += max(after, 0) - max(before, 0)
    if after:
        state.size_seen[subaccount] = after
    else:
        state.size_seen.pop(subaccount, None)


def band_of(market: Market, mark_price: Price) -> tuple[Price, Price]:
    """Lowest and highest price at which the market trades now; the width rounds down, so the band never grows."""
    width = div_floor(mark_price * market.band, FRACTION_ONE)
    return mark_price - width, mark_price + width


def check_invariants(state: State) -> None:
    """Books are whole and not crossed; sizes seen sum to zero and their longs are the open interest."""
    for market in state.trading.values():
        check_book(market.book)
        sizes = market.size_seen.values()
        invariant(sum(sizes) == 0, "sizes of a market sum to zero")
        invariant(sum(size for size in sizes if size > 0) == market.open_interest, "open interest is the sum of longs")
