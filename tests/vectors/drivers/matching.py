"""Vectors of price limits round a settlement, and of market-maker protection."""

from services.matching.price_limits import price_limit
from services.matching.protection import Protection
from tests.builders import BTC, but
from tests.vectors.drivers.terms import Driver, Given, Results, parts


def limits(given: Given) -> Results:
    """In whole dollars."""
    market, reference = but(BTC, price_decimals=0, tick=int(given["tick"])), int(given["reference"])
    return {"limits": [[str(edge) for edge in price_limit(market, reference, parts(step))] for step in given["steps"]]}


def protected(given: Given) -> Results:
    """Whether each fill in turn is the one that trips."""
    protection = Protection(given["interval_ms"], given["quantity_max"], given["delta_max"], 0)
    return {"tripped": [protection.count(at_ms, change) for at_ms, change in given["fills"]]}


LIMITS: dict[str, Driver] = {"F-1.6": limits}
PROTECTION: dict[str, Driver] = {"F-3.12": protected}
