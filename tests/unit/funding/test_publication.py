"""When marks and prices of collateral are told: together, once in an interval, and not while the sources disagree."""

import pytest

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS
from services.core.markets import Collateral
from services.funding.sources import Flaw
from tests.builders import ADMIN, BITCOIN, BTC, START_MS, USDC, Driven, but, only, the

DOLLAR = 10**INDEX_DECIMALS
PERCENT = FRACTION_ONE // 100
TERMS = Collateral(
    index="BTC_USD",
    initial_weight=FRACTION_ONE,
    maintenance_weight=FRACTION_ONE,
    minute_move_max=PERCENT,
    dispersion_free=PERCENT // 2,
    dispersion_max=5 * PERCENT,
    sources_min=2,
    price_stale_ms=10_000,
)
COLLATERAL = but(BITCOIN, collateral=TERMS)
SECOND_MARKET = but(BTC, id=2, symbol="BTC_USDC_SLOW", mark_interval_ms=5_000)


@pytest.fixture
def funding() -> Driven:
    """Funding that makes the price of BTC as collateral and has no market."""
    machine = Driven("funding")
    for asset in (USDC, COLLATERAL):
        machine.tell(m.AssetListed(asset))
        machine.tell(m.CollateralListed(asset.id))
    return machine


def observe(funding: Driven, *dollars: float, after_ms: int = 1_000) -> list[m.Message]:
    """Let a source each see a price, all at one time."""
    funding.now_ms += after_ms
    told: list[m.Message] = []
    for name, price in zip(("one", "two", "three"), dollars, strict=False):
        told += funding.tell(m.PriceObserved(name, "BTC_USD", int(price * DOLLAR), funding.now_ms))
    return told


def prices(told: list[m.Message]) -> list[float]:
    return [price / DOLLAR for one in only(m.MarksUpdated, told) for _, price in one.collateral]


def test_a_price_of_collateral_comes_with_the_marks_of_its_index(funding: Driven) -> None:
    funding.tell(funding.commands.list_market())
    assert prices(observe(funding, 8_000, 8_000)) == [8_000]
    for second in range(1, 5):
        observe(funding, 8_000 + second, 8_000 + second, after_ms=300)
        told = the(m.MarksUpdated, funding.wait(700))
        assert told.marks == [(1, 800_000 + 100 * second, 800_000 + 100 * second)]
        assert told.collateral == [(BITCOIN.id, (8_000 + second) * DOLLAR)]


def test_markets_that_waited_for_one_moment_are_told_in_one_record(funding: Driven) -> None:
    """Listed and marked first at different times, they keep step from the next second on."""
    funding.tell(funding.commands.list_market())
    observe(funding, 8_000, after_ms=1_200)
    funding.tell(funding.commands.list_market(but(BTC, id=3, symbol="BTC_USDC_OTHER")))
    observe(funding, 8_001, after_ms=300)
    assert [one[0] for one in the(m.MarksUpdated, funding.wait(500)).marks] == [1]
    assert [one[0] for one in the(m.MarksUpdated, observe(funding, 8_002, after_ms=300)).marks] == [3]
    observe(funding, 8_003, after_ms=300)
    assert [one[0] for one in the(m.MarksUpdated, funding.wait(500)).marks] == [1, 3]
    assert only(m.MarksUpdated, funding.wait(10_000)) == []


def test_a_slower_market_keeps_its_own_interval(funding: Driven) -> None:
    funding.tell(funding.commands.list_market(SECOND_MARKET))
    told = [only(m.MarksUpdated, observe(funding, 8_000)) for _ in range(12)]
    assert [second for second, each in enumerate(told, 1) if each] == [1, 5, 10]


def test_a_mark_that_waited_for_an_interval_that_is_no_more_is_not_told_twice(funding: Driven) -> None:
    funding.tell(funding.commands.list_market(SECOND_MARKET))
    observe(funding, 8_000)
    observe(funding, 8_001)
    quicker = but(SECOND_MARKET, mark_interval_ms=2_500)
    funding.tell(m.ChangeMarket(funding.commands.header(ADMIN), quicker, funding.now_ms))
    assert len(only(m.MarksUpdated, observe(funding, 8_002))) == 1
    assert only(m.MarksUpdated, funding.wait(2_000)) == []
    assert len(only(m.MarksUpdated, observe(funding, 8_003))) == 1


def test_a_mark_waits_on_for_an_interval_that_has_grown(funding: Driven) -> None:
    market = but(BTC, mark_interval_ms=2_000)
    funding.tell(funding.commands.list_market(market))
    observe(funding, 8_000, after_ms=4_000)
    observe(funding, 8_001, after_ms=500)
    slower = but(market, mark_interval_ms=4_000)
    funding.tell(m.ChangeMarket(funding.commands.header(ADMIN), slower, funding.now_ms))
    told = [(funding.now_ms - START_MS, one.marks) for _ in range(9) for one in only(m.MarksUpdated, funding.wait(500))]
    assert told == [(8_000, [(1, 800_100, 800_100)])]


def test_a_price_is_told_at_most_once_in_a_second(funding: Driven) -> None:
    told = [
        price for number in range(50) for price in prices(observe(funding, 8_000, 8_000 + number / 10, after_ms=100))
    ]
    assert len(told) == 6


def test_the_unit_of_account_has_no_price(funding: Driven) -> None:
    assert USDC.id not in funding.state.collateral


def test_too_few_sources_or_none_fresh_leave_the_price(funding: Driven) -> None:
    observe(funding, 8_000, 8_000)
    assert prices(observe(funding, 8_000, after_ms=11_000)) == []
    assert funding.state.collateral[BITCOIN.id].published == 8_000 * DOLLAR
    assert prices(observe(funding, 8_010, 8_010)) == [8_010]


def test_two_that_disagree_leave_the_price(funding: Driven) -> None:
    observe(funding, 8_000, 8_000)
    told = observe(funding, 9_000)
    assert prices(told) == []
    assert funding.state.collateral[BITCOIN.id].published == 8_000 * DOLLAR


def test_a_minute_moves_the_price_by_its_share_only(funding: Driven) -> None:
    """One percent of what it was when the minute began, however often it is told; then one percent of that."""
    observe(funding, 8_000, 8_000)
    seen = [price for _ in range(58) for price in prices(observe(funding, 9_000, 9_000))]
    assert set(seen) == {8_080}
    assert funding.now_ms == START_MS + 59_000
    seen = [price for _ in range(30) for price in prices(observe(funding, 9_000, 9_000))]
    assert set(seen) == {8_160.8}


def test_what_the_sources_disagree_about_is_taken_off(funding: Driven) -> None:
    """Two of three lie a percent and more from the middle one: half a percent is free."""
    observe(funding, 8_000, 8_000, 8_000)
    observe(funding, 7_920, 8_000, 8_080)
    assert prices(funding.wait(1_000)) == [8_000 * 0.995]


def test_one_venue_of_three_that_loses_its_peg_takes_nothing_off(funding: Driven) -> None:
    observe(funding, 8_000, 8_001, 8_002)
    for percent in (1, 2, 4, 6, 50):
        observe(funding, 8_000, 8_001, 8_002 * (100 - percent) / 100, after_ms=500)
        assert prices(funding.wait(500)) == [8_000]
    assert funding.state.sources["BTC_USD"]["three"].flaw == Flaw.FAR


def test_it_is_not_made_where_nobody_asked_for_it() -> None:
    funding = Driven("funding")
    funding.tell(m.AssetListed(COLLATERAL))
    assert observe(funding, 8_000, 8_000) == []
