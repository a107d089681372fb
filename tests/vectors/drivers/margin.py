"""Vectors of accounts: prices of liquidation and bankruptcy, and how a whole account stands."""

from fractions import Fraction

from services.core import contracts
from services.core.fixed import FRACTION_ONE
from services.core.markets import UNIT_OF_ACCOUNT, Asset, Collateral
from services.risk.health import health
from services.risk.liquidation_price import liquidation_price
from services.risk.margin import worst_size
from services.risk.state import Exposure, Mark, State
from tests.builders import but
from tests.vectors.drivers.terms import (
    COINS,
    LINEAR,
    MONEY,
    PRICE_END,
    PRICES,
    SIZES,
    Driver,
    Given,
    Results,
    decimal,
    inverse,
    parts,
    price,
    with_functions,
    with_tiers,
)
from tests.vectors.formulas.loader import units


def account(given: Given) -> Results:
    """A whole account, judged as risk judges it: assets and markets in the order of the vector."""
    state = State()
    held = state.subaccount(256)
    for number, (amount, at, weight) in enumerate(given["balances"], 1):
        state.assets[number], state.collateral[number] = weighted(number, weight), Mark(units(at, 10))
        held.idle[number] = units(amount, 8)
    for number, one in enumerate(given["positions"], 1):
        market, mark = with_functions(but(LINEAR, id=number, settlement_decimals=8), one), price(one["mark"])
        size, buys, sells = (units(one[name], SIZES) for name in ("size", "buys", "sells"))
        cash = contracts.cash_flow(market, size, mark)
        held.exposures[number] = Exposure(number, size, cash, buys=buys, sells=sells)
        state.markets[number], state.marks[number] = market, Mark(mark)
    now, exposures = health(state, held), list(held.exposures.values())
    worths = [exposure_worth(state, one) for one in exposures]
    initials = [exposure_initial(state, one) for one in exposures]
    return {
        "equity": Fraction(now.equity, 10**8),
        "exposure": Fraction(sum(worths), 10**8),
        "fractions": [Fraction(*pair) for pair in zip(initials, worths, strict=True)],
        "initial": Fraction(now.initial, 10**8),
        "initial_fraction": Fraction(now.initial, sum(worths)),
        "available": Fraction(now.equity_initial - now.initial, 10**8),
        "initial_ratio": Fraction(now.initial, now.equity_initial),
        "maintenance": Fraction(now.maintenance, 10**8),
        "maintenance_ratio": Fraction(now.maintenance, now.equity),
    }


def weighted(number: int, weight: str) -> Asset:
    """Asset of one weight; the first one is the unit of account."""
    terms = Collateral("A", initial_weight=parts(weight), maintenance_weight=parts(weight))
    return Asset(number, f"A{number}", 8, collateral=UNIT_OF_ACCOUNT if number == 1 else terms)


def exposure_worth(state: State, one: Exposure) -> int:
    worst = worst_size(one.size, one.buys, one.sells, may_shrink=False)
    return contracts.notional(state.markets[one.market], worst, state.marks[one.market].price)


def exposure_initial(state: State, one: Exposure) -> int:
    worst = worst_size(one.size, one.buys, one.sells, may_shrink=False)
    return contracts.initial_margin(state.markets[one.market], worst, state.marks[one.market].price)


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


FORMULAS: dict[str, Driver] = {
    "F-2.5": inverse_liquidation,
    "F-2.12": linear_liquidation,
    "F-5.3 liquidation": root_liquidation,
    "F-5.3 account": account,
}
