"""Vectors of contracts and their margins: cash flow, value, tiers, functions of size, open interest."""

from fractions import Fraction
from itertools import pairwise

from services.core import contracts
from services.core.fixed import FRACTION_ONE
from services.core.listing import is_tier_above
from services.core.markets import MarginTier, Market
from services.core.messages import MarketSettled
from services.risk.state import Exposure, State
from services.risk.steps import process_settled
from tests.builders import BTC, but
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
    last,
    parts,
    price,
    with_functions,
    with_tiers,
)
from tests.vectors.formulas.loader import units


def settled(market: Market, size: int, entry: int, settlements: list[int]) -> Results:
    """What an account in risk is paid at each settlement of its position."""
    state, asset, paid = State(), market.settlement_asset, [0]
    held = state.subaccount(256)
    held.exposures[market.id] = Exposure(market.id, size, contracts.cash_flow(market, size, entry))
    state.markets[market.id], state.holders[market.id] = market, {held.id: None}
    for step, price_settled in enumerate(settlements, 1):
        process_settled(state, MarketSettled(market.id, step, price_settled, 0))
        paid.append(held.idle[asset])
    steps = [decimal(after - before, market) for before, after in pairwise(paid)]
    return {"steps": steps, "pnl": sum(steps)}


def inverse_pnl(given: Given) -> Results:
    market, size = inverse(given)
    return {"pnl": settled(market, size, price(given["entry"]), [price(given["exit"])])["pnl"]}


def inverse_settlements(given: Given) -> Results:
    market, size = inverse(given)
    return settled(market, size, price(given["entry"]), [price(text) for text in given["settlements"]])


def linear_settlements(given: Given) -> Results:
    size, settlements = units(given["size"], SIZES), [price(text) for text in given["settlements"]]
    return settled(LINEAR, size, price(given["entry"]), settlements)


def tier_margins(given: Given) -> Results:
    """A position worth so many coins: contracts of 1 at a price of 10,000."""
    market = with_tiers(but(INVERSE, face=price("1")), given["tiers"])
    size, mark = units(given["value"], 2) * 10_000, price("10000")
    return {
        "initial": decimal(contracts.initial_margin(market, size, mark), market),
        "maintenance": decimal(contracts.maintenance_margin(market, size, mark), market),
    }


def maintenance_amounts(given: Given) -> Results:
    """Largest amounts taken off with which each tier is accepted above the one before."""
    rows = list(zip(given["floors"], given["fractions"], strict=True))
    tiers: list[MarginTier] = [(units(floor, PRICES), FRACTION_ONE, parts(fraction), 0) for floor, fraction in rows]
    amounts = [units(given["first_amount"], PRICES)]
    for before, after in pairwise(tiers):
        amounts.append(amount_max((*before[:3], amounts[-1]), after))
    return {"amounts": [Fraction(amount, 10**PRICES) for amount in amounts]}


def amount_max(before: MarginTier, after: MarginTier) -> int:
    """Largest amount that a tier may take off above another."""
    return last(lambda amount: is_tier_above(before, (*after[:3], amount)), 10**16)


def root_fraction(given: Given) -> Results:
    told = contracts.margin_fraction(parts(given["base"]), parts(given["factor"]), units(given["size"], 8), 8)
    return {"fraction": Fraction(told, FRACTION_ONE)}


def notional_fractions(given: Given) -> Results:
    """Of a size worth the notional at a price of one."""
    market, size = with_functions(LINEAR, given), units(given["notional"], SIZES)
    worth = contracts.notional(market, size, price("1"))
    return {
        "initial_fraction": Fraction(contracts.initial_margin(market, size, price("1")), worth),
        "maintenance_fraction": Fraction(contracts.maintenance_margin(market, size, price("1")), worth),
    }


def notional_breaks(given: Given) -> Results:
    market = with_functions(LINEAR, given)
    base, low = market.initial_margin_fraction, market.maintenance_margin_fraction
    return {
        "initial": decimal(last(lambda worth: contracts.initial_fraction(market, worth) == base, 10**20), market),
        "maintenance": decimal(
            last(lambda worth: contracts.maintenance_of(market, worth) == contracts.margin(worth, low), 10**20), market
        ),
    }


def interest_scaled(given: Given) -> Results:
    interest, lower, upper = (int(given[name]) for name in ("open_interest", "lower", "upper"))
    told = contracts.scaled_by_interest(parts(given["fraction"]), interest, lower, upper)
    return {"fraction_ppm": told // 10**6}


def chain_margins(given: Given) -> Results:
    """In the chain's own units: 6 decimals of money."""
    market = but(
        BTC,
        price_decimals=5,
        size_decimals=0,
        settlement_decimals=6,
        initial_margin_fraction=parts(given["initial"]),
        maintenance_margin_fraction=parts(given.get("maintenance", "0")),
        open_interest_lower=given["lower"],
        open_interest_upper=given["upper"],
    )
    if "notional" in given:
        market, size, mark = but(market, size_decimals=1), given["notional"], 1
    else:
        size, mark = int(given["size"]), units(given["price"], 5)
    told = {"initial_margin": contracts.initial_margin(market, size, mark, given["open_interest"])}
    if "maintenance" in given:
        told["maintenance_margin"] = contracts.maintenance_margin(market, size, mark)
    return told


FORMULAS: dict[str, Driver] = {
    "F-1.1": inverse_pnl,
    "F-1.2": inverse_settlements,
    "F-1.7": linear_settlements,
    "F-2.1": inverse_pnl,
    "F-2.4": tier_margins,
    "F-2.11": maintenance_amounts,
    "F-4.2": root_fraction,
    "F-5.3": notional_fractions,
    "F-5.3 break": notional_breaks,
    "F-DX-2": interest_scaled,
    "F-DX-3": chain_margins,
    "F-DX-4": chain_margins,
}
