"""TWAPs at risk: the door, equal slices, what is caught up, how they end."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.reasons import Reason
from services.risk.twap import DURATION_MAX_MS, DURATION_MIN_MS, INTERVAL_MAX_MS, INTERVAL_MIN_MS, TOLERANCE_MIN
from tests.builders import ALICE, BTC, COIN, DOLLAR, USDC_UNIT, Driven, but, only, reason_of, the
from tests.unit.risk.waiting import (
    BUY,
    CANCELLED,
    FAILED,
    MARK,
    PERCENT,
    SELL,
    TRIGGERED,
    WHO,
    WORKING,
    fill,
    mark,
    place,
    stands,
    trigger,
    waiting,
)

MINUTE = 60_000
SHARE = COIN // 10
STALE = 365 * 86_400_000


@pytest.fixture
def risk(risk: Driven) -> Driven:
    """Risk with a market whose mark stays fresh."""
    risk.tell(m.MarketChanged(but(BTC, price_stale_ms=STALE)))
    return risk


def twap(risk: Driven, **terms: Any) -> m.PlaceTwap:
    """Build a TWAP of Alice: a coin in ten minutes, one percent from the mark at most."""
    fields = {
        "market": 1,
        "side": BUY,
        "size": COIN,
        "duration_ms": 10 * MINUTE,
        "interval_ms": MINUTE,
        "tolerance": PERCENT,
    } | terms
    return m.PlaceTwap(risk.commands.header(ALICE), WHO, **fields)


def slices(events: list[m.Message]) -> list[int]:
    """Sizes of the orders sent."""
    return [order.size for order in only(m.OrderAdmitted, events)]


def end(risk: Driven, order: m.OrderAdmitted, remaining: int) -> list[m.Message]:
    """Let matching end the rest of a slice."""
    return risk.tell(m.OrderCancelled(WHO, 1, order.ref, 7, remaining, int(Reason.IMMEDIATE_OR_CANCEL)))


DOOR: list[tuple[str, Reason, int, dict[str, Any]]] = [
    ("no market", Reason.UNKNOWN_MARKET, 0, {"market": 9}),
    ("no size", Reason.INVALID_SIZE, 2 * BTC.position_max, {"size": 0}),
    ("off the lot", Reason.INVALID_SIZE, 2 * BTC.position_max, {"size": COIN + 5}),
    ("no side", Reason.INVALID_ORDER, 0, {"side": 0}),
    ("a name in use", Reason.DUPLICATE_CLIENT_ID, 0, {"client_id": 4}),
    ("too short", Reason.INVALID_DURATION, DURATION_MIN_MS, {"duration_ms": MINUTE}),
    ("too long", Reason.INVALID_DURATION, DURATION_MAX_MS, {"duration_ms": 2 * DURATION_MAX_MS}),
    ("too often", Reason.INVALID_INTERVAL, INTERVAL_MIN_MS, {"interval_ms": 1_000}),
    ("too rarely", Reason.INVALID_INTERVAL, INTERVAL_MAX_MS, {"interval_ms": 2 * INTERVAL_MAX_MS}),
    ("no multiple", Reason.INVALID_DURATION, 10 * MINUTE, {"duration_ms": 10 * MINUTE + 1}),
    ("slices below the lot", Reason.INVALID_SLICES, 100, {"size": 90}),
    ("slices too large", Reason.INVALID_SLICES, 10 * BTC.order_size_max, {"size": 10 * BTC.order_size_max + 10}),
    ("no tolerance", Reason.INVALID_TOLERANCE, TOLERANCE_MIN, {"tolerance": 0}),
    ("beyond the band", Reason.INVALID_TOLERANCE, BTC.band, {"tolerance": BTC.band + 1}),
]


@pytest.mark.parametrize(("reason", "limit", "terms"), [row[1:] for row in DOOR], ids=[row[0] for row in DOOR])
def test_what_cannot_be_sliced_is_refused_with_what_would_be_accepted(
    risk: Driven, reason: Reason, limit: int, terms: dict[str, Any]
) -> None:
    risk.tell(trigger(risk, m.TriggerKind.STOP, SELL, MARK - 500, client_id=4))
    result = the(m.CommandResolved, risk.tell(twap(risk, **terms)))
    assert (Reason(result.reason), result.limit) == (reason, limit)
    assert len(waiting(risk)) == 1


def test_slices_are_worth_the_smallest_notional(risk: Driven) -> None:
    risk.tell(m.MarketChanged(but(BTC, notional_min=100 * USDC_UNIT)))
    result = the(m.CommandResolved, risk.tell(twap(risk, size=10_000)))
    assert (result.reason, result.limit) == (Reason.INVALID_SLICES, 10 * 1_250)
    assert reason_of(risk.tell(twap(risk, size=result.limit))) is Reason.NONE


def test_equal_slices_fill_the_whole(risk: Driven) -> None:
    command = twap(risk, side=SELL, client_id=3)
    events = risk.tell(command)
    assert the(m.CommandResolved, events).outcome == m.Outcome.DONE
    for number in range(10):
        order = the(m.OrderAdmitted, events)
        assert (order.size, order.price, order.time_in_force) == (SHARE, 7_920 * DOLLAR, m.TimeInForce.IOC)
        assert (order.kind, order.is_market) == (m.OrderKind.TRIGGERED, True)
        told = the(m.TriggerUpdated, events)
        assert (told.status, told.remaining, told.client_id) == (WORKING, COIN - number * SHARE, 3)
        filled = fill(risk, order, SHARE)
        assert the(m.OrderUpdated, filled).command_id == command.header.command_id
        assert stands(filled) == [(TRIGGERED if number == 9 else WORKING, 0)]
        assert the(m.TriggerUpdated, filled).remaining == COIN - (number + 1) * SHARE
        events = risk.wait(MINUTE)
    assert not stands(events)
    assert not waiting(risk)


def test_a_size_that_does_not_divide_is_whole_in_the_end(risk: Driven) -> None:
    """370 units in lots of 10 and ten slices: each brings the sum to its part, rounded down."""
    events, sizes = risk.tell(twap(risk, size=370)), []
    for _ in range(10):
        for order in only(m.OrderAdmitted, events):
            sizes.append(order.size)
            fill(risk, order, order.size)
        events = risk.wait(MINUTE)
    assert sizes == [30, 40, 40, 30, 40, 40, 30, 40, 40, 40]


def test_what_did_not_trade_is_caught_up_by_three_shares_at_most(risk: Driven) -> None:
    events = risk.tell(twap(risk))
    for _ in range(5):
        end(risk, the(m.OrderAdmitted, events), SHARE)
        assert slices(events)[0] <= 3 * SHARE
        events = risk.wait(MINUTE)
    assert slices(events) == [3 * SHARE]
    fill(risk, the(m.OrderAdmitted, events), 3 * SHARE)
    assert slices(risk.wait(MINUTE)) == [3 * SHARE]


def test_a_slice_is_bounded_by_the_band_of_its_moment_and_touches_its_owner(risk: Driven) -> None:
    first = the(m.OrderAdmitted, risk.tell(twap(risk)))
    assert first.price == 8_080 * DOLLAR
    fill(risk, first, SHARE)
    risk.tell(m.MarketChanged(but(BTC, price_stale_ms=STALE, band=PERCENT // 2)))
    for _ in range(4):
        mark(risk, MARK)
    assert WHO not in risk.state.touched
    assert the(m.OrderAdmitted, risk.wait(MINUTE)).price == 8_040 * DOLLAR
    assert WHO in risk.state.touched


def test_slices_that_fell_due_together_are_one(risk: Driven) -> None:
    fill(risk, the(m.OrderAdmitted, risk.tell(twap(risk))), SHARE)
    assert slices(risk.wait(2 * MINUTE + 10)) == [2 * SHARE]
    assert not slices(risk.wait(MINUTE - 20))


def test_a_slice_without_an_answer_is_waited_for(risk: Driven) -> None:
    order = the(m.OrderAdmitted, risk.tell(twap(risk)))
    events = risk.wait(MINUTE)
    assert (slices(events), stands(events)) == ([], [(WORKING, 0)])
    fill(risk, order, SHARE)
    assert slices(risk.wait(MINUTE)) == [2 * SHARE]


def test_a_slice_that_is_refused_says_why_and_the_rest_goes_on(risk: Driven) -> None:
    fill(risk, the(m.OrderAdmitted, risk.tell(twap(risk))), SHARE)
    risk.tell(m.MarketStateChanged(1, m.MarketState.POST_ONLY))
    events = risk.wait(MINUTE)
    assert (slices(events), stands(events)) == ([], [(WORKING, Reason.MARKET_STATE)])
    risk.tell(m.MarketStateChanged(1, m.MarketState.OPEN))
    assert slices(risk.wait(MINUTE)) == [2 * SHARE]


def test_a_rest_at_the_end_has_failed(risk: Driven) -> None:
    end(risk, the(m.OrderAdmitted, risk.tell(twap(risk))), SHARE)
    risk.tell(m.MarketStateChanged(1, m.MarketState.CANCEL_ONLY))
    told = the(m.TriggerUpdated, risk.wait(10 * MINUTE))
    assert (told.status, told.reason, told.remaining) == (FAILED, Reason.EXPIRED, COIN)
    assert (waiting(risk), risk.state.timers.heap) == ({}, [])


def test_a_cancel_ends_it_and_its_slice_goes_on_alone(risk: Driven) -> None:
    order = the(m.OrderAdmitted, risk.tell(twap(risk, client_id=5)))
    cancel = m.CancelTrigger(risk.commands.header(ALICE), WHO, 1, client_id=5)
    assert stands(risk.tell(cancel)) == [(CANCELLED, Reason.CANCELLED_BY_CLIENT)]
    assert not stands(fill(risk, order, SHARE))
    assert not slices(risk.wait(MINUTE))


def test_the_end_of_the_market_ends_it(risk: Driven) -> None:
    end(risk, the(m.OrderAdmitted, risk.tell(twap(risk))), SHARE)
    risk.tell(m.MarketStateChanged(1, m.MarketState.DELISTED))
    assert stands(risk.wait(MINUTE)) == [(CANCELLED, Reason.MARKET_EXPIRED)]


def test_many_share_a_few_timers_with_the_schedule(risk: Driven) -> None:
    """Placed and cancelled again and again they leave no heap of timers behind; the schedule is kept."""
    place(risk, BUY, 100, MARK - 100)
    for number in range(200):
        interval = 3_600_000 - number * 1_000
        events = risk.tell(twap(risk, size=COIN // 50, duration_ms=5 * interval, interval_ms=interval))
        end(risk, the(m.OrderAdmitted, events), COIN // 250)
        trigger_id = the(m.TriggerUpdated, events).trigger_id
        risk.tell(m.CancelTrigger(risk.commands.header(ALICE), WHO, 1, trigger_id))
    assert len(risk.state.timers.heap) <= 16
    fill(risk, the(m.OrderAdmitted, risk.tell(twap(risk, duration_ms=100 * MINUTE))), SHARE // 10)
    assert slices(risk.wait(3_600_000)) == [3 * SHARE // 10], "late by alarms of before, not lost"
    assert slices(risk.wait(MINUTE)) == []
