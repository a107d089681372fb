"""The end of a call auction: orders trade at one price, by price and time, and the book is not crossed any more.

Nobody takes, so both sides are makers, and an iceberg takes part with all of it. Own pairs do not come here: the newer order was
refused at the door (entry.py). Fills of an auction count for market-maker protection all at once, after it.
"""

from typing import NamedTuple

from services.core.fixed import Price, Size
from services.core.reasons import Reason
from services.matching.auction import Levels, clearing_price
from services.matching.book import BUY, SELL, Book, HalfBook, Order
from services.matching.plan import MARKET, NOBODY, OLDER, Interest
from services.matching.turn import Turn


class Pair(NamedTuple):
    """Two orders that trade."""

    buyer: Order
    seller: Order
    size: Size


class Cut(NamedTuple):
    """What an order may not trade."""

    order: Order
    size: Size
    reason: Reason
    limit: int = 0


def uncross(turn: Turn) -> None:
    """Trade at the one price; what may not trade is cut first, and the price is found anew."""
    drop_outside(turn)
    while price := price_of(turn):
        pairs, cuts = Pairing(turn, price).run()
        for cut in cuts:
            turn.cut(cut.order, cut.size, int(cut.reason), cut.limit)
        if not cuts:
            execute(turn, pairs, price)
            return


def drop_outside(turn: Turn) -> None:
    """Cancel what reaches past the prices at which the market trades now."""
    limits = turn.trading.limits
    for half, edge in ((turn.book.bids, limits.high), (turn.book.asks, limits.low)):
        while half.keys and half.keys[-1] > half.side * edge:
            reason = limits.why(half.best())
            for order_id in list(half.levels[half.keys[-1]].queue):
                turn.cancel(turn.book.orders[order_id], reason, edge)


def price_of(turn: Turn) -> Price:
    """Price of the auction, 0 when nothing trades."""
    bids, asks, limits = turn.book.bids, turn.book.asks, turn.trading.limits
    if not bids.keys or not asks.keys:
        return 0
    return clearing_price(
        turn.market,
        crossing(turn.book, bids, asks.best()),
        crossing(turn.book, asks, bids.best()),
        max(limits.low, limits.step_low),
        min(limits.high, limits.step_high),
        turn.trading.mark_price_seen,
    )


def crossing(book: Book, half: HalfBook, opposite: Price) -> Levels:
    """Levels that reach the other side's best price, best first, with what their icebergs hide."""
    levels: Levels = []
    for key in reversed(half.keys):
        if key < half.side * opposite:
            break
        levels.append((half.side * key, sum(book.orders[order_id].remaining for order_id in half.levels[key].queue)))
    return levels


class Pairing:
    """Pairs orders at one price; an order that may not trade all of what is left of it leaves a cut."""

    def __init__(self, turn: Turn, price: Price) -> None:
        self.interest: Interest = turn.interest()
        self.buyers = reaching(turn, BUY, price)
        self.sellers = reaching(turn, SELL, price)
        self.left = {order.id: order.remaining for order in (*self.buyers, *self.sellers)}
        self.cuts: list[Cut] = []

    def run(self) -> tuple[list[Pair], list[Cut]]:
        """Pair by price and time until a side is done."""
        pairs: list[Pair] = []
        while self.first(self.buyers) and self.first(self.sellers):
            buyer, seller = self.buyers[-1], self.sellers[-1]
            size = self.permitted(buyer, seller)
            if size:
                pairs.append(Pair(buyer, seller, size))
                self.interest.move(buyer, seller, size)
                self.left[buyer.id] -= size
                self.left[seller.id] -= size
        return pairs, self.cuts

    def first(self, orders: list[Order]) -> bool:
        """Pass over what is done; returns whether anybody is left."""
        while orders and not self.left[orders[-1].id]:
            orders.pop()
        return bool(orders)

    def permitted(self, buyer: Order, seller: Order) -> Size:
        """Return what two orders may trade now, 0 after a cut."""
        for order in (buyer, seller):
            if order.reduce_only and self.left[order.id] > self.interest.reducible(order):
                self.cut(order, self.interest.reducible(order), Reason.REDUCE_ONLY_NOT_REDUCED)
                return 0
        wanted = min(self.left[buyer.id], self.left[seller.id])
        newer, older = (buyer, seller) if buyer.id > seller.id else (seller, buyer)
        size, stopped_by = self.interest.permitted(newer, older, wanted)
        if stopped_by == NOBODY:
            return size
        reason = Reason.OPEN_INTEREST_LIMIT if stopped_by == MARKET else Reason.OWNER_LIMIT
        self.cut(older if stopped_by == OLDER else newer, size, reason, self.interest.limit_of(stopped_by))
        return 0

    def cut(self, order: Order, kept: Size, reason: Reason, limit: int = 0) -> None:
        """Leave an order no more than it may trade."""
        self.cuts.append(Cut(order, self.left[order.id] - kept, reason, limit))
        self.left[order.id] = kept


def reaching(turn: Turn, side: int, price: Price) -> list[Order]:
    """Orders of a side that trade at a price, the first to trade last."""
    half = turn.book.half(side)
    found: list[Order] = []
    for key in reversed(half.keys):
        if key < side * price:
            break
        found += [turn.book.orders[order_id] for order_id in half.levels[key].queue]
    found.reverse()
    return found


def execute(turn: Turn, pairs: list[Pair], price: Price) -> None:
    """Trade; of two orders the older one stands first."""
    for buyer, seller, size in pairs:
        older, newer = (buyer, seller) if buyer.id < seller.id else (seller, buyer)
        for order in (older, newer):
            turn.touched[order.side * order.price] = None
            turn.book.reduce(order, size)
        turn.trade(older, newer, size, price, 0)
