"""Random histories of a small exchange, shared by the laws: what people and prices do, and in which order records arrive."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from services.core import messages as m
from services.core.messages import TimeInForce
from services.risk.state import health
from tests.builders import ALICE, BOB, BTC, CAROL, DAVE, DOLLAR, USDC_UNIT, Exchange, Person, genesis, person, trading

PEOPLE = (ALICE, BOB, CAROL, DAVE)
DEEP = person("deep pocket")


@dataclass(frozen=True)
class Order:
    """Place an order, so many ticks from 8,000; None is a market order."""

    who: Person
    side: int
    lots: int
    ticks: int | None
    tif: int
    reduce_only: bool


@dataclass(frozen=True)
class Cancel:
    """Cancel one of a person's open orders."""

    who: Person
    index: int


@dataclass(frozen=True)
class Observe:
    """The price moves."""

    dollars: int


@dataclass(frozen=True)
class Transfer:
    """A deposit, or a withdrawal if negative."""

    who: Person
    dollars: int


@dataclass(frozen=True)
class Hour:
    """Time passes to the next funding step."""


Action = Order | Cancel | Observe | Transfer | Hour
KINDS = {"order": 12, "cancel": 2, "observe": 2, "transfer": 1, "hour": 1}
TICKS = (-3_000, -301, -100, -1, 0, 0, 1, 100, 301, 3_000)
seeds = st.integers(0, 2**32)


def an_order(chance: random.Random) -> Order:
    """Return an order near the price, half of them of a few sizes so that fills are whole and positions meet orders."""
    reduce_only = chance.random() < 0.25
    tif = TimeInForce.IOC if reduce_only else chance.choice([*[TimeInForce.GTC] * 4, *TimeInForce])
    ticks = None if tif == TimeInForce.IOC and chance.random() < 0.5 else chance.choice(TICKS)
    lots = chance.choice([chance.randint(1, 20), chance.randint(1, 9_000), 5_000, 10_000, 20_000])
    return Order(chance.choice(PEOPLE), chance.choice([1, -1]), lots, ticks, tif, reduce_only)


def an_action(chance: random.Random, kinds: dict[str, int]) -> Action:
    """Return an action of one of the kinds, by weight."""
    match chance.choices(list(kinds), list(kinds.values()))[0]:
        case "order":
            return an_order(chance)
        case "cancel":
            return Cancel(chance.choice(PEOPLE), chance.randrange(4))
        case "observe":
            return Observe(chance.randint(7_800, 8_200))
        case "transfer":
            return Transfer(chance.choice(PEOPLE), chance.choice([-1_200, -300, -1, 100, 800]))
        case _:
            return Hour()


def histories(*kinds: str, length: int = 100) -> st.SearchStrategy[list[Action]]:
    """Histories of these kinds of actions, of all if none is named; dense in trades, which drawing each field would not be."""
    chosen = {kind: KINDS[kind] for kind in kinds or KINDS}

    def history(seed: int, count: int) -> list[Action]:
        chance = random.Random(seed)
        return [an_action(chance, chosen) for _ in range(count)]

    return st.builds(history, seeds, st.integers(1, length))


def opened(dollars: int = 1_000, *, deep: bool = False, **partitions: int) -> Exchange:
    """Exchange with the people and their money; with a deep pocket whose orders may fill the book."""
    crowd = [(who, dollars) for who in PEOPLE]
    return trading(*crowd, *([(DEEP, 900_000)] if deep else []), founding=genesis(**partitions))


def tell(exchange: Exchange, action: Action) -> None:
    """Append what an action is; nothing is delivered yet."""
    commands = exchange.commands
    match action:
        case Order(who, side, lots, ticks, tif, reduce_only):
            price = 0 if ticks is None else 8_000 * DOLLAR + ticks * BTC.tick
            message: m.Message = commands.place(who, side, lots * BTC.lot, price, tif=tif, reduce_only=reduce_only)
            exchange.tell("risk", message, exchange.shard(who))
        case Cancel(who, index):
            exposure = exchange.subaccount(who).exposures.get(1)
            resting = [order for order in exposure.orders.values() if order.order_id] if exposure else []
            order_id = resting[index % len(resting)].order_id if resting else 1
            exchange.tell("risk", commands.cancel(who, order_id), exchange.shard(who))
        case Observe(dollars):
            exchange.now_ms += 1_000
            exchange.tell("funding", m.PriceObserved("one", "BTC_USD", dollars * 10**8, exchange.now_ms))
        case Transfer(who, dollars) if dollars > 0:
            exchange.tell("settlement", commands.deposit(who, dollars * USDC_UNIT))
        case Transfer(who, dollars):
            exchange.tell("risk", commands.withdraw(who, -dollars * USDC_UNIT), exchange.shard(who))
        case Hour():
            exchange.now_ms += 3_600_000 - exchange.now_ms % 3_600_000
            exchange.tell("funding", m.PriceObserved("one", "BTC_USD", 8_000 * 10**8, exchange.now_ms))


Look = Callable[[tuple[str, int]], None]


def play(exchange: Exchange, history: Iterable[Action], seed: int = 0, look: Look | None = None) -> None:
    """Play a history; between its actions some records arrive, in an order that the seed chooses, and `look` sees each."""
    chance = random.Random(seed)
    for action in history:
        tell(exchange, action)
        for _ in range(chance.randrange(12)):
            if exchange.waiting:
                deliver(exchange, chance.choice(list(exchange.waiting)), look)
    finish(exchange, chance, look)


def finish(exchange: Exchange, chance: random.Random, look: Look | None = None) -> None:
    """Deliver until nothing is under way."""
    while exchange.waiting:
        deliver(exchange, chance.choice(list(exchange.waiting)), look)
        if not exchange.waiting:
            exchange.go_on()


def deliver(exchange: Exchange, inbox: tuple[str, int], look: Look | None) -> None:
    """Deliver one record."""
    exchange.deliver(inbox)
    if look is not None:
        look(inbox)


def slack(exchange: Exchange, who: Person) -> int:
    """What a person has beyond initial margin and holds, at the marks seen by his shard."""
    state = exchange.state("risk", exchange.shard(who))
    now = health(state, exchange.subaccount(who), 1)
    return now.equity - now.initial - now.holds
