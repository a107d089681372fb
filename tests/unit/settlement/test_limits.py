"""Limits of tiers and owners of accounts in messages: set whole, told once, refused with what would be accepted."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, LIMIT
from services.core.reasons import Reason
from services.settlement.fees import TIER_MAX
from services.settlement.limits import ORDERS_MAX
from tests.builders import ALICE, Driven, genesis, only, reason_of, the

HALF, ALL = FRACTION_ONE // 2, FRACTION_ONE
OWNER = 77


def limits(machine: Driven, *tiers: m.LimitTier) -> list[m.Message]:
    return machine.tell(m.SetLimitTiers(machine.commands.approved(), list(tiers)))


def owned(machine: Driven, account: int, owner: int) -> list[m.Message]:
    return machine.tell(m.SetOwner(machine.commands.approved(), account, owner))


def told(machine: Driven) -> list[tuple[str, Any]]:
    """Records of the last command that went to inboxes, with the partition they go to."""
    decode = msgspec.msgpack.Decoder(list).decode
    return [
        (f"{topic}/{partition}", decode(value)[0])
        for topic, partition, value in machine.engine.outputs
        if topic.endswith(".inbox")
    ]


def test_limits_are_set_by_number_and_told_to_every_risk_shard() -> None:
    machine = Driven("settlement", founding=genesis(risk=2))
    events = limits(machine, (3, ALL, 0), (0, HALF, 20))
    assert events[0] == m.LimitTiersSet([(0, HALF, 20), (3, ALL, 0)])
    tag = m.LimitTiersSet.__struct_config__.tag
    rows = [[0, HALF, 20], [3, ALL, 0]]
    assert told(machine) == [(f"risk.inbox/{shard}", [tag, rows]) for shard in range(2)]
    again = limits(machine, (0, HALF, 20), (3, ALL, 0))
    assert (reason_of(again), only(m.LimitTiersSet, again)) == (Reason.NONE, [])


def test_an_owner_is_named_once_and_told_to_every_book() -> None:
    machine = Driven("settlement", founding=genesis(matching=2))
    assert owned(machine, ALICE.account, OWNER)[0] == m.OwnerSet(ALICE.account, OWNER)
    tag = m.OwnerSet.__struct_config__.tag
    assert told(machine) == [(f"matching.inbox/{book}", [tag, ALICE.account, OWNER]) for book in range(2)]
    assert only(m.OwnerSet, owned(machine, ALICE.account, OWNER)) == []
    assert machine.state.owners == {ALICE.account: OWNER}
    assert owned(machine, ALICE.account, 0)[0] == m.OwnerSet(ALICE.account, 0)
    assert machine.state.owners == {}
    assert only(m.OwnerSet, owned(machine, ALICE.account, 0)) == []


LIMITS: list[tuple[str, Reason, int, list[m.LimitTier]]] = [
    ("a number below none", Reason.INVALID_TIER, TIER_MAX, [(-1, HALF, 0)]),
    ("a number too large", Reason.INVALID_TIER, TIER_MAX, [(64, HALF, 0)]),
    ("a tier twice", Reason.INVALID_TIER, TIER_MAX, [(1, HALF, 0), (1, ALL, 0)]),
    ("less than nothing", Reason.INVALID_AMOUNT, FRACTION_ONE, [(1, -1, 0)]),
    ("more than all", Reason.INVALID_AMOUNT, FRACTION_ONE, [(1, ALL + 1, 0)]),
    ("orders below none", Reason.TOO_MANY_ORDERS, ORDERS_MAX, [(1, ALL, -1)]),
    ("orders without end", Reason.TOO_MANY_ORDERS, ORDERS_MAX, [(1, ALL, ORDERS_MAX + 1)]),
    ("every tier that there is", Reason.NONE, 0, [(tier, ALL, ORDERS_MAX) for tier in range(TIER_MAX + 1)]),
    ("tiers that may open nothing", Reason.NONE, 0, [(1, 0, 1)]),
]


@pytest.mark.parametrize(("reason", "limit", "tiers"), [row[1:] for row in LIMITS], ids=[row[0] for row in LIMITS])
def test_limits(reason: Reason, limit: int, tiers: list[m.LimitTier]) -> None:
    machine = Driven("settlement")
    events = limits(machine, *tiers)
    assert (reason_of(events), the(m.CommandResolved, events).limit) == (reason, limit)
    assert (machine.state.limit_tiers == []) is (reason is not Reason.NONE)


OWNERS = [
    ("the venue itself", 0, OWNER),
    ("what no key hashes to", 2**54, OWNER),
    ("an owner below none", ALICE.account, -1),
    ("an owner that no feed carries", ALICE.account, LIMIT),
]


@pytest.mark.parametrize(("account", "owner"), [row[1:] for row in OWNERS], ids=[row[0] for row in OWNERS])
def test_owners_are_refused(account: int, owner: int) -> None:
    machine = Driven("settlement")
    events = owned(machine, account, owner)
    assert (reason_of(events), len(events)) == (Reason.UNKNOWN_ACCOUNT, 1)


def test_an_account_may_have_a_tier_that_only_limits_name() -> None:
    machine = Driven("settlement")
    assert reason_of(machine.tell(machine.commands.tier(ALICE, 4))) is Reason.INVALID_TIER
    limits(machine, (4, HALF, 0))
    assert reason_of(machine.tell(machine.commands.tier(ALICE, 4))) is Reason.NONE


rows = st.tuples(st.integers(-1, 65), st.sampled_from([-1, 0, HALF, ALL, ALL + 1]), st.integers(-1, ORDERS_MAX + 1))


@given(st.lists(st.lists(rows, max_size=6), max_size=12))
def test_the_last_limits_that_were_taken_are_what_risk_knows(history: list[list[m.LimitTier]]) -> None:
    machine = Driven("settlement")
    sent: list[m.LimitTier] = []
    for tiers in history:
        events = limits(machine, *tiers)
        assert len(only(m.CommandResolved, events)) == 1
        sent = [*(event.tiers for event in only(m.LimitTiersSet, events)), sent][0]
        assert machine.state.limit_tiers == sent == sorted(sent)
