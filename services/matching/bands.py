"""Which prices a market accepts: band round the mark, premium band round the index, impact band of market orders; pure arithmetic.

Price limits round the last settlement are next door (price_limits.py).
"""

from math import lcm

from services.core.fixed import FRACTION_ONE, Fraction, Price, div_ceil, div_floor
from services.core.markets import Market
from services.matching.book import BUY
from services.matching.plan import Limits


def band_of(market: Market, mark_price: Price) -> tuple[Price, Price]:
    """Lowest and highest price at which the market trades now; the width rounds down, so the band never grows."""
    width = div_floor(mark_price * market.band, FRACTION_ONE)
    return mark_price - width, mark_price + width


def premium_band_of(market: Market, index_price: Price, premium: Fraction) -> tuple[Price, Price]:
    """Lowest and highest price whose premium over the index is within the tolerance of the mean premium.

        index_price * (1 + premium - premium_band) <= price <= index_price * (1 + premium + premium_band)

    Units    prices 10^-price_decimals; premium and band 1e-12
    Rounds   inwards
    Source   TV-5.18
    """
    low = index_price * (FRACTION_ONE + premium - market.premium_band)
    high = index_price * (FRACTION_ONE + premium + market.premium_band)
    return div_ceil(low, FRACTION_ONE), div_floor(high, FRACTION_ONE)


def limits_of(market: Market, mark_price: Price, index_price: Price, premium: Fraction | None) -> Limits:
    """Both bands together; without a mean premium only the one round the mark."""
    low, high = band_of(market, mark_price)
    if premium is None or not market.premium_band or not index_price:
        return Limits(low, high, low, high)
    premium_low, premium_high = premium_band_of(market, index_price, premium)
    return Limits(max(low, premium_low), min(high, premium_high), low, high, premium_low, premium_high)


def impact_edge(side: int, best: Price, impact_band: Fraction) -> Price:
    """Worst price of a market order that meets `best` first.

    Rounds   towards the best price
    Source   TV-5.19
    """
    width = div_floor(best * impact_band, FRACTION_ONE)
    return best + side * width


def grid_of(market: Market, price: Price) -> Price:
    """Distance of acceptable prices at `price`: the tick, or what the market's significant figures leave, whole numbers excepted.

    Source   F-HL-3
    """
    figures = market.price_figures
    if not figures:
        return market.tick
    coarse: int = 10 ** max(0, min(len(str(price)) - figures, market.price_decimals))
    return lcm(market.tick, coarse)


def nearest_below(market: Market, price: Price) -> Price:
    """Highest acceptable price not above `price`."""
    return price - price % grid_of(market, price)


def nearest_above(market: Market, price: Price) -> Price:
    """Lowest acceptable price not below `price`."""
    grid = grid_of(market, price)
    return div_ceil(price, grid) * grid


def nearest_within(market: Market, side: int, edge: Price) -> Price:
    """Acceptable price nearest to the worst one of a side."""
    return nearest_below(market, edge) if side == BUY else nearest_above(market, edge)


def behind(market: Market, side: int, opposite: Price) -> Price:
    """Return the price one tick behind the best opposite price, on the grid; 0 or less when there is none."""
    return nearest_within(market, side, opposite - side * market.tick)
