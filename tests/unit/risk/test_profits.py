"""Profit that matures: what of it may leave when, and what caps what has left (M-11; reliability a.4, a.5)."""

import pytest

from services.core import messages as m
from services.core.messages import Mode
from services.core.reasons import Reason
from services.risk.profits import lend_against
from tests.builders import ALICE, BOB, COIN, DOLLAR, USDC_UNIT, Driven, but, genesis, only, reason_of
from tests.pools import (
    MARKETS,
    POOLED_USDC,
    TERMS,
    account,
    modes,
    opens,
    pay_in,
    pooled,
    see,
    take,
)

USD = USDC_UNIT
CAP = 6_000 * USD
"""What the market lets leave against its floating profit, where the market has a cap."""


def slowly(risk: Driven, price: int, slow: int = 0) -> None:
    """Let a mark be seen, settle the perpetual to it, and let the period close well; the slow price may lag behind."""
    opens(risk)
    see(risk, price)
    lag = (slow or price) * DOLLAR
    risk.tell(m.SettlementMarked(1, price * DOLLAR, len(risk.inbox), lag, lag))
    risk.wait(60_000)
    sample(risk)


def sample(risk: Driven, depth: int = 100 * COIN) -> None:
    """Let the book be so deep."""
    price = risk.state.marks[1].price
    risk.tell(m.BookSampled(1, price, price, price, price, price, 0, depth, depth))


@pytest.fixture
def risk() -> Driven:
    """A shard with Alice, who is long two coins since 8,000.00 on 10,000.00, one hour ago; the market has a cap."""
    found = pooled(line=100_000 * USD)
    found.tell(m.MarketChanged(but(MARKETS[1], profit_debt_max=CAP, withdrawal_fraction=0)))
    pay_in(found, 10_000)
    pay_in(found, 100_000, who=BOB)
    take(found, 1, 2 * COIN, 8_000)
    opens(found)
    found.wait(3_600_000)
    return found


def room(risk: Driven, amount: int, *, short: tuple[str, ...] = (), pool_room: int = 10**15) -> None:
    """Open a period that lets so much more leave against the market's profits."""
    before = risk.state.pools[1].indices
    indices = but(before, period=before.period + 1, closes_at_ms=risk.now_ms + 60_000)
    terms = (indices, 0, 0, 0, 10**15, [*short], 0, pool_room, [(1, amount)])
    risk.tell(m.PeriodOpened(0, 1, *terms))
    see(risk, risk.state.marks[1].price // DOLLAR)


def leave(risk: Driven, dollars: int) -> tuple[Reason, int]:
    """Withdraw, and return the refusal with what would be let go, in whole dollars."""
    refused = only(m.CommandResolved, risk.tell(risk.commands.withdraw(ALICE, dollars * USD)))
    return (Reason(refused[0].reason), refused[0].limit // USD) if refused else (Reason.NONE, 0)


def most(risk: Driven) -> int:
    """What may leave, in whole dollars: asked by wanting far too much."""
    return leave(risk, 10**6)[1]


STAYS = 2 * 8_500 // 50 + 2 * 8_500 // 40
"""About what margin and the cost of closing keep of two coins at 8,500, in dollars; tests of profit compare beyond it."""


def test_half_of_a_profit_leaves_once_its_period_has_closed_well(risk: Driven) -> None:
    before = most(risk)
    slowly(risk, 8_500)
    floating = most(risk)
    assert before - 100 < floating <= before
    room(risk, 10**15)
    assert 400 < most(risk) - floating <= 500


@pytest.mark.parametrize("case", ["short", "thin", "slow", "young", "not realised"])
def test_profit_stays(risk: Driven, case: str) -> None:
    slowly(risk, 8_500, slow=8_000 if case == "slow" else 0)
    before = most(risk)
    room(risk, 10**15, short=("main",) if case == "short" else ())
    if case == "thin":
        sample(risk, COIN)
    if case == "young":
        take(risk, 1, COIN // 1_000, 8_500)
    if case == "not realised":
        modes(risk, m.MODES_DEFAULT & ~Mode.REALISE)
    assert abs(most(risk) - before) < 30


def test_a_slow_price_off_the_tick_is_taken_to_the_worse_one(risk: Driven) -> None:
    slowly(risk, 8_500)
    mark, tick = 8_500 * DOLLAR, MARKETS[1].tick
    assert tick > 1
    risk.tell(m.SettlementMarked(1, mark, 99, mark - tick - 1, mark + tick + 1))
    pulse = risk.state.pulses[1]
    assert (pulse.slow_low, pulse.slow_high) == (mark - 2 * tick, mark + 2 * tick)
    assert most(risk) > 0


def test_what_leaves_against_profits_of_a_market_stays_below_its_cap(risk: Driven) -> None:
    slowly(risk, 12_000)
    own = most(risk)
    room(risk, CAP // 2)
    assert CAP // 2 - USD < (most(risk) - own) * USD <= CAP // 2
    risk.tell(risk.commands.withdraw(ALICE, most(risk) * USD))
    state = risk.state
    lent = state.pulses[1].lent_against
    assert 0 < lent <= CAP // 2
    assert (account(risk).exposures[1].lent_against, state.pulses[1].room) == (lent, CAP // 2 - lent)
    report = next(one for one in only(m.PoolDelta, risk.wait(60_000)) if one.asset == 1)
    assert (report.profit_debt, report.profit_debts) == (lent, [(1, lent, CAP)])


def test_who_has_enough_of_his_own_lends_nothing_against_profit(risk: Driven) -> None:
    slowly(risk, 8_500)
    room(risk, CAP)
    risk.tell(risk.commands.withdraw(ALICE, 5_000 * USD))
    assert risk.state.pulses[1].lent_against == 0


def test_what_has_left_is_forgotten_when_the_profit_is_taken(risk: Driven) -> None:
    slowly(risk, 12_000)
    room(risk, CAP)
    risk.tell(risk.commands.withdraw(ALICE, most(risk) * USD))
    before = risk.state.pulses[1].room
    lent = risk.state.pulses[1].lent_against
    assert lent > 0
    take(risk, -1, 2 * COIN, 12_000)
    assert (risk.state.pulses[1].lent_against, risk.state.pulses[1].room) == (0, before + lent)


def test_a_pool_has_a_cap_of_its_own() -> None:
    risk = Driven("risk", founding=genesis())
    risk.tell(m.AssetListed(but(POOLED_USDC, pool=but(TERMS, profit_debt_max=10**12))))
    risk.tell(m.MarketListed(but(MARKETS[1], withdrawal_fraction=0)))
    risk.tell(m.SettlementMarked(1, 8_000 * DOLLAR))
    risk.tell(m.MarksUpdated([(1, 8_000 * DOLLAR, 8_000 * 10**8)]))
    opens(risk, line=100_000 * USD)
    pay_in(risk, 10_000)
    take(risk, 1, 2 * COIN, 8_000)
    risk.wait(3_600_000)
    opens(risk)
    mark = 8_500 * DOLLAR
    risk.tell(m.MarksUpdated([(1, mark, 8_500 * 10**8)]))
    risk.tell(m.SettlementMarked(1, mark, 1, mark, mark))
    risk.wait(60_000)
    sample(risk)
    room(risk, 0, pool_room=0)
    own = most(risk)
    room(risk, 0, pool_room=150 * USD)
    assert most(risk) - own == 150
    risk.tell(risk.commands.withdraw(ALICE, (own + 100) * USD))
    left = risk.state.pools[1].profit_room
    assert 49 * USD < left <= 50 * USD + STAYS * USD


def test_realised_profit_matures_too(risk: Driven) -> None:
    before = most(risk)
    slowly(risk, 8_500)
    take(risk, -1, 2 * COIN, 8_500)
    risk.wait(1_000)
    assert 10_000 - 100 < most(risk) <= 10_000 > before
    room(risk, 0, short=("main",))
    assert most(risk) <= 10_000
    risk.wait(60_000)
    room(risk, 0)
    assert 10_900 < most(risk) <= 11_000


def test_a_loss_takes_from_profit_that_was_realised_lately(risk: Driven) -> None:
    slowly(risk, 8_500)
    take(risk, -1, COIN, 8_500)
    assert account(risk).realised[1][0] == 500 * USD
    take(risk, 1, 2 * COIN, 8_500)
    see(risk, 8_300)
    take(risk, -1, 2 * COIN, 8_300)
    assert 0 < account(risk).realised[1][0] < 500 * USD
    see(risk, 7_700)
    take(risk, -1, COIN, 7_700)
    assert account(risk).realised == {}


def test_nothing_is_borrowed_and_sold_on_profit_that_has_not_matured(risk: Driven) -> None:
    pay_in(risk, coins=10**10, who=BOB)
    opens(risk, 2, line=10**10)
    slowly(risk, 16_000)
    asked = but(
        risk.commands.place(ALICE, -1, COIN // 2, 16_000 * DOLLAR, market=2), modes=int(m.MODES_DEFAULT | Mode.BORROW)
    )
    assert only(m.OrderAdmitted, risk.tell(asked))
    more = but(
        risk.commands.place(ALICE, -1, 3 * COIN, 16_000 * DOLLAR, market=2), modes=int(m.MODES_DEFAULT | Mode.BORROW)
    )
    assert reason_of(risk.tell(more)) is Reason.INSUFFICIENT_MARGIN
    room(risk, 10**15)
    again = but(more, header=risk.commands.header(ALICE))
    assert only(m.OrderAdmitted, risk.tell(again))


def test_counting_again_changes_nothing(risk: Driven) -> None:
    slowly(risk, 12_000)
    room(risk, CAP)
    risk.tell(risk.commands.withdraw(ALICE, most(risk) * USD))
    before = account(risk).exposures[1].lent_against, risk.state.pulses[1].room
    lend_against(risk.state, account(risk))
    assert (account(risk).exposures[1].lent_against, risk.state.pulses[1].room) == before
