"""The published vectors of contracts, collateral, margin and settlement, computed by the functions that the machines use.

A row of FORMULAS says which functions: from the numbers of a vector to its results by name. Amounts are kept so fine there that every
printed digit is compared; see README.md of the folder.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from importlib import import_module
from itertools import pairwise
from typing import Any, TypeAlias

import pytest

from services.core import collateral, contracts
from services.core.fixed import FRACTION_ONE
from services.core.markets import UNIT_OF_ACCOUNT, Asset, Collateral, ContractKind, MarginTier, Market, is_tier_above
from services.funding.funding_rate import funding_rate, funding_step
from services.risk.liquidation_price import liquidation_price
from services.risk.margin import worst_size
from tests.builders import BTC, but
from tests.vectors.formulas.loader import Vector, agrees, read_vectors, units

Given: TypeAlias = dict[str, Any]
Results: TypeAlias = dict[str, Any]

PARTS = 12
PRICES = 8
PRICE_END = 10**8 * 10**PRICES
"""A price that no vector reaches."""
SIZES = 4
MONEY = 12
COINS = 14
"""Decimals of a coin so fine that twelve printed digits are right after every rounding."""
HOUR_MS = 3_600_000

LINEAR = but(BTC, price_decimals=PRICES, size_decimals=SIZES, settlement_decimals=MONEY)
INVERSE = but(
    BTC, kind=ContractKind.INVERSE_PERPETUAL, price_decimals=PRICES, size_decimals=2, settlement_decimals=COINS
)


def price(text: str) -> int:
    return units(text, PRICES)


def parts(text: str) -> int:
    return units(text, PARTS)


def decimal(amount: int, market: Market) -> Fraction:
    return Fraction(amount, 10**market.settlement_decimals)


def inverse(given: Given) -> tuple[Market, int]:
    """Inverse market of a face, and the size of so many contracts."""
    return but(INVERSE, face=price(given.get("face", "1"))), units(given["contracts"], 2)


def with_tiers(market: Market, rows: Iterable[list[str]]) -> Market:
    """Market with tiers as a vector names them: least notional, two fractions, amount taken off."""
    money = market.settlement_decimals
    return but(
        market,
        initial_margin_fraction=1,
        tiers=tuple((units(floor, money), parts(i), parts(m), units(off, money)) for floor, i, m, off in rows),
    )


def with_functions(market: Market, given: Given) -> Market:
    """Market whose fractions are the larger of a base and a factor times the root of the notional."""
    (base, factor), (low, low_factor) = given["initial"], given["maintenance"]
    return but(
        market,
        initial_margin_fraction=parts(base),
        initial_margin_factor=parts(factor),
        maintenance_margin_fraction=parts(low),
        maintenance_margin_factor=parts(low_factor),
    )


def settled(market: Market, size: int, entry: int, settlements: list[int]) -> Results:
    """Profit at each settlement: cash and value, after which cash is what the value takes back."""
    cash, steps = contracts.cash_flow(market, size, entry), []
    for mark in settlements:
        worth = contracts.value(market, size, mark)
        steps.append(decimal(cash + worth, market))
        cash = -worth
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


def last(holds: Callable[[int], bool], end: int) -> int:
    """Largest number for which a claim holds that holds up to somewhere below `end`."""
    low, high = 0, end
    while high - low > 1:
        middle = (low + high) >> 1
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


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


def account(given: Given) -> Results:
    """A whole account: equity, margin at the worse side of its orders, and what they are of each other."""
    equity = account_worth(given)["collateral"]
    worths, initials, maintenances = [], [], []
    for one in given["positions"]:
        market, mark = with_functions(LINEAR, one), price(one["mark"])
        size, buys, sells = (units(one[name], SIZES) for name in ("size", "buys", "sells"))
        worst = worst_size(size, buys, sells, may_shrink=False)
        worths.append(decimal(contracts.notional(market, worst, mark), market))
        initials.append(decimal(contracts.initial_margin(market, worst, mark), market))
        maintenances.append(decimal(contracts.maintenance_margin(market, size, mark), market))
    exposure, initial, maintenance = sum(worths), sum(initials), sum(maintenances)
    return {
        "equity": equity,
        "exposure": exposure,
        "fractions": [one / worth for one, worth in zip(initials, worths, strict=True)],
        "initial": initial,
        "initial_fraction": initial / exposure,
        "available": equity - initial,
        "initial_ratio": initial / equity,
        "maintenance": maintenance,
        "maintenance_ratio": maintenance / equity,
    }


def inverse_liquidation(given: Given) -> Results:
    """Margin in coins; the maintenance is that of the entry."""
    market, size = inverse(given)
    market = but(market, initial_margin_fraction=FRACTION_ONE, maintenance_margin_fraction=parts(given["maintenance"]))
    entry, held = price(given["entry"]), units(given["margin"], COINS)
    needed = contracts.maintenance_margin(market, size, entry)
    cash = contracts.cash_flow(market, size, entry)

    def equity(mark: int) -> int:
        return held + cash + contracts.value(market, size, mark)

    def found(least: int) -> Fraction:
        return Fraction(liquidation_price(lambda mark: equity(mark) < least, entry, 1, PRICE_END), 10**PRICES)

    return {"bankruptcy": found(0), "liquidation": found(needed)}


def linear_liquidation(given: Given) -> Results:
    """Each position's price, the others standing where they are marked."""
    wallet, positions = units(given["wallet"], MONEY), given["positions"]
    markets = [with_tiers(LINEAR, one["tiers"]) for one in positions]
    sizes = [units(one["size"], SIZES) for one in positions]
    marks = [price(one["mark"]) for one in positions]
    cash = [contracts.cash_flow(LINEAR, size, price(one["entry"])) for size, one in zip(sizes, positions, strict=True)]

    def pnl(number: int, mark: int) -> int:
        return cash[number] + contracts.value(LINEAR, sizes[number], mark)

    def needed(number: int, mark: int) -> int:
        return contracts.maintenance_margin(markets[number], sizes[number], mark)

    def slack(moved: int, to: int) -> int:
        seen = [to if number == moved else mark for number, mark in enumerate(marks)]
        return wallet + sum(pnl(number, mark) - needed(number, mark) for number, mark in enumerate(seen))

    def found(moved: int) -> Fraction:
        return Fraction(liquidation_price(lambda to: slack(moved, to) < 0, marks[moved], 1, PRICE_END), 10**PRICES)

    numbers = range(len(positions))
    return {
        "maintenance": [decimal(needed(number, marks[number]), LINEAR) for number in numbers],
        "pnl": [decimal(pnl(number, marks[number]), LINEAR) for number in numbers],
        "prices": [found(number) for number in numbers],
    }


def root_liquidation(given: Given) -> Results:
    market, size = with_functions(LINEAR, given), units(given["size"], SIZES)
    entry, wallet = price(given["entry"]), units(given["wallet"], MONEY)
    cash = contracts.cash_flow(market, size, entry)

    def is_below(mark: int) -> bool:
        return wallet + cash + contracts.value(market, size, mark) < contracts.maintenance_margin(market, size, mark)

    found = liquidation_price(is_below, entry, 1, PRICE_END)
    needed = contracts.maintenance_margin(market, size, found)
    return {
        "price": Fraction(found, 10**PRICES),
        "maintenance_fraction": Fraction(needed, contracts.notional(market, size, found)),
    }


def inverse_funding(given: Given) -> Results:
    market, size = inverse(given)
    interval_ms = given["interval_hours"] * HOUR_MS
    rate = funding_rate(parts(given["premium"]), parts(given["interest"]), interval_ms, FRACTION_ONE)
    payment, _ = funding_step(rate, contracts.notional(market, size, price(given["mark"])), 0)
    return {"rate": Fraction(rate, FRACTION_ONE), "payment": decimal(payment, market)}


def daily_rate(given: Given) -> int:
    """Hourly rate of a premium per day: a third of it per eight hours, which the interest equals."""
    third = parts(given["premium_daily"]) // 3
    return funding_rate(third, third, HOUR_MS, FRACTION_ONE)


def daily_funding(given: Given) -> Results:
    worth = contracts.notional(LINEAR, units(given["size"], SIZES), price(given["mark"]))
    payment, _ = funding_step(daily_rate(given), worth, 0)
    return {"payment": decimal(payment, LINEAR)}


FORMULAS: dict[str, dict[str, Callable[[Given], Results]]] = {
    "contracts.jsonl": {
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
    },
    "collateral.jsonl": {
        "F-4.1": weight_of,
        "F-4.1 break": weight_break,
        "F-4.1 account": account_worth,
        "F-4.3": debt_margin,
        "F-5.1": weight_of,
        "F-5.1 break": weight_break,
    },
    "margin.jsonl": {
        "F-2.5": inverse_liquidation,
        "F-2.12": linear_liquidation,
        "F-5.3 liquidation": root_liquidation,
        "F-5.3 account": account,
    },
    "funding_rate.jsonl": {
        "F-2.2 payment": inverse_funding,
        "F-4.9": daily_funding,
        "F-4.9 rate": lambda given: {"rate": Fraction(daily_rate(given), FRACTION_ONE)},
    },
}
AWAITED: dict[str, str] = {
    "settlement_price.jsonl": "services.funding.settlement_price",
    "reference_rate.jsonl": "services.funding.reference_rate",
    "price_limits.jsonl": "services.matching.price_limits",
    "protection.jsonl": "services.matching.protection",
}
"""Files whose modules are not there yet."""
VECTORS = [(file, vector) for file in FORMULAS for vector in read_vectors(file)]


@pytest.mark.parametrize(("file", "vector"), VECTORS, ids=[vector.id for _, vector in VECTORS])
def test_every_printed_digit(file: str, vector: Vector) -> None:
    told = FORMULAS[file][vector.formula](vector.given)
    shown = {name: told[name] for name in vector.expected}
    wrong = [name for name, printed in vector.expected.items() if not agrees(told[name], printed)]
    assert not wrong, f"{vector.note or vector.formula}: {shown} where {vector.expected} is printed"


@pytest.mark.xfail(raises=ImportError, strict=True)
@pytest.mark.parametrize("module", AWAITED.values())
def test_modules_that_are_awaited(module: str) -> None:
    import_module(module)
