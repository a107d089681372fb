"""Laws of lending by will: every sequence against exact fractions, and nobody gains by going in and out or in parts (M-3, M-9, M-10)."""

import random
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.core import messages as m
from services.core import pool as p
from services.core.messages import Mode
from services.core.pool import INDEX_ONE, PARTS_ONE, Indices
from services.core.reasons import Reason
from services.risk.leaving import available_amount
from tests.builders import ALICE, BOB, COIN, USDC_UNIT, Driven, only, reason_of
from tests.pools import account, ask, claim, modes, opens, pay_in, pooled, pulse, see, take, with_interest
from tests.properties.histories import seeds

USD = USDC_UNIT
PLAIN = int(Mode.REDEEM)
DEEP = 10**15


class Exact:
    """An account's claim in fractions of shares: what it would be without any rounding."""

    def __init__(self) -> None:
        self.supply = self.debt = Fraction(0)
        self.idle = self.steps = 0

    def take(self, kind: type[m.Message], period: Indices, amount: int, late_ms: int) -> None:
        """Do what was asked for, at the indices of now."""
        self.steps += 1
        passed = 1 + Fraction(period.rate * late_ms, 10**12 * p.YEAR_MS)
        fee = 1 + Fraction(period.rate * period.length_ms, 10**12 * p.YEAR_MS)
        if kind is m.Lend:
            self.supply += amount * INDEX_ONE / (period.mint * passed)
        elif kind is m.Redeem:
            self.supply -= Fraction(amount * INDEX_ONE, period.burn)
        elif kind is m.Borrow:
            self.debt += amount * fee * INDEX_ONE / period.borrow
        else:
            self.debt -= amount * INDEX_ONE / (period.borrow * passed)
        self.idle += amount if kind in (m.Redeem, m.Borrow) else -amount


def some_period(chance: random.Random, before: Indices) -> dict[str, int]:
    """Indices of a next period: some interest, seldom a loss."""
    rate = chance.choice((0, 10**10, 10**12, 10**15))
    supply = before.supply + chance.randint(0, before.mint - before.supply)
    borrow = p.grown(before.borrow, rate, 60_000)
    burn = supply if chance.random() < 0.8 else supply * chance.randint(500, 999) // 1_000
    return with_interest(
        rate, supply=supply, mint=p.grown(supply, rate, 60_000), borrow=borrow, burn=max(burn, before.burn)
    )


@settings(max_examples=40)
@given(seed=seeds)
def test_every_sequence_is_the_exact_one_but_for_a_few_shares_for_the_pool(seed: int) -> None:
    chance = random.Random(seed)
    risk, exact = pooled(line=DEEP), Exact()
    pay_in(risk, 5_000_000, who=BOB)
    risk.tell(risk.commands.open(ALICE))
    modes(risk, PLAIN)
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, 10**12, 99))
    exact.idle = 10**12
    for _ in range(40):
        risk.now_ms += chance.choice((0, 1_000, 90_000))
        if chance.random() < 0.3:
            opens(risk, 1, line=DEEP, **some_period(chance, risk.state.pools[1].indices))
            continue
        kind = chance.choice((m.Lend, m.Redeem, m.Borrow, m.Repay))
        before, period = claim(risk), risk.state.pools[1].indices
        amount = chance.choice((0, chance.randint(1, 10 ** chance.randint(1, 12))))
        late_ms = p.late_ms(period, risk.now_ms)
        idle = account(risk).idle[1]
        if reason_of(ask(risk, kind, amount)) is not Reason.NONE:
            assert (claim(risk), account(risk).idle[1]) == (before, idle)
            continue
        exact.take(kind, period, abs(account(risk).idle[1] - idle), late_ms)
        compare(risk, exact)


def compare(risk: Driven, exact: Exact) -> None:
    """Idle money is exact; there is less supply and more debt than in fractions, by at most a few shares per step."""
    found = account(risk).claims.get(1)
    supply, debt = (found.supply, found.debt) if found is not None else (0, 0)
    assert account(risk).idle[1] == exact.idle
    assert 0 <= exact.supply - supply <= 2 * exact.steps or not supply
    assert 0 <= debt - exact.debt <= 3 * exact.steps or not debt
    if not supply:
        assert exact.supply <= 2 * exact.steps + 2
        exact.supply = Fraction(0)
    if not debt:
        assert exact.debt <= 3 * exact.steps
        exact.debt = Fraction(0)


@settings(max_examples=60)
@given(seed=seeds, amount=st.integers(1, 10**13))
def test_who_deposits_and_withdraws_never_gains_and_pays_at_most_the_open_period(seed: int, amount: int) -> None:
    chance, risk = random.Random(seed), pooled(line=DEEP)
    for _ in range(chance.randint(0, 5)):
        opens(risk, 1, line=DEEP, **some_period(chance, risk.state.pools[1].indices))
    period = risk.state.pools[1].indices
    risk.tell(risk.commands.open(ALICE))
    risk.tell(m.DepositCredited(ALICE.subaccount, 1, amount, 1))
    most = available_amount(risk.state, account(risk), 1)
    costs = amount * (period.mint - period.burn) // period.mint + 2 + 2 * period.mint // INDEX_ONE
    assert amount - costs <= most <= amount
    if most:
        assert reason_of(risk.tell(risk.commands.withdraw(ALICE, most + 1))) is not Reason.NONE
        assert only(m.WithdrawalRequested, risk.tell(risk.commands.withdraw(ALICE, most)))
        assert claim(risk)[1] == 0


def floating(seed: int) -> Driven:
    """A shard on which Alice has a position, coins and a floating profit or loss."""
    chance, risk = random.Random(seed), pooled(line=DEEP)
    pay_in(risk, chance.randint(1_000, 9_000), chance.randint(0, 10**8))
    take(risk, chance.choice((1, -1)), chance.randint(1, COIN // 10) * 10, 8_000)
    pulse(risk, 8_000 + chance.randint(-200, 200))
    see(risk, 8_000 + chance.randint(-200, 200))
    opens(risk, 1, line=DEEP, **some_period(chance, risk.state.pools[1].indices))
    return risk


@settings(max_examples=60)
@given(seed=seeds, parts=st.lists(st.integers(1, 100), min_size=2, max_size=12))
def test_splitting_a_withdrawal_never_gives_more(seed: int, parts: list[int]) -> None:
    whole, split = floating(seed), floating(seed)
    most = available_amount(whole.state, account(whole), 1)
    taken = 0
    for part in parts:
        left = available_amount(split.state, account(split), 1)
        amount = left * part // 100
        if amount:
            assert only(m.WithdrawalRequested, split.tell(split.commands.withdraw(ALICE, amount)))
            taken += amount
    assert taken + available_amount(split.state, account(split), 1) <= most
    if taken:
        whole.tell(whole.commands.withdraw(ALICE, taken))
    lent, rest = claim(whole), claim(split)
    assert rest[0] - rest[1] <= lent[0] - lent[1]


@settings(max_examples=40)
@given(seed=seeds, changes=st.lists(st.integers(-300, 300), min_size=1, max_size=30))
def test_series_of_pulses_sum_to_the_mark_but_for_the_interest_of_open_periods(seed: int, changes: list[int]) -> None:
    chance, risk = random.Random(seed), pooled(line=DEEP)
    pay_in(risk, 1_000_000)
    side = chance.choice((1, -1))
    take(risk, side, 10 * COIN, 8_000)
    before, mark = claim(risk)[0], 8_000
    for change in changes:
        mark = max(1_000, mark + change)
        pulse(risk, mark)
    won = side * 10 * (mark - 8_000) * USD
    assert claim(risk) == (before + won, 0)
    assert account(risk).claims[1].supply == before
    take(risk, side, 10, mark)
    assert account(risk).claims[1].supply < before + won
    assert risk.state.pools[1].waiting == [(0, 0), (0, 0)]
    assert PARTS_ONE > risk.state.pulses[1].carry >= 0
