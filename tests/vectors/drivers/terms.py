"""What drivers of vectors share: numbers so fine that every printed digit is right after all rounding, and markets of such numbers."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, TypeAlias

from services.core.markets import ContractKind, Market
from tests.builders import BTC, but
from tests.vectors.formulas.loader import units

Given: TypeAlias = dict[str, Any]
Results: TypeAlias = dict[str, Any]
Driver: TypeAlias = Callable[[Given], Results]

PARTS = 12
PRICES = 8
PRICE_END = 10**8 * 10**PRICES
"""A price that no vector reaches."""
SIZES = 4
MONEY = 12
COINS = 14
"""Decimals of a coin so fine that twelve printed digits are right after every rounding."""

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


def last(holds: Callable[[int], bool], end: int) -> int:
    """Largest number for which a claim holds that holds up to somewhere below `end`."""
    low, high = 0, end
    while high - low > 1:
        middle = (low + high) >> 1
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
