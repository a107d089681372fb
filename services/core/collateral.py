"""What an amount of an asset is worth as margin: net first, haircut second (M-3); it knows no account and no state.

Prices of collateral are those of its index, 10^-INDEX_DECIMALS of the unit of account per whole unit of the asset; worth is counted
in 10^-WORTH_DECIMALS of the unit of account.
"""

from services.core.contracts import margin_fraction
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS, Amount, Fraction, Price, div_ceil, div_floor
from services.core.markets import Asset
from services.core.roots import ceil_root

WORTH_DECIMALS = 8
"""Decimals of the unit of account."""
PRICE_ONE: Price = 10**INDEX_DECIMALS
"""Price of the unit of account itself."""
ROOT_SCALE = 10**40
"""Roots are taken of the net so much enlarged that their rounding never outweighs one unit more of it."""
ROOT_ONE = 10**20


def worth(asset: Asset, amount: Amount, price: Price) -> Amount:
    """Worth of an amount at a price, in full.

        amount * price

    Units    unit of account, 1e-8, signed as amount
    Rounds   down: a debt counts for no less than it is, an asset for no more
    """
    return div_floor(amount * price, scale(asset))


def worth_high(asset: Asset, amount: Amount, price: Price) -> Amount:
    """Worth of what is required, such as a margin or a hold: as worth, but rounds up, against the account."""
    return div_ceil(amount * price, scale(asset))


def scale(asset: Asset) -> int:
    """Units of the asset times units of the price in one unit of worth."""
    result: int = 10 ** (asset.decimals + INDEX_DECIMALS - WORTH_DECIMALS)
    return result


def amount_of(asset: Asset, worth_amount: Amount, price: Price) -> Amount:
    """Amount of an asset that is worth so much at a price; rounds up, against who owes it. Inverse of worth."""
    return div_ceil(worth_amount * scale(asset), price)


def collateral_value(asset: Asset, net: Amount, price: Price, weight: Fraction) -> Amount:
    """What a net amount counts as equity: weighted if positive, in full if negative.

        net * price * min(weight, base / (1 + penalty * sqrt(net in whole units)))

    Units    unit of account, 1e-8; `weight` is the asset's initial or maintenance weight, parts of 1e12
    Rounds   down, once: one division, the weight itself never; it never falls when the net rises (M-5 rests on it)
    Source   M-3; F-4.1, F-5.1, F-5.2
    """
    if net <= 0:
        return worth(asset, net, price)
    terms = asset.collateral
    counted = min(net, terms.account_max) if terms.account_max else net
    flat = div_floor(counted * price * weight, FRACTION_ONE * scale(asset))
    if not terms.weight_base or not terms.weight_penalty:
        return flat
    root = ceil_root(div_floor(counted * ROOT_SCALE, 10**asset.decimals))
    falling = FRACTION_ONE * ROOT_ONE + terms.weight_penalty * root
    return min(flat, div_floor(counted * price * terms.weight_base * ROOT_ONE, falling * scale(asset)))


def borrow_margin(asset: Asset, debt: Amount, price: Price, base: Fraction, factor: Fraction) -> Amount:
    """Margin that a debt needs beside counting in full.

        debt * price * max(base, factor * sqrt(debt in whole units))

    Units    unit of account, 1e-8, >= 0; debt > 0; base and factor are the asset's initial or maintenance ones
    Rounds   up, against the account
    Source   F-4.3, F-5.3
    """
    fraction = margin_fraction(base, factor, debt, asset.decimals)
    return div_ceil(debt * price * fraction, FRACTION_ONE * scale(asset))
