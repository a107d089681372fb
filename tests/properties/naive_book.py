"""Matching said as plainly as it can be: one list of orders, sorted anew whenever somebody looks; the oracle of the fast book.

It answers in words, as `words` of matching_flow.py makes of what the machine says. Undoing is a copy; the auction tries every price.
"""

import copy
from dataclasses import dataclass

from services.core import messages as m
from services.core.fixed import account_of
from services.core.messages import MarketState, SelfTrade, TimeInForce
from services.core.reasons import Reason
from tests.properties.naive_market import ALWAYS_CANCELLED, FOK, SLIDE, NaiveMarket, Word
from tests.properties.naive_order import Naive, NaiveGuard, steps_of

TRADES = (MarketState.OPEN, MarketState.POST_ONLY)


@dataclass
class NaiveBook(NaiveMarket):
    """What happens to a market."""

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
            case m.MarketSettled():
                self.steps, self.passed = steps_of(self.market, message.price), 0
            case m.OwnerSet():
                self.owners[message.account] = message.owner
            case m.ProtectionSet():
                self.guards[message.subaccount] = NaiveGuard(message)
                if not message.interval_ms:
                    del self.guards[message.subaccount]
            case _:
                raise AssertionError(message)
        self.tidy()
        self.pause_if_passed()
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
            one.lose(size)
            self.say("reduced", one.id, one.size, one.left, reason)

    def rest(self, one: Naive) -> None:
        """Put an order behind all others of its price."""
        self.show_next(one)
        self.orders.append(one)

    def show_next(self, one: Naive) -> None:
        """Let an order stand last with what it shows next."""
        self.arrivals += 1
        one.arrived = self.arrivals
        one.show()

    def use_up(self, one: Naive, size: int) -> None:
        """Take off an order what it met; when an iceberg has used up what it shows, it stands last with the next part."""
        one.left -= size
        one.shown -= size
        if one.left and one.shown <= 0 and one in self.orders:
            self.show_next(one)

    def trade(self, maker: Naive, taker: Naive, price: int, size: int) -> None:
        """One trade."""
        self.say("trade", maker.id, taker.id, price, size)
        for one in (maker, taker):
            self.use_up(one, size)
            self.sizes[one.owner] = self.sizes.get(one.owner, 0) + one.side * size
            if one.left == 0 and one in self.orders:
                self.orders.remove(one)
            if one.is_quote and one.owner in self.guards:
                self.count(one.owner, one.side * size)

    def count(self, owner: int, size: int) -> None:
        """Count a fill of a quote."""
        guard = self.guards[owner]
        guard.fills.append((self.now, size))
        if guard.is_over() and owner not in self.tripped:
            self.tripped.append(owner)

    def tidy(self) -> None:
        """Withdraw the quotes of whose protection has tripped, then shrink what reduces only."""
        for owner in self.tripped:
            guard = self.guards[owner]
            quantity, delta = guard.window()
            guard.frozen_until = self.now + guard.terms.frozen_ms if guard.terms.frozen_ms else float("inf")
            guard.fills = []
            for one in [one for one in self.orders if one.is_quote and one.owner == owner]:
                self.gone(one, Reason.CANCELLED_BY_PROTECTION)
            self.say("tripped", owner, quantity, delta)
        self.tripped = []
        self.shrink()

    def pause_if_passed(self) -> None:
        """Go into an auction when a trade or the best price would pass the step in force."""
        if self.state in TRADES and (self.limited or self.has_passed()):
            self.after = self.state
            self.pause()
            self.enter(MarketState.AUCTION)
        self.limited = False

    def pause(self) -> None:
        """Wait for an auction, after which the next step is in force."""
        self.passed += 1
        self.until = self.now + self.market.limit_pause_ms

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
        order.expires, order.display = asked.expires_ms, asked.display
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
        why = self.match(order)
        if order.tif in ALWAYS_CANCELLED:
            why = why or ALWAYS_CANCELLED[TimeInForce(order.tif)]
        elif why in (None, Reason.PRICE_LIMIT):
            why = self.no_place(order)
        if order.left and why:
            self.gone(order, why)
        elif order.left:
            self.rest(order)
            self.say("rested", order.id, order.left)

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
            low, high = self.step()
            if self.outside(maker.price) is None and not low <= maker.price <= high:
                self.limited = True
                return Reason.PRICE_LIMIT
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
        wanted = min(order.left, maker.shown, *caps)
        size, culprit = self.allowed(order, maker, wanted)
        if size:
            self.trade(maker, order, maker.price, size)
        if size == wanted:
            return None
        if culprit is maker:
            self.gone(maker, Reason.OWNER_LIMIT)
            return None
        return Reason.OWNER_LIMIT if culprit is order else Reason.OPEN_INTEREST_LIMIT

    def meet_own(self, order: Naive, maker: Naive) -> Reason | None:
        """Meet an order of the same account."""
        if order.self_trade in (SelfTrade.CANCEL_MAKER, SelfTrade.CANCEL_BOTH):
            self.gone(maker, Reason.SELF_TRADE)
        if order.self_trade in (SelfTrade.REJECT_TAKER, SelfTrade.CANCEL_BOTH):
            return Reason.SELF_TRADE
        if order.self_trade == SelfTrade.DECREMENT:
            size = min(order.left, maker.shown)
            if size < maker.left:
                maker.size -= size
                self.use_up(maker, size)
                self.say("reduced", maker.id, maker.size, maker.left, Reason.SELF_TRADE)
            else:
                self.gone(maker, Reason.SELF_TRADE)
            self.less(order, size, Reason.SELF_TRADE)
        return None

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
        new.price, new.size, new.left, new.shown = asked.price, asked.size, left, min(old.shown, left)
        reason = self.refuses(new)
        if reason is None and (new.price, new.size <= old.size) == (old.price, True):
            self.orders[self.orders.index(old)] = new
            self.say("replaced", new.id, new.price, new.size, new.left)
            return
        before = copy.deepcopy(vars(self))
        if reason is None:
            reason = self.move(old, new)
        if reason is not None:
            vars(self).update(before)
            self.say("kept", asked.ref, reason)

    def move(self, old: Naive, new: Naive) -> Reason | None:
        """Put a changed order behind the others; returns why all of it has to be undone."""
        self.orders.remove(old)
        self.slide(new)
        self.say("replaced", new.id, new.price, new.size, new.left)
        why = self.match(new)
        if new.left and why not in (None, Reason.PRICE_LIMIT):
            self.gone(new, why)
        elif new.left and (nowhere := self.no_place(new)) is not None:
            return nowhere
        elif new.left:
            self.rest(new)
        return None

    def quote(self, asked: m.QuotesAdmitted) -> None:
        """Set quotes: what moves leaves first, then each is set."""
        found = [self.find(asked.subaccount, ref) for ref, *_ in asked.quotes]
        news: list[Naive | None] = []
        for (ref, side, price, size, _, is_new), old in zip(asked.quotes, found, strict=True):
            new = Naive(0, asked.subaccount, ref, side, price, size, size, SLIDE, is_quote=True) if is_new else None
            if old is not None:
                new = copy.copy(old)
                new.side, new.price, new.size, new.left = side, price, size, size - (old.size - old.left)
                new.shown = new.left
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
            guard = self.guards.get(new.owner)
            if guard is not None and self.now < guard.frozen_until:
                return ref, new.id, price, 0, Reason.PROTECTION_TRIPPED
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
        self.tidy()

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
        self.tidy()
        if self.has_passed():
            self.pause()
        else:
            self.enter(self.after)

    def pair_off(self, price: int) -> bool:
        """Trade at a price; when somebody may not trade all of his, cut him instead, undo, and return True.

        An iceberg takes part with all of it, at its place.
        """
        trial = copy.deepcopy(self)
        trial.said = []
        cuts: list[tuple[int, int, Reason]] = []
        lined_up = [[one for one in trial.side(side) if one.reaches(price)] for side in (1, -1)]
        while True:
            buyers, sellers = ([one for one in line if one.left] for line in lined_up)
            if not buyers or not sellers:
                break
            cut = trial.pair(buyers[0], sellers[0], price)
            cuts += [cut] if cut else []
        if not cuts:
            trial.said = self.said + trial.said
            vars(self).update(vars(trial))
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
        size, culprit = self.allowed(newer, older, wanted)
        if size < wanted:
            reason = Reason.OPEN_INTEREST_LIMIT if culprit is None else Reason.OWNER_LIMIT
            return self.keep(culprit or newer, size, reason)
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
