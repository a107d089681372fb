"""The published vectors of funding, index and mark, through the functions that the machine uses."""

from services.core.fixed import FRACTION_ONE
from services.funding.funding_rate import Mean, add_premium, funding_rate, impact_notional_min, premium
from services.funding.mark_price import Average, add_sample, fair_price, mark_price
from tests.vectors.formulas.loader import Vector, formula_vectors, units

FILE = "funding.jsonl"
HOUR_MS = 3_600_000
PRICE_DECIMALS = 12
"""Enough for every price of the vectors to be exact."""
PARTS = 12


def price(text: str) -> int:
    return units(text, PRICE_DECIMALS)


@formula_vectors(FILE, "F-2.2", "F-2.10")
def test_funding_rate(vector: Vector) -> None:
    given = vector.given
    interval_ms = given["interval_hours"] * HOUR_MS
    bounds = units(given["rate_max"], PARTS)
    rate = funding_rate(units(given["premium"], PARTS), units(given["interest"], PARTS), interval_ms, bounds)
    assert rate == units(vector.expected["rate"], PARTS)


@formula_vectors(FILE, "F-2.3")
def test_fair_price(vector: Vector) -> None:
    given = vector.given
    left_ms, interval_ms = given["left_hours"] * HOUR_MS, given["interval_hours"] * HOUR_MS
    fair = fair_price(price(given["index"]), units(given["rate"], PARTS), left_ms, interval_ms)
    assert fair == price(vector.expected["fair"])


@formula_vectors(FILE, "F-2.9 IMN")
def test_impact_notional(vector: Vector) -> None:
    fraction = units(vector.given["initial_margin_fraction"], PARTS)
    assert impact_notional_min(fraction, 8) == units(vector.expected["impact_notional"], 8)


@formula_vectors(FILE, "F-2.9")
def test_premium(vector: Vector) -> None:
    """Printed with 16 digits; ours has 12 and is rounded down."""
    given = vector.given
    told = premium(price(given["index"]), price(given["impact_bid"]), price(given["impact_ask"]))
    assert told == units(vector.expected["premium"], 16) // 10**4


@formula_vectors(FILE, "F-DX-9")
def test_premium_as_the_chain_rounds_it(vector: Vector) -> None:
    """In ppm and towards zero there, where ours are parts of 1e12, rounded down: what was rounded down once is cut towards zero after."""
    given = vector.given
    told = premium(price(given["index"]), price(given["impact_bid"]), price(given["impact_ask"]))
    ppm = abs(told) // 10**6 if told >= 0 else -(-told // 10**6)
    assert ppm == vector.expected["premium_ppm"]


@formula_vectors(FILE, "F-2.9 P")
def test_weighted_mean(vector: Vector) -> None:
    mean = Mean()
    for text in vector.given["premiums"]:
        mean = add_premium(mean, units(text, PARTS))
    assert mean.value == units(vector.expected["premium"], PARTS)


@formula_vectors(FILE, "F-2.8")
def test_mark_is_the_median_of_three(vector: Vector) -> None:
    given, expected = vector.given, vector.expected
    index, last = price(given["index"]), price(given["last"])
    left_ms, interval_ms = given["left_hours"] * HOUR_MS, given["interval_hours"] * HOUR_MS
    fair = fair_price(index, units(given["rate"], PARTS), left_ms, interval_ms)
    by_basis = index + price(given["basis"])
    assert (fair, by_basis) == (price(expected["by_funding"]), price(expected["by_basis"]))
    assert mark_price(index, fair, by_basis, last, index * FRACTION_ONE, 1) == price(expected["mark"])


@formula_vectors(FILE, "F-HL-6")
def test_average_of_samples(vector: Vector) -> None:
    """Printed with 11 digits after the point, rounded to the nearest."""
    average = Average()
    for sample in vector.given["samples"]:
        average = add_sample(average, units(sample, 18), vector.given["seconds"] * 1_000)
    assert abs(average.value - units(vector.expected["average"], 18)) <= 10 ** (18 - 11) // 2
