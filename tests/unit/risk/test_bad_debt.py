"""Bad debt that profit bears which has not matured, before suppliers do (M-13)."""

import pytest

from services.core import messages as m
from services.core.pool import CAPITAL
from tests.builders import ALICE, BOB, COIN, DOLLAR, USDC_UNIT, Driven, but, only, the
from tests.pools import account, claim, opens, pay_in, pool_of, pooled, pulse, see, take

USD = USDC_UNIT


@pytest.fixture
def risk() -> Driven:
    """A shard with Alice, long two coins since 8,000.00, and Bob, long one; the mark is 8,500.00, and nothing has matured."""
    found = pooled(line=10_000 * USD)
    pay_in(found, 10_000)
    pay_in(found, 10_000, who=BOB)
    take(found, 1, 2 * COIN, 8_000)
    take(found, 1, COIN, 8_000, who=BOB)
    opens(found)
    see(found, 8_500)
    pulse(found, 8_500)
    return found


def reported(risk: Driven) -> m.PoolDelta:
    """What the shard reports of the pool at the end of the period."""
    return next(one for one in only(m.PoolDelta, risk.wait(60_000)) if one.asset == 1)


def open_with(risk: Driven, *, asked: tuple[str, ...] = (), taken: tuple[tuple[str, int], ...] = ()) -> list[m.Message]:
    """Open the next period."""
    before = risk.state.pools[1].indices
    indices = but(before, period=before.period + 1, closes_at_ms=risk.now_ms + 60_000)
    opened = m.PeriodOpened(0, 1, indices, 0, 0, 0, short_groups=["main"], asked=[*asked], taken=[*taken])
    return risk.tell(opened)


def test_a_shard_says_what_has_not_matured_only_where_it_is_asked(risk: Driven) -> None:
    assert reported(risk).unmatured == []
    open_with(risk, asked=("main", "other"))
    assert reported(risk).unmatured == [("main", 1_500 * USD), ("other", 0)]


def test_it_is_borne_pro_rata_without_cash(risk: Driven) -> None:
    before, supply = pool_of(risk)[2], claim(risk)[0] + claim(risk, who=BOB)[0]
    events = open_with(risk, taken=(("main", 300 * USD),))
    told = {one.subaccount for one in only(m.BalanceChanged, events) if one.cause == "bad_debt"}
    assert told == {ALICE.subaccount, BOB.subaccount}
    assert claim(risk)[0] + claim(risk, who=BOB)[0] == supply - 300 * USD
    assert pool_of(risk)[2] == before
    assert [account(risk, who).exposures[1].basis for who in (ALICE, BOB)] == [-16_200 * USD, -8_100 * USD]
    report = reported(risk)
    assert (report.loss, report.losses) == (-300 * USD, [("main", -300 * USD)])


def test_no_more_is_borne_than_has_not_matured(risk: Driven) -> None:
    open_with(risk, taken=(("main", 9_999 * USD),))
    assert risk.state.pools[1].loss == -1_500 * USD
    assert account(risk).exposures[1].basis == -17_000 * USD
    open_with(risk, taken=(("main", 9_999 * USD),))
    assert risk.state.pools[1].loss == -1_500 * USD


def test_profit_that_was_taken_by_closing_bears_too_and_what_has_matured_does_not(risk: Driven) -> None:
    mark = 8_500 * DOLLAR
    risk.tell(m.SettlementMarked(1, mark, 9, mark, mark))
    risk.wait(60_000)
    opens(risk)
    take(risk, -1, COIN, 8_500, who=BOB)
    risk.tell(m.MarksUpdated([(1, 8_600 * DOLLAR, 8_600 * 10**8)]))
    pulse(risk, 8_600)
    open_with(risk, asked=("main",))
    assert reported(risk).unmatured == [("main", 700 * USD)]
    open_with(risk, taken=(("main", 700 * USD),))
    assert account(risk, BOB).realised[1][0] == 0
    assert account(risk).exposures[1].basis == -16_200 * USD


def test_whose_debt_it_was_is_remembered_by_group(risk: Driven) -> None:
    pulse(risk, 2_000)
    assert claim(risk)[1] > 0
    account(risk).group = "main"
    risk.tell(m.DeficitUncovered(ALICE.subaccount, 1, 400 * USD, 1))
    assert risk.state.pools[1].losses == {"main": 400 * USD}
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 100 * USD, 1))
    assert the(m.PoolDelta, [reported(risk)]).losses == [("main", 300 * USD)]


def test_the_venues_fees_are_its_capital(risk: Driven) -> None:
    opens(risk)
    fees = 12 * USD
    open_with(risk, asked=(CAPITAL,))
    assert reported(risk).unmatured == [(CAPITAL, fees)]
    before = pool_of(risk)[2]
    open_with(risk, taken=((CAPITAL, 5 * USD),))
    assert (pool_of(risk)[2] - before, risk.state.pools[1].loss) == (5 * USD, -5 * USD)
    open_with(risk, asked=(CAPITAL,))
    assert reported(risk).unmatured == [(CAPITAL, 7 * USD)]
