"""Several risk shards and the real lending pool, with a matching engine of three lines; what is under way comes late, in any order.

A market's history is one list; each shard takes its part of it in order, as late as chance has it. Reports and openings wait too.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from services.core import messages as m
from services.core.contracts import cash_flow
from services.core.fixed import INDEX_DECIMALS, slot_of
from services.core.messages import Mode
from services.core.reasons import Reason
from services.risk.shares import lent_and_owed
from tests.builders import COIN, DOLLAR, PERCENT, USDC_UNIT, Driven, Person, but, genesis, person
from tests.pools import MARKETS, POOLED_BITCOIN, POOLED_USDC, TERMS

LINEAR, SPOT, INVERSE = sorted(MARKETS)
SHARDS = 3
RATES = (0, 10, 1_000, 1_000_000)
"""Highest rate of a world's pools in per cent per year: nothing, as usual, and so high that a minute counts."""
MODES = (
    m.MODES_DEFAULT,
    m.MODES_DEFAULT | Mode.BORROW,
    Mode.REDEEM | Mode.REPAY,
    Mode.BORROW | Mode.REDEEM,
    Mode.REALISE,
)
Look: TypeAlias = Callable[[int, m.Message, list[m.Message]], None]


class Order(NamedTuple):
    """An order that a shard has admitted, with what is left of it."""

    shard: int
    sent: m.OrderAdmitted
    left: int


class Stepped(NamedTuple):
    """A message of a market's history, and its place there."""

    place: int
    message: m.Message


class PoolWorld:
    """A venue as its shards see it; each step is one thing that happens, or one message that arrives."""

    def __init__(self, seed: int, rate: int | None = None, *, people: int = 4, beside: bool = False) -> None:
        self.chance = random.Random(seed)
        founding = genesis(risk=SHARDS)
        self.shards = [Driven("risk", number, founding) for number in range(SHARDS)]
        self.pool = Driven("lending_pool", 0, founding)
        self.people = [[*people_of(number, people)] for number in range(SHARDS)]
        self.price = 8_000
        self.wild, self.lossy = self.chance.choice((0, 1, 5)), self.chance.choice((0, 0.3, 2))
        """How often prices jump, and debts are written off."""
        self.rate = self.chance.choice(RATES)
        if rate is not None:
            self.rate, self.lossy = rate, 2
        self.beside = beside
        """Whether marks and funding come beside the fills, each shard taking them when it likes: a bug."""
        self.asides = [{market: deque[m.Message]() for market in MARKETS} for _ in self.shards]
        self.streams = [{market: deque[Stepped]() for market in MARKETS} for _ in self.shards]
        self.taken = [dict.fromkeys(MARKETS, -1) for _ in self.shards]
        self.places = dict.fromkeys(MARKETS, 0)
        self.reports = [deque[m.Message]() for _ in self.shards]
        self.opened = [deque[m.Message]() for _ in self.shards]
        self.answers = [deque[m.Message]() for _ in self.shards]
        self.books: dict[int, list[Order]] = {market: [] for market in MARKETS}
        self.fund = {1: 0, 2: 0}
        self.paid_in = {1: 0, 2: 0}
        self.now_ms = self.pool.now_ms
        self.before: Look = lambda _shard, _message, _said: None
        self.after: Look = lambda _shard, _message, _said: None
        self.deposits = self.trades = self.pulses = 0
        self.found()

    def found(self) -> None:
        """List everything, open the markets and the first periods, give everybody something."""
        high = self.rate * PERCENT
        terms = but(TERMS, base=high // 10, slope=high // 10, steep_slope=high)
        for asset in (POOLED_USDC, POOLED_BITCOIN):
            self.tell_pool(m.AssetListed(but(asset, pool=terms)))
            for number in range(SHARDS):
                self.tell(number, m.AssetListed(but(asset, pool=terms)))
        for number in range(SHARDS):
            for market in MARKETS.values():
                self.tell(number, m.MarketListed(market))
                self.tell(number, m.SettlementMarked(market.id, self.price * DOLLAR))
            for who in self.people[number]:
                commands = self.shards[number].commands
                self.tell(number, commands.open(who))
                self.tell(number, m.SetModes(commands.header(who), who.subaccount, self.chance.choice(MODES)))
        self.see_prices()
        self.see_prices()
        for number in range(SHARDS):
            for who in self.people[number]:
                rich = 1_000 if who is self.people[number][0] else 1
                self.deposit(number, who, 1, self.chance.randint(100, 5_000) * USDC_UNIT * rich)
                self.deposit(number, who, 2, self.chance.randint(1, 2 * 10**7) * rich)
        for _ in range(3):
            self.settle_periods()

    def tell(self, number: int, message: m.Message, source: str | None = None) -> list[m.Message]:
        """Let a shard take a message, and send on what it says."""
        shard = self.shards[number]
        shard.now_ms = self.now_ms
        self.before(number, message, [])
        said = shard.tell(message, source=source)
        for event in said:
            self.pass_on(number, event)
        self.after(number, message, said)
        return said

    def tell_pool(self, message: m.Message, source: str | None = None) -> None:
        """Let the pool take a message, and send on the periods that it opens."""
        self.pool.now_ms = self.now_ms
        said = self.pool.tell(message, source=source)
        for event in said:
            if isinstance(event, m.PeriodOpened):
                self.opened[event.shard].append(event)
        self.after(-1, message, said)

    def pass_on(self, number: int, event: m.Message) -> None:
        """Send what a shard says where it belongs."""
        match event:
            case m.PoolDelta():
                self.reports[number].append(event)
            case m.OrderAdmitted():
                self.books[event.market].append(Order(number, event, event.size))
            case m.CancelAllRequested():
                self.cancel(number, event.subaccount, event.market, Reason(event.reason))
                self.send(number, event.market, m.AllCancelled(event.subaccount, event.market, event.command_id))
            case m.CancelRequested():
                self.cancel(number, event.subaccount, event.market, Reason(event.reason), event.ref)
            case m.WithdrawalRequested():
                self.paid_in[event.asset] -= event.amount
                identity = event.withdrawal_id
                paid = m.WithdrawalPaid(event.subaccount, event.asset, event.amount, identity)
                self.answers[number].append(paid)
            case m.FundContributed():
                self.fund[event.asset] += event.amount
            case m.DeficitReported():
                self.answers[number] += self.cover(event)
            case _:
                pass

    def cover(self, deficit: m.DeficitReported) -> list[m.Message]:
        """Let the fund pay what it has; the rest is bad debt."""
        asset, rest = deficit.asset, (deficit.subaccount, deficit.asset)
        pays = min(self.fund[asset], deficit.amount)
        self.fund[asset] -= pays
        covered = m.DeficitCovered(*rest, pays, deficit.deficit_id)
        bad = m.DeficitUncovered(*rest, deficit.amount - pays, deficit.deficit_id)
        return [one for one in (covered, bad) if one.amount]

    # What happens.

    def step(self) -> None:
        """Let time pass and one thing happen."""
        self.now_ms += self.chance.choice((0, 0, 100, 500, 3_000))
        weights = {
            self.money_comes: 5,
            self.money_goes: 8,
            self.money_is_lent: 10,
            self.trade: 22,
            self.match: 16,
            self.take_over: 4,
            self.give_up: 2,
            self.move_mark: 6,
            self.pay_funding: 2,
            self.jump: self.wild,
            self.lose: self.lossy,
            self.see_prices: 4,
            self.arrive: 45,
            self.work: 6,
            self.pool_goes_on: 14,
        }
        self.chance.choices(list(weights), list(weights.values()))[0]()

    def anybody(self) -> tuple[int, Person]:
        """Somebody, with his shard."""
        number = self.chance.randrange(SHARDS)
        return number, self.chance.choice(self.people[number])

    def deposit(self, number: int, who: Person, asset: int, amount: int) -> None:
        """Credit somebody."""
        self.deposits += 1
        self.paid_in[asset] += amount
        self.tell(number, m.DepositCredited(who.subaccount, asset, amount, self.deposits))

    def some_amount(self) -> int:
        """An amount, small or large."""
        return self.chance.randint(1, 10 ** self.chance.randint(1, 12))

    def money_comes(self) -> None:
        """Somebody deposits."""
        self.deposit(*self.anybody(), self.chance.choice((1, 2)), self.some_amount())

    def money_goes(self) -> None:
        """Somebody withdraws, or moves money to another subaccount of his."""
        number, who = self.anybody()
        commands, asset = self.shards[number].commands, self.chance.choice((1, 2))
        if self.chance.random() < 0.7:
            self.tell(number, commands.withdraw(who, self.some_amount(), asset))
        else:
            self.tell(number, commands.transfer(who, self.some_amount(), 1, asset))

    def money_is_lent(self) -> None:
        """Somebody lends, redeems, borrows, repays, or sets his modes."""
        number, who = self.anybody()
        header, asset = self.shards[number].commands.header(who), self.chance.choice((1, 2))
        if self.chance.random() < 0.2:
            self.tell(number, m.SetModes(header, who.subaccount, self.chance.choice(MODES)))
        else:
            kind = self.chance.choice((m.Lend, m.Redeem, m.Borrow, m.Repay))
            amount = 0 if self.chance.random() < 0.2 else self.some_amount()
            self.tell(number, kind(header, who.subaccount, asset, amount))

    def trade(self) -> None:
        """Somebody wants to trade: at the market, or for spot to hold and wait."""
        number, who = self.anybody()
        market, side = self.chance.choice((LINEAR, LINEAR, INVERSE, SPOT)), self.chance.choice((1, -1))
        dollars = self.chance.randint(10, 10 ** self.chance.randint(2, 5))
        size = dollars if market == INVERSE else max(1, dollars * COIN // self.price // 10) * 10
        price = self.price * DOLLAR if market == SPOT else 0
        tif = m.TimeInForce.GTC if price else m.TimeInForce.IOC
        place = self.shards[number].commands.place(who, side, size, price, tif=tif, market=market)
        self.tell(number, but(place, modes=self.chance.choice((0, 0, int(Mode.BORROW)))))

    def match(self) -> None:
        """Let a buyer and a seller of a market meet, where each of them still would."""
        market = self.chance.choice([*MARKETS])
        book = self.books[market]
        pairs = [(buy, sell) for buy in book for sell in book if meet(buy.sent, sell.sent)]
        if not pairs:
            return
        buy, sell = self.chance.choice(pairs)
        low, high = max(sell.sent.price, 1), buy.sent.price
        tick = MARKETS[market].tick
        price = low + self.chance.randint(0, (high - low) // tick) * tick
        self.trades += 1
        size = min(buy.left, sell.left)
        for order in (buy, sell):
            self.fill(order, price, size)
        self.places[market] += 1

    def fill(self, order: Order, price: int, size: int) -> None:
        """Send one side of a trade down the market's stream."""
        sent, book = order.sent, self.books[order.sent.market]
        place, left = book.index(order), order.left - size
        book[place : place + 1] = [order._replace(left=left)] if left else []
        signed = sent.side * size
        cash = cash_flow(MARKETS[sent.market], signed, price)
        number = self.trades << 12 | sent.ref
        told = m.OrderFilled(
            sent.subaccount,
            sent.market,
            sent.ref,
            number,
            self.trades,
            price,
            signed,
            cash,
            is_maker=False,
            remaining=left,
        )
        self.send(order.shard, sent.market, told)

    def take_over(self) -> None:
        """Let somebody rich be the other side of a liquidation."""
        closing = [one for book in self.books.values() for one in book if one.sent.kind == m.OrderKind.LIQUIDATION]
        if closing:
            sent, number = self.chance.choice(closing).sent, self.chance.randrange(SHARDS)
            place = self.shards[number].commands.place
            self.tell(
                number, place(self.people[number][0], -sent.side, sent.size, tif=m.TimeInForce.IOC, market=sent.market)
            )

    def give_up(self) -> None:
        """Cancel an order that waits."""
        book = self.books[self.chance.choice([*MARKETS])]
        if book:
            order = self.chance.choice(book)
            self.end(order, Reason.CANCELLED_BY_CLIENT)

    def cancel(self, number: int, subaccount: int, market: int, reason: Reason, ref: int = 0) -> None:
        """Cancel somebody's orders in a market, or one of them."""
        for order in [*self.books[market]]:
            if order.shard == number and order.sent.subaccount == subaccount and ref in (0, order.sent.ref):
                self.end(order, reason)

    def end(self, order: Order, reason: Reason) -> None:
        """Take an order out of the book."""
        sent = order.sent
        self.books[sent.market].remove(order)
        self.send(
            order.shard, sent.market, m.OrderCancelled(sent.subaccount, sent.market, sent.ref, 0, order.left, reason)
        )

    def move_mark(self) -> None:
        """Send a pulse down a market's stream."""
        self.price = max(500, self.price + self.chance.randint(-self.price // 100, self.price // 100))
        self.pulses += 1
        market = self.chance.choice((LINEAR, INVERSE))
        self.send_all(market, m.SettlementMarked(market, self.price * DOLLAR, self.pulses))

    def pay_funding(self) -> None:
        """Send a funding step down a market's stream."""
        market = self.chance.choice((LINEAR, INVERSE))
        per_lot = self.chance.randint(-(10**4), 10**4) if market == LINEAR else self.chance.randint(-20, 20)
        self.pulses += 1
        self.send_all(market, m.FundingStepped(market, self.pulses, per_lot, 0, self.now_ms))

    def jump(self) -> None:
        """Let the price fall or rise by up to a third."""
        self.price = max(500, self.price * self.chance.choice((60, 80, 95, 105, 125, 170)) // 100)
        self.see_prices()
        if self.chance.random() < 0.5:
            self.move_mark()

    def lose(self) -> None:
        """Write off a debt, in whole or in part, of somebody without hope."""
        number, asset = self.chance.randrange(SHARDS), self.chance.choice((1, 2))
        state = self.shards[number].state
        owing = [(one, lent_and_owed(state, one, asset)[1]) for one in state.subaccounts.values()]
        owing = [(one, owed) for one, owed in owing if owed and one.liquidation is None]
        if owing:
            who, owed = self.chance.choice(owing)
            amount = self.chance.choice((owed, self.chance.randint(1, owed)))
            self.tell(number, m.DeficitUncovered(who.id, asset, amount, 0))

    def see_prices(self) -> None:
        """Tell every shard the prices of now."""
        index = self.price * 10**INDEX_DECIMALS
        self.now_ms += 100
        for number in range(SHARDS):
            marks = [(market, self.price * DOLLAR, index) for market in MARKETS]
            self.tell(number, m.MarksUpdated(marks, collateral=[(2, index)]))

    # What is under way.

    def send(self, number: int, market: int, message: m.Message) -> None:
        """Append to a market's history what one shard takes; both sides of a trade have one place."""
        self.streams[number][market].append(Stepped(self.places[market], message))
        self.places[market] += not isinstance(message, m.OrderFilled)

    def send_all(self, market: int, message: m.Message) -> None:
        """Append to a market's history what every shard takes."""
        for number in range(SHARDS):
            if self.beside:
                self.asides[number][market].append(message)
            else:
                self.streams[number][market].append(Stepped(self.places[market], message))
        self.places[market] += 1

    def arrive(self) -> None:
        """Let one message of a market, or an answer, reach its shard."""
        number, market = self.chance.randrange(SHARDS), self.chance.choice([*MARKETS])
        if self.answers[number] and self.chance.random() < 0.2:
            answer = self.answers[number].popleft()
            self.tell(number, answer)
        elif self.asides[number][market] and self.chance.random() < 0.3:
            self.tell(number, self.asides[number][market].popleft(), f"beside/{market}")
        elif self.streams[number][market]:
            self.take(number, market)

    def take(self, number: int, market: int) -> None:
        """Let a shard take the next message of a market."""
        stepped = self.streams[number][market].popleft()
        self.taken[number][market] = stepped.place
        self.tell(number, stepped.message, f"matching/{market}")

    def is_level(self, market: int) -> bool:
        """Whether all shards have taken the same part of a market's history."""
        waiting = [streams[market][0].place for streams in self.streams if streams[market]]
        return not waiting or max(taken[market] for taken in self.taken) < min(waiting)

    def work(self) -> None:
        """Let a shard do what it has postponed."""
        number = self.chance.randrange(SHARDS)
        shard = self.shards[number]
        self.tell(number, m.Continue() if shard.engine.machine.has_work(shard.state) else m.Tick())

    def pool_goes_on(self) -> None:
        """Let a report reach the pool, or an opening its shard."""
        number = self.chance.randrange(SHARDS)
        if self.opened[number]:
            self.tell(number, self.opened[number].popleft())
        elif self.reports[number]:
            self.tell_pool(self.reports[number].popleft(), f"risk/{number}")

    def settle_periods(self) -> None:
        """Let a minute pass and open the next period everywhere."""
        self.now_ms += 60_000
        for number in range(SHARDS):
            self.tell(number, m.Tick())
        for number in range(SHARDS):
            while self.reports[number]:
                self.tell_pool(self.reports[number].popleft(), f"risk/{number}")
        for number in range(SHARDS):
            while self.opened[number]:
                self.tell(number, self.opened[number].popleft())

    def drain(self) -> None:
        """Cancel what rests, and let everything arrive."""
        for _ in range(50):
            for book in self.books.values():
                for order in [*book]:
                    self.end(order, Reason.CANCELLED_BY_VENUE)
            for number in range(SHARDS):
                for market in MARKETS:
                    while self.streams[number][market]:
                        self.take(number, market)
                    while self.asides[number][market]:
                        self.tell(number, self.asides[number][market].popleft(), f"beside/{market}")
                while self.answers[number]:
                    self.tell(number, self.answers[number].popleft())
            if not any(self.books.values()):
                break
        self.settle_periods()


def people_of(number: int, count: int) -> list[Person]:
    """So many people whose accounts are on a shard."""
    found = (person(f"p{one}") for one in range(1_000))
    return [who for who in found if slot_of(who.account) % SHARDS == number][:count]


def meet(buy: m.OrderAdmitted, sell: m.OrderAdmitted) -> bool:
    """Whether two orders may trade: of different accounts, at prices that cross."""
    return buy.side > 0 > sell.side and buy.price >= sell.price and buy.subaccount != sell.subaccount
