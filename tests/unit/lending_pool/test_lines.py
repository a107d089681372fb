"""Credit lines: how much goes out before the next opening, and how it is shared among the shards."""

import pytest

from services.core import messages as m
from services.core.pool import PARTS_ONE
from services.lending_pool.lines import cap_room, demand_after, grants, is_flight, line_room, shared, shared_below
from tests.builders import PERCENT, but, only
from tests.unit.lending_pool.pools import FREE, TERMS, UNIT, Shards, lines, updated

MANY = 10**9

ROOMS = [
    ("redeemed alone: 1000 - 880 / .9, rounded down", 120, 880, 90, 0, 22),
    ("all may be borrowed: .9 * 1000 - 880", 120, 880, 90, MANY, 20),
    ("one of them may be borrowed", 120, 880, 90, 10, 21),
    ("at the bound", 100, 900, 90, MANY, 0),
    ("above the bound", 50, 950, 90, MANY, 0),
    ("nothing is owed: everything can be redeemed", 1_000, 0, 90, 0, 1_000),
    ("cash is less than the throttle gives", 7, 500, 90, MANY, 7),
    ("no bound is no line", 1_000, 0, 0, MANY, 0),
]


@pytest.mark.parametrize(
    ("cash", "owed", "bound", "borrows", "room"), [row[1:] for row in ROOMS], ids=[row[0] for row in ROOMS]
)
def test_lines_keep_below_the_throttle_whatever_they_are_used_for(
    cash: int, owed: int, bound: int, borrows: int, room: int
) -> None:
    assert line_room(cash * PARTS_ONE, 1_000, owed, bound * PERCENT, borrows) == room


def test_a_quarter_is_shared_alike_and_the_rest_by_use() -> None:
    assert shared(100, [0, 0, 0, 0]) == [25, 25, 25, 25]
    assert shared(80, [1, 0, 0, 3]) == [20, 5, 5, 50]
    assert shared(10, [0, 1, 0]) == [0, 10, 0], "what rounding leaves is for the heaviest"


def test_nobody_is_given_more_than_he_can_use() -> None:
    assert shared_below(100, [0, 0], [10, 1_000]) == [10, 90]
    assert shared_below(100, [5, 0, 0], [20, 30, 0]) == [20, 30, 0]
    assert shared_below(0, [1, 1], [5, 5]) == [0, 0]


def test_what_is_taken_back_is_not_given_out_at_the_same_opening() -> None:
    assert grants(0, [50, 50], [100, 0]) == [-50, 0]
    assert grants(50, [50, 50], [0, 50]) == [50, 0]
    assert grants(10, [60, 60, 0], [40, 40, 30]) == [5, 5, -30]
    assert grants(-20, [30, 30], [50, 30]) == [-20, 0]


def test_the_last_period_counts_half() -> None:
    assert demand_after(0, 100, 40) == 30
    assert demand_after(30, 100, 100) == 15
    assert demand_after(10, 50, 80) == 5, "what came back is no use"


FLIGHTS = [
    ("a line is used up", [100, 100], [0, 100], 0, False, True),
    ("three quarters are not enough", [100, 100], [25, 100], 0, False, False),
    ("a small line is used up", [100, 20], [100, 0], 0, False, False),
    ("it was borrowed", [100, 100], [0, 100], 60, False, False),
    ("without lines nothing is known", [0, 0], [0, 0], 0, True, True),
    ("nothing is used any more", [100, 100], [100, 100], 0, True, False),
]


@pytest.mark.parametrize(
    ("given", "left", "borrowed", "before", "flight"), [row[1:] for row in FLIGHTS], ids=[row[0] for row in FLIGHTS]
)
def test_lenders_leave_when_lines_go_out_and_debts_do_not_grow(
    given: list[int], left: list[int], borrowed: int, *, before: bool, flight: bool
) -> None:
    assert is_flight(given, left, borrowed, before) is flight


def test_caps_give_half_of_what_is_left() -> None:
    assert cap_room(100, 40) == 30
    assert cap_room(100, 120) == 0


def test_two_shards_get_what_they_can_use() -> None:
    shards = Shards(FREE, shards=2)
    shards.report(shards.delta(0, supply=900, cash=900))
    first = lines(shards.report(shards.delta(1, supply=100, cash=100)))
    assert first == [800, 200], "a quarter alike, the rest by what is supplied, for nothing was used"
    shards.machine.now_ms += 60_000
    shards.report(shards.delta(0, supply=200, cash=200, line=100))
    said = shards.report(shards.delta(1, supply=100, cash=100, line=200))
    assert lines(said) == [0, -100], "the first shard's lenders leave, but cash is set aside where nobody needs it"
    shards.machine.now_ms += 60_000
    shards.report(shards.delta(0, supply=100, cash=100))
    assert lines(shards.report(shards.delta(1, supply=100, cash=100, line=100))) == [100, 0]


STATES = [("open", 0, 950, 950), ("only repaid", 1, 1_000, 0), ("closed", 2, 0, 0)]


@pytest.mark.parametrize(("state", "line", "borrow"), [row[1:] for row in STATES], ids=[row[0] for row in STATES])
def test_a_pools_state_begins_with_its_next_period(state: int, line: int, borrow: int) -> None:
    shards = Shards()
    shards.open()
    assert shards.machine.tell(m.PoolStateSet(1, state)) == []
    assert shards.pool.state == 0
    said = shards.open(supply=1_000, cash=1_000)
    (opened,) = only(m.PeriodOpened, said)
    assert (opened.state, opened.line, opened.borrow_room) == (state, line * UNIT, borrow * UNIT)
    assert updated(said).state == state


def test_a_closed_pool_takes_its_lines_back() -> None:
    shards = Shards()
    shards.open()
    shards.open(supply=1_000, cash=1_000)
    shards.machine.tell(m.PoolStateSet(1, 2))
    assert lines(shards.open(supply=1_000, cash=1_000, line=900, held=50)) == [-900]


def test_caps_bound_what_may_be_lent_and_borrowed_by_will() -> None:
    shards = Shards(but(TERMS, supply_max=1_500 * UNIT, debt_max=500 * UNIT, profit_debt_max=50 * UNIT))
    shards.open()
    (opened,) = only(m.PeriodOpened, shards.open(supply=1_000, debt=400, cash=600))
    owed = 400 * UNIT * opened.indices.borrow // 10**15 + 1
    assert opened.borrow_room == (500 * UNIT - owed) // 2
    assert opened.lend_room == 250 * UNIT
    assert opened.profit_room == 25 * UNIT
    assert opened.line > opened.borrow_room, "what may not be borrowed can be redeemed"


def test_what_leaves_against_profits_of_a_market_has_a_room_on_every_shard() -> None:
    shards = Shards(FREE, shards=2)
    market, other = 1, 3
    reports = [
        but(shards.delta(0, 1_000, cash=1_000), profit_debts=[(market, 20 * UNIT, 100 * UNIT), (other, 5, 0)]),
        but(shards.delta(1, 1_000, cash=1_000), profit_debts=[(market, 40 * UNIT, 90 * UNIT)]),
    ]
    said = [event for report in reports for event in shards.report(report)]
    assert [one.profit_rooms for one in only(m.PeriodOpened, said)] == [[(market, 15 * UNIT // 2)]] * 2
