"""Brackets at risk: exits are armed by fills, grow with them, end one another, and go when the position goes."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.reasons import Reason
from services.risk.conditions import TRIGGERS_MAX
from tests.builders import ALICE, COIN, DOLLAR, SPOT, Driven, only, reason_of, the
from tests.unit.risk.waiting import (
    BUY,
    CANCELLED,
    MARK,
    PENDING,
    PERCENT,
    SELL,
    STOP,
    TAKE_PROFIT,
    TRAILING,
    TRIGGERED,
    WHO,
    armed,
    fill,
    hold,
    mark,
    place,
    stands,
    trigger,
    waiting,
)

LOSS: m.Exit = (STOP, m.TriggerBy.MARK, MARK - 100 * DOLLAR, 0, 0)
GAIN: m.Exit = (TAKE_PROFIT, m.TriggerBy.MARK, MARK + 100 * DOLLAR, MARK + 90 * DOLLAR, 0)
TRAIL: m.Exit = (TRAILING, m.TriggerBy.MARK, 0, 0, PERCENT)
GONE = (CANCELLED, Reason.NO_POSITION)
ENDED = (CANCELLED, Reason.CANCELLED_BY_GROUP)


def sizes(risk: Driven) -> list[tuple[int, int]]:
    """Kind and size of each exit that waits."""
    return [(one.kind, one.size) for one in waiting(risk).values()]


def test_exits_are_armed_by_the_first_fill_and_grow_with_the_next(risk: Driven) -> None:
    order = place(risk, BUY, COIN, exits=[LOSS, GAIN])
    assert not waiting(risk)
    events = fill(risk, order, COIN // 4, remaining=COIN * 3 // 4)
    armed_now = only(m.TriggerUpdated, events)
    assert [(one.kind, one.side, one.size, one.reduce_only, one.group) for one in armed_now] == [
        (STOP, SELL, COIN // 4, True, 0),
        (TAKE_PROFIT, SELL, COIN // 4, True, 0),
    ]
    assert all(one.parent == one.command_id != 0 for one in armed_now)
    fill(risk, order, COIN * 3 // 4)
    assert sizes(risk) == [(STOP, COIN), (TAKE_PROFIT, COIN)]


def test_the_first_exit_ends_the_other(risk: Driven) -> None:
    fill(risk, place(risk, BUY, COIN, exits=[LOSS, GAIN]), COIN)
    events = mark(risk, MARK + 100 * DOLLAR)
    assert stands(events) == [(TRIGGERED, 0), ENDED]
    order = the(m.OrderAdmitted, events)
    assert (order.side, order.size, order.price, order.time_in_force) == (
        SELL,
        COIN,
        MARK + 90 * DOLLAR,
        m.TimeInForce.GTC,
    )
    assert (order.reduce_only, armed(risk)) == (True, 0)


def test_what_opens_after_an_exit_gets_exits_of_its_own(risk: Driven) -> None:
    order = place(risk, BUY, COIN, exits=[LOSS, GAIN])
    fill(risk, order, COIN // 4, remaining=COIN * 3 // 4)
    closing = the(m.OrderAdmitted, mark(risk, MARK - 100 * DOLLAR))
    events = fill(risk, order, COIN * 3 // 4)
    assert stands(events) == [(PENDING, 0), (TRIGGERED, 0)], (
        "the stop's price is there already, so the other is not armed"
    )
    assert the(m.OrderAdmitted, events).size == COIN * 3 // 4
    assert closing.size == COIN // 4


def test_exits_go_when_the_position_is_closed_or_turned(risk: Driven) -> None:
    fill(risk, place(risk, BUY, COIN, exits=[LOSS, GAIN]), COIN)
    own = trigger(risk, STOP, SELL, MARK - 500 * DOLLAR, size=0)
    risk.tell(own)
    events = fill(risk, place(risk, SELL, 2 * COIN), 2 * COIN)
    assert stands(events) == [GONE, GONE]
    assert [one.command_id for one in waiting(risk).values()] == [own.header.command_id]


def test_an_order_that_only_closes_leaves_no_exit(risk: Driven) -> None:
    hold(risk, SELL, COIN)
    order = place(risk, BUY, COIN * 3 // 2, exits=[LOSS])
    assert not stands(fill(risk, order, COIN // 2, remaining=COIN))
    fill(risk, order, COIN)
    assert sizes(risk) == [(STOP, COIN // 2)], "half of the second fill closed, half of it opened"


def test_an_exit_that_is_not_wanted_is_not_armed_again(risk: Driven) -> None:
    order = place(risk, BUY, COIN, exits=[LOSS, GAIN])
    fill(risk, order, COIN // 4, remaining=COIN * 3 // 4)
    (stop, _gain) = waiting(risk)
    risk.tell(m.CancelTrigger(risk.commands.header(ALICE), WHO, 1, stop))
    fill(risk, order, COIN // 4, remaining=COIN // 2)
    assert sizes(risk) == [(TAKE_PROFIT, COIN // 2)]


def test_a_trailing_exit_begins_at_the_fill(risk: Driven) -> None:
    fill(risk, place(risk, BUY, COIN, exits=[TRAIL]), COIN)
    (follows,) = waiting(risk).values()
    assert follows.trigger_price == MARK * 99 // 100
    assert the(m.OrderAdmitted, mark(risk, MARK * 99 // 100)).size == COIN


REFUSED: list[tuple[str, Reason, int, dict[str, Any]]] = [
    ("two stops", Reason.INVALID_EXITS, m.EXITS_MAX, {"exits": [LOSS, LOSS]}),
    ("three exits", Reason.INVALID_EXITS, m.EXITS_MAX, {"exits": [LOSS, GAIN, TRAIL]}),
    ("off the tick", Reason.INVALID_TRIGGER_PRICE, MARK, {"exits": [(STOP, 1, MARK + 3, 0, 0)]}),
    ("a limit off the tick", Reason.INVALID_TRIGGER_PRICE, MARK, {"exits": [(STOP, 1, MARK, MARK + 3, 0)]}),
    ("of an order that closes", Reason.INVALID_EXITS, m.EXITS_MAX, {"exits": [LOSS], "reduce_only": True}),
    ("no group", Reason.INVALID_ORDER, 0, {"group": 2**32}),
]


@pytest.mark.parametrize(("reason", "limit", "terms"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_exits_that_make_no_sense_are_refused(risk: Driven, reason: Reason, limit: int, terms: dict[str, Any]) -> None:
    order = m.PlaceOrder(risk.commands.header(ALICE), WHO, 1, BUY, m.TimeInForce.GTC, MARK, COIN, **terms)
    result = the(m.CommandResolved, risk.tell(order))
    assert (Reason(result.reason), result.limit) == (reason, limit)


def test_exits_that_may_still_be_armed_count_as_waiting(risk: Driven) -> None:
    for _ in range(TRIGGERS_MAX // 2):
        place(risk, BUY, 10, MARK - 100, exits=[LOSS, GAIN])
    assert reason_of(risk.tell(trigger(risk, STOP, SELL, MARK - 100))) is Reason.TOO_MANY_TRIGGERS


def test_a_spot_order_has_no_exits(risk: Driven) -> None:
    risk.tell(m.MarketListed(SPOT))
    risk.tell(m.SettlementMarked(2, MARK))
    order = m.PlaceOrder(risk.commands.header(ALICE), WHO, 2, BUY, m.TimeInForce.GTC, MARK, COIN // 100, exits=[LOSS])
    assert reason_of(risk.tell(order)) is Reason.INVALID_EXITS
