"""The one price of a call auction; pure arithmetic over levels."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from services.core.fixed import Price, Size
from services.core.markets import Market
from services.matching.bands import nearest_above, nearest_below

Levels = list[tuple[Price, Size]]


def clearing_price(market: Market, bids: Levels, asks: Levels, low: Price, high: Price, mark_price: Price) -> Price:
    """Price at which most trades; of those the one with the smallest rest, then the nearest to the mark, then the lowest.

        volume(p) = min(sum of bids at p or above, sum of asks at p or below)

    Units    bids from the highest, asks from the lowest; `low` and `high` are the band; result 0 when nothing trades
    Rounds   never: acceptable prices only
    Source   DESIGN.md 2 (auctions)
    """
    best, chosen = (0, 0, 0), 0
    for price, demand, supply in curves(sorted(candidates(market, bids, asks, low, high, mark_price)), bids, asks):
        merit = (min(demand, supply), -abs(demand - supply), -abs(price - mark_price))
        if merit[0] and (not chosen or merit > best):
            best, chosen = merit, price
    return chosen


def candidates(
    market: Market, bids: Levels, asks: Levels, low: Price, high: Price, mark_price: Price
) -> dict[Price, None]:
    """Prices among which the best must be: those of orders, their neighbours, those nearest to the mark, the edges of the band.

    Between two neighbouring prices of orders the volume is the same, so only the price nearest to the mark counts there.
    """
    found: dict[Price, None] = {}
    for price in (*(price for price, _ in bids), *(price for price, _ in asks), mark_price, low, high):
        for one in (price, price - 1, price + 1):
            found[nearest_below(market, one)] = None
            found[nearest_above(market, one)] = None
    return {price: None for price in found if max(low, 1) <= price <= high}


def curves(prices: Iterable[Price], bids: Levels, asks: Levels) -> Iterator[tuple[Price, Size, Size]]:
    """Demand and supply at each of the ascending `prices`."""
    demand = sum(size for _, size in bids)
    falling = [(price, size) for price, size in reversed(bids)]
    supply_at = list(accumulate(size for _, size in asks))
    below = above = 0
    for price in prices:
        while below < len(falling) and falling[below][0] < price:
            demand -= falling[below][1]
            below += 1
        while above < len(asks) and asks[above][0] <= price:
            above += 1
        yield price, demand, supply_at[above - 1] if above else 0
