"""Random flows of what comes to matching: every kind of order, replaces, quotes, cancels, marks, states, settlements, limits, time."""

import random
from collections.abc import Iterator

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.messages import RESTING, MarketState, OrderKind, SelfTrade, TimeInForce
from tests.builders import BTC, PERCENT, START_MS, Driven, but
from tests.properties.naive_market import Word

MARK = 800_000
MARKET = but(
    BTC,
    tick=1_000,
    price_stale_ms=10**9,
    open_interest_max=60 * BTC.lot,
    book_orders_max=25,
    levels_max=6,
    impact_band=PERCENT,
    premium_band=4 * PERCENT,
    owner_position_max=25 * BTC.lot,
    limit_steps=(15 * PERCENT // 10, 3 * PERCENT, 19 * PERCENT // 4),
    limit_pause_ms=700,
)
"""Few prices, so that an auction's can all be tried, and limits close enough to be met."""
OWNERS = tuple(account * 256 + number for account, number in ((1, 0), (1, 1), (2, 0), (3, 0), (4, 0)))
STATES = (
    [MarketState.OPEN] * 9
    + [MarketState.AUCTION] * 3
    + [MarketState.POST_ONLY, MarketState.HALTED, MarketState.CANCEL_ONLY]
)


class Flow:
    """What comes to one market, from a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.refs = dict.fromkeys(OWNERS, 0)
        self.orders: list[tuple[int, int]] = []
        self.quotes: list[tuple[int, int]] = []
        self.now = START_MS

    def messages(self, length: int) -> Iterator[m.Message]:
        """Return so many messages; time passes between some of them."""
        orders = (self.order, self.replace, self.mass_quote, self.cancel, self.cancel_all)
        others = (self.mark, self.state, self.settled, self.owner, self.protection)
        for _ in range(length):
            self.now += self.chance.choice([0, 0, 0, 1, 700])
            (kind,) = self.chance.choices([*orders, *others], weights=(60, 14, 11, 5, 1, 5, 4, 1, 1, 4))
            yield kind()

    def next_ref(self, owner: int) -> int:
        """Next ref of a subaccount."""
        self.refs[owner] += 1
        return self.refs[owner]

    def price(self) -> int:
        """Return a price close to the mark, sometimes near the band's edge."""
        away = [*range(-4, 5), *range(-4, 5), -42, -39, -30, 30, 39, 42]
        price: int = MARK + MARKET.tick * self.chance.choice(away)
        return price

    def size(self) -> int:
        """Return a size of some lots."""
        return MARKET.lot * self.chance.choice([1, 2, 3, 5, 40])

    def order(self) -> m.OrderAdmitted:
        """Return an order."""
        chance = self.chance
        owner = chance.choice(OWNERS)
        tif = chance.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, *TimeInForce])
        ref, size = self.next_ref(owner), self.size()
        hides = chance.random() < (0.3 if tif in RESTING and size > 2 * MARKET.lot else 0.02)
        self.orders.append((owner, ref))
        return m.OrderAdmitted(
            owner,
            1,
            ref,
            chance.choice([1, -1]),
            tif,
            self.price(),
            size,
            chance.random() < 0.25,
            OrderKind.CLIENT,
            adds_risk=True,
            self_trade=chance.choice(list(SelfTrade)),
            expires_ms=self.now + chance.choice([0, 1, 500, 3_000]) if chance.random() < 0.12 else 0,
            is_market=tif == TimeInForce.IOC and chance.random() < 0.4,
            display=MARKET.lot * chance.choice([1, 1, 2, 5]) if hides else 0,
        )

    def known(self, known: list[tuple[int, int]]) -> tuple[int, int]:
        """Return an order that was sent lately, which may be gone by now."""
        return self.chance.choice(known[-12:]) if known else (OWNERS[0], 1)

    def replace(self) -> m.ReplaceRequested:
        """Return a replace."""
        owner, ref = self.known(self.orders + self.quotes)
        return m.ReplaceRequested(owner, 1, ref, 7, self.price(), self.size(), adds_risk=True)

    def mass_quote(self) -> m.QuotesAdmitted:
        """Return some quotes of one subaccount: new ones, moved ones, withdrawn ones."""
        chance = self.chance
        owner = chance.choice(OWNERS)
        old = [ref for known, ref in self.quotes[-12:] if known == owner]
        moved = chance.sample(old, min(len(old), chance.randint(0, 3)))
        quotes: list[m.QuoteAdmitted] = [(ref, *self.terms(), True, False) for ref in moved]
        for _ in range(chance.randint(0, 3)):
            ref = self.next_ref(owner)
            self.quotes.append((owner, ref))
            quotes.append((ref, *self.terms(), True, True))
        return m.QuotesAdmitted(owner, 1, 7, quotes)

    def terms(self) -> tuple[int, int, int]:
        """Return side, price and size of a quote; size 0 withdraws."""
        return self.chance.choice([1, -1]), self.price(), self.chance.choice([0, *[self.size() for _ in range(5)]])

    def cancel(self) -> m.CancelRequested:
        """Return a cancel."""
        owner, ref = self.known(self.orders + self.quotes)
        return m.CancelRequested(owner, 1, ref, 7)

    def cancel_all(self) -> m.CancelAllRequested:
        """Return a cancel of everything."""
        return m.CancelAllRequested(self.chance.choice(OWNERS), 1)

    def mark(self) -> m.MarksUpdated:
        """Return a mark that moves by up to eight ticks, and a premium."""
        mark, index = (MARK + MARKET.tick * self.chance.randint(-8, 8) for _ in range(2))
        premium = FRACTION_ONE * self.chance.randint(-2, 2) // 100
        return m.MarksUpdated([(1, mark, index)], [premium])

    def state(self) -> m.MarketStateSet:
        """Return a state to change into."""
        return m.MarketStateSet(1, self.chance.choice(STATES), self.now + self.chance.choice([0, 700, 3_000]))

    def settled(self) -> m.MarketSettled:
        """Return a settlement: price limits stand round its price."""
        return m.MarketSettled(1, 1, MARK + MARKET.tick * self.chance.randint(-8, 8), self.now)

    def owner(self) -> m.OwnerSet:
        """Return an owner of an account."""
        return m.OwnerSet(self.chance.choice([1, 2, 3, 4]), self.chance.choice([0, 1, 1, 2]))

    def protection(self) -> m.ProtectionSet:
        """Return a protection that is easily tripped, or none."""
        chance = self.chance
        quantity, delta = (MARKET.lot * chance.choice([0, 1, 2, 6]) for _ in range(2))
        terms = chance.choice([0, 700, 2_000, 2_000]), quantity, delta, chance.choice([0, 1, 1_500])
        return m.ProtectionSet(chance.choice(OWNERS), 1, *terms)


def opened() -> Driven:
    """Matching with one open market."""
    matching = Driven("matching")
    matching.tell(m.MarketListed(MARKET))
    matching.tell(m.SettlementMarked(1, MARK))
    return matching


def told(matching: Driven, flow: Flow, length: int) -> Iterator[tuple[m.Message, list[m.Message]]]:
    """Play a flow; each message with what the machine says to it."""
    for message in flow.messages(length):
        matching.now_ms = flow.now
        yield message, matching.tell(message)


def words(events: list[m.Message]) -> list[Word]:
    """What the machine said, in the naive book's words."""
    said: list[Word] = []
    for event in events:
        match event:
            case m.TradeExecuted():
                said.append(("trade", event.maker_order_id, event.taker_order_id, event.price, event.size))
            case m.OrderCancelled():
                said.append(("cancelled", event.order_id, event.remaining, event.reason))
            case m.OrderReduced():
                said.append(("reduced", event.order_id, event.size, event.remaining, event.reason))
            case m.OrderRested():
                said.append(("rested", event.order_id, event.remaining))
            case m.OrderReplaced():
                said.append(("replaced", event.order_id, event.price, event.size, event.remaining))
            case m.ReplaceRefused():
                said.append(("kept", event.ref, event.reason))
            case m.CancelRefused():
                said.append(("refused",))
            case m.QuotesAnswered():
                said.append(("quotes", *(answer[:5] for answer in event.quotes)))
            case m.MarketStateChanged():
                said.append(("state", event.state))
            case m.ProtectionTripped():
                said.append(("tripped", event.subaccount, event.quantity, abs(event.delta)))
            case _:
                pass
    return said
