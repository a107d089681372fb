"""Histories of a lending pool by chance: what accounts, pulses and shards do, in any order, and the laws after each step (M-14)."""

import random

from services.core import messages as m
from services.core import pool as p
from services.core.fixed import FRACTION_ONE
from services.core.markets import PoolTerms
from tests.builders import PERCENT, but, only
from tests.properties.naive_pool import NaiveShard, NaiveVenue

STEPS = 400
LOSSES = 0.05
CURVE = PoolTerms(
    optimal=90 * PERCENT,
    slope=5 * PERCENT,
    steep_slope=FRACTION_ONE,
    reserve_factor=10 * PERCENT,
    throttle_threshold=92 * PERCENT,
    throttle_fraction=10 * PERCENT,
    convert_bound=98 * PERCENT,
)
DEAR = but(CURVE, base=50_000 * PERCENT, throttle_threshold=0, throttle_bound=95 * PERCENT, throttle_fraction=0)
"""A pool that pays its supply five hundred times over in a year: rounding does not hide what is wrong."""
NEVER = but(CURVE, slope=0, steep_slope=0, reserve_factor=0, throttle_threshold=FRACTION_ONE, throttle_fraction=0)
ALL_TERMS = (CURVE, DEAR, NEVER, but(DEAR, debt_max=10**9, supply_max=10**10))


class History:
    """What happens to a venue's pool, by chance; after each step the laws hold."""

    def __init__(self, seed: int, *, rough: bool = True) -> None:
        """`rough` has bad debt, and pulses whose other side stays away."""
        self.chance = random.Random(seed)
        self.venue = NaiveVenue(self.chance.choice(ALL_TERMS), self.chance.choice((1, 3, 4)))
        self.rough = rough
        self.rooms = 0
        self.given_out = 0

    def run(self, steps: int = STEPS) -> NaiveVenue:
        for _ in range(steps):
            before = len(self.venue.updates)
            self.step(self.chance.choice(self.venue.shards))
            self.check()
            if len(self.venue.updates) > before:
                self.check_opening()
        return self.venue

    def step(self, shard: NaiveShard) -> None:
        """Something by will, by force, or in time."""
        acts = [self.put_in, self.draw, self.hold, self.profit, self.deliver, self.time, *[self.barrier] * 5]
        if self.rough:
            acts.append(self.slide)
        if self.rough and self.chance.random() < LOSSES:
            acts = [self.default, self.recover]
        self.chance.choice(acts)(shard)

    def amount(self) -> int:
        return self.chance.randint(1, 10 ** self.chance.randint(1, 9))

    def put_in(self, shard: NaiveShard) -> None:
        shard.pay(self.chance.choice(shard.holders), self.amount(), self.venue.past_ms(shard))

    def draw(self, shard: NaiveShard) -> None:
        shard.draw(self.chance.choice(shard.holders), self.amount())

    def hold(self, shard: NaiveShard) -> None:
        """An order holds cash, or what it held goes out in a fill or comes back."""
        if not shard.held:
            shard.held = min(max(0, shard.line), self.amount())
            shard.line -= shard.held
            return
        used = self.chance.choice((0, shard.held, shard.held // 2))
        shard.line += shard.held
        shard.held = 0
        shard.draw(self.chance.choice(shard.holders), used)

    def profit(self, shard: NaiveShard) -> None:
        """A pulse between two positions; each shard hears of it when its turn comes."""
        other, amount = self.chance.choice(self.venue.shards), self.amount()
        shard.pulses.append((self.chance.randrange(4), amount))
        other.pulses.append((self.chance.randrange(4), -amount))

    def deliver(self, shard: NaiveShard) -> None:
        if shard.pulses:
            shard.pulse(*shard.pulses.popleft())

    def slide(self, shard: NaiveShard) -> None:
        """A lazy pulse, in parts of a unit."""
        lots, profit = self.chance.randint(1, 1_000), self.chance.randint(-(10**21), 10**21)
        shard.slide(lots, profit)

    def time(self, _shard: NaiveShard) -> None:
        self.venue.machine.now_ms += self.chance.choice((1, 1_000, 60_000, 3_600_000))

    def barrier(self, shard: NaiveShard) -> None:
        """Report when it is time, or open what has come."""
        if shard.inbox and self.chance.random() < 0.5:
            shard.open_next()
        elif self.venue.now_ms < shard.indices.closes_at_ms and self.chance.random() < 0.3:
            self.venue.machine.now_ms = shard.indices.closes_at_ms
        else:
            self.venue.report(shard)

    def default(self, shard: NaiveShard) -> None:
        """M-13: what an account cannot pay moves from its debt to the pool's loss."""
        holder = self.chance.choice(shard.holders)
        shard.loss += shard.owes(holder)
        holder.debt = 0

    def recover(self, shard: NaiveShard) -> None:
        back = self.chance.randint(0, shard.loss)
        shard.loss -= back
        shard.cash += back * p.PARTS_ONE

    # -- laws

    def check(self) -> None:
        """After every step."""
        venue = self.venue
        unit = p.INDEX_ONE * p.PARTS_ONE
        assert venue.slack() > -unit, "suppliers' claims and reserve <= cash + debt + loss not borne"
        assert venue.lendable() >= 0, "lines, unused and held, are covered by cash and clearing"
        assert all(min(shard.line, shard.held) >= 0 for shard in venue.shards)

    def check_opening(self) -> None:
        """After every opening, on what its reports said."""
        now, before = self.venue.updates[-1], self.venue.updates[-2]
        self.check_reserve()
        burn = before.indices.burn if before.loss or now.loss or self.venue.borne else before.indices.supply
        assert burn <= now.indices.supply <= before.indices.mint, "the supply index falls to the burn index at most"
        assert now.indices.borrow >= before.indices.borrow, "the borrow index never falls"
        assert now.indices.burn == now.indices.supply or now.loss, (
            "only a period with a loss has a burn index of its own"
        )
        opened = only(m.PeriodOpened, self.venue.events)[-len(self.venue.shards) :]
        assert all(one.indices == now.indices for one in opened), "a period is the same on all shards"
        if now.supplied and now.indices.supply < before.indices.mint:
            rounding = now.supplied // now.indices.supply + 2
            assert now.kept_back <= rounding, "what no cap holds back is given out but for rounding"
        self.check_lines(opened)

    def check_reserve(self) -> None:
        """Without losses the reserve is its part of all gains, given out or kept back: it had it once."""
        now, before = self.venue.updates[-1], self.venue.updates[-2]
        supply = sum(p.join(one.supply) for one in self.venue.reports.values())
        self.given_out += supply * (now.indices.supply - before.indices.supply) // (p.INDEX_ONE * p.PARTS_ONE)
        if not self.rough:
            gains = now.reserve + now.kept_back + self.given_out
            part = gains * self.venue.terms.reserve_factor // FRACTION_ONE
            assert abs(now.reserve - part) <= 2 * len(self.venue.updates), "the reserve has its part of gains, once"

    def check_lines(self, opened: list[m.PeriodOpened]) -> None:
        """Whatever lines, old and new, are used for: utilisation stays at the throttle's bound or below."""
        now, unit = self.venue.updates[-1], p.INDEX_ONE * p.PARTS_ONE
        if any(one.line > 0 for one in opened):
            reports = self.venue.reports.values()
            owed = -(-sum(p.join(one.debt) for one in reports) * now.indices.borrow // unit)
            supplied = sum(p.join(one.supply) for one in reports) * now.indices.burn // unit
            old = now.lines - sum(one.line for one in opened)
            borrowed = min(now.lines, min(self.rooms, old) + sum(one.borrow_room for one in opened))
            redeemed = now.lines - borrowed
            assert p.utilisation(supplied - redeemed, owed + borrowed) <= now.bound, "borrowed as far as may be"
            assert p.utilisation(supplied - now.lines, owed) <= now.bound, "redeemed to the last unit"
        self.rooms = sum(one.borrow_room for one in opened)
