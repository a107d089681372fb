"""Contracts as pure functions of (market, size, price): cash flow, value and margin (M-2, M-3); it knows no account and no state.

A new product is a row here with its vectors, never a branch in a machine.
"""

from services.core.fixed import FRACTION_ONE, Amount, Fraction, Price, Size, div_ceil, div_exact, div_floor
from services.core.markets import INVERSE, Market
from services.core.roots import root_ceil

UNIT_VALUE = 10**18
"""The value of one unit of size at a mark is one number of this many parts of a settlement unit (M-2)."""


def notional(market: Market, size: Size, price: Price) -> Amount:
    """Value of |size| at `price`, for margins and fees.

        linear, spot    |size| * price
        inverse         |size| * face / price

    Units    size 10^-size_decimals, signed; result settlement units, >= 0
    Rounds   up, against the account; never for linear: tick * lot is a whole number of settlement units (checked at listing)
    Source   M-2, DESIGN.md 3
    """
    if market.kind in INVERSE:
        numerator, denominator = market.face_unit
        return div_ceil(abs(size) * numerator, denominator * price)
    numerator, denominator = market.unit
    product = abs(size) * price * numerator
    return product if denominator == 1 else div_exact(product, denominator)


def cash_flow(market: Market, size: Size, price: Price) -> Amount:
    """Cash that moves when `size` is bought (size > 0) or sold at `price`; the counterparty books the same integer, negated.

        linear, spot    -size * price
        inverse         +floor(|size| * face / price) for the buyer, the same less for the seller

    Units    settlement units, signed
    Rounds   linear never; inverse down for the buyer, so the seller keeps the remainder
    Source   M-2, rows 'spot', 'linear' and 'inverse'
    """
    if market.kind in INVERSE:
        numerator, denominator = market.face_unit
        got = div_floor(abs(size) * numerator, denominator * price)
        return got if size > 0 else -got
    paid = notional(market, size, price)
    return -paid if size > 0 else paid


def unit_value(market: Market, mark_price: Price) -> int:
    """Value of one unit of size of an inverse contract at a mark, without its sign.

    Units    parts of 1e18 of a settlement unit
    Rounds   down, once and for both sides: who is long and who is short are valued by one number
    Source   M-2
    """
    numerator, denominator = market.face_unit
    return div_floor(numerator * UNIT_VALUE, denominator * mark_price)


def value(market: Market, size: Size, mark_price: Price) -> Amount:
    """Value of a position's size at the mark, without its cash.

        linear    size * mark
        inverse   -size * face / mark

    Units    settlement units, signed
    Rounds   linear never; inverse down, against the account: what is left over is the market's dust
    Source   M-2
    """
    if market.kind in INVERSE:
        return div_floor(-size * unit_value(market, mark_price), UNIT_VALUE)
    return -cash_flow(market, size, mark_price)


def value_low(market: Market, size: Size, low: Price, high: Price) -> Amount:
    """Least value of a position's size while the mark stays within [low, high]: that at the end which is worse for its side.

    Rounds   as value
    Source   M-5
    """
    return value(market, size, low if size > 0 else high)


def base_amount(market: Market, size: Size) -> Amount:
    """Amount of the base asset that a spot fill of `size` moves.

    Units    units of the base asset, signed as size
    Rounds   never: the base asset has at least the decimals of the size (checked at listing)
    Source   M-2, row 'spot'
    """
    factor: int = 10 ** (market.base_decimals - market.size_decimals)
    return size * factor


def margin_fraction(base: Fraction, factor: Fraction, amount: Amount, decimals: int) -> Fraction:
    """Margin fraction that grows with size: the base, or the factor times the root of an amount in whole units.

        max(base, factor * sqrt(amount / 10^decimals))

    Units    parts of 1e12; amount >= 0
    Rounds   up, against the account
    Source   F-5.3; with coins as the amount F-4.2
    """
    if not factor:
        return base
    return max(base, div_ceil(factor * root_ceil(amount, decimals), FRACTION_ONE))


def tier_of(market: Market, amount: Amount) -> tuple[Amount, Fraction, Fraction, Amount]:
    """Return the margin tier that a notional falls into; a notional on the edge belongs to the lower one."""
    tiers = market.tiers
    found = tiers[0]
    for tier in tiers:
        if amount <= tier[0]:
            break
        found = tier
    return found


def initial_fraction(market: Market, amount: Amount) -> Fraction:
    """Initial margin fraction of a notional, before what open interest and the account's leverage add; rounds up."""
    if market.tiers:
        return max(tier_of(market, amount)[1], market.initial_margin_fraction)
    return margin_fraction(
        market.initial_margin_fraction, market.initial_margin_factor, amount, market.settlement_decimals
    )


def scaled_by_interest(fraction: Fraction, open_interest: Size, lower: Size, upper: Size) -> Fraction:
    """Initial margin fraction while open interest stands between two bounds: it rises to one, if it is less; both 0 for no bounds.

        fraction + floor((1 - fraction) * (open_interest - lower) / (upper - lower))

    Units    parts of 1e12
    Rounds   down, for the account: maintenance margin never knows open interest
    Source   F-DX-2
    """
    if upper == 0 or open_interest <= lower or fraction >= FRACTION_ONE:
        return fraction
    if open_interest >= upper:
        return FRACTION_ONE
    return fraction + div_floor((FRACTION_ONE - fraction) * (open_interest - lower), upper - lower)


def initial_margin(
    market: Market, size: Size, price: Price, open_interest: Size = 0, fraction_min: Fraction = 0
) -> Amount:
    """Margin an account must hold to open or keep opening |size| at a mark.

        notional * max(fraction of its size and of the open interest, fraction_min)

    Units    settlement units, >= 0; `fraction_min` is one over the account's own leverage
    Rounds   up, against the account
    Source   M-3; F-5.3, F-DX-2, F-DX-3
    """
    worth = notional(market, size, price)
    fraction = initial_fraction(market, worth)
    if market.open_interest_upper:
        lower, upper = market.open_interest_lower, market.open_interest_upper
        fraction = scaled_by_interest(fraction, open_interest, lower, upper)
    return margin(worth, max(fraction, fraction_min))


def maintenance_margin(market: Market, size: Size, price: Price) -> Amount:
    """Margin below which an account is liquidated, for a position of |size| at a mark; open interest never raises it.

        notional * max(base, factor * sqrt(notional)), or notional * tier's fraction - tier's amount

    Units    settlement units, >= 0; never falls when |size| rises
    Rounds   up, against the account
    Source   M-3; F-5.3, F-2.11, F-DX-4
    """
    return maintenance_of(market, notional(market, size, price))


def maintenance_of(market: Market, worth: Amount) -> Amount:
    """Maintenance margin of a notional; see maintenance_margin."""
    if market.tiers:
        _, _, fraction, amount = tier_of(market, worth)
        return max(0, margin(worth, fraction) - amount)
    fraction = margin_fraction(
        market.maintenance_margin_fraction, market.maintenance_margin_factor, worth, market.settlement_decimals
    )
    return margin(worth, fraction)


def maintenance_high(market: Market, size: Size, low: Price, high: Price) -> Amount:
    """Highest maintenance margin of a position while the mark stays within [low, high]; rounds up.

    Source   M-5
    """
    return maintenance_margin(market, size, low if market.kind in INVERSE else high)


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
