"""Accounts opened, money in and out, funding payments, in messages."""

import pytest

from services.core import messages as m
from services.core.reasons import Reason
from services.core.spine import machine_number
from tests.builders import ALICE, BOB, BTC, COIN, DOLLAR, START_MS, USDC, USDC_UNIT, Driven, but, only, reason_of, the

MARK = 8_000 * DOLLAR
USD = USDC_UNIT
SETTLEMENT = machine_number("settlement")


@pytest.fixture
def risk() -> Driven:
    """Risk with an open market and Alice with 1,000 USDC."""
    machine = Driven("risk")
    machine.tell(m.AssetListed(USDC))
    machine.tell(m.MarketListed(BTC))
    machine.tell(m.SettlementMarked(1, MARK))
    machine.tell(machine.commands.open(ALICE))
    machine.tell(m.DepositCredited(ALICE.subaccount, 1, 1_000 * USD, 1))
    return machine


def bought(risk: Driven, size: int, price: int = MARK) -> None:
    """Let Alice buy."""
    admitted = the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, 1, size, price)))
    cash = -size * price * 10
    risk.tell(m.OrderFilled(ALICE.subaccount, 1, admitted.ref, 9, 9, price, size, cash, is_maker=False, remaining=0))


def idle(risk: Driven) -> int:
    balance: int = risk.state.subaccounts[ALICE.subaccount].idle[1]
    return balance


def test_an_account_opens_once_by_its_key() -> None:
    risk = Driven("risk")
    events = risk.tell(risk.commands.open(ALICE))
    assert events[0] == m.AccountOpened(ALICE.account, ALICE.key_id)
    assert reason_of(events) is Reason.NONE
    again = risk.tell(risk.commands.open(ALICE))
    assert only(m.AccountOpened, again) == []
    assert reason_of(again) is Reason.NONE


OPENINGS = [
    ("the key of somebody else", Reason.UNAUTHORIZED, {"key": BOB.key}, {}),
    ("the account of somebody else", Reason.UNAUTHORIZED, {}, {"account": BOB.account}),
    ("another key id", Reason.UNAUTHORIZED, {}, {"key_id": 5}),
    ("window too long, but the key comes first", Reason.UNAUTHORIZED, {}, {"key_id": 5, "window_ms": 0}),
    ("window too long", Reason.WINDOW_TOO_LONG, {}, {"window_ms": 0}),
]


@pytest.mark.parametrize(("reason", "fields", "head"), [row[1:] for row in OPENINGS], ids=[row[0] for row in OPENINGS])
def test_openings_are_refused_and_leave_nothing(reason: Reason, fields: dict[str, bytes], head: dict[str, int]) -> None:
    risk = Driven("risk")
    command = risk.commands.open(ALICE)
    assert reason_of(risk.tell(but(command, header=but(command.header, **head), **fields))) is reason
    assert risk.state.accounts == {}


def test_another_key_with_the_same_account_is_refused(risk: Driven) -> None:
    command = risk.commands.open(ALICE)
    other = but(command, header=but(command.header, key_id=ALICE.key_id + 1))
    assert reason_of(risk.tell(other)) is Reason.KEY_OF_ANOTHER_ACCOUNT


def test_a_credit_is_never_refused_not_even_to_an_account_that_nobody_opened() -> None:
    risk = Driven("risk")
    posted, changed = risk.tell(m.DepositCredited(BOB.subaccount, 1, 5, 3))
    assert posted == m.Posted(
        "deposit", 3, START_MS, [(m.Book.TRANSIT, SETTLEMENT, 0, 1, -5), (m.Book.IDLE, BOB.subaccount, 0, 1, 5)]
    )
    assert changed == m.BalanceChanged(BOB.subaccount, 1, 5, 0, 0, "deposit")
    assert reason_of(risk.tell(risk.commands.withdraw(BOB, 1))) is Reason.UNKNOWN_KEY


def test_a_withdrawal_is_debited_asked_and_resolved_when_paid(risk: Driven) -> None:
    command = risk.commands.withdraw(ALICE, 300 * USD)
    posted, changed, requested = risk.tell(command)
    assert isinstance(posted, m.Posted)
    assert isinstance(changed, m.BalanceChanged)
    assert changed.idle == 700 * USD
    assert requested == m.WithdrawalRequested(ALICE.subaccount, 1, 300 * USD, 1, "elsewhere")
    assert risk.tell(command) == []
    (result,) = risk.tell(m.WithdrawalPaid(ALICE.subaccount, 1, 300 * USD, 1))
    assert result == m.CommandResolved(ALICE.account, command.header.command_id, m.Outcome.DONE)
    assert risk.state.subaccounts[ALICE.subaccount].withdrawals == {}


def test_a_returned_withdrawal_is_credited_and_refused(risk: Driven) -> None:
    risk.tell(risk.commands.withdraw(ALICE, 300 * USD))
    events = risk.tell(m.WithdrawalReturned(ALICE.subaccount, 1, 300 * USD, 1, Reason.CUSTODY_SHORT))
    assert reason_of(events) is Reason.CUSTODY_SHORT
    assert idle(risk) == 1_000 * USD


def test_the_ladder_of_a_withdrawal_is_that_of_the_reasons(risk: Driven) -> None:
    seen = [
        reason_of(risk.tell(risk.commands.withdraw(ALICE, amount, asset)))
        for amount, asset in ((0, 9), (0, 1), (2**62, 1), (1_000 * USD + 1, 1))
    ]
    assert seen == [Reason.UNKNOWN_ASSET, Reason.INVALID_AMOUNT, Reason.INVALID_AMOUNT, Reason.INSUFFICIENT_FUNDS]


def test_twenty_percent_of_notional_and_what_orders_hold_stay(risk: Driven) -> None:
    """0.1 BTC at 8,000: fee 0.40; 20 % of 800 stay, and the hold of 0.40 of a resting order; initial margin is less."""
    bought(risk, COIN // 10)
    risk.tell(risk.commands.place(ALICE, 1, COIN // 10, MARK))
    available = 1_000 * USD - 40_000_000 - 160 * USD - 40_000_000
    result = the(m.CommandResolved, risk.tell(risk.commands.withdraw(ALICE, available + 1)))
    assert (result.reason, result.limit) == (Reason.INSUFFICIENT_FUNDS, available)
    the(m.WithdrawalRequested, risk.tell(risk.commands.withdraw(ALICE, available)))


def test_a_profit_stays_and_a_loss_counts(risk: Driven) -> None:
    bought(risk, COIN // 10)
    for mark, available in (
        (900_000, 1_000 * USD - 40_000_000 - 180 * USD),
        (700_000, 1_000 * USD - 40_000_000 - 240 * USD),
    ):
        risk.tell(m.MarksUpdated([(1, mark, mark)]))
        assert the(m.CommandResolved, risk.tell(risk.commands.withdraw(ALICE, 10**15))).limit == available


def test_funding_moves_idle_against_clearing(risk: Driven) -> None:
    bought(risk, COIN)
    before = idle(risk)
    posted, paid, balance = risk.tell(m.FundingStepped(1, 4, 7, 8, START_MS))
    assert paid == m.FundingPaid(ALICE.subaccount, 1, 4, 70_000)
    assert isinstance(posted, m.Posted)
    assert posted.legs == [(m.Book.IDLE, ALICE.subaccount, 0, 1, -70_000), (m.Book.CLEARING, 0, 1, 1, 70_000)]
    assert isinstance(balance, m.BalanceChanged)
    assert idle(risk) == balance.idle == before - 70_000
    assert risk.tell(m.FundingStepped(1, 5, 0, 0, START_MS)) == []
    (_, got, _) = risk.tell(m.FundingStepped(1, 6, -7, 8, START_MS))
    assert got == m.FundingPaid(ALICE.subaccount, 1, 6, -70_000)


def test_funding_may_take_idle_below_zero(risk: Driven) -> None:
    bought(risk, COIN)
    risk.tell(m.FundingStepped(1, 1, 200_000 * USD // 10_000, 8, START_MS))
    assert idle(risk) < 0
