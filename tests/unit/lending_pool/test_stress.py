"""The ladder: where its steps begin, how it is climbed and left; and when a pool would be fully used."""

import pytest

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.markets import PoolTerms
from services.core.pool import Stress
from services.lending_pool.forecast import HORIZON_MS, full_at_ms, room_left
from services.lending_pool.stress import CALMER, levels, stress_step
from tests.builders import PERCENT, but, only
from tests.unit.lending_pool.pools import TERMS, UNIT, Shards, updated

LADDER = [
    ("the terms of the tests", TERMS, (90 * PERCENT + 1, 95 * PERCENT, 96 * PERCENT, 97 * PERCENT, 98 * PERCENT + 1)),
    (
        "a threshold instead of a bound, no bound for converting",
        but(TERMS, throttle_threshold=94 * PERCENT, throttle_bound=0, convert_bound=FRACTION_ONE),
        (90 * PERCENT + 1, 94 * PERCENT, 96 * PERCENT, 98 * PERCENT, FRACTION_ONE),
    ),
    ("nothing but a curve", PoolTerms(FRACTION_ONE, 0, 0), (FRACTION_ONE,) * 5),
]


@pytest.mark.parametrize(("terms", "begins"), [row[1:] for row in LADDER], ids=[row[0] for row in LADDER])
def test_each_step_begins_at_a_published_utilisation(terms: PoolTerms, begins: tuple[int, ...]) -> None:
    assert levels(terms) == (*begins, terms.utilisation_max)
    assert list(levels(terms)) == sorted(levels(terms))


STEPS = [
    ("below all", 50 * PERCENT, Stress.CALM),
    ("at the optimum", 90 * PERCENT, Stress.CALM),
    ("above it", 90 * PERCENT + 1, Stress.STEEP),
    ("at the throttle", 95 * PERCENT, Stress.THROTTLED),
    ("no new borrows", 96 * PERCENT, Stress.NO_BORROWS),
    ("tight margin", 97 * PERCENT, Stress.TIGHT_MARGIN),
    ("at the bound for converting", 98 * PERCENT, Stress.TIGHT_MARGIN),
    ("above it", 98 * PERCENT + 1, Stress.AUTO_REPAY),
    ("all is used", FRACTION_ONE, Stress.DELEVERAGING),
]


@pytest.mark.parametrize(("used", "step"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_a_step_is_taken_at_once(used: int, step: int) -> None:
    assert stress_step(levels(TERMS), used, Stress.CALM) == step


def test_a_step_is_left_only_well_below_where_it_begins() -> None:
    begins = levels(TERMS)
    assert stress_step(begins, 95 * PERCENT - 1, Stress.THROTTLED) == Stress.THROTTLED
    assert stress_step(begins, 95 * PERCENT - CALMER, Stress.THROTTLED) == Stress.THROTTLED
    assert stress_step(begins, 95 * PERCENT - CALMER - 1, Stress.THROTTLED) == Stress.STEEP
    assert stress_step(begins, 95 * PERCENT - 1, Stress.CALM) == Stress.STEEP, "it is not entered there"


def test_every_step_passed_is_told() -> None:
    shards = Shards()
    shards.open()
    up = only(m.PoolStressed, shards.open(supply=1_000, debt=965, cash=35))
    assert [(one.stress, one.used) for one in up] == [(step, 965 * FRACTION_ONE // 1_000) for step in (1, 2, 3)]
    assert only(m.PoolStressed, shards.open(supply=1_000, debt=965, cash=36)) == []
    down = only(m.PoolStressed, shards.open(supply=2_000, debt=965, cash=1_036))
    assert [one.stress for one in down] == [2, 1, 0]


def test_nothing_is_borrowed_by_will_from_the_third_step_on() -> None:
    shards = Shards(but(TERMS, throttle_bound=FRACTION_ONE // 2, throttle_threshold=0))
    shards.open()
    (calm,) = only(m.PeriodOpened, shards.open(supply=1_000, debt=400, cash=600))
    assert calm.borrow_room > 0
    (tight,) = only(m.PeriodOpened, shards.open(supply=1_000, debt=700, cash=300))
    assert (tight.stress, tight.borrow_room, tight.line) == (Stress.NO_BORROWS, 0, 0)


FORECASTS = [
    ("in as long again", (0, 200), (60_000, 100), 120_000),
    ("rounded down", (0, 200), (60_000, 101), 60_000 + 61_212),
    ("now", (0, 200), (60_000, 0), 60_000),
    ("the room grows", (0, 100), (60_000, 200), 0),
    ("the room stays", (0, 100), (60_000, 100), 0),
    ("only one opening", (60_000, 100), (60_000, 100), 0),
    ("too far away", (0, 10**9 + 1), (HORIZON_MS // 100, 10**9), 0),
]


@pytest.mark.parametrize(("then", "now", "full"), [row[1:] for row in FORECASTS], ids=[row[0] for row in FORECASTS])
def test_a_forecast_goes_on_in_a_straight_line(then: tuple[int, int], now: tuple[int, int], full: int) -> None:
    assert full_at_ms(*then, *now) == full


def test_a_pool_says_when_it_would_be_fully_used() -> None:
    shards = Shards(but(TERMS, slope=0, steep_slope=0))
    shards.open()
    shards.open(supply=1_000, debt=200, cash=800)
    shards.pool.history.clear()
    shards.open(supply=1_000, debt=200, cash=800)
    said = updated(shards.open(supply=1_000, debt=400, cash=600))
    assert said.full_at_ms == shards.machine.now_ms + 3 * 60_000, "200 in a minute, 600 are left"
    assert room_left(1_000 * UNIT, 400 * UNIT, FRACTION_ONE) == 600 * UNIT
