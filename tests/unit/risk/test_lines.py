"""Credit lines at risk: what spot orders hold of them, redeem and borrow at the fill; nothing overdraws one (M-10)."""

import pytest

from services.core import messages as m
from services.core.messages import Mode
from services.core.pool import PoolState
from services.core.reasons import Reason
from tests.builders import ALICE, BOB, COIN, DOLLAR, USDC_UNIT, Driven, but, only, reason_of, the
from tests.pools import (
    account,
    claim,
    credit,
    fill,
    line_of,
    modes,
    opens,
    order,
    pay_in,
    pool_of,
    pooled,
    with_interest,
)

USD = USDC_UNIT
TENTH = COIN // 10
HOLD = 800 * USD + 8 * USD // 10
"""What a tenth of a coin at 8,000.00 holds: its price and the taker fee."""
BORROWING = m.MODES_DEFAULT | Mode.BORROW


@pytest.fixture
def risk() -> Driven:
    """A shard with lines of 1,000.00 and ten coins, and 1,000.00 of Alice, all lent."""
    found = pooled()
    pay_in(found, 1_000)
    pay_in(found, 50_000, 10**9, who=BOB)
    opens(found, line=1_000 * USD)
    opens(found, 2, line=10**9)
    return found


def cash(risk: Driven) -> tuple[int, int]:
    """The line, unused and held."""
    return risk.state.pools[1].line, risk.state.pools[1].held


def test_an_order_holds_line_the_money_earns_on_and_is_redeemed_at_the_fill(risk: Driven) -> None:
    sent = order(risk, 1, TENTH, 8_000, market=2)
    assert (cash(risk), claim(risk)) == ((1_000 * USD - HOLD, HOLD), (1_000 * USD, 0))
    opens(risk, **with_interest(0, supply=10**15 * 101 // 100, mint=10**15 * 101 // 100))
    assert claim(risk) == (1_010 * USD, 0)
    fill(risk, sent)
    assert cash(risk) == (1_000 * USD - HOLD, 0)
    assert abs(claim(risk)[0] - 1_010 * USD + HOLD) <= 2
    assert claim(risk, 2) == (10**7, 0)


def test_what_a_better_price_leaves_and_what_is_cancelled_goes_back_to_the_line(risk: Driven) -> None:
    sent = order(risk, 1, TENTH, 8_000, market=2)
    fill(risk, sent, 7_900, TENTH // 2)
    paid = 395 * USD + 395 * USD // 1_000
    assert cash(risk) == (1_000 * USD - paid - HOLD // 2, HOLD // 2)
    risk.tell(m.OrderCancelled(sent.subaccount, 2, sent.ref, 1, TENTH // 2, Reason.CANCELLED_BY_CLIENT))
    assert (cash(risk), claim(risk)) == ((1_000 * USD - paid, 0), (1_000 * USD - paid, 0))


def test_idle_money_is_held_first_and_kept_from_tidying(risk: Driven) -> None:
    modes(risk, Mode.REDEEM | Mode.REPAY)
    opens(risk)
    line = cash(risk)[0]
    assert account(risk).idle[1] == 1_000 * USD
    sent = order(risk, 1, TENTH, 8_000, market=2)
    assert (cash(risk), account(risk).kept) == ((line, 0), {1: HOLD})
    modes(risk, m.MODES_DEFAULT)
    rest = 1_000 * USD - HOLD
    assert (account(risk).idle[1], claim(risk)) == (HOLD, (rest, 0))
    fill(risk, sent)
    assert (account(risk).idle[1], account(risk).kept, cash(risk)) == (0, {}, (line + rest, 0))


def test_what_comes_in_may_leave_at_once_but_is_not_borrowed_before_it_is_counted() -> None:
    risk = pooled()
    risk.tell(risk.commands.open(ALICE))
    modes(risk, BORROWING)
    opens(risk)
    credit(risk, 1, 1_000 * USD)
    assert (line_of(risk), claim(risk)) == ((1_000 * USD, 1_000 * USD, 0), (1_000 * USD, 0))
    risk.tell(risk.commands.withdraw(ALICE, 400 * USD))
    assert (line_of(risk)[0], pool_of(risk)[2]) == (600 * USD, 600 * USD)
    risk.wait(60_000)
    credit(risk, 1, 100 * USD)
    opens(risk, line=50 * USD)
    assert line_of(risk) == (750 * USD, 100 * USD, 650 * USD)


def test_a_pool_that_is_not_open_takes_nothing_but_repayments() -> None:
    risk = pooled(line=100 * USD)
    pay_in(risk, 1_000)
    before = risk.state.pools[1].indices
    risk.tell(m.PeriodOpened(0, 1, but(before, period=before.period + 1), 0, int(PoolState.REPAY_ONLY), 0))
    credit(risk, 1, 50 * USD)
    assert (account(risk).idle[1], claim(risk)) == (50 * USD, (1_000 * USD, 0))
    opens(risk)
    credit(risk, 1, 5 * USD)
    assert (account(risk).idle[1], claim(risk)) == (0, (1_055 * USD, 0))


def test_a_line_that_is_used_up_refuses_until_it_is_given_back(risk: Driven) -> None:
    sent = order(risk, 1, TENTH, 8_000, market=2)
    refused = the(m.CommandResolved, risk.tell(risk.commands.place(BOB, 1, TENTH, 800_000, market=2)))
    assert (refused.reason, refused.limit) == (Reason.NO_LIQUIDITY, 1_000 * USD - HOLD)
    risk.tell(m.OrderCancelled(sent.subaccount, 2, sent.ref, 1, TENTH, Reason.CANCELLED_BY_CLIENT))
    order(risk, 1, TENTH, 8_000, market=2, who=BOB)


def test_spot_is_bought_with_borrowed_money_where_a_mode_says_so(risk: Driven) -> None:
    opens(risk, line=9_000 * USD, **with_interest(10**12))
    asked = risk.commands.place(ALICE, 1, 2 * TENTH, 8_000 * DOLLAR, market=2)
    assert reason_of(risk.tell(asked)) is Reason.INSUFFICIENT_FUNDS
    again = but(asked, header=risk.commands.header(ALICE), modes=int(Mode.BORROW))
    fill(risk, the(m.OrderAdmitted, risk.tell(again)))
    borrowed = 2 * HOLD - 1_000 * USD
    lent, owed = claim(risk)
    fee = -(-borrowed * 10**12 * 60_000 // (10**12 * 365 * 86_400_000))
    assert lent == 0
    assert fee <= owed - borrowed <= fee + 2
    assert (cash(risk), claim(risk, 2)) == ((10_000 * USD - 2 * HOLD, 0), (2 * 10**7, 0))
    told = only(m.InterestAccrued, risk.tell(m.DepositCredited(ALICE.subaccount, 1, 1, 99)))
    assert [one.amount for one in told if one.entry_fee] == [-fee]


def test_a_coin_that_is_borrowed_is_sold(risk: Driven) -> None:
    modes(risk, BORROWING)
    fill(risk, order(risk, -1, TENTH // 10, 8_000, market=2))
    assert claim(risk, 2) == (0, 10**6)
    assert claim(risk) == (1_080 * USD - 8 * USD // 100, 0)


def test_what_orders_hold_counts_against_what_may_be_borrowed(risk: Driven) -> None:
    modes(risk, BORROWING)
    opens(risk, line=99_000 * USD, borrow_room=1_000 * USD)
    order(risk, 1, 2 * TENTH, 8_000, market=2)
    refused = the(m.CommandResolved, risk.tell(risk.commands.place(ALICE, 1, TENTH, 800_000, market=2)))
    assert (refused.reason, refused.limit) == (Reason.BORROW_LIMIT, 2_000 * USD - 2 * HOLD)


def test_an_order_that_may_borrow_is_replaced_by_a_larger_one(risk: Driven) -> None:
    opens(risk, line=9_000 * USD)
    asked = but(risk.commands.place(ALICE, 1, TENTH, 800_000, market=2, client_id=5), modes=int(Mode.BORROW))
    sent = the(m.OrderAdmitted, risk.tell(asked))
    risk.tell(m.OrderRested(sent.subaccount, 2, sent.ref, 77, TENTH))
    assert only(m.ReplaceRequested, risk.tell(risk.commands.replace(ALICE, 800_000, 2 * TENTH, client_id=5, market=2)))
    assert cash(risk)[1] == 2 * HOLD


def test_a_loss_after_admission_leaves_what_is_held_of_the_line_alone(risk: Driven) -> None:
    sent = order(risk, 1, TENTH, 8_000, market=2)
    perpetual = order(risk, 1, TENTH, 8_400)
    fill(risk, perpetual, 8_400)
    paid = 40 * USD + 42 * USD // 100
    assert claim(risk) == (1_000 * USD - paid, 0)
    again = order(risk, 1, 2 * TENTH, 8_400)
    fill(risk, again, 8_400)
    lent = claim(risk)[0]
    assert lent < 1_000 * USD - 2 * paid
    fill(risk, sent)
    assert claim(risk)[0] - claim(risk)[1] == lent - HOLD
    assert cash(risk) == (1_000 * USD - HOLD, 0)


def test_cash_of_a_pool_is_what_lines_let_go(risk: Driven) -> None:
    before = pool_of(risk)[2]
    fill(risk, order(risk, 1, TENTH, 8_000, market=2))
    assert before - pool_of(risk)[2] == 800 * USD
