"""The resting orders of one market, in price-time priority; it decides no match and knows no account rule.

A half-book keeps its prices as keys = side * price in ascending order, so that the best price of either side is the last key.
Orders stand once, by id; levels hold ids in order of arrival, so a snapshot has no second copy of an order. An order that
comes uses up what an iceberg shows, which then shows the next part, last at its price; what it loses otherwise comes off its hidden
part first. Plain typed Python that mypyc compiles: no message of the venue is known here.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

from services.core.fixed import Milliseconds, Price, Size, SubaccountId, invariant

BUY = 1
SELL = -1


@final
@dataclass(slots=True)
class Order:
    """An order; `ref` is the subaccount's own counter, `size` its whole size with what has traded.

    `display` > 0 is what an iceberg shows at a time, `hidden` the part of `remaining` that a resting one does not show.
    """

    id: int
    subaccount: SubaccountId
    ref: int
    side: int
    price: Price
    size: Size
    remaining: Size
    kind: int
    time_in_force: int
    reduce_only: bool = False
    self_trade: int = 0
    expires_ms: Milliseconds = 0
    display: Size = 0
    hidden: Size = 0


@final
@dataclass(slots=True)
class Level:
    """Size shown at a price and the ids of its orders, oldest first."""

    size: Size = 0
    queue: dict[int, None] = field(default_factory=dict)


@final
@dataclass(slots=True)
class HalfBook:
    """One side: keys ascending, best last."""

    side: int
    keys: list[int] = field(default_factory=list)
    levels: dict[int, Level] = field(default_factory=dict)

    def best(self) -> Price:
        """Best price, 0 when empty."""
        return self.side * self.keys[-1] if self.keys else 0

    def best_size(self) -> Size:
        """Size shown at the best price, 0 when empty."""
        return self.levels[self.keys[-1]].size if self.keys else 0

    def size_at(self, price: Price) -> Size:
        """Size shown at a price."""
        level = self.levels.get(self.side * price)
        return 0 if level is None else level.size

    def is_alone(self, order: Order) -> bool:
        """Whether a resting order is the only one at its price."""
        return len(self.levels[order.side * order.price].queue) == 1

    def depth(self) -> Iterator[tuple[Price, Size]]:
        """Levels, best first, as (price, size shown)."""
        for key in reversed(self.keys):
            yield self.side * key, self.levels[key].size


@final
@dataclass(slots=True)
class Book:
    """Both sides and all resting orders of a market; `reducing` names each subaccount's reduce-only orders, in order of arrival."""

    bids: HalfBook = field(default_factory=lambda: HalfBook(BUY))
    asks: HalfBook = field(default_factory=lambda: HalfBook(SELL))
    orders: dict[int, Order] = field(default_factory=dict)
    by_subaccount: dict[SubaccountId, dict[int, int]] = field(default_factory=dict)
    reducing: dict[SubaccountId, dict[int, None]] = field(default_factory=dict)

    def half(self, side: int) -> HalfBook:
        """Return the half where orders of `side` rest."""
        return self.bids if side == BUY else self.asks

    def against(self, side: int) -> HalfBook:
        """Return the half that orders of `side` trade with."""
        return self.asks if side == BUY else self.bids

    def depth(self, side: int) -> Iterator[tuple[Price, Size]]:
        """Levels of a side, best first, as (price, size)."""
        return self.half(side).depth()

    def meets(self, side: int, limit: Price) -> bool:
        """Whether an order of `side` with this limit reaches the other side's best price."""
        keys = (self.asks if side == BUY else self.bids).keys
        return len(keys) > 0 and keys[-1] >= -side * limit

    def add(self, order: Order) -> None:
        """Rest an order behind those at its price."""
        half = self.half(order.side)
        key = order.side * order.price
        level = half.levels.get(key)
        if level is None:
            level = half.levels[key] = Level()
            insort(half.keys, key)
        if order.display:
            order.hidden = max(0, order.remaining - order.display)
            level.size -= order.hidden
        level.size += order.remaining
        level.queue[order.id] = None
        self.orders[order.id] = order
        refs = self.by_subaccount.get(order.subaccount)
        if refs is None:
            refs = self.by_subaccount[order.subaccount] = {}
        refs[order.ref] = order.id
        if order.reduce_only:
            self.reducing.setdefault(order.subaccount, {})[order.id] = None

    def reduce(self, order: Order, size: Size) -> None:
        """Take `size` off a resting order; at zero it is gone. An iceberg that used up what it shows stands last with the next part."""
        half = self.half(order.side)
        key = order.side * order.price
        level = half.levels[key]
        order.remaining -= size
        if order.hidden:
            self.use_up(order, level, size)
        else:
            level.size -= size
        if order.remaining:
            return
        del level.queue[order.id]
        self.forget(order)
        if not level.queue:
            del half.levels[key]
            if half.keys[-1] == key:
                half.keys.pop()
            else:
                del half.keys[bisect_left(half.keys, key)]

    def use_up(self, order: Order, level: Level, size: Size) -> None:
        """Take `size`, which `remaining` has lost, off what an iceberg shows, and show the next part when that is used up."""
        shown = order.remaining + size - order.hidden
        if size < shown:
            level.size -= size
            return
        order.hidden = max(0, order.remaining - order.display)
        level.size += order.remaining - order.hidden - shown
        if order.remaining:
            put_last(level.queue, order.id)
            if order.reduce_only:
                put_last(self.reducing[order.subaccount], order.id)

    def cut(self, order: Order, size: Size) -> None:
        """Take `size`, less than all, off a resting order that nobody met: off its hidden part first, so that it keeps its place."""
        hidden = min(order.hidden, size)
        order.hidden -= hidden
        order.remaining -= hidden
        if size > hidden:
            self.reduce(order, size - hidden)

    def remove(self, order: Order) -> Size:
        """Take an order out of the book and return what was left of it."""
        left = order.remaining
        self.reduce(order, left)
        return left

    def forget(self, order: Order) -> None:
        """Drop an order from the indices by id and by owner."""
        del self.orders[order.id]
        drop(self.by_subaccount, order.subaccount, order.ref)
        if order.reduce_only:
            own = self.reducing[order.subaccount]
            del own[order.id]
            if not own:
                del self.reducing[order.subaccount]

    def find(self, subaccount: SubaccountId, ref: int) -> Order | None:
        """Return the resting order of a subaccount by its ref."""
        refs = self.by_subaccount.get(subaccount)
        if refs is None:
            return None
        order_id = refs.get(ref)
        return None if order_id is None else self.orders[order_id]

    def orders_of(self, subaccount: SubaccountId) -> list[Order]:
        """Return the resting orders of a subaccount, in order of arrival."""
        return [self.orders[order_id] for order_id in self.by_subaccount.get(subaccount, {}).values()]


def put_last(queue: dict[int, None], order_id: int) -> None:
    """Let an order stand behind all others of a queue."""
    del queue[order_id]
    queue[order_id] = None


def drop(index: dict[SubaccountId, dict[int, int]], subaccount: SubaccountId, ref: int) -> None:
    """Take an entry out of an index, and its owner with the last one."""
    refs = index[subaccount]
    del refs[ref]
    if not refs:
        del index[subaccount]


def check_book(book: Book, *, may_cross: bool = False) -> None:
    """Never crossed outside an auction; levels, queues and indices agree with the orders."""
    if book.bids.keys and book.asks.keys and not may_cross:
        invariant(book.bids.best() < book.asks.best(), "the book is not crossed")
    for half in (book.bids, book.asks):
        invariant(half.keys == sorted(half.levels), "keys are the levels, in order")
        for key, level in half.levels.items():
            resting = [book.orders[order_id] for order_id in level.queue]
            shown = sum(order.remaining - order.hidden for order in resting)
            invariant(level.size == shown, "a level holds what its orders show")
            invariant(all(order.side * order.price == key for order in resting), "an order stands at its price")
            invariant(all(0 < order.remaining <= order.size for order in resting), "a resting order has a rest")
            invariant(all(0 <= order.hidden < order.remaining for order in resting), "a resting order shows something")
    queued = sum(len(level.queue) for half in (book.bids, book.asks) for level in half.levels.values())
    indexed = sum(len(refs) for refs in book.by_subaccount.values())
    invariant(queued == indexed == len(book.orders), "every order is queued and indexed once")
    reducing = sum(len(own) for own in book.reducing.values())
    invariant(reducing == sum(order.reduce_only for order in book.orders.values()), "reduce-only orders are indexed")
