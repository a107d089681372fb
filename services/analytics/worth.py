"""What a week's activity is worth in the unit of account: exact fractions of integers, rounded once; it keeps no state.

Prices of a week are means over time of what the feeds told: no single moment, such as the week's end, is worth moving. An inverse contract
is worth its face, in dollars, whatever its coin costs, and dollars count as the unit of account.
"""

from services.analytics.state import AssetTerms, MarketTerms, Mean
from services.analytics.weeks import WEEK_MS
from services.core.fixed import INDEX_DECIMALS, Amount, div_floor
from services.core.markets import INVERSE, UNITS

WORTH_DECIMALS = 8
"""Worth is 1e-8 of the unit of account."""
UNIT_PRICE = Mean(10**INDEX_DECIMALS, 1)
"""Price of the unit of account itself."""


def asset_worth(asset: AssetTerms, price: Mean, numerator: int, denominator: int = 1) -> Amount:
    """Worth of an amount of an asset at its mean price.

        amount * price

    Units    amount numerator / denominator of 10^-decimals; price 1e-10 of the unit of account per whole unit; result 1e-8
    Rounds   down; an asset that never had a price is worth nothing
    Source   F-5.15
    """
    if price.ms == 0:
        return 0
    whole = 10 ** (asset.decimals + INDEX_DECIMALS - WORTH_DECIMALS)
    return div_floor(numerator * price.price_ms, denominator * price.ms * whole)


def turnover_worth(market: MarketTerms, asset: AssetTerms, price: Mean, turnover: int, traded: int) -> Amount:
    """Worth of what was traded: at the prices of the trades, then at the mean price of the settlement asset.

        linear, spot    sum of size * price
        inverse         sum of size * face

    Units    turnover size * price, traded size, both as the market counts; result 1e-8 of the unit of account
    Rounds   down
    Source   F-5.15
    """
    if market.kind in INVERSE:
        return face_worth(market, traded)
    numerator, denominator = unit_of(market)
    return asset_worth(asset, price, turnover * numerator, denominator)


def held_worth(market: MarketTerms, mark: Mean, asset: AssetTerms, price: Mean, held: int) -> Amount:
    """Mean worth over a week of a position: its mean size at the week's mean mark.

        linear      |size| * ms * mark / week
        inverse     |size| * ms * face / week

    Units    held |size| * ms; result 1e-8 of the unit of account
    Rounds   down; a market without a mark is worth nothing
    Source   F-5.15
    """
    if market.kind in INVERSE:
        return face_worth(market, held, WEEK_MS)
    if mark.ms == 0:
        return 0
    numerator, denominator = unit_of(market)
    return asset_worth(asset, price, held * mark.price_ms * numerator, mark.ms * WEEK_MS * denominator)


def claim_worth(asset: AssetTerms, price: Mean, amount_ms: int) -> Amount:
    """Mean worth over a week of a claim on a pool, or of a debt to it.

        amount * ms * price / week

    Rounds   down
    Source   F-5.15 (avg_lend_usd, avg_borrow_usd)
    """
    return asset_worth(asset, price, amount_ms, WEEK_MS)


def face_worth(market: MarketTerms, size: int, over: int = 1) -> Amount:
    """Worth of inverse contracts in the unit of account, of `size` / `over`; rounds down."""
    numerator, denominator = UNITS[WORTH_DECIMALS - market.price_decimals - market.size_decimals]
    return div_floor(size * market.face * numerator, denominator * over)


def unit_of(market: MarketTerms) -> tuple[int, int]:
    """Settlement units in one price unit times one size unit, as (numerator, denominator)."""
    return UNITS[market.settlement_decimals - market.price_decimals - market.size_decimals]
