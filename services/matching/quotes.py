"""Quotes of one subaccount, all in one record: withdrawn, moved or placed, and answered in one message.

What is withdrawn or moved leaves the book first, so that a shifted ladder does not slide behind its own old quotes. Then each is
placed in the order of the message, so that of two quotes which would cross each other the later one slides.
"""

from typing import NamedTuple

from services.core.messages import (
    Message,
    OrderId,
    OrderKind,
    QuoteAdmitted,
    QuoteAnswer,
    QuotesAdmitted,
    QuotesAnswered,
    TimeInForce,
)
from services.core.reasons import Reason, Refusal
from services.matching.book import Order
from services.matching.entry import check_entry, check_room
from services.matching.orders import keeps_priority, shrink, slide, with_terms
from services.matching.pauses import finish
from services.matching.state import State, next_order_id
from services.matching.turn import Turn

QUOTE, SLIDE = int(OrderKind.QUOTE), int(TimeInForce.POST_ONLY_SLIDE)


class Wish(NamedTuple):
    """A quote on its way: the order as it shall be, None where there is none, and the resting one that only becomes smaller."""

    quote: QuoteAdmitted
    order: Order | None
    resting: Order | None = None


def process_quotes(state: State, admitted: QuotesAdmitted, *, late: bool) -> list[Message]:
    """Set the quotes of one message; one that is refused takes the old one of its ref with it."""
    turn = Turn(state, state.markets[admitted.market], state.trading[admitted.market])
    seen: dict[int, None] = {}
    wishes: list[Wish] = []
    for quote in admitted.quotes:
        wishes.append(Wish(quote, None) if quote[0] in seen else wish(turn, admitted.subaccount, quote))
        seen[quote[0]] = None
    answers = [answer(turn, one, late=late) for one in wishes]
    answered = QuotesAnswered(admitted.subaccount, admitted.market, admitted.command_id, answers)
    return [*finish(turn), answered]


def wish(turn: Turn, subaccount: int, quote: QuoteAdmitted) -> Wish:
    """Work out the order of a quote; the old one leaves the book unless it only becomes smaller."""
    ref, side, price, size, _adds_risk, is_new = quote
    old = turn.book.find(subaccount, ref)
    if old is None:
        return Wish(quote, Order(0, subaccount, ref, side, price, size, size, QUOTE, SLIDE) if is_new else None)
    order = with_terms(old, price, size)
    order.side = side
    if order.remaining > 0 and side == old.side and keeps_priority(old, order):
        return Wish(quote, order, old)
    turn.take_out(old)
    return Wish(quote, order)


def answer(turn: Turn, wished: Wish, *, late: bool) -> QuoteAnswer:
    """Set one quote and say what stands in the book now."""
    order = wished.order
    if order is None:
        return gone(wished, 0, Refusal(Reason.ORDER_NOT_OPEN))
    if order.remaining <= 0:
        return gone(wished, order.id, Refusal(Reason.CANCELLED_BY_CLIENT))
    refusal = check_quote(turn, wished, order, late=late)
    if refusal is not None:
        if wished.resting is not None:
            turn.take_out(wished.resting)
        return gone(wished, order.id, refusal)
    if wished.resting is not None:
        shrink(turn, wished.resting, order.size)
    else:
        order.id = order.id or next_order_id(turn.market.id, turn.trading)
        turn.rest(order)
    return order.ref, order.id, order.price, order.remaining, 0, 0


def check_quote(turn: Turn, wished: Wish, order: Order, *, late: bool) -> Refusal | None:
    """Refuse what may not enter; what would take has slid when it is not refused."""
    risky = wished.quote[4]
    refusal = check_entry(turn.state, turn.market, turn.trading, order, risky=risky, late=late)
    if refusal is not None or wished.resting is not None:
        return refusal
    protection = turn.trading.protections.get(order.subaccount)
    if protection is not None and protection.is_frozen(turn.state.now_ms):
        return Refusal(Reason.PROTECTION_TRIPPED, protection.until_ms)
    slide(turn.market, turn.trading, order)
    return check_room(turn.market, turn.book, order)


def gone(wished: Wish, order_id: OrderId, refusal: Refusal) -> QuoteAnswer:
    """Answer that nothing of a quote stands in the book, and why."""
    return wished.quote[0], order_id, wished.quote[2], 0, int(refusal.reason), refusal.limit
