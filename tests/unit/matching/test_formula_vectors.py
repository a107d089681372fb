"""The published vectors of bands, the price grid and impact prices, through the functions that the machine uses."""

from services.core.fixed import FRACTION_ONE
from services.core.markets import on_grid
from services.matching.bands import band_of, impact_edge, limits_of, nearest_above, nearest_below
from services.matching.impact import impact_price
from tests.builders import BTC, USDC_UNIT, but
from tests.vectors.formulas.loader import Vector, formula_vectors, units

FILE = "matching.jsonl"
CENTS = 2
PARTS = 12


@formula_vectors(FILE, "5.8 impact")
def test_a_market_order_stops_at_the_impact_band(vector: Vector) -> None:
    side = {"buy": 1, "sell": -1}[vector.given["side"]]
    edge = impact_edge(side, units(vector.given["best"], CENTS), units(vector.given["impact_band"], PARTS))
    assert edge == units(vector.expected["price"], CENTS)


@formula_vectors(FILE, "5.8 band")
def test_band_round_the_mark(vector: Vector) -> None:
    market = but(BTC, band=units(vector.given["band"], PARTS))
    low, high = (units(vector.expected[name], CENTS) for name in ("low", "high"))
    assert band_of(market, units(vector.given["mark_price"], CENTS)) == (low, high)


@formula_vectors(FILE, "5.8 premium")
def test_premium_band(vector: Vector) -> None:
    """The band round the mark is too wide to matter."""
    given = vector.given
    market = but(BTC, band=FRACTION_ONE // 2, premium_band=units(given["tolerance"], PARTS))
    index = units(given["index_price"], CENTS)
    limits = limits_of(market, index, index, units(given["premium"], PARTS))
    assert (limits.low, limits.high) == tuple(units(vector.expected[name], CENTS) for name in ("low", "high"))


@formula_vectors(FILE, "F-HL-3")
def test_price_grid(vector: Vector) -> None:
    """Two more decimals than prices may have, so that what has too many can be said at all."""
    given = vector.given
    market = but(BTC, price_decimals=given["decimals"] + 2, tick=100, price_figures=given["figures"])
    price = units(given["price"], given["decimals"] + 2)
    assert on_grid(market, price) == vector.expected["accepted"]
    assert (nearest_below(market, price) == price == nearest_above(market, price)) == vector.expected["accepted"]


@formula_vectors(FILE, "F-2.9")
def test_impact_price(vector: Vector) -> None:
    """Printed with 16 digits; ours has 8 after the point and is rounded down."""
    market = but(BTC, price_decimals=8, size_decimals=5)
    levels = [(units(price, 8), units(size, 5)) for price, size in vector.given["levels"]]
    told = impact_price(market, levels, int(vector.given["notional"]) * USDC_UNIT)
    assert told == units(vector.expected["impact_price"], 12) // 10**4
