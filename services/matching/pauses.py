"""Limits of a market's prices as they stand, and the auctions that a passed price limit brings about (F-1.6)."""

from services.core.fixed import Milliseconds, Price
from services.core.markets import Market
from services.core.messages import MarketStateChanged, Message
from services.matching.bands import limits_of
from services.matching.price_limits import bound_by_steps
from services.matching.state import AUCTION, OPEN, POST_ONLY, UNCROSS, State, Trading
from services.matching.turn import Turn

TRADES = (OPEN, POST_ONLY)
"""States in which orders trade or may come to stand past a limit."""


def see_mark(market: Market, trading: Trading, mark_price: Price, seen_ms: Milliseconds) -> None:
    """Keep a copy of the mark, and the prices that it allows."""
    trading.mark_price_seen = mark_price
    trading.mark_seen_ms = seen_ms
    bound(market, trading)


def see_reference(market: Market, trading: Trading, reference_price: Price) -> None:
    """Let price limits stand round another price, the first step in force."""
    trading.reference_price = reference_price
    trading.steps_passed = 0
    bound(market, trading)


def bound(market: Market, trading: Trading) -> None:
    """Work out the prices at which the market trades now."""
    limits = limits_of(market, trading.mark_price_seen, trading.index_price_seen, trading.premium_seen)
    bound_by_steps(market, limits, trading.reference_price, trading.steps_passed)
    trading.limits = limits


def finish(turn: Turn) -> list[Message]:
    """End a turn; when a trade or the best price would pass the price limit in force, the market goes into an auction."""
    if not turn.market.limit_steps:
        return turn.end()
    turn.tidy()
    trading = turn.trading
    if trading.state in TRADES and (turn.is_limited or has_passed(trading)):
        opens_as, trading.state = trading.state, AUCTION
        pause(turn.state, turn.market, trading, opens_as)
        turn.events.append(MarketStateChanged(turn.market.id, AUCTION))
    return turn.end()


def has_passed(trading: Trading) -> bool:
    """Whether the best price of a side is past the price limit in force."""
    bids, asks, limits = trading.book.bids, trading.book.asks, trading.limits
    return bids.best() > limits.step_high or (len(asks.keys) > 0 and asks.best() < limits.step_low)


def pause(state: State, market: Market, trading: Trading, opens_as: int) -> None:
    """Collect orders for a while, at the end of which the next step is in force."""
    trading.steps_passed += 1
    trading.pauses += 1
    bound(market, trading)
    trading.opens_as = opens_as
    trading.until_ms = state.now_ms + market.limit_pause_ms
    state.timers.arm(trading.until_ms, UNCROSS, market.id)
