"""What an order that comes would do to the book: a pure walk, best price first and oldest first, that changes nothing.

The machine executes the plan afterwards, or drops it: a FOK that cannot be filled whole, a replace that is refused. So every check
comes before the first write. Plain typed Python that mypyc compiles.
"""

from dataclasses import dataclass, field
from typing import final

from services.core.fixed import Price, Size, SubaccountId, account_of
from services.core.reasons import Reason
from services.matching.book import BUY, Book, Level, Order

FILL, DECREMENT, DROP = 0, 1, 2
"""What a step does: a trade; both orders of one account become smaller; the resting order is cancelled."""
REJECT_TAKER, CANCEL_MAKER, CANCEL_BOTH = 0, 1, 2
"""The values of messages.SelfTrade; what is left is DECREMENT."""
OUTSIDE_BAND, PREMIUM_TOO_LARGE = int(Reason.OUTSIDE_BAND), int(Reason.PREMIUM_TOO_LARGE)
OPEN_INTEREST_LIMIT, SELF_TRADE = int(Reason.OPEN_INTEREST_LIMIT), int(Reason.SELF_TRADE)
REDUCE_ONLY_NOT_REDUCED = int(Reason.REDUCE_ONLY_NOT_REDUCED)


@final
@dataclass(slots=True)
class Limits:
    """Prices at which a market trades now: those of the band, and what the premium band leaves of them."""

    low: Price = 0
    high: Price = 0
    band_low: Price = 0
    band_high: Price = 0

    def edge(self, side: int) -> Price:
        """Worst price for a side."""
        return self.high if side == BUY else self.low

    def band_edge(self, side: int) -> Price:
        """Worst price for a side by the band alone."""
        return self.band_high if side == BUY else self.band_low

    def why(self, price: Price) -> int:
        """Why nothing trades at a price, 0 when it does."""
        if price > self.band_high or price < self.band_low:
            return OUTSIDE_BAND
        return PREMIUM_TOO_LARGE if price > self.high or price < self.low else 0


@final
@dataclass(slots=True)
class Step:
    """One thing that happens to a resting order; `size` is what it loses."""

    what: int
    maker: Order
    size: Size
    reason: int = 0
    limit: int = 0


@final
@dataclass(slots=True)
class Plan:
    """Steps in order, what they fill, what they leave of the order, and why it stopped early, if it did."""

    steps: list[Step] = field(default_factory=list)
    filled: Size = 0
    left: Size = 0
    reason: int = 0
    limit: int = 0


@final
@dataclass(slots=True)
class Interest:
    """Positions of a market while orders trade: those seen, and what a plan moves; `limit` 0 sets none on the open interest."""

    sizes: dict[SubaccountId, Size]
    open_interest: Size = 0
    limit: Size = 0
    moved: dict[SubaccountId, Size] = field(default_factory=dict)

    def position(self, subaccount: SubaccountId) -> Size:
        """Size of a subaccount at this point of the plan."""
        return self.sizes.get(subaccount, 0) + self.moved.get(subaccount, 0)

    def reducible(self, order: Order) -> Size:
        """Return how much of its owner's position an order can close."""
        return max(0, -order.side * self.position(order.subaccount))

    def allowed(self, buyer: Order, seller: Order, size: Size) -> Size:
        """Return how much of `size` may trade below the limit of the open interest; what closes on either side always may.

        With a = what the buyer closes and b = what the seller closes, a trade of s changes the open interest by
        max(0, s - a) - min(s, b), which is s - a - b where it grows.

        Source   F-5.14
        """
        if not self.limit:
            return size
        closing = max(0, -self.position(buyer.subaccount)) + max(0, self.position(seller.subaccount))
        return min(size, closing + max(0, self.limit - self.open_interest))

    def move(self, buyer: Order, seller: Order, size: Size) -> None:
        """Count a trade."""
        for subaccount, change in ((buyer.subaccount, size), (seller.subaccount, -size)):
            before = self.position(subaccount)
            self.open_interest += max(before + change, 0) - max(before, 0)
            self.moved[subaccount] = self.moved.get(subaccount, 0) + change


def plan(book: Book, taker: Order, limits: Limits, interest: Interest) -> Plan:
    """Walk the book as far as the order's price reaches; the order of one account never trades with another of it."""
    walk = Walk(book, taker, limits, interest)
    half = book.against(taker.side)
    floor = -taker.side * taker.price
    for key in reversed(half.keys):
        if key < floor or not walk.visit(half.side * key, half.levels[key]):
            break
    walk.plan.left = walk.left
    return walk.plan


@final
class Walk:
    """The walk of one order: what is left of it, what it may still close."""

    def __init__(self, book: Book, taker: Order, limits: Limits, interest: Interest) -> None:
        self.book = book
        self.taker = taker
        self.limits = limits
        self.interest = interest
        self.plan = Plan()
        self.left = taker.remaining
        self.account = account_of(taker.subaccount)
        self.tracks = interest.limit > 0 or len(book.reducing) > 0
        self.budget = interest.reducible(taker) if taker.reduce_only else -1

    def visit(self, price: Price, level: Level) -> bool:
        """Meet the orders at a price, oldest first; returns whether to go on to the next price."""
        if self.budget == 0:
            return self.stop(REDUCE_ONLY_NOT_REDUCED)
        outside = self.limits.why(price)
        for order_id in level.queue:
            maker = self.book.orders[order_id]
            if outside:
                self.drop(maker, outside, self.limits.low if price < self.limits.low else self.limits.high)
            elif account_of(maker.subaccount) == self.account:
                if not self.meet_own(maker):
                    return False
            elif not self.trade(maker):
                return False
            if self.left == 0:
                return False
        return True

    def stop(self, reason: int, limit: int = 0) -> bool:
        """Go no further; what is left is cancelled for `reason`."""
        self.plan.reason = reason
        self.plan.limit = limit
        return False

    def drop(self, maker: Order, reason: int, limit: int = 0) -> bool:
        """Cancel a resting order that may not trade."""
        self.plan.steps.append(Step(DROP, maker, 0, reason, limit))
        return True

    def meet_own(self, maker: Order) -> bool:
        """Meet an order of the same account: the order that comes has chosen what happens."""
        mode = self.taker.self_trade
        if mode == REJECT_TAKER:
            return self.stop(SELF_TRADE)
        if mode == CANCEL_MAKER:
            return self.drop(maker, SELF_TRADE)
        if mode == CANCEL_BOTH:
            self.drop(maker, SELF_TRADE)
            return self.stop(SELF_TRADE)
        size = min(self.left, maker.remaining)
        self.plan.steps.append(Step(DECREMENT, maker, size, SELF_TRADE))
        self.left -= size
        return True

    def trade(self, maker: Order) -> bool:
        """Trade with a resting order as far as both may."""
        wanted = min(self.left, maker.remaining)
        if self.budget >= 0:
            wanted = min(wanted, self.budget)
        size = self.permitted(maker, wanted) if self.tracks else wanted
        if size:
            self.take(maker, size)
        if size < wanted and not self.is_spent(maker):
            return self.stop(OPEN_INTEREST_LIMIT, self.interest.limit)
        if self.budget == 0 and self.left:
            return self.stop(REDUCE_ONLY_NOT_REDUCED)
        return True

    def permitted(self, maker: Order, size: Size) -> Size:
        """Return how much of `size` a resting reduce-only order and the open interest let pass."""
        if maker.reduce_only:
            size = min(size, self.interest.reducible(maker))
        buyer, seller = (self.taker, maker) if self.taker.side == BUY else (maker, self.taker)
        return self.interest.allowed(buyer, seller, size)

    def take(self, maker: Order, size: Size) -> None:
        """Note a trade."""
        self.plan.steps.append(Step(FILL, maker, size))
        self.plan.filled += size
        self.left -= size
        if self.budget >= 0:
            self.budget -= size
        if self.tracks:
            buyer, seller = (self.taker, maker) if self.taker.side == BUY else (maker, self.taker)
            self.interest.move(buyer, seller, size)

    def is_spent(self, maker: Order) -> bool:
        """Whether a reduce-only order stopped at its owner's position: the walk goes on, and what is left of it goes with the shrinking."""
        return maker.reduce_only and self.interest.reducible(maker) == 0
