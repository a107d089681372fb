"""What tests of triggers share: Alice's commands for what waits, and the market that answers her orders."""

from typing import Any

from services.core import messages as m
from tests.builders import ALICE, COIN, DOLLAR, Driven, only, the

MARK = 8_000 * DOLLAR
WHO = ALICE.subaccount
STOP, TAKE_PROFIT, TRAILING = m.TriggerKind.STOP, m.TriggerKind.TAKE_PROFIT, m.TriggerKind.TRAILING
PENDING, WORKING, TRIGGERED = m.TriggerStatus.PENDING, m.TriggerStatus.WORKING, m.TriggerStatus.TRIGGERED
CANCELLED, FAILED = m.TriggerStatus.CANCELLED, m.TriggerStatus.FAILED
BUY, SELL = m.Side.BUY, m.Side.SELL
PERCENT = 10**10
"""One percent, in parts of 1e12."""


def trigger(risk: Driven, kind: int, side: int, trigger_price: int = 0, **terms: Any) -> m.PlaceTrigger:
    """Build a trigger of Alice, a market order by the mark of a tenth of a coin unless said otherwise."""
    fields = {
        "time_in_force": m.TimeInForce.IOC,
        "trigger_by": m.TriggerBy.MARK,
        "price": 0,
        "size": COIN // 10,
        "market": 1,
    } | terms
    return m.PlaceTrigger(risk.commands.header(ALICE), WHO, kind=kind, side=side, trigger_price=trigger_price, **fields)


def place(risk: Driven, side: int, size: int, price: int = MARK, **terms: Any) -> m.OrderAdmitted:
    """Let Alice place an order with terms of PlaceOrder; it is admitted."""
    header = risk.commands.header(ALICE)
    fields = {"time_in_force": m.TimeInForce.GTC, "market": 1} | terms
    order = m.PlaceOrder(header, WHO, side=side, price=price, size=size, **fields)
    return the(m.OrderAdmitted, risk.tell(order))


def fill(risk: Driven, order: m.OrderAdmitted, size: int, price: int = MARK, remaining: int = 0) -> list[m.Message]:
    """Let matching fill a part of an order."""
    signed = order.side * size
    order_id = 2**40 + order.ref
    cash = -signed * price * 10
    trade = risk.state.now_ms + len(risk.inbox)
    return risk.tell(
        m.OrderFilled(WHO, 1, order.ref, order_id, trade, price, signed, cash, is_maker=False, remaining=remaining)
    )


def hold(risk: Driven, side: int, size: int) -> None:
    """Give Alice a position at the mark."""
    fill(risk, place(risk, side, size), size)


def mark(risk: Driven, price: int, index: int = MARK) -> list[m.Message]:
    """Let a second pass and the mark move."""
    risk.now_ms += 1_000
    return risk.tell(m.MarksUpdated([(1, price, index)]))


def last(risk: Driven, price: int) -> list[m.Message]:
    """Let a sample of the book come."""
    return risk.tell(m.BookSampled(1, 0, 0, 0, 0, price, 0))


def stands(events: list[m.Message]) -> list[tuple[int, int]]:
    """Status and reason of each trigger that changed."""
    return [(one.status, one.reason) for one in only(m.TriggerUpdated, events)]


def waiting(risk: Driven) -> dict[int, Any]:
    """Everything of Alice that waits, by id."""
    waits: dict[int, Any] = risk.state.subaccounts[WHO].triggers
    return waits


def armed(risk: Driven) -> int:
    """How many wires of triggers are armed."""
    return sum(
        1
        for wires in risk.state.wires.values()
        for buckets in (wires.below, wires.above)
        for bucket in buckets.values()
        for subject in bucket.wires
        if subject[1]
    )
