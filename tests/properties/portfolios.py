"""A risk shard with accounts of every kind, and somebody who answers its orders at will: what laws of margin are tried on.

Everything reaches the shard as the records of its inbox. Only debts are grown by hand, for nothing charges interest yet.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from services.core import messages as m
from services.core.contracts import cash_flow
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS, account_of
from services.core.markets import Asset, Collateral, Market
from services.core.messages import Book, OrderKind, SelfTrade, Side, TimeInForce
from services.core.reasons import Reason
from services.risk.health import Health, health, is_due
from services.risk.margin_call import POINT, adds_risk, surplus
from services.risk.state import State, Subaccount, post
from tests.builders import (
    BITCOIN,
    BTC,
    FUTURE,
    INVERSE,
    PERCENT,
    SPOT,
    USDC,
    USDC_UNIT,
    Driven,
    Person,
    but,
    only,
    person,
)

HOUR_MS = 3_600_000
DEAR = 5 * PERCENT
"""Most that a debt grows per hour here: a hundred times what is charged in earnest, so that a quiet hour matters."""
DOLLARS = but(USDC, collateral=but(USDC.collateral, borrow_rate_max=DEAR))
COINS = but(BITCOIN, collateral=but(BITCOIN.collateral, borrow_rate_max=DEAR))
ETHER = Asset(
    3,
    "ETH",
    8,
    10**12,
    Collateral(
        index="ETH_USD",
        initial_weight=80 * PERCENT,
        maintenance_weight=85 * PERCENT,
        weight_base=100 * PERCENT,
        weight_penalty=FRACTION_ONE // 100,
        account_max=400 * 10**8,
        borrow_initial_fraction=20 * PERCENT,
        borrow_maintenance_fraction=10 * PERCENT,
        borrow_maintenance_factor=FRACTION_ONE // 1_000,
        borrow_rate_max=DEAR,
        price_stale_ms=60_000,
    ),
)
ETH_SPOT = but(SPOT, id=6, symbol="ETH_USDC", index="ETH_USD", base_asset=3, order_size_max=10**8, position_max=10**9)
STEEP = but(
    BTC,
    id=5,
    symbol="ETH_USDC_PERP",
    index="ETH_USD",
    initial_margin_factor=FRACTION_ONE // 2_000,
    maintenance_margin_factor=FRACTION_ONE // 4_000,
    order_size_max=10**8,
    position_max=10**9,
)
ASSETS = (DOLLARS, COINS, ETHER)
MARKETS = (BTC, SPOT, INVERSE, FUTURE, STEEP, ETH_SPOT)
BASE = {"BTC_USD": 8_000 * USDC_UNIT, "ETH_USD": 200 * USDC_UNIT}
"""Prices at the start, 1e-8 dollars."""
ASSET_INDEX = {COINS.id: "BTC_USD", ETHER.id: "ETH_USD"}


@dataclass
class Open:
    """An order as whoever matches it knows it."""

    subaccount: int
    market: Market
    ref: int
    side: int
    price: int
    size: int
    remaining: int
    at_once: bool
    kind: int


@dataclass
class Shard:
    """A driven risk machine, its people, and what it waits for."""

    chance: random.Random
    count: int = 6
    markets: tuple[Market, ...] = MARKETS
    risk: Driven = field(default_factory=lambda: Driven("risk"))
    open: dict[tuple[int, int], Open] = field(default_factory=dict)
    prices: dict[str, int] = field(default_factory=lambda: dict(BASE))
    said: list[m.Message] = field(default_factory=list)
    asked: list[m.Message] = field(default_factory=list)
    """Requests to matching, settlement and the fund that nobody has answered yet."""
    ids: int = 0
    steps: Counter[tuple[str, int]] = field(default_factory=Counter)
    grown: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """(subaccount, asset) -> (debt as it was last left, what grows): a debt grows by the same amount per hour until it changes."""
    ended: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.people: list[Person] = [person(f"somebody {number}") for number in range(self.count)]
        for asset in ASSETS:
            self.tell(m.AssetListed(asset))
        for market in self.markets:
            self.tell(m.MarketListed(market))
            self.tell(m.SettlementMarked(market.id, self.mark_of(market)))
        for who in self.people:
            self.tell(self.risk.commands.open(who))
        for _ in range(3):
            self.see_prices()

    @property
    def state(self) -> State:
        """State of the shard."""
        state: State = self.risk.state
        return state

    @property
    def subaccounts(self) -> list[Subaccount]:
        """Those that exist."""
        return list(self.state.subaccounts.values())

    def next_id(self) -> int:
        """Return a new id of a trade, a deposit or a step."""
        self.ids += 1
        return self.ids

    # what reaches the shard

    def tell(self, message: m.Message, *, age_ms: int | None = None) -> list[m.Message]:
        """Append one record, and take up what the shard asks of others."""
        said = self.risk.tell(message, age_ms=age_ms)
        self.said = said
        for event in said:
            if isinstance(event, m.OrderAdmitted):
                market = self.state.markets[event.market]
                at_once = event.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
                self.open[event.subaccount, event.ref] = Open(
                    event.subaccount,
                    market,
                    event.ref,
                    event.side,
                    event.price,
                    event.size,
                    event.size,
                    at_once,
                    event.kind,
                )
            elif isinstance(
                event, m.CancelRequested | m.CancelAllRequested | m.WithdrawalRequested | m.DeficitReported
            ):
                self.asked.append(event)
        return said

    def drain(self) -> Iterator[list[m.Message]]:
        """Let the shard go on while it has work left; yields what it says in each record."""
        while self.risk.engine.machine.has_work(self.state):
            yield self.tell(m.Continue())

    def mark_of(self, market: Market) -> int:
        """Mark of a market at the prices of now, on its tick, a little off the index."""
        price = self.prices[market.index] * (10_000 + self.chance.randint(-8, 8)) // (10_000 * 10**6)
        return max(market.tick, price - price % market.tick)

    def collateral_of(self, asset: int) -> int:
        """Price of an asset as collateral."""
        price: int = self.prices[ASSET_INDEX[asset]] * 10 ** (INDEX_DECIMALS - 8)
        return price - price * self.chance.randint(0, 20) // 10_000

    def see_prices(self, share: float = 1.0, *, age_ms: int | None = None) -> list[m.Message]:
        """Tell the shard the marks and prices of now, of all markets and assets or of some."""
        chosen = [row for row in self.markets if row.id not in self.ended and self.chance.random() < share]
        marks = [(row.id, self.mark_of(row), self.prices[row.index] * 100) for row in chosen]
        collateral = [(asset, self.collateral_of(asset)) for asset in ASSET_INDEX if self.chance.random() < share]
        return self.tell(m.MarksUpdated(marks, [], collateral), age_ms=age_ms)

    def move(self, index: str, thousandths: float) -> None:
        """Move an index."""
        low, high = BASE[index] // 8, BASE[index] * 8
        self.prices[index] = min(high, max(low, int(self.prices[index] * (1 + thousandths / 1_000))))

    def wait(self, ms: int, rate: int = DEAR) -> None:
        """Let time pass without a record; debts grow, at most at their highest rate."""
        self.risk.now_ms += ms
        for subaccount in self.subaccounts:
            for asset, idle in list(subaccount.idle.items()):
                key = subaccount.id, asset
                if idle >= 0:
                    self.grown.pop(key, None)
                    continue
                left, base = self.grown.get(key, (idle, -idle))
                base = base if left == idle else -idle
                growth = base * rate * ms // (FRACTION_ONE * HOUR_MS)
                legs = [(Book.IDLE, subaccount.id, 0, asset, -growth), (Book.FEES, 0, 0, asset, growth)]
                post(self.state, "interest", 0, legs, touches=False)
                self.grown[key] = idle - growth, base

    def deposit(self, who: Person, asset: int, amount: int) -> list[m.Message]:
        """Credit a deposit."""
        return self.tell(m.DepositCredited(who.subaccount, asset, amount, self.next_id()))

    def owe(self, who: Person, asset: int, amount: int) -> None:
        """Let somebody owe an amount: what somebody else was credited is taken from him, as a loss would."""
        legs = [(Book.IDLE, who.subaccount, 0, asset, -amount), (Book.FEES, 0, 0, asset, amount)]
        post(self.state, "loan", 0, legs)

    def withdraw(self, who: Person, asset: int, amount: int) -> list[m.Message]:
        """Ask for a withdrawal."""
        return self.tell(self.risk.commands.withdraw(who, amount, asset))

    def place(self, who: Person, market: Market, side: int, size: int, price: int, **terms: Any) -> list[m.Message]:
        """Place an order."""
        return self.tell(self.risk.commands.place(who, side, size, price, market=market.id, **terms))

    # what others answer

    def fill(self, order: Open, size: int, price: int) -> list[m.Message]:
        """Trade some of an order at a price."""
        order.remaining -= size
        signed = order.side * size
        filled = m.OrderFilled(
            order.subaccount,
            order.market.id,
            order.ref,
            self.order_id(order),
            self.next_id(),
            price,
            signed,
            cash_flow(order.market, signed, price),
            not order.at_once,
            order.remaining,
        )
        if not order.remaining:
            del self.open[order.subaccount, order.ref]
        return self.tell(filled)

    def order_id(self, order: Open) -> int:
        """Id that an order has in its market."""
        return (order.market.id << 40) + (account_of(order.subaccount) % 1_000) * 1_000 + order.ref

    def cancel(self, order: Open, reason: int = Reason.CANCELLED_BY_CLIENT) -> list[m.Message]:
        """Take an order away."""
        del self.open[order.subaccount, order.ref]
        gone = m.OrderCancelled(
            order.subaccount, order.market.id, order.ref, self.order_id(order), order.remaining, reason
        )
        return self.tell(gone)

    def best(self, order: Open) -> int:
        """Price at which an order could trade near the mark, no worse than its own."""
        mark = self.state.marks[order.market.id].price
        price = mark + order.side * self.chance.randint(-20, 30) * order.market.tick
        price -= price % order.market.tick
        limit = order.price
        return max(order.market.tick, min(price, limit) if order.side == Side.BUY else max(price, limit))

    def answer(self) -> None:
        """Answer the oldest request, or trade or end what does not rest."""
        if self.asked:
            self.answer_to(self.asked.pop(0))
        for order in [order for order in self.open.values() if order.at_once]:
            size = order.remaining if self.chance.random() < 0.6 else order.remaining // 2
            size -= size % order.market.lot
            if size and self.chance.random() < 0.85 and order.market.id not in self.ended:
                self.fill(order, size, self.best(order))
            if (order.subaccount, order.ref) in self.open:
                self.cancel(order, Reason.IMMEDIATE_OR_CANCEL)

    def answer_to(self, asked: m.Message) -> None:
        """Answer one request."""
        match asked:
            case m.CancelRequested():
                order = self.open.get((asked.subaccount, asked.ref))
                if order is not None:
                    self.cancel(order, asked.reason)
            case m.CancelAllRequested():
                for order in list(self.open.values()):
                    if (order.subaccount, order.market.id) == (asked.subaccount, asked.market):
                        self.cancel(order, asked.reason)
                self.tell(m.AllCancelled(asked.subaccount, asked.market, asked.command_id))
            case m.WithdrawalRequested():
                self.tell(m.WithdrawalPaid(asked.subaccount, asked.asset, asked.amount, asked.withdrawal_id))
            case m.DeficitReported():
                paid = asked.amount * self.chance.randint(0, 2) // 2
                if paid:
                    self.tell(m.DeficitCovered(asked.subaccount, asked.asset, paid, asked.deficit_id))
                if asked.amount - paid:
                    self.tell(m.DeficitUncovered(asked.subaccount, asked.asset, asked.amount - paid, asked.deficit_id))
            case _:
                raise AssertionError(asked)

    # what is true of it

    def judged(self) -> Iterator[tuple[Subaccount, Health]]:
        """Everybody, as a full scan sees them."""
        for subaccount in self.subaccounts:
            yield subaccount, health(self.state, subaccount)

    def due(self) -> set[int]:
        """Those whom a full scan would begin to liquidate."""
        found = ((one, now) for one, now in self.judged() if one.liquidation is None)
        return {one.id for one, now in found if is_due(self.state, one, now)}

    def called(self) -> set[int]:
        """Those whom a full scan would call for margin, for they have orders that could still be cancelled."""
        return {
            one.id
            for one in self.subaccounts
            if one.liquidation is None and has_risk(self.state, one) and surplus(self.state, one, POINT) < 0
        }


def has_risk(state: State, subaccount: Subaccount) -> bool:
    """Whether an order that adds risk is open, whose cancel nobody has asked for."""
    return any(
        adds_risk(state.markets[exposure.market], exposure, order) and not order.ending
        for exposure in subaccount.exposures.values()
        for order in exposure.orders.values()
    )


def some_order(shard: Shard, chance: random.Random, share: float = 0.3) -> list[m.Message]:
    """Let somebody place an order of any kind, at times as large as his equity bears."""
    who, market = chance.choice(shard.people), chance.choice(shard.markets)
    if market.id in shard.ended:
        return []
    state = shard.state
    mark = state.marks[market.id].price
    side = chance.choice((Side.BUY, Side.SELL))
    price = mark * (1_000 + chance.randint(-40, 40)) // 1_000
    price = max(market.tick, price - price % market.tick)
    now = health(state, state.subaccount(who.subaccount))
    dollars = max(0, now.equity_initial - now.initial) // USDC_UNIT
    lots_per_dollar = lots_for_a_dollar(market, mark)
    leverage = 1 if market.is_spot else 18
    most = int(dollars * leverage * lots_per_dollar) if chance.random() < share else int(3_000 * lots_per_dollar)
    size = min(market.order_size_max, max(1, chance.randint(most // 2, max(most, 1))) * market.lot)
    tif = chance.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC))
    reduce_only = chance.random() < 0.15 and not market.is_spot
    return shard.place(
        who, market, side, size, price, tif=tif, reduce_only=reduce_only, self_trade=SelfTrade.CANCEL_MAKER
    )


def lots_for_a_dollar(market: Market, mark: int) -> float:
    """Lots that a dollar buys, about."""
    one: int = 10**market.price_decimals
    if market.is_inverse:
        return one / (market.face * market.lot)
    numerator, denominator = market.unit
    return USDC_UNIT * denominator / (mark * market.lot * numerator)


def some_answer(shard: Shard, chance: random.Random) -> None:
    """Answer what waits, and trade or end an order that rests."""
    shard.answer()
    resting = [order for order in shard.open.values() if order.kind != OrderKind.LIQUIDATION]
    if not resting:
        return
    order = chance.choice(resting)
    if chance.random() < 0.15:
        shard.cancel(order)
        return
    lots = order.remaining // order.market.lot
    size = chance.choice((lots, chance.randint(1, lots))) * order.market.lot
    mark = shard.state.marks[order.market.id].price
    is_reachable = order.side * (order.price - mark) * 100 >= -mark
    if is_reachable and order.market.id not in shard.ended:
        shard.fill(order, size, order.price)


def money(shard: Shard, chance: random.Random) -> list[m.Message]:
    """Somebody deposits or withdraws."""
    who = chance.choice(shard.people)
    asset, amount = chance.choice(((1, 400), (1, 2_000), (2, 1), (3, 10)))
    if chance.random() < 0.5:
        return shard.deposit(who, asset, chance.randint(1, amount * USDC_UNIT))
    return shard.withdraw(who, asset, chance.randint(1, amount * USDC_UNIT))


def step_of_market(shard: Shard, chance: random.Random) -> list[m.Message]:
    """A market pays funding, settles, or ends."""
    market = chance.choice([row for row in shard.markets if not row.is_spot and row.id not in shard.ended])
    mark = shard.state.marks[market.id].price
    if market.is_future and chance.random() < 0.15:
        end(shard, market, mark)
        return shard.said
    if market.is_perpetual and chance.random() < 0.6:
        shard.steps["funding", market.id] += 1
        worth = abs(cash_flow(market, market.lot, mark))
        payment = chance.choice((-1, 1)) * chance.randint(0, max(1, worth // 100))
        step = shard.steps["funding", market.id]
        return shard.tell(m.FundingStepped(market.id, step, payment, 0, shard.risk.now_ms))
    shard.steps["settled", market.id] += 1
    price = mark * (1_000 + chance.randint(-20, 20)) // 1_000
    price -= price % market.tick
    return shard.tell(m.MarketSettled(market.id, shard.steps["settled", market.id], price, shard.risk.now_ms))


def end(shard: Shard, market: Market, price: int) -> None:
    """Let a market end: its book is emptied, then what is open is closed at a price."""
    for order in [order for order in shard.open.values() if order.market.id == market.id]:
        shard.cancel(order, Reason.CANCELLED_BY_VENUE)
    shard.ended.add(market.id)
    shard.tell(m.MarketDelisted(market.id, price, is_expiry=True))


def equip(shard: Shard, chance: random.Random) -> None:
    """Give people money of different kinds, a few of them debts."""
    for who in shard.people:
        kinds = chance.choice(((1,), (2,), (1, 2), (2, 3), (1, 2, 3), (3,)))
        for asset in kinds:
            shard.deposit(who, asset, chance.choice((1, 3)) * {1: 1_500, 2: 1, 3: 20}[asset] * USDC_UNIT)
        if chance.random() < 0.5:
            owed = chance.choice((1, 2, 3))
            now = health(shard.state, shard.state.subaccount(who.subaccount))
            worth = now.equity * chance.randint(20, 75) // 100
            price = 1 if owed == 1 else max(1, BASE[ASSET_INDEX[owed]] // USDC_UNIT)
            shard.owe(who, owed, worth // price)


def trade(shard: Shard, market: Market, buyer: Person, seller: Person, size: int, price: int) -> int:
    """Let two people trade with each other, if both are admitted; returns how many fills that was."""
    first = shard.place(buyer, market, Side.BUY, size, price)
    second = shard.place(seller, market, Side.SELL, size, price) if only(m.OrderAdmitted, first) else []
    orders = [shard.open[one.subaccount, one.ref] for one in only(m.OrderAdmitted, [*first, *second])]
    for order in orders:
        if len(orders) == 2:
            shard.fill(order, size, price)
        else:
            shard.cancel(order)
    return len(orders) // 2 * 2
