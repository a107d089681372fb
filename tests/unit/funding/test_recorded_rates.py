"""Funding rates as two venues recorded them, beside what our formula can say: its bound, its dead zone, its damping."""

import csv
import gzip
from collections import Counter
from functools import cache

import pytest

from services.core.fixed import FRACTION_ONE
from services.funding.funding_rate import DAMPING, EIGHT_HOURS_MS, funding_rate
from tests.market_data import market_data
from tests.vectors.formulas.loader import units

BITMEX = "funding_bitmex_xbtusd_2016-05_2020-11.csv.gz"
HOUR_MS = 3_600_000
INTEREST = FRACTION_ONE // 10_000
PINNED_FROM_MS = 1_584_072_000_000
"""13 March 2020, 04:00 UTC."""


@cache
def recorded(name: str) -> list[tuple[int, int, int]]:
    """Rows of a file: time, interval in hours, rate in parts of 1e12."""
    with gzip.open(market_data(name), "rt") as lines:
        rows = list(csv.DictReader(lines))
    return [(int(row["ts_ms"]), int(row["interval_hours"]), units(row["funding_rate"], 12)) for row in rows]


def test_the_bound_is_where_bitmex_was_pinned_in_march_2020() -> None:
    """75 % of (initial less maintenance margin), six intervals in a row: what any premium that low gives."""
    rate_max = (FRACTION_ONE // 100 - FRACTION_ONE // 200) * 3 // 4
    pinned = [rate for at_ms, _, rate in recorded(BITMEX) if 0 <= at_ms - PINNED_FROM_MS < 6 * 8 * HOUR_MS]
    assert pinned == [-rate_max] * 6
    for premium in (-rate_max - DAMPING, -FRACTION_ONE // 10):
        assert funding_rate(premium, INTEREST, EIGHT_HOURS_MS, rate_max) == -rate_max


def test_no_rate_of_bitmex_passed_the_bound_once_it_was_settled() -> None:
    later = [rate for _, hours, rate in recorded(BITMEX)[-3_000:] if hours == 8]
    assert len(later) == 3_000
    assert max(map(abs, later)) == 3_750_000_000


@pytest.mark.parametrize("name", ["funding_binance_btcusdt.csv.gz", "funding_binance_ethusdt.csv.gz"])
def test_a_third_of_binances_rates_are_the_interest_itself(name: str) -> None:
    """Where the premium is within 0.05 % of it, the formula gives exactly the interest, and every other rate has its premium."""
    counts = Counter(rate for _, _, rate in recorded(name))
    (most, times), (_, next_times) = counts.most_common(2)
    assert (most, times > 2_000, times > 20 * next_times) == (INTEREST, True, True)
    for rate in counts:
        damped = DAMPING if rate > INTEREST else -DAMPING if rate < INTEREST else 0
        assert funding_rate(rate + damped, INTEREST, EIGHT_HOURS_MS, FRACTION_ONE) == rate
