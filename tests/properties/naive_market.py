"""The market of the naive book: its orders in one list, sorted anew whenever somebody looks, and what may be asked of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, account_of
from services.core.markets import Market
from services.core.messages import MarketState, TimeInForce
from services.core.reasons import Reason
from tests.properties.naive_order import Naive, NaiveGuard

Word = tuple[object, ...]
SLIDE, POST_ONLY, FOK, IOC = TimeInForce.POST_ONLY_SLIDE, TimeInForce.POST_ONLY, TimeInForce.FOK, TimeInForce.IOC
ALWAYS_CANCELLED = {IOC: Reason.IMMEDIATE_OR_CANCEL, FOK: Reason.FILL_OR_KILL}
TAKEN = {
    MarketState.OPEN: tuple(TimeInForce),
    MarketState.POST_ONLY: (POST_ONLY, SLIDE),
    MarketState.AUCTION: (TimeInForce.GTC, POST_ONLY, SLIDE),
}
NO_LIMIT = (0, 10**18)


@dataclass
class NaiveMarket:
    """One market with a fresh mark, and what everybody may ask of it."""

    market: Market
    mark: int
    now: int
    index: int = 0
    premium: int | None = None
    state: int = MarketState.OPEN
    after: int = MarketState.OPEN
    until: int = 0
    ids: int = 0
    arrivals: int = 0
    orders: list[Naive] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)
    said: list[Word] = field(default_factory=list)
    guards: dict[int, NaiveGuard] = field(default_factory=dict)
    tripped: list[int] = field(default_factory=list)
    owners: dict[int, int] = field(default_factory=dict)
    steps: list[tuple[int, int]] = field(default_factory=list)
    passed: int = 0
    limited: bool = False

    def side(self, side: int) -> list[Naive]:
        """Orders of a side, the first to trade first."""
        return sorted((one for one in self.orders if one.side == side), key=Naive.rank)

    def best(self, side: int) -> int:
        """Best price of a side, 0 for none."""
        return next((one.price for one in self.side(side)), 0)

    def band(self) -> tuple[int, int]:
        """Prices at which the market trades by the mark."""
        width = self.mark * self.market.band // FRACTION_ONE
        return self.mark - width, self.mark + width

    def premiums(self) -> tuple[int, int]:
        """Prices at which the market trades by the premium."""
        if self.premium is None or not self.market.premium_band or not self.index:
            return NO_LIMIT
        spread = self.market.premium_band
        return (
            -(-self.index * (FRACTION_ONE + self.premium - spread) // FRACTION_ONE),
            self.index * (FRACTION_ONE + self.premium + spread) // FRACTION_ONE,
        )

    def outermost(self) -> tuple[int, int]:
        """Prices at which the market trades until the next settlement."""
        return self.steps[-1] if self.steps else NO_LIMIT

    def step(self) -> tuple[int, int]:
        """Prices at which the market trades before the next auction."""
        return self.steps[min(self.passed, len(self.steps) - 1)] if self.steps else NO_LIMIT

    def limits(self) -> tuple[int, int]:
        """Prices at which the market trades, by everything but the step."""
        lows, highs = zip(self.band(), self.premiums(), self.outermost(), strict=True)
        return max(lows), min(highs)

    def outside(self, price: int) -> Reason | None:
        """Why nothing trades at a price."""
        reasons = (Reason.OUTSIDE_BAND, Reason.PREMIUM_TOO_LARGE, Reason.PRICE_LIMIT)
        ranges = (self.band(), self.premiums(), self.outermost())
        for reason, (low, high) in zip(reasons, ranges, strict=True):
            if not low <= price <= high:
                return reason
        return None

    def met(self, order: Naive) -> Naive | None:
        """Return the resting order that an order meets first; quotes that a protection has stopped are not met."""
        standing = [one for one in self.side(-order.side) if not (one.is_quote and one.owner in self.tripped)]
        return next((one for one in standing if order.reaches(one.price)), None)

    def closable(self, order: Naive) -> int:
        """What an order can close of its owner's position."""
        return max(0, -order.side * self.sizes.get(order.owner, 0))

    def interest(self) -> int:
        """Sum of the longs."""
        return sum(size for size in self.sizes.values() if size > 0)

    def owned(self, owner: int) -> int:
        """What the accounts hold together that the owner of a subaccount has."""
        return sum(abs(size) for other, size in self.sizes.items() if self.is_same_owner(owner, other))

    def is_same_owner(self, one: int, other: int) -> bool:
        """Whether two subaccounts have one owner."""
        accounts = account_of(one), account_of(other)
        mine, others = (self.owners.get(account, 0) for account in accounts)
        return mine == others if mine else accounts[0] == accounts[1]

    def find(self, owner: int, ref: int) -> Naive | None:
        """Resting order by ref."""
        return next((one for one in self.orders if (one.owner, one.ref) == (owner, ref)), None)

    def refuses(self, order: Naive) -> Reason | None:
        """Why an order may not enter."""
        worst, edge, outermost = (
            high if order.side > 0 else low for low, high in (self.band(), self.premiums(), self.outermost())
        )
        auction = self.state == MarketState.AUCTION
        posts = order.tif in (POST_ONLY, SLIDE) and not auction and self.met(order) is not None
        ladder = (
            (Reason.MARKET_STATE, order.tif not in TAKEN.get(MarketState(self.state), ())),
            (Reason.INVALID_ORDER, order.display > 0 and self.hides_wrongly(order)),
            (Reason.OUTSIDE_BAND, order.side * order.price > order.side * worst),
            (Reason.POST_ONLY_WOULD_TAKE, posts and order.tif == POST_ONLY),
            (Reason.REDUCE_ONLY_NOT_REDUCED, order.reduce_only and self.closable(order) == 0),
            (Reason.SELF_TRADE, auction and self.crosses_own(order)),
            (Reason.PREMIUM_TOO_LARGE, order.side * order.price > order.side * edge),
            (Reason.EXPIRED, 0 < order.expires <= self.now),
            (Reason.PRICE_LIMIT, order.side * order.price > order.side * outermost),
        )
        return next((reason for reason, applies in ladder if applies), None)

    def hides_wrongly(self, order: Naive) -> bool:
        """Whether an iceberg shows itself in too many parts, or has nothing to hide, or never rests."""
        is_new = self.find(order.owner, order.ref) is None
        parts = -(-order.size // order.display)
        return parts > 100 or (is_new and parts < 2) or order.tif in ALWAYS_CANCELLED

    def crosses_own(self, order: Naive) -> bool:
        """Whether an order would cross one of its own account."""
        others = [one for one in self.orders if account_of(one.owner) == account_of(order.owner)]
        return any(one.side != order.side and order.reaches(one.price) for one in others)

    def waits_wrongly(self, order: Naive) -> bool:
        """Whether an order may not rest past the step in force until the auction, for it crosses one of its own account."""
        low, high = self.step()
        past = order.price > high if order.side > 0 else order.price < low
        return past and self.crosses_own(order)

    def full(self, order: Naive) -> bool:
        """Whether the book has no place for one more order."""
        prices = {one.price for one in self.side(order.side)}
        return len(self.orders) >= self.market.book_orders_max or len(prices | {order.price}) > self.market.levels_max

    def allowed(self, newer: Naive, older: Naive, wanted: int) -> tuple[int, Naive | None]:
        """Largest size that no limit stops, and whose owner's limit it was, None for the open interest."""
        sizes = (
            (self.most(newer, older, wanted, self.interest, self.market.open_interest_max), None),
            (self.most(newer, older, wanted, lambda: self.owned(newer.owner), self.market.owner_position_max), newer),
            (self.most(newer, older, wanted, lambda: self.owned(older.owner), self.market.owner_position_max), older),
        )
        return min(sizes, key=lambda pair: pair[0])

    def most(self, one: Naive, other: Naive, wanted: int, total: Callable[[], int], limit: int) -> int:
        """Largest size that leaves a total below its limit, or does not raise it: try each lot."""
        before, limit = self.sizes, max(limit, total())
        for size in range(wanted, 0, -self.market.lot):
            moved = {order.owner: before.get(order.owner, 0) + order.side * size for order in (one, other)}
            self.sizes = before | moved
            fits = total() <= limit
            self.sizes = before
            if fits:
                return size
        return 0

    def no_place(self, order: Naive) -> Reason | None:
        """Why the rest of an order finds no place in the book."""
        if self.waits_wrongly(order):
            return Reason.SELF_TRADE
        return Reason.BOOK_FULL if self.full(order) else None

    def brought_in(self, asked: m.OrderAdmitted) -> int:
        """Price of an order that does not rest: not past what trades, nor, of a market order, far past the best."""
        low, high = self.limits()
        price = min(asked.price, high) if asked.side > 0 else max(asked.price, low)
        best = next((one.price for one in self.side(-asked.side) if self.outside(one.price) is None), 0)
        if asked.is_market and best:
            far = best * self.market.impact_band // FRACTION_ONE
            price = min(price, best + far) if asked.side > 0 else max(price, best - far)
        return price

    def has_passed(self) -> bool:
        """Whether a best price is past the step in force."""
        low, high = self.step()
        return self.best(1) > high or 0 < self.best(-1) < low

    def auction_price(self) -> int:
        """Try every price: most volume, then the smallest rest, then the nearest to the mark, then the lowest."""
        low, high = (
            pick(edges) for pick, edges in zip((max, min), zip(self.limits(), self.step(), strict=True), strict=True)
        )
        tick = self.market.tick
        best, chosen = (0, 0, 0), 0
        for price in range(-(-low // tick) * tick, high + 1, tick):
            demand = sum(one.left for one in self.side(1) if one.reaches(price))
            supply = sum(one.left for one in self.side(-1) if one.reaches(price))
            merit = (min(demand, supply), -abs(demand - supply), -abs(price - self.mark))
            if merit[0] and (not chosen or merit > best):
                best, chosen = merit, price
        return chosen
