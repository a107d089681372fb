"""Vectors of collateral: weights that fall with size, debts, accounts of several assets."""

from fractions import Fraction

from services.core import collateral
from services.core.markets import UNIT_OF_ACCOUNT, Asset, Collateral
from tests.builders import but
from tests.vectors.drivers.terms import Driver, Given, Results, last, parts
from tests.vectors.formulas.loader import units


def asset_of(given: Given) -> Asset:
    weights = Collateral("A", weight_base=parts(given["base"]), weight_penalty=parts(given["penalty"]))
    return Asset(1, "A", 8, collateral=weights)


def counted(asset: Asset, amount: int, weight: str) -> Fraction:
    """Part of an amount that counts, at a price so high that digits are many."""
    high = collateral.PRICE_ONE * 10**6
    return Fraction(collateral.collateral_value(asset, amount, high, parts(weight)), amount * 10**6)


def weight_of(given: Given) -> Results:
    return {"weight": counted(asset_of(given), units(given["amount"], 8), given["weight"])}


def weight_break(given: Given) -> Results:
    asset = asset_of(given)
    flat = but(asset, collateral=UNIT_OF_ACCOUNT)
    weight = given["weight"]
    found = last(lambda amount: not amount or counted(asset, amount, weight) == counted(flat, amount, weight), 10**15)
    return {"amount": Fraction(found, 10**8)}


def debt_margin(given: Given) -> Results:
    """At a price so high that digits are many."""
    debt, high = units(given["debt"], 8), collateral.PRICE_ONE * 10**6
    asset = Asset(1, "A", 8, collateral=Collateral("A"))
    told = collateral.borrow_margin(asset, debt, high, parts(given["base"]), parts(given["factor"]))
    return {"fraction": Fraction(told, debt * 10**6)}


def account_worth(given: Given) -> Results:
    """Balances in full and as collateral, summed."""
    asset, full, weighted = Asset(1, "A", 8, collateral=Collateral("A")), 0, 0
    for amount, at, weight in given["balances"]:
        held, index = units(amount, 8), units(at, 10)
        full += collateral.worth(asset, held, index)
        weighted += collateral.collateral_value(asset, held, index, parts(weight))
    return {"worth": Fraction(full, 10**8), "collateral": Fraction(weighted, 10**8)}


FORMULAS: dict[str, Driver] = {
    "F-4.1": weight_of,
    "F-4.1 break": weight_break,
    "F-4.1 account": account_worth,
    "F-4.3": debt_margin,
    "F-5.1": weight_of,
    "F-5.1 break": weight_break,
}
