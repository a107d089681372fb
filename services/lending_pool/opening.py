"""The opening: when every shard has reported, losses are borne, gains given out, and the next period begins on all of them (M-9)."""

from services.core.fixed import Fraction, invariant
from services.core.messages import LossBorne, Message, PoolDelta, PoolStressed
from services.core.pool import borrow_rate, join, throttle_bound, utilisation
from services.lending_pool.giving import Standing, give_lines
from services.lending_pool.indices import (
    Books,
    Settled,
    Totals,
    held_in_all,
    next_indices,
    owed_of,
    payable,
    settle,
    whole,
)
from services.lending_pool.state import Pool, State
from services.lending_pool.stress import levels, stress_step
from services.lending_pool.telling import updated


def open_period(state: State, pool: Pool) -> list[Message]:
    """Close a period on what all shards reported, and open the next one on all of them."""
    reports = [pool.reports[shard] for shard in sorted(pool.reports)]
    pool.reports = {}
    totals = added_up(pool, reports)
    by_profit = any(amount for report in reports for _group, amount in report.unmatured)
    settled = settle(pool.indices, totals, books_of(pool), pool.terms.reserve_factor, waits_on=by_profit)
    owed = owed_of(totals.debt, pool.indices.borrow)
    used = utilisation(settled.claims, owed)
    losses = bear(pool, totals, settled)
    begin_period(state, pool, settled, borrow_rate(pool.terms, used))
    steps = climb(pool, used, totals)
    standing = Standing(
        totals.cash + totals.clearing,
        settled.claims,
        payable(totals.supply, settled.burn),
        owed_of(totals.debt, pool.indices.borrow),
        throttle_bound(pool.terms, used),
    )
    opened = give_lines(state, pool, reports, standing)
    pool.latest = updated(state, pool, totals, settled, owed)
    return [*opened, pool.latest, *steps, *losses]


def added_up(pool: Pool, reports: list[PoolDelta]) -> Totals:
    """What all shards have together; exact."""
    loss = sum(report.loss for report in reports)
    pool.recovered = max(pool.recovered, -loss)
    return Totals(
        supply=sum(join(report.supply) for report in reports),
        debt=sum(join(report.debt) for report in reports),
        cash=sum(join(report.cash) for report in reports),
        clearing=sum(join(report.clearing) for report in reports),
        loss=loss + pool.recovered,
    )


def books_of(pool: Pool) -> Books:
    """What the pool itself keeps account of."""
    return Books(pool.reserve, pool.kept_back, pool.by_reserve, pool.by_suppliers)


def bear(pool: Pool, totals: Totals, settled: Settled) -> list[Message]:
    """Take the books over; tell who has borne a loss, or got back what he had borne."""
    books = settled.books
    owns = held_in_all(totals, pool.indices.borrow) + settled.loss
    invariant(settled.claims + books.reserve <= owns + 1, "claims and reserve are cash, debt and losses to be borne")
    by_reserve, by_suppliers = books.by_reserve - pool.by_reserve, books.by_suppliers - pool.by_suppliers
    pool.reserve, pool.kept_back, pool.by_reserve, pool.by_suppliers = books
    pool.loss = settled.loss
    if not by_reserve and not by_suppliers:
        return []
    return [LossBorne(pool.asset, pool.indices.period + 1, by_reserve, by_suppliers)]


def begin_period(state: State, pool: Pool, settled: Settled, rate: Fraction) -> None:
    """Open the next period now, in the state that was set last."""
    before, opens_at_ms = pool.indices, state.now_ms
    pool.late_ms = max(0, opens_at_ms - before.closes_at_ms) if before.closes_at_ms else 0
    pool.indices = next_indices(before, settled, rate, opens_at_ms, pool.terms.period_ms, pool.late_ms)
    pool.state = pool.state_next


def climb(pool: Pool, used: Fraction, totals: Totals) -> list[Message]:
    """Go up or down the ladder; each step passed is told."""
    before, pool.stress = pool.stress, stress_step(levels(pool.terms), used, pool.stress)
    passed = range(before + 1, pool.stress + 1) if pool.stress > before else range(before - 1, pool.stress - 1, -1)
    return [PoolStressed(pool.asset, step, used, whole(totals.cash + totals.clearing)) for step in passed]
