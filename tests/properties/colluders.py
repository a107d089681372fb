"""People who trade with one another alone, move a thin market's mark as they like, and take out what they can.

Everything that could stand in their way by luck is given to them: the book is as deep as they need, the slow price follows at once, nobody
else trades, fills are at any price of the band. Honest people only lend.
"""

from services.core import messages as m
from services.core.fixed import INDEX_DECIMALS, slot_of
from services.core.messages import Mode
from services.core.reasons import Reason
from tests.builders import COIN, DOLLAR, USDC_UNIT, Person, but, only, person
from tests.pools import MARKETS
from tests.properties.pool_world import LINEAR, SHARDS, PoolWorld, meet

START = 8_000
"""First price of the thin market, and price of the coin in dollars all along."""
FURTHEST = 30
"""The mark is moved to so many times its first price at most, or to so small a part of it."""
DEPTH = 10**12
LENT = 20_000_000
"""Dollars, and worth in coins, that honest people lend on each shard."""
MODES = m.MODES_DEFAULT | Mode.BORROW


class Colluders(PoolWorld):
    """A world in which only colluders act; `out` is what they took out, less what they brought, in units of dollars and coins."""

    def __init__(self, cap: int, *, count: int = 4, fund: int = 0) -> None:
        super().__init__(1, rate=10)
        self.fund = {1: fund, 2: 0}
        self.cap, self.funded = cap, fund
        thin = but(MARKETS[LINEAR], profit_debt_max=cap, withdrawal_fraction=0)
        for number in range(SHARDS):
            self.tell(number, m.MarketChanged(thin), f"matching/{LINEAR}")
            self.deposit(number, self.people[number][0], 1, LENT * USDC_UNIT)
            self.deposit(number, self.people[number][0], 2, LENT * USDC_UNIT // START)
        self.thin = START
        self.out = {1: 0, 2: 0}
        self.gang = [self.join(f"unrelated name {number}") for number in range(count)]
        self.see_thin()
        self.goes_on()

    def join(self, name: str) -> tuple[int, Person]:
        """Open an account that nobody knows to belong to the others."""
        who = person(name)
        number = slot_of(who.account) % SHARDS
        commands = self.shards[number].commands
        self.tell(number, commands.open(who))
        self.tell(number, m.SetModes(commands.header(who), who.subaccount, MODES))
        return number, who

    def bring(self, one: int, dollars: int) -> None:
        """Pay in."""
        self.out[1] -= dollars * USDC_UNIT
        self.deposit(*self.gang[one], 1, dollars * USDC_UNIT)

    def trade_together(self, buyer: int, seller: int, centicoins: int, basis_points: int = 0) -> bool:
        """Trade with each other so far from the mark; whether both were let."""
        price = max(1, self.thin * (10_000 + basis_points) // 10_000)
        for one, side in ((buyer, 1), (seller, -1)):
            number, who = self.gang[one]
            place = self.shards[number].commands.place(
                who, side, centicoins * COIN // 100, price * DOLLAR, market=LINEAR
            )
            self.tell(number, place)
        done = self.meet_all(price * DOLLAR)
        self.goes_on()
        return done

    def size_of(self, one: int) -> int:
        """Position of one of them."""
        number, who = self.gang[one]
        exposure = self.shards[number].state.subaccounts[who.subaccount].exposures.get(LINEAR)
        return exposure.size if exposure is not None else 0

    def close_together(self, buyer: int, seller: int) -> None:
        """Let one who is short and one who is long end as much as they can with each other."""
        size = min(-self.size_of(buyer), self.size_of(seller))
        if size > 0:
            self.trade_together(buyer, seller, size * 100 // COIN)

    def meet_all(self, price: int) -> bool:
        """Let all orders meet that would, at a price or the nearest that both bear; the rest is cancelled."""
        before, book = self.trades, self.books[LINEAR]
        while pairs := [(buy, sell) for buy in book for sell in book if meet(buy.sent, sell.sent)]:
            buy, sell = pairs[0]
            self.trades += 1
            at = min(max(price, sell.sent.price), buy.sent.price)
            size = min(buy.left, sell.left)
            for order in (buy, sell):
                self.fill(order, at, size)
            self.places[LINEAR] += 1
        for order in [*book]:
            self.end(order, Reason.CANCELLED_BY_CLIENT)
        return self.trades > before

    def take_over(self, one: int = 0) -> None:
        """Let one of them be the other side of what the venue closes."""
        number, who = self.gang[one]
        for order in [one for one in self.books[LINEAR] if one.sent.kind == m.OrderKind.LIQUIDATION]:
            sent = order.sent
            place = self.shards[number].commands.place(who, -sent.side, sent.size, sent.price, market=LINEAR)
            self.tell(number, place)
            self.meet_all(sent.price)
        self.goes_on()

    def push(self, percent: int) -> None:
        """Move the thin market's mark; the slow price is with it at once."""
        self.thin = min(max(START // FURTHEST, self.thin * (100 + percent) // 100), START * FURTHEST)
        self.see_thin()
        self.goes_on()

    def see_thin(self) -> None:
        """Tell marks, pulse, and show a deep book."""
        self.now_ms += 61_000
        mark, pulses = self.thin * DOLLAR, self.pulses + 1
        self.pulses = pulses
        marks = [
            (market, (self.thin if market == LINEAR else START) * DOLLAR, START * 10**INDEX_DECIMALS)
            for market in MARKETS
        ]
        self.send_all(LINEAR, m.SettlementMarked(LINEAR, mark, pulses, mark, mark))
        self.send_all(LINEAR, m.BookSampled(LINEAR, mark, mark, mark, mark, mark, 0, DEPTH, DEPTH))
        for number in range(SHARDS):
            self.tell(number, m.MarksUpdated(marks, collateral=[(2, START * 10**INDEX_DECIMALS)]))

    def goes_on(self) -> None:
        """Let everything arrive and be done that is under way."""
        for _ in range(20):
            for number in range(SHARDS):
                for market in MARKETS:
                    while self.streams[number][market]:
                        self.take(number, market)
                while self.answers[number]:
                    self.tell(number, self.answers[number].popleft())
                shard = self.shards[number]
                while shard.engine.machine.has_work(shard.state):
                    self.tell(number, m.Continue())

    def close_period(self) -> None:
        """Let the period end well, and see marks again."""
        self.settle_periods()
        self.see_thin()
        self.goes_on()

    def withdraw_most(self, one: int, asset: int) -> int:
        """Take out all that is let go; returns how much that was."""
        number, who = self.gang[one]
        amount, commands = 10**17, self.shards[number].commands
        for _ in range(3):  # Margin lets go so much, and the line less.
            said = self.tell(number, commands.withdraw(who, amount, asset))
            if sent := only(m.WithdrawalRequested, said):
                self.out[asset] += sent[0].amount
                self.goes_on()
                return sent[0].amount
            amount = only(m.CommandResolved, said)[0].limit
        return 0

    def borrow_coins(self, one: int) -> int:
        """Borrow all the coins that can be had, and take them out; returns how many units that were."""
        number, who = self.gang[one]
        amount, commands = 10**17, self.shards[number].commands
        self.tell(number, m.SetModes(commands.header(who), who.subaccount, int(Mode.REDEEM | Mode.REALISE)))
        for _ in range(3):
            said = self.tell(number, m.Borrow(commands.header(who), who.subaccount, 2, amount))
            amount = only(m.CommandResolved, said)[0].limit or amount
        taken = self.withdraw_most(one, 2)
        self.tell(number, m.SetModes(commands.header(who), who.subaccount, MODES))
        return taken

    def gained(self) -> int:
        """Worth of what was taken out beyond what was brought, in units of dollars."""
        return self.out[1] + self.out[2] * START

    def suppliers_lost(self) -> int:
        """Worth that the suppliers and reserves of both pools have borne, in units of dollars."""
        lost = 0
        for asset, price in ((1, 1), (2, START)):
            pool = self.pool.state.pools[asset]
            lost += (pool.by_suppliers + pool.by_reserve) * price
        return lost
