"""The plain liquidation in messages, with hand-calculated numbers: 1 BTC at 8,000, maintenance 2.5 %."""

import pytest

from services.core import messages as m
from services.core.fixed import LATE_MS
from services.core.messages import OrderKind, TimeInForce
from services.core.reasons import Reason
from services.risk import judging
from tests.builders import (
    ALICE,
    BOB,
    BTC,
    CAROL,
    COIN,
    DOLLAR,
    USDC,
    USDC_UNIT,
    Driven,
    Exchange,
    but,
    only,
    the,
    trading,
)

MARK = 8_000 * DOLLAR
USD = USDC_UNIT


def long_risk(dollars: int = 404, size: int = COIN) -> Driven:
    """Risk with Alice long at 8,000, 400 USDC after the fee of 4."""
    risk = Driven("risk")
    risk.tell(m.MarketListed(BTC))
    risk.tell(m.SettlementMarked(1, MARK))
    risk.tell(risk.commands.open(ALICE))
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, dollars * USD, 1))
    buy(risk, size)
    for _ in range(3):
        risk.tell(m.MarksUpdated([(1, MARK, MARK)]))
    return risk


def buy(risk: Driven, size: int, market: int = 1) -> None:
    admitted = the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, 1, size, MARK, market=market)))
    cash = -size * MARK * 10
    filled = m.OrderFilled(ALICE.subaccount, market, admitted.ref, 9, 9, MARK, size, cash, is_maker=False, remaining=0)
    risk.tell(filled)


def mark(risk: Driven, price: int, market: int = 1) -> list[m.Message]:
    return risk.tell(m.MarksUpdated([(market, price, price)]))


def close(risk: Driven, size: int, price: int, remaining: int, ref: int = 2) -> list[m.Message]:
    """Fill Alice's liquidation order."""
    cash = size * price * 10
    return risk.tell(
        m.OrderFilled(ALICE.subaccount, 1, ref, 20, 20, price, -size, cash, is_maker=False, remaining=remaining)
    )


def test_equality_with_maintenance_is_safe_and_one_tick_lower_is_not() -> None:
    """Equity 400 - (8,000 - p) against 2.5 % of p: equal at p = 7,600 / 0.975, between 7,794.8 and 7,794.9."""
    risk = long_risk()
    assert mark(risk, 779_490) == []
    started, admitted = mark(risk, 779_480)
    assert started == m.LiquidationStarted(ALICE.subaccount, 19_480_000_000, 19_487_000_000)
    assert admitted == m.OrderAdmitted(
        ALICE.subaccount,
        *(1, 2, -1, TimeInForce.IOC, 740_510, COIN),
        reduce_only=True,
        kind=OrderKind.LIQUIDATION,
        adds_risk=False,
    )


def test_exact_equality_is_safe() -> None:
    """401 after the fee, less 6 of funding, at 7,800: equity 195 = 2.5 % of 7,800."""
    risk = long_risk(405)
    risk.tell(m.FundingStepped(1, 1, 6 * USD // 10_000, 0, 0))
    assert mark(risk, 780_000) == []
    risk.tell(m.FundingStepped(1, 2, 1, 0, 0))
    the(m.LiquidationStarted, mark(risk, 780_000))


def test_orders_are_cancelled_first_and_the_step_waits_for_the_answer() -> None:
    risk = long_risk()
    risk.tell(risk.commands.place(ALICE, -1, COIN, MARK))
    started, cancel = mark(risk, 779_000)
    assert isinstance(started, m.LiquidationStarted)
    assert cancel == m.CancelAllRequested(ALICE.subaccount, 1)
    assert mark(risk, 779_000) == []
    risk.tell(m.OrderCancelled(ALICE.subaccount, 1, 2, 9, COIN, Reason.CANCELLED_BY_LIQUIDATION))
    the(m.OrderAdmitted, risk.tell(m.AllCancelled(ALICE.subaccount, 1)))


def test_who_recovers_while_orders_are_cancelled_is_left_alone() -> None:
    risk = long_risk()
    risk.tell(risk.commands.place(ALICE, -1, COIN, MARK))
    mark(risk, 779_000)
    mark(risk, MARK)
    risk.tell(m.OrderCancelled(ALICE.subaccount, 1, 2, 9, COIN, Reason.CANCELLED_BY_LIQUIDATION))
    assert risk.tell(m.AllCancelled(ALICE.subaccount, 1)) == [m.LiquidationEnded(ALICE.subaccount, 0, 0)]


def test_a_fill_above_the_bankruptcy_value_pays_the_fund() -> None:
    """At 7,790 equity is 190; sold at 7,700 brings 90 less than the mark: 100 are left for the fund, nothing for Alice."""
    risk = long_risk()
    mark(risk, 779_000)
    events = close(risk, COIN, 770_000, 0)
    assert the(m.FundContributed, events) == m.FundContributed("main", 1, 100 * USD)
    assert events[-1] == m.LiquidationEnded(ALICE.subaccount, 100 * USD, 0)
    assert risk.state.subaccounts[ALICE.subaccount].idle == {1: 0}
    assert risk.state.subaccounts[ALICE.subaccount].liquidation is None
    assert the(m.FillBooked, events).fee == 0


def test_what_a_fill_lacks_the_fund_is_asked_for_once_per_fill() -> None:
    """At 7,500 equity is -100. Half is sold at 7,450, half at 7,400: 50 + 25 and 50 + 50 are missing, 175 in all."""
    risk = long_risk()
    mark(risk, 750_000)
    first = close(risk, COIN // 2, 745_000, COIN // 2)
    assert the(m.DeficitReported, first) == m.DeficitReported(ALICE.subaccount, "main", 1, 75 * USD, 1)
    second = close(risk, COIN // 2, 740_000, 0)
    assert the(m.DeficitReported, second) == m.DeficitReported(ALICE.subaccount, "main", 1, 100 * USD, 2)
    assert only(m.LiquidationEnded, second) == []
    assert only(m.LiquidationEnded, risk.tell(m.DeficitCovered(ALICE.subaccount, 1, 75 * USD, 1))) == []
    events = risk.tell(m.DeficitCovered(ALICE.subaccount, 1, 100 * USD, 2))
    assert events[-1] == m.LiquidationEnded(ALICE.subaccount, 0, 175 * USD)
    assert risk.state.subaccounts[ALICE.subaccount].idle == {1: 0}


def test_what_the_fund_cannot_pay_is_unsettled_debt_outside_equity() -> None:
    risk = long_risk()
    mark(risk, 750_000)
    close(risk, COIN, 750_000, 0)
    assert only(m.LiquidationEnded, risk.tell(m.DeficitCovered(ALICE.subaccount, 1, 30 * USD, 1))) == []
    events = risk.tell(m.DeficitUncovered(ALICE.subaccount, 1, 70 * USD, 1))
    assert the(m.Posted, events).legs == [
        (m.Book.IDLE, ALICE.subaccount, 0, 1, 70 * USD),
        (m.Book.UNSETTLED, ALICE.subaccount, 0, 1, -70 * USD),
    ]
    assert the(m.BalanceChanged, events).unsettled == -70 * USD
    the(m.LiquidationEnded, events)
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 50 * USD, 2))
    subaccount = risk.state.subaccounts[ALICE.subaccount]
    assert (subaccount.idle[1], subaccount.unsettled[1]) == (0, -20 * USD)
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 50 * USD, 3))
    assert (subaccount.idle[1], subaccount.unsettled[1]) == (30 * USD, 0)


def test_nothing_may_be_withdrawn_while_a_debt_is_unsettled() -> None:
    """Not even what came back from a withdrawal that custody could not pay."""
    risk = long_risk(2_004)
    risk.tell(m.AssetListed(USDC))
    the(m.WithdrawalRequested, risk.tell(risk.commands.withdraw(ALICE, 400 * USD)))
    mark(risk, 630_000)
    close(risk, COIN, 630_000, 0)
    risk.tell(m.WithdrawalReturned(ALICE.subaccount, 1, 400 * USD, 1, Reason.CUSTODY_SHORT))
    risk.tell(m.DeficitUncovered(ALICE.subaccount, 1, 100 * USD, 1))
    assert risk.state.subaccounts[ALICE.subaccount].idle[1] == 400 * USD
    result = the(m.CommandResolved, risk.tell(risk.commands.withdraw(ALICE, 1)))
    assert (result.reason, result.limit) == (Reason.INSUFFICIENT_FUNDS, 0)


def test_a_returned_withdrawal_settles_a_debt_first() -> None:
    risk = long_risk(2_004)
    risk.tell(m.AssetListed(USDC))
    the(m.WithdrawalRequested, risk.tell(risk.commands.withdraw(ALICE, 400 * USD)))
    mark(risk, 630_000)
    close(risk, COIN, 630_000, 0)
    risk.tell(m.DeficitUncovered(ALICE.subaccount, 1, 100 * USD, 1))
    risk.tell(m.WithdrawalReturned(ALICE.subaccount, 1, 400 * USD, 1, Reason.CUSTODY_SHORT))
    subaccount = risk.state.subaccounts[ALICE.subaccount]
    assert (subaccount.idle[1], subaccount.unsettled[1]) == (300 * USD, 0)


def test_a_step_is_no_larger_than_the_largest_order() -> None:
    small = but(BTC, order_size_max=COIN // 2)
    risk = Driven("risk")
    risk.tell(m.MarketListed(small))
    risk.tell(m.SettlementMarked(1, MARK))
    risk.tell(risk.commands.open(ALICE))
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 404 * USD, 1))
    buy(risk, COIN // 2)
    buy(risk, COIN // 2)
    mark(risk, MARK)
    mark(risk, MARK)
    assert the(m.OrderAdmitted, mark(risk, 779_000)).size == COIN // 2


def test_what_finds_nobody_waits_for_the_next_mark() -> None:
    risk = long_risk()
    mark(risk, 779_000)
    assert only(m.LiquidationEnded, risk.tell(unfilled(2))) == []
    assert risk.tell(m.Tick()) == []
    admitted = the(m.OrderAdmitted, mark(risk, 778_000))
    assert (admitted.ref, admitted.size) == (3, COIN)
    risk.tell(unfilled(3))
    assert mark(risk, MARK) == [m.LiquidationEnded(ALICE.subaccount, 0, 0)]


def unfilled(ref: int, remaining: int = COIN) -> m.OrderCancelled:
    return m.OrderCancelled(ALICE.subaccount, 1, ref, 20, remaining, Reason.IMMEDIATE_OR_CANCEL)


def test_a_part_that_brings_her_above_maintenance_ends_it() -> None:
    """Sold at the mark a part costs equity and maintenance alike; sold above it, less: 3/4 at 7,900 leave her safe."""
    risk = long_risk()
    mark(risk, 779_000)
    close(risk, 75_000, 790_000, 25_000)
    mark(risk, 790_000)
    events = risk.tell(unfilled(2, 25_000))
    assert events[-1] == m.LiquidationEnded(ALICE.subaccount, the_contribution(risk), 0)
    assert risk.state.subaccounts[ALICE.subaccount].exposures[1].size == 25_000


def the_contribution(risk: Driven) -> int:
    transit = risk.state.house[m.Book.TRANSIT]
    total: int = sum(markets[0].get(1, 0) for owner, markets in transit.items() if owner == 5)
    return total


def test_nobody_is_liquidated_before_three_rounds_after_resumed() -> None:
    risk = long_risk()
    risk.tell(m.Resumed())
    assert mark(risk, 700_000) == []
    assert mark(risk, 700_000) == []
    the(m.LiquidationStarted, mark(risk, 700_000))


def test_who_was_queued_before_a_restart_is_not_liquidated_on_old_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more below maintenance than a slice takes; then the process falls and comes again."""
    monkeypatch.setattr(judging, "SLICE", 2)
    risk = Driven("risk")
    risk.tell(m.MarketListed(BTC))
    risk.tell(m.SettlementMarked(1, MARK))
    risk.tell(risk.commands.open(ALICE))
    for number in range(3):
        subaccount = ALICE.subaccount + number
        risk.tell(m.DepositCredited(subaccount, 1, 404 * USD, 1))
        risk.tell(but(risk.commands.place(ALICE, 1, COIN, MARK), subaccount=subaccount))
        cash = -8_000 * USD
        risk.tell(m.OrderFilled(subaccount, 1, 1, 9, 9, MARK, COIN, cash, is_maker=False, remaining=0))
    mark(risk, MARK)
    mark(risk, MARK)
    assert len(only(m.LiquidationStarted, mark(risk, 700_000))) == 2
    assert risk.tell(m.Resumed()) == []
    assert mark(risk, MARK) == []
    assert mark(risk, MARK) == []
    assert only(m.LiquidationStarted, mark(risk, MARK)) == []


def test_late_marks_liquidate_nobody() -> None:
    risk = long_risk()
    assert risk.tell(m.MarksUpdated([(1, 700_000, 700_000)]), age_ms=LATE_MS + 1) == []


def test_stale_marks_liquidate_nobody() -> None:
    """Another market's mark is no reason to judge a position by a mark that nobody renewed."""
    other = but(BTC, id=2, symbol="ETH", index="ETH_USD")
    risk = long_risk()
    risk.tell(m.MarketListed(other))
    risk.tell(m.SettlementMarked(2, MARK))
    mark(risk, 779_490)
    risk.tell(m.FundingStepped(1, 1, USD // 1_000, 0, 0))
    risk.now_ms += BTC.price_stale_ms + 1
    assert mark(risk, MARK, market=2) == []
    the(m.LiquidationStarted, mark(risk, 779_490))


def crash(fund: int, bid: int) -> Exchange:
    """Alice long 1 BTC with 404 USDC, the price falls to 7,500, Carol bids there, the fund has so many USDC."""
    exchange = trading((ALICE, 404), (BOB, 10_000), (CAROL, 10_000))
    if fund:
        exchange.do("settlement", exchange.commands.contribute(fund * USD))
    exchange.place(BOB, -1, COIN, MARK)
    exchange.place(ALICE, 1, COIN, MARK)
    exchange.said = []
    exchange.observe(7_700)
    exchange.place(CAROL, 1, 2 * COIN, bid * DOLLAR)
    exchange.observe(7_700)
    return exchange


OUTCOMES = [
    ("surplus goes to the fund", 0, 7_650, 50, 0),
    ("the fund covers", 500, 7_550, 450, 0),
    ("the fund covers a part", 20, 7_550, 0, -30),
    ("there is no fund", 0, 7_550, 0, -50),
]


@pytest.mark.parametrize(
    ("fund", "bid", "left", "debt"), [row[1:] for row in OUTCOMES], ids=[row[0] for row in OUTCOMES]
)
def test_outcomes(fund: int, bid: int, left: int, debt: int) -> None:
    """Bankrupt at 7,600; a mark of 7,700 allows bids down to 7,315."""
    exchange = crash(fund, bid)
    alice = exchange.subaccount(ALICE)
    assert (alice.idle, alice.unsettled.get(1, 0), alice.exposures) == ({1: 0}, debt * USD, {})
    assert exchange.state("insurance_fund").fund("main", 1).balance == left * USD
    assert exchange.state("matching").trading[1].size_seen[CAROL.subaccount] == COIN
