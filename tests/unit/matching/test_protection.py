"""Market-maker protection in messages: what counts, what is spared in the walk that trips it, what is refused, how it ends (F-3.12)."""

import pytest

from services.core import messages as m
from services.core.messages import MarketState
from services.core.reasons import Reason
from tests.builders import COIN, PERCENT, Driven, only, the
from tests.unit.matching.book_terms import FIRST, FOK, IOC, MARK, ONE, THREE, TWO, change, order, queue, why

INTERVAL_MS = 5_000


def protect(
    matching: Driven, interval_ms: int = INTERVAL_MS, quantity: int = 2 * COIN, delta: int = 0, frozen_ms: int = 1_000
) -> None:
    """Protect the quotes of ONE."""
    assert matching.tell(m.ProtectionSet(ONE, 1, interval_ms, quantity, delta, frozen_ms)) == []


def quote(matching: Driven, *rows: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Place new quotes of ONE, (ref, side, price), one coin each; what is answered: reason and limit."""
    asked = m.QuotesAdmitted(ONE, 1, 5, [(ref, side, price, COIN, True, True) for ref, side, price in rows])
    answered = the(m.QuotesAnswered, matching.tell(asked))
    return [answer[4:] for answer in answered.quotes]


def ladder(matching: Driven) -> None:
    """Three asks, one behind the other, and a bid."""
    quote(matching, (1, -1, MARK), (2, -1, MARK + 10), (3, -1, MARK + 20), (4, 1, MARK - 30))


def test_the_order_that_trips_it_meets_no_quote_any_more(matching: Driven) -> None:
    """Two coins are the limit: the third ask is spared, others behind it are met, and every quote is gone before the trip is said."""
    protect(matching)
    ladder(matching)
    kept = order(ONE, -1, price=MARK + 40)
    matching.tell(kept)
    matching.tell(order(TWO, -1, price=MARK + 30))
    events = matching.tell(order(THREE, 1, 4 * COIN, MARK + 30))
    assert [one.price for one in only(m.TradeExecuted, events)] == [MARK, MARK + 10, MARK + 30]
    gone = only(m.OrderCancelled, events)
    assert [(one.ref, one.reason) for one in gone] == [
        (3, Reason.CANCELLED_BY_PROTECTION),
        (4, Reason.CANCELLED_BY_PROTECTION),
    ]
    tripped = the(m.ProtectionTripped, events)
    assert tripped == m.ProtectionTripped(ONE, 1, 2 * COIN, -2 * COIN, matching.now_ms + 1_000)
    assert events.index(tripped) > events.index(gone[-1])
    assert queue(matching, -1) == [(5, MARK + 40, COIN)]
    assert queue(matching, 1) == [(7, MARK + 30, COIN)]


def test_a_fill_or_kill_does_not_count_what_would_be_spared(matching: Driven) -> None:
    protect(matching)
    ladder(matching)
    assert why(matching.tell(order(THREE, 1, 3 * COIN, MARK + 20, FOK))) == (Reason.FILL_OR_KILL, 0)
    assert len(queue(matching, -1)) == 3
    killed = matching.tell(order(THREE, 1, 2 * COIN, MARK + 20, FOK))
    the(m.ProtectionTripped, killed)


@pytest.mark.parametrize(("second_ms", "trips"), [(4_900, True), (5_000, False)], ids=["same window", "a new window"])
def test_a_window_begins_with_the_first_fill(matching: Driven, second_ms: int, *, trips: bool) -> None:
    """TV-3.15; what orders trade that are no quotes counts for nothing."""
    matching.now_ms += 123
    protect(matching)
    ladder(matching)
    matching.tell(order(ONE, -1, 50 * COIN, MARK - 10))
    matching.tell(order(THREE, 1, 50 * COIN, MARK - 10))
    matching.tell(order(THREE, 1, price=MARK))
    matching.now_ms += second_ms
    assert len(only(m.ProtectionTripped, matching.tell(order(THREE, 1, price=MARK + 10)))) == trips


def test_delta_is_what_buys_and_sells_leave(matching: Driven) -> None:
    protect(matching, quantity=0, delta=2 * COIN)
    ladder(matching)
    for side, price in ((1, MARK), (-1, MARK - 30), (1, MARK + 10)):
        assert only(m.ProtectionTripped, matching.tell(order(THREE, side, price=price))) == []
    assert the(m.ProtectionTripped, matching.tell(order(THREE, 1, price=MARK + 20))).quantity == 4 * COIN


def test_quotes_are_taken_again_after_a_while_or_when_it_is_set_anew(matching: Driven) -> None:
    protect(matching, quantity=COIN)
    ladder(matching)
    matching.tell(order(THREE, 1))
    until_ms = matching.now_ms + 1_000
    assert quote(matching, (5, -1, MARK), (6, 1, MARK - 10)) == [(Reason.PROTECTION_TRIPPED, until_ms)] * 2
    the(m.OrderRested, matching.tell(order(ONE, -1, price=MARK + 50)))
    matching.now_ms += 999
    assert quote(matching, (7, -1, MARK)) == [(Reason.PROTECTION_TRIPPED, until_ms)]
    matching.now_ms += 1
    assert quote(matching, (8, -1, MARK)) == [(0, 0)]
    protect(matching, quantity=COIN, frozen_ms=0)
    assert the(m.ProtectionTripped, matching.tell(order(THREE, 1))).until_ms == 0
    matching.now_ms += 10**9
    matching.tell(m.MarksUpdated([(1, MARK, MARK)]))
    assert quote(matching, (9, -1, MARK)) == [(Reason.PROTECTION_TRIPPED, 0)]
    protect(matching, quantity=COIN)
    assert quote(matching, (10, -1, MARK)) == [(0, 0)]
    protect(matching, interval_ms=0)
    assert only(m.ProtectionTripped, matching.tell(order(THREE, 1))) == []


def test_after_a_trip_counting_begins_anew(matching: Driven) -> None:
    protect(matching, frozen_ms=1)
    ladder(matching)
    matching.tell(order(THREE, 1, 2 * COIN, MARK + 10))
    matching.now_ms += 1
    quote(matching, (5, -1, MARK), (6, -1, MARK))
    assert only(m.ProtectionTripped, matching.tell(order(THREE, 1))) == []
    the(m.ProtectionTripped, matching.tell(order(THREE, 1)))


def test_an_auction_counts_all_at_once(matching: Driven) -> None:
    protect(matching, quantity=COIN)
    matching.tell(m.MarketStateSet(1, MarketState.AUCTION, matching.now_ms + 1_000))
    ladder(matching)
    matching.tell(order(THREE, 1, 2 * COIN, MARK + 10))
    events = matching.wait(1_000)
    assert sum(one.size for one in only(m.TradeExecuted, events)) == 2 * COIN
    assert the(m.ProtectionTripped, events).quantity == 2 * COIN
    assert queue(matching, -1) == queue(matching, 1) == []
    assert FIRST + 3 in [one.order_id for one in only(m.OrderCancelled, events)]


def test_a_spared_quote_past_a_price_limit_stops_nobody(matching: Driven) -> None:
    """The limit of 1 % lies between the quotes; without the spared one nothing trades past it."""
    change(matching, limit_steps=(PERCENT, 2 * PERCENT), limit_pause_ms=1_000)
    protect(matching, quantity=COIN)
    quote(matching, (1, -1, MARK), (2, -1, MARK + 9_000))
    events = matching.tell(order(THREE, 1, 2 * COIN, MARK + 9_000, IOC))
    assert why([one for one in events if getattr(one, "subaccount", 0) == THREE]) == (Reason.IMMEDIATE_OR_CANCEL, 0)
    assert only(m.MarketStateChanged, events) == []
