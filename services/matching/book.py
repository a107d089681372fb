"""The resting orders of one market, in price-time priority; it decides no match and knows no account rule.

A half-book keeps its prices as keys = side * price in ascending order, so that the best price of either side is the last key.
Orders stand once, by id; levels hold ids in order of arrival, so a snapshot has no second copy of an order.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.core.fixed import Price, Size, SubaccountId, invariant
from services.core.messages import OrderId, Side


@dataclass(slots=True)
class Order:
    """A resting order; `ref` is the subaccount's own counter."""

    id: OrderId
    subaccount: SubaccountId
    ref: int
    side: int
    price: Price
    remaining: Size
    kind: int


@dataclass(slots=True)
class Level:
    """Total size at a price and the ids of its orders, oldest first."""

    size: Size = 0
    queue: dict[OrderId, None] = field(default_factory=dict)


@dataclass(slots=True)
class HalfBook:
    """One side: keys ascending, best last."""

    side: int
    keys: list[int] = field(default_factory=list)
    levels: dict[int, Level] = field(default_factory=dict)

    def best(self) -> Price:
        """Best price, 0 when empty."""
        return self.side * self.keys[-1] if self.keys else 0


@dataclass(slots=True)
class Book:
    """Both sides and all resting orders of a market."""

    bids: HalfBook = field(default_factory=lambda: HalfBook(Side.BUY))
    asks: HalfBook = field(default_factory=lambda: HalfBook(Side.SELL))
    orders: dict[OrderId, Order] = field(default_factory=dict)
    by_subaccount: dict[SubaccountId, dict[int, OrderId]] = field(default_factory=dict)

    def half(self, side: int) -> HalfBook:
        """Return the half where orders of `side` rest."""
        return self.bids if side == Side.BUY else self.asks

    def best_against(self, side: int, limit: Price) -> Order | None:
        """Return the first order that an order of `side` with this limit meets, if any."""
        half = self.asks if side == Side.BUY else self.bids
        if not half.keys or side * half.best() > side * limit:
            return None
        return self.orders[next(iter(half.levels[half.keys[-1]].queue))]

    def add(self, order: Order) -> None:
        """Rest an order behind those at its price."""
        half = self.half(order.side)
        key = order.side * order.price
        level = half.levels.get(key)
        if level is None:
            level = half.levels[key] = Level()
            insort(half.keys, key)
        level.size += order.remaining
        level.queue[order.id] = None
        self.orders[order.id] = order
        self.by_subaccount.setdefault(order.subaccount, {})[order.ref] = order.id

    def reduce(self, order: Order, size: Size) -> None:
        """Take `size` off a resting order; at zero it is gone."""
        half = self.half(order.side)
        key = order.side * order.price
        level = half.levels[key]
        order.remaining -= size
        level.size -= size
        if order.remaining == 0:
            del level.queue[order.id]
            self.forget(order)
        if not level.queue:
            del half.levels[key]
            del half.keys[bisect_left(half.keys, key)]

    def forget(self, order: Order) -> None:
        """Drop an order from the indices by id and by owner."""
        del self.orders[order.id]
        refs = self.by_subaccount[order.subaccount]
        del refs[order.ref]
        if not refs:
            del self.by_subaccount[order.subaccount]

    def find(self, subaccount: SubaccountId, ref: int) -> Order | None:
        """Return the resting order of a subaccount by its ref."""
        order_id = self.by_subaccount.get(subaccount, {}).get(ref)
        return None if order_id is None else self.orders[order_id]

    def size_at(self, side: int, price: Price) -> Size:
        """Size resting at a price."""
        level = self.half(side).levels.get(side * price)
        return 0 if level is None else level.size

    def depth(self, side: int) -> Iterator[tuple[Price, Size]]:
        """Levels of a side, best first, as (price, size)."""
        half = self.half(side)
        for key in reversed(half.keys):
            yield side * key, half.levels[key].size


def check_book(book: Book) -> None:
    """Never crossed; levels, queues and indices agree with the orders."""
    if book.bids.keys and book.asks.keys:
        invariant(book.bids.best() < book.asks.best(), "the book is not crossed")
    for half in (book.bids, book.asks):
        invariant(half.keys == sorted(half.levels), "keys are the levels, in order")
        for key, level in half.levels.items():
            resting = [book.orders[order_id] for order_id in level.queue]
            invariant(level.size == sum(order.remaining for order in resting), "a level holds what its orders hold")
            invariant(all(order.side * order.price == key for order in resting), "an order stands at its price")
            invariant(all(order.remaining > 0 for order in resting), "a resting order has a rest")
    queued = sum(len(level.queue) for half in (book.bids, book.asks) for level in half.levels.values())
    indexed = sum(len(refs) for refs in book.by_subaccount.values())
    invariant(queued == indexed == len(book.orders), "every order is queued and indexed once")
