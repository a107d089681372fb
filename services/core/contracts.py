"""Contracts as pure functions of (market, size, price): cash flow and value (M-2); it knows no account and no state.

A new product is a row here with its vectors, never a branch in a machine.
"""

from services.core.fixed import FRACTION_ONE, Amount, Fraction, Price, Size, div_ceil, div_exact
from services.core.markets import Market


def notional(market: Market, size: Size, price: Price) -> Amount:
    """Value of |size| at `price`.

    Units    size 10^-size_decimals, signed; result settlement units, >= 0
    Rounds   never: tick * lot is a whole number of settlement units (checked at listing)
    Source   M-2, DESIGN.md 3
    """
    numerator, denominator = market.unit
    product = abs(size) * price * numerator
    return product if denominator == 1 else div_exact(product, denominator)


def cash_flow(market: Market, size: Size, price: Price) -> Amount:
    """Cash that moves when `size` is bought (size > 0) or sold at `price`: a buyer pays, so the result has the other sign.

    Units    settlement units, signed; the counterparty books the same integer with the opposite sign
    Rounds   never (linear)
    Source   M-2, rows 'spot' and 'linear perpetual'
    """
    paid = notional(market, size, price)
    return -paid if size > 0 else paid


def value(market: Market, size: Size, mark_price: Price) -> Amount:
    """Value of a position's size at the mark, without its cash.

    Units    settlement units, signed as size
    Rounds   never (linear)
    Source   M-2
    """
    return -cash_flow(market, size, mark_price)


def base_amount(market: Market, size: Size) -> Amount:
    """Amount of the base asset that a spot fill of `size` moves.

    Units    units of the base asset, signed as size
    Rounds   never: the base asset has at least the decimals of the size (checked at listing)
    Source   M-2, row 'spot'
    """
    factor: int = 10 ** (market.base_decimals - market.size_decimals)
    return size * factor


def margin(amount: Amount, fraction: Fraction) -> Amount:
    """Margin that `fraction` of a notional needs.

    Units    settlement units, >= 0
    Rounds   up, against the account
    Source   M-3, F-DX-3
    """
    return div_ceil(amount * fraction, FRACTION_ONE)


def fee(amount: Amount, rate: Fraction) -> Amount:
    """Fee on a notional; rounds up, in the venue's favour."""
    return div_ceil(amount * rate, FRACTION_ONE)
