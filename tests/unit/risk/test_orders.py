"""Orders at risk in messages: the ladder of admission, holds, fills, answers."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.commands import WINDOW_MAX_MS
from services.core.reasons import Reason
from tests.builders import (
    ALICE,
    BOB,
    BTC,
    CAROL,
    COIN,
    DAVE,
    DOLLAR,
    START_MS,
    USDC_UNIT,
    Driven,
    Exchange,
    but,
    only,
    reason_of,
    the,
    trading,
)

MARK = 8_000 * DOLLAR
USD = USDC_UNIT
IOC, POST_ONLY = m.TimeInForce.IOC, m.TimeInForce.POST_ONLY


@pytest.fixture
def exchange() -> Exchange:
    """All machines, four people with 1,000 USDC each."""
    return trading(*((who, 1_000) for who in (ALICE, BOB, CAROL, DAVE)))


def test_an_order_is_admitted_with_its_hold(risk: Driven) -> None:
    events = risk.tell(risk.commands.place(ALICE, 1, COIN, MARK + 10_000))
    assert events == [m.OrderAdmitted(ALICE.subaccount, 1, 1, 1, 0, MARK + 10_000, COIN, False, 0, adds_risk=True)]  # noqa: FBT003
    assert risk.state.subaccounts[ALICE.subaccount].holds == {1: 405 * USD // 100 + 100 * USD}


def test_a_market_order_gets_the_edge_of_the_band(risk: Driven) -> None:
    for side, price in ((1, 840_000), (-1, 760_000)):
        admitted = the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, side, COIN // 10, tif=IOC)))
        assert (admitted.price, admitted.time_in_force) == (price, IOC)


HEADERS: list[tuple[str, Reason, dict[str, Any]]] = [
    ("unknown account", Reason.UNKNOWN_KEY, {"account": BOB.account}),
    ("another key", Reason.UNKNOWN_KEY, {"key_id": 5}),
    ("an id that means none", Reason.MALFORMED, {"command_id": 0}),
    ("window too long", Reason.WINDOW_TOO_LONG, {"window_ms": WINDOW_MAX_MS + 1}),
    ("too old", Reason.OUTSIDE_WINDOW, {"timestamp_ms": 1}),
]


@pytest.mark.parametrize(("reason", "head"), [row[1:] for row in HEADERS], ids=[row[0] for row in HEADERS])
def test_who_may_not_ask_is_refused_and_not_remembered(risk: Driven, reason: Reason, head: dict[str, Any]) -> None:
    for command in (
        risk.commands.place(ALICE, 1, COIN, MARK),
        risk.commands.cancel(ALICE, 1),
        risk.commands.withdraw(ALICE, 1),
    ):
        events = risk.tell(but(command, header=but(command.header, **head)))
        assert reason_of(events) is reason
        assert len(events) == 1
        assert not risk.state.commands.seen(but(command.header, **head))


def test_a_subaccount_of_somebody_else_is_refused(risk: Driven) -> None:
    command = risk.commands.place(ALICE, 1, COIN, MARK)
    assert reason_of(risk.tell(but(command, subaccount=BOB.subaccount))) is Reason.INVALID_SUBACCOUNT


def test_the_ladder_of_a_header_is_that_of_the_reasons(risk: Driven) -> None:
    wrong = risk.commands.place(ALICE, 1, COIN, MARK)
    wrong = but(wrong, subaccount=BOB.subaccount, header=but(wrong.header, key_id=5, window_ms=0))
    seen = []
    for mended in ({"key_id": ALICE.key_id}, {"window_ms": 1}, {}):
        seen.append(reason_of(risk.tell(wrong)))
        wrong = but(wrong, header=but(wrong.header, **mended))
    assert seen == [Reason.UNKNOWN_KEY, Reason.WINDOW_TOO_LONG, Reason.INVALID_SUBACCOUNT]


def test_the_ladder_of_an_order_is_that_of_the_reasons() -> None:
    """Everything wrong at once, mended one by one: the reasons come in ascending order."""
    market = but(BTC, orders_max=1, position_max=2 * COIN, order_size_max=2 * COIN, notional_min=2_000 * USD)
    risk = Driven("risk")
    risk.tell(risk.commands.open(ALICE))
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 1_000 * USD, 1))
    order: dict[str, Any] = {
        "side": 0,
        "size": 5,
        "price": 1_700_005,
        "tif": 9,
        "client_id": 4,
        "expires_ms": 1,
    }
    seen: list[Reason] = []

    def ask(**mended: Any) -> None:
        order.update(mended)
        seen.append(reason_of(risk.tell(risk.commands.place(ALICE, **order))))

    ask()
    risk.tell(m.MarketListed(market))
    ask()
    risk.tell(m.SettlementMarked(1, MARK))
    risk.tell(risk.commands.place(ALICE, -1, COIN // 4, MARK, client_id=4))
    risk.now_ms += market.price_stale_ms + 1
    ask()
    ask(size=2 * COIN)
    ask(price=1_700_000)
    ask(side=1)
    ask(tif=POST_ONLY)
    risk.tell(m.MarksUpdated([(1, MARK, MARK)]))
    ask()
    ask(price=MARK + 40_000)
    ask(client_id=5, size=10)
    ask(size=COIN)
    ask(expires_ms=risk.now_ms + 1)
    assert seen == [
        Reason.UNKNOWN_MARKET,
        Reason.MARKET_HALTED,
        Reason.INVALID_SIZE,
        Reason.INVALID_PRICE,
        Reason.INVALID_ORDER,
        Reason.INVALID_ORDER,
        Reason.NO_MARK,
        Reason.OUTSIDE_BAND,
        Reason.DUPLICATE_CLIENT_ID,
        Reason.BELOW_NOTIONAL_MIN,
        Reason.INVALID_EXPIRY,
        Reason.TOO_MANY_ORDERS,
    ]
    assert seen == sorted(seen)


def filled(
    risk: Driven, size: int, price: int = MARK, ref: int = 1, trade: int = 1, remaining: int = 0
) -> list[m.Message]:
    """Tell risk of a fill of Alice's order as taker."""
    cash = -size * price * 10
    return risk.tell(
        m.OrderFilled(ALICE.subaccount, 1, ref, 50 + ref, trade, price, size, cash, is_maker=False, remaining=remaining)
    )


def test_a_stale_mark_lets_positions_be_closed_and_none_be_opened() -> None:
    risk = Driven("risk")
    risk.tell(m.MarketListed(BTC))
    risk.tell(m.SettlementMarked(1, MARK))
    risk.tell(risk.commands.open(ALICE))
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 5_000 * USD, 1))
    risk.tell(risk.commands.place(ALICE, 1, COIN, MARK))
    filled(risk, COIN)
    risk.now_ms += BTC.price_stale_ms + 1
    place = risk.commands.place
    assert reason_of(risk.tell(place(ALICE, -1, 2 * COIN, MARK))) is Reason.NO_MARK
    assert the(m.OrderAdmitted, risk.tell(place(ALICE, -1, COIN, MARK))).adds_risk is False
    assert reason_of(risk.tell(place(ALICE, -1, COIN // 10, MARK))) is Reason.NO_MARK


def test_the_ladder_of_a_liquidating_account() -> None:
    """Position limit, then liquidation, then margin."""
    market = but(BTC, position_max=2 * COIN, order_size_max=2 * COIN)
    risk = Driven("risk")
    risk.tell(m.MarketListed(market))
    risk.tell(m.SettlementMarked(1, MARK))
    risk.tell(risk.commands.open(ALICE))
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 500 * USD, 1))
    risk.tell(risk.commands.place(ALICE, 1, COIN, MARK))
    filled(risk, COIN)
    place = risk.commands.place
    assert reason_of(risk.tell(place(ALICE, 1, 2 * COIN, MARK))) is Reason.POSITION_LIMIT
    assert reason_of(risk.tell(place(ALICE, 1, COIN, MARK))) is Reason.INSUFFICIENT_MARGIN
    for _ in range(2):
        risk.tell(m.MarksUpdated([(1, 768_000, 768_000)]))
    the(m.LiquidationStarted, risk.tell(m.MarksUpdated([(1, 768_000, 768_000)])))
    assert reason_of(risk.tell(place(ALICE, 1, 2 * COIN, 768_000))) is Reason.POSITION_LIMIT
    assert reason_of(risk.tell(place(ALICE, 1, COIN, 768_000))) is Reason.ACCOUNT_LIQUIDATING
    assert reason_of(risk.tell(risk.commands.withdraw(ALICE, 1, asset=9))) is Reason.UNKNOWN_ASSET


TERMS: list[tuple[str, Reason, int, dict[str, Any]]] = [
    ("no size", Reason.INVALID_SIZE, BTC.order_size_max, {"size": 0}),
    ("off the lot", Reason.INVALID_SIZE, BTC.order_size_max, {"size": 15}),
    ("too large", Reason.INVALID_SIZE, BTC.order_size_max, {"size": BTC.order_size_max + 10}),
    ("below zero", Reason.INVALID_PRICE, 10, {"price": -10}),
    ("off the tick", Reason.INVALID_PRICE, 10, {"price": 799_995}),
    ("beyond the highest price", Reason.INVALID_PRICE, 10, {"price": BTC.price_max + 10}),
    ("no side", Reason.INVALID_ORDER, 0, {"side": 2}),
    ("no time in force", Reason.INVALID_ORDER, 0, {"tif": 9}),
    ("market order that rests", Reason.INVALID_ORDER, 0, {"price": 0}),
    ("an end for what never rests", Reason.INVALID_ORDER, 0, {"tif": IOC, "expires_ms": START_MS + 60_000}),
    ("no self-trade mode", Reason.INVALID_ORDER, 0, {"self_trade": 9}),
    ("an end in the past", Reason.INVALID_EXPIRY, START_MS + 1, {"expires_ms": START_MS}),
    ("buy above the band", Reason.OUTSIDE_BAND, 840_000, {"price": 840_010}),
    ("sell below the band", Reason.OUTSIDE_BAND, 760_000, {"price": 759_990, "side": -1}),
]


@pytest.mark.parametrize(("reason", "limit", "terms"), [row[1:] for row in TERMS], ids=[row[0] for row in TERMS])
def test_terms_are_refused_with_their_limit(risk: Driven, reason: Reason, limit: int, terms: dict[str, Any]) -> None:
    order = {"side": 1, "size": COIN, "price": MARK} | terms
    result = the(m.CommandResolved, risk.tell(risk.commands.place(ALICE, **order)))
    assert (result.reason, result.limit) == (reason, limit)


def test_a_client_id_is_free_again_when_its_order_is_gone(risk: Driven) -> None:
    risk.tell(risk.commands.place(ALICE, 1, 10, MARK, client_id=4))
    assert reason_of(risk.tell(risk.commands.place(ALICE, 1, 10, MARK, client_id=4))) is Reason.DUPLICATE_CLIENT_ID
    filled(risk, 10)
    the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, 1, 10, MARK, client_id=4)))


def test_margin_is_missing_to_the_unit(risk: Driven) -> None:
    """1,000 USDC carry 2.4752 BTC at the mark: initial margin 400 and fee 4 each."""
    events = risk.tell(risk.commands.place(ALICE, 1, 247_530, MARK))
    assert the(m.CommandResolved, events).limit == 247_530 * 404 * USD // COIN - 1_000 * USD
    the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, 1, 247_520, MARK)))
    missing = 10 * 404 * USD // COIN - (1_000 * USD - 247_520 * 404 * USD // COIN)
    assert the(m.CommandResolved, risk.tell(risk.commands.place(ALICE, 1, 10, MARK))).limit == missing


@pytest.mark.parametrize(("short", "reason"), [(0, Reason.NONE), (1, Reason.INSUFFICIENT_MARGIN)])
def test_one_unit_too_little_is_too_little(short: int, reason: Reason) -> None:
    risk = Driven("risk")
    risk.tell(m.MarketListed(BTC))
    risk.tell(m.SettlementMarked(1, MARK))
    risk.tell(risk.commands.open(ALICE))
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 404 * USD - short, 1))
    events = risk.tell(risk.commands.place(ALICE, 1, COIN, MARK))
    assert [result.reason for result in only(m.CommandResolved, events)] == [reason] * short


def test_the_other_side_needs_its_hold_only(risk: Driven) -> None:
    """Margin is per market at the worse side: 2 BTC of buys carry 2 BTC of sells."""
    for side in (1, -1):
        the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, side, 2 * COIN, MARK)))


def test_an_order_that_lowers_risk_passes_without_margin(risk: Driven) -> None:
    """At 7,750 Alice has 392 of 969 (initial margin) for her 2.5 BTC: she may close, even at a loss, but not open."""
    risk.tell(risk.commands.place(ALICE, 1, 247_500, MARK))
    filled(risk, 247_500)
    risk.tell(m.MarksUpdated([(1, 775_000, 775_000)]))
    admitted = the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, -1, 100_000, 775_000)))
    assert not admitted.adds_risk
    the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, -1, 147_500, 775_000)))
    refused = risk.tell(risk.commands.place(ALICE, -1, 10, 775_000))
    assert reason_of(refused) is Reason.INSUFFICIENT_MARGIN
    assert reason_of(risk.tell(risk.commands.place(ALICE, 1, 10, 775_000))) is Reason.INSUFFICIENT_MARGIN


def test_a_close_that_raises_risk_at_its_worst_price_is_refused(risk: Driven) -> None:
    """To close a tenth at the edge of the band would cost more than its share of equity."""
    risk.tell(risk.commands.place(ALICE, 1, 247_500, MARK))
    filled(risk, 247_500)
    risk.tell(m.MarksUpdated([(1, 770_000, 770_000)]))
    assert reason_of(risk.tell(risk.commands.place(ALICE, -1, 24_750, 740_000))) is Reason.INSUFFICIENT_MARGIN
    the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, -1, 24_750, 769_000)))


def test_a_reduce_only_beside_an_order_that_closes_counts_what_then_opens(risk: Driven) -> None:
    """Long 2 with 2 to sell: a reduce-only first would leave the resting order to open a short of 2."""
    risk.tell(risk.commands.place(ALICE, 1, 240_000, MARK))
    filled(risk, 240_000)
    risk.tell(m.MarksUpdated([(1, 780_000, 780_000)]))
    sell = risk.commands.place(ALICE, -1, 240_000, 780_000)
    assert not the(m.OrderAdmitted, risk.tell(sell)).adds_risk
    events = risk.tell(risk.commands.place(ALICE, -1, 240_000, 780_000, tif=IOC, reduce_only=True))
    assert reason_of(events) is Reason.INSUFFICIENT_MARGIN


def test_a_reduce_only_may_be_larger_than_the_position(risk: Driven) -> None:
    risk.tell(risk.commands.place(ALICE, 1, 10, MARK))
    filled(risk, 10)
    events = risk.tell(risk.commands.place(ALICE, -1, COIN, tif=IOC, reduce_only=True))
    admitted = the(m.OrderAdmitted, events)
    assert (admitted.reduce_only, admitted.adds_risk) == (True, False)


def test_a_retry_changes_nothing(risk: Driven) -> None:
    command = risk.commands.place(ALICE, 1, 10, MARK)
    assert risk.tell(command)
    assert risk.tell(command) == []


def test_a_resting_order_is_answered_with_its_id(exchange: Exchange) -> None:
    events = exchange.place(ALICE, 1, COIN, MARK - 10, client_id=3)
    result = the(m.CommandResolved, events)
    assert (result.outcome, result.open_size, result.filled_size) == (m.Outcome.DONE, COIN, 0)
    told = the(m.OrderUpdated, events)
    assert (told.order_id, told.client_id, told.status) == (result.order_id, 3, m.OrderStatus.NEW)


def test_a_fill_moves_size_cash_and_fee_in_one_entry(exchange: Exchange) -> None:
    exchange.place(BOB, -1, COIN, MARK)
    events = exchange.place(ALICE, 1, 2 * COIN, MARK)
    alice, bob = exchange.subaccount(ALICE), exchange.subaccount(BOB)
    assert (alice.exposures[1].size, alice.exposures[1].cash) == (COIN, -8_000 * USD)
    assert (bob.exposures[1].size, bob.exposures[1].cash) == (-COIN, 8_000 * USD)
    assert alice.idle[1] == 996 * USD
    assert bob.idle[1] == 1_000 * USD - 16 * USD // 10
    result = the(m.CommandResolved, events)
    assert (result.open_size, result.filled_size) == (COIN, COIN)
    entries = [entry for entry in only(m.Posted, events) if entry.kind == "fill"]
    assert [len(entry.legs) for entry in entries] == [6, 6]
    statuses = [update.status for update in only(m.OrderUpdated, events)]
    assert statuses == [m.OrderStatus.FILLED, m.OrderStatus.PARTIALLY_FILLED, m.OrderStatus.PARTIALLY_FILLED]
    assert alice.holds[1] == 4 * USD


def test_a_closed_position_is_realised_at_once(exchange: Exchange) -> None:
    exchange.place(BOB, -1, COIN, MARK)
    exchange.place(ALICE, 1, COIN, MARK)
    exchange.place(CAROL, 1, COIN, MARK + 10_000)
    exchange.place(ALICE, -1, COIN, MARK + 10_000)
    alice = exchange.subaccount(ALICE)
    assert alice.exposures == {}
    assert alice.idle[1] == (1_000 - 4 + 100) * USD - 405 * USD // 100


BASES = [
    ("opened", [(1, 2, 800_000)], (2, -16_000, -16_000)),
    ("increased", [(1, 2, 800_000), (1, 1, 810_000)], (3, -24_100, -24_100)),
    ("closed in part", [(1, 2, 800_000), (-1, 1, 810_000)], (1, -7_900, -8_000)),
    ("flipped", [(1, 1, 800_000), (-1, 2, 810_000)], (-1, 8_200, 8_100)),
    ("short increased", [(-1, 1, 800_000), (-1, 1, 790_000)], (-2, 15_900, 15_900)),
]


@pytest.mark.parametrize(("trades", "expected"), [row[1:] for row in BASES], ids=[row[0] for row in BASES])
def test_size_cash_and_basis(trades: list[tuple[int, int, int]], expected: tuple[int, int, int]) -> None:
    exchange = trading((ALICE, 100_000), (BOB, 100_000))
    for side, coins, price in trades:
        exchange.place(BOB, -side, coins * COIN, price)
        exchange.place(ALICE, side, coins * COIN, price)
    exposure = exchange.subaccount(ALICE).exposures[1]
    size, cash, basis = expected
    assert (exposure.size, exposure.cash, exposure.basis) == (size * COIN, cash * USD, basis * USD)


def test_since_is_the_time_of_the_last_increase(exchange: Exchange) -> None:
    def trade(side: int, size: int) -> int:
        exchange.observe(8_000)
        exchange.place(BOB, -side, size, MARK)
        exchange.place(ALICE, side, size, MARK)
        since: int = exchange.subaccount(ALICE).exposures[1].since_ms
        return since

    opened = trade(1, COIN)
    assert opened == exchange.now_ms
    assert trade(-1, COIN // 2) == opened
    assert trade(1, 10) == exchange.now_ms
    assert trade(-1, COIN) == exchange.now_ms


def test_a_cancel_is_answered_and_releases_the_hold(exchange: Exchange) -> None:
    order_id = the(m.CommandResolved, exchange.place(ALICE, 1, COIN, MARK)).order_id
    events = exchange.risk(ALICE, exchange.commands.cancel(ALICE, order_id))
    assert reason_of(events) is Reason.NONE
    assert the(m.OrderUpdated, events).status == m.OrderStatus.CANCELLED
    assert exchange.subaccount(ALICE).holds == {1: 0}
    assert exchange.subaccount(ALICE).exposures == {}


def test_a_cancel_by_client_id_does_not_overtake_its_order(exchange: Exchange) -> None:
    exchange.said = []
    exchange.tell("risk", exchange.commands.place(ALICE, 1, COIN, MARK, client_id=9))
    exchange.tell("risk", exchange.commands.cancel(ALICE, client_id=9))
    exchange.drain()
    assert [result.outcome for result in only(m.CommandResolved, exchange.said)] == [m.Outcome.DONE, m.Outcome.DONE]
    assert exchange.subaccount(ALICE).exposures == {}


CANCELS = [("unknown order", 1, 77, Reason.ORDER_NOT_OPEN), ("unknown market", 9, 77, Reason.UNKNOWN_MARKET)]


@pytest.mark.parametrize(
    ("market", "order_id", "reason"), [row[1:] for row in CANCELS], ids=[row[0] for row in CANCELS]
)
def test_cancels_are_refused(exchange: Exchange, market: int, order_id: int, reason: Reason) -> None:
    assert reason_of(exchange.risk(ALICE, exchange.commands.cancel(ALICE, order_id, market=market))) is reason


def test_a_cancel_that_comes_too_late_is_refused(exchange: Exchange) -> None:
    order_id = the(m.CommandResolved, exchange.place(ALICE, 1, COIN, MARK)).order_id
    exchange.said = []
    exchange.tell("risk", exchange.commands.place(BOB, -1, COIN, MARK))
    exchange.deliver(("risk.inbox", 0))
    cancel = exchange.commands.cancel(ALICE, order_id)
    exchange.tell("risk", cancel)
    exchange.drain()
    results = {result.command_id: result.reason for result in only(m.CommandResolved, exchange.said)}
    assert results[cancel.header.command_id] == Reason.ORDER_NOT_OPEN


def test_a_post_only_that_would_take_is_refused_with_its_reason(exchange: Exchange) -> None:
    exchange.place(BOB, -1, COIN, MARK)
    result = the(m.CommandResolved, exchange.place(ALICE, 1, COIN, MARK, tif=POST_ONLY))
    assert (result.reason, result.limit) == (Reason.POST_ONLY_WOULD_TAKE, MARK)
    assert exchange.subaccount(ALICE).holds == {1: 0}


def test_an_ioc_filled_in_part_is_done(exchange: Exchange) -> None:
    exchange.place(BOB, -1, COIN // 2, MARK)
    result = the(m.CommandResolved, exchange.place(ALICE, 1, COIN, tif=IOC))
    assert (result.outcome, result.open_size, result.filled_size) == (m.Outcome.DONE, 0, COIN // 2)
    result = the(m.CommandResolved, exchange.place(ALICE, 1, COIN // 10, tif=IOC))
    assert (result.outcome, result.reason) == (m.Outcome.REFUSED, Reason.IMMEDIATE_OR_CANCEL)


def test_a_late_order_is_refused_by_matching_and_a_late_close_is_not(exchange: Exchange) -> None:
    exchange.place(BOB, -1, COIN, MARK)
    exchange.place(ALICE, 1, COIN, MARK)
    exchange.place(CAROL, 1, COIN, MARK)
    for size, reason in ((2 * COIN, Reason.LATE), (COIN, Reason.NONE)):
        exchange.said = []
        exchange.tell("risk", exchange.commands.place(ALICE, -1, size, MARK), age_ms=5_001)
        exchange.drain()
        assert Reason(only(m.CommandResolved, exchange.said)[-1].reason) is reason


DISPLAYS: list[tuple[str, Reason, int, int, int]] = [
    ("all of it", Reason.INVALID_SIZE, COIN - 10, COIN, m.TimeInForce.GTC),
    ("off the lot", Reason.INVALID_SIZE, COIN - 10, 15, m.TimeInForce.GTC),
    ("below nothing", Reason.INVALID_SIZE, COIN - 10, -10, m.TimeInForce.GTC),
    ("of what never rests", Reason.INVALID_ORDER, 0, 10, IOC),
]


@pytest.mark.parametrize(
    ("reason", "limit", "display", "tif"), [row[1:] for row in DISPLAYS], ids=[row[0] for row in DISPLAYS]
)
def test_an_iceberg_shows_a_part_of_itself(risk: Driven, reason: Reason, limit: int, display: int, tif: int) -> None:
    order = but(risk.commands.place(ALICE, 1, COIN, MARK, tif=tif), display=display)
    result = the(m.CommandResolved, risk.tell(order))
    assert (result.reason, result.limit) == (reason, limit)


def test_an_iceberg_is_held_whole(risk: Driven) -> None:
    order = but(risk.commands.place(ALICE, 1, COIN, MARK), display=10)
    assert the(m.OrderAdmitted, risk.tell(order)).display == 10
    assert risk.state.subaccounts[ALICE.subaccount].exposures[1].buys == COIN


def test_an_account_s_tier_bounds_its_orders_and_positions_and_closes_nothing(risk: Driven) -> None:
    place = risk.commands.place
    risk.tell(m.LimitTiersSet([(2, 10**12 // 1_000, 2)]))
    for price in (MARK, MARK - 10):
        the(m.OrderAdmitted, risk.tell(place(ALICE, 1, BTC.position_max // 1_000, price)))
    risk.tell(m.AccountTierSet(ALICE.account, 2))
    refused = the(m.CommandResolved, risk.tell(place(ALICE, 1, 10, MARK)))
    assert (refused.reason, refused.limit) == (Reason.TOO_MANY_ORDERS, 2)
    refused = the(m.CommandResolved, risk.tell(risk.commands.quote(ALICE, (9, 1, MARK, 10))))
    assert (refused.reason, refused.limit) == (Reason.TOO_MANY_ORDERS, 2)
    assert filled(risk, COIN)
    refused = the(m.CommandResolved, risk.tell(place(ALICE, 1, COIN, MARK)))
    assert (refused.reason, refused.limit) == (Reason.POSITION_LIMIT, COIN)
    risk.tell(m.LimitTiersSet([]))
    the(m.OrderAdmitted, risk.tell(place(ALICE, 1, 10, MARK)))
