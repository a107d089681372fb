"""Markets of a matching partition: book, sizes seen, mark seen, state, counters."""

from dataclasses import dataclass, field
from typing import TypeAlias

from services.core.fixed import (
    SUBACCOUNTS,
    AccountId,
    Amount,
    MarketId,
    Milliseconds,
    Price,
    Size,
    SubaccountId,
    account_of,
    invariant,
)
from services.core.markets import Market
from services.core.messages import MarketChanged, MarketDelisted, MarketState, MarketStateSet, OrderId
from services.core.spine import MachineState
from services.core.timers import Timers
from services.matching.book import Book, HalfBook, Level, Order, check_book
from services.matching.owners import owner_of
from services.matching.plan import Limits
from services.matching.protection import Protection

COUNTER_BITS = 40
EXPIRE, UNCROSS = 1, 2
"""Kinds of timers: an order ends (subject: its id); an auction ends (subject: the market). At one time the first comes first."""
IDLE_TIMERS = 1_024
"""So many timers of orders that are gone may wait before they are swept out."""

HALTED, OPEN, POST_ONLY, AUCTION, DELISTED = (
    int(MarketState.HALTED),
    int(MarketState.OPEN),
    int(MarketState.POST_ONLY),
    int(MarketState.AUCTION),
    int(MarketState.DELISTED),
)

# A compiled class forgets what its containers hold; the decoder of snapshots reads it from here.
Level.__annotations__["queue"] = dict[int, None]
HalfBook.__annotations__.update(keys=list[int], levels=dict[int, Level])
Book.__annotations__.update(
    orders=dict[int, Order], by_subaccount=dict[int, dict[int, int]], reducing=dict[int, dict[int, None]]
)


@dataclass(slots=True)
class Trading:
    """One market. `size_seen` sums to zero, for every trade of the market is sequenced here.

    A market is halted until its first mark, which puts it into `opens_as`. An auction collects orders until `until_ms`, then goes over
    to `opens_as` too. `limits` are the prices of the mark seen. Price limits stand round `reference_price`, that of the last
    settlement; `steps_passed` of them have been passed since. `owner_sizes` are kept while the market bounds them. `volume` and
    `turnover` are what traded since the last sample.
    """

    book: Book = field(default_factory=Book)
    size_seen: dict[SubaccountId, Size] = field(default_factory=dict)
    open_interest: Size = 0
    state: int = HALTED
    opens_as: int = OPEN
    until_ms: Milliseconds = 0
    mark_price_seen: Price = 0
    mark_seen_ms: Milliseconds = 0
    index_price_seen: Price = 0
    premium_seen: int | None = None
    limits: Limits = field(default_factory=Limits)
    last_price: Price = 0
    orders: int = 0
    trades: int = 0
    updates: int = 0
    reference_price: Price = 0
    steps_passed: int = 0
    pauses: int = 0
    protections: dict[SubaccountId, Protection] = field(default_factory=dict)
    protections_tripped: int = 0
    owner_sizes: dict[int, Size] = field(default_factory=dict)
    volume: Size = 0
    turnover: Amount = 0


SweepCause: TypeAlias = MarketStateSet | MarketChanged | MarketDelisted
"""A halt, other parameters, or the end of a market."""


@dataclass(slots=True)
class Sweep:
    """Orders of a closed market that are still to be looked at, the first one last, because of what `cause` says.

    `waiting` is what the market's stream said meanwhile; it is done afterwards.
    """

    cause: SweepCause
    pending: list[OrderId]
    waiting: list[SweepCause] = field(default_factory=list)


@dataclass(slots=True)
class State(MachineState):
    """All markets of the partition; `markets` of the base holds their listings, `owners` who owns an account."""

    trading: dict[MarketId, Trading] = field(default_factory=dict)
    sweeps: dict[MarketId, Sweep] = field(default_factory=dict)
    owners: dict[AccountId, int] = field(default_factory=dict)


def next_order_id(market: MarketId, trading: Trading) -> OrderId:
    """Return market * 2^40 + its counter."""
    trading.orders += 1
    return (market << COUNTER_BITS) + trading.orders


def next_trade_id(market: MarketId, trading: Trading) -> int:
    """Return market * 2^40 + its counter."""
    trading.trades += 1
    return (market << COUNTER_BITS) + trading.trades


def change_size(trading: Trading, subaccount: SubaccountId, change: Size) -> Size:
    """Move a subaccount's size and the open interest (sum of longs); return what the size grew by, without its sign."""
    before = trading.size_seen.get(subaccount, 0)
    after = before + change
    if before > 0:
        trading.open_interest -= before
    if after > 0:
        trading.open_interest += after
    if after:
        trading.size_seen[subaccount] = after
    else:
        trading.size_seen.pop(subaccount, None)
    return abs(after) - abs(before)


def change_owned(trading: Trading, owner: int, grown: Size) -> None:
    """Move what an owner's accounts hold together."""
    held = trading.owner_sizes.get(owner, 0) + grown
    if held:
        trading.owner_sizes[owner] = held
    else:
        trading.owner_sizes.pop(owner, None)


def move_account(trading: Trading, account: AccountId, before: int, after: int) -> None:
    """Count what an account holds with another owner."""
    first = account * SUBACCOUNTS
    held = sum(abs(trading.size_seen.get(subaccount, 0)) for subaccount in range(first, first + SUBACCOUNTS))
    change_owned(trading, before, -held)
    change_owned(trading, after, held)


def recount_owners(state: State, market: Market, trading: Trading) -> None:
    """Sum the positions of each owner anew, where the market bounds them."""
    trading.owner_sizes = {}
    if market.owner_position_max:
        for subaccount, size in trading.size_seen.items():
            change_owned(trading, owner_of(state.owners, account_of(subaccount)), abs(size))


def arm_expiry(state: State, order: Order) -> None:
    """Wait for the end of a resting order; timers of orders that are gone are swept out when they are the most."""
    timers = state.timers
    timers.arm(order.expires_ms, EXPIRE, order.id)
    resting = sum(len(trading.book.orders) for trading in state.trading.values())
    if len(timers.heap) > IDLE_TIMERS + 2 * resting:
        sweep(state, timers)


def sweep(state: State, timers: Timers) -> None:
    """Keep the timers of orders that rest, and those of auctions; a sorted list is a heap."""
    timers.heap = sorted(
        timer for timer in timers.heap if timer.kind != EXPIRE or resting_order(state, timer.subject) is not None
    )


def resting_order(state: State, order_id: OrderId) -> Order | None:
    """Return a resting order by its id."""
    trading = state.trading.get(order_id >> COUNTER_BITS)
    return None if trading is None else trading.book.orders.get(order_id)


def check_invariants(state: State) -> None:
    """Books are whole and not crossed outside auctions; sizes seen sum to zero and their longs are the open interest."""
    for market_id, trading in state.trading.items():
        check_book(trading.book, may_cross=trading.state == AUCTION or market_id in state.sweeps)
        sizes = trading.size_seen.values()
        invariant(sum(sizes) == 0, "sizes of a market sum to zero")
        invariant(sum(size for size in sizes if size > 0) == trading.open_interest, "open interest is the sum of longs")
        check_reducing(trading)
        check_owners(state, state.markets[market_id], trading)


def check_reducing(trading: Trading) -> None:
    """Resting reduce-only orders of a side hold no more than the position they reduce."""
    for subaccount, own in trading.book.reducing.items():
        size = trading.size_seen.get(subaccount, 0)
        for side in (1, -1):
            held = sum(order.remaining for order in map(trading.book.orders.__getitem__, own) if order.side == side)
            invariant(held <= max(0, -side * size), "a resting reduce-only order has a position to reduce")


def check_owners(state: State, market: Market, trading: Trading) -> None:
    """What owners hold is what their accounts hold, recomputed."""
    totals: dict[int, Size] = {}
    for subaccount, size in trading.size_seen.items() if market.owner_position_max else ():
        owner = owner_of(state.owners, account_of(subaccount))
        totals[owner] = totals.get(owner, 0) + abs(size)
    invariant(totals == trading.owner_sizes, "an owner holds what its accounts hold")
