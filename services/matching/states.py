"""States and parameters of a market: its beginning, what an admin wants, auctions, its end; long work goes on in slices."""

from services.core.markets import Market
from services.core.messages import (
    MarketChanged,
    MarketDelisted,
    MarketStateChanged,
    MarketStateSet,
    Message,
)
from services.matching.entry import is_fresh
from services.matching.pauses import bound, finish, has_passed, pause
from services.matching.state import AUCTION, DELISTED, HALTED, OPEN, UNCROSS, State, SweepCause, Trading, recount_owners
from services.matching.sweeps import begin_sweep, has_to_wait, sweep_on
from services.matching.turn import Turn
from services.matching.uncross import uncross


def begin(state: State, trading: Trading, market: int) -> list[Message]:
    """Put a market with its first mark into the state it waits for."""
    target, trading.opens_as = trading.opens_as, OPEN
    if target == AUCTION:
        state.timers.arm(trading.until_ms, UNCROSS, market)
    return [] if target == HALTED else enter(state, market, trading, target)


def process_state(state: State, wanted: MarketStateSet, *, late: bool) -> list[Message]:
    """Put a market into the state that an admin wants; a market without a mark waits for its first.

    A halt empties the book, for nobody knows at which prices it opens again.
    """
    del late
    trading = state.trading[wanted.market]
    if has_to_wait(state, wanted.market, wanted) or trading.state == DELISTED:
        return []
    if not trading.mark_price_seen:
        trading.opens_as, trading.until_ms = wanted.state, wanted.until_ms
        return []
    if wanted.state == AUCTION:
        trading.opens_as, trading.until_ms = OPEN, wanted.until_ms
        state.timers.arm(wanted.until_ms, UNCROSS, wanted.market)
    elif trading.state == AUCTION and wanted.state != HALTED:
        trading.opens_as, trading.until_ms = wanted.state, state.now_ms
        return end_auction(state, wanted.market, trading)
    if wanted.state == trading.state:
        return []
    if wanted.state == HALTED:
        trading.state = HALTED
        begin_sweep(state, wanted.market, wanted)
        return []
    return enter(state, wanted.market, trading, wanted.state)


def enter(state: State, market: int, trading: Trading, target: int) -> list[Message]:
    """Put a market into a state in which orders may rest; where the price limit in force is passed already, into an auction at once."""
    trading.state = target
    return [MarketStateChanged(market, target), *finish(Turn(state, state.markets[market], trading))]


def end_auction(state: State, market_id: int, trading: Trading) -> list[Message]:
    """End an auction whose time is over at one price; without a fresh mark it goes on until there is one.

    While the best price would pass the price limit in force, it goes on too, to the next limit.
    """
    market = state.markets[market_id]
    if trading.state != AUCTION or trading.until_ms > state.now_ms or market_id in state.sweeps:
        return []
    if not is_fresh(state, market, trading):
        return []
    turn = Turn(state, market, trading)
    uncross(turn)
    events = turn.end()
    target, trading.opens_as = trading.opens_as, OPEN
    if has_passed(trading):
        pause(state, market, trading, target)
        return events
    return [*events, *enter(state, market_id, trading, target)]


def process_change(state: State, changed: MarketChanged, *, late: bool) -> list[Message]:
    """Take a market's new parameters, pass them on, and cancel the resting orders that they do not allow."""
    del late
    market = changed.market
    if has_to_wait(state, market.id, changed):
        return []
    trading = state.trading[market.id]
    before = state.markets[market.id]
    state.markets[market.id] = market
    bound(market, trading)
    recount_owners(state, market, trading)
    if grid_of_orders(before) != grid_of_orders(market):
        begin_sweep(state, market.id, changed)
    return [changed]


def grid_of_orders(market: Market) -> tuple[int, ...]:
    """Parameters that resting orders are held to."""
    return (
        market.lot,
        market.order_size_max,
        market.tick,
        market.price_max,
        market.price_figures,
        market.price_decimals,
    )


def process_delisting(state: State, delisted: MarketDelisted, *, late: bool) -> list[Message]:
    """Close a market for ever; once its last order is gone, the word goes on to the shards that close its positions."""
    del late
    if has_to_wait(state, delisted.market, delisted):
        return []
    state.trading[delisted.market].state = DELISTED
    begin_sweep(state, delisted.market, delisted)
    return []


def has_work(state: State) -> bool:
    """Whether a book is being cancelled."""
    return bool(state.sweeps)


def work(state: State) -> list[Message]:
    """Cancel the next orders of the first book that is; after its last one, say so, and do what the stream said meanwhile."""
    market_id, sweep = next(iter(state.sweeps.items()))
    trading = state.trading[market_id]
    events = sweep_on(Turn(state, state.markets[market_id], trading), sweep)
    if sweep.pending:
        return events
    del state.sweeps[market_id]
    events += swept(market_id, trading, sweep.cause)
    for said in sweep.waiting:
        events += process_later(state, said)
    return events


def swept(market_id: int, trading: Trading, cause: SweepCause) -> list[Message]:
    """Say what a market is once its orders are gone; one that has ended has no positions any more."""
    if isinstance(cause, MarketChanged):
        return []
    if isinstance(cause, MarketStateSet):
        return [MarketStateChanged(market_id, HALTED)]
    trading.size_seen, trading.owner_sizes, trading.protections = {}, {}, {}
    trading.open_interest = 0
    return [MarketStateChanged(market_id, DELISTED), cause]


def process_later(state: State, said: SweepCause) -> list[Message]:
    """Do what the stream said during a sweep; a second one that it begins lets the rest wait again."""
    if isinstance(said, MarketStateSet):
        return process_state(state, said, late=False)
    if isinstance(said, MarketDelisted):
        return process_delisting(state, said, late=False)
    return process_change(state, said, late=False)
