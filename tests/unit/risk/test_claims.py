"""Claims at risk: what deposits, withdrawals, transfers, bad debt and modes make of shares (M-7, M-8, M-13)."""

import pytest

from services.core import messages as m
from services.core.messages import Mode
from services.core.pool import DEBT, INDEX_ONE, share_unit
from services.core.reasons import Reason
from tests.builders import ALICE, BOB, COIN, USDC_UNIT, Driven, only, reason_of, the
from tests.pools import account, ask, claim, modes, opens, pay_in, pool_of, pooled, pulse, take, with_interest

USD = USDC_UNIT
RICH = 2 * 10**11
"""A rate of 20 % per year."""


@pytest.fixture
def risk() -> Driven:
    """A shard with two pools and a line of 10,000.00 on each."""
    return pooled(line=10_000 * USD)


def test_a_deposit_is_lent_at_the_mint_index_and_worth_the_burn_index(risk: Driven) -> None:
    opens(risk, **with_interest(10**16, supply=INDEX_ONE * 3 // 2))
    minted = risk.state.pools[1].indices.mint
    pay_in(risk, 1_000)
    shares = 1_000 * USD * INDEX_ONE // minted
    assert account(risk).claims[1].supply == shares
    assert claim(risk) == (shares * 3 // 2, 0)
    assert 0 < 1_000 * USD - shares * 3 // 2 < 20 * USD
    assert account(risk).idle == {}


def test_who_comes_late_pays_for_the_time_passed(risk: Driven) -> None:
    opens(risk, **with_interest(10**16))
    pay_in(risk, 1_000)
    risk.now_ms += 120_000
    pay_in(risk, 1_000, who=BOB)
    early, late = claim(risk)[0], claim(risk, who=BOB)[0]
    assert 0 < early - late < 40 * USD


def test_less_than_a_share_is_the_pools(risk: Driven) -> None:
    opens(risk, supply=3 * INDEX_ONE, mint=3 * INDEX_ONE, burn=3 * INDEX_ONE)
    risk.tell(risk.commands.open(ALICE))
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 2, 1))
    assert (claim(risk), pool_of(risk)) == ((0, 0), (0, 0, 2))


def test_interest_is_told_when_a_claim_is_touched(risk: Driven) -> None:
    pay_in(risk, 1_000)
    opens(risk, supply=INDEX_ONE * 11 // 10, mint=INDEX_ONE * 11 // 10, burn=INDEX_ONE * 11 // 10)
    told = only(m.InterestAccrued, risk.tell(m.DepositCredited(ALICE.subaccount, 1, 11 * USD, 9)))
    assert [(one.amount, one.from_period, one.to_period) for one in told] == [(100 * USD, 1, 2)]


def test_a_withdrawal_takes_claims_within_the_line(risk: Driven) -> None:
    pay_in(risk, 20_000)
    asked = the(m.CommandResolved, risk.tell(risk.commands.withdraw(ALICE, 10_001 * USD)))
    assert (asked.reason, asked.limit) == (Reason.NO_LIQUIDITY, 10_000 * USD)
    risk.tell(risk.commands.withdraw(ALICE, 9_999 * USD))
    assert (claim(risk), risk.state.pools[1].line) == ((10_001 * USD, 0), USD)


def test_a_withdrawal_takes_free_idle_money_first(risk: Driven) -> None:
    risk.tell(risk.commands.open(ALICE))
    modes(risk, Mode.REDEEM)
    pay_in(risk, 1_000)
    ask(risk, m.Lend, 400 * USD)
    risk.tell(risk.commands.withdraw(ALICE, 700 * USD))
    assert (account(risk).idle[1], claim(risk)) == (0, (300 * USD, 0))
    assert risk.state.pools[1].line == 10_300 * USD


def test_a_transfer_hands_over_claims_and_needs_no_line() -> None:
    risk = pooled()
    pay_in(risk, 1_000)
    assert reason_of(risk.tell(risk.commands.withdraw(ALICE, USD))) is Reason.NO_LIQUIDITY
    assert reason_of(risk.tell(risk.commands.transfer(ALICE, 400 * USD))) is Reason.NONE
    receiver = risk.state.subaccounts[ALICE.subaccount + 1]
    assert (claim(risk), receiver.claims[1].supply) == ((600 * USD, 0), 400 * USD)
    refused = the(m.CommandResolved, risk.tell(risk.commands.transfer(ALICE, 601 * USD)))
    assert (refused.reason, refused.limit) == (Reason.INSUFFICIENT_FUNDS, 600 * USD)


def losing(risk: Driven) -> None:
    """Let Alice lose 8,500 with 8,000, and close."""
    pay_in(risk, 8_000)
    take(risk, 1, 2 * COIN, 8_000)
    pulse(risk, 3_750)


def test_bad_debt_leaves_the_debt_and_is_the_pools_loss(risk: Driven) -> None:
    losing(risk)
    owed = claim(risk)[1]
    assert owed == 508 * USD
    part = m.DeficitUncovered(ALICE.subaccount, 1, 500 * USD, 1)
    posted = next(one for one in only(m.Posted, risk.tell(part)) if one.kind == "deficit")
    assert (m.Book.LOSS, 0, 0, 1, 500 * USD) in [*posted.legs]
    assert (m.Book.SHARES, ALICE.subaccount, 0, share_unit(1, DEBT), -500 * USD) in [*posted.legs]
    assert (claim(risk), account(risk).unsettled) == ((0, 8 * USD), {1: -500 * USD})
    assert risk.state.pools[1].loss == 500 * USD
    risk.tell(m.DeficitUncovered(ALICE.subaccount, 1, 500 * USD, 2))
    assert (claim(risk), account(risk).unsettled, risk.state.pools[1].loss) == ((0, 0), {1: -508 * USD}, 508 * USD)


def test_what_is_recovered_goes_back_to_the_pool_first(risk: Driven) -> None:
    losing(risk)
    risk.tell(m.DeficitUncovered(ALICE.subaccount, 1, 508 * USD, 1))
    cash = pool_of(risk)[2]
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 600 * USD, 9))
    assert (account(risk).unsettled, risk.state.pools[1].loss) == ({1: 0}, 0)
    assert claim(risk) == (92 * USD, 0)
    assert pool_of(risk)[2] == cash + 600 * USD


def test_modes_move_what_they_say_at_once(risk: Driven) -> None:
    pay_in(risk, 1_000)
    modes(risk, Mode.REDEEM)
    assert ALICE.subaccount in risk.state.pools[1].redeeming
    opens(risk)
    assert (account(risk).idle[1], account(risk).claims) == (1_000 * USD, {})
    modes(risk, Mode.LEND)
    assert (account(risk).idle[1], claim(risk)) == (0, (1_000 * USD, 0))


def test_who_lends_again_is_not_redeemed(risk: Driven) -> None:
    pay_in(risk, 1_000)
    modes(risk, Mode.REDEEM)
    modes(risk, Mode.LEND)
    opens(risk)
    assert (account(risk).idle, claim(risk)) == ({}, (1_000 * USD, 0))
    assert risk.state.pools[1].redeeming == {}


def test_who_does_not_lend_is_paid_in_claims_and_redeemed_after_the_house_as_far_as_the_line_goes() -> None:
    risk = pooled()
    pay_in(risk, 5_000, who=BOB)
    risk.tell(risk.commands.open(ALICE))
    modes(risk, Mode.REDEEM)
    pay_in(risk, 2_000)
    take(risk, 1, COIN, 8_000)
    assert claim(risk) == (0, 4 * USD)
    pulse(risk, 8_104)
    take(risk, -1, COIN, 8_104)
    fees = 8_052 * USD // 1_000
    profit = 104 * USD - fees
    assert claim(risk) == (profit, 0)
    opens(risk, line=60 * USD)
    assert (account(risk).idle[1], claim(risk)) == (2_060 * USD - fees, (profit - 60 * USD + fees, 0))
    opens(risk, line=60 * USD)
    assert account(risk).idle[1] == 2_000 * USD + profit
