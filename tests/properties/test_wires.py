"""The law of M-5: wires liquidate exactly those that a full scan would, and look at far fewer; and wires are what a plain list would be."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core import messages as m
from services.core.fixed import Price
from services.risk import box, judging, margin_call, steps
from services.risk.box import prices_around
from services.risk.judging import ROUNDS_AFTER_RESUME
from services.risk.state import State, Subaccount
from services.risk.wires import Buckets, Subject, Wires
from tests.builders import only
from tests.properties.histories import seeds
from tests.properties.portfolios import Shard, equip, money, some_answer, some_order, step_of_market

CALM, JUMPY = (0.1, 0.4, 1.0, 2.0), (1.0, 5.0, 15.0, 40.0)
QUIET_MS = (60_000, 600_000, 3_600_000, 3 * 3_600_000)
STEPS = 150


COUNTS: Counter[str] = Counter()


@pytest.fixture(autouse=True, scope="module")
def counted() -> Iterator[None]:
    """Count what is looked at, and print it at the end."""

    def surplus(*what: object) -> int:
        COUNTS["evaluations"] += 1
        return margin_call.surplus(*what)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box, "surplus", surplus)
        patch.setattr(judging, "surplus", surplus)
        yield
    print(f"\n{dict(COUNTS)}")


class Watch:
    """The full scan beside a shard: who is due after a mark is in the queue or begun with, and nobody else is."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard

    def see(self, said: list[m.Message]) -> None:
        """Judge the record of a mark, and the queue that it began, to its end."""
        shard, state = self.shard, self.shard.state
        if state.rounds_since_resumed < ROUNDS_AFTER_RESUME:
            return
        waiting = {*state.queue}
        due = shard.due()
        assert due <= waiting, f"{due - waiting} of {due} are due and nobody looks at them"
        COUNTS["marks"] += 1
        COUNTS["scanned"] += len(state.subaccounts)
        COUNTS["reached"] += len(state.touched)
        self.begun(said)
        for more in shard.drain():
            self.begun(more)
        assert not shard.due()
        assert not shard.called()
        for one in state.subaccounts.values():
            if one.id not in state.touched:
                is_guarded(state, one)

    def begun(self, said: list[m.Message]) -> None:
        """Whoever is liquidated is below maintenance at the marks of now."""
        for event in only(m.LiquidationStarted, said):
            COUNTS["liquidations"] += 1
            assert event.equity < event.maintenance_margin
        COUNTS["calls"] += len(only(m.MarginCalled, said))


def is_guarded(state: State, subaccount: Subaccount) -> None:
    """Who need not be looked at has a box with a surplus at its worst corner and with all its wires, or nothing that could be lost."""
    if subaccount.box is None:
        assert not prices_around(state, subaccount)
        return
    ranges, expires_ms = subaccount.box.ranges, subaccount.box.expires_ms
    assert margin_call.surplus(state, subaccount, ranges) > 0
    assert expires_ms > state.now_ms or not any(idle < 0 for idle in subaccount.idle.values())
    subject = (subaccount.id, 0)
    for series, (low, high) in ranges.items():
        wires = state.wires[series]
        assert low < wires.price < high
        assert armed(wires.below).get(subject) == low
        assert armed(wires.above).get(subject) == high


def armed(buckets: Buckets) -> dict[Subject, Price]:
    """What waits on one side of a series."""
    return {subject: threshold for bucket in buckets.values() for subject, threshold in bucket.wires.items()}


def live(shard: Shard, chance: random.Random) -> None:
    """Let a shard go through a history: spells of calm and of crashes, events between, and long quiet times with debts."""
    watch = Watch(shard)
    moves = CALM
    for _ in range(STEPS):
        if chance.random() < 0.1:
            moves = chance.choice((CALM, CALM, JUMPY))
        happen(shard, chance)
        shard.wait(chance.choice(QUIET_MS) if chance.random() < 0.08 else chance.choice((100, 1_000, 9_000)))
        for index in shard.prices:
            shard.move(index, chance.choice((-1, 1)) * chance.choice(moves))
        late = chance.random() < 0.03
        said = shard.see_prices(chance.choice((1.0, 1.0, 0.5)), age_ms=6_000 if late else None)
        if not late:
            watch.see(said)


def happen(shard: Shard, chance: random.Random) -> None:
    """A few things that are no marks."""
    for _ in range(chance.choice((0, 0, 1, 3))):
        kind = chance.random()
        if kind < 0.45:
            some_order(shard, chance)
        elif kind < 0.55:
            money(shard, chance)
        elif kind < 0.65:
            step_of_market(shard, chance)
        elif kind < 0.68:
            who = chance.choice(shard.people)
            shard.tell(m.SetLeverage(shard.risk.commands.header(who), who.subaccount, chance.choice((0, 2, 10))))
        elif kind < 0.7:
            shard.tell(m.Resumed())
        else:
            some_answer(shard, chance)
    while shard.asked and chance.random() < 0.8:
        shard.answer()


@pytest.mark.parametrize("slice_size", [1, 500])
@settings(max_examples=25)
@given(seed=seeds)
def test_wires_liquidate_exactly_those_that_a_full_scan_would(slice_size: int, seed: int) -> None:
    chance = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "SLICE", slice_size)
        patch.setattr(steps, "SLICE", slice_size)
        shard = Shard(chance)
        equip(shard, chance)
        live(shard, chance)


Waiting = dict[tuple[int, int], tuple[int, int]]
"""Subject -> (below, above), 0 for none: a plain list of who waits."""
thresholds = st.one_of(st.integers(1, 40), st.integers(900, 1_100), st.integers(10**11, 10**11 + 10**9))


@st.composite
def doings(draw: st.DrawFn) -> tuple[int, int, int]:
    """(subject, 0 to move, 1 to wait below, 2 above, 3 both, 4 to go; a price)."""
    return draw(st.integers(1, 12)), draw(st.sampled_from((0, 0, 1, 2, 3, 4))), draw(thresholds)


@settings(max_examples=400)
@given(start=st.one_of(st.just(0), thresholds), done=st.lists(doings(), max_size=60))
def test_wires_cut_what_a_plain_list_would_in_the_order_in_which_it_is_reached(
    start: int, done: list[tuple[int, int, int]]
) -> None:
    wires, waiting = Wires(start), dict[tuple[int, int], tuple[int, int]]()
    for number, what, price in done:
        subject = (number, 0)
        if what == 0:
            assert wires.move(price) == reached(waiting, wires.price)
        elif what == 4:
            below, above = waiting.pop(subject, (0, 0))
            wires.disarm(subject, below=below, above=above)
        elif subject not in waiting:
            below, above = price if what & 1 else 0, price + number if what & 2 else 0
            if not wires.has_reached(below=below, above=above):
                wires.arm(subject, below=below, above=above)
                waiting[subject] = (below, above)
        assert sorted(armed(wires.below)) == sorted(one for one, (below, _above) in waiting.items() if below)
        assert sorted(armed(wires.above)) == sorted(one for one, (_below, above) in waiting.items() if above)


def reached(waiting: Waiting, price: int) -> list[tuple[Subject, Price]]:
    """Cut a plain list at a price: what lies below first, then what lies above, each nearest first."""
    below = [(subject, low) for subject, (low, _high) in waiting.items() if low and price <= low]
    above = [(subject, high) for subject, (_low, high) in waiting.items() if high and price >= high]
    for subject, _threshold in below:
        waiting[subject] = (0, waiting[subject][1])
    for subject, _threshold in above:
        waiting[subject] = (waiting[subject][0], 0)
    gone = [subject for subject, sides in waiting.items() if not any(sides)]
    for subject in gone:
        del waiting[subject]
    below.sort(key=lambda pair: (-pair[1], pair[0]))
    above.sort(key=lambda pair: (pair[1], pair[0]))
    return [*below, *above]
