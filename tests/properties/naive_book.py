"""Matching said as plainly as it can be: one list of orders, sorted anew whenever somebody looks; the oracle of the fast book.

It answers in words, as `words` of matching_flow.py makes of what the machine says. Undoing is a copy; the auction tries every price.
"""

import copy
from dataclasses import dataclass, field

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, account_of
from services.core.markets import Market
from services.core.messages import MarketState, SelfTrade, TimeInForce
from services.core.reasons import Reason

Word = tuple[object, ...]
SLIDE, POST_ONLY, FOK, IOC = TimeInForce.POST_ONLY_SLIDE, TimeInForce.POST_ONLY, TimeInForce.FOK, TimeInForce.IOC
ALWAYS_CANCELLED = {IOC: Reason.IMMEDIATE_OR_CANCEL, FOK: Reason.FILL_OR_KILL}
TAKEN = {
    MarketState.OPEN: tuple(TimeInForce),
    MarketState.POST_ONLY: (POST_ONLY, SLIDE),
    MarketState.AUCTION: (TimeInForce.GTC, POST_ONLY, SLIDE),
}


@dataclass
class Naive:
    """An order; `arrived` is its place in time."""

    id: int
    owner: int
    ref: int
    side: int
    price: int
    size: int
    left: int
    tif: int
    reduce_only: bool = False
    self_trade: int = 0
    expires: int = 0
    arrived: int = 0

    def reaches(self, price: int) -> bool:
        """Whether its limit allows a price."""
        return self.side * price <= self.side * self.price

    def rank(self) -> tuple[int, int]:
        """Price, then time."""
        return -self.side * self.price, self.arrived


@dataclass
class NaiveBook:
    """One market with a fresh mark."""

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

    # what everybody may ask

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

    def limits(self) -> tuple[int, int]:
        """Prices at which the market trades, by the premium too."""
        low, high = self.band()
        if self.premium is None or not self.market.premium_band or not self.index:
            return low, high
        spread = self.market.premium_band
        return (
            max(low, -(-self.index * (FRACTION_ONE + self.premium - spread) // FRACTION_ONE)),
            min(high, self.index * (FRACTION_ONE + self.premium + spread) // FRACTION_ONE),
        )

    def outside(self, price: int) -> Reason | None:
        """Why nothing trades at a price."""
        low, high = self.limits()
        if low <= price <= high:
            return None
        band_low, band_high = self.band()
        return Reason.PREMIUM_TOO_LARGE if band_low <= price <= band_high else Reason.OUTSIDE_BAND

    def met(self, order: Naive) -> Naive | None:
        """Return the resting order that an order meets first."""
        return next((one for one in self.side(-order.side) if order.reaches(one.price)), None)

    def closable(self, order: Naive) -> int:
        """What an order can close of its owner's position."""
        return max(0, -order.side * self.sizes.get(order.owner, 0))

    def interest(self) -> int:
        """Sum of the longs."""
        return sum(size for size in self.sizes.values() if size > 0)

    def find(self, owner: int, ref: int) -> Naive | None:
        """Resting order by ref."""
        return next((one for one in self.orders if (one.owner, one.ref) == (owner, ref)), None)

    # what happens

    def do(self, message: m.Message, now: int) -> list[Word]:
        """Take one message at a time; return what happens."""
        self.said = []
        self.advance(now)
        match message:
            case m.OrderAdmitted():
                self.place(message)
            case m.ReplaceRequested():
                self.replace(message)
            case m.QuotesAdmitted():
                self.quote(message)
            case m.CancelRequested():
                self.cancel(message)
            case m.CancelAllRequested():
                for one in sorted((one for one in self.orders if one.owner == message.subaccount), key=Naive.rank):
                    self.gone(one, Reason(message.reason))
            case m.MarksUpdated():
                (_, self.mark, self.index), (self.premium,) = message.marks[0], message.premiums
                self.end_auction()
            case m.MarketStateSet():
                self.set_state(message)
            case _:
                raise AssertionError(message)
        self.shrink()
        return self.said

    def say(self, *word: object) -> None:
        """Remember what happens."""
        self.said.append(word)

    def gone(self, one: Naive, reason: Reason) -> None:
        """Cancel what is left of an order."""
        if one in self.orders:
            self.orders.remove(one)
        self.say("cancelled", one.id, one.left, reason)
        one.left = 0

    def less(self, one: Naive, size: int, reason: Reason) -> None:
        """Take something off an order without a trade."""
        if size == one.left:
            self.gone(one, reason)
        else:
            one.size -= size
            one.left -= size
            self.say("reduced", one.id, one.size, one.left, reason)

    def rest(self, one: Naive) -> None:
        """Put an order behind all others of its price."""
        self.arrivals += 1
        one.arrived = self.arrivals
        self.orders.append(one)

    def trade(self, maker: Naive, taker: Naive, price: int, size: int) -> None:
        """One trade."""
        self.say("trade", maker.id, taker.id, price, size)
        for one in (maker, taker):
            one.left -= size
            self.sizes[one.owner] = self.sizes.get(one.owner, 0) + one.side * size
            if one.left == 0 and one in self.orders:
                self.orders.remove(one)

    def shrink(self) -> None:
        """Keep resting reduce-only orders within the position: those next to be filled keep what they have."""
        budget: dict[tuple[int, int], int] = {}
        for one in sorted((one for one in self.orders if one.reduce_only), key=Naive.rank):
            left = budget.setdefault((one.owner, one.side), self.closable(one))
            kept = min(left, one.left)
            budget[one.owner, one.side] -= kept
            if kept < one.left:
                self.less(one, one.left - kept, Reason.REDUCE_ONLY_NOT_REDUCED)

    def next_id(self) -> int:
        """Id of the next order."""
        self.ids += 1
        return (self.market.id << 40) + self.ids

    def refuses(self, order: Naive) -> Reason | None:
        """Why an order may not enter."""
        low, high = self.band()
        worst, edge = (high, self.limits()[1]) if order.side > 0 else (low, self.limits()[0])
        auction = self.state == MarketState.AUCTION
        own = [
            one for one in self.orders if account_of(one.owner) == account_of(order.owner) and one.side != order.side
        ]
        posts = order.tif in (POST_ONLY, SLIDE) and not auction and self.met(order) is not None
        ladder = (
            (Reason.MARKET_STATE, order.tif not in TAKEN.get(MarketState(self.state), ())),
            (Reason.OUTSIDE_BAND, order.side * order.price > order.side * worst),
            (Reason.POST_ONLY_WOULD_TAKE, posts and order.tif == POST_ONLY),
            (Reason.REDUCE_ONLY_NOT_REDUCED, order.reduce_only and self.closable(order) == 0),
            (Reason.SELF_TRADE, auction and any(order.reaches(one.price) for one in own)),
            (Reason.PREMIUM_TOO_LARGE, order.side * order.price > order.side * edge),
            (Reason.EXPIRED, 0 < order.expires <= self.now),
        )
        return next((reason for reason, applies in ladder if applies), None)

    def full(self, order: Naive) -> bool:
        """Whether the book has no place for one more order."""
        prices = {one.price for one in self.side(order.side)}
        return len(self.orders) >= self.market.book_orders_max or len(prices | {order.price}) > self.market.levels_max

    def slide(self, order: Naive) -> bool:
        """Move an order that slides behind the best price of the others."""
        if order.tif != SLIDE or self.state == MarketState.AUCTION or self.met(order) is None:
            return False
        order.price = self.best(-order.side) - order.side * self.market.tick
        return True

    def place(self, asked: m.OrderAdmitted) -> None:
        """Take an order."""
        terms = (asked.side, asked.price, asked.size, asked.size, asked.time_in_force)
        order = Naive(self.next_id(), asked.subaccount, asked.ref, *terms, asked.reduce_only, asked.self_trade)
        order.expires = asked.expires_ms
        if order.tif in ALWAYS_CANCELLED:
            order.price = self.brought_in(asked)
        reason = self.refuses(order)
        if reason is not None:
            self.gone(order, reason)
            return
        if self.slide(order):
            self.say("replaced", order.id, order.price, order.size, order.left)
        if order.tif == FOK and (why := self.not_whole(order)) is not None:
            self.gone(order, why)
            return
        why = self.match(order) or ALWAYS_CANCELLED.get(TimeInForce(order.tif))
        if order.left and (why or self.full(order)):
            self.gone(order, why or Reason.BOOK_FULL)
        elif order.left:
            self.rest(order)
            self.say("rested", order.id, order.left)

    def brought_in(self, asked: m.OrderAdmitted) -> int:
        """Price of an order that does not rest: not past what trades, nor, of a market order, far past the best."""
        low, high = self.limits()
        price = min(asked.price, high) if asked.side > 0 else max(asked.price, low)
        best = next((one.price for one in self.side(-asked.side) if self.outside(one.price) is None), 0)
        if asked.is_market and best:
            far = best * self.market.impact_band // FRACTION_ONE
            price = min(price, best + far) if asked.side > 0 else max(price, best - far)
        return price

    def not_whole(self, order: Naive) -> Reason | None:
        """Why an order cannot be filled whole: try it on a copy."""
        trial = copy.deepcopy(self)
        trial.said = []
        mine = copy.deepcopy(order)
        why = trial.match(mine)
        traded = sum(word[4] for word in trial.said if word[0] == "trade")  # type: ignore[misc]
        return None if traded == order.left else why or Reason.FILL_OR_KILL

    def match(self, order: Naive) -> Reason | None:
        """Trade until done; returns why it stopped early."""
        if self.state == MarketState.AUCTION:
            return None
        while order.left:
            if order.reduce_only and self.closable(order) == 0:
                return Reason.REDUCE_ONLY_NOT_REDUCED
            maker = self.met(order)
            if maker is None:
                return None
            reason = self.meet(order, maker)
            if reason is not None:
                return reason
        return None

    def meet(self, order: Naive, maker: Naive) -> Reason | None:
        """Meet one resting order; returns why the one that came goes no further."""
        outside = self.outside(maker.price)
        if outside is not None:
            self.gone(maker, outside)
            return None
        if account_of(maker.owner) == account_of(order.owner):
            return self.meet_own(order, maker)
        if maker.reduce_only and self.closable(maker) == 0:
            self.gone(maker, Reason.REDUCE_ONLY_NOT_REDUCED)
            return None
        caps = [self.closable(one) for one in (order, maker) if one.reduce_only]
        wanted = min(order.left, maker.left, *caps)
        size = self.allowed(order, maker, wanted)
        if size:
            self.trade(maker, order, maker.price, size)
        return Reason.OPEN_INTEREST_LIMIT if size < wanted else None

    def meet_own(self, order: Naive, maker: Naive) -> Reason | None:
        """Meet an order of the same account."""
        if order.self_trade in (SelfTrade.CANCEL_MAKER, SelfTrade.CANCEL_BOTH):
            self.gone(maker, Reason.SELF_TRADE)
        if order.self_trade in (SelfTrade.REJECT_TAKER, SelfTrade.CANCEL_BOTH):
            return Reason.SELF_TRADE
        if order.self_trade == SelfTrade.DECREMENT:
            size = min(order.left, maker.left)
            self.less(maker, size, Reason.SELF_TRADE)
            self.less(order, size, Reason.SELF_TRADE)
        return None

    def allowed(self, one: Naive, other: Naive, wanted: int) -> int:
        """Largest size that leaves the open interest below its limit, or does not raise it: try each lot."""
        limit = max(self.market.open_interest_max, self.interest())
        sizes = self.sizes
        for size in range(wanted, 0, -self.market.lot):
            moved = {order.owner: sizes.get(order.owner, 0) + order.side * size for order in (one, other)}
            if sum(held for held in (sizes | moved).values() if held > 0) <= limit:
                return size
        return 0

    def replace(self, asked: m.ReplaceRequested) -> None:
        """Change an order or leave it as it is."""
        old = self.find(asked.subaccount, asked.ref)
        if old is None:
            self.say("kept", asked.ref, Reason.ORDER_NOT_OPEN)
            return
        left = asked.size - (old.size - old.left)
        if left <= 0:
            self.gone(old, Reason.CANCELLED_BY_CLIENT)
            return
        new = copy.copy(old)
        new.price, new.size, new.left = asked.price, asked.size, left
        reason = self.refuses(new)
        if reason is None and (new.price, new.size <= old.size) == (old.price, True):
            self.orders[self.orders.index(old)] = new
            self.say("replaced", new.id, new.price, new.size, new.left)
            return
        before = copy.deepcopy((self.orders, self.sizes, self.said))
        if reason is None:
            reason = self.move(old, new)
        if reason is not None:
            self.orders, self.sizes, self.said = before
            self.say("kept", asked.ref, reason)

    def move(self, old: Naive, new: Naive) -> Reason | None:
        """Put a changed order behind the others; returns why all of it has to be undone."""
        self.orders.remove(old)
        self.slide(new)
        self.say("replaced", new.id, new.price, new.size, new.left)
        why = self.match(new)
        if new.left and why:
            self.gone(new, why)
        elif new.left and self.full(new):
            return Reason.BOOK_FULL
        elif new.left:
            self.rest(new)
        return None

    def quote(self, asked: m.QuotesAdmitted) -> None:
        """Set quotes: what moves leaves first, then each is set."""
        found = [self.find(asked.subaccount, ref) for ref, *_ in asked.quotes]
        news: list[Naive | None] = []
        for (ref, side, price, size, _, is_new), old in zip(asked.quotes, found, strict=True):
            new = Naive(0, asked.subaccount, ref, side, price, size, size, SLIDE) if is_new else None
            if old is not None:
                new = copy.copy(old)
                new.side, new.price, new.size, new.left = side, price, size, size - (old.size - old.left)
                stays = new.left > 0 and (old.side, old.price) == (side, price) and size <= old.size
                self.orders[:] = [new if one is old else one for one in self.orders if stays or one is not old]
            news.append(new)
        answers = [self.set_quote(quote, new) for quote, new in zip(asked.quotes, news, strict=True)]
        self.say("quotes", *answers)

    def set_quote(self, quote: m.QuoteAdmitted, new: Naive | None) -> Word:
        """Set one quote."""
        ref, _, price, *_ = quote
        if new is None:
            return ref, 0, price, 0, Reason.ORDER_NOT_OPEN
        standing = any(one is new for one in self.orders)
        reason = Reason.CANCELLED_BY_CLIENT if new.left <= 0 else self.refuses(new)
        if reason is None and not standing:
            self.slide(new)
            reason = Reason.BOOK_FULL if self.full(new) else None
        if reason is not None:
            self.orders[:] = [one for one in self.orders if one is not new]
            return ref, new.id, price, 0, reason
        if not standing:
            new.id = new.id or self.next_id()
            self.rest(new)
        return ref, new.id, new.price, new.left, 0

    def cancel(self, asked: m.CancelRequested) -> None:
        """Cancel one order."""
        one = self.find(asked.subaccount, asked.ref)
        if one is None:
            self.say("refused")
        else:
            self.gone(one, Reason(asked.reason))

    # time and states

    def advance(self, now: int) -> None:
        """End what is over, in the order of time."""
        self.now = now
        dues = [(one.expires, one.id) for one in self.orders if 0 < one.expires <= now]
        for due, order_id in sorted([*dues, (self.until, 1 << 62)]):
            if order_id == 1 << 62:
                self.end_auction()
            for one in [one for one in self.orders if (one.expires, one.id) == (due, order_id)]:
                self.gone(one, Reason.EXPIRED)
        self.shrink()

    def set_state(self, asked: m.MarketStateSet) -> None:
        """Change the state."""
        if asked.state == MarketState.AUCTION:
            self.after, self.until = MarketState.OPEN, asked.until_ms
        elif self.state == MarketState.AUCTION and asked.state != MarketState.HALTED:
            self.after, self.until = asked.state, self.now
            self.end_auction()
            return
        if asked.state != self.state:
            self.enter(asked.state)

    def enter(self, state: int) -> None:
        """Be in a state; a halt empties the book."""
        self.state = state
        for one in list(self.orders) if state == MarketState.HALTED else []:
            self.gone(one, Reason.CANCELLED_BY_VENUE)
        self.say("state", state)

    def end_auction(self) -> None:
        """Trade at the one price when the time is over."""
        if self.state != MarketState.AUCTION or self.until > self.now:
            return
        low, high = self.limits()
        for one in [one for one in self.orders if (one.price > high if one.side > 0 else one.price < low)]:
            self.gone(one, self.outside(one.price) or Reason.NONE)
        while (price := self.auction_price()) and self.pair_off(price):
            pass
        self.shrink()
        self.enter(self.after)

    def auction_price(self) -> int:
        """Try every price: most volume, then the smallest rest, then the nearest to the mark, then the lowest."""
        low, high = self.limits()
        tick = self.market.tick
        best, chosen = (0, 0, 0), 0
        for price in range(-(-low // tick) * tick, high + 1, tick):
            demand = sum(one.left for one in self.side(1) if one.reaches(price))
            supply = sum(one.left for one in self.side(-1) if one.reaches(price))
            merit = (min(demand, supply), -abs(demand - supply), -abs(price - self.mark))
            if merit[0] and (not chosen or merit > best):
                best, chosen = merit, price
        return chosen

    def pair_off(self, price: int) -> bool:
        """Trade at a price; when somebody may not trade all of his, cut him instead, undo, and return True."""
        trial = copy.deepcopy(self)
        trial.said = []
        cuts: list[tuple[int, int, Reason]] = []
        while True:
            buyers = [one for one in trial.side(1) if one.reaches(price)]
            sellers = [one for one in trial.side(-1) if one.reaches(price)]
            if not buyers or not sellers:
                break
            cut = trial.pair(buyers[0], sellers[0], price)
            cuts += [cut] if cut else []
        if not cuts:
            self.orders, self.sizes, self.said = trial.orders, trial.sizes, self.said + trial.said
            return False
        for order_id, size, reason in cuts:
            self.less(next(one for one in self.orders if one.id == order_id), size, reason)
        return True

    def pair(self, buyer: Naive, seller: Naive, price: int) -> tuple[int, int, Reason] | None:
        """Let two orders trade, or say who may not trade how much of what is left of his."""
        older, newer = (buyer, seller) if buyer.id < seller.id else (seller, buyer)
        for one in (buyer, seller):
            if one.reduce_only and one.left > self.closable(one):
                return self.keep(one, self.closable(one), Reason.REDUCE_ONLY_NOT_REDUCED)
        wanted = min(buyer.left, seller.left)
        size = self.allowed(buyer, seller, wanted)
        if size < wanted:
            return self.keep(newer, size, Reason.OPEN_INTEREST_LIMIT)
        self.trade(older, newer, price, size)
        return None

    def keep(self, one: Naive, kept: int, reason: Reason) -> tuple[int, int, Reason]:
        """Leave an order only so much."""
        cut = one.left - kept
        one.left = kept
        if not kept:
            self.orders.remove(one)
        return one.id, cut, reason


def in_priority(orders: list[Naive]) -> list[tuple[int, int, int]]:
    """Orders as (id, price, left), in the order of price and time, bids first."""
    ranked = sorted(orders, key=lambda one: (-one.side, *one.rank()))
    return [(one.id, one.price, one.left) for one in ranked]
