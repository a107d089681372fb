"""Scenarios are functions of time and seed that go through every published waypoint."""

from itertools import pairwise

import pytest

from services.oracle.path import Played
from services.oracle.scenario import DOLLAR, MARCH_2020, MINUTE_MS, scenario, utc

DAY_MS = 24 * 3_600_000


def path(seed: int = 1, step_ms: int = MINUTE_MS) -> list[int]:
    march = scenario("march-2020", seed)
    prices = [march.price(at_ms) for at_ms in range(march.begins_ms, march.begins_ms + 2 * DAY_MS, step_ms)]
    return [price for price in prices if price is not None]


def test_same_seed_same_path_minute_by_minute() -> None:
    assert len(path()) == 2 * 24 * 60
    assert path() == path()
    assert path(seed=1) != path(seed=2)


def test_any_order_of_asking_gives_the_same() -> None:
    march = scenario("march-2020", 3)
    times = [march.begins_ms + 7_321 * number for number in range(500)]
    assert [march.price(at_ms) for at_ms in times] == [march.price(at_ms) for at_ms in reversed(times)][::-1]


@pytest.mark.parametrize(("at", "dollars", "_noise"), MARCH_2020)
def test_every_waypoint_is_met_exactly(at: str, dollars: int, _noise: int) -> None:
    assert scenario("march-2020", 9).price(utc(at)) == dollars * DOLLAR


def test_it_is_the_crash_that_was_published() -> None:
    prices = path()
    first_leg = prices[10 * 60 : 11 * 60]
    assert min(first_leg) < 5_750 * DOLLAR < 7_300 * DOLLAR < max(first_leg)
    lowest = min(range(len(prices)), key=prices.__getitem__)
    assert 25 * 60 < lowest < 26 * 60 + 30
    assert 3_700 * DOLLAR < prices[lowest] <= 3_850 * DOLLAR
    assert max(prices[lowest : lowest + 40]) > 5_200 * DOLLAR


def test_no_second_moves_the_price_beyond_reason() -> None:
    prices = path(step_ms=1_000)
    jumps = [abs(after - before) * 10_000 // before for before, after in pairwise(prices)]
    assert max(jumps) < 50


def test_nothing_before_the_beginning_and_no_end() -> None:
    march = scenario("march-2020", 1)
    assert march.price(march.begins_ms - 1) is None
    later = march.price(march.begins_ms + 365 * DAY_MS)
    assert later is not None
    assert abs(later - 5_622 * DOLLAR) < 100 * DOLLAR


def test_played_elsewhere_and_faster_it_is_the_same_path() -> None:
    march = scenario("march-2020", 1)
    played = Played(march, begins_ms=1_000_000, speed=60)
    assert played.price(999_999) is None
    assert played.price(1_000_000 + 1_500) == march.price(march.begins_ms + 90_000)
