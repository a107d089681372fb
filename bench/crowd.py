"""A risk shard full of people who hold one position each: built by the records of its inbox, or much sooner by what those records call.

Both ways end in the same state (`check_both` compares them), but for what a shard forgets after two minutes: the results of commands.
While people come, the mark walks, so that the sides of their margin boxes lie as scattered as those of a venue.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from bench.inbox import Inbox
from services.core import messages as m
from services.core.collateral import PRICE_ONE, amount_of
from services.core.contracts import cash_flow, notional
from services.core.fixed import FRACTION_ONE, Amount, Price, Size, div_ceil
from services.core.markets import Asset, Market
from services.core.messages import SCOPES_ALL, Side
from services.risk import access, answers, claims, judging, machine, money
from services.risk.state import Account, Key, OpenOrder, State, exposure_of
from tests.builders import BITCOIN, BTC, DOLLAR, PERCENT, USDC, Commands, Person, but, genesis, person

PRICE = 60_000 * DOLLAR
MARKET = but(BTC, tick=1, price_max=100_000_000)
"""The perpetual in steps of a cent."""
WALK = PERCENT
"""How far from the first price the mark walks while people come."""
BATCH = 20
"""People who come at one mark."""
LEVERAGES = (2.0, 12.0)
COINS_EVERY = 4
"""One in so many has bitcoin as collateral."""
COIN_PRICE = PRICE_ONE // DOLLAR
"""Price of bitcoin as collateral per unit of the mark."""


class Plan(NamedTuple):
    """What somebody comes with."""

    who: Person
    asset: int
    amount: Amount
    side: int
    size: Size
    price: Price


def plans(count: int, market: Market, price: Price, coins_every: int) -> Iterator[list[Plan]]:
    """Batches of people, each at its mark: neighbours take both sides of a size."""
    chance = random.Random("crowd")
    for first in range(0, count, BATCH):
        mark = price + price * chance.randrange(-WALK, WALK) // FRACTION_ONE
        sizes = [market.lot * chance.randrange(10, 1_000) for _ in range(BATCH)]
        yield [
            plan_of(number, market, mark, sizes[(number - first) >> 1], chance, in_coins=number % coins_every == 0)
            for number in range(first, min(count, first + BATCH))
        ]


def plan_of(number: int, market: Market, mark: Price, size: Size, chance: random.Random, *, in_coins: bool) -> Plan:
    """Somebody whose deposit is the notional over a leverage."""
    worth = notional(market, size, mark)
    if market.settlement_asset == BITCOIN.id:
        asset, amount = BITCOIN.id, worth
    else:
        asset = BITCOIN.id if in_coins else USDC.id
        amount = amount_of(BITCOIN, worth, mark * COIN_PRICE) if in_coins else worth
    deposit = int(amount / chance.uniform(*LEVERAGES))
    return Plan(person(f"somebody {number}"), asset, deposit, Side.SELL if number & 1 else Side.BUY, size, mark)


class Crowd:
    """A shard with a market and its people; `judged` counts how often one of them was looked at."""

    def __init__(
        self, market: Market = MARKET, price: Price = PRICE, assets: tuple[Asset, Asset] = (USDC, BITCOIN)
    ) -> None:
        self.judged = 0
        self.inbox = Inbox(replace(machine.MACHINE, work=self.work))
        self.commands = Commands(lambda: self.inbox.now_ms)
        self.market = market
        self.price = price
        self.trades = 0
        for message in (genesis(), *map(m.AssetListed, assets), m.MarketListed(market)):
            self.inbox.tell(message)
        self.inbox.tell(m.SettlementMarked(market.id, price))
        for _ in range(judging.ROUNDS_AFTER_RESUME):
            self.inbox.tell(self.marks(price))

    @property
    def state(self) -> State:
        """State of the shard."""
        state: State = self.inbox.engine.state
        return state

    def work(self, state: State) -> list[m.Message]:
        """Do a slice of the machine's work, and count whom it judges but for those whose liquidation goes on."""
        taken = state.queue[-judging.SLICE :]
        self.judged += sum(state.subaccounts[one].liquidation is None for one in taken)
        return machine.work(state)

    def marks(self, mark: Price, coin_mark: Price = 0) -> m.MarksUpdated:
        """Marks of an instant; what bitcoin is worth as collateral goes with the mark, or stays."""
        return m.MarksUpdated([(self.market.id, mark, mark)], [], [(BITCOIN.id, (coin_mark or mark) * COIN_PRICE)])

    def fill(self, plan: Plan) -> m.OrderFilled:
        """Matching's word that somebody got what he wanted."""
        self.trades += 1
        size = plan.side * plan.size
        cash = cash_flow(self.market, size, plan.price)
        subaccount, number = plan.who.subaccount, self.trades
        return m.OrderFilled(
            subaccount, self.market.id, 1, number, number, plan.price, size, cash, is_maker=False, remaining=0
        )

    def come_by_records(self, batch: list[Plan]) -> None:
        """Let people open accounts, pay in, and trade: four records each."""
        self.inbox.now_ms += 1_000
        for plan in batch:
            self.inbox.tell(self.commands.open(plan.who))
            self.inbox.tell(m.DepositCredited(plan.who.subaccount, plan.asset, plan.amount, self.trades + 1))
            self.inbox.tell(self.commands.place(plan.who, plan.side, plan.size, plan.price, market=self.market.id))
            self.inbox.tell(self.fill(plan))

    def come_by_calls(self, batch: list[Plan]) -> None:
        """Do what those records do, through the functions that they reach."""
        self.inbox.now_ms += 1_000
        state, market = self.state, self.market
        state.now_ms = self.inbox.now_ms
        for plan in batch:
            account = state.accounts[plan.who.account] = Account(plan.who.account)
            account.keys[plan.who.key_id] = Key(plan.who.key, SCOPES_ALL)
            access.check_rate(account, 1, 0, state.now_ms)
            money.process_deposit(
                state, m.DepositCredited(plan.who.subaccount, plan.asset, plan.amount, self.trades + 1)
            )
            subaccount = state.subaccount(plan.who.subaccount)
            subaccount.refs, subaccount.holds[market.settlement_asset] = 1, 0
            fill = self.fill(plan)
            worth = notional(market, plan.size, plan.price)
            charged = div_ceil(worth * market.taker_fee, FRACTION_ONE)
            subaccount.group = market.group
            exposure_of(state, subaccount, market.id)
            claims.take_out(state, subaccount, market.settlement_asset)
            answers.book_fill(state, subaccount, market, self.order(plan), fill, charged)
            claims.put_back(state, subaccount, market.settlement_asset)

    def order(self, plan: Plan) -> OpenOrder:
        """Order that a plan's fill ends."""
        return OpenOrder(
            1,
            0,
            0,
            plan.side,
            plan.price,
            plan.size,
            plan.size,
            m.OrderKind.CLIENT,
            reduce_only=False,
            mark_price_held=plan.price,
            hold=0,
        )

    def see(self, mark: Price, coin_mark: Price = 0) -> float:
        """See a mark and judge whom it reaches; returns seconds."""
        return self.inbox.tell_all(self.marks(mark, coin_mark))

    def fill_up(self, count: int, *, by_records: bool = False, coins_every: int = COINS_EVERY) -> None:
        """Let so many people come, and the mark go back to where it began."""
        for batch in plans(count, self.market, self.price, coins_every):
            self.see(batch[0].price)
            (self.come_by_records if by_records else self.come_by_calls)(batch)
        self.see(self.price)


def check_both(count: int, make: Callable[[], Crowd] = Crowd) -> None:
    """Raise RuntimeError unless both ways lead to the same state."""
    by_records, by_calls = make(), make()
    by_records.fill_up(count, by_records=True)
    by_calls.fill_up(count)
    names = ("accounts", "subaccounts", "house", "marks", "touched", "queue", "wires", "holders", "collateral")
    for name in (*names, "pools", "pulses"):
        if getattr(by_records.state, name) != getattr(by_calls.state, name):
            raise RuntimeError(f"{name} built by records is not what the calls build")
    if len(by_calls.state.subaccounts) != count:
        raise RuntimeError(f"{len(by_calls.state.subaccounts)} people came, not {count}")
