"""Lending, redeeming, borrowing and repaying by will: what each does, and in which order each is refused (M-7, M-9, M-10)."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.fixed import LIMIT
from services.core.messages import Mode
from services.core.pool import INDEX_ONE, PoolState, Stress
from services.core.reasons import Reason
from tests.builders import ALICE, BOB, USDC_UNIT, Driven, but, genesis, only, reason_of, the
from tests.pools import (
    POOLED_USDC,
    TERMS,
    account,
    ask,
    claim,
    modes,
    opens,
    pay_in,
    pool_of,
    pooled,
    see,
    with_interest,
)

USD = USDC_UNIT
PLAIN = int(Mode.REDEEM)


@pytest.fixture
def risk() -> Driven:
    """A shard with a line of 10,000.00, 5,000.00 lent by Bob, and 1,000.00 idle of Alice, whose money moves by her word alone."""
    found = pooled(line=10_000 * USD)
    pay_in(found, 5_000, who=BOB)
    found.tell(found.commands.open(ALICE))
    modes(found, PLAIN)
    found.tell(m.DepositCredited(ALICE.subaccount, 1, 1_000 * USD, 99))
    return found


def standing(risk: Driven) -> tuple[int, int, int]:
    """Alice's idle money, what she has lent and what she owes."""
    return account(risk).idle[1], *claim(risk)


def result(events: list[m.Message]) -> tuple[Reason, int]:
    """Reason and limit of the only command result."""
    found = the(m.CommandResolved, events)
    return Reason(found.reason), found.limit


def test_lending_and_redeeming_by_will(risk: Driven) -> None:
    changed = the(m.BalanceChanged, ask(risk, m.Lend, 600 * USD))
    assert (changed.idle, changed.lent, changed.owed, changed.cause) == (400 * USD, 600 * USD, 0, "lend")
    opens(risk)
    assert standing(risk) == (400 * USD, 600 * USD, 0)
    ask(risk, m.Redeem, 100 * USD)
    assert (standing(risk), risk.state.pools[1].line) == ((500 * USD, 500 * USD, 0), 10_500 * USD)
    ask(risk, m.Redeem, 0)
    assert standing(risk) == (1_000 * USD, 0, 0)
    assert account(risk).claims == {}


def test_borrowing_pays_the_open_period_at_once_and_repaying_gives_none_back(risk: Driven) -> None:
    opens(risk, **with_interest(10**15))
    ask(risk, m.Borrow, 1_000 * USD)
    idle, lent, owed = standing(risk)
    fee = -(-1_000 * USD * 10**15 * 60_000 // (10**12 * 365 * 86_400_000))
    assert (idle, lent) == (2_000 * USD, 0)
    assert fee <= owed - 1_000 * USD <= fee + 2
    assert pool_of(risk)[2] == 4_000 * USD
    ask(risk, m.Repay, 500 * USD)
    ask(risk, m.Repay, 0)
    idle, lent, left = standing(risk)
    assert (lent, left, account(risk).claims) == (0, 0, {})
    assert 0 <= 2_000 * USD - idle - owed <= 2


def test_who_repays_on_a_late_shard_pays_for_the_time_passed(risk: Driven) -> None:
    opens(risk, **with_interest(10**15))
    ask(risk, m.Borrow, 500 * USD)
    owed = claim(risk)[1]
    risk.now_ms += 120_000
    ask(risk, m.Repay, 0)
    paid = 1_500 * USD - account(risk).idle[1]
    late = owed * 10**15 * 60_000 // (10**12 * 365 * 86_400_000)
    assert abs(paid - owed - late) <= 2


def test_repaid_in_part_on_a_late_shard_burns_less(risk: Driven) -> None:
    opens(risk, **with_interest(10**16))
    ask(risk, m.Borrow, 500 * USD)
    before = account(risk).claims[1].debt
    risk.now_ms += 3_600_000
    ask(risk, m.Repay, 100 * USD)
    assert 0 < before - account(risk).claims[1].debt < 100 * USD * INDEX_ONE // risk.state.pools[1].indices.borrow


def closed(risk: Driven) -> None:
    """Close the pool."""
    before = risk.state.pools[1].indices
    risk.tell(m.PeriodOpened(0, 1, but(before, period=before.period + 1), 0, int(PoolState.CLOSED), 0))


def repay_only(risk: Driven) -> None:
    """Let the pool take repayments only."""
    before = risk.state.pools[1].indices
    risk.tell(m.PeriodOpened(0, 1, but(before, period=before.period + 1), 0, int(PoolState.REPAY_ONLY), 0, 10**18))


def stressed(risk: Driven) -> None:
    """Put the pool on the step without new borrows."""
    before = risk.state.pools[1].indices
    risk.tell(m.PeriodOpened(0, 1, but(before, period=before.period + 1), 0, 0, int(Stress.NO_BORROWS), 10**18))


def owing(risk: Driven) -> None:
    """Let Alice owe 200.00."""
    ask(risk, m.Borrow, 200 * USD)


def lending(risk: Driven) -> None:
    """Let Alice lend 300.00."""
    ask(risk, m.Lend, 300 * USD)


def lending_all_by_itself(risk: Driven) -> None:
    """Let all of Alice's money be lent."""
    modes(risk, Mode.LEND | Mode.REDEEM)


def repaying_by_itself(risk: Driven) -> None:
    """Let Alice's money repay."""
    modes(risk, Mode.REDEEM | Mode.REPAY)


def no_line(risk: Driven) -> None:
    """Take the line back but for 50.00."""
    opens(risk, line=-9_950 * USD)


def little_room(risk: Driven) -> None:
    """Let little be borrowed."""
    opens(risk, borrow_room=70 * USD)


def lending_without_line(risk: Driven) -> None:
    """Let Alice lend, and take the line back."""
    lending(risk)
    opens(risk, line=-10_250 * USD)


def nothing(_risk: Driven) -> None:
    """Let everything be as it is."""


REFUSED: list[tuple[str, Any, Any, int, Reason, int]] = [
    ("lend: closed", closed, m.Lend, USD, Reason.POOL_STATE, 2),
    ("lend: in debt", owing, m.Lend, USD, Reason.REPAY_FIRST, 200 * USD),
    ("lend: not there", nothing, m.Lend, 1_001 * USD, Reason.INSUFFICIENT_FUNDS, 1_000 * USD),
    ("lend: nothing", nothing, m.Lend, 0, Reason.INVALID_AMOUNT, LIMIT),
    ("lend: less than nothing", nothing, m.Lend, -1, Reason.INVALID_AMOUNT, LIMIT),
    ("lend: repay only", repay_only, m.Lend, USD, Reason.POOL_STATE, 1),
    ("redeem: closed", closed, m.Redeem, USD, Reason.POOL_STATE, 2),
    ("redeem: lent again at once", lending_all_by_itself, m.Redeem, USD, Reason.UNDONE_BY_MODES, 1),
    ("redeem: not lent", lending, m.Redeem, 301 * USD, Reason.INSUFFICIENT_FUNDS, 300 * USD),
    ("redeem: all of nothing", nothing, m.Redeem, 0, Reason.INSUFFICIENT_FUNDS, 0),
    ("redeem: no cash", lending_without_line, m.Redeem, 60 * USD, Reason.NO_LIQUIDITY, 50 * USD),
    ("borrow: closed", closed, m.Borrow, USD, Reason.POOL_STATE, 2),
    ("borrow: repay only", repay_only, m.Borrow, USD, Reason.POOL_STATE, 1),
    ("borrow: repaid again at once", repaying_by_itself, m.Borrow, USD, Reason.UNDONE_BY_MODES, 8),
    ("borrow: beside what is lent", lending, m.Borrow, USD, Reason.REDEEM_FIRST, 300 * USD),
    ("borrow: under stress", stressed, m.Borrow, USD, Reason.BORROW_LIMIT, 0),
    ("borrow: beyond the room", little_room, m.Borrow, 71 * USD, Reason.BORROW_LIMIT, 70 * USD),
    ("borrow: nothing", nothing, m.Borrow, 0, Reason.BORROW_LIMIT, 10_000 * USD),
    ("borrow: no cash", no_line, m.Borrow, 60 * USD, Reason.BORROW_LIMIT, 50 * USD),
    ("repay: nothing owed", nothing, m.Repay, USD, Reason.NOTHING_OWED, 0),
    ("repay: more than is owed", owing, m.Repay, 201 * USD, Reason.NOTHING_OWED, 200 * USD),
]


@pytest.mark.parametrize(
    ("before", "kind", "amount", "reason", "limit"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refusals(risk: Driven, before: Any, kind: Any, amount: int, reason: Reason, limit: int) -> None:
    before(risk)
    books = standing(risk), pool_of(risk), risk.state.pools[1].line
    assert result(ask(risk, kind, amount)) == (reason, limit)
    assert (standing(risk), pool_of(risk), risk.state.pools[1].line) == books


def test_there_is_no_lending_without_a_pool() -> None:
    risk = Driven("risk")
    risk.tell(risk.commands.open(ALICE))
    for kind in (m.Lend, m.Redeem, m.Borrow, m.Repay):
        assert reason_of(ask(risk, kind, USD)) is Reason.NO_POOL


def test_repaying_goes_on_where_nothing_else_does(risk: Driven) -> None:
    owing(risk)
    closed(risk)
    assert result(ask(risk, m.Repay, 0)) == (Reason.NONE, 0)
    assert standing(risk) == (1_000 * USD, 0, 0)


def test_caps_of_the_pool_and_of_one_account() -> None:
    risk = Driven("risk", founding=genesis())
    risk.tell(m.AssetListed(but(POOLED_USDC, pool=but(TERMS, supply_max=10**15, account_debt_max=150 * USD))))
    risk.tell(risk.commands.open(ALICE))
    modes(risk, PLAIN)
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 1_000 * USD, 99))
    before = risk.state.pools[1].indices
    room, line = 100 * USD, 10_000 * USD
    risk.tell(
        m.PeriodOpened(0, 1, but(before, period=1, closes_at_ms=risk.now_ms + 60_000), line, 0, 0, line, [], room)
    )
    assert result(ask(risk, m.Lend, 70 * USD)) == (Reason.NONE, 0)
    assert result(ask(risk, m.Lend, 70 * USD)) == (Reason.LEND_LIMIT, 30 * USD)
    ask(risk, m.Redeem, 0)
    ask(risk, m.Borrow, 100 * USD)
    assert result(ask(risk, m.Borrow, 100 * USD)) == (Reason.BORROW_LIMIT, 50 * USD)


def test_modes_are_told_and_judged(risk: Driven) -> None:
    assert only(m.ModesSet, modes(risk, 31)) == [m.ModesSet(ALICE.subaccount, 31)]
    for bits in (-1, 32):
        assert result(modes(risk, bits)) == (Reason.INVALID_MODES, 31)


def test_a_debt_in_dollars_alone_is_looked_at_within_an_hour_and_ended_with_idle_money(risk: Driven) -> None:
    ask(risk, m.Borrow, 500 * USD)
    see(risk, 8_000)
    risk.tell(risk.commands.withdraw(ALICE, 999 * USD))
    see(risk, 8_000)
    assert account(risk).box is not None
    opens(risk, borrow=INDEX_ONE * 101 // 100)
    events = risk.wait(3_600_000) + [event for _ in range(3) for event in see(risk, 8_000)]
    missing = the(m.DeficitReported, events)
    idle, lent, owed = standing(risk)
    assert (missing.amount, idle, lent) == (4 * USD, 0, 0)
    assert 4 * USD <= owed <= 4 * USD + 2
