"""Icebergs in messages: what is shown, what stands last with the next part, what comes off the hidden part, auctions, refusals."""

import pytest

from services.core import messages as m
from services.core.messages import MarketState, SelfTrade
from services.core.reasons import Reason
from tests.builders import COIN, Driven, only, the
from tests.unit.matching.book_terms import (
    FIRST,
    FOK,
    GTC,
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


def shown(matching: Driven) -> list[tuple[int, int]]:
    """Asks as everybody sees them."""
    return list(matching.state.trading[1].book.asks.depth())


def test_an_iceberg_shows_a_part_and_the_next_stands_last(matching: Driven) -> None:
    rested = matching.tell(order(ONE, -1, 5 * COIN, display=COIN))
    assert the(m.OrderRested, rested).remaining == 5 * COIN
    assert the(m.BookChanged, rested).asks == [(MARK, COIN)]
    matching.tell(order(TWO, -1))
    assert queue(matching, -1) == [(1, MARK, 5 * COIN), (2, MARK, COIN)]
    events = matching.tell(order(THREE, 1, COIN))
    assert the(m.BookChanged, events).asks == [(MARK, 2 * COIN)]
    assert queue(matching, -1) == [(2, MARK, COIN), (1, MARK, 4 * COIN)]
    matching.tell(order(THREE, 1, COIN // 2))
    assert shown(matching) == [(MARK, 3 * COIN // 2)]


def test_one_order_meets_an_iceberg_again_after_everybody_else(matching: Driven) -> None:
    """Two icebergs take turns; an order behind the price waits until both are used up."""
    matching.tell(order(ONE, -1, 3 * COIN, display=COIN))
    matching.tell(order(TWO, -1, 4 * COIN, display=2 * COIN))
    matching.tell(order(ONE, -1, COIN))
    matching.tell(order(ONE, -1, COIN, MARK + 10))
    events = matching.tell(order(THREE, 1, 17 * COIN // 2, MARK + 10))
    assert [(one.maker_order_id - FIRST, 2 * one.size // COIN) for one in only(m.TradeExecuted, events)] == [
        (1, 2),
        (2, 4),
        (3, 2),
        (1, 2),
        (2, 4),
        (1, 2),
        (4, 1),
    ]


def test_a_fill_or_kill_counts_what_is_hidden(matching: Driven) -> None:
    matching.tell(order(ONE, -1, 3 * COIN, display=COIN))
    assert why(matching.tell(order(TWO, 1, 4 * COIN, tif=FOK))) == (Reason.FILL_OR_KILL, 0)
    filled = matching.tell(order(TWO, 1, 3 * COIN, tif=FOK))
    assert [one.size for one in only(m.TradeExecuted, filled)] == [COIN] * 3
    assert queue(matching, -1) == []


def test_what_nobody_met_comes_off_the_hidden_part_and_keeps_its_place(matching: Driven) -> None:
    placed = order(ONE, -1, 5 * COIN, display=2 * COIN)
    matching.tell(placed)
    matching.tell(order(TWO, -1))
    matching.tell(replace(placed, MARK, 3 * COIN))
    assert shown(matching) == [(MARK, 3 * COIN)]
    matching.tell(replace(placed, MARK, COIN))
    assert shown(matching) == [(MARK, 2 * COIN)]
    assert queue(matching, -1) == [(1, MARK, COIN), (2, MARK, COIN)]


def test_a_replace_keeps_what_is_shown_at_a_time(matching: Driven) -> None:
    placed = order(ONE, -1, 5 * COIN, display=2 * COIN)
    matching.tell(placed)
    matching.tell(order(TWO, 1))
    assert shown(matching) == [(MARK, COIN)]
    matching.tell(replace(placed, MARK + 10, 6 * COIN))
    assert shown(matching) == [(MARK + 10, 2 * COIN)]
    refused = the(m.ReplaceRefused, matching.tell(replace(placed, MARK, 201 * COIN)))
    assert (refused.reason, refused.limit) == (Reason.INVALID_ORDER, 2 * COIN + 1_000)


def test_an_iceberg_alone_at_its_price_gives_its_level_up_when_it_moves(matching: Driven) -> None:
    change(matching, levels_max=1)
    placed = order(ONE, -1, 5 * COIN, display=COIN)
    matching.tell(placed)
    the(m.OrderReplaced, matching.tell(replace(placed, MARK + 10, 5 * COIN)))


def test_its_own_accounts_order_uses_up_what_an_iceberg_shows(matching: Driven) -> None:
    matching.tell(order(ONE, -1, 3 * COIN, display=COIN))
    matching.tell(order(TWO, -1))
    events = matching.tell(order(ONE + 1, 1, 5 * COIN // 2, self_trade=SelfTrade.DECREMENT))
    assert the(m.TradeExecuted, events).maker_order_id == FIRST + 2
    assert [(one.subaccount, one.remaining) for one in only(m.OrderReduced, events)] == [
        (ONE, 2 * COIN),
        (ONE + 1, 3 * COIN // 2),
        (ONE, 3 * COIN // 2),
    ]
    assert shown(matching) == [(MARK, COIN // 2)]


def test_a_reduce_only_iceberg_that_refilled_counts_as_the_youngest(matching: Driven) -> None:
    matching.tell(order(ONE, -1, 4 * COIN))
    matching.tell(order(TWO, 1, 4 * COIN))
    iceberg = order(TWO, -1, 2 * COIN, MARK + 10, reduce_only=True, display=COIN // 2)
    plain = order(TWO, -1, 2 * COIN, MARK + 10, reduce_only=True)
    for one in (iceberg, plain):
        matching.tell(one)
    matching.tell(order(THREE, 1, COIN // 2, MARK + 10))
    matching.tell(order(ONE, 1, COIN, MARK - 10))
    events = matching.tell(order(TWO, -1, COIN, MARK - 10))
    assert the(m.OrderReduced, events).ref == iceberg.ref
    assert queue(matching, -1) == [(4, MARK + 10, 2 * COIN), (3, MARK + 10, COIN // 2)]


def test_an_iceberg_takes_part_in_an_auction_with_all_of_it(matching: Driven) -> None:
    matching.tell(m.MarketStateSet(1, MarketState.AUCTION, matching.now_ms + 1_000))
    matching.tell(order(ONE, -1, 5 * COIN, display=COIN))
    matching.tell(order(TWO, -1))
    matching.tell(order(THREE, 1, 9 * COIN // 2))
    events = matching.wait(1_000)
    assert [(one.maker_order_id - FIRST, one.size) for one in only(m.TradeExecuted, events)] == [(1, 9 * COIN // 2)]
    assert queue(matching, -1) == [(2, MARK, COIN), (1, MARK, COIN // 2)]


SHOWN = [
    ("a hundredth", COIN, GTC, 10 * COIN, None),
    ("less than a hundredth", 990, GTC, COIN, 1_000),
    ("no whole lots", COIN + 5, GTC, 10 * COIN, COIN // 10),
    ("all of it", COIN, GTC, COIN, 1_000),
    ("post-only", COIN, POST_ONLY, 10 * COIN, None),
    ("what never rests", COIN, IOC, 10 * COIN, COIN // 10),
]


@pytest.mark.parametrize(("display", "tif", "size", "limit"), [row[1:] for row in SHOWN], ids=[row[0] for row in SHOWN])
def test_what_an_iceberg_may_show(matching: Driven, display: int, tif: int, size: int, limit: int | None) -> None:
    events = matching.tell(order(ONE, 1, size, tif=tif, display=display))
    refused = [(one.reason, one.limit) for one in only(m.OrderCancelled, events)]
    assert refused == ([] if limit is None else [(Reason.INVALID_ORDER, limit)])
