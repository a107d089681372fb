"""Stops, take-profits and trailing stops at risk: the door, where each fires, what it becomes, and how it ends."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.reasons import Reason
from services.risk.conditions import TRIGGERS_MAX
from services.risk.trailing import TRAIL_MAX, TRAIL_MIN
from tests.builders import ALICE, BOB, BTC, COIN, DOLLAR, Driven, but, only, reason_of, the, trading
from tests.unit.risk.waiting import (
    BUY,
    CANCELLED,
    FAILED,
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
    last,
    mark,
    place,
    stands,
    trigger,
    waiting,
)

FIRES: list[tuple[str, int, int, int, int]] = [
    ("a sell stop falls", STOP, SELL, -10, -20),
    ("a buy stop rises", STOP, BUY, 10, 20),
    ("a sell take-profit rises", TAKE_PROFIT, SELL, 10, 20),
    ("a buy take-profit falls", TAKE_PROFIT, BUY, -10, -20),
]


@pytest.mark.parametrize(("kind", "side", "at", "by"), [row[1:] for row in FIRES], ids=[row[0] for row in FIRES])
def test_each_kind_fires_on_its_side_at_its_price(risk: Driven, kind: int, side: int, at: int, by: int) -> None:
    command = trigger(risk, kind, side, MARK + at * DOLLAR)
    events = risk.tell(command)
    assert the(m.CommandResolved, events).outcome == m.Outcome.DONE
    assert stands(events) == [(PENDING, 0)]
    assert risk.state.subaccounts[WHO].holds.get(1, 0) == 0
    assert not stands(mark(risk, MARK - at * DOLLAR))
    assert not stands(mark(risk, MARK + at * DOLLAR - (10 if at > 0 else -10)))
    fired = mark(risk, MARK + at * DOLLAR)
    assert stands(fired) == [(TRIGGERED, 0)]
    order = the(m.OrderAdmitted, fired)
    assert (order.kind, order.side, order.size, order.is_market) == (m.OrderKind.TRIGGERED, side, COIN // 10, True)
    assert not waiting(risk)
    assert armed(risk) == 0
    assert not stands(mark(risk, MARK + by * DOLLAR))


def test_the_command_of_a_trigger_is_answered_once(risk: Driven) -> None:
    command = trigger(risk, STOP, SELL, MARK - 100, client_id=6)
    risk.tell(command)
    order = the(m.OrderAdmitted, mark(risk, MARK - 100))
    events = fill(risk, order, order.size, MARK - 100)
    assert not only(m.CommandResolved, events)
    told = the(m.OrderUpdated, events)
    assert (told.command_id, told.client_id) == (command.header.command_id, 6)
    assert the(m.FillBooked, events).kind == m.OrderKind.TRIGGERED


def test_a_price_that_is_there_already_fires_at_once(risk: Driven) -> None:
    events = risk.tell(trigger(risk, STOP, SELL, MARK))
    assert stands(events) == [(PENDING, 0), (TRIGGERED, 0)]
    assert the(m.CommandResolved, events).outcome == m.Outcome.DONE
    assert the(m.OrderAdmitted, events).side == SELL


def test_index_and_last_prices_are_watched_apart(risk: Driven) -> None:
    risk.tell(trigger(risk, STOP, SELL, MARK - 100, trigger_by=m.TriggerBy.INDEX))
    risk.tell(trigger(risk, STOP, SELL, MARK - 100, trigger_by=m.TriggerBy.LAST))
    assert not stands(mark(risk, MARK - 200))
    assert stands(mark(risk, MARK - 200, MARK - 100)) == [(TRIGGERED, 0)]
    assert not stands(last(risk, MARK))
    assert stands(last(risk, MARK - 100)) == [(TRIGGERED, 0)]


def test_a_trigger_by_the_last_price_waits_for_the_first_trade(risk: Driven) -> None:
    assert stands(risk.tell(trigger(risk, STOP, SELL, MARK, trigger_by=m.TriggerBy.LAST))) == [(PENDING, 0)]
    trailing = trigger(risk, TRAILING, SELL, trail=PERCENT, trigger_by=m.TriggerBy.LAST)
    assert stands(risk.tell(trailing)) == [(PENDING, 0)]
    events = last(risk, MARK - 100)
    assert stands(events) == [(TRIGGERED, 0), (PENDING, 0)]
    (follows,) = waiting(risk).values()
    assert follows.trigger_price == (MARK - 100) * 99 // 100


DOOR: list[tuple[str, Reason, int, dict[str, Any]]] = [
    ("no market", Reason.UNKNOWN_MARKET, 0, {"market": 9}),
    ("off the lot", Reason.INVALID_SIZE, BTC.order_size_max, {"size": 15}),
    ("off the tick", Reason.INVALID_PRICE, 10, {"price": 5, "time_in_force": 0}),
    ("a market order that rests", Reason.INVALID_ORDER, 0, {"time_in_force": 0}),
    ("no group", Reason.INVALID_ORDER, 0, {"group": -1}),
    ("a name in use", Reason.DUPLICATE_CLIENT_ID, 0, {"client_id": 4}),
    ("an order's name", Reason.DUPLICATE_CLIENT_ID, 0, {"client_id": 5}),
    ("a twap", Reason.INVALID_TRIGGER, 0, {"kind": m.TriggerKind.TWAP}),
    ("no source", Reason.INVALID_TRIGGER, 0, {"trigger_by": 0}),
    ("no price", Reason.INVALID_TRIGGER_PRICE, 10, {"trigger_price": 0}),
    ("a price off the tick", Reason.INVALID_TRIGGER_PRICE, MARK, {"trigger_price": MARK + 5}),
    ("beyond all prices", Reason.INVALID_TRIGGER_PRICE, BTC.price_max, {"trigger_price": BTC.price_max + 10}),
    ("a stop that trails", Reason.INVALID_TRIGGER, 0, {"trail": PERCENT}),
    ("too close a trail", Reason.INVALID_TRAIL, TRAIL_MIN, {"kind": TRAILING, "trail": TRAIL_MIN - 1}),
    ("too wide a trail", Reason.INVALID_TRAIL, TRAIL_MAX, {"kind": TRAILING, "trail": TRAIL_MAX + 1}),
    ("nothing to close", Reason.NO_POSITION, 0, {"size": 0}),
]


@pytest.mark.parametrize(("reason", "limit", "terms"), [row[1:] for row in DOOR], ids=[row[0] for row in DOOR])
def test_what_cannot_wait_is_refused_with_what_would_be_accepted(
    risk: Driven, reason: Reason, limit: int, terms: dict[str, Any]
) -> None:
    risk.tell(trigger(risk, STOP, SELL, MARK - 500, client_id=4))
    risk.tell(risk.commands.place(ALICE, 1, 100, MARK - 500, client_id=5))
    asked = {"kind": STOP, "side": SELL, "trigger_price": MARK - 100} | terms
    result = the(m.CommandResolved, risk.tell(trigger(risk, **asked)))
    assert (Reason(result.reason), result.limit) == (reason, limit)
    assert len(waiting(risk)) == 1


def test_a_name_that_waits_is_taken_for_orders_and_quotes(risk: Driven) -> None:
    risk.tell(trigger(risk, STOP, SELL, MARK - 500, client_id=4))
    order = risk.commands.place(ALICE, 1, 100, MARK - 500, client_id=4)
    assert reason_of(risk.tell(order)) is Reason.DUPLICATE_CLIENT_ID
    quote = risk.commands.quote(ALICE, (4, 1, MARK - 500, 100))
    assert reason_of(risk.tell(quote)) is Reason.DUPLICATE_CLIENT_ID


def test_no_more_wait_than_may(risk: Driven) -> None:
    for _ in range(TRIGGERS_MAX):
        assert reason_of(risk.tell(trigger(risk, STOP, SELL, MARK - 500))) is Reason.NONE
    refused = the(m.CommandResolved, risk.tell(trigger(risk, STOP, SELL, MARK - 500)))
    assert (refused.reason, refused.limit) == (Reason.TOO_MANY_TRIGGERS, TRIGGERS_MAX)


def test_a_halted_market_lets_nothing_wait(risk: Driven) -> None:
    risk.tell(m.MarketStateChanged(1, m.MarketState.CANCEL_ONLY))
    assert reason_of(risk.tell(trigger(risk, STOP, SELL, MARK - 500))) is Reason.MARKET_STATE


def test_size_zero_closes_the_position_of_that_moment(risk: Driven) -> None:
    hold(risk, BUY, COIN)
    assert reason_of(risk.tell(trigger(risk, STOP, BUY, MARK + 100, size=0))) is Reason.NO_POSITION
    risk.tell(trigger(risk, STOP, SELL, MARK - 100, size=0))
    hold(risk, BUY, COIN // 2)
    order = the(m.OrderAdmitted, mark(risk, MARK - 100))
    assert (order.size, order.reduce_only, order.adds_risk) == (COIN * 3 // 2, True, False)


def test_a_position_larger_than_the_largest_order_is_closed_by_several(risk: Driven) -> None:
    hold(risk, BUY, COIN)
    risk.tell(m.MarketChanged(but(BTC, order_size_max=COIN * 2 // 5)))
    risk.tell(trigger(risk, STOP, SELL, MARK - 100, size=0, client_id=3, group=8))
    closing = only(m.OrderAdmitted, mark(risk, MARK - 100))
    assert [order.size for order in closing] == [COIN * 2 // 5, COIN * 2 // 5, COIN // 5]
    events = fill(risk, closing[0], closing[0].size, MARK - 100)
    assert not only(m.CancelRequested, events), "orders of one trigger are not one another's rivals"


def test_a_position_that_is_gone_leaves_the_trigger_until_it_fails(risk: Driven) -> None:
    hold(risk, BUY, COIN)
    risk.tell(trigger(risk, STOP, SELL, MARK - 100, size=0))
    hold(risk, SELL, COIN)
    assert len(waiting(risk)) == 1
    assert stands(mark(risk, MARK - 100)) == [(FAILED, Reason.NO_POSITION)]


def test_what_could_not_be_placed_has_failed_and_says_why(risk: Driven) -> None:
    risk.tell(trigger(risk, STOP, BUY, MARK + 100, size=10 * COIN))
    risk.tell(trigger(risk, STOP, SELL, MARK - 100, price=MARK - 1_000 * DOLLAR, time_in_force=0))
    failed = the(m.TriggerUpdated, mark(risk, MARK + 100))
    assert (failed.status, failed.reason) == (FAILED, Reason.INSUFFICIENT_MARGIN)
    assert failed.limit > 0
    failed = the(m.TriggerUpdated, mark(risk, MARK - 100))
    assert (failed.status, failed.reason) == (FAILED, Reason.OUTSIDE_BAND)
    assert not waiting(risk)


def test_a_trigger_that_fires_during_a_liquidation_fails(risk: Driven) -> None:
    hold(risk, BUY, COIN)
    risk.tell(trigger(risk, STOP, SELL, 7_000 * DOLLAR))
    for _ in range(3):
        mark(risk, MARK)
    assert only(m.LiquidationStarted, mark(risk, 7_100 * DOLLAR))
    assert len(waiting(risk)) == 1
    assert (FAILED, Reason.ACCOUNT_LIQUIDATING) in stands(mark(risk, 7_000 * DOLLAR))


def test_a_cancel_by_id_or_name_takes_the_wire_away(risk: Driven) -> None:
    events = risk.tell(trigger(risk, STOP, SELL, MARK - 100))
    number = the(m.TriggerUpdated, events).trigger_id
    risk.tell(trigger(risk, TRAILING, SELL, trail=PERCENT, client_id=9))
    for names in ({"trigger_id": number + 7}, {"client_id": 8}, {}):
        cancel = m.CancelTrigger(risk.commands.header(ALICE), WHO, 1, **names)
        assert reason_of(risk.tell(cancel)) is Reason.TRIGGER_NOT_OPEN
    for names in ({"trigger_id": number}, {"client_id": 9}):
        events = risk.tell(m.CancelTrigger(risk.commands.header(ALICE), WHO, 1, **names))
        assert reason_of(events) is Reason.NONE
        assert stands(events) == [(CANCELLED, Reason.CANCELLED_BY_CLIENT)]
    assert (armed(risk), waiting(risk)) == (0, {})
    assert not stands(mark(risk, MARK - 1_000))


def test_a_trailing_stop_follows_what_matters_and_no_more(risk: Driven) -> None:
    """One percent behind 8,000.00 stands at 7,920.00; the best price counts when it is 8 cents better."""
    placed = risk.tell(trigger(risk, TRAILING, SELL, trail=PERCENT))
    assert [one.trigger_price for one in only(m.TriggerUpdated, placed)] == [7_920 * DOLLAR]
    assert not stands(mark(risk, MARK + 7))
    assert the(m.TriggerUpdated, mark(risk, MARK + 80)).trigger_price == 7_920 * DOLLAR + 79
    assert not stands(mark(risk, 7_921 * DOLLAR))
    assert the(m.TriggerUpdated, mark(risk, 9_000 * DOLLAR)).trigger_price == 8_910 * DOLLAR
    assert not stands(mark(risk, 8_911 * DOLLAR))
    assert stands(mark(risk, 8_910 * DOLLAR)) == [(TRIGGERED, 0)]
    assert armed(risk) == 0


def test_a_trailing_stop_begins_at_its_price(risk: Driven) -> None:
    events = risk.tell(trigger(risk, TRAILING, BUY, MARK - 100 * DOLLAR, trail=PERCENT))
    assert [one.trigger_price for one in only(m.TriggerUpdated, events)] == [MARK - 100 * DOLLAR]
    assert not stands(mark(risk, MARK + 500 * DOLLAR))
    begun = the(m.TriggerUpdated, mark(risk, MARK - 200 * DOLLAR))
    assert begun.trigger_price == 7_800 * DOLLAR * 101 // 100
    assert stands(mark(risk, begun.trigger_price)) == [(TRIGGERED, 0)]


def test_the_first_of_a_group_ends_the_others(risk: Driven) -> None:
    hold(risk, BUY, COIN)
    resting = place(risk, SELL, COIN, MARK + 1_000, reduce_only=True, group=7)
    risk.tell(trigger(risk, STOP, SELL, MARK - 100, size=0, group=7))
    risk.tell(trigger(risk, STOP, SELL, MARK - 900, size=0, group=8))
    events = mark(risk, MARK - 100)
    cancel = the(m.CancelRequested, events)
    assert (cancel.ref, cancel.reason) == (resting.ref, Reason.CANCELLED_BY_GROUP)
    assert [one.group for one in waiting(risk).values()] == [8]
    gone = m.OrderCancelled(WHO, 1, resting.ref, 99, COIN, int(Reason.CANCELLED_BY_GROUP))
    assert the(m.OrderUpdated, risk.tell(gone)).status == m.OrderStatus.CANCELLED


def test_the_first_fill_of_an_order_ends_its_group(risk: Driven) -> None:
    first = place(risk, BUY, COIN, MARK, group=7)
    second = place(risk, BUY, COIN, MARK - 100, group=7)
    risk.tell(trigger(risk, STOP, BUY, MARK + 500, group=7))
    events = fill(risk, first, COIN // 2, remaining=COIN // 2)
    assert the(m.CancelRequested, events).ref == second.ref
    assert stands(events) == [(CANCELLED, Reason.CANCELLED_BY_GROUP)]
    assert not only(m.CancelRequested, fill(risk, first, COIN // 2)), "each is asked for once"


def test_a_trigger_that_failed_leaves_its_group_alone(risk: Driven) -> None:
    hold(risk, BUY, COIN)
    risk.tell(trigger(risk, STOP, SELL, MARK - 100, price=MARK - 1_000 * DOLLAR, time_in_force=0, group=7))
    risk.tell(trigger(risk, TAKE_PROFIT, SELL, MARK + 100, size=0, group=7))
    assert stands(mark(risk, MARK - 100)) == [(FAILED, Reason.OUTSIDE_BAND)]
    assert len(waiting(risk)) == 1


def test_an_end_of_the_market_cancels_what_waits(risk: Driven) -> None:
    risk.tell(trigger(risk, STOP, SELL, MARK - 100))
    assert risk.state.waiting == {1: {WHO: None}}
    events = risk.tell(m.MarketDelisted(1, MARK))
    while risk.engine.machine.has_work(risk.state):
        events += risk.tell(m.Continue())
    assert stands(events) == [(CANCELLED, Reason.MARKET_EXPIRED)]
    assert risk.state.waiting == {1: {}}


def test_a_stop_closes_a_position_on_the_book() -> None:
    """All machines: the price falls, the stop becomes an order, the order finds Bob."""
    exchange = trading((ALICE, 1_000), (BOB, 10_000))
    exchange.place(BOB, -1, COIN, MARK)
    exchange.place(ALICE, 1, COIN, MARK)
    header, by_mark, ioc = exchange.commands.header(ALICE), m.TriggerBy.MARK, m.TimeInForce.IOC
    exchange.risk(ALICE, m.PlaceTrigger(header, WHO, 1, STOP, SELL, ioc, by_mark, 7_900 * DOLLAR, 0, 0))
    exchange.place(BOB, 1, 2 * COIN, 7_850 * DOLLAR)
    assert not stands(exchange.observe(7_901))
    events = [event for _ in range(5) for event in exchange.observe(7_880)]
    assert stands(events) == [(TRIGGERED, 0)]
    assert [one.size for one in only(m.FillBooked, events)] == [COIN, COIN]
    assert not exchange.subaccount(ALICE).exposures


def test_triggers_survive_a_snapshot(risk: Driven) -> None:
    risk.tell(trigger(risk, TRAILING, SELL, trail=PERCENT))
    place(risk, BUY, COIN, MARK, exits=[(STOP, m.TriggerBy.MARK, MARK - 100, 0, 0)])
    risk.tell(m.SetProtection(risk.commands.header(ALICE), WHO, 1, 5_000, COIN, 0))
    before = risk.state
    risk.engine.restore(risk.engine.snapshot())
    assert risk.state == before
    assert stands(mark(risk, 7_920 * DOLLAR)) == [(TRIGGERED, 0)]
