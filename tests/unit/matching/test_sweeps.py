"""Books that end: cancelled in slices, the market closed meanwhile, everything else of its stream after the last order."""

import pytest

from services.core import messages as m
from services.core.messages import MarketState
from services.core.reasons import Reason
from services.matching.sweeps import SLICE
from tests.builders import BTC, COIN, Driven, but, only, the
from tests.unit.matching.book_terms import MARK, ONE, TWO, order, queue, replace

HALTED = MarketState.HALTED
ORDERS = 2 * SLICE + 50
DELISTED = m.MarketDelisted(1, MARK)
ENDS = [
    ("a halt", m.MarketStateSet(1, HALTED), Reason.CANCELLED_BY_VENUE, [m.MarketStateChanged(1, HALTED)]),
    (
        "a delisting",
        DELISTED,
        Reason.CANCELLED_BY_VENUE,
        [m.MarketStateChanged(1, MarketState.DELISTED), DELISTED],
    ),
    (
        "an expiry",
        but(DELISTED, is_expiry=True),
        Reason.MARKET_EXPIRED,
        [m.MarketStateChanged(1, MarketState.DELISTED), but(DELISTED, is_expiry=True)],
    ),
]


def crowd(matching: Driven, orders: int = ORDERS) -> None:
    """Rest more orders than two records cancel, and list another market."""
    matching.tell(m.MarketListed(but(BTC, id=2)))
    matching.tell(m.SettlementMarked(2, MARK))
    for number in range(orders):
        matching.tell(order(ONE + 256 * number, 1, price=MARK - 10 * (number % 50)))


def elsewhere() -> m.OrderAdmitted:
    """Order of another market."""
    return but(order(TWO, 1), market=2)


@pytest.mark.parametrize(("end", "reason", "said"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_two_waiting_orders_of_another_market_see_one_slice_between_them(
    matching: Driven, end: m.Message, reason: Reason, said: list[m.Message]
) -> None:
    crowd(matching)
    records = [matching.tell(end), *(matching.tell(elsewhere()) for _ in range(3))]
    cancelled = [only(m.OrderCancelled, events) for events in records]
    assert [len(slice_of) for slice_of in cancelled] == [SLICE, SLICE, 50, 0]
    assert {one.reason for slice_of in cancelled for one in slice_of} == {reason}
    assert [len(only(m.OrderRested, events)) for events in records] == [0, 1, 1, 1]
    assert records[2][-len(said) :] == said
    assert [one for events in records[:2] for one in events if type(one) in map(type, said)] == []
    assert queue(matching, 1) == []


def test_continue_goes_on_when_nothing_else_comes(matching: Driven) -> None:
    crowd(matching)
    matching.tell(DELISTED)
    machine = matching.engine.machine
    rounds = 0
    while machine.has_work(matching.state):
        rounds += 1
        matching.tell(m.Continue())
    assert rounds == 2
    assert matching.engine.said[-1] == DELISTED


def test_a_market_is_closed_while_its_book_is_cancelled(matching: Driven) -> None:
    """Cancels pass; nothing enters, and a narrower grid closes it as a halt does."""
    crowd(matching)
    kept = order(TWO, 1, price=MARK - 500)
    matching.tell(kept)
    matching.tell(m.MarketChanged(but(BTC, tick=500, lot=100)))
    closed = (Reason.MARKET_STATE, MarketState.CANCEL_ONLY)
    entered = [one for one in only(m.OrderCancelled, matching.tell(order(TWO, 1))) if one.subaccount == TWO]
    assert [(one.reason, one.limit) for one in entered] == [closed]
    events = matching.tell(replace(kept, MARK - 1_000, COIN))
    assert (the(m.ReplaceRefused, events).reason, the(m.ReplaceRefused, events).limit) == closed
    assert matching.state.sweeps == {}
    the(m.OrderReplaced, matching.tell(replace(kept, MARK - 1_000, COIN)))
    last = matching.state.trading[1].book.bids.best()
    assert last == MARK
    assert {price % 500 for _, price, _ in queue(matching, 1)} == {0}


def test_a_cancel_passes_a_book_that_is_being_cancelled(matching: Driven) -> None:
    crowd(matching)
    kept = order(TWO, 1, price=MARK - 500)
    matching.tell(kept)
    matching.tell(m.MarketStateSet(1, HALTED))
    events = matching.tell(m.CancelRequested(TWO, 1, kept.ref, 5))
    assert (events[0], len(only(m.OrderCancelled, events))) == (
        m.OrderCancelled(TWO, 1, kept.ref, events[0].order_id, COIN, Reason.CANCELLED_BY_CLIENT, 0, 5),  # type: ignore[attr-defined]
        1 + SLICE,
    )


def test_what_the_stream_says_meanwhile_waits_for_the_last_order(matching: Driven) -> None:
    crowd(matching, 4 * SLICE)
    matching.tell(m.MarketStateSet(1, HALTED))
    changed = m.MarketChanged(but(BTC, maker_fee=0))
    said = [matching.tell(one) for one in (changed, m.MarketStateSet(1, MarketState.OPEN), DELISTED, elsewhere())]
    silent = (m.OrderCancelled, m.BookChanged, m.OrderRested)
    assert [one for events in said for one in events if not isinstance(one, silent)] == [
        m.MarketStateChanged(1, HALTED),
        changed,
        m.MarketStateChanged(1, MarketState.OPEN),
        m.MarketStateChanged(1, MarketState.DELISTED),
        DELISTED,
    ]


def test_a_change_that_allows_every_order_closes_nothing(matching: Driven) -> None:
    crowd(matching)
    changed = m.MarketChanged(but(BTC, maker_fee=0))
    assert matching.tell(changed) == [changed]
    assert matching.state.sweeps == {}


def test_a_sweep_goes_on_from_a_snapshot(matching: Driven) -> None:
    crowd(matching)
    matching.tell(DELISTED)
    matching.tell(m.MarketStateSet(1, HALTED))
    other = Driven("matching")
    other.engine.restore(matching.engine.snapshot())
    other.now_ms, other.peers, other.inbox = matching.now_ms, dict(matching.peers), list(matching.inbox)
    asked = elsewhere()
    assert matching.tell(asked) == other.tell(asked)
    assert {one.reason for one in only(m.OrderCancelled, matching.engine.said)} == {Reason.CANCELLED_BY_VENUE}
    assert matching.engine.snapshot() == other.engine.snapshot()
