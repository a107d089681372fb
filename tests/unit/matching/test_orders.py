"""Every kind of order in messages: market, FOK, GTD, post-only that slides, resting reduce-only, self-trade, replace."""

import pytest

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, LATE_MS
from services.core.messages import OrderKind, SelfTrade
from services.core.reasons import Reason
from tests.builders import BTC, COIN, PERCENT, Driven, but, only, the
from tests.unit.matching.book_terms import (
    FIRST,
    FOK,
    IOC,
    MARK,
    ONE,
    POST_ONLY,
    SLIDE,
    THREE,
    TWO,
    change,
    order,
    queue,
    replace,
    why,
)


def test_a_market_order_stops_at_the_impact_band_round_the_best_price_that_may_trade(matching: Driven) -> None:
    change(matching, impact_band=PERCENT)
    matching.tell(order(TWO, -1, COIN, 755_000 + 10_000))
    for price in (790_000, 797_900, 797_910):
        matching.tell(order(ONE, -1, price=price))
    matching.tell(m.MarksUpdated([(1, 810_000, 810_000)]))
    events = matching.tell(order(THREE, 1, 5 * COIN, 850_500, IOC, is_market=True))
    assert [trade.price for trade in only(m.TradeExecuted, events)] == [790_000, 797_900]
    reasons = {one.subaccount: one.reason for one in only(m.OrderCancelled, events)}
    assert reasons == {TWO: Reason.OUTSIDE_BAND, THREE: Reason.IMMEDIATE_OR_CANCEL}


def test_a_fill_or_kill_finds_all_or_leaves_the_book_alone(matching: Driven) -> None:
    for price in (MARK, MARK + 10):
        matching.tell(order(ONE, -1, price=price))
    before = queue(matching, -1)
    killed = matching.tell(order(TWO, 1, 2 * COIN + 10, MARK + 10, FOK))
    assert why(killed) == (Reason.FILL_OR_KILL, 0)
    assert len(killed) == 1
    assert queue(matching, -1) == before
    filled = matching.tell(order(TWO, 1, 2 * COIN, MARK + 10, FOK))
    assert [trade.size for trade in only(m.TradeExecuted, filled)] == [COIN, COIN]


def test_an_order_ends_at_its_time(matching: Driven) -> None:
    placed = order(ONE, 1, expires_ms=matching.now_ms + 1_000)
    matching.tell(placed)
    assert matching.wait(999) == []
    assert matching.wait(1) == [
        m.OrderCancelled(ONE, 1, placed.ref, FIRST + 1, COIN, Reason.EXPIRED),
        m.BookChanged(1, 2, [(MARK, 0)], [], 0, 0, 0, 0),
    ]
    assert why(matching.tell(order(ONE, 1, expires_ms=matching.now_ms))) == (Reason.EXPIRED, 0)


def test_timers_of_orders_that_are_gone_do_not_pile_up(matching: Driven) -> None:
    kept = order(TWO, 1, expires_ms=matching.now_ms + 10**9)
    matching.tell(kept)
    for _ in range(3_000):
        placed = order(ONE, 1, expires_ms=matching.now_ms + 10**9)
        matching.tell(placed)
        matching.tell(m.CancelRequested(ONE, 1, placed.ref, 1))
    assert len(matching.state.timers.heap) <= 1_030
    assert the(m.OrderCancelled, matching.wait(10**9)).ref == kept.ref


SLIDES = [
    ("a buy above the best ask", 1, MARK + 50, MARK - 10),
    ("a sell below the best bid", -1, MARK - 90, MARK - 30),
    ("a buy that takes nothing", 1, MARK - 20, MARK - 20),
]


@pytest.mark.parametrize(("side", "asked", "placed"), [row[1:] for row in SLIDES], ids=[row[0] for row in SLIDES])
def test_a_sliding_order_rests_one_tick_behind_the_best_opposite_price(
    matching: Driven, side: int, asked: int, placed: int
) -> None:
    matching.tell(order(ONE, -1))
    matching.tell(order(ONE, 1, price=MARK - 40))
    sliding = order(TWO, side, price=asked, tif=SLIDE)
    events = matching.tell(sliding)
    moved = m.OrderReplaced(TWO, 1, sliding.ref, FIRST + 3, 0, placed, COIN, COIN)
    assert only(m.OrderReplaced, events) == [moved] * (asked != placed)
    assert the(m.OrderRested, events).remaining == COIN
    assert (3, placed, COIN) in queue(matching, side)
    assert only(m.TradeExecuted, events) == []


def test_nothing_slides_to_a_price_of_zero(matching: Driven) -> None:
    change(matching, band=FRACTION_ONE - 1)
    matching.tell(order(ONE, -1, price=10))
    assert why(matching.tell(order(TWO, 1, price=10, tif=SLIDE))) == (Reason.POST_ONLY_WOULD_TAKE, 10)


def held(matching: Driven) -> None:
    """TWO is long 4."""
    matching.tell(order(ONE, -1, 4 * COIN))
    matching.tell(order(TWO, 1, 4 * COIN))


def test_resting_reduce_only_orders_shrink_with_the_position_the_furthest_first(matching: Driven) -> None:
    held(matching)
    worse = order(TWO, -1, 3 * COIN, MARK + 20, reduce_only=True)
    older, younger = (order(TWO, -1, COIN, MARK + 10, reduce_only=True) for _ in range(2))
    matching.tell(worse)
    assert only(m.OrderReduced, matching.tell(older)) == []
    events = matching.tell(younger)
    assert the(m.OrderReduced, events) == m.OrderReduced(
        TWO, 1, worse.ref, FIRST + 3, 2 * COIN, 2 * COIN, Reason.REDUCE_ONLY_NOT_REDUCED
    )
    assert the(m.BookChanged, events).asks == [(MARK + 10, 2 * COIN), (MARK + 20, 2 * COIN)]
    matching.tell(order(ONE, 1, 10 * COIN, MARK - 10))
    shrunk = matching.tell(order(TWO, -1, 3 * COIN, MARK - 10))
    assert only(m.OrderReduced, shrunk) == []
    assert [(one.ref, one.reason) for one in only(m.OrderCancelled, shrunk)] == [
        (younger.ref, Reason.REDUCE_ONLY_NOT_REDUCED),
        (worse.ref, Reason.REDUCE_ONLY_NOT_REDUCED),
    ]
    assert queue(matching, -1) == [(4, MARK + 10, COIN)]


def test_a_resting_reduce_only_order_stops_at_zero_in_the_middle_of_a_match(matching: Driven) -> None:
    held(matching)
    matching.tell(order(TWO, -1, 3 * COIN, MARK + 10))
    resting = order(TWO, -1, 4 * COIN, MARK + 20, reduce_only=True)
    matching.tell(resting)
    matching.tell(order(ONE, -1, COIN, MARK + 30))
    events = matching.tell(order(THREE, 1, 5 * COIN, MARK + 30))
    assert [(trade.price, trade.size) for trade in only(m.TradeExecuted, events)] == [
        (MARK + 10, 3 * COIN),
        (MARK + 20, COIN),
        (MARK + 30, COIN),
    ]
    gone = the(m.OrderCancelled, events)
    assert (gone.ref, gone.remaining, gone.reason) == (resting.ref, 3 * COIN, Reason.REDUCE_ONLY_NOT_REDUCED)
    assert TWO not in matching.state.trading[1].size_seen


def test_a_reduce_only_order_without_a_position_is_refused(matching: Driven) -> None:
    held(matching)
    for refused in (order(TWO, 1, reduce_only=True), order(THREE, 1, reduce_only=True)):
        assert why(matching.tell(refused)) == (Reason.REDUCE_ONLY_NOT_REDUCED, 0)


SELF_TRADES = [
    ("reject the taker", SelfTrade.REJECT_TAKER, [], [(ONE + 1, 3 * COIN)], []),
    ("cancel the maker", SelfTrade.CANCEL_MAKER, [COIN], [(ONE, COIN)], []),
    ("cancel both", SelfTrade.CANCEL_BOTH, [], [(ONE, COIN), (ONE + 1, 3 * COIN)], []),
    ("decrement", SelfTrade.DECREMENT, [COIN], [(ONE, COIN)], [(ONE + 1, 2 * COIN)]),
]


@pytest.mark.parametrize(
    ("mode", "traded", "cancelled", "reduced"), [row[1:] for row in SELF_TRADES], ids=[row[0] for row in SELF_TRADES]
)
def test_self_trade_is_prevented_as_the_order_that_comes_asks(
    matching: Driven, mode: int, traded: list[int], cancelled: list[tuple[int, int]], reduced: list[tuple[int, int]]
) -> None:
    matching.tell(order(ONE, -1))
    matching.tell(order(TWO, -1, price=MARK + 10))
    events = matching.tell(order(ONE + 1, 1, 3 * COIN, MARK + 10, self_trade=mode))
    assert [trade.size for trade in only(m.TradeExecuted, events)] == traded
    gone = only(m.OrderCancelled, events)
    assert [(one.subaccount, one.remaining) for one in gone] == cancelled
    assert all(one.reason == Reason.SELF_TRADE for one in gone)
    assert [(one.subaccount, one.remaining) for one in only(m.OrderReduced, events)] == reduced


def test_the_open_interest_stops_at_its_limit_but_closing_passes(matching: Driven) -> None:
    change(matching, open_interest_max=3 * COIN)
    matching.tell(order(ONE, -1, 10 * COIN))
    events = matching.tell(order(TWO, 1, 4 * COIN))
    assert why(events) == (Reason.OPEN_INTEREST_LIMIT, 3 * COIN)
    assert the(m.TradeExecuted, events).size == 3 * COIN
    assert why(matching.tell(order(THREE, 1))) == (Reason.OPEN_INTEREST_LIMIT, 3 * COIN)
    change(matching, open_interest_max=COIN)
    matching.tell(order(TWO, -1, 2 * COIN, MARK - 10))
    passed_on = matching.tell(order(THREE, 1, 2 * COIN, MARK - 10))
    assert the(m.TradeExecuted, passed_on).size == 2 * COIN
    assert matching.state.trading[1].open_interest == 3 * COIN
    closed = matching.tell(order(TWO, -1, COIN, MARK - 20))
    assert the(m.OrderRested, closed).remaining == COIN
    assert the(m.TradeExecuted, matching.tell(order(ONE, 1, COIN, MARK - 20))).size == COIN
    assert matching.state.trading[1].open_interest == 2 * COIN


def test_a_full_book_takes_trades_but_no_rest(matching: Driven) -> None:
    change(matching, book_orders_max=3, levels_max=2)
    first = order(ONE, -1)
    for placed in (first, order(ONE, -1, price=MARK + 10)):
        matching.tell(placed)
    assert why(matching.tell(order(ONE, -1, price=MARK + 20))) == (Reason.BOOK_FULL, 2)
    last = order(ONE, -1, price=MARK + 10)
    matching.tell(last)
    assert why(matching.tell(order(ONE, -1, price=MARK + 10))) == (Reason.BOOK_FULL, 3)
    assert the(m.OrderReplaced, matching.tell(replace(first, MARK + 10, COIN))).price == MARK + 10
    matching.tell(replace(first, MARK, COIN))
    moved = order(ONE, -1, price=MARK)
    matching.tell(m.CancelRequested(ONE, 1, last.ref, 1))
    matching.tell(moved)
    refused = m.ReplaceRefused(ONE, 1, moved.ref, 9, Reason.BOOK_FULL, 2)
    assert matching.tell(replace(moved, MARK + 20, COIN)) == [refused]


PREMIUMS = [
    ("a buy at 10 % above the index", 1, 880_000, True),
    ("a buy past it", 1, 880_010, False),
    ("a sell at the index", -1, 800_000, True),
    ("a sell below it", -1, 799_990, False),
    ("a buy far below waits", 1, 700_000, True),
]


@pytest.mark.parametrize(("side", "price", "accepted"), [row[1:] for row in PREMIUMS], ids=[row[0] for row in PREMIUMS])
def test_the_premium_band_at_the_door(matching: Driven, side: int, price: int, *, accepted: bool) -> None:
    """Mean premium 5 %, tolerance 5 % (TV-5.18); without a mean premium there is no such band."""
    change(matching, band=20 * PERCENT, premium_band=5 * PERCENT)
    the(m.OrderRested, matching.tell(order(ONE, side, price=price)))
    matching.tell(m.CancelAllRequested(ONE, 1))
    matching.tell(m.MarksUpdated([(1, 840_000, 800_000)], [5 * PERCENT]))
    events = matching.tell(order(ONE, side, price=price))
    edge = 880_000 if side > 0 else 800_000
    assert [(one.reason, one.limit) for one in only(m.OrderCancelled, events)] == (
        [] if accepted else [(Reason.PREMIUM_TOO_LARGE, edge)]
    )


def test_a_resting_order_past_the_premium_band_is_cancelled_instead_of_traded(matching: Driven) -> None:
    change(matching, band=20 * PERCENT, premium_band=5 * PERCENT)
    matching.tell(order(ONE, 1, price=870_000))
    matching.tell(m.MarksUpdated([(1, 840_000, 800_000)], [0]))
    events = matching.tell(order(TWO, -1, price=800_000))
    gone = the(m.OrderCancelled, events)
    assert (gone.subaccount, gone.reason, gone.limit) == (ONE, Reason.PREMIUM_TOO_LARGE, 840_000)
    assert only(m.TradeExecuted, events) == []


REPLACES = [
    ("a smaller size stays in front", MARK, COIN // 2, [(1, MARK, COIN // 2), (2, MARK, COIN)]),
    ("the same changes nothing", MARK, COIN, [(1, MARK, COIN), (2, MARK, COIN)]),
    ("a larger size goes behind", MARK, 2 * COIN, [(2, MARK, COIN), (1, MARK, 2 * COIN)]),
    ("a better price leads", MARK + 10, COIN, [(1, MARK + 10, COIN), (2, MARK, COIN)]),
    ("a worse price follows", MARK - 10, COIN // 2, [(2, MARK, COIN), (1, MARK - 10, COIN // 2)]),
]


@pytest.mark.parametrize(("price", "size", "expected"), [row[1:] for row in REPLACES], ids=[row[0] for row in REPLACES])
def test_a_replace_keeps_id_and_place_or_goes_behind(
    matching: Driven, price: int, size: int, expected: list[tuple[int, int, int]]
) -> None:
    placed = order(ONE, 1)
    matching.tell(placed)
    matching.tell(order(TWO, 1))
    events = matching.tell(replace(placed, price, size))
    assert the(m.OrderReplaced, events) == m.OrderReplaced(ONE, 1, placed.ref, FIRST + 1, 9, price, size, size)
    assert only(m.OrderRested, events) == []
    assert queue(matching, 1) == expected


def test_a_replace_counts_what_has_traded(matching: Driven) -> None:
    placed = order(ONE, 1, 5 * COIN)
    matching.tell(placed)
    matching.tell(order(TWO, -1, 2 * COIN))
    assert the(m.OrderReplaced, matching.tell(replace(placed, MARK, 3 * COIN))).remaining == COIN
    gone = the(m.OrderCancelled, matching.tell(replace(placed, MARK, 2 * COIN)))
    assert (gone.remaining, gone.reason, gone.command_id) == (COIN, Reason.CANCELLED_BY_CLIENT, 9)
    refused = m.ReplaceRefused(ONE, 1, placed.ref, 9, Reason.ORDER_NOT_OPEN)
    assert matching.tell(replace(placed, MARK, 3 * COIN)) == [refused]


def test_a_replace_that_crosses_trades_first(matching: Driven) -> None:
    placed = order(ONE, 1, 3 * COIN, MARK - 10)
    matching.tell(placed)
    matching.tell(order(TWO, -1))
    events = matching.tell(replace(placed, MARK, 3 * COIN))
    assert isinstance(events[0], m.OrderReplaced)
    assert the(m.TradeExecuted, events).taker_order_id == FIRST + 1
    assert queue(matching, 1) == [(1, MARK, 2 * COIN)]
    assert queue(matching, -1) == []


def test_a_refused_replace_leaves_the_order_as_it_was(matching: Driven) -> None:
    posted = order(ONE, 1, price=MARK - 50, tif=POST_ONLY)
    matching.tell(posted)
    matching.tell(order(TWO, -1))
    before = queue(matching, 1)
    for price, age_ms, expected in (
        (MARK, 0, (Reason.POST_ONLY_WOULD_TAKE, MARK)),
        (840_010, 0, (Reason.OUTSIDE_BAND, 840_000)),
        (MARK - 40, LATE_MS + 1, (Reason.LATE, LATE_MS)),
    ):
        events = matching.tell(replace(posted, price, COIN), age_ms=age_ms)
        assert events == [m.ReplaceRefused(ONE, 1, posted.ref, 9, *expected)]
        assert queue(matching, 1) == before


def test_a_sliding_order_slides_when_it_is_replaced(matching: Driven) -> None:
    sliding = order(ONE, 1, price=MARK - 50, tif=SLIDE)
    matching.tell(sliding)
    matching.tell(order(TWO, -1))
    assert the(m.OrderReplaced, matching.tell(replace(sliding, MARK, COIN))).price == MARK - 10


def test_a_cancel_tells_its_reason_and_one_without_a_command_needs_no_answer(matching: Driven) -> None:
    placed = order(ONE, 1)
    matching.tell(placed)
    request = m.CancelRequested(ONE, 1, placed.ref, 0, Reason.CANCELLED_BY_MARGIN)
    assert why(matching.tell(request)) == (Reason.CANCELLED_BY_MARGIN, 0)
    assert matching.tell(request) == []


def test_cancel_all_echoes_why_and_whose_command(matching: Driven) -> None:
    matching.tell(order(ONE, 1))
    events = matching.tell(m.CancelAllRequested(ONE, 1, Reason.CANCELLED_BY_SCHEDULE, 5))
    assert why(events) == (Reason.CANCELLED_BY_SCHEDULE, 0)
    assert the(m.AllCancelled, events).command_id == 5


def test_a_spot_market_moves_no_positions() -> None:
    spot = but(BTC, kind=2, base_asset=2, base_decimals=8, initial_margin_fraction=0, maintenance_margin_fraction=0)
    machine = Driven("matching")
    machine.tell(m.MarketListed(but(spot, open_interest_max=1)))
    machine.tell(m.SettlementMarked(1, MARK))
    machine.tell(order(ONE, -1))
    fills = only(m.OrderFilled, machine.tell(order(TWO, 1)))
    assert [fill.cash for fill in fills] == [800_000_000_000, -800_000_000_000]
    trading = machine.state.trading[1]
    assert (trading.size_seen, trading.open_interest) == ({}, 0)


def test_a_liquidation_is_told_apart_in_the_tape(matching: Driven) -> None:
    matching.tell(order(ONE, 1))
    events = matching.tell(order(TWO, -1, tif=IOC, kind=OrderKind.LIQUIDATION, adds_risk=False))
    assert the(m.TradeExecuted, events).kind == OrderKind.LIQUIDATION
