"""Price limits in messages: refused past the outermost, an auction when a trade or the best price would pass an inner step (F-1.6)."""

from services.core import messages as m
from services.core.messages import MarketState, SelfTrade
from services.core.reasons import Reason
from tests.builders import COIN, PERCENT, Driven, only, the
from tests.unit.matching.book_terms import (
    FIRST,
    FOK,
    IOC,
    MARK,
    ONE,
    POST_ONLY,
    THREE,
    TWO,
    change,
    order,
    queue,
    replace,
    why,
)

OPEN, AUCTION = MarketState.OPEN, MarketState.AUCTION
PAUSE_MS = 120_000
SEVEN, THIRTEEN, TWENTY = 856_000, 904_000, 960_000


def limited(matching: Driven) -> None:
    """Limits of 7, 13 and 20 %, in a band that is too wide to matter."""
    steps = (7 * PERCENT, 13 * PERCENT, 20 * PERCENT)
    change(matching, limit_steps=steps, limit_pause_ms=PAUSE_MS, band=40 * PERCENT)


def states(events: list[m.Message]) -> list[int]:
    return [one.state for one in only(m.MarketStateChanged, events)]


def end_pause(matching: Driven) -> list[m.Message]:
    """Let the auction end, with a mark of then."""
    matching.now_ms += PAUSE_MS
    return matching.tell(m.MarksUpdated([(1, MARK, MARK)]))


def test_orders_past_the_outermost_step_are_refused_with_the_nearest_price(matching: Driven) -> None:
    limited(matching)
    assert why(matching.tell(order(ONE, 1, price=TWENTY + 10))) == (Reason.PRICE_LIMIT, TWENTY)
    assert why(matching.tell(order(ONE, -1, price=639_990))) == (Reason.PRICE_LIMIT, 640_000)
    the(m.OrderRested, matching.tell(order(ONE, -1, price=TWENTY + 10)))
    assert matching.state.trading[1].state == OPEN


def test_a_trade_past_an_inner_step_waits_for_an_auction_and_the_next_step(matching: Driven) -> None:
    limited(matching)
    for price in (SEVEN, SEVEN + 10):
        matching.tell(order(ONE, -1, price=price))
    events = matching.tell(order(TWO, 1, 3 * COIN, SEVEN + 50))
    assert [one.price for one in only(m.TradeExecuted, events)] == [SEVEN]
    assert the(m.OrderRested, events).remaining == 2 * COIN
    assert states(events) == [AUCTION]
    opened = end_pause(matching)
    assert the(m.TradeExecuted, opened).price == SEVEN + 10
    assert states(opened) == [OPEN]
    matching.tell(order(ONE, -1, price=THIRTEEN + 10))
    again = matching.tell(order(TWO, 1, price=THIRTEEN + 10))
    assert (states(again), only(m.TradeExecuted, again)) == ([AUCTION], [])
    end_pause(matching)
    free = matching.tell(order(TWO, 1, price=TWENTY))
    assert states(free) == []


def test_what_does_not_rest_stops_at_the_step_and_brings_the_auction_about(matching: Driven) -> None:
    limited(matching)
    matching.tell(order(ONE, -1, price=SEVEN + 10))
    killed = matching.tell(order(TWO, 1, price=SEVEN + 10, tif=FOK))
    assert (why(killed), states(killed)) == ((Reason.PRICE_LIMIT, SEVEN), [])
    events = matching.tell(order(TWO, 1, price=SEVEN + 10, tif=IOC))
    assert (why(events), states(events)) == ((Reason.PRICE_LIMIT, SEVEN), [AUCTION])


def test_the_best_price_past_an_inner_step_brings_the_auction_about(matching: Driven) -> None:
    limited(matching)
    assert states(matching.tell(order(ONE, 1, price=SEVEN, tif=POST_ONLY))) == []
    assert states(matching.tell(order(ONE, -1, price=SEVEN + 20, tif=POST_ONLY))) == []
    events = matching.tell(m.QuotesAdmitted(TWO, 1, 5, [(1, 1, SEVEN + 10, COIN, True, True)]))
    assert states(events) == [AUCTION]
    assert isinstance(events[-1], m.QuotesAnswered)
    assert states(end_pause(matching)) == [OPEN]


def test_a_replace_past_an_inner_step_too(matching: Driven) -> None:
    limited(matching)
    placed = order(ONE, 1)
    matching.tell(placed)
    matching.tell(order(TWO, -1, price=SEVEN + 10))
    events = matching.tell(replace(placed, SEVEN + 10, COIN))
    assert (states(events), only(m.TradeExecuted, events)) == ([AUCTION], [])
    assert queue(matching, 1) == [(1, SEVEN + 10, COIN)]


def test_nothing_waits_for_the_auction_to_cross_its_own_account(matching: Driven) -> None:
    limited(matching)
    matching.tell(order(ONE, -1, price=SEVEN + 10))
    events = matching.tell(order(ONE + 1, 1, price=SEVEN + 10))
    assert (why(events), states(events)) == ((Reason.SELF_TRADE, 0), [AUCTION])


def test_its_own_order_that_it_cancels_on_the_way_does_not_keep_a_replace_out(matching: Driven) -> None:
    limited(matching)
    placed = order(ONE, 1, self_trade=SelfTrade.CANCEL_MAKER)
    matching.tell(placed)
    matching.tell(order(ONE, -1, price=MARK + 10))
    events = matching.tell(replace(placed, SEVEN + 10, COIN))
    assert (why(events), states(events)) == ((Reason.SELF_TRADE, 0), [AUCTION])
    assert queue(matching, 1) == [(1, SEVEN + 10, COIN)]


def test_an_auction_goes_on_while_its_price_would_pass_the_next_step(matching: Driven) -> None:
    limited(matching)
    matching.tell(order(ONE, -1, price=THIRTEEN + 10))
    matching.tell(order(TWO, 1, price=THIRTEEN + 10))
    still = end_pause(matching)
    assert (states(still), only(m.TradeExecuted, still)) == ([], [])
    opened = end_pause(matching)
    assert (states(opened), the(m.TradeExecuted, opened).price) == ([OPEN], THIRTEEN + 10)


def test_a_settlement_moves_the_limits_and_brings_back_the_first_step(matching: Driven) -> None:
    limited(matching)
    matching.tell(order(ONE, 1, price=SEVEN + 10))
    end_pause(matching)
    assert matching.state.trading[1].steps_passed == 1
    settled = m.MarketSettled(1, 1, SEVEN, matching.now_ms)
    assert matching.tell(settled) == [settled]
    assert matching.state.trading[1].steps_passed == 0
    assert why(matching.tell(order(THREE, -1, price=684_790))) == (Reason.PRICE_LIMIT, 684_800)
    passed = m.MarketSettled(1, 2, MARK - 10_000, matching.now_ms)
    assert matching.tell(passed) == [passed, m.MarketStateChanged(1, AUCTION)]


def test_orders_beyond_a_new_outermost_step_are_cancelled_instead_of_traded(matching: Driven) -> None:
    limited(matching)
    matching.tell(order(ONE, 1, price=SEVEN - 10))
    matching.tell(m.MarketSettled(1, 1, 700_000, matching.now_ms))
    matching.tell(order(TWO, -1, price=700_000))
    events = end_pause(matching)
    gone = the(m.OrderCancelled, events)
    assert (gone.order_id - FIRST, gone.reason, gone.limit) == (1, Reason.PRICE_LIMIT, 840_000)
    assert only(m.TradeExecuted, events) == []


def test_without_steps_nothing_is_limited(matching: Driven) -> None:
    change(matching, band=40 * PERCENT)
    assert states(matching.tell(order(ONE, 1, price=1_100_000))) == []
