"""Mass quotes in messages: placed, moved, withdrawn, slid, refused, each answered once and in order."""

from services.core import messages as m
from services.core.fixed import LATE_MS
from services.core.messages import MarketState
from services.core.reasons import Reason
from tests.builders import BTC, COIN, Driven, but, only, the
from tests.unit.matching.book_terms import FIRST, MARK, ONE, TWO, order, queue

BUY, SELL = 1, -1
NEW, OLD = True, False


def quotes(*rows: tuple[int, int, int, int, bool]) -> m.QuotesAdmitted:
    """Quotes of ONE: (ref, side, price, size, is_new)."""
    return m.QuotesAdmitted(ONE, 1, 5, [(ref, side, price, size, True, new) for ref, side, price, size, new in rows])


def quoted(matching: Driven) -> None:
    """Place a ladder: bids at -10 and -20, asks at +10 and +20."""
    matching.tell(
        quotes(
            (1, BUY, MARK - 10, COIN, NEW),
            (2, BUY, MARK - 20, COIN, NEW),
            (3, SELL, MARK + 10, COIN, NEW),
            (4, SELL, MARK + 20, COIN, NEW),
        )
    )


def test_quotes_are_placed_and_answered_in_one_event(matching: Driven) -> None:
    events = matching.tell(quotes((1, BUY, MARK - 10, COIN, NEW), (2, SELL, MARK + 10, 2 * COIN, NEW)))
    assert events == [
        m.BookChanged(1, 1, [(MARK - 10, COIN)], [(MARK + 10, 2 * COIN)], MARK - 10, COIN, MARK + 10, 2 * COIN),
        m.QuotesAnswered(ONE, 1, 5, [(1, FIRST + 1, MARK - 10, COIN, 0, 0), (2, FIRST + 2, MARK + 10, 2 * COIN, 0, 0)]),
    ]


def test_a_shifted_ladder_does_not_slide_behind_its_own_old_quotes(matching: Driven) -> None:
    quoted(matching)
    shifted = ((1, BUY, 20), (2, BUY, 10), (3, SELL, 40), (4, SELL, 50))
    answered = the(
        m.QuotesAnswered, matching.tell(quotes(*((ref, side, MARK + up, COIN, OLD) for ref, side, up in shifted)))
    )
    assert [(answer[1] - FIRST, answer[2] - MARK) for answer in answered.quotes] == [(1, 20), (2, 10), (3, 40), (4, 50)]


def test_a_quote_that_only_shrinks_keeps_its_place(matching: Driven) -> None:
    quoted(matching)
    matching.tell(order(TWO, 1, price=MARK - 10))
    matching.tell(quotes((1, BUY, MARK - 10, COIN // 2, OLD), (2, BUY, MARK - 10, COIN, OLD)))
    assert queue(matching, BUY) == [(1, MARK - 10, COIN // 2), (5, MARK - 10, COIN), (2, MARK - 10, COIN)]


def test_quotes_never_take_but_slide(matching: Driven) -> None:
    matching.tell(order(TWO, -1, price=MARK + 30))
    events = matching.tell(quotes((1, BUY, MARK + 90, COIN, NEW), (2, SELL, MARK - 50, COIN, NEW)))
    assert only(m.TradeExecuted, events) == []
    assert [answer[2] for answer in the(m.QuotesAnswered, events).quotes] == [MARK + 20, MARK + 30]


def test_what_traded_on_the_way_is_not_quoted_again(matching: Driven) -> None:
    quoted(matching)
    matching.tell(order(TWO, -1, COIN // 4, MARK - 10))
    matching.tell(order(TWO, 1, COIN, MARK + 10))
    answered = the(
        m.QuotesAnswered,
        matching.tell(quotes((1, BUY, MARK - 30, COIN, OLD), (3, SELL, MARK + 10, COIN, OLD), (9, BUY, MARK, 0, OLD))),
    )
    assert answered.quotes == [
        (1, FIRST + 1, MARK - 30, COIN - COIN // 4, 0, 0),
        (3, 0, MARK + 10, 0, Reason.ORDER_NOT_OPEN, 0),
        (9, 0, MARK, 0, Reason.ORDER_NOT_OPEN, 0),
    ]


def test_a_quote_is_withdrawn_by_size_zero_or_by_what_has_traded(matching: Driven) -> None:
    quoted(matching)
    matching.tell(order(TWO, -1, COIN // 4, MARK - 10))
    answered = the(
        m.QuotesAnswered, matching.tell(quotes((1, BUY, MARK - 10, COIN // 4, OLD), (2, BUY, MARK - 20, 0, OLD)))
    )
    assert [answer[3:] for answer in answered.quotes] == [(0, Reason.CANCELLED_BY_CLIENT, 0)] * 2
    assert queue(matching, BUY) == []


def test_a_refused_quote_takes_the_old_one_with_it(matching: Driven) -> None:
    quoted(matching)
    answered = the(
        m.QuotesAnswered,
        matching.tell(
            quotes((1, BUY, 840_010, COIN, OLD), (5, SELL, 759_990, COIN, NEW), (2, BUY, MARK - 20, COIN, OLD))
        ),
    )
    assert answered.quotes == [
        (1, FIRST + 1, 840_010, 0, Reason.OUTSIDE_BAND, 840_000),
        (5, 0, 759_990, 0, Reason.OUTSIDE_BAND, 760_000),
        (2, FIRST + 2, MARK - 20, COIN, 0, 0),
    ]
    assert queue(matching, BUY) == [(2, MARK - 20, COIN)]


def test_late_quotes_and_quotes_that_the_state_does_not_take_are_gone(matching: Driven) -> None:
    quoted(matching)
    late = the(m.QuotesAnswered, matching.tell(quotes((1, BUY, MARK - 10, COIN, OLD)), age_ms=LATE_MS + 1))
    assert late.quotes == [(1, FIRST + 1, MARK - 10, 0, Reason.LATE, LATE_MS)]
    matching.tell(m.MarketStateSet(1, MarketState.CANCEL_ONLY))
    closed = the(m.QuotesAnswered, matching.tell(quotes((2, BUY, MARK - 20, COIN, OLD))))
    assert closed.quotes == [(2, FIRST + 2, MARK - 20, 0, Reason.MARKET_STATE, MarketState.CANCEL_ONLY)]
    assert queue(matching, BUY) == []


def test_a_full_book_refuses_a_quote(matching: Driven) -> None:
    matching.tell(m.MarketChanged(but(BTC, levels_max=1)))
    answered = the(
        m.QuotesAnswered, matching.tell(quotes((1, BUY, MARK - 10, COIN, NEW), (2, BUY, MARK - 20, COIN, NEW)))
    )
    assert [answer[3:] for answer in answered.quotes] == [(COIN, 0, 0), (0, Reason.BOOK_FULL, 1)]


def test_the_same_ref_twice_stops_nothing(matching: Driven) -> None:
    """Risk never sends it; the first one counts."""
    events = matching.tell(quotes((1, BUY, MARK - 10, COIN, NEW), (1, BUY, MARK - 20, COIN, NEW)))
    assert [answer[3:] for answer in the(m.QuotesAnswered, events).quotes] == [
        (COIN, 0, 0),
        (0, Reason.ORDER_NOT_OPEN, 0),
    ]
