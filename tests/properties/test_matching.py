"""Laws of matching, against a naive matcher that looks at every order each time."""

import random
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, account_of
from services.core.messages import OrderKind, TimeInForce
from services.core.reasons import Reason
from tests.builders import BTC, Driven, only

MARK = 800_000
SUBACCOUNTS = tuple(account * 256 + number for account, number in ((1, 0), (1, 1), (2, 0), (3, 0), (4, 0)))
seeds = st.integers(0, 2**32)


@dataclass
class Resting:
    """An order of the naive book."""

    admitted: m.OrderAdmitted
    order_id: int
    remaining: int


class NaiveBook:
    """Price-time priority said as plainly as it can be: look at all orders, take the best and oldest, repeat."""

    def __init__(self) -> None:
        self.resting: list[Resting] = []
        self.sizes: dict[int, int] = {}
        self.mark = MARK
        self.orders = 0

    def band(self) -> tuple[int, int]:
        width = self.mark * BTC.band // FRACTION_ONE
        return self.mark - width, self.mark + width

    def best(self, side: int, limit: int) -> Resting | None:
        meets = [
            one for one in self.resting if one.admitted.side == -side and side * one.admitted.price <= side * limit
        ]
        return min(meets, key=lambda one: (side * one.admitted.price, one.order_id), default=None)

    def place(self, order: m.OrderAdmitted) -> list[tuple[object, ...]]:
        """Return what happens: (maker id, taker id, price, size) per trade, (id, reason) per cancellation, (id, rest)."""
        self.orders += 1
        taker = Resting(order, (1 << 40) + self.orders, order.size)
        low, high = self.band()
        side = order.side
        edge = high if side > 0 else low
        beyond = side * order.price > side * edge
        limit = edge if beyond else order.price
        if beyond and order.time_in_force != TimeInForce.IOC:
            return [("cancelled", taker.order_id, order.size, Reason.OUTSIDE_BAND)]
        if order.time_in_force == TimeInForce.POST_ONLY and self.best(side, order.price):
            return [("cancelled", taker.order_id, order.size, Reason.POST_ONLY_WOULD_TAKE)]
        events: list[tuple[object, ...]] = []
        stopped: Reason | None = None
        while taker.remaining and stopped is None:
            closable = max(0, -side * self.sizes.get(order.subaccount, 0))
            maker = self.best(side, limit)
            if order.reduce_only and closable == 0:
                stopped = Reason.REDUCE_ONLY_NOT_REDUCED
            elif maker is None:
                break
            elif account_of(maker.admitted.subaccount) == account_of(order.subaccount):
                stopped = Reason.SELF_TRADE
            elif not low <= maker.admitted.price <= high:
                self.resting.remove(maker)
                events.append(("cancelled", maker.order_id, maker.remaining, Reason.OUTSIDE_BAND))
            else:
                size = min(taker.remaining, maker.remaining, closable if order.reduce_only else taker.remaining)
                events.append(("trade", maker.order_id, taker.order_id, maker.admitted.price, size))
                for one, change in ((maker, -side * size), (taker, side * size)):
                    one.remaining -= size
                    owner = one.admitted.subaccount
                    self.sizes[owner] = self.sizes.get(owner, 0) + change
                if maker.remaining == 0:
                    self.resting.remove(maker)
        if taker.remaining and stopped is None and order.time_in_force == TimeInForce.IOC:
            stopped = Reason.IMMEDIATE_OR_CANCEL
        if taker.remaining and stopped is not None:
            events.append(("cancelled", taker.order_id, taker.remaining, stopped))
        elif taker.remaining:
            self.resting.append(taker)
            events.append(("rested", taker.order_id, taker.remaining))
        return events

    def cancel(self, subaccount: int, ref: int) -> list[tuple[object, ...]]:
        for one in self.resting:
            if (one.admitted.subaccount, one.admitted.ref) == (subaccount, ref):
                self.resting.remove(one)
                return [("cancelled", one.order_id, one.remaining, Reason.CANCELLED_BY_CLIENT)]
        return [("refused",)]


def seen(events: list[m.Message]) -> list[tuple[object, ...]]:
    """What matching said, in the naive book's words."""
    said: list[tuple[object, ...]] = []
    for event in events:
        match event:
            case m.TradeExecuted():
                said.append(("trade", event.maker_order_id, event.taker_order_id, event.price, event.size))
            case m.OrderCancelled():
                said.append(("cancelled", event.order_id, event.remaining, event.reason))
            case m.OrderRested():
                said.append(("rested", event.order_id, event.remaining))
            case m.CancelRefused():
                said.append(("refused",))
            case _:
                pass
    return said


def opened() -> Driven:
    """Matching with one open market."""
    matching = Driven("matching")
    matching.tell(m.MarketListed(BTC))
    matching.tell(m.SettlementMarked(1, MARK))
    return matching


class Flow:
    """A random flow of what risk and funding send to matching."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.refs = dict.fromkeys(SUBACCOUNTS, 0)

    def order(self) -> m.OrderAdmitted:
        """Return an order close to the mark, sometimes beyond the band."""
        chance = self.chance
        subaccount = chance.choice(SUBACCOUNTS)
        self.refs[subaccount] += 1
        tif = chance.choice([TimeInForce.GTC, TimeInForce.GTC, *TimeInForce])
        price = MARK + BTC.tick * chance.choice([*range(-3, 4), -3_900, 3_900, -4_100, 4_100])
        reduce_only = tif == TimeInForce.IOC and chance.random() < 0.5
        size = BTC.lot * chance.choice([1, 2, 3, 50])
        side = chance.choice([1, -1])
        return m.OrderAdmitted(
            subaccount, 1, self.refs[subaccount], side, tif, price, size, reduce_only, OrderKind.CLIENT, adds_risk=True
        )

    def next(self) -> m.Message:
        """Return an order, now and then a cancel or a mark."""
        chance = self.chance
        roll = chance.random()
        if roll < 0.15:
            subaccount = chance.choice(SUBACCOUNTS)
            return m.CancelRequested(subaccount, 1, chance.randint(1, self.refs[subaccount] + 1), 1)
        if roll < 0.2:
            mark = MARK + BTC.tick * chance.randint(-400, 400)
            return m.MarksUpdated([(1, mark, mark)])
        return self.order()


flows = st.builds(Flow, seeds)
lengths = st.integers(1, 150)


@given(flow=flows, length=lengths)
def test_fast_book_equals_naive_book(flow: Flow, length: int) -> None:
    matching, naive = opened(), NaiveBook()
    for _ in range(length):
        message = flow.next()
        events = seen(matching.tell(message))
        match message:
            case m.OrderAdmitted():
                assert events == naive.place(message)
            case m.CancelRequested():
                assert events == naive.cancel(message.subaccount, message.ref)
            case m.MarksUpdated():
                naive.mark = message.marks[0][1]
            case _:
                raise AssertionError
    trading = matching.state.trading[1]
    assert {one.order_id: one.remaining for one in naive.resting} == {
        order.id: order.remaining for order in trading.book.orders.values()
    }
    assert {owner: size for owner, size in naive.sizes.items() if size} == trading.size_seen


@given(flow=flows, length=lengths)
def test_book_is_never_crossed(flow: Flow, length: int) -> None:
    matching = opened()
    for _ in range(length):
        matching.tell(flow.next())
        book = matching.state.trading[1].book
        bids = [order.price for order in book.orders.values() if order.side > 0]
        asks = [order.price for order in book.orders.values() if order.side < 0]
        assert not bids or not asks or max(bids) < min(asks)
        assert (max(bids, default=0), min(asks, default=0)) == (book.bids.best(), book.asks.best())


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=10), taken=st.integers(1, 90))
def test_first_come_first_served_at_a_price(sizes: list[int], taken: int) -> None:
    matching = opened()
    for ref, size in enumerate(sizes, 1):
        matching.tell(order(2 * 256, ref, -1, size))
    events = matching.tell(order(3 * 256, 1, 1, taken))
    filled = {fill.ref: fill.size for fill in only(m.OrderFilled, events) if fill.is_maker}
    left = taken * BTC.lot
    for ref, size in enumerate(sizes, 1):
        expected = min(left, size * BTC.lot)
        assert -filled.get(ref, 0) == expected
        left -= expected


def order(subaccount: int, ref: int, side: int, lots: int) -> m.OrderAdmitted:
    tif, kind = TimeInForce.GTC, OrderKind.CLIENT
    return m.OrderAdmitted(subaccount, 1, ref, side, tif, MARK, lots * BTC.lot, False, kind, adds_risk=True)  # noqa: FBT003


@given(flow=flows, length=lengths)
def test_filled_open_cancelled_equals_placed(flow: Flow, length: int) -> None:
    matching = opened()
    placed: dict[tuple[int, int], int] = {}
    for _ in range(length):
        message = flow.next()
        if isinstance(message, m.OrderAdmitted):
            placed[message.subaccount, message.ref] = message.size
        for event in matching.tell(message):
            if isinstance(event, m.OrderFilled):
                placed[event.subaccount, event.ref] -= abs(event.size)
            elif isinstance(event, m.OrderCancelled):
                placed[event.subaccount, event.ref] -= event.remaining
    resting = matching.state.trading[1].book.orders.values()
    assert {key: size for key, size in placed.items() if size} == {
        (order.subaccount, order.ref): order.remaining for order in resting
    }


@given(flow=flows, length=lengths)
def test_open_interest_long_always_equals_short(flow: Flow, length: int) -> None:
    matching = opened()
    sizes: dict[int, int] = {}
    for _ in range(length):
        events = matching.tell(flow.next())
        for fill in only(m.OrderFilled, events):
            sizes[fill.subaccount] = sizes.get(fill.subaccount, 0) + fill.size
        longs = sum(size for size in sizes.values() if size > 0)
        shorts = -sum(size for size in sizes.values() if size < 0)
        assert longs == shorts == matching.state.trading[1].open_interest
        assert sum(fill.cash for fill in only(m.OrderFilled, events)) == 0
        for sample in only(m.BookSampled, events):
            assert sample.open_interest == longs


@given(flow=flows, length=lengths)
def test_reduce_only_never_grows_or_flips_a_position(flow: Flow, length: int) -> None:
    matching = opened()
    sizes: dict[int, int] = {}
    for _ in range(length):
        message = flow.next()
        reducing = isinstance(message, m.OrderAdmitted) and message.reduce_only
        for fill in only(m.OrderFilled, matching.tell(message)):
            before = sizes.get(fill.subaccount, 0)
            sizes[fill.subaccount] = after = before + fill.size
            if reducing and not fill.is_maker:
                assert abs(after) < abs(before)
                assert after * before >= 0


@given(flow=flows, length=lengths)
def test_levels_told_add_up_to_the_book(flow: Flow, length: int) -> None:
    matching = opened()
    told: dict[tuple[int, int], int] = {}
    for _ in range(length):
        for level in only(m.BookLevelChanged, matching.tell(flow.next())):
            told[level.side, level.price] = level.size
        book = matching.state.trading[1].book
        here = {(side, price): size for side in (1, -1) for price, size in book.depth(side)}
        assert {key: size for key, size in told.items() if size} == here
