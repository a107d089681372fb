"""Naive shards around the lending pool's machine: accounts with whole shares, cash, lines, pulses late in any order; and a venue of them.

Each shard keeps nothing but sums, books every payment at once at the indices that it has open, and hears of the next period when it is
told. What is asked of all of them together after each step are the laws of M-14 about pools.
"""

from collections import deque
from dataclasses import dataclass, field

from services.core import messages as m
from services.core import pool as p
from services.core.markets import Asset, PoolTerms
from services.lending_pool.state import Pool
from tests.builders import USDC, Driven, but, genesis

ASSET = 1
PERIOD_MS = 60_000


@dataclass
class Holder:
    """An account's claims in shares; never both."""

    supply: int = 0
    debt: int = 0


@dataclass
class NaiveShard:
    """A shard's part of one pool. Cash and clearing are in parts of 1e18; `lazy` are shares that a series has moved, in the same."""

    number: int
    holders: list[Holder]
    indices: p.Indices = p.FIRST
    cash: int = 0
    clearing: int = 0
    lazy: int = 0
    line: int = 0
    held: int = 0
    loss: int = 0
    room: int = 0
    paid: int = 0
    earned: int = 0
    inbox: deque[m.PeriodOpened] = field(default_factory=deque)
    pulses: deque[tuple[int, int]] = field(default_factory=deque)
    reported: int = -1

    # -- shares; `paid` and `earned` are what debts and claims have brought beside what was lent and supplied

    def worth(self, holder: Holder) -> int:
        return p.supply_worth(self.indices, holder.supply)

    def owes(self, holder: Holder, past_ms: int = 0) -> int:
        return p.debt_owed(self.indices, holder.debt, past_ms)

    def supply(self, holder: Holder, amount: int, past_ms: int = 0) -> None:
        holder.supply += p.supply_minted(self.indices, amount, past_ms)
        self.cash += amount * p.PARTS_ONE
        self.earned -= amount

    def redeem(self, holder: Holder, amount: int) -> None:
        every = amount == self.worth(holder)
        holder.supply -= holder.supply if every else p.supply_burnt(self.indices, amount)
        self.cash -= amount * p.PARTS_ONE
        self.earned += amount

    def borrow(self, holder: Holder, amount: int, fee: int = 0) -> None:
        holder.debt += p.debt_minted(self.indices, amount + fee)
        self.cash -= amount * p.PARTS_ONE
        self.paid -= amount

    def repay(self, holder: Holder, amount: int, past_ms: int = 0) -> None:
        every = amount == self.owes(holder, past_ms)
        holder.debt -= holder.debt if every else p.debt_burnt(self.indices, amount, past_ms)
        self.cash += amount * p.PARTS_ONE
        self.paid += amount

    def pay(self, holder: Holder, amount: int, past_ms: int = 0) -> None:
        """M-7: debt before supply for who receives, supply before debt for who pays."""
        if amount > 0:
            back = min(amount, self.owes(holder, past_ms))
            if back:
                self.repay(holder, back, past_ms)
            if amount > back:
                self.supply(holder, amount - back, past_ms)
        elif amount < 0:
            out = min(self.worth(holder), -amount)
            if out:
                self.redeem(holder, out)
            if -amount > out:
                self.borrow(holder, -amount - out)

    def draw(self, holder: Holder, amount: int) -> None:
        """Take cash out by will, as the line and the room allow: claims, then debt with its entry fee."""
        amount = min(amount, self.line)
        out = min(self.worth(holder), amount)
        more = min(amount - out, self.room)
        if out:
            self.redeem(holder, out)
        if more:
            self.borrow(holder, more, p.entry_fee(self.indices, more))
        self.line -= out + more
        self.room -= more

    # -- what comes down the market's stream

    def pulse(self, at: int, amount: int) -> None:
        """Move profit of a position into claims, against clearing."""
        self.pay(self.holders[at], amount)
        self.clearing -= amount * p.PARTS_ONE

    def slide(self, lots: int, profit: int) -> None:
        """Move a series of supply: profit in parts of 1e18 per lot; a loss that the shares do not bear is left out."""
        step = lots * p.series_step(self.indices, p.SUPPLY, profit)
        if self.lazy + step >= 0:
            self.lazy += step
            self.cash += lots * profit
            self.clearing -= lots * profit

    # -- the barrier

    def shares(self) -> tuple[int, int]:
        supply = sum(holder.supply for holder in self.holders) * p.PARTS_ONE + self.lazy
        return supply, sum(holder.debt for holder in self.holders) * p.PARTS_ONE

    def report(self) -> m.PoolDelta:
        self.reported = self.indices.period
        supply, debt = self.shares()
        return m.PoolDelta(
            shard=self.number,
            asset=ASSET,
            period=self.reported,
            supply=p.split(supply),
            debt=p.split(debt),
            cash=p.split(self.cash),
            clearing=p.split(self.clearing),
            line=self.line,
            held=self.held,
            loss=self.loss,
        )

    def open_next(self) -> None:
        opened = self.inbox.popleft()
        self.indices, self.room = opened.indices, opened.borrow_room
        self.line = max(0, self.line + opened.line)


class NaiveVenue:
    """The machine with its shards, and what it has told; `now_ms` is everybody's clock."""

    def __init__(self, terms: PoolTerms, shards: int = 3, holders: int = 4) -> None:
        self.asset: Asset = but(USDC, pool=terms)
        self.terms = terms
        self.machine = Driven("lending_pool", founding=genesis(risk=shards))
        self.machine.tell(m.AssetListed(self.asset))
        self.shards = [NaiveShard(number, [Holder() for _ in range(holders)]) for number in range(shards)]
        self.events: list[m.Message] = []
        self.updates: list[m.PoolUpdated] = []
        self.borne: list[m.LossBorne] = []
        self.reports: dict[int, m.PoolDelta] = {}
        self.all()

    @property
    def now_ms(self) -> int:
        return self.machine.now_ms

    def past_ms(self, shard: NaiveShard) -> int:
        return p.late_ms(shard.indices, self.now_ms)

    def report(self, shard: NaiveShard) -> list[m.Message]:
        """Let a shard report if its period is over and it has not yet."""
        if shard.reported == shard.indices.period or self.now_ms < shard.indices.closes_at_ms:
            return []
        self.reports[shard.number] = shard.report()
        said = self.machine.tell(self.reports[shard.number], source=f"risk/{shard.number}")
        self.take(said)
        return said

    def take(self, said: list[m.Message]) -> None:
        """Keep what was told; periods wait in the inboxes of the shards."""
        self.events += said
        for event in said:
            if isinstance(event, m.PeriodOpened):
                self.shards[event.shard].inbox.append(event)
            elif isinstance(event, m.PoolUpdated):
                self.updates.append(event)
            elif isinstance(event, m.LossBorne):
                self.borne.append(event)

    def all(self) -> list[m.Message]:
        """Deliver everything, let all report, and open the next period on all; returns what the machine said."""
        self.machine.now_ms = max(self.now_ms, *(shard.indices.closes_at_ms for shard in self.shards))
        for shard in self.shards:
            self.settle(shard)
        said = [event for shard in self.shards for event in self.report(shard)]
        for shard in self.shards:
            self.settle(shard)
        return said

    def settle(self, shard: NaiveShard) -> None:
        """Deliver all that waits for a shard."""
        while shard.pulses:
            shard.pulse(*shard.pulses.popleft())
        while shard.inbox:
            shard.open_next()

    # -- the laws

    @property
    def pool(self) -> Pool:
        found: Pool = self.machine.state.pools[ASSET]
        return found

    def slack(self) -> int:
        """What the pool has beyond what it owes, each shard at the indices it has open; in parts of 1e33 of a unit.

        A loss counts as borne when every shard has opened the index that bore it.
        """
        claims = owed = cash = loss = 0
        for shard in self.shards:
            supply, debt = shard.shares()
            claims += supply * shard.indices.supply
            owed += debt * shard.indices.borrow
            cash += shard.cash
            loss += shard.loss
        opened = min(shard.indices.period for shard in self.shards)
        loss -= self.pool.by_reserve + self.pool.by_suppliers
        loss += sum(max(0, one.by_suppliers) for one in self.borne if one.period > opened)
        unit = p.INDEX_ONE * p.PARTS_ONE
        return cash * p.INDEX_ONE + owed + (loss - self.pool.reserve) * unit - claims

    def lendable(self) -> int:
        """Pool cash and clearing that no line stands for; in parts of 1e18."""
        lines = sum(shard.line + shard.held for shard in self.shards)
        return sum(shard.cash + shard.clearing for shard in self.shards) - lines * p.PARTS_ONE
