"""Whoever owns both sides of a trade gains nothing by it: what leaves is what was brought, and pools lose no more than their caps (a.4)."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from services.risk import bad_debt, leaving, money
from tests.builders import USDC_UNIT
from tests.properties.colluders import Colluders

CAP = 200_000 * USDC_UNIT
DUST = 1_000 * USDC_UNIT
"""Interest of some hours, and roundings."""
WHO = st.integers(0, 3)


def judge_gain(world: Colluders) -> None:
    """Nobody gains by himself more than the caps let go and the fund has paid."""
    spent = world.funded - world.fund[1]
    assert world.gained() <= world.cap + max(0, spent) + DUST, (world.gained() // USDC_UNIT, world.thin)


def judge(world: Colluders) -> None:
    """And suppliers lose no more than the caps."""
    judge_gain(world)
    assert world.suppliers_lost() <= world.cap + DUST, world.suppliers_lost() // USDC_UNIT


class Colluding(RuleBasedStateMachine):
    """Four accounts under unrelated names, on three shards."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Colluders(CAP)
        for one in range(4):
            self.world.bring(one, 100_000)
        self.world.close_period()

    @rule(buyer=WHO, seller=WHO, coins=st.integers(1, 5_000), away=st.integers(-480, 480))
    def trade(self, buyer: int, seller: int, coins: int, away: int) -> None:
        """Trade together."""
        if buyer != seller:
            self.world.trade_together(buyer, seller, coins, away)

    @rule(percent=st.sampled_from((-50, -20, -4, 4, 20, 100)))
    def push(self, percent: int) -> None:
        """Move the mark."""
        self.world.push(percent)

    @rule(one=WHO, asset=st.sampled_from((1, 2)))
    def take_out(self, one: int, asset: int) -> None:
        """Withdraw what is let go, coins that are borrowed for it too."""
        self.world.withdraw_most(one, asset)

    @rule(one=WHO)
    def borrow(self, one: int) -> None:
        """Borrow coins, and take them out."""
        self.world.borrow_coins(one)

    @rule(one=WHO)
    def take_over(self, one: int) -> None:
        """Be the other side of a liquidation."""
        self.world.take_over(one)

    @rule(one=WHO, dollars=st.sampled_from((100, 50_000)))
    def bring(self, one: int, dollars: int) -> None:
        """Pay in more."""
        self.world.bring(one, dollars)

    @rule()
    def wait(self) -> None:
        """Let a period close."""
        self.world.close_period()

    def teardown(self) -> None:
        """Let everybody be closed, all losses be borne, profits mature and leave, and judge once more."""
        world = self.world
        for _ in range(4):
            world.take_over(3)
            world.close_period()
        for buyer in range(4):
            for seller in range(4):
                world.close_together(buyer, seller)
        for _ in range(3):
            world.close_period()
            for one in range(4):
                world.withdraw_most(one, 1)
            judge_gain(world)

    @invariant()
    def nobody_gains(self) -> None:
        """The law."""
        judge_gain(self.world)


def test_colluders_gain_nothing() -> None:
    run_state_machine_as_test(
        Colluding,
        settings=settings(
            max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def attack() -> Colluders:
    """Trade all that two deposits bear, double the price, take out; let the loser be closed by a friend; wait, and take out again."""
    world = Colluders(CAP)
    for one in range(3):
        world.bring(one, 100_000)
    world.close_period()
    while world.trade_together(0, 1, 2_000):
        pass
    world.push(100)
    for _ in range(8):
        world.withdraw_most(0, 1)
        world.take_over(2)
        world.close_period()
    return world


def test_a_doubled_price_pays_nobody() -> None:
    judge(attack())


def everything_matures_at_once(patch: pytest.MonkeyPatch) -> None:
    """Floating profit leaves like deposits."""
    for module in (leaving, money):
        patch.setattr(module, "withheld", lambda *_: 0)


def profit_bears_nothing(patch: pytest.MonkeyPatch) -> None:
    """Bad debt is the suppliers' alone, and profit matures beside it."""
    patch.setattr(bad_debt, "bear", lambda *_: [])


@pytest.mark.parametrize("plant", [everything_matures_at_once, profit_bears_nothing])
def test_without_a_rule_it_would_pay(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        judge(attack())


@pytest.mark.parametrize("minutes", [1, 30])
def test_mango(minutes: int) -> None:
    """The numbers of 11 October 2022: a price pushed to the 24-fold by two accounts of five million each, long and short."""
    world = Colluders(CAP)
    for one in (0, 1):
        world.bring(one, 5_000_000)
    world.close_period()
    while world.trade_together(0, 1, 5_000):
        pass
    held = world.shards[world.gang[0][0]].state.subaccounts[world.gang[0][1].subaccount].exposures[1].size
    assert held > 0
    steps = max(1, minutes)
    target = world.thin * 24
    for step in range(1, steps + 1):
        wanted = world.thin + (target - world.thin) // (steps - step + 1)
        world.push(max(1, (wanted - world.thin) * 100 // world.thin))
        world.withdraw_most(0, 1)
        world.borrow_coins(0)
        world.close_period()
        judge(world)
    for _ in range(5):
        world.take_over(2)
        for one in (0, 1):
            for asset in (1, 2):
                world.withdraw_most(one, asset)
        world.close_period()
        judge(world)
    world.push(-95)
    for _ in range(5):
        world.close_period()
        for one in (0, 1):
            world.withdraw_most(one, 1)
        judge(world)
    print(
        f"brought 10,000,000, gained {world.gained() // USDC_UNIT:,}, suppliers lost {world.suppliers_lost() // USDC_UNIT:,}"
    )
