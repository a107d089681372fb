"""Filled + open + cancelled = placed, for every order and at every word that matching says about it.

The tally is kept from what passes between risk and matching alone, and held against both books when nothing is in flight.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from services.core import messages as m
from tests.simulation.law import law

Ref: TypeAlias = tuple[int, int]
"""(subaccount, ref)."""


@dataclass
class Tallied:
    """What became of one order: its whole size, and of it what has traded; `open` until it is gone."""

    market: int
    side: int
    price: int
    placed: int
    filled: int = 0
    cancelled: int = 0
    is_open: bool = True

    @property
    def remaining(self) -> int:
        """What is left of it."""
        return self.placed - self.filled - self.cancelled


@dataclass
class Orders:
    """All orders of a history."""

    known: dict[Ref, Tallied] = field(default_factory=dict)
    quoted: dict[tuple[int, int], list[m.QuoteAdmitted]] = field(default_factory=dict)
    """By (subaccount, command id): what each MassQuote asked of matching."""
    asked: Counter[Ref] = field(default_factory=Counter)
    """New terms of each order on their way: asked of matching, and the answer not yet taken."""

    def hear(self, message: m.Message) -> None:
        """Take one message between risk and matching."""
        match message:
            case m.OrderAdmitted():
                self.place(message.subaccount, message.ref, message.market, message.side, message.price, message.size)
            case m.ReplaceRequested():
                self.asked[message.subaccount, message.ref] += 1
            case m.QuotesAdmitted():
                self.quoted[message.subaccount, message.command_id] = message.quotes
                for ref, side, price, size, _adds_risk, is_new in message.quotes:
                    self.asked[message.subaccount, ref] += 1
                    if is_new:
                        self.place(message.subaccount, ref, message.market, side, price, size)
            case m.OrderFilled():
                self.fill(message)
            case m.OrderRested():
                self.stands(self.known[message.subaccount, message.ref], message.remaining)
            case m.OrderReplaced():
                self.change(message.subaccount, message.ref, message.size, message.remaining, message.price)
            case m.OrderReduced():
                self.change(message.subaccount, message.ref, message.size, message.remaining)
            case m.OrderCancelled():
                self.cancel(self.known[message.subaccount, message.ref], message.remaining)
            case m.QuotesAnswered():
                self.answer(message)
            case _:
                pass

    def taken(self, state: Any, message: m.Message) -> None:
        """Risk took a record: each open order waits for the answers that are on their way, and for no other."""
        match message:
            case m.OrderReplaced() | m.ReplaceRefused() if message.command_id:
                self.asked[message.subaccount, message.ref] -= 1
            case m.QuotesAnswered():
                self.asked.subtract((message.subaccount, quote[0]) for quote in message.quotes)
            case _:
                pass
        asked = self.asked
        wrong = [one for one in orders_of(state) if len(one[1].pending) != asked.get((one[0].id, one[1].ref), 0)]
        law(not wrong, f"an order waits for each answer once: {[order for _, order in wrong]}")

    def place(self, subaccount: int, ref: int, market: int, side: int, price: int, size: int) -> None:
        """Begin an order; a ref is used once."""
        law((subaccount, ref) not in self.known, f"ref {ref} of {subaccount} is given once")
        self.known[subaccount, ref] = Tallied(market, side, price, size)

    def fill(self, fill: m.OrderFilled) -> None:
        """Count a trade: no more than what is left, on the order's side, at its price or a better one."""
        order = self.known[fill.subaccount, fill.ref]
        law(fill.size * order.side > 0, f"order {fill.ref} of {fill.subaccount} trades on its own side")
        law(
            fill.price * order.side <= order.price * order.side,
            f"order {fill.ref} of {fill.subaccount} keeps its limit",
        )
        order.filled += abs(fill.size)
        self.stands(order, fill.remaining)
        order.is_open = fill.remaining > 0

    def stands(self, order: Tallied, remaining: int) -> None:
        """What matching says is left, is left."""
        law(order.is_open, f"nothing is said of an order that is gone: {order}")
        law(order.remaining == remaining, f"filled + open + cancelled = placed: {order}, not {remaining} open")

    def change(self, subaccount: int, ref: int, size: int, remaining: int, price: int = 0) -> None:
        """Take a new whole size, and price if it has one."""
        order = self.known[subaccount, ref]
        order.placed = size
        order.price = price or order.price
        self.stands(order, remaining)

    def cancel(self, order: Tallied, remaining: int) -> None:
        """Count what was taken back; then it is gone."""
        self.stands(order, remaining)
        order.cancelled += remaining
        order.is_open = False

    def answer(self, answered: m.QuotesAnswered) -> None:
        """Take the answer to a mass quote: each stands for no more than was asked, less what traded meanwhile."""
        asked = self.quoted.pop((answered.subaccount, answered.command_id))
        law([quote[0] for quote in asked] == [quote[0] for quote in answered.quotes], "quotes are answered in order")
        for (ref, _side, _price, size, *_), (_ref, _id, price, remaining, reason, _limit) in zip(
            asked, answered.quotes, strict=True
        ):
            order = self.known[answered.subaccount, ref]
            whole = max(size, order.placed) if reason else size
            law(remaining == 0 or order.filled + remaining <= whole, f"a quote is never more than asked: {order}")
            if not order.is_open:
                law(remaining == 0, f"a quote that is gone stays gone: {order}")
            elif remaining:
                order.placed, order.price = order.filled + remaining, price
            else:
                self.cancel(order, order.remaining)

    def judge_end(self, matching: list[Any], risk: list[Any]) -> None:
        """With nothing in flight both machines know the open orders that the tally knows, and the positions of each other."""
        open_orders = {
            (*ref, order.market, order.side, order.price, order.remaining)
            for ref, order in self.known.items()
            if order.is_open
        }
        law(open_orders == resting_orders(matching), "matching's books hold the open orders, no more and no less")
        law(open_orders == held_orders(risk), "risk holds margin for the open orders, no more and no less")
        law(not unanswered(risk), f"every request to matching is answered: {unanswered(risk)}")
        law(seen_sizes(matching) == held_sizes(risk), "matching knows the position of each subaccount")


Row: TypeAlias = tuple[int, int, int, int, int, int]
"""(subaccount, ref, market, side, price, remaining)."""


def resting_orders(states: list[Any]) -> set[Row]:
    """Orders in the books of matching."""
    return {
        (order.subaccount, order.ref, market, order.side, order.price, order.remaining)
        for state in states
        for market, trading in state.trading.items()
        for order in trading.book.orders.values()
    }


def held_orders(states: list[Any]) -> set[Row]:
    """Orders for which risk holds margin."""
    return {
        (subaccount.id, order.ref, exposure.market, order.side, order.price, order.remaining)
        for state in states
        for subaccount in state.subaccounts.values()
        for exposure in subaccount.exposures.values()
        for order in exposure.orders.values()
    }


def unanswered(states: list[Any]) -> list[tuple[int, int]]:
    """Return (subaccount, ref) of orders whose new terms are on their way, ref 0 for a cancel of all."""
    return [
        *[(subaccount.id, 0) for state in states for subaccount in state.subaccounts.values() if subaccount.cancels],
        *[(subaccount.id, order.ref) for state in states for subaccount, order in orders_of(state) if order.pending],
    ]


def orders_of(state: Any) -> list[tuple[Any, Any]]:
    """Return the open orders of a shard, each with its subaccount."""
    return [
        (subaccount, order)
        for subaccount in state.subaccounts.values()
        for exposure in subaccount.exposures.values()
        for order in exposure.orders.values()
    ]


def seen_sizes(states: list[Any]) -> dict[tuple[int, int], int]:
    """Return the sizes that matching saw, by subaccount and market; spot trades leave none at risk."""
    return {
        (subaccount, market): size
        for state in states
        for market, trading in state.trading.items()
        if not state.markets[market].is_spot
        for subaccount, size in trading.size_seen.items()
        if size
    }


def held_sizes(states: list[Any]) -> dict[tuple[int, int], int]:
    """Return the positions at risk, by subaccount and market."""
    return {
        (subaccount.id, exposure.market): exposure.size
        for state in states
        for subaccount in state.subaccounts.values()
        for exposure in subaccount.exposures.values()
        if exposure.size
    }
