"""What a unit of activity is worth in the unit of account over a week: exact fractions of integers, rounded once; it keeps no state.

Prices of a week are means over time of what the feeds told: no single moment, such as the week's end, is worth moving. An inverse contract
is worth its face, in dollars, whatever its coin costs, and dollars count as the unit of account.
"""

from typing import TypeAlias

from services.analytics.state import AssetTerms, MarketTerms, Mean
from services.analytics.weeks import WEEK_MS
from services.core.fixed import INDEX_DECIMALS, Amount, div_floor
from services.core.markets import INVERSE, UNITS

WORTH_DECIMALS = 8
"""Worth is 1e-8 of the unit of account."""
Rate: TypeAlias = tuple[int, int]
"""Worth of one unit of something, as (numerator, denominator)."""
NOTHING: Rate = (0, 1)
UNIT_PRICE = Mean(10**INDEX_DECIMALS, 1)
"""Price of the unit of account itself."""


def worth(amount: int, rate: Rate) -> Amount:
    """Worth of so many units.

    Units    result 1e-8 of the unit of account
    Rounds   down, once for everything that one account did of one kind in one market or asset
    Source   F-5.15
    """
    return div_floor(amount * rate[0], rate[1])


def asset_rate(asset: AssetTerms, price: Mean) -> Rate:
    """Worth of a unit of an asset at its mean price; nothing for one that never had a price.

        price / 10^decimals

    Units    price 1e-10 of the unit of account per whole unit; exact
    """
    return (
        (price.price_ms, price.ms * 10 ** (asset.decimals + INDEX_DECIMALS - WORTH_DECIMALS)) if price.ms else NOTHING
    )


def turnover_rate(market: MarketTerms, settled: Rate) -> Rate:
    """Worth of what was traded, at the prices of the trades, then at the mean price of the settlement asset.

        linear, spot    per size * price
        inverse         face per size

    Units    of size and price as the market counts them; exact
    Source   F-5.15 (perp_vol, spot_vol)
    """
    return face_rate(market) if market.kind in INVERSE else product(unit_of(market), settled)


def held_rate(market: MarketTerms, mark: Mean, settled: Rate) -> Rate:
    """Worth of what was held, on average over the week, at the week's mean mark; nothing in a market without a mark.

        linear      mark / week per |size| * ms
        inverse     face / week per |size| * ms

    Units    exact
    Source   F-5.15
    """
    if market.kind in INVERSE:
        return product(face_rate(market), (1, WEEK_MS))
    if not mark.ms:
        return NOTHING
    return product(product(unit_of(market), settled), (mark.price_ms, mark.ms * WEEK_MS))


def claim_rate(asset: Rate) -> Rate:
    """Worth of a claim on a pool, or of a debt to it, on average over the week.

        price / week per amount * ms

    Units    exact
    Source   F-5.15 (avg_lend_usd, avg_borrow_usd)
    """
    return product(asset, (1, WEEK_MS))


def face_rate(market: MarketTerms) -> Rate:
    """Worth of a unit of size of an inverse contract; exact."""
    return product((market.face, 1), UNITS[WORTH_DECIMALS - market.price_decimals - market.size_decimals])


def unit_of(market: MarketTerms) -> Rate:
    """Settlement units in one price unit times one size unit."""
    return UNITS[market.settlement_decimals - market.price_decimals - market.size_decimals]


def product(one: Rate, other: Rate) -> Rate:
    """Both together; exact."""
    return one[0] * other[0], one[1] * other[1]
