"""Openings by hand: interest and lateness, the reserve's part, what a cap holds back, losses and what is recovered of them."""

import pytest

from services.core import messages as m
from services.core import pool as p
from services.core.fixed import FRACTION_ONE, InvariantError
from services.lending_pool.indices import INDEX_MIN
from tests.builders import PERCENT, but, only
from tests.unit.lending_pool.pools import FREE, ONE, PERIOD_MS, TERMS, UNIT, Shards, opened, updated

DEAR = but(TERMS, base=FRACTION_ONE * 525_600, slope=0, steep_slope=0)
"""525,600 times the debt per year of so many minutes: an index doubles in a period."""


def test_the_first_period_opens_with_the_first_reports() -> None:
    said = Shards().open()
    first = opened(said).indices
    assert (first.period, first.supply, first.mint, first.borrow, first.burn) == (1, ONE, ONE, ONE, ONE)
    assert first.closes_at_ms - first.length_ms == updated(said).indices.closes_at_ms - PERIOD_MS
    assert updated(said).full_at_ms == 0


def test_borrowers_pay_a_period_in_advance_and_lenders_get_it_at_the_next_opening() -> None:
    shards = Shards(DEAR)
    first = opened(shards.open(supply=1_000, debt=500, cash=500)).indices
    assert (first.supply, first.mint, first.borrow) == (ONE, 2 * ONE, 2 * ONE)
    said = shards.open(supply=1_000, debt=500, cash=500)
    assert opened(said).indices.supply == ONE + ONE * 45 // 100, (
        "500 more is owed: 50 for the reserve, 450 for the lenders"
    )
    assert (updated(said).reserve, updated(said).kept_back) == (50 * UNIT, 0)
    assert (updated(said).supplied, updated(said).borrowed) == (1_450 * UNIT, 1_000 * UNIT)


def test_time_that_a_late_shard_takes_is_paid_in_the_next_period() -> None:
    shards = Shards(DEAR)
    shards.open(supply=1_000, debt=500, cash=500)
    said = shards.open(supply=1_000, debt=500, cash=500, late_ms=PERIOD_MS * 3)
    assert updated(said).late_ms == 3 * PERIOD_MS
    assert opened(said).indices.borrow == 2 * ONE + 2 * ONE * 4, "one period and three of lateness at 100 % each"
    assert opened(said).indices.mint == 2 * opened(said).indices.supply, "what is minted pays for the period alone"


def test_what_the_mint_index_caps_is_kept_back_and_given_out_later_but_its_part_is_taken_once() -> None:
    shards = Shards(but(DEAR, base=FRACTION_ONE * 52_560))
    shards.open(supply=1_000, debt=500, cash=500)
    capped = updated(shards.open(supply=1_000, debt=500, cash=1_500))
    assert capped.indices.supply == ONE * 11 // 10, "the mint index of the period before"
    assert (capped.reserve, capped.kept_back) == (105 * UNIT, 845 * UNIT)
    later = updated(shards.open(supply=1_000, debt=0, cash=2_050))
    assert later.reserve == 105 * UNIT, "nothing was gained since"
    assert later.supplied + later.kept_back == 1_945 * UNIT
    assert later.indices.supply == ONE * 121 // 100


LOSSES = [
    ("the reserve bears what it can", 30, (30, 0), (20, 0), ONE),
    ("suppliers bear the rest, not before the next opening", 150, (50, 0), (0, 100), ONE),
]


@pytest.mark.parametrize(
    ("loss", "borne", "left", "index"), [row[1:] for row in LOSSES], ids=[row[0] for row in LOSSES]
)
def test_a_loss_is_borne_by_the_reserve_first(
    loss: int, borne: tuple[int, int], left: tuple[int, int], index: int
) -> None:
    shards = with_reserve()
    said = shards.open(supply=1_000, debt=0, cash=1_050 - loss, loss=loss)
    assert only(m.LossBorne, said) == [m.LossBorne(1, shards.pool.indices.period, *(one * UNIT for one in borne))]
    assert (updated(said).reserve, updated(said).loss) == (left[0] * UNIT, left[1] * UNIT)
    assert updated(said).indices.supply == index


def with_reserve() -> Shards:
    """A pool of 1,000 with a reserve of 50, and no interest from now on."""
    shards = Shards(but(FREE, reserve_factor=FRACTION_ONE))
    shards.open()
    shards.open(supply=1_000, cash=1_000)
    assert updated(shards.open(supply=1_000, cash=1_050)).reserve == 50 * UNIT
    return shards


def test_who_leaves_in_the_period_of_a_loss_bears_his_part_and_the_index_falls_at_the_next_opening() -> None:
    shards = Shards(FREE)
    shards.open()
    shards.open(supply=1_000, cash=1_000)
    first = opened(shards.open(supply=1_000, cash=900, loss=100)).indices
    assert (first.supply, first.mint, first.burn) == (ONE, ONE, ONE * 9 // 10)
    said = shards.open(supply=500, cash=900 - 450, loss=100)
    assert opened(said).indices.supply == opened(said).indices.burn == ONE * 9 // 10
    assert only(m.LossBorne, said) == [m.LossBorne(1, 4, 0, 100 * UNIT)], "by who has left, too"
    assert updated(said).loss == 0


def test_what_is_recovered_goes_to_the_suppliers_then_to_the_reserve_which_takes_no_part_of_it() -> None:
    shards = with_reserve()
    shards.open(supply=1_000, cash=900, loss=150)
    down = updated(shards.open(supply=1_000, cash=900, loss=150))
    assert (down.indices.supply, down.reserve) == (ONE * 9 // 10, 0)
    said = shards.open(supply=1_000, cash=1_040, loss=10)
    assert only(m.LossBorne, said) == [m.LossBorne(1, 6, -40 * UNIT, -100 * UNIT)]
    assert (updated(said).reserve, updated(said).kept_back) == (40 * UNIT, 100 * UNIT)


def test_no_write_down_takes_the_index_below_its_least() -> None:
    shards = Shards(FREE)
    shards.open()
    shards.open(supply=1_000, cash=1_000)
    shards.open(supply=1_000, cash=0, loss=1_000)
    said = shards.open(supply=1_000, cash=0, loss=1_000)
    assert opened(said).indices.supply == INDEX_MIN
    assert updated(said).loss == UNIT, "a thousandth goes on waiting"


def test_a_pool_that_owes_what_it_has_not_is_a_bug() -> None:
    shards = Shards(FREE)
    shards.open()
    with pytest.raises(InvariantError, match="claims and reserve"):
        shards.open(supply=1_000, cash=900)


def test_shares_in_parts_are_added_up_exactly() -> None:
    shards = Shards(FREE, shards=2)
    half, third = (UNIT, 10**18 // 2), (UNIT, 10**18 // 3)
    shards.report(but(shards.delta(0), supply=half, cash=half))
    said = shards.report(but(shards.delta(1), supply=third, cash=third))
    assert updated(said).supplied == 2 * UNIT + 1, "claims are rounded up"
    assert updated(said).cash == 2 * UNIT, "cash is rounded down"


def test_rates_are_those_of_the_curve_at_what_was_used() -> None:
    shards = Shards()
    shards.open()
    said = updated(shards.open(supply=1_000, debt=450, cash=550))
    assert (said.used, said.borrow_rate) == (45 * PERCENT, 5 * PERCENT // 2)
    assert said.lend_rate == said.borrow_rate * 45 // 100 * 9 // 10
    assert said.indices.rate == p.borrow_rate(TERMS, said.used)


def test_profit_that_has_not_matured_bears_a_loss_before_suppliers_do() -> None:
    shards = Shards(FREE, shards=2)
    for shard in (0, 1):
        shards.report(shards.delta(shard, 500, cash=500))

    def period(loss: int, had: tuple[int, int], burnt: int = 0) -> list[m.PeriodOpened]:
        """Let the period end with so much bad debt, profits that have not matured, and supply that bore it."""
        reports = [
            but(
                shards.delta(shard, 500 - burnt, cash=500 - (100 if shard else 0), loss=loss * shard),
                losses=[("main", loss * shard * UNIT)] if shard else [],
                unmatured=[("main", had[shard] * UNIT), (p.CAPITAL, shard * UNIT)] if any(had) else [],
            )
            for shard in (0, 1)
        ]
        return only(m.PeriodOpened, [event for report in reports for event in shards.report(report)])

    found = period(100, (0, 0))
    assert [(one.asked, one.taken, one.indices.burn) for one in found] == [(["main", p.CAPITAL], [], ONE * 9 // 10)] * 2
    assert [one.short_groups for one in found] == [["main"]] * 2
    found = period(100, (60, 20))
    assert [one.taken for one in found] == [[("main", 60 * UNIT)], [("main", 20 * UNIT), (p.CAPITAL, UNIT)]]
    assert [(one.asked, one.indices.supply, one.indices.burn) for one in found] == [([], ONE, ONE * 9 // 10)] * 2
    found = period(20, (0, 0), burnt=40)
    assert [one.indices.supply for one in found] == [ONE * 900 // 920] * 2
