"""Four fifths of a pool's lenders leave at once, over three shards: who asked first is paid first, nobody twice, the throttle holds."""

import pytest

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.messages import Mode
from services.risk.shares import lent_and_owed
from tests.builders import USDC_UNIT, Person, only
from tests.properties.pool_laws import Judge
from tests.properties.pool_world import SHARDS, PoolWorld

EACH = 2_000_000 * USDC_UNIT
COINS = 10_000 * 10**8
PERIODS = 12
LEAVING = Mode.REDEEM
INTEREST = FRACTION_ONE // 10_000
"""By so much interest may take utilisation beyond the bound in all, at the rates of this pool."""
BORROWED = FRACTION_ONE * 6 // 10
STAYING = 3
"""Of the lenders of a shard, the last so many stay."""


class BankRun(PoolWorld):
    """Three shards with fifteen equal lenders and one borrower each."""

    def __init__(self) -> None:
        super().__init__(3, rate=100, people=18)
        for number in range(SHARDS):
            for who in self.people[number]:
                self.sets_modes(number, who, m.MODES_DEFAULT)
            for who in self.lenders(number):
                self.deposit(number, who, 1, EACH)
            borrower = self.people[number][1]
            self.sets_modes(number, borrower, LEAVING)
            self.deposit(number, borrower, 2, COINS)
        for _ in range(3):
            self.period()

    def lenders(self, number: int) -> list[Person]:
        """Lenders of a shard, in the order in which they will leave."""
        return self.people[number][3:]

    def leavers(self, number: int) -> list[Person]:
        """Those who leave."""
        return self.lenders(number)[:-STAYING]

    def sets_modes(self, number: int, who: Person, modes: int) -> None:
        """Set somebody's modes."""
        self.tell(number, m.SetModes(self.shards[number].commands.header(who), who.subaccount, int(modes)))

    def period(self) -> None:
        """Let a period end."""
        self.see_prices()
        self.settle_periods()
        self.see_prices()

    def borrow(self) -> None:
        """Let borrowers borrow and take out what lines give, up to two thirds of the pool or so."""
        while self.used()[0] < BORROWED:
            for number in range(SHARDS):
                borrower, commands = self.people[number][1], self.shards[number].commands
                most = EACH
                for _ in range(3):  # The room says so much, and the line less.
                    said = self.tell(number, m.Borrow(commands.header(borrower), borrower.subaccount, 1, most))
                    refused = [one for one in only(m.CommandResolved, said) if one.reason]
                    if not refused:
                        self.tell(number, commands.withdraw(borrower, most, 1))
                        break
                    most = refused[0].limit
            self.period()

    def paid(self, number: int, who: Person) -> int:
        """What somebody has got back: idle money."""
        amount: int = self.shards[number].state.subaccounts[who.subaccount].idle.get(1, 0)
        return amount

    def lent(self, number: int, who: Person) -> int:
        """What somebody has lent still."""
        state = self.shards[number].state
        return lent_and_owed(state, state.subaccounts[who.subaccount], 1)[0]

    def used(self) -> tuple[int, int, int]:
        """Utilisation, bound and rate at the last opening."""
        latest = self.pool.state.pools[1].latest
        assert latest is not None
        return latest.used, latest.bound, latest.borrow_rate


@pytest.fixture(scope="module")
def run() -> BankRun:
    """A pool that is used by two thirds when four fifths of its lenders ask for their money."""
    world = BankRun()
    Judge(world)
    world.borrow()
    for number in range(SHARDS):
        for who in world.leavers(number):
            world.sets_modes(number, who, LEAVING)
    return world


def judge_order(world: BankRun) -> None:
    """On each shard one leaver at most is paid in part: those before him have got all, those behind him nothing yet."""
    for number in range(SHARDS):
        rests = [world.lent(number, who) for who in world.leavers(number)]
        begun = [world.paid(number, who) > 0 for who in world.leavers(number)]
        first = next((at for at, rest in enumerate(rests) if rest), len(rests))
        assert not any(begun[first + 1 :]), (number, rests)


def test_a_bank_run(run: BankRun, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for _ in range(PERIODS):
        run.period()
        judge_order(run)
        used, bound, rate = run.used()
        assert used <= bound + INTEREST
        back = sum(run.paid(number, who) for number in range(SHARDS) for who in run.leavers(number))
        rows.append((used, bound, rate, back))
    assert rows[-1][0] > 80 * FRACTION_ONE // 100, "money is short"
    assert rows[-1][3] < sum(len(run.leavers(number)) for number in range(SHARDS)) * EACH
    rates = [(used, rate) for used, _bound, rate, _back in rows]
    assert sorted(rates) == sorted(rates, key=lambda row: (row[0], row[1])), "rates follow the curve"
    for number in range(SHARDS):
        borrower = run.people[number][1]
        run.sets_modes(number, borrower, m.MODES_DEFAULT)
        run.deposit(number, borrower, 1, 10**16)
    for _ in range(6):
        run.period()
        judge_order(run)
    for number in range(SHARDS):
        for who in run.leavers(number):
            got = run.paid(number, who)
            assert run.lent(number, who) == 0
            assert EACH <= got <= EACH * 102 // 100, "all of it and its interest, and nobody twice"
    with capsys.disabled():
        for used, bound, rate, back in (rows[0], rows[-1]):
            print(
                f"used {used / 10**10:.2f} %, bound {bound / 10**10:.2f} %, {rate / 10**10:.2f} % a year, {back // USDC_UNIT:,} back"
            )
