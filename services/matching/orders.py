"""Orders one by one: placed, replaced, cancelled; quotes in numbers are next door (quotes.py)."""

from services.core.markets import Market
from services.core.messages import (
    AllCancelled,
    CancelAllRequested,
    CancelRefused,
    CancelRequested,
    Message,
    OrderAdmitted,
    OrderKind,
    ReplaceRefused,
    ReplaceRequested,
)
from services.core.reasons import Reason, Refusal
from services.matching.bands import behind
from services.matching.book import Order
from services.matching.entry import FOK, IOC, SLIDE, check_entry, check_room, crosses_own, limit_price
from services.matching.pauses import finish
from services.matching.plan import PRICE_LIMIT, Plan, plan
from services.matching.state import AUCTION, State, Trading, next_order_id
from services.matching.turn import Turn, filled_size

LIQUIDATION = int(OrderKind.LIQUIDATION)
NEVER_RESTS = {IOC: int(Reason.IMMEDIATE_OR_CANCEL), FOK: int(Reason.FILL_OR_KILL)}


def process_order(state: State, admitted: OrderAdmitted, *, late: bool) -> list[Message]:
    """Match an admitted order, then rest or cancel what is left."""
    market = state.markets[admitted.market]
    trading = state.trading[admitted.market]
    turn = Turn(state, market, trading)
    order = order_of(market, trading, admitted)
    risky = admitted.adds_risk or admitted.kind == LIQUIDATION
    refusal = check_entry(state, market, trading, order, risky=risky, late=late)
    if refusal is not None:
        turn.say_cancelled(order, int(refusal.reason), refusal.limit)
        return turn.events
    if slide(market, trading, order):
        turn.say_replaced(order)
    place(turn, order)
    return finish(turn)


def order_of(market: Market, trading: Trading, admitted: OrderAdmitted) -> Order:
    """Give an admitted order its id and its price limit."""
    size = admitted.size
    return Order(
        next_order_id(market.id, trading),
        admitted.subaccount,
        admitted.ref,
        admitted.side,
        limit_price(market, trading, admitted),
        size,
        size,
        admitted.kind,
        admitted.time_in_force,
        admitted.reduce_only,
        admitted.self_trade,
        admitted.expires_ms,
        admitted.display,
    )


def slide(market: Market, trading: Trading, order: Order) -> bool:
    """Move an order that slides one tick behind the best opposite price, if it would take; returns whether it did."""
    if order.time_in_force != SLIDE or trading.state == AUCTION or not trading.book.meets(order.side, order.price):
        return False
    order.price = behind(market, order.side, trading.book.against(order.side).best())
    return True


def look(turn: Turn, order: Order) -> Plan:
    """Plan what an order does; in an auction nobody takes."""
    if turn.trading.state == AUCTION or not turn.book.meets(order.side, order.price):
        return Plan(left=order.remaining)
    return plan(turn.book, order, turn.trading.limits, turn.interest(), turn.guards())


def place(turn: Turn, order: Order) -> None:
    """Trade, then rest what is left, or cancel it."""
    planned = look(turn, order)
    if order.time_in_force == FOK and planned.filled < order.remaining:
        turn.say_cancelled(order, planned.reason or int(Reason.FILL_OR_KILL), planned.limit)
        return
    turn.execute(order, planned)
    if not order.remaining:
        return
    refusal = check_rest(turn, order, planned)
    if refusal is not None:
        turn.say_cancelled(order, int(refusal.reason), refusal.limit)
        return
    turn.rest(order)
    turn.say_rested(order)


def check_rest(turn: Turn, order: Order, planned: Plan, leaving: Order | None = None) -> Refusal | None:
    """Refuse to rest what stopped early, what never rests, and what finds no place; at a price limit the rest waits for the auction.

    In an auction nothing waits to cross its own account's.
    """
    never = NEVER_RESTS.get(order.time_in_force, 0)
    stopped = planned.reason if planned.reason != PRICE_LIMIT or never else 0
    if stopped or never:
        return Refusal(Reason(stopped or never), planned.limit)
    edge = turn.trading.limits.step_edge(order.side)
    if order.side * order.price > order.side * edge and crosses_own(turn.book, order, edge):
        return Refusal(Reason.SELF_TRADE)
    return check_room(turn.market, turn.book, order, leaving)


def process_replace(state: State, requested: ReplaceRequested, *, late: bool) -> list[Message]:
    """Give a resting order another price and size, or leave it as it is; one that has filled the new size is cancelled."""
    market = state.markets[requested.market]
    trading = state.trading[requested.market]
    turn = Turn(state, market, trading)
    order = trading.book.find(requested.subaccount, requested.ref)
    if order is None:
        return refuse(requested, Refusal(Reason.ORDER_NOT_OPEN))
    changed = with_terms(order, requested.price, requested.size)
    if changed.remaining <= 0:
        turn.cancel(order, int(Reason.CANCELLED_BY_CLIENT), 0, requested.command_id)
        return turn.end()
    refusal = check_entry(state, market, trading, changed, risky=requested.adds_risk, late=late)
    if refusal is not None:
        return refuse(requested, refusal)
    if keeps_priority(order, changed):
        shrink(turn, order, changed.size)
        turn.say_replaced(order, requested.command_id)
        return turn.end()
    return move(turn, order, changed, requested)


def refuse(requested: ReplaceRequested, refusal: Refusal) -> list[Message]:
    """Say that an order stands as it was, or that there is none."""
    return [
        ReplaceRefused(
            requested.subaccount,
            requested.market,
            requested.ref,
            requested.command_id,
            int(refusal.reason),
            refusal.limit,
        )
    ]


def with_terms(order: Order, price: int, size: int) -> Order:
    """Return the order as it would be with another price and whole size."""
    return Order(
        order.id,
        order.subaccount,
        order.ref,
        order.side,
        price,
        size,
        size - filled_size(order),
        order.kind,
        order.time_in_force,
        order.reduce_only,
        order.self_trade,
        order.expires_ms,
        order.display,
    )


def keeps_priority(order: Order, changed: Order) -> bool:
    """Whether an order stays where it stands: same price, and it does not grow."""
    return changed.price == order.price and changed.size <= order.size


def shrink(turn: Turn, order: Order, size: int) -> None:
    """Make a resting order smaller where it stands, at its owner's wish."""
    if size < order.size:
        turn.touched[order.side * order.price] = None
        turn.book.cut(order, order.size - size)
        order.size = size


def move(turn: Turn, order: Order, changed: Order, requested: ReplaceRequested) -> list[Message]:
    """Put an order behind the others at its new price; what crosses trades first. All checks come before the first write."""
    slide(turn.market, turn.trading, changed)
    planned = look(turn, changed)
    rests = planned.reason in (0, PRICE_LIMIT)
    if planned.left and rests:
        refusal = check_rest(turn, changed, planned, order)
        if refusal is not None:
            return refuse(requested, refusal)
    turn.take_out(order)
    turn.say_replaced(changed, requested.command_id)
    turn.execute(changed, planned)
    if changed.remaining and not rests:
        turn.say_cancelled(changed, planned.reason, planned.limit)
    elif changed.remaining:
        turn.rest(changed)
    return finish(turn)


def process_cancel(state: State, requested: CancelRequested, *, late: bool) -> list[Message]:
    """Cancel one order, in any state of the market, however late; a request without a command is not answered when it finds none."""
    del late
    trading = state.trading[requested.market]
    order = trading.book.find(requested.subaccount, requested.ref)
    if order is not None:
        turn = Turn(state, state.markets[requested.market], trading)
        turn.cancel(order, requested.reason, 0, requested.command_id)
        return turn.end()
    if not requested.command_id:
        return []
    return [CancelRefused(requested.subaccount, requested.market, requested.command_id, int(Reason.ORDER_NOT_OPEN))]


def process_cancel_all(state: State, requested: CancelAllRequested, *, late: bool) -> list[Message]:
    """Cancel every order of a subaccount in the market, in order of arrival, and say when done."""
    del late
    turn = Turn(state, state.markets[requested.market], state.trading[requested.market])
    for order in turn.book.orders_of(requested.subaccount):
        turn.cancel(order, requested.reason)
    return [*turn.end(), AllCancelled(requested.subaccount, requested.market, requested.command_id)]
