"""Indices that follow another: exactly repeatable, with it where it falls, and nowhere where it is nowhere."""

import pytest

from services.oracle.correlated import RELATIONS, Correlated, paths_of
from services.oracle.recorded import Bar, Recording
from services.oracle.scenario import DOLLAR, scenario

MARCH = scenario("march-2020", 1)
INDICES = ("BTC_USD", "ETH_USD", "SOL_USD", "PEPE_USD")
HOUR_MS = 3_600_000


def at(hour: float) -> dict[str, int]:
    found = {index: path.price(MARCH.begins_ms + int(hour * HOUR_MS)) for index, path in PATHS.items()}
    return {index: price for index, price in found.items() if price is not None}


PATHS = paths_of(MARCH, INDICES, 1)


def test_each_index_has_a_path_and_the_base_its_own() -> None:
    assert list(PATHS) == list(INDICES)
    assert at(3)["BTC_USD"] == MARCH.price(MARCH.begins_ms + 3 * HOUR_MS)
    assert {path.begins_ms for path in PATHS.values()} == {MARCH.begins_ms}


def test_they_fall_with_the_base_and_further() -> None:
    before, after = at(0), at(26.25)
    assert 190 * DOLLAR < before["ETH_USD"] < 200 * DOLLAR
    falls = [1 - after[index] / before[index] for index in INDICES]
    assert falls[0] < falls[1] < falls[2] < falls[3] < 0.9


def test_the_seed_decides_and_each_has_noise_of_its_own() -> None:
    assert paths_of(MARCH, INDICES, 1)["ETH_USD"].price(MARCH.begins_ms + HOUR_MS) == at(1)["ETH_USD"]
    assert paths_of(MARCH, INDICES, 2)["ETH_USD"].price(MARCH.begins_ms + HOUR_MS) != at(1)["ETH_USD"]
    ratios = {at(hour / 10)["ETH_USD"] * 1_000 // at(hour / 10)["SOL_USD"] for hour in range(20)}
    assert len(ratios) > 5


def test_a_gap_of_the_base_is_a_gap_and_no_fall_goes_to_nothing() -> None:
    bars = (Bar(0, 1_000, 1_000, 10, 10), Bar(120_000, 10, 10, 10, 10))
    path = Correlated(Recording(bars, 60_000, 1), "SOL_USD", 1, RELATIONS["SOL_USD"])
    assert path.price(60_000) is None
    assert path.price(-1) is None
    fallen = Correlated(
        Recording((Bar(0, 10**12, 10**12, 10**6, 10**6),), 60_000, 1), "SOL_USD", 1, RELATIONS["SOL_USD"]
    )
    assert (fallen.price(59_999) or 0) > 0


def test_what_is_pegged_stays_at_a_dollar_and_a_bill_earns_its_interest() -> None:
    paths = paths_of(MARCH, ["USDT_USD", "TBILL_USD"], 1)
    hours = range(0, 48, 2)
    usdt, bill = ([one.price(MARCH.begins_ms + hour * HOUR_MS) or 0 for hour in hours] for one in paths.values())
    assert all(abs(price / DOLLAR - 1) < 0.02 for price in usdt)
    assert max(usdt) == usdt[hours.index(26)] > 1_005 * DOLLAR // 1_000, "who flees to dollars pays for them"
    later = paths["TBILL_USD"].price(MARCH.begins_ms + 365 * 24 * HOUR_MS) or 0
    assert 0.049 < later / bill[0] - 1 < 0.051
    assert all(abs(price / DOLLAR - 1) < 0.001 for price in bill)


def test_a_cross_is_one_index_in_the_other() -> None:
    paths = paths_of(MARCH, ["BTC_USDT", "BTC_USD", "USDT_USD"], 1)
    cross, bitcoin, tether = (one.price(MARCH.begins_ms + 26 * HOUR_MS) or 0 for one in paths.values())
    assert cross == bitcoin * DOLLAR // tether < bitcoin


def test_what_trades_is_repeatable_and_a_part_of_the_base() -> None:
    since, until = MARCH.begins_ms + HOUR_MS, MARCH.begins_ms + HOUR_MS + 1_000
    paths = paths_of(MARCH, INDICES, 1)
    dollars = [(one.price(until) or 0) * one.volume(since, until) // DOLLAR for one in paths.values()]
    assert all(dollars)
    assert dollars[1] * 10 // dollars[0] in (3, 4), "ether trades two fifths of bitcoin"
    assert paths["ETH_USD"].volume(since, until) == paths_of(MARCH, INDICES, 1)["ETH_USD"].volume(since, until)


def test_an_index_without_a_relation_is_unknown() -> None:
    with pytest.raises(KeyError, match="DOGE_USD"):
        paths_of(MARCH, ["DOGE_USD"], 1)
