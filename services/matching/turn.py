"""One record's work on one market: what it does to book, sizes and counters, and what is said of it; it decides nothing."""

from services.core.contracts import cash_flow
from services.core.fixed import LIMIT, Amount, Price, Size, SubaccountId, account_of
from services.core.markets import ContractKind, Market
from services.core.messages import (
    BookChanged,
    Message,
    OrderCancelled,
    OrderFilled,
    OrderReduced,
    OrderReplaced,
    OrderRested,
    ProtectionTripped,
    TradeExecuted,
)
from services.core.reasons import Reason
from services.matching.book import BUY, SELL, Book, HalfBook, Order
from services.matching.owners import Owners, owner_of
from services.matching.plan import DECREMENT, FILL, PRICE_LIMIT, Interest, Plan
from services.matching.protection import QUOTE, Guards
from services.matching.state import State, Trading, arm_expiry, change_owned, change_size, next_trade_id

SPOT = int(ContractKind.SPOT)
REDUCE_ONLY_NOT_REDUCED, SELF_TRADE = int(Reason.REDUCE_ONLY_NOT_REDUCED), int(Reason.SELF_TRADE)
CANCELLED_BY_PROTECTION = int(Reason.CANCELLED_BY_PROTECTION)


class Turn:
    """Collects the events of a record; `touched` are the levels that changed, as side * price.

    `moved` are the subaccounts whose reduce-only orders may have to shrink, `tripped` those whose quotes are to go. `is_limited` says
    that the price limit in force stopped an order.
    """

    __slots__ = (
        "book",
        "events",
        "has_owners",
        "has_positions",
        "is_limited",
        "market",
        "moved",
        "state",
        "touched",
        "trading",
        "tripped",
    )

    def __init__(self, state: State, market: Market, trading: Trading) -> None:
        self.state = state
        self.market = market
        self.trading = trading
        self.book: Book = trading.book
        self.has_positions = market.kind != SPOT
        self.has_owners = market.owner_position_max > 0 and self.has_positions
        self.is_limited = False
        self.events: list[Message] = []
        self.touched: dict[int, None] = {}
        self.moved: dict[SubaccountId, None] = {}
        self.tripped: dict[SubaccountId, tuple[Size, Size]] = {}

    def interest(self) -> Interest:
        """Positions as a plan begins."""
        trading, market = self.trading, self.market
        limit = market.open_interest_max if self.has_positions else 0
        interest = Interest(trading.size_seen, trading.open_interest, limit)
        interest.lot = market.lot
        if self.has_owners:
            interest.owners = Owners(market.owner_position_max, self.state.owners, trading.owner_sizes)
        return interest

    def guards(self) -> Guards | None:
        """Protections of quotes as a plan begins, None without any."""
        protections = self.trading.protections
        return Guards(protections, self.state.now_ms) if protections else None

    def execute(self, taker: Order, plan: Plan) -> None:
        """Do what a plan says."""
        self.is_limited = plan.reason == PRICE_LIMIT
        for step in plan.steps:
            maker = step.maker
            if step.what == FILL:
                self.touched[maker.side * maker.price] = None
                self.book.reduce(maker, step.size)
                taker.remaining -= step.size
                self.trade(maker, taker, step.size, maker.price, taker.side)
            elif step.what == DECREMENT:
                self.decrement_maker(maker, step.size)
                self.decrement(taker, step.size)
            else:
                self.cancel(maker, step.reason, step.limit)

    def trade(self, maker: Order, taker: Order, size: Size, price: Price, taker_side: int) -> None:
        """Say and count one trade; the cash is computed once and booked by both. `taker_side` 0: nobody took."""
        market, trading, events = self.market, self.trading, self.events
        bought = taker.side * size
        cash = cash_flow(market, bought, price)
        self.count(size, abs(cash))
        trade_id = next_trade_id(market.id, trading)
        trading.last_price = price
        self.filled(maker, trade_id, price, -bought, -cash, is_maker=True)
        self.filled(taker, trade_id, price, bought, cash, is_maker=not taker_side)
        events.append(TradeExecuted(market.id, trade_id, price, size, taker_side, taker.kind, maker.id, taker.id))

    def count(self, size: Size, turnover: Amount) -> None:
        """Count a trade for the next sample; one that would take the sums past what is kept is left out of both."""
        trading = self.trading
        if trading.turnover + turnover < LIMIT and trading.volume + size < LIMIT:
            trading.volume += size
            trading.turnover += turnover

    def filled(self, order: Order, trade_id: int, price: Price, change: Size, cash: int, *, is_maker: bool) -> None:
        """One side of a trade."""
        subaccount = order.subaccount
        trading = self.trading
        if self.has_positions:
            grown = change_size(trading, subaccount, change)
            if subaccount in self.book.reducing:
                self.moved[subaccount] = None
            if self.has_owners:
                change_owned(trading, owner_of(self.state.owners, account_of(subaccount)), grown)
        if order.kind == QUOTE and subaccount in trading.protections:
            self.protect(subaccount, change)
        self.events.append(
            OrderFilled(
                subaccount,
                self.market.id,
                order.ref,
                order.id,
                trade_id,
                price,
                change,
                cash,
                is_maker,
                order.remaining,
            )
        )

    def protect(self, subaccount: SubaccountId, change: Size) -> None:
        """Count a fill of a quote; what reaches its limits is cancelled when the record is done: in a walk the plan has spared it."""
        protection = self.trading.protections[subaccount]
        if protection.count(self.state.now_ms, change):
            self.tripped[subaccount] = (protection.quantity, protection.delta)

    def rest(self, order: Order) -> None:
        """Put an order into the book, silently."""
        self.book.add(order)
        self.touched[order.side * order.price] = None
        if order.reduce_only:
            self.moved[order.subaccount] = None

    def say_rested(self, order: Order) -> None:
        """Say that an order rests, and wait for its end."""
        self.events.append(OrderRested(order.subaccount, self.market.id, order.ref, order.id, order.remaining))
        if order.expires_ms:
            arm_expiry(self.state, order)

    def say_replaced(self, order: Order, command_id: int = 0) -> None:
        """Say an order's new price and size."""
        self.events.append(
            OrderReplaced(
                order.subaccount,
                self.market.id,
                order.ref,
                order.id,
                command_id,
                order.price,
                order.size,
                order.remaining,
            )
        )

    def say_cancelled(self, order: Order, reason: int, limit: int = 0, command_id: int = 0) -> None:
        """Say that the rest of an order is gone, and why."""
        self.events.append(
            OrderCancelled(
                order.subaccount, self.market.id, order.ref, order.id, order.remaining, reason, limit, command_id
            )
        )

    def take_out(self, order: Order) -> Size:
        """Take an order out of the book, silently."""
        self.touched[order.side * order.price] = None
        return self.book.remove(order)

    def cancel(self, order: Order, reason: int, limit: int = 0, command_id: int = 0) -> None:
        """Take a resting order out of the book and say so."""
        self.say_cancelled(order, reason, limit, command_id)
        self.take_out(order)

    def cut(self, order: Order, size: Size, reason: int, limit: int = 0) -> None:
        """Take `size` off a resting order that nobody met; what comes down to zero is cancelled."""
        if size == order.remaining:
            self.cancel(order, reason, limit)
            return
        self.touched[order.side * order.price] = None
        self.book.cut(order, size)
        order.size -= size
        self.say_reduced(order, reason)

    def decrement_maker(self, maker: Order, size: Size) -> None:
        """Take off a resting order what it met of its own account; an iceberg uses up what it shows."""
        if size == maker.remaining:
            self.cancel(maker, SELF_TRADE)
            return
        self.touched[maker.side * maker.price] = None
        self.book.reduce(maker, size)
        maker.size -= size
        self.say_reduced(maker, SELF_TRADE)

    def decrement(self, taker: Order, size: Size) -> None:
        """Take off the order that came what it took off one of its own account."""
        if size == taker.remaining:
            self.say_cancelled(taker, SELF_TRADE)
            taker.remaining = 0
            return
        taker.remaining -= size
        taker.size -= size
        self.say_reduced(taker, SELF_TRADE)

    def say_reduced(self, order: Order, reason: int) -> None:
        """Say that an order became smaller without a trade."""
        self.events.append(
            OrderReduced(order.subaccount, self.market.id, order.ref, order.id, order.size, order.remaining, reason)
        )

    def end(self) -> list[Message]:
        """Tidy up, say which levels changed, and return all that was said."""
        if self.moved or self.tripped:
            self.tidy()
        if self.touched:
            self.say_book()
        return self.events

    def tidy(self) -> None:
        """Withdraw the quotes of whose protection has tripped, and shrink what nothing is left to reduce for."""
        for subaccount in self.tripped:
            self.withdraw(subaccount)
        for subaccount in self.moved:
            self.shrink(subaccount)
        self.tripped, self.moved = {}, {}

    def withdraw(self, subaccount: SubaccountId) -> None:
        """Cancel the quotes of a subaccount whose protection has tripped; that it has is said when they are gone."""
        trading = self.trading
        protection = trading.protections[subaccount]
        quantity, delta = self.tripped[subaccount]
        protection.trip(self.state.now_ms)
        trading.protections_tripped += 1
        for order in self.book.orders_of(subaccount):
            if order.kind == QUOTE:
                self.cancel(order, CANCELLED_BY_PROTECTION)
        self.events.append(ProtectionTripped(subaccount, self.market.id, quantity, delta, protection.until_ms))

    def shrink(self, subaccount: SubaccountId) -> None:
        """Keep a subaccount's resting reduce-only orders within the position they reduce: those next to be filled keep what they have."""
        size = self.trading.size_seen.get(subaccount, 0)
        left = {BUY: max(0, -size), SELL: max(0, size)}
        own = [self.book.orders[order_id] for order_id in self.book.reducing.get(subaccount, {})]
        for order in sorted(own, key=lambda order: -order.side * order.price):
            kept = min(order.remaining, left[order.side])
            left[order.side] -= kept
            if kept < order.remaining:
                self.cut(order, order.remaining - kept, REDUCE_ONLY_NOT_REDUCED)

    def say_book(self) -> None:
        """Say what each touched level holds now, and the best prices."""
        trading, bids, asks = self.trading, self.book.bids, self.book.asks
        trading.updates += 1
        self.events.append(
            BookChanged(
                self.market.id,
                trading.updates,
                [level(bids, key) for key in self.touched if key > 0],
                [level(asks, key) for key in self.touched if key < 0],
                bids.best(),
                bids.best_size(),
                asks.best(),
                asks.best_size(),
            )
        )


def level(half: HalfBook, key: int) -> tuple[Price, Size]:
    """Price and size of a level by its key."""
    held = half.levels.get(key)
    return half.side * key, 0 if held is None else held.size


def filled_size(order: Order) -> Size:
    """What has traded of an order."""
    return order.size - order.remaining
