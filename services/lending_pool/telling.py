"""What everybody is told of a pool at an opening, what is kept of it for those who ask later, and what it is heading for."""

from services.core.fixed import Amount, Milliseconds
from services.core.messages import PoolUpdated
from services.core.pool import borrow_rate, lend_rate, throttle_bound, utilisation
from services.lending_pool.forecast import LOOKS_BACK, full_at_ms, room_left
from services.lending_pool.indices import Settled, Totals, whole
from services.lending_pool.state import HISTORY, Opening, Pool, State


def latest(pool: Pool) -> PoolUpdated:
    """The pool as of its last opening; before the first one it is empty, at the rates of no use."""
    if pool.latest is not None:
        return pool.latest
    terms = pool.terms
    rates = borrow_rate(terms, 0), lend_rate(terms, 0), throttle_bound(terms, 0)
    return PoolUpdated(pool.asset, pool.indices, 0, 0, 0, 0, *rates, 0, 0, 0, pool.state, pool.stress, 0, 0)


def updated(state: State, pool: Pool, totals: Totals, settled: Settled, owed: Amount) -> PoolUpdated:
    """Tell the pool as it is; `owed` is without the interest of the period that opens, so that the rate is that of the curve."""
    used = utilisation(settled.claims, owed)
    terms, cash = pool.terms, whole(totals.cash + totals.clearing)
    keep(state, pool, settled.claims, owed, cash)
    return PoolUpdated(
        asset=pool.asset,
        indices=pool.indices,
        supplied=settled.claims,
        borrowed=owed,
        cash=cash,
        used=used,
        borrow_rate=borrow_rate(terms, used),
        lend_rate=lend_rate(terms, used),
        bound=throttle_bound(terms, used),
        reserve=pool.reserve,
        kept_back=pool.kept_back,
        loss=pool.loss,
        state=pool.state,
        stress=pool.stress,
        lines=sum(pool.lines.values()),
        late_ms=pool.late_ms,
        full_at_ms=forecast(pool),
    )


def keep(state: State, pool: Pool, supplied: Amount, borrowed: Amount, cash: Amount) -> None:
    """Add an opening to the history, the oldest going."""
    period, used = pool.indices, utilisation(supplied, borrowed)
    rates = borrow_rate(pool.terms, used), lend_rate(pool.terms, used)
    figures = (supplied, borrowed, cash, used, *rates, pool.reserve)
    pool.history.append(Opening(period.period, state.now_ms, period.supply, period.borrow, *figures))
    del pool.history[:-HISTORY]


def forecast(pool: Pool) -> Milliseconds:
    """When the pool would be fully used, by the last openings; 0 for not."""
    then, now = pool.history[-LOOKS_BACK:][0], pool.history[-1]
    most = pool.terms.utilisation_max
    rooms = [room_left(one.supplied, one.borrowed, most) for one in (then, now)]
    return full_at_ms(then.at_ms, rooms[0], now.at_ms, rooms[1]) if now.supplied else 0
