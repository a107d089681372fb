"""A run on a pool: four fifths of its supply want out at once, far more than its cash; four shards, lenders in queues."""

import pytest

from services.core import messages as m
from services.core import pool as p
from services.core.markets import PoolTerms
from tests.builders import PERCENT, USDC_UNIT, but, only
from tests.properties.naive_pool import NaiveVenue
from tests.properties.pool_histories import CURVE

LENT = 1_000 * USDC_UNIT
LENDERS = 10
LEAVE = 8
LOCKED = 10
"""Periods in which borrowers do not repay."""
PERIODS_MAX = 60
FIXED = but(CURVE, throttle_threshold=0, throttle_bound=95 * PERCENT, throttle_fraction=0)


class Run:
    """Lenders and a borrower on each shard, the pool used to 85 %; who leaves stands in his shard's queue."""

    def __init__(self, terms: PoolTerms) -> None:
        self.venue = NaiveVenue(terms, shards=4, holders=LENDERS + 1)
        self.drawn = {(shard.number, at): 0 for shard in self.venue.shards for at in range(LEAVE)}
        self.done: dict[tuple[int, int], int] = {}
        for shard in self.venue.shards:
            for lender in shard.holders[:LENDERS]:
                shard.pay(lender, LENT)
        self.venue.all()
        self.lend_out()

    def lend_out(self) -> None:
        """Lend to the borrowers up to 85 %, by force so that the throttle has no say."""
        for shard in self.venue.shards:
            shard.borrow(shard.holders[LENDERS], LENDERS * LENT * 85 // 100)
        self.venue.all()

    @property
    def waiting(self) -> int:
        """What those who leave still have."""
        return sum(shard.worth(lender) for shard in self.venue.shards for lender in shard.holders[:LEAVE])

    def leave(self) -> None:
        """Let those in the queues draw what the line gives, the first in line first."""
        for shard in self.venue.shards:
            for at, lender in enumerate(shard.holders[:LEAVE]):
                worth = shard.worth(lender)
                shard.draw(lender, worth)
                self.drawn[shard.number, at] += worth - shard.worth(lender)
                if worth and not lender.supply:
                    self.done[shard.number, at] = shard.indices.period

    def repay(self) -> None:
        """Let each borrower repay a fifth of his debt, or what is left of a small one."""
        for shard in self.venue.shards:
            owes = shard.owes(shard.holders[LENDERS])
            shard.pay(shard.holders[LENDERS], owes if owes < LENT else owes // 5)


def used_after(run: Run) -> int:
    """Utilisation at the indices that are open, but for the unit that each redemption is rounded by."""
    holders = [(shard, holder) for shard in run.venue.shards for holder in shard.holders]
    supplied = sum(shard.worth(holder) for shard, holder in holders) + 2 * len(holders)
    return p.utilisation(supplied, sum(shard.owes(holder) for shard, holder in holders) - len(holders))


@pytest.mark.parametrize("terms", [CURVE, FIXED], ids=["bound that moves", "bound that stays"])
def test_in_a_run_the_throttle_holds_and_all_are_paid_once_when_borrowers_repay(terms: PoolTerms) -> None:
    run = Run(terms)
    highest = p.INDEX_ONE
    for period in range(PERIODS_MAX):
        now, before = run.venue.updates[-1], run.waiting
        run.leave()
        assert used_after(run) <= now.bound or run.waiting == before, "redemptions stop at the throttle's bound"
        assert now.borrow_rate == p.borrow_rate(terms, now.used), "rates follow the curve"
        assert run.venue.lendable() >= 0
        highest = max(highest, now.indices.supply)
        if period >= LOCKED:
            run.repay()
        if not run.waiting:
            break
        run.venue.all()
    assert not run.waiting, "everything is redeemable when borrowers have repaid"
    most = -(-LENT * highest // p.INDEX_ONE)
    assert all(LENT - 2 * p.PARTS_ONE // p.PARTS_ONE <= paid <= most for paid in run.drawn.values()), (
        "nobody is paid twice"
    )


def test_queues_are_served_in_their_order_and_alike_on_all_shards() -> None:
    run = Run(CURVE)
    while run.waiting:
        run.leave()
        run.repay()
        run.venue.all()
    for shard in run.venue.shards:
        periods = [run.done[shard.number, at] for at in range(LEAVE)]
        assert periods == sorted(periods), "who came first is paid first"
    last = [run.done[shard.number, LEAVE - 1] for shard in run.venue.shards]
    assert max(last) - min(last) <= 1, "no shard waits for another's lenders"


def test_the_ladder_is_climbed_step_by_step_and_left_the_same_way() -> None:
    run = Run(CURVE)
    for period in range(PERIODS_MAX):
        run.leave()
        if period >= LOCKED:
            run.repay()
        run.venue.all()
    steps = [event.stress for event in only(m.PoolStressed, run.venue.events)]
    assert max(steps) >= p.Stress.THROTTLED
    assert steps[-1] == p.Stress.CALM
    assert all(abs(one - before) == 1 for before, one in zip([0, *steps], steps, strict=False))
