"""Vectors of funding payments, settlement prices and reference rates."""

from fractions import Fraction

from services.core import contracts
from services.core.fixed import FRACTION_ONE
from services.funding.funding_rate import funding_rate, funding_step
from services.funding.reference_rate import Observation, Partition, reference_rate, volume_weighted_median
from services.funding.settlement_price import nearest, traded_mean
from tests.builders import but
from tests.vectors.drivers.terms import (
    INVERSE,
    LINEAR,
    PRICES,
    SIZES,
    Driver,
    Given,
    Results,
    decimal,
    inverse,
    parts,
    price,
)
from tests.vectors.formulas.loader import units

HOUR_MS = 3_600_000
CENTS = 2


def inverse_funding(given: Given) -> Results:
    market, size = inverse(given)
    interval_ms = given["interval_hours"] * HOUR_MS
    rate = funding_rate(parts(given["premium"]), parts(given["interest"]), interval_ms, FRACTION_ONE)
    worth = size * contracts.unit_value(market, price(given["mark"]))
    payment, _ = funding_step(rate, worth, 0, contracts.UNIT_VALUE)
    return {"rate": Fraction(rate, FRACTION_ONE), "payment": decimal(payment, market)}


def daily_rate(given: Given) -> int:
    """Hourly rate of a premium per day: a third of it per eight hours, which the interest equals."""
    third = parts(given["premium_daily"]) // 3
    return funding_rate(third, third, HOUR_MS, FRACTION_ONE)


def daily_funding(given: Given) -> Results:
    worth = contracts.notional(LINEAR, units(given["size"], SIZES), price(given["mark"]))
    payment, _ = funding_step(daily_rate(given), worth, 0)
    return {"payment": decimal(payment, LINEAR)}


def mean_of_trades(given: Given) -> Results:
    """From what matching tells of the trades: their sizes, and the coins that moved."""
    market = but(INVERSE, face=price(given["face"]), tick=1)
    trades = [(units(contracts_traded, 2), price(at)) for contracts_traded, at in given["trades"]]
    turnover = sum(contracts.cash_flow(market, size, at) for size, at in trades)
    return {"price": Fraction(traded_mean(market, sum(size for size, _ in trades), turnover), 10**PRICES)}


def observed(rows: list[list[str]]) -> list[Observation]:
    """Observations as a partition keeps them; prices in cents."""
    partition = Partition()
    for at, volume in rows:
        partition.add(units(at, CENTS), units(volume, 8))
    return partition.observations()


def rate_of_partitions(given: Given) -> Results:
    """Rounded to the cent, once."""
    partitions = [observed(rows) for rows in given["partitions"]]
    medians = [volume_weighted_median(one) for one in partitions if one]
    return {
        "medians": [Fraction(median, 10**CENTS) for median in medians],
        "rate": Fraction(nearest(*reference_rate(partitions)), 10**CENTS),
    }


PAYMENTS: dict[str, Driver] = {
    "F-2.2 payment": inverse_funding,
    "F-4.9": daily_funding,
    "F-4.9 rate": lambda given: {"rate": Fraction(daily_rate(given), FRACTION_ONE)},
}
SETTLEMENTS: dict[str, Driver] = {"F-1.3": mean_of_trades}
RATES: dict[str, Driver] = {"F-1.5": rate_of_partitions}
