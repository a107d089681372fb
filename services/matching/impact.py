"""Impact price: the average price at which a fixed notional trades against the book; nobody pays by it."""

from collections.abc import Iterable

from services.core.contracts import notional
from services.core.fixed import Amount, Price, Size, div_floor
from services.core.markets import Market

SCALE = 10**12


def impact_price(market: Market, levels: Iterable[tuple[Price, Size]], amount: Amount) -> Price:
    """Average price of trading `amount` of notional through `levels`, best first, the last one in part.

        impact = amount / base bought with amount

    Units    levels (price, size); amount settlement units, > 0; result a price, 0 if the levels hold less
    Rounds   down
    Source   F-2.9
    """
    numerator, denominator = market.unit
    left = amount
    base = 0
    for price, size in levels:
        here = notional(market, size, price)
        if here >= left:
            base += div_floor(left * SCALE * denominator, price * numerator)
            return div_floor(amount * SCALE * denominator, base * numerator) if base else 0
        base += size * SCALE
        left -= here
    return 0
