"""Pulses at risk: series move, accounts do not; who would pass zero is settled alone; fills settle to the last pulse (M-6, M-8)."""

import pytest

from services.core import messages as m
from services.core.pool import DEBT, SUPPLY
from tests.builders import ALICE, BOB, COIN, DOLLAR, USDC, USDC_UNIT, Driven, but, genesis, only, the
from tests.pools import POOLED_USDC, PULSING, account, claim, fill, order, pay_in, pool_of, pooled, pulse, see, take

USD = USDC_UNIT
FEE = 4 * USD
"""Of a whole coin at 8,000, as taker."""


@pytest.fixture
def risk() -> Driven:
    """A shard with Alice, who is long a coin since 8,000.00, and Bob, who is short one."""
    found = pooled()
    pay_in(found, 2_000)
    pay_in(found, 2_000, who=BOB)
    take(found, 1, COIN, 8_000)
    take(found, -1, COIN, 8_000, who=BOB)
    return found


def test_a_pulse_moves_sums_and_no_account(risk: Driven) -> None:
    before = [(one.claims[1].supply, dict(one.idle)) for one in (account(risk), account(risk, BOB))]
    events = pulse(risk, 8_100)
    assert events == []
    assert [(one.claims[1].supply, dict(one.idle)) for one in (account(risk), account(risk, BOB))] == before
    assert claim(risk) == (2_000 * USD - FEE + 100 * USD, 0)
    assert claim(risk, who=BOB) == (2_000 * USD - FEE - 100 * USD, 0)


def test_sums_follow_where_one_side_is_elsewhere() -> None:
    risk = pooled()
    pay_in(risk, 2_000)
    take(risk, 1, COIN, 8_000)
    posted = the(m.Posted, pulse(risk, 8_100))
    assert sorted(posted.legs) == [(m.Book.CLEARING, 0, 1, 1, -100 * USD), (m.Book.POOL_CASH, 0, 0, 1, 100 * USD)]
    assert pool_of(risk) == (2_100 * USD, 0, 2_100 * USD)


def test_who_would_pass_zero_is_settled_alone_and_comes_to_the_other_side(risk: Driven) -> None:
    shares = account(risk).claims[1].supply
    events = pulse(risk, 5_900)
    changed = the(m.BalanceChanged, events)
    assert (changed.subaccount, changed.lent, changed.owed) == (ALICE.subaccount, 0, 2_100 * USD - shares)
    alice, bob = account(risk).exposures[1], account(risk, BOB).exposures[1]
    assert (alice.series, bob.series) == (2 * DEBT, 2 * SUPPLY + 1)
    assert risk.state.pulses[1].behind == [0, COIN // 10, COIN // 10, 0]
    pulse(risk, 8_000)
    assert claim(risk) == (shares, 0)
    assert alice.series == 2 * SUPPLY


def test_exactly_zero_is_not_passed_by_a_supplier_but_by_a_debtor(risk: Driven) -> None:
    take(risk, -1, COIN, 8_000)
    take(risk, 1, COIN, 8_000)
    lent, _owed = claim(risk)
    mark = 8_000 - lent // USD
    assert only(m.BalanceChanged, pulse(risk, mark)) == []
    assert claim(risk) == (lent % USD, 0)
    assert only(m.BalanceChanged, pulse(risk, mark - 1))[-1].owed == USD - lent % USD


def heard_late(asset: m.Message) -> Driven:
    """A shard that hears of an asset after two marks of a market that settles in it."""
    risk = Driven("risk", founding=genesis())
    risk.tell(m.MarketListed(PULSING))
    for number, price in enumerate((8_000, 8_100)):
        risk.tell(m.SettlementMarked(1, price * DOLLAR, number))
    risk.tell(m.FundingStepped(1, 1, 5, 0, 0))
    risk.tell(asset)
    return risk


def test_an_asset_may_be_heard_of_after_the_first_marks() -> None:
    risk = heard_late(m.AssetListed(POOLED_USDC))
    see(risk, 8_100)
    pay_in(risk, 2_000)
    take(risk, 1, COIN, 8_100)
    pulse(risk, 8_200)
    assert claim(risk)[0] == 2_100 * USD - 405 * USD // 100
    assert 1 not in heard_late(m.AssetListed(USDC)).state.pulses


def test_funding_is_a_pulse_of_its_own(risk: Driven) -> None:
    risk.tell(m.FundingStepped(1, 1, 5, 0, 0))
    lots = COIN // 10
    assert claim(risk) == (2_000 * USD - FEE - 5 * lots, 0)
    assert claim(risk, who=BOB) == (2_000 * USD - FEE + 5 * lots, 0)
    paid = only(m.FundingPaid, take(risk, 1, COIN // 10, 8_000))
    assert paid == [m.FundingPaid(ALICE.subaccount, 1, 1, 5 * lots)]


def test_a_fill_between_pulses_settles_its_difference_at_once(risk: Driven) -> None:
    pulse(risk, 8_100)
    before, _owed = claim(risk)
    events = fill(risk, order(risk, 1, COIN, 8_050), 8_040)
    assert claim(risk) == (before + 60 * USD - 402 * USD // 100, 0)
    assert the(m.PositionChanged, events).cash == 0
    assert account(risk).exposures[1].basis == -16_040 * USD


@pytest.mark.parametrize("size", [COIN, 3 * COIN])
def test_a_position_is_closed_or_turned(risk: Driven, size: int) -> None:
    pulse(risk, 8_100)
    take(risk, -1, size, 8_100)
    fees = FEE + (size // COIN) * 405 * USD // 100
    assert claim(risk) == (2_000 * USD - FEE + 100 * USD - (fees - FEE), 0)
    pulse(risk, 8_000)
    left = size // COIN - 1
    assert claim(risk) == (2_100 * USD - fees + left * 100 * USD, 0)
    assert (1 in account(risk).exposures) == bool(left)


def test_a_finer_lot_moves_nobody(risk: Driven) -> None:
    pulse(risk, 8_100)
    before = claim(risk), claim(risk, who=BOB)
    risk.tell(m.MarketChanged(but(PULSING, lot=1)))
    assert (claim(risk), claim(risk, who=BOB)) == before
    pulse(risk, 8_200)
    assert claim(risk) == (before[0][0] + 100 * USD, 0)
    assert claim(risk, who=BOB) == (before[1][0] - 100 * USD, 0)


def test_a_liquidation_that_gives_the_fund_what_is_left_over_keeps_the_series_right(risk: Driven) -> None:
    pulse(risk, 6_200)
    sent = the(m.OrderAdmitted, [one for _ in range(3) for one in see(risk, 6_150)])
    assert sent.kind == m.OrderKind.LIQUIDATION
    fill(risk, sent, 6_200)
    assert account(risk).liquidation is None
    assert pool_of(risk)[2] == 4_000 * USD


def test_whom_nobody_touches_is_looked_after_within_the_hour(risk: Driven) -> None:
    for _ in range(4):
        see(risk, 8_000)
    pulse(risk, 8_100)
    lent, booked = claim(risk)[0], account(risk).claims[1].supply
    assert lent == booked + 100 * USD
    assert account(risk).box is not None
    told = risk.wait(3_600_000) + [event for _ in range(3) for event in see(risk, 8_100)]
    assert account(risk).claims[1].supply == lent
    assert [one.lent for one in only(m.BalanceChanged, told) if one.subaccount == ALICE.subaccount] == [lent]
    assert (claim(risk)[0], account(risk).exposures[1].series) == (lent, 2 * SUPPLY)
