"""Impact price: the average price at which a fixed notional trades against the book; nobody pays by it."""

from collections.abc import Iterable

from services.core.contracts import notional
from services.core.fixed import Amount, Price, Size, div_floor
from services.core.markets import Market

SCALE = 10**12


def impact_price(market: Market, levels: Iterable[tuple[Price, Size]], amount: Amount) -> Price:
    """Average price of trading `amount` of notional through `levels`, best first, the last one in part.

        linear, spot    impact = amount / base bought with amount
        inverse         impact = contracts bought with amount * face / amount

    Units    levels (price, size); amount settlement units, > 0; result a price, 0 if the levels hold less
    Rounds   down
    Source   F-2.9
    """
    left = amount
    traded = 0
    for price, size in levels:
        here = notional(market, size, price)
        if here >= left:
            traded += size_of(market, left, price)
            return average_price(market, traded, amount) if traded else 0
        traded += size * SCALE
        left -= here
    return 0


def size_of(market: Market, amount: Amount, price: Price) -> int:
    """Size that `amount` of notional buys at a price, in parts of 1e12 of its unit; rounds down."""
    if market.is_inverse:
        numerator, denominator = market.face_unit
        return div_floor(amount * SCALE * denominator * price, numerator)
    numerator, denominator = market.unit
    return div_floor(amount * SCALE * denominator, price * numerator)


def average_price(market: Market, traded: int, amount: Amount) -> Price:
    """Price at which `traded`, in parts of 1e12, has the notional `amount`; rounds down."""
    if market.is_inverse:
        numerator, denominator = market.face_unit
        return div_floor(traded * numerator, amount * denominator * SCALE)
    numerator, denominator = market.unit
    return div_floor(amount * SCALE * denominator, traded * numerator)
