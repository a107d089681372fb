"""Matching in messages: the ladder at the door, the match, what is left, cancels, marks."""

import pytest

from services.core import messages as m
from services.core.fixed import LATE_MS
from services.core.messages import OrderKind, TimeInForce
from services.core.reasons import Reason
from tests.builders import BTC, COIN, INVERSE, START_MS, Driven, but, only, the
from tests.unit.matching.book_terms import IOC, MARK, ONE, POST_ONLY, THREE, TWO, order, why


def test_the_stream_is_passed_on_in_order(matching: Driven) -> None:
    step = m.FundingStepped(1, 1, 5, 6, START_MS)
    assert matching.tell(step) == [step]
    marked = m.SettlementMarked(1, MARK + 10)
    assert matching.tell(marked) == [marked]


def test_a_settlement_is_passed_on_between_the_fills(matching: Driven) -> None:
    settled = m.MarketSettled(1, 1, MARK, START_MS)
    assert matching.tell(settled) == [settled]


def test_a_market_is_halted_until_its_first_mark() -> None:
    machine = Driven("matching")
    assert machine.tell(m.MarketListed(BTC)) == [m.MarketListed(BTC)]
    assert why(machine.tell(order(ONE, 1))) == (Reason.MARKET_HALTED, 0)
    assert machine.tell(m.MarksUpdated([(1, MARK, MARK)])) == []
    machine.tell(m.SettlementMarked(1, MARK))
    the(m.OrderRested, machine.tell(order(ONE, 1)))


def test_the_ladder_at_the_door_is_that_of_the_reasons() -> None:
    """Everything wrong at once; then one by one mended, in the order of the reasons."""
    machine = Driven("matching")
    machine.tell(m.MarketListed(BTC))
    bad = order(TWO, 1, price=2 * MARK, tif=POST_ONLY)
    seen = [why(machine.tell(bad, age_ms=LATE_MS + 1))]
    seen.append(why(machine.tell(bad)))
    machine.tell(m.SettlementMarked(1, MARK))
    machine.tell(order(ONE, -1))
    machine.now_ms += BTC.price_stale_ms + 1
    seen.append(why(machine.tell(bad)))
    machine.tell(m.MarksUpdated([(1, MARK, MARK)]))
    seen.append(why(machine.tell(bad)))
    seen.append(why(machine.tell(but(bad, price=MARK))))
    assert seen == [
        (Reason.LATE, LATE_MS),
        (Reason.MARKET_HALTED, 0),
        (Reason.NO_MARK, 0),
        (Reason.OUTSIDE_BAND, 840_000),
        (Reason.POST_ONLY_WOULD_TAKE, MARK),
    ]
    assert [reason for reason, _ in seen] == sorted(reason for reason, _ in seen)


RISKY = [
    ("adds risk", {"adds_risk": True}, True),
    ("liquidates", {"adds_risk": False, "kind": OrderKind.LIQUIDATION}, True),
    ("only closes", {"adds_risk": False}, False),
]


@pytest.mark.parametrize(("terms", "refused"), [row[1:] for row in RISKY], ids=[row[0] for row in RISKY])
def test_late_and_stale_stop_only_what_adds_risk_and_liquidations(
    matching: Driven, terms: dict[str, int], *, refused: bool
) -> None:
    late = matching.tell(but(order(ONE, 1), **terms), age_ms=LATE_MS + 1)
    assert (len(only(m.OrderCancelled, late)) == 1) == refused
    assert only(m.OrderCancelled, matching.tell(but(order(TWO, 1), **terms), age_ms=LATE_MS)) == []
    matching.now_ms += BTC.price_stale_ms + 1
    stale = matching.tell(but(order(THREE, 1), **terms))
    assert (len(only(m.OrderCancelled, stale)) == 1) == refused


BANDS = [
    ("highest buy", 1, 840_000, True),
    ("above it", 1, 840_010, False),
    ("lowest sell", -1, 760_000, True),
    ("below it", -1, 759_990, False),
    ("a buy far below waits", 1, 10, True),
    ("a sell far above waits", -1, 9_000_000, True),
]


@pytest.mark.parametrize(("side", "price", "accepted"), [row[1:] for row in BANDS], ids=[row[0] for row in BANDS])
def test_the_band_at_the_door(matching: Driven, side: int, price: int, *, accepted: bool) -> None:
    events = matching.tell(order(ONE, side, price=price))
    assert (len(only(m.OrderRested, events)) == 1) == accepted


def test_an_ioc_beyond_the_band_trades_up_to_its_edge(matching: Driven) -> None:
    """Risk may have admitted it at a mark that matching has not seen, or sees no more."""
    matching.tell(order(ONE, -1, price=839_000))
    matching.tell(order(ONE, -1, price=845_000))
    events = matching.tell(order(TWO, 1, 2 * COIN, 850_000, TimeInForce.IOC))
    assert [fill.price for fill in only(m.OrderFilled, events)] == [839_000, 839_000]
    assert the(m.OrderCancelled, events).reason == Reason.IMMEDIATE_OR_CANCEL
    assert matching.state.trading[1].book.asks.best() == 845_000


def test_a_trade_at_the_makers_price_with_one_cash_for_both(matching: Driven) -> None:
    maker, taker = order(ONE, -1, price=MARK - 100), order(TWO, 1, COIN // 2)
    (rested, changed) = matching.tell(maker)
    assert rested == m.OrderRested(ONE, 1, maker.ref, (1 << 40) + 1, COIN)
    assert changed == m.BookChanged(1, 1, [], [(MARK - 100, COIN)], 0, 0, MARK - 100, COIN)
    cash = 399_950_000_000
    trade_id = (1 << 40) + 1
    assert matching.tell(taker) == [
        m.OrderFilled(ONE, 1, maker.ref, trade_id, trade_id, MARK - 100, -COIN // 2, cash, True, COIN // 2),  # noqa: FBT003
        m.OrderFilled(TWO, 1, taker.ref, trade_id + 1, trade_id, MARK - 100, COIN // 2, -cash, False, 0),  # noqa: FBT003
        m.TradeExecuted(1, trade_id, MARK - 100, COIN // 2, 1, OrderKind.CLIENT, trade_id, trade_id + 1),
        m.BookChanged(1, 2, [], [(MARK - 100, COIN // 2)], 0, 0, MARK - 100, COIN // 2),
    ]
    assert matching.state.trading[1].size_seen == {ONE: -COIN // 2, TWO: COIN // 2}
    assert matching.state.trading[1].open_interest == COIN // 2


def test_best_price_then_oldest(matching: Driven) -> None:
    for subaccount, price in ((ONE, MARK), (TWO, MARK), (THREE, MARK - 10)):
        matching.tell(order(subaccount, -1, price=price))
    fills = only(m.OrderFilled, matching.tell(order(1_024, 1, 3 * COIN)))
    assert [fill.subaccount for fill in fills if fill.is_maker] == [THREE, ONE, TWO]


def test_what_an_ioc_does_not_trade_is_cancelled(matching: Driven) -> None:
    matching.tell(order(ONE, -1))
    events = matching.tell(order(TWO, 1, 3 * COIN, tif=IOC))
    assert why(events) == (Reason.IMMEDIATE_OR_CANCEL, 0)
    assert the(m.OrderCancelled, events).remaining == 2 * COIN
    assert only(m.OrderRested, events) == []


def test_what_a_gtc_does_not_trade_rests(matching: Driven) -> None:
    matching.tell(order(ONE, -1))
    events = matching.tell(order(TWO, 1, 3 * COIN))
    assert the(m.OrderRested, events).remaining == 2 * COIN
    assert the(m.BookChanged, events) == m.BookChanged(1, 2, [(MARK, 2 * COIN)], [(MARK, 0)], MARK, 2 * COIN, 0, 0)


def test_a_post_only_that_takes_nothing_rests(matching: Driven) -> None:
    matching.tell(order(ONE, -1))
    the(m.OrderRested, matching.tell(order(TWO, 1, price=MARK - 10, tif=POST_ONLY)))


def test_an_account_does_not_trade_with_itself_even_over_two_subaccounts(matching: Driven) -> None:
    matching.tell(order(THREE, -1))
    matching.tell(order(ONE, -1))
    events = matching.tell(order(ONE + 1, 1, 2 * COIN))
    assert [fill.subaccount for fill in only(m.OrderFilled, events)] == [THREE, ONE + 1]
    assert why(events) == (Reason.SELF_TRADE, 0)
    assert matching.state.trading[1].book.asks.size_at(MARK) == COIN


def test_a_reduce_only_closes_what_is_there_and_no_more(matching: Driven) -> None:
    matching.tell(order(ONE, -1, 4 * COIN))
    matching.tell(order(TWO, 1))
    matching.tell(order(ONE, 1, 4 * COIN, price=MARK - 10))
    events = matching.tell(order(TWO, -1, 3 * COIN, MARK - 10, IOC, reduce_only=True))
    assert why(events) == (Reason.REDUCE_ONLY_NOT_REDUCED, 0)
    assert the(m.OrderCancelled, events).remaining == 2 * COIN
    assert matching.state.trading[1].size_seen == {}
    assert why(matching.tell(order(TWO, -1, tif=IOC, reduce_only=True))) == (Reason.REDUCE_ONLY_NOT_REDUCED, 0)


def test_a_resting_order_outside_the_band_is_cancelled_instead_of_traded(matching: Driven) -> None:
    matching.tell(order(ONE, 1, price=790_000))
    matching.tell(order(TWO, 1, price=700_000))
    matching.tell(m.MarksUpdated([(1, 736_000, 736_000)]))
    events = matching.tell(order(THREE, -1, 2 * COIN, 699_200))
    dropped, *_ = only(m.OrderCancelled, events)
    assert (dropped.subaccount, dropped.reason, dropped.limit) == (ONE, Reason.OUTSIDE_BAND, 772_800)
    assert [fill.subaccount for fill in only(m.OrderFilled, events)] == [TWO, THREE]
    assert (790_000, 0) in the(m.BookChanged, events).bids


def test_a_cancel_by_ref_in_any_state_however_late(matching: Driven) -> None:
    resting = order(ONE, 1)
    matching.tell(resting)
    matching.now_ms += 10 * BTC.price_stale_ms
    events = matching.tell(m.CancelRequested(ONE, 1, resting.ref, 77), age_ms=10 * LATE_MS)
    assert events == [
        m.OrderCancelled(ONE, 1, resting.ref, (1 << 40) + 1, COIN, Reason.CANCELLED_BY_CLIENT, 0, 77),
        m.BookChanged(1, 2, [(MARK, 0)], [], 0, 0, 0, 0),
    ]
    refused = m.CancelRefused(ONE, 1, 78, Reason.ORDER_NOT_OPEN)
    assert matching.tell(m.CancelRequested(ONE, 1, resting.ref, 78)) == [refused]
    assert matching.tell(m.CancelRequested(TWO, 1, resting.ref, 78)) == [but(refused, subaccount=TWO)]


def test_cancel_all_takes_the_orders_of_one_subaccount_and_says_when_done(matching: Driven) -> None:
    refs = []
    for subaccount, price in ((ONE, MARK), (TWO, MARK), (ONE, MARK - 10)):
        admitted = order(subaccount, 1, price=price)
        matching.tell(admitted)
        refs += [admitted.ref] * (subaccount == ONE)
    events = matching.tell(m.CancelAllRequested(ONE, 1))
    assert [(event.ref, event.reason) for event in only(m.OrderCancelled, events)] == [
        (ref, Reason.CANCELLED_BY_LIQUIDATION) for ref in refs
    ]
    assert events[-1] == m.AllCancelled(ONE, 1)
    assert matching.tell(m.CancelAllRequested(ONE, 1)) == [m.AllCancelled(ONE, 1)]
    assert len(matching.state.trading[1].book.orders) == 1


def test_each_mark_is_answered_with_a_sample(matching: Driven) -> None:
    market = but(BTC, id=2)
    matching.tell(m.MarketListed(market))
    matching.tell(order(ONE, 1, 5 * COIN, MARK - 10))
    matching.tell(order(TWO, -1, COIN, MARK + 10))
    matching.tell(order(THREE, 1, COIN // 2, MARK + 10))
    marks = m.MarksUpdated([(1, MARK, MARK), (2, MARK, MARK), (9, 1, 1)])
    half = COIN // 2
    assert matching.tell(marks) == [
        m.BookSampled(1, MARK - 10, MARK + 10, MARK - 10, 0, MARK + 10, half, 5 * COIN, half, half, 400_005_000_000),
    ]
    again = the(m.BookSampled, matching.tell(marks))
    assert (again.volume, again.turnover) == (0, 0), "what traded is told once"


def test_an_inverse_trade_moves_coins_once_and_is_sampled_by_them() -> None:
    """A contract of a dollar: 8,000 of them are a coin at 8,000.00; at 7,999.90 the buyer gets 100,001,250.01... units, rounded down."""
    machine = Driven("matching")
    machine.tell(m.MarketListed(INVERSE))
    machine.tell(m.SettlementMarked(3, MARK))
    for subaccount, side, size, price in (
        (ONE, -1, 8_000, MARK - 10),
        (TWO, 1, 8_000, MARK - 10),
        (ONE, 1, 9_000, MARK - 20),
    ):
        events = machine.tell(but(order(subaccount, side, size, price), market=3))
        if subaccount == TWO:
            assert [(fill.size, fill.cash) for fill in only(m.OrderFilled, events)] == [
                (-8_000, -100_001_250),
                (8_000, 100_001_250),
            ]
    sample = the(m.BookSampled, machine.tell(m.MarksUpdated([(3, MARK, MARK)])))
    assert (sample.volume, sample.turnover) == (8_000, 100_001_250)
    assert (sample.impact_bid, sample.impact_ask) == (MARK - 20, 0)


def test_a_late_mark_is_ignored(matching: Driven) -> None:
    assert matching.tell(m.MarksUpdated([(1, MARK // 2, MARK)]), age_ms=LATE_MS + 1) == []
    assert matching.state.trading[1].mark_price_seen == MARK


def test_a_late_first_mark_opens_but_is_not_fresh() -> None:
    """A machine that catches up after an outage does no harm: nobody trades round an old mark."""
    machine = Driven("matching")
    machine.tell(m.MarketListed(BTC))
    machine.tell(m.SettlementMarked(1, MARK), age_ms=LATE_MS + 1)
    assert why(machine.tell(order(ONE, 1))) == (Reason.NO_MARK, 0)
    machine.tell(m.MarksUpdated([(1, MARK, MARK)]))
    the(m.OrderRested, machine.tell(order(ONE, 1)))
