"""Everything that cancels, at risk: all at once, at a time, when a session ends, when margin gets thin; and the rate of commands."""

import pytest

from services.core import messages as m
from services.core.reasons import Reason
from services.risk.rate import BURST_MS, CANCELS_PER_S, ORDERS_PER_S
from tests.builders import ALICE, BTC, COIN, DOLLAR, USDC_UNIT, Driven, but, only, reason_of, the

MARK = 8_000 * DOLLAR
USD = USDC_UNIT
WHO = ALICE.subaccount


def place(risk: Driven, side: int = 1, size: int = COIN, price: int = MARK, market: int = 1) -> m.OrderAdmitted:
    """Place an order that is admitted."""
    return the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, side, size, price, market=market)))


def second_market(risk: Driven) -> None:
    """Open another market."""
    risk.tell(m.MarketListed(but(BTC, id=2, symbol="ETH_USDC_PERP")))
    risk.tell(m.SettlementMarked(2, MARK))


def test_cancel_all_is_done_when_every_market_has_answered(risk: Driven) -> None:
    second_market(risk)
    place(risk, size=100)
    place(risk, size=100, market=2)
    command = risk.commands.cancel_all(ALICE)
    asked = only(m.CancelAllRequested, risk.tell(command))
    assert [(one.market, one.reason) for one in asked] == [
        (1, Reason.CANCELLED_BY_CLIENT),
        (2, Reason.CANCELLED_BY_CLIENT),
    ]
    assert not only(m.CommandResolved, risk.tell(m.AllCancelled(WHO, 1, command.header.command_id)))
    events = risk.tell(m.AllCancelled(WHO, 2, command.header.command_id))
    assert the(m.CommandResolved, events).outcome == m.Outcome.DONE


def test_cancel_all_without_orders_is_done_at_once(risk: Driven) -> None:
    assert the(m.CommandResolved, risk.tell(risk.commands.cancel_all(ALICE, 1))).outcome == m.Outcome.DONE
    assert reason_of(risk.tell(risk.commands.cancel_all(ALICE, 3))) is Reason.UNKNOWN_MARKET


def test_the_answer_to_a_client_does_not_go_on_with_a_liquidation(risk: Driven) -> None:
    """The client's cancel-all is answered first; an order that came between the two requests is still open then."""
    place(risk, size=COIN)
    risk.tell(m.OrderFilled(WHO, 1, 1, 11, 1, MARK, COIN, -8_000 * USD, is_maker=False, remaining=0))
    place(risk, side=-1, size=COIN // 2)
    command = risk.commands.cancel_all(ALICE)
    risk.tell(command)
    for _ in range(3):
        risk.tell(m.MarksUpdated([(1, MARK, MARK)]))
    started = risk.tell(m.MarksUpdated([(1, 7_100 * DOLLAR, MARK)]))
    assert the(m.CancelAllRequested, started).reason == Reason.CANCELLED_BY_LIQUIDATION
    assert not only(m.OrderAdmitted, risk.tell(m.AllCancelled(WHO, 1, command.header.command_id)))
    assert the(m.OrderAdmitted, risk.tell(m.AllCancelled(WHO, 1))).kind == m.OrderKind.LIQUIDATION


def test_a_schedule_cancels_at_its_time_and_only_then(risk: Driven) -> None:
    place(risk, size=100)
    for at_ms in (risk.now_ms + 999, risk.now_ms + 86_400_001):
        assert reason_of(risk.tell(risk.commands.schedule(ALICE, at_ms))) is Reason.INVALID_EXPIRY
    first, second = risk.now_ms + 5_000, risk.now_ms + 9_000
    risk.tell(risk.commands.schedule(ALICE, first))
    risk.tell(risk.commands.schedule(ALICE, second))
    assert risk.wait(5_000) == []
    assert the(m.CancelAllRequested, risk.wait(4_000)).reason == Reason.CANCELLED_BY_SCHEDULE
    risk.tell(risk.commands.schedule(ALICE, risk.now_ms + 1_000))
    risk.tell(risk.commands.schedule(ALICE, 0))
    assert risk.wait(10_000) == []


def test_schedules_that_are_put_off_need_one_timer_and_those_put_forward_a_few(risk: Driven) -> None:
    """A client that puts its schedule off each second never fills the memory."""
    place(risk, size=100)
    for _ in range(100):
        risk.tell(risk.commands.schedule(ALICE, risk.now_ms + 10_000))
        assert risk.wait(1_000) == []
    assert len(risk.state.timers.heap) == 1
    last = risk.now_ms + 9_000
    assert the(m.CancelAllRequested, risk.wait(last - risk.now_ms)).reason == Reason.CANCELLED_BY_SCHEDULE
    refused = [risk.tell(risk.commands.schedule(ALICE, risk.now_ms + 80_000 - 1_000 * n)) for n in range(20)]
    assert [reason_of(events) for events in refused] == [Reason.NONE] * 16 + [Reason.INVALID_EXPIRY] * 4
    assert risk.wait(80_000 - 15_000)
    assert risk.wait(20_000) == []
    assert not risk.state.timers.heap


def test_a_lease_that_is_not_renewed_cancels(risk: Driven) -> None:
    place(risk, size=100)
    risk.tell(m.LeaseRenewed(ALICE.account, 5, risk.now_ms + 3_000))
    risk.now_ms += 2_000
    risk.tell(m.LeaseRenewed(ALICE.account, 5, risk.now_ms + 3_000))
    assert risk.wait(1_000) == []
    assert the(m.CancelAllRequested, risk.wait(2_000)).reason == Reason.CANCELLED_BY_DISCONNECT
    assert not risk.state.accounts[ALICE.account].leases


@pytest.mark.parametrize(("expires_ms", "cancels"), [(1, 1), (0, 0)], ids=["ended", "given up"])
def test_a_session_that_ends_cancels_and_one_that_is_given_up_does_not(
    risk: Driven, expires_ms: int, cancels: int
) -> None:
    place(risk, size=100)
    risk.tell(m.LeaseRenewed(ALICE.account, 5, risk.now_ms + 3_000))
    events = risk.tell(m.LeaseRenewed(ALICE.account, 5, expires_ms))
    assert len(only(m.CancelAllRequested, events)) == cancels
    assert risk.wait(60_000) == []


def test_orders_that_margin_would_not_bear_are_cancelled_before_anybody_is_liquidated(risk: Driven) -> None:
    """1,000 USDC, long 1 BTC, another bid for 1 BTC: at 7,400 the position alone is safe, with the bid's fill it would not be."""
    place(risk)
    risk.tell(m.OrderFilled(WHO, 1, 1, 11, 1, MARK, COIN, -8_000 * USD, is_maker=False, remaining=0))
    bid = place(risk, price=MARK - 10_000)
    reducing = place(risk, side=-1, size=COIN // 2, price=MARK)
    risk.tell(m.OrderRested(WHO, 1, bid.ref, 12, COIN))
    risk.tell(m.OrderRested(WHO, 1, reducing.ref, 13, COIN // 2))
    for _ in range(3):
        assert not only(m.CancelRequested, risk.tell(m.MarksUpdated([(1, MARK, MARK)])))
    events = risk.tell(m.MarksUpdated([(1, 7_400 * DOLLAR, MARK)]))
    called, cancel = the(m.MarginCalled, events), the(m.CancelRequested, events)
    assert called.equity > called.maintenance_margin
    assert (cancel.ref, cancel.reason) == (bid.ref, Reason.CANCELLED_BY_MARGIN)
    assert risk.tell(m.MarksUpdated([(1, 7_400 * DOLLAR, MARK)])) == []
    cancelled = m.OrderCancelled(WHO, 1, bid.ref, 12, COIN, int(Reason.CANCELLED_BY_MARGIN))
    assert the(m.OrderUpdated, risk.tell(cancelled)).status == m.OrderStatus.CANCELLED


def test_the_buckets_of_orders_and_cancels_are_apart_and_refill(risk: Driven) -> None:
    account = risk.state.accounts[ALICE.account]
    account.orders_bucket.used, account.orders_bucket.at_ms = ORDERS_PER_S * BURST_MS, risk.now_ms
    wrong = risk.commands.place(ALICE, 1, 5, MARK)
    refused = the(m.CommandResolved, risk.tell(wrong))
    assert (refused.reason, refused.limit) == (Reason.TOO_MANY_REQUESTS, ORDERS_PER_S)
    assert not risk.state.commands.seen(wrong.header)
    assert reason_of(risk.tell(risk.commands.cancel(ALICE, 1))) is Reason.ORDER_NOT_OPEN
    risk.now_ms += 1
    assert reason_of(risk.tell(but(wrong, header=but(wrong.header, command_id=999)))) is Reason.INVALID_SIZE
    account.cancels_bucket.used, account.cancels_bucket.at_ms = CANCELS_PER_S * BURST_MS, risk.now_ms
    assert reason_of(risk.tell(risk.commands.cancel(ALICE, 1))) is Reason.TOO_MANY_REQUESTS


def stop(risk: Driven) -> None:
    """Let a stop wait."""
    ioc, by_mark = m.TimeInForce.IOC, m.TriggerBy.MARK
    header = risk.commands.header(ALICE)
    risk.tell(m.PlaceTrigger(header, WHO, 1, m.TriggerKind.STOP, -1, ioc, by_mark, MARK - 100, 0, 100))


WHAT = [("orders", m.Cancels.ORDERS, 1, 0), ("triggers", m.Cancels.TRIGGERS, 0, 1), ("both", m.CANCELS_ALL, 1, 1)]


@pytest.mark.parametrize(("what", "orders", "triggers"), [row[1:] for row in WHAT], ids=[row[0] for row in WHAT])
def test_cancel_all_takes_what_is_asked_for(risk: Driven, what: int, orders: int, triggers: int) -> None:
    place(risk, size=100)
    stop(risk)
    command = but(risk.commands.cancel_all(ALICE), what=what)
    events = risk.tell(command)
    assert (len(only(m.CancelAllRequested, events)), len(only(m.TriggerUpdated, events))) == (orders, triggers)
    if orders:
        events = risk.tell(m.AllCancelled(WHO, 1, command.header.command_id))
    assert the(m.CommandResolved, events).outcome == m.Outcome.DONE


@pytest.mark.parametrize("what", [0, 4, -1])
def test_cancel_all_of_nothing_is_refused(risk: Driven, what: int) -> None:
    result = the(m.CommandResolved, risk.tell(but(risk.commands.cancel_all(ALICE), what=what)))
    assert (result.reason, result.limit) == (Reason.INVALID_ORDER, m.CANCELS_ALL)


def test_a_session_or_a_schedule_that_ends_takes_what_waits_too(risk: Driven) -> None:
    stop(risk)
    risk.tell(m.LeaseRenewed(ALICE.account, 5, risk.now_ms + 3_000))
    told = the(m.TriggerUpdated, risk.wait(3_000))
    assert (told.status, told.reason) == (m.TriggerStatus.CANCELLED, Reason.CANCELLED_BY_DISCONNECT)
    stop(risk)
    risk.tell(risk.commands.schedule(ALICE, risk.now_ms + 1_000))
    assert the(m.TriggerUpdated, risk.wait(1_000)).reason == Reason.CANCELLED_BY_SCHEDULE
