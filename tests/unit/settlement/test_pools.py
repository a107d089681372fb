"""What a pool takes, in messages: told to the lending pool, refused with what would be accepted."""

import pytest

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.markets import PoolTerms
from services.core.pool import PoolState
from services.core.reasons import Reason
from tests.builders import ADMIN, ALICE, BITCOIN, USDC, Driven, but, only, reason_of, the

POOLED = but(
    USDC,
    pool=PoolTerms(FRACTION_ONE // 2, FRACTION_ONE // 20, FRACTION_ONE),
    collateral=but(USDC.collateral, borrow_rate_max=FRACTION_ONE // 2_000),
)


@pytest.fixture
def settlement() -> Driven:
    machine = Driven("settlement")
    for asset in (POOLED, but(BITCOIN, pool=None)):
        assert reason_of(machine.tell(machine.commands.list_asset(asset))) is Reason.NONE
    return machine


def say(machine: Driven, state: int, asset: int = 1) -> list[m.Message]:
    return machine.tell(m.SetPoolState(machine.commands.header(ADMIN), asset, state))


def test_a_pool_is_told_its_state_once(settlement: Driven) -> None:
    assert settlement.state.assets[1].pool == POOLED.pool
    assert only(m.PoolStateSet, say(settlement, PoolState.OPEN)) == [], "it is open from the beginning"
    events = say(settlement, PoolState.REPAY_ONLY)
    assert (the(m.PoolStateSet, events), reason_of(events)) == (m.PoolStateSet(1, PoolState.REPAY_ONLY), Reason.NONE)
    assert [topic for topic, *_ in settlement.engine.outputs] == [
        *["lending_pool.inbox", "feed.settlement", "feed.settlement"]
    ]
    again = say(settlement, PoolState.REPAY_ONLY)
    assert (only(m.PoolStateSet, again), reason_of(again)) == ([], Reason.NONE)
    assert the(m.PoolStateSet, say(settlement, PoolState.OPEN)) == m.PoolStateSet(1, PoolState.OPEN)


REFUSED = [
    ("no state", Reason.MALFORMED, 2, 9, 3),
    ("a state below all", Reason.MALFORMED, 2, 1, -1),
    ("an unknown asset", Reason.UNKNOWN_ASSET, 0, 9, 1),
    ("an asset without a pool", Reason.NO_POOL, 0, 2, 1),
]


@pytest.mark.parametrize(
    ("reason", "limit", "asset", "state"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refusals(settlement: Driven, reason: Reason, limit: int, asset: int, state: int) -> None:
    events = say(settlement, state, asset)
    assert (reason_of(events), the(m.CommandResolved, events).limit, len(events)) == (reason, limit, 1)
    assert settlement.state.pool_states == {}


def test_they_are_refused_in_the_order_of_the_enum() -> None:
    assert sorted(row[1] for row in REFUSED) == [row[1] for row in REFUSED]


def test_only_an_admin_may(settlement: Driven) -> None:
    events = settlement.tell(m.SetPoolState(settlement.commands.header(ALICE), 1, PoolState.CLOSED))
    assert reason_of(events) is Reason.UNAUTHORIZED
    assert only(m.PoolStateSet, events) == []
