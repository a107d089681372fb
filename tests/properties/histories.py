"""Random histories of a small exchange, shared by the laws: what people and prices do, and in which order records arrive."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from services.core import messages as m
from services.core.fixed import INDEX_DECIMALS
from services.core.messages import SelfTrade, TimeInForce
from services.risk.fills import flows, received
from services.risk.health import health, price_seen
from tests.builders import (
    ALICE,
    BOB,
    BTC,
    CAROL,
    DAVE,
    DOLLAR,
    SPOT,
    USDC_UNIT,
    Exchange,
    Person,
    genesis,
    person,
    trading,
)

PEOPLE = (ALICE, BOB, CAROL, DAVE)
DEEP = person("deep pocket")


@dataclass(frozen=True)
class Order:
    """Place an order, so many ticks from 8,000; None is a market order. It may end after some milliseconds."""

    who: Person
    side: int
    lots: int
    ticks: int | None
    tif: int
    reduce_only: bool
    market: int = 1
    self_trade: int = SelfTrade.REJECT_TAKER
    lasts_ms: int = 0


@dataclass(frozen=True)
class Cancel:
    """Cancel one of a person's open orders."""

    who: Person
    index: int


@dataclass(frozen=True)
class Replace:
    """Give one of a person's open orders another price and size."""

    who: Person
    index: int
    lots: int
    ticks: int


@dataclass(frozen=True)
class CancelAll:
    """Cancel all orders of a person, in one market or in all (0)."""

    who: Person
    market: int


@dataclass(frozen=True)
class Quotes:
    """Set quotes: (client id, side, ticks, lots), 0 lots to withdraw; a client id keeps its side."""

    who: Person
    market: int
    rows: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True)
class Move:
    """Move money to another subaccount and, the next time, back."""

    who: Person
    dollars: int


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


Action = Order | Cancel | Replace | CancelAll | Quotes | Move | Observe | Transfer | Hour
KINDS = {
    "order": 12,
    "cancel": 2,
    "replace": 3,
    "cancel_all": 1,
    "quotes": 3,
    "move": 1,
    "observe": 2,
    "transfer": 1,
    "hour": 1,
}
TICKS = (-3_000, -301, -100, -1, 0, 0, 1, 100, 301, 3_000)
seeds = st.integers(0, 2**32)


def an_order(chance: random.Random) -> Order:
    """Return an order near the price, half of them of a few sizes so that fills are whole and positions meet orders."""
    market = chance.choice([1, 1, 1, 2])
    reduce_only = market == 1 and chance.random() < 0.25
    tif = chance.choice([*[TimeInForce.GTC] * 4, *TimeInForce])
    at_once = tif in (TimeInForce.IOC, TimeInForce.FOK)
    ticks = None if at_once and chance.random() < 0.5 else chance.choice(TICKS)
    lots = chance.choice([chance.randint(1, 20), chance.randint(1, 9_000), 5_000, 10_000, 20_000])
    lasts_ms = 0 if at_once or chance.random() < 0.8 else chance.randint(1, 3_000)
    self_trade = chance.choice([*[SelfTrade.REJECT_TAKER] * 2, *SelfTrade])
    who = chance.choice(PEOPLE)
    return Order(who, chance.choice([1, -1]), lots, ticks, tif, reduce_only, market, self_trade, lasts_ms)


def some_quotes(chance: random.Random) -> Quotes:
    """Return a few quotes on both sides, some withdrawn; odd client ids buy."""
    ids = chance.sample(range(1, 7), chance.randint(1, 4))
    rows = tuple(
        (1_000 + one, 1 if one % 2 else -1, chance.choice(TICKS), chance.choice([0, 10, 500, 5_000])) for one in ids
    )
    return Quotes(chance.choice(PEOPLE), chance.choice([1, 1, 2]), rows)


def an_action(chance: random.Random, kinds: dict[str, int]) -> Action:
    """Return an action of one of the kinds, by weight."""
    who = chance.choice(PEOPLE)
    match chance.choices(list(kinds), list(kinds.values()))[0]:
        case "order":
            return an_order(chance)
        case "cancel":
            return Cancel(who, chance.randrange(4))
        case "replace":
            return Replace(who, chance.randrange(4), chance.choice([10, 5_000, 10_000, 20_000]), chance.choice(TICKS))
        case "cancel_all":
            return CancelAll(who, chance.choice([0, 1, 2]))
        case "quotes":
            return some_quotes(chance)
        case "move":
            return Move(who, chance.choice([1, 200]))
        case "observe":
            return Observe(chance.randint(7_800, 8_200))
        case "transfer":
            return Transfer(who, chance.choice([-1_200, -300, -1, 100, 800]))
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
    """Exchange with the people, their money and a coin each; with a deep pocket whose orders may fill the book."""
    crowd = [(who, dollars) for who in PEOPLE]
    rich = [(DEEP, 900_000)] if deep else []
    exchange = trading(*crowd, *rich, spot=SPOT, founding=genesis(**partitions))
    for who in PEOPLE:
        exchange.do("settlement", exchange.commands.deposit(who, 10**8, asset=2))
    return exchange


def price_at(ticks: int) -> int:
    """Price so many ticks from 8,000."""
    return 8_000 * DOLLAR + ticks * BTC.tick


def open_orders(exchange: Exchange, who: Person) -> list[tuple[int, int]]:
    """(market, order id) of a person's orders that matching has answered."""
    return [
        (exposure.market, order.order_id)
        for exposure in exchange.subaccount(who).exposures.values()
        for order in exposure.orders.values()
        if order.order_id
    ]


def chosen_order(exchange: Exchange, who: Person, index: int) -> tuple[int, int]:
    """One of a person's open orders, or one that is not."""
    resting = open_orders(exchange, who)
    return resting[index % len(resting)] if resting else (1, 1)


def tell(exchange: Exchange, action: Action) -> None:
    """Append what an action is; nothing is delivered yet."""
    match action:
        case Observe(dollars):
            exchange.now_ms += 1_000
            exchange.tell("funding", m.PriceObserved("one", "BTC_USD", dollars * 10**INDEX_DECIMALS, exchange.now_ms))
        case Transfer(who, dollars) if dollars > 0:
            exchange.tell("settlement", exchange.commands.deposit(who, dollars * USDC_UNIT))
        case Hour():
            exchange.now_ms += 3_600_000 - exchange.now_ms % 3_600_000
            exchange.tell("funding", m.PriceObserved("one", "BTC_USD", 8_000 * 10**INDEX_DECIMALS, exchange.now_ms))
        case _:
            exchange.tell("risk", command_of(exchange, action), exchange.shard(action.who))


def command_of(exchange: Exchange, action: Action) -> m.Message:
    """Build the command that a person sends to risk."""
    commands = exchange.commands
    match action:
        case Order(who, side, lots, ticks, tif, reduce_only, market, self_trade, lasts_ms):
            return commands.place(
                who,
                side,
                lots * BTC.lot,
                0 if ticks is None else price_at(ticks),
                tif=tif,
                reduce_only=reduce_only,
                market=market,
                self_trade=self_trade,
                expires_ms=exchange.now_ms + lasts_ms if lasts_ms else 0,
            )
        case Cancel(who, index):
            market, order_id = chosen_order(exchange, who, index)
            return commands.cancel(who, order_id, market=market)
        case Replace(who, index, lots, ticks):
            market, order_id = chosen_order(exchange, who, index)
            return commands.replace(who, price_at(ticks), lots * BTC.lot, order_id, market=market)
        case CancelAll(who, market):
            return commands.cancel_all(who, market)
        case Quotes(who, market, rows):
            quotes = [(one, side, price_at(ticks) if lots else 0, lots * BTC.lot) for one, side, ticks, lots in rows]
            return commands.quote(who, *quotes, market=market)
        case Move(who, dollars):
            return commands.transfer(who, dollars * USDC_UNIT)
        case Transfer(who, dollars):
            return commands.withdraw(who, -dollars * USDC_UNIT)
        case _:
            raise AssertionError(action)


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
    """What a person has beyond initial margin and holds at the marks seen by his shard, with what his spot orders bring for sure."""
    state = exchange.state("risk", exchange.shard(who))
    subaccount = exchange.subaccount(who)
    now = health(state, subaccount)
    nets = {asset: part.net for asset, part in now.parts.items()}
    brought = received(state, flows(state, subaccount), nets, price_seen(state), is_initial=True)
    return now.equity_initial - now.initial + brought
