"""The lending pool in messages: reports that come early, again or late; funds; snapshots; what it answers and shows."""

from dataclasses import dataclass
from typing import Any

import pytest

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, InvariantError
from services.core.reasons import Reason
from services.core.rpc import Refused
from services.core.spine import Engine
from services.lending_pool.api import Servicer
from services.lending_pool.machine import MACHINE
from services.lending_pool.metrics import FAMILIES, measure
from services.lending_pool.state import HISTORY
from tests.builders import BITCOIN, PERCENT, USDC, Driven, but, genesis, only, the
from tests.unit.lending_pool.pools import TERMS, UNIT, Shards, updated
from vigil.v1 import common_pb2, pool_pb2

POOLED = but(USDC, pool=TERMS)
ZERO = (0, 0)


def test_a_report_of_an_asset_not_listed_yet_waits_for_its_listing() -> None:
    machine = Driven("lending_pool", founding=genesis(risk=2))
    report = m.PoolDelta(0, 1, 0, (5, 0), ZERO, (5, 0), ZERO, 0, 0)
    assert machine.tell(report, source="risk/0") == []
    assert machine.tell(m.AssetListed(POOLED)) == []
    said = machine.tell(but(report, shard=1), source="risk/1")
    assert the(m.PoolUpdated, said).supplied == 10
    assert [one.shard for one in only(m.PeriodOpened, said)] == [0, 1]
    assert machine.state.parked == {}


def test_all_reports_before_the_listing_open_the_first_period_with_it() -> None:
    machine = Driven("lending_pool")
    machine.tell(m.PoolDelta(0, 1, 0, ZERO, ZERO, ZERO, ZERO, 0, 0))
    assert the(m.PeriodOpened, machine.tell(m.AssetListed(POOLED))).indices.period == 1


def test_an_asset_without_a_pool_has_none_and_listing_again_changes_nothing() -> None:
    shards = Shards()
    shards.open(supply=10, cash=10)
    assert shards.machine.tell(m.AssetListed(but(POOLED, pool=but(TERMS, slope=7)))) == []
    assert shards.pool.terms == TERMS
    shards.machine.tell(m.AssetListed(BITCOIN))
    assert list(shards.machine.state.pools) == [1]


def test_a_period_opens_when_the_last_shard_has_reported_however_late() -> None:
    shards = Shards(shards=3)
    for shard in (2, 0):
        assert shards.report(shards.delta(shard)) == []
    shards.machine.now_ms += 86_400_000
    assert len(only(m.PeriodOpened, shards.report(shards.delta(1)))) == 3


AGAIN = [("a second report of a shard", 0, 0), ("a report of a period that is over", 1, -1), ("of one to come", 1, 1)]


@pytest.mark.parametrize(("shard", "shift"), [row[1:] for row in AGAIN], ids=[row[0] for row in AGAIN])
def test_what_is_no_report_of_the_open_period_changes_nothing(shard: int, shift: int) -> None:
    shards = Shards(shards=2)
    shards.report(shards.delta(0))
    shards.report(shards.delta(1))
    shards.report(shards.delta(0, supply=10, cash=10))
    stray = shards.delta(shard, supply=99, cash=99)
    assert shards.report(but(stray, period=stray.period + shift)) == []
    assert shards.pool.passed_over == 1
    assert updated(shards.report(shards.delta(1, supply=1, cash=1))).supplied == 11 * UNIT


def test_a_report_of_a_shard_that_does_not_exist_is_a_bug() -> None:
    shards = Shards()
    with pytest.raises(InvariantError, match="one of the venue's shards"):
        shards.report(but(shards.delta(0), shard=1))


SHORT = [
    ("the fund suffices", {"main": 100}, [("main", 60), ("main", 40)], []),
    ("a unit is missing", {"main": 99}, [("main", 60), ("main", 40)], ["main"]),
    ("there is no fund", {}, [("main", 1), ("other", 0)], ["main"]),
    ("each has its own", {"main": 5, "other": 5}, [("other", 9), ("main", 5)], ["other"]),
]


@pytest.mark.parametrize(("funds", "missing", "short"), [row[1:] for row in SHORT], ids=[row[0] for row in SHORT])
def test_a_group_is_short_when_its_shards_lack_more_than_its_fund_has(
    funds: dict[str, int], missing: list[tuple[str, int]], short: list[str]
) -> None:
    shards = Shards(shards=2)
    for group, balance in funds.items():
        shards.machine.tell(m.FundChanged(group, 1, balance, balance))
        shards.machine.tell(m.FundChanged(group, 2, 10**12, 10**12))
    shards.machine.tell(m.AssetListed(BITCOIN))
    shards.report(but(shards.delta(0), shortfalls=missing[:1]))
    said = shards.report(but(shards.delta(1), shortfalls=missing[1:]))
    assert [one.short_groups for one in only(m.PeriodOpened, said)] == [short, short], "only dollars count"


def test_a_snapshot_in_the_middle_of_a_period_goes_on_the_same() -> None:
    shards = Shards(shards=2)
    shards.report(shards.delta(0, supply=4 * 10**9, cash=4 * 10**9))
    other: Engine[Any] = Engine(MACHINE, 0)
    other.restore(shards.machine.engine.snapshot())
    assert other.state == shards.machine.state
    last = shards.delta(1, supply=10**9, debt=10**9, line=5)
    said = shards.report(last)
    offset, (at_ms, value) = len(shards.machine.inbox) - 1, shards.machine.inbox[-1]
    other.step(offset, at_ms, value)
    assert other.snapshot() == shards.machine.engine.snapshot()
    assert updated(said).supplied == 5 * 10**9 * UNIT


def test_history_is_bounded() -> None:
    shards = Shards()
    for _ in range(HISTORY + 5):
        shards.open(supply=1, cash=1)
    assert len(shards.pool.history) == HISTORY
    assert shards.pool.history[-1].period == HISTORY + 5


@dataclass
class Hosted:
    """A host as questions see it."""

    machine: Driven
    partition: int = 0

    @property
    def engine(self) -> Any:
        """Engine of the machine."""
        return self.machine.engine

    def query(self) -> Any:
        """State between two records."""
        return self.machine.state


def servicer(shards: Shards) -> Servicer:
    """Who answers for the partition."""
    hosts: Any = {0: Hosted(shards.machine)}
    return Servicer(hosts)


NOBODY: Any = None


async def test_a_pool_is_told_with_its_curve_its_ladder_and_who_is_waited_for() -> None:
    shards = Shards(shards=2)
    for shard in (0, 1):
        shards.report(shards.delta(shard, supply=500, debt=225, cash=275))
    shards.report(shards.delta(1, supply=500, debt=225, cash=275))
    told = await servicer(shards).GetPool(pool_pb2.PoolQuery(asset=1, curve_points=3), NOBODY)
    assert (told.pool.supplied, told.pool.borrowed, told.pool.used) == (1_000 * UNIT, 450 * UNIT, 45 * PERCENT)
    assert [point.used for point in told.curve] == [0, FRACTION_ONE // 2, 90 * PERCENT, FRACTION_ONE]
    assert [point.borrow_rate * 100 // FRACTION_ONE for point in told.curve] == [0, 2, 5, 105]
    assert told.levels[1].stress == common_pb2.POOL_STRESS_THROTTLED
    assert told.levels[1].used == 95 * PERCENT
    assert [one.reported for one in told.shards] == [False, True]
    assert sum(one.line for one in told.shards) == told.pool.lines
    assert told.terms.period_ms == TERMS.period_ms
    assert told.opened_at_ms == shards.machine.now_ms


async def test_all_pools_are_told_before_their_first_opening_too() -> None:
    shards = Shards()
    (told,) = (await servicer(shards).GetPools(pool_pb2.PoolsQuery(), NOBODY)).pools
    assert (told.asset, told.indices.period, told.bound) == (1, 0, 95 * PERCENT)


async def test_history_is_told_oldest_first() -> None:
    shards = Shards()
    for amount in (1, 2, 3):
        shards.open(supply=amount, cash=amount)
    asked = servicer(shards)
    every = await asked.GetPoolHistory(pool_pb2.PoolHistoryQuery(asset=1), NOBODY)
    last = await asked.GetPoolHistory(pool_pb2.PoolHistoryQuery(asset=1, openings=2), NOBODY)
    assert [one.supplied // UNIT for one in every.openings] == [1, 2, 3]
    assert [one.period for one in last.openings] == [2, 3]


async def test_a_question_about_no_pool_names_those_there_are() -> None:
    asked = servicer(Shards())
    with pytest.raises(Refused, match=r"asset 9 has no lending pool; those that have: \[1\]") as refused:
        await asked.GetPool(pool_pb2.PoolQuery(asset=9), NOBODY)
    assert refused.value.reason is Reason.NO_POOL
    with pytest.raises(Refused, match="from 2 to 1001"):
        await asked.GetPool(pool_pb2.PoolQuery(asset=1, curve_points=1), NOBODY)


def test_every_family_is_shown_once_per_pool() -> None:
    shards = Shards(shards=2)
    shards.report(shards.delta(0))
    shards.report(shards.delta(1, supply=1_000, debt=960, cash=40))
    shards.machine.wait(90_000)
    shards.report(shards.delta(0))
    shown = {
        (one.family.name, *one.labels): one.value / 10**one.decimals for one in measure(shards.machine.state) if one
    }
    assert {name for name, *_ in shown} == {family.name for family in FAMILIES}
    assert shown["vigil_pool_utilisation", "1"] == 0.96
    assert shown["vigil_pool_stress", "1"] == 3
    assert shown["vigil_pool_late_seconds", "1"] == 30
    assert shown["vigil_pool_waiting_shards", "1"] == 1
    assert shown["vigil_pool_cash_units", "1"] == 40 * UNIT
    assert shown["vigil_pool_full_in_seconds", "1"] == -1
