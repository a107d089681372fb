"""A whole book cancelled in slices: the market is closed meanwhile, and what its stream says waits until the last order is gone.

A record cancels at most SLICE orders, so that those of other markets never wait for more.
"""

from services.core.markets import Market, on_grid
from services.core.messages import MarketChanged, MarketDelisted, Message
from services.core.reasons import Reason, Refusal
from services.matching.book import Order
from services.matching.state import State, Sweep, SweepCause
from services.matching.turn import Turn

SLICE = 200
"""Orders cancelled in one record."""
LOOKS = 2_000
"""Orders looked at in one record."""


def begin_sweep(state: State, market_id: int, cause: SweepCause) -> None:
    """Close a market until each of its orders has been looked at, oldest first."""
    pending = list(state.trading[market_id].book.orders)
    pending.reverse()
    state.sweeps[market_id] = Sweep(cause, pending)


def has_to_wait(state: State, market_id: int, said: SweepCause) -> bool:
    """Let what the stream says wait for the end of a sweep; returns whether there is one."""
    sweep = state.sweeps.get(market_id)
    if sweep is None:
        return False
    sweep.waiting.append(said)
    return True


def sweep_on(turn: Turn, sweep: Sweep) -> list[Message]:
    """Cancel the next orders of a sweep; those that are gone meanwhile are passed over."""
    cancelled = looked = 0
    while sweep.pending and cancelled < SLICE and looked < LOOKS:
        looked += 1
        order = turn.book.orders.get(sweep.pending.pop())
        refusal = None if order is None else check_order(turn.market, order, sweep.cause)
        if order is not None and refusal is not None:
            turn.cancel(order, int(refusal.reason), refusal.limit)
            cancelled += 1
    return turn.end()


def check_order(market: Market, order: Order, cause: SweepCause) -> Refusal | None:
    """Refuse an order that may not rest any more: after a change only what the market would not take."""
    if isinstance(cause, MarketChanged):
        return check_parameters(market, order)
    is_expiry = isinstance(cause, MarketDelisted) and cause.is_expiry
    return Refusal(Reason.MARKET_EXPIRED if is_expiry else Reason.CANCELLED_BY_VENUE)


def check_parameters(market: Market, order: Order) -> Refusal | None:
    """Refuse an order that the market would not take any more."""
    if order.remaining % market.lot or order.remaining > market.order_size_max:
        return Refusal(Reason.INVALID_SIZE, market.order_size_max)
    if not on_grid(market, order.price) or order.price > market.price_max:
        return Refusal(Reason.INVALID_PRICE, market.tick)
    return None
