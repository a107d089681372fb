"""States of a market in messages: what each takes, halts, call auctions, changes of parameters, the end."""

import pytest

from services.core import messages as m
from services.core.messages import MarketState, OrderKind
from services.core.reasons import Reason
from tests.builders import BTC, COIN, PERCENT, Driven, but, only, the
from tests.unit.matching.book_terms import (
    FIRST,
    FOK,
    GTC,
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

OPEN, AUCTION = MarketState.OPEN, MarketState.AUCTION
TAKEN = [
    ("open", OPEN, (GTC, IOC, FOK, POST_ONLY, SLIDE)),
    ("post-only", MarketState.POST_ONLY, (POST_ONLY, SLIDE)),
    ("cancel-only", MarketState.CANCEL_ONLY, ()),
    ("halted", MarketState.HALTED, ()),
    ("auction", AUCTION, (GTC, POST_ONLY, SLIDE)),
]


def put(matching: Driven, state: int, for_ms: int = 60_000) -> list[m.Message]:
    """Put the market into a state."""
    return matching.tell(m.MarketStateSet(1, state, matching.now_ms + for_ms))


@pytest.mark.parametrize(("state", "taken"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_what_a_state_takes(matching: Driven, state: int, taken: tuple[int, ...]) -> None:
    put(matching, state)
    for tif in (GTC, IOC, FOK, POST_ONLY, SLIDE):
        events = matching.tell(order(ONE, 1, tif=tif))
        refused = [
            (one.reason, one.limit) for one in only(m.OrderCancelled, events) if one.reason == Reason.MARKET_STATE
        ]
        assert refused == ([] if tif in taken else [(Reason.MARKET_STATE, state)])


def test_a_liquidation_finds_a_halted_market_closed(matching: Driven) -> None:
    put(matching, MarketState.HALTED)
    events = matching.tell(order(ONE, -1, tif=IOC, kind=OrderKind.LIQUIDATION, adds_risk=False))
    assert why(events) == (Reason.MARKET_STATE, MarketState.HALTED)


def test_a_halt_empties_the_book_and_cancel_only_keeps_it(matching: Driven) -> None:
    placed = order(ONE, 1)
    matching.tell(placed)
    assert put(matching, MarketState.CANCEL_ONLY) == [m.MarketStateChanged(1, MarketState.CANCEL_ONLY)]
    assert put(matching, MarketState.CANCEL_ONLY) == []
    the(m.ReplaceRefused, matching.tell(replace(placed, MARK - 10, COIN)))
    assert queue(matching, 1) == [(1, MARK, COIN)]
    assert put(matching, MarketState.HALTED) == [
        m.OrderCancelled(ONE, 1, placed.ref, FIRST + 1, COIN, Reason.CANCELLED_BY_VENUE),
        m.BookChanged(1, 2, [(MARK, 0)], [], 0, 0, 0, 0),
        m.MarketStateChanged(1, MarketState.HALTED),
    ]


WAITING = [
    ("nothing was said", None, [m.MarketStateChanged(1, OPEN)]),
    ("a halt", MarketState.HALTED, []),
    ("post-only", MarketState.POST_ONLY, [m.MarketStateChanged(1, MarketState.POST_ONLY)]),
    ("an auction", AUCTION, [m.MarketStateChanged(1, AUCTION)]),
]


@pytest.mark.parametrize(("wanted", "said"), [row[1:] for row in WAITING], ids=[row[0] for row in WAITING])
def test_the_first_mark_begins_with_the_state_that_was_wanted(wanted: int | None, said: list[m.Message]) -> None:
    machine = Driven("matching")
    machine.tell(m.MarketListed(BTC))
    if wanted is not None:
        assert put(machine, wanted) == []
    marked = m.SettlementMarked(1, MARK)
    assert machine.tell(marked) == [marked, *said]


def auction(matching: Driven, *orders: tuple[int, int, int, int]) -> list[m.Message]:
    """Collect orders (subaccount, side, price, lots of a tenth) for a second, then let it end."""
    put(matching, AUCTION, 1_000)
    for subaccount, side, price, tenths in orders:
        the(m.OrderRested, matching.tell(order(subaccount, side, tenths * COIN // 10, price)))
    return matching.wait(1_000)


def test_an_auction_trades_at_one_price_with_priority_and_opens(matching: Driven) -> None:
    events = auction(
        matching,
        (ONE, 1, MARK + 20, 5),
        (TWO, 1, MARK + 10, 5),
        (THREE, -1, MARK - 10, 4),
        (1_024, -1, MARK + 10, 4),
        (1_280, -1, MARK + 30, 9),
    )
    trades = only(m.TradeExecuted, events)
    assert [(one.price, one.size, one.taker_side) for one in trades] == [
        (MARK + 10, 4 * COIN // 10, 0),
        (MARK + 10, COIN // 10, 0),
        (MARK + 10, 3 * COIN // 10, 0),
    ]
    assert [(one.maker_order_id - FIRST, one.taker_order_id - FIRST) for one in trades] == [(1, 3), (1, 4), (2, 4)]
    assert all(fill.is_maker for fill in only(m.OrderFilled, events))
    assert sum(fill.cash for fill in only(m.OrderFilled, events)) == 0
    assert events[-1] == m.MarketStateChanged(1, OPEN)
    assert queue(matching, 1) == [(2, MARK + 10, 2 * COIN // 10)]
    assert queue(matching, -1) == [(5, MARK + 30, 9 * COIN // 10)]


PRICES = [
    ("the mark where it may be", [(1, MARK + 50), (-1, MARK - 50)], MARK),
    ("nearest to the mark above", [(1, MARK + 50), (-1, MARK + 20)], MARK + 20),
    ("nearest to the mark below", [(1, MARK - 20), (-1, MARK - 50)], MARK - 20),
    ("nobody meets", [(1, MARK - 20), (-1, MARK + 20)], 0),
]


@pytest.mark.parametrize(("sides", "expected"), [row[1:] for row in PRICES], ids=[row[0] for row in PRICES])
def test_the_price_of_an_auction_is_nearest_to_the_mark(
    matching: Driven, sides: list[tuple[int, int]], expected: int
) -> None:
    events = auction(matching, *((256 * number, side, price, 1) for number, (side, price) in enumerate(sides, 1)))
    assert [trade.price for trade in only(m.TradeExecuted, events)] == [expected] * (expected > 0)


def test_own_orders_do_not_wait_to_cross_in_an_auction(matching: Driven) -> None:
    put(matching, AUCTION)
    first = order(ONE, 1)
    matching.tell(first)
    assert why(matching.tell(order(ONE + 1, -1))) == (Reason.SELF_TRADE, 0)
    second = order(ONE + 1, -1, price=MARK + 10)
    matching.tell(second)
    refused = the(m.ReplaceRefused, matching.tell(replace(second, MARK, COIN)))
    assert refused.reason == Reason.SELF_TRADE


def test_what_the_mark_left_behind_does_not_trade_in_an_auction(matching: Driven) -> None:
    put(matching, AUCTION, 1_000)
    matching.tell(order(ONE, 1, price=835_000))
    matching.tell(order(TWO, -1, price=780_000))
    matching.tell(m.MarksUpdated([(1, 760_000, 760_000)]))
    events = matching.wait(1_000)
    gone = the(m.OrderCancelled, events)
    assert (gone.subaccount, gone.reason, gone.limit) == (ONE, Reason.OUTSIDE_BAND, 798_000)
    assert only(m.TradeExecuted, events) == []


def test_an_auction_waits_for_a_fresh_mark(matching: Driven) -> None:
    put(matching, AUCTION, BTC.price_stale_ms + 1)
    matching.tell(order(ONE, 1))
    matching.tell(order(TWO, -1))
    assert matching.wait(BTC.price_stale_ms + 1) == []
    events = matching.tell(m.MarksUpdated([(1, MARK, MARK)]))
    assert only(m.MarketStateChanged, events) == [m.MarketStateChanged(1, OPEN)]
    assert the(m.TradeExecuted, events).price == MARK


def test_an_admin_ends_an_auction_early_or_breaks_it_off(matching: Driven) -> None:
    put(matching, AUCTION)
    matching.tell(order(ONE, 1))
    matching.tell(order(TWO, -1))
    ended = put(matching, MarketState.CANCEL_ONLY)
    assert the(m.TradeExecuted, ended).price == MARK
    assert ended[-1] == m.MarketStateChanged(1, MarketState.CANCEL_ONLY)
    put(matching, AUCTION)
    matching.tell(order(ONE, 1))
    matching.tell(order(TWO, -1))
    broken = put(matching, MarketState.HALTED)
    assert len(only(m.OrderCancelled, broken)) == 2
    assert only(m.TradeExecuted, broken) == []
    assert matching.wait(60_000) == []


def test_nobody_makes_marks_of_the_book_of_an_auction(matching: Driven) -> None:
    put(matching, AUCTION)
    matching.tell(order(ONE, 1, price=MARK + 1_000))
    assert matching.tell(m.MarksUpdated([(1, MARK, MARK)])) == [m.BookSampled(1, 0, 0, 0, 0, 0, 0)]


def test_a_change_cancels_what_it_does_not_allow(matching: Driven) -> None:
    kept = order(ONE, 1, price=MARK - 50)
    for placed in (order(ONE, 1, price=MARK - 10), order(ONE, 1, COIN + 10), kept):
        matching.tell(placed)
    changed = m.MarketChanged(but(BTC, tick=50, lot=100))
    events = matching.tell(changed)
    assert events[0] == changed
    assert [(one.reason, one.limit) for one in only(m.OrderCancelled, events)] == [
        (Reason.INVALID_PRICE, 50),
        (Reason.INVALID_SIZE, BTC.order_size_max),
    ]
    assert queue(matching, 1) == [(3, MARK - 50, COIN)]


def test_a_change_of_figures_cancels_prices_with_more(matching: Driven) -> None:
    for price in (790_000, 799_990):
        matching.tell(order(ONE, 1, price=price))
    events = matching.tell(m.MarketChanged(but(BTC, price_figures=2, price_decimals=5)))
    assert [one.order_id - FIRST for one in only(m.OrderCancelled, events)] == [2]


def test_a_narrower_band_counts_at_once(matching: Driven) -> None:
    matching.tell(m.MarketChanged(but(BTC, band=BTC.band // 5)))
    assert why(matching.tell(order(ONE, 1, price=808_010))) == (Reason.OUTSIDE_BAND, 808_000)


def test_the_end_of_a_market(matching: Driven) -> None:
    matching.tell(order(ONE, -1))
    matching.tell(order(TWO, 1, 2 * COIN))
    delisted = m.MarketDelisted(1, MARK)
    events = matching.tell(delisted)
    assert why(events) == (Reason.CANCELLED_BY_VENUE, 0)
    assert events[-2:] == [m.MarketStateChanged(1, MarketState.DELISTED), delisted]
    trading = matching.state.trading[1]
    assert (trading.size_seen, trading.open_interest) == ({}, 0)
    assert why(matching.tell(order(ONE, 1))) == (Reason.MARKET_STATE, MarketState.DELISTED)
    assert matching.tell(m.MarksUpdated([(1, MARK, MARK)])) == []
    assert put(matching, OPEN) == []


def test_depth_is_what_stands_within_half_the_band(matching: Driven) -> None:
    for side, price in ((1, 780_000), (1, 779_990), (-1, 820_000), (-1, 820_010)):
        matching.tell(order(ONE, side, price=price))
    sample = the(m.BookSampled, matching.tell(m.MarksUpdated([(1, MARK, MARK)])))
    assert (sample.bid_depth, sample.ask_depth) == (COIN, COIN)


def test_a_snapshot_holds_all_of_a_market(matching: Driven) -> None:
    """Orders, icebergs, timers, quotes, protections, owners, an auction under way: what comes after is the same from the snapshot."""
    change(matching, owner_position_max=COIN, limit_steps=(PERCENT, 5 * PERCENT), limit_pause_ms=1)
    matching.tell(m.OwnerSet(3, 9))
    matching.tell(m.ProtectionSet(TWO, 1, 1_000, COIN, 0, 500))
    matching.tell(order(THREE, -1, 4 * COIN, display=COIN))
    matching.tell(order(ONE, 1, expires_ms=matching.now_ms + 5_000))
    matching.tell(m.QuotesAdmitted(TWO, 1, 1, [(1, -1, MARK + 10, COIN, True, True)]))
    put(matching, AUCTION, 1_000)
    other = Driven("matching")
    other.engine.restore(matching.engine.snapshot())
    other.now_ms, other.peers, other.inbox = matching.now_ms, dict(matching.peers), list(matching.inbox)
    for driven in (matching, other):
        driven.tell(order(THREE, 1, price=MARK + 20, ref=1))
    assert matching.wait(6_000) == other.wait(6_000)
    assert matching.engine.snapshot() == other.engine.snapshot()
