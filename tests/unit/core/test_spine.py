"""The step: dedup, chain, time, timers, slices, digest, and what a snapshot restores."""

from collections.abc import Callable

import msgspec
import pytest

from services.core import messages as m
from services.core.fixed import InvariantError, Milliseconds
from services.core.spine import ChainBroken, Engine, Output
from services.core.topics import DIGESTS
from tests.machines import (
    BUG,
    ECHO,
    GENESIS,
    LATE_BUG,
    RECURRING,
    SLICES,
    TIMER,
    Bug,
    EchoState,
    Sender,
    deficit,
    outside,
)
from vigil.v1 import feeds_pb2

START_MS = 1_584_000_000_000


class Inbox:
    """An engine and the records given to it."""

    def __init__(self, *, founded: bool = True) -> None:
        self.engine = Engine(ECHO, 0)
        self.records: list[tuple[Milliseconds, bytes]] = []
        self.risk = Sender("risk/9")
        if founded:
            self.take(outside(GENESIS))

    def hear(self, message: m.Message, at_ms: Milliseconds = START_MS) -> list[Output]:
        """Step with a message of risk/9."""
        return self.take(self.risk.record(message), at_ms)

    def take(self, value: bytes, at_ms: Milliseconds = START_MS) -> list[Output]:
        """Step, and leave announcements of digests out."""
        self.records.append((at_ms, value))
        return said(self.engine.step(len(self.records) - 1, at_ms, value))


def said(outputs: list[Output]) -> list[Output]:
    return [output for output in outputs if output[0] != DIGESTS]


def decoded(output: Output) -> m.Record:
    answers = m.DeficitCovered | m.DeficitUncovered
    message, source, seq, chain, origin_ms, trace = msgspec.msgpack.decode(
        output[2], type=tuple[answers, str, int, int, int, int]
    )
    return m.Record(message, source, seq, chain, origin_ms, trace)


def ids(outputs: list[Output]) -> list[int]:
    return [decoded(output).message.deficit_id for output in outputs]  # type: ignore[attr-defined]


def state_of(inbox: Inbox) -> EchoState:
    return inbox.engine.state


def test_what_a_machine_says_is_taken_from_a_machine_only() -> None:
    with pytest.raises(InvariantError, match="what a machine says is numbered"):
        Inbox().take(outside(deficit(1)))


def test_an_answer_goes_to_the_shard_of_its_account_numbered_and_chained_per_destination() -> None:
    inbox, risk = Inbox(), Sender()
    outputs = [inbox.take(risk.record(deficit(n, subaccount=n << 8)))[0] for n in (2, 3, 4, 6)]
    assert [(topic, partition) for topic, partition, _ in outputs] == [("risk.inbox", n % 2) for n in (2, 3, 4, 6)]
    even = Sender("insurance_fund/0")
    for number, output in ((2, outputs[0]), (4, outputs[2]), (6, outputs[3])):
        assert output[2] == even.record(m.DeficitCovered(number << 8, 1, 1, number), START_MS)


def test_a_duplicate_is_dropped() -> None:
    inbox, risk = Inbox(), Sender()
    first, second = risk.record(deficit(1)), risk.record(deficit(2))
    assert [ids(inbox.take(value)) for value in (first, second, second, first, second)] == [[1], [2], [], [], []]
    assert inbox.engine.counters.duplicates == 3
    assert state_of(inbox).answered == 2


def test_a_record_that_came_too_early_is_dropped_and_taken_when_it_comes_again() -> None:
    inbox, risk = Inbox(), Sender()
    first, second, third = (risk.record(deficit(n)) for n in (1, 2, 3))
    assert [ids(inbox.take(value)) for value in (third, first, third, second, third)] == [[], [1], [], [2], [3]]
    assert inbox.engine.counters.early == 2


def test_a_duplicate_of_the_last_record_with_other_bytes_stops() -> None:
    inbox = Inbox()
    inbox.take(Sender().record(deficit(1)))
    with pytest.raises(ChainBroken, match="insurance_fund/0 has another record 1 of risk/0"):
        inbox.take(Sender().record(deficit(2)))


def test_a_record_whose_sender_remembers_another_past_stops() -> None:
    inbox, risk, forked = Inbox(), Sender(), Sender()
    inbox.take(risk.record(deficit(1)))
    forked.record(deficit(2))
    with pytest.raises(ChainBroken, match="another history before record 2 of risk/0"):
        inbox.take(forked.record(deficit(3)))


def test_sources_are_counted_apart_and_the_outside_is_not_counted() -> None:
    inbox = Inbox()
    assert ids(inbox.take(Sender("risk/0").record(deficit(1)))) == [1]
    assert ids(inbox.take(Sender("risk/1").record(deficit(2)))) == [2]
    assert inbox.take(outside(m.Tick())) == inbox.take(outside(m.Tick())) == []


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"not a record", outside(m.AccountOpened(1, 2)), outside(deficit(1))[:-1]],
    ids=["empty", "no MessagePack", "text", "not for this inbox", "cut short"],
)
def test_a_record_that_does_not_decode_raises_and_changes_nothing(value: bytes) -> None:
    inbox = Inbox()
    before = inbox.engine.snapshot()
    with pytest.raises(msgspec.DecodeError):
        inbox.take(value)
    assert inbox.engine.snapshot() == before


def test_offsets_must_be_gapless() -> None:
    with pytest.raises(InvariantError, match="gapless"):
        Inbox().engine.step(5, START_MS, outside(deficit(1)))


def test_nothing_happens_before_genesis() -> None:
    inbox = Inbox(founded=False)
    risk = Sender()
    early = risk.record(deficit(1))
    assert inbox.take(early) == []
    inbox.take(outside(GENESIS))
    assert ids(inbox.take(early)) == [1]
    assert inbox.engine.counters.before_genesis == 1


def test_genesis_again_changes_nothing_and_another_one_stops() -> None:
    inbox = Inbox()
    inbox.take(outside(GENESIS))
    with pytest.raises(InvariantError, match="one genesis"):
        inbox.take(outside(msgspec.structs.replace(GENESIS, venue="another")))


def test_a_bug_leaves_no_output_of_its_record() -> None:
    for group, error in ((BUG, Bug), (LATE_BUG, KeyError)):
        with pytest.raises(error):
            Inbox().hear(deficit(1, group=group))


def test_time_is_the_largest_append_time() -> None:
    inbox = Inbox()
    for at_ms, now_ms in ((START_MS + 5, START_MS + 5), (START_MS + 2, START_MS + 5), (START_MS + 9, START_MS + 9)):
        inbox.take(outside(m.Tick()), at_ms)
        assert state_of(inbox).now_ms == now_ms


def test_timers_fire_in_order_before_the_record() -> None:
    inbox = Inbox()
    for number, after_ms in ((1, 300), (2, 100), (3, 100), (4, 5_000)):
        inbox.hear(deficit(number, after_ms, TIMER))
    assert ids(inbox.hear(deficit(9), START_MS + 99)) == [9]
    assert ids(inbox.hear(deficit(10), START_MS + 300)) == [2, 3, 1, 10]
    assert ids(inbox.take(outside(m.Tick()), START_MS + 6_000)) == [4]


def test_what_a_timer_says_begins_a_causal_chain() -> None:
    inbox = Inbox()
    inbox.hear(deficit(1, 100, TIMER))
    (output,) = inbox.take(Sender().record(m.Continue(), START_MS - 50, trace=7), START_MS + 100)
    assert (decoded(output).origin_ms, decoded(output).trace) == (START_MS + 100, 0)


def test_a_recurring_timer_fires_once_after_a_gap_and_is_told_since_when() -> None:
    inbox = Inbox()
    inbox.hear(deficit(1, 500, RECURRING))
    after = [START_MS + 10_700, START_MS + 10_999, START_MS + 11_000]
    assert [len(inbox.take(outside(m.Tick()), at_ms)) for at_ms in after] == [1, 0, 1]
    assert state_of(inbox).fired == [(START_MS + 500, START_MS + 10_700), (START_MS + 11_000, START_MS + 11_000)]


def test_a_timer_fires_also_when_the_record_is_dropped() -> None:
    inbox, risk = Inbox(), Sender()
    first = risk.record(deficit(1, 100, TIMER))
    inbox.take(first)
    assert ids(inbox.take(first, START_MS + 100)) == [1]


def test_every_record_does_one_slice_of_postponed_work() -> None:
    inbox = Inbox()
    answers = [ids(inbox.hear(deficit(1, 3, SLICES)))]
    answers += [
        ids(inbox.take(outside(m.Continue()))),
        ids(inbox.hear(deficit(2))),
        ids(inbox.take(outside(m.Continue()))),
    ]
    assert answers == [[1], [1], [2, 1], []]


@pytest.mark.parametrize(
    ("origin_ms", "at_ms", "said_ms"),
    [
        (0, START_MS, START_MS),
        (START_MS - 700, START_MS, START_MS - 700),
        (START_MS + 700, START_MS, START_MS),
    ],
    ids=["the first of its chain", "older than its append", "never after now"],
)
def test_age_and_trace_travel(origin_ms: int, at_ms: int, said_ms: int) -> None:
    inbox = Inbox()
    (output,) = inbox.take(Sender().record(deficit(1), origin_ms, trace=77), at_ms)
    assert (decoded(output).origin_ms, decoded(output).trace) == (said_ms, 77)


def test_resumed_and_new_rules_are_taken_by_the_engine() -> None:
    inbox = Inbox()
    state_of(inbox).rounds_since_resumed = 5
    inbox.take(outside(m.Resumed()))
    inbox.take(outside(m.ActivateRules(3)))
    inbox.take(outside(m.ActivateRules(2)))
    assert (state_of(inbox).rounds_since_resumed, state_of(inbox).rules) == (0, 3)


def test_a_digest_is_announced_at_each_thousandth_offset() -> None:
    engine, risk = Engine(ECHO, 0), Sender()
    values = [outside(GENESIS), *(risk.record(deficit(n)) for n in range(2_000))]
    announced = []
    for offset, value in enumerate(values):
        for topic, partition, record in engine.step(offset, START_MS, value):
            if topic == DIGESTS:
                event = feeds_pb2.FeedRecord.FromString(record)
                announced.append((partition, event.machine, event.digest_announced.offset))
                assert event.digest_announced.digest == engine.spine.digest
    assert announced == [(0, "insurance_fund/0", offset) for offset in (0, 1_000, 2_000)]


def test_the_digest_tells_histories_apart() -> None:
    def digest_after(*numbers: int) -> bytes:
        inbox = Inbox()
        for number in numbers:
            inbox.hear(deficit(number))
        return inbox.engine.spine.digest

    assert digest_after(1, 2) == digest_after(1, 2)
    assert len({digest_after(1, 2), digest_after(2, 1), digest_after(1), digest_after(1, 2, 2)}) == 4


def eventful() -> list[tuple[Milliseconds, bytes]]:
    """A history with everything in it: duplicates, early ones, timers, slices, two sources, the outside."""
    first, second = Sender("risk/0"), Sender("risk/1")
    history = [(START_MS, outside(GENESIS))]
    groups: list[Callable[[int], m.Message]] = [
        deficit,
        lambda n: deficit(n, 3, SLICES),
        lambda n: deficit(n, 40, TIMER),
        lambda n: deficit(n, 900, RECURRING),
        lambda n: deficit(n, subaccount=n << 8),
    ]
    for number in range(60):
        sender = first if number % 3 else second
        value = sender.record(groups[number % 5](number), START_MS + number)
        at_ms = START_MS + 37 * number
        history += [(at_ms, value)] * (1 + number % 2)
        if number % 7 == 0:
            history.append((at_ms - 20, outside(m.Continue())))
    return history


def test_replay_from_a_snapshot_at_every_position_says_the_same() -> None:
    history = eventful()
    whole = Engine(ECHO, 0)
    snapshots, outputs, digests = [], [], []
    for offset, (at_ms, value) in enumerate(history):
        snapshots.append(whole.snapshot())
        outputs.append(whole.step(offset, at_ms, value))
        digests.append(whole.spine.digest)
    for start, blob in enumerate(snapshots):
        engine = Engine(ECHO, 0)
        engine.restore(blob)
        for offset in range(start, len(history)):
            assert engine.step(offset, *history[offset]) == outputs[offset]
            assert engine.spine.digest == digests[offset]
        assert engine.snapshot() == whole.snapshot()
