"""Square roots of amounts, as margin and weights that grow with size need them: integers in, integers out."""

from math import isqrt

from services.core.fixed import Amount, Fraction

ROOT_DIGITS = 12


def root_ceil(amount: Amount, decimals: int) -> Fraction:
    """Square root of an amount in whole units.

        sqrt(amount / 10^decimals)

    Units    parts of 1e12; amount >= 0, 10^-decimals of a unit, decimals 0 to 24
    Rounds   up, against the account
    """
    return ceil_root(amount * 10 ** (2 * ROOT_DIGITS - decimals))


def ceil_root(square: int) -> int:
    """Least integer whose square is at least `square`."""
    return isqrt(square - 1) + 1 if square > 0 else 0
