"""What an order that comes would do to the book: a pure walk, best price first and oldest first, that changes nothing.

The machine executes the plan afterwards, or drops it: a FOK that cannot be filled whole, a replace that is refused. So every check
comes before the first write. Plain typed Python that mypyc compiles.
"""

from dataclasses import dataclass, field
from typing import final

from services.core.fixed import LIMIT, Price, Size, SubaccountId, account_of
from services.core.reasons import Reason
from services.matching.book import BUY, Book, Level, Order
from services.matching.owners import Owners
from services.matching.protection import Guards

FILL, DECREMENT, DROP = 0, 1, 2
"""What a step does: a trade; both orders of one account become smaller; the resting order is cancelled."""
REJECT_TAKER, CANCEL_MAKER, CANCEL_BOTH = 0, 1, 2
"""The values of messages.SelfTrade; what is left is DECREMENT."""
OUTSIDE_BAND, PREMIUM_TOO_LARGE = int(Reason.OUTSIDE_BAND), int(Reason.PREMIUM_TOO_LARGE)
OPEN_INTEREST_LIMIT, SELF_TRADE = int(Reason.OPEN_INTEREST_LIMIT), int(Reason.SELF_TRADE)
REDUCE_ONLY_NOT_REDUCED = int(Reason.REDUCE_ONLY_NOT_REDUCED)
OWNER_LIMIT, PRICE_LIMIT = int(Reason.OWNER_LIMIT), int(Reason.PRICE_LIMIT)
NOBODY, MARKET, NEWER, OLDER = 0, 1, 2, 3
"""Whose limit stops a trade: the market's open interest, or what the owner of one of the orders may hold."""


@final
@dataclass(slots=True)
class Limits:
    """Prices at which a market trades now: those of the band, of the premium band and of the outermost price limit, and all together.

    `step_low` and `step_high` are the price limit in force: nothing trades past it before an auction.
    """

    low: Price = 0
    high: Price = 0
    band_low: Price = 0
    band_high: Price = 0
    premium_low: Price = 0
    premium_high: Price = LIMIT
    outer_low: Price = 0
    outer_high: Price = LIMIT
    step_low: Price = 0
    step_high: Price = LIMIT

    def edge(self, side: int) -> Price:
        """Worst price for a side."""
        return self.high if side == BUY else self.low

    def band_edge(self, side: int) -> Price:
        """Worst price for a side by the band alone."""
        return self.band_high if side == BUY else self.band_low

    def premium_edge(self, side: int) -> Price:
        """Worst price for a side by the premium band alone."""
        return self.premium_high if side == BUY else self.premium_low

    def outer_edge(self, side: int) -> Price:
        """Worst price for a side by the outermost price limit alone."""
        return self.outer_high if side == BUY else self.outer_low

    def step_edge(self, side: int) -> Price:
        """Worst price for a side by the price limit in force."""
        return self.step_high if side == BUY else self.step_low

    def why(self, price: Price) -> int:
        """Why nothing trades at a price, 0 when it does."""
        if self.low <= price <= self.high:
            return 0
        if price > self.band_high or price < self.band_low:
            return OUTSIDE_BAND
        return PREMIUM_TOO_LARGE if price > self.premium_high or price < self.premium_low else PRICE_LIMIT


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
    """Positions of a market while orders trade: those seen, and what a plan moves; `limit` 0 sets none on the open interest.

    Without `owners` there is no limit on what one owner's accounts hold together.
    """

    sizes: dict[SubaccountId, Size]
    open_interest: Size = 0
    limit: Size = 0
    moved: dict[SubaccountId, Size] = field(default_factory=dict)
    lot: Size = 1
    owners: Owners | None = None

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

        Rounds   down to whole lots
        Source   F-5.14
        """
        if not self.limit:
            return size
        closing = self.reducible(buyer) + self.reducible(seller)
        return self.in_lots(size, closing + max(0, self.limit - self.open_interest))

    def owned(self, order: Order, other: Order, size: Size) -> Size:
        """Return how much of `size` an order may trade with another below the limit of its owner; what closes always may.

        With a = what the order closes, a trade of s makes the owner's positions grow by s - 2 * min(s, a). When both orders are of
        one owner, by 2 * s - 2 * min(s, a) - 2 * min(s, b).

        Rounds   down to whole lots
        """
        owners = self.owners
        if owners is None:
            return size
        owner = owners.owner(order.subaccount)
        room, closing = owners.room(owner), self.reducible(order)
        if owner == owners.owner(other.subaccount):
            return self.in_lots(size, closing + self.reducible(other) + (room >> 1))
        return self.in_lots(size, 2 * closing + room)

    def in_lots(self, size: Size, bound: Size) -> Size:
        """Return `size`, or of a smaller bound the whole lots."""
        return size if size <= bound else bound - bound % self.lot

    def permitted(self, newer: Order, older: Order, wanted: Size) -> tuple[Size, int]:
        """Return how much two orders may trade, and whose limit stops the rest: of two equal ones that of the newer order."""
        buyer, seller = (newer, older) if newer.side == BUY else (older, newer)
        size, stopped_by = wanted, NOBODY
        for number, bound in (
            (MARKET, self.allowed(buyer, seller, wanted)),
            (NEWER, self.owned(newer, older, wanted)),
            (OLDER, self.owned(older, newer, wanted)),
        ):
            if bound < size:
                size, stopped_by = bound, number
        return size, stopped_by

    def limit_of(self, stopped_by: int) -> Size:
        """Return the limit that stopped a trade."""
        return self.limit if stopped_by == MARKET or self.owners is None else self.owners.limit

    def move(self, buyer: Order, seller: Order, size: Size) -> None:
        """Count a trade."""
        for subaccount, change in ((buyer.subaccount, size), (seller.subaccount, -size)):
            before = self.position(subaccount)
            after = before + change
            self.open_interest += max(after, 0) - max(before, 0)
            self.moved[subaccount] = self.moved.get(subaccount, 0) + change
            if self.owners is not None:
                self.owners.move(subaccount, abs(after) - abs(before))


def plan(book: Book, taker: Order, limits: Limits, interest: Interest, guards: Guards | None = None) -> Plan:
    """Walk the book as far as the order's price reaches; the order of one account never trades with another of it."""
    walk = Walk(book, taker, limits, interest, guards)
    half = book.against(taker.side)
    floor = -taker.side * taker.price
    for key in reversed(half.keys):
        if key < floor or not walk.visit(half.side * key, half.levels[key]):
            break
    walk.plan.left = walk.left
    return walk.plan


@final
class Walk:
    """The walk of one order: what is left of it, what it may still close; `again` are icebergs at a price with what they still hide."""

    def __init__(self, book: Book, taker: Order, limits: Limits, interest: Interest, guards: Guards | None) -> None:
        self.book = book
        self.taker = taker
        self.limits = limits
        self.interest = interest
        self.guards = guards
        self.plan = Plan()
        self.left = taker.remaining
        self.account = account_of(taker.subaccount)
        self.tracks = interest.limit > 0 or interest.owners is not None or len(book.reducing) > 0
        self.budget = interest.reducible(taker) if taker.reduce_only else -1
        self.again: list[tuple[Order, Size]] = []

    def visit(self, price: Price, level: Level) -> bool:
        """Meet the orders at a price, oldest first; returns whether to go on to the next price."""
        if self.budget == 0:
            return self.stop(REDUCE_ONLY_NOT_REDUCED)
        limits = self.limits
        outside = limits.why(price)
        if outside:
            return self.drop_all(level, outside, limits.low if price < limits.low else limits.high)
        if price > limits.step_high or price < limits.step_low:
            return self.stop_at_step(level)
        for order_id in level.queue:
            maker = self.book.orders[order_id]
            if not self.meet(maker, maker.remaining - maker.hidden, maker.hidden) or self.left == 0:
                return False
        return not self.again or self.visit_again()

    def visit_again(self) -> bool:
        """Meet what icebergs show next: each stands last at its price again whenever it has used up what it showed."""
        while self.again:
            maker, hidden = self.again.pop(0)
            shown = min(maker.display, hidden)
            if not self.meet(maker, shown, hidden - shown) or self.left == 0:
                return False
        return True

    def drop_all(self, level: Level, reason: int, limit: Price) -> bool:
        """Cancel the orders at a price at which nothing trades."""
        for order_id in level.queue:
            self.drop(self.book.orders[order_id], reason, limit)
        return True

    def stop_at_step(self, level: Level) -> bool:
        """Stop at the price limit in force, before anybody who would trade past it; spared quotes are passed over."""
        for order_id in level.queue:
            if self.guards is None or not self.guards.spares(self.book.orders[order_id]):
                return self.stop(PRICE_LIMIT, self.limits.step_edge(self.taker.side))
        return True

    def stop(self, reason: int, limit: int = 0) -> bool:
        """Go no further; what is left is cancelled for `reason`, or waits for an auction."""
        self.plan.reason = reason
        self.plan.limit = limit
        return False

    def drop(self, maker: Order, reason: int, limit: int = 0) -> bool:
        """Cancel a resting order that may not trade."""
        self.plan.steps.append(Step(DROP, maker, 0, reason, limit))
        return True

    def meet(self, maker: Order, shown: Size, hidden: Size) -> bool:
        """Meet a resting order with what it shows; returns whether to go on."""
        if account_of(maker.subaccount) == self.account:
            return self.meet_own(maker, shown, hidden)
        if self.guards is not None and self.guards.spares(maker):
            return True
        return self.trade(maker, shown, hidden)

    def meet_own(self, maker: Order, shown: Size, hidden: Size) -> bool:
        """Meet an order of the same account: the order that comes has chosen what happens."""
        mode = self.taker.self_trade
        if mode == REJECT_TAKER:
            return self.stop(SELF_TRADE)
        if mode == CANCEL_MAKER:
            return self.drop(maker, SELF_TRADE)
        if mode == CANCEL_BOTH:
            self.drop(maker, SELF_TRADE)
            return self.stop(SELF_TRADE)
        size = min(self.left, shown)
        self.plan.steps.append(Step(DECREMENT, maker, size, SELF_TRADE))
        self.left -= size
        if hidden and size == shown:
            self.again.append((maker, hidden))
        return True

    def trade(self, maker: Order, shown: Size, hidden: Size) -> bool:
        """Trade with a resting order as far as both may."""
        wanted = min(self.left, shown)
        if self.budget >= 0:
            wanted = min(wanted, self.budget)
        size, stopped_by = self.permitted(maker, wanted) if self.tracks else (wanted, NOBODY)
        if size:
            self.take(maker, size)
        if size < wanted and not self.goes_on(maker, stopped_by):
            return False
        if hidden and size == shown:
            self.again.append((maker, hidden))
        if self.budget == 0 and self.left:
            return self.stop(REDUCE_ONLY_NOT_REDUCED)
        return True

    def permitted(self, maker: Order, size: Size) -> tuple[Size, int]:
        """Return how much of `size` a resting reduce-only order, the owners and the open interest let pass, and who stops the rest."""
        if maker.reduce_only:
            size = min(size, self.interest.reducible(maker))
        return self.interest.permitted(self.taker, maker, size)

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
        if self.guards is not None:
            self.guards.count(maker, size)

    def goes_on(self, maker: Order, stopped_by: int) -> bool:
        """Judge what stopped a trade: the order that comes goes no further, but when it was the resting one's limit, that one is dropped.

        A reduce-only order that stopped at its owner's position is passed over: what is left of it goes with the shrinking.
        """
        if stopped_by == NOBODY:
            return True
        limit = self.interest.limit_of(stopped_by)
        if stopped_by == OLDER:
            return self.drop(maker, OWNER_LIMIT, limit)
        return self.stop(OWNER_LIMIT if stopped_by == NEWER else OPEN_INTEREST_LIMIT, limit)
