"""The price of a market at which an account would be liquidated, all other prices as they are; it judges nothing itself and is only shown.

With several assets and markets there is no closed form; nobody is liquidated by this number (M-5).
"""

from collections.abc import Callable

from services.core.fixed import Price, div_floor


def liquidation_price(is_below: Callable[[Price], bool], mark: Price, low: Price, high: Price) -> Price:
    """Price nearest the mark, within [low, high], at which `is_below` says that the account is below; 0 for none.

    Units    10^-price_decimals of the market; 0 < low <= mark <= high
    Rounds   never: at the price the account is below, one unit nearer to the mark it is not
    Source   M-3; F-2.5 and F-2.12 in general. Equity less margin is concave in one price, so that the safe ones are an interval
    """
    if is_below(mark):
        return mark
    under, above = first_below(is_below, mark, low), first_below(is_below, mark, high)
    if under and above:
        return under if mark - under <= above - mark else above
    return under or above


def first_below(is_below: Callable[[Price], bool], safe: Price, end: Price) -> Price:
    """First price from a safe one towards an end at which the account is below, by bisection; 0 when it is safe there too."""
    if not is_below(end):
        return 0
    while abs(end - safe) > 1:
        middle = div_floor(safe + end, 2)
        if is_below(middle):
            end = middle
        else:
            safe = middle
    return end
