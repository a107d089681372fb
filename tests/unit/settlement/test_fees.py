"""Fee tiers in messages: a schedule is set whole, an account gets a tier of it, and what cannot be a tier is refused."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.reasons import Reason
from services.settlement.fees import TIER_MAX
from tests.builders import ALICE, Driven, but, genesis, only, reason_of, the

HALF, ALL = FRACTION_ONE // 2, FRACTION_ONE


def told(machine: Driven, message: m.Message) -> list[tuple[str, Any]]:
    """Records that go to inboxes, with the partition they go to, as topic/partition."""
    machine.tell(message)
    decode = msgspec.msgpack.Decoder(list).decode
    return [
        (f"{topic}/{partition}", decode(value)[0])
        for topic, partition, value in machine.engine.outputs
        if topic.endswith(".inbox")
    ]


def test_a_schedule_is_set_by_number_and_told_to_every_risk_shard() -> None:
    machine = Driven("settlement", founding=genesis(risk=4))
    command = machine.commands.fee_schedule((2, 0, HALF), (1, HALF, ALL))
    tag = m.FeeScheduleSet.__struct_config__.tag
    rows = [[1, HALF, ALL], [2, 0, HALF]]
    assert told(machine, command) == [(f"risk.inbox/{shard}", [tag, rows]) for shard in range(4)]
    events = machine.engine.said
    assert the(m.FeeScheduleSet, events) == m.FeeScheduleSet([(1, HALF, ALL), (2, 0, HALF)])
    assert reason_of(events) is Reason.NONE


def test_the_same_schedule_again_changes_nothing_another_takes_its_place() -> None:
    machine = Driven("settlement")
    machine.tell(machine.commands.fee_schedule((1, HALF, ALL), (2, 0, 0)))
    again = machine.tell(machine.commands.fee_schedule((2, 0, 0), (1, HALF, ALL)))
    assert (reason_of(again), only(m.FeeScheduleSet, again)) == (Reason.NONE, [])
    emptied = machine.tell(machine.commands.fee_schedule())
    assert the(m.FeeScheduleSet, emptied) == m.FeeScheduleSet([])
    assert machine.state.fee_tiers == []


SCHEDULES: list[tuple[str, Reason, int, list[m.FeeTier]]] = [
    ("tier 0, which pays all for ever", Reason.INVALID_TIER, TIER_MAX, [(0, HALF, HALF)]),
    ("a number too large", Reason.INVALID_TIER, TIER_MAX, [(64, 0, 0)]),
    ("a tier twice", Reason.INVALID_TIER, TIER_MAX, [(1, 0, 0), (2, 0, 0), (1, HALF, 0)]),
    ("a rebate", Reason.INVALID_AMOUNT, FRACTION_ONE, [(1, -1, HALF)]),
    ("more than the fee", Reason.INVALID_AMOUNT, FRACTION_ONE, [(1, HALF, ALL + 1)]),
    ("a number before a share", Reason.INVALID_TIER, TIER_MAX, [(1, -1, 0), (1, 0, 0)]),
    ("every tier that there is", Reason.NONE, 0, [(tier, ALL, 0) for tier in range(1, 64)]),
]


@pytest.mark.parametrize(
    ("reason", "limit", "tiers"), [row[1:] for row in SCHEDULES], ids=[row[0] for row in SCHEDULES]
)
def test_schedules(reason: Reason, limit: int, tiers: list[m.FeeTier]) -> None:
    machine = Driven("settlement")
    events = machine.tell(machine.commands.fee_schedule(*tiers))
    assert (reason_of(events), the(m.CommandResolved, events).limit) == (reason, limit)
    assert (machine.state.fee_tiers == []) is (reason is not Reason.NONE)


def test_an_account_gets_a_tier_and_its_shard_is_told() -> None:
    machine = Driven("settlement", founding=genesis(risk=4))
    machine.tell(machine.commands.fee_schedule((3, HALF, HALF)))
    shard = genesis(risk=4).slots[ALICE.account % 4096]
    tag = m.AccountTierSet.__struct_config__.tag
    for tier in (3, 0):
        assert told(machine, machine.commands.tier(ALICE, tier)) == [
            (f"risk.inbox/{shard}", [tag, ALICE.account, tier])
        ]
        assert reason_of(machine.engine.said) is Reason.NONE


TIERS = [
    ("a tier that is not in the schedule", Reason.INVALID_TIER, {"tier": 2}),
    ("a negative tier", Reason.INVALID_TIER, {"tier": -1}),
    ("a tier before an account", Reason.INVALID_TIER, {"tier": 2, "account": 0}),
    ("the venue itself", Reason.UNKNOWN_ACCOUNT, {"account": 0}),
    ("what no key hashes to", Reason.UNKNOWN_ACCOUNT, {"account": 2**54}),
]


@pytest.mark.parametrize(("reason", "fields"), [row[1:] for row in TIERS], ids=[row[0] for row in TIERS])
def test_tiers_of_accounts_are_refused(reason: Reason, fields: dict[str, int]) -> None:
    machine = Driven("settlement")
    machine.tell(machine.commands.fee_schedule((1, 0, 0)))
    events = machine.tell(but(machine.commands.tier(ALICE, 1), **fields))
    assert (reason_of(events), len(events)) == (reason, 1)


rows = st.tuples(st.integers(-1, 65), st.integers(-1, FRACTION_ONE + 1), st.sampled_from([0, HALF, ALL, ALL + 1]))


@given(st.lists(st.lists(rows, max_size=6), max_size=12))
def test_the_last_schedule_that_was_taken_is_what_risk_knows(schedules: list[list[m.FeeTier]]) -> None:
    """Whatever is asked: the state is the last word sent, numbers ascend within 1 to 63, shares are parts of a fee."""
    machine = Driven("settlement")
    sent: list[m.FeeTier] = []
    for tiers in schedules:
        events = machine.tell(machine.commands.fee_schedule(*tiers))
        assert len(only(m.CommandResolved, events)) == 1
        sent = [event.tiers for event in only(m.FeeScheduleSet, events)][-1] if only(m.FeeScheduleSet, events) else sent
        assert machine.state.fee_tiers == sent
        numbers = [tier for tier, *_ in sent]
        assert all(one < other for one, other in pairwise([0, *numbers, TIER_MAX + 1]))
        assert all(0 <= share <= ALL for _, *shares in sent for share in shares)
