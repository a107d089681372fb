"""Premium, funding rate and the exact step: integers in, integers out."""

from typing import NamedTuple

from services.core.fixed import FRACTION_ONE, Amount, Fraction, Price, clamp, div_ceil, div_exact, div_floor

EIGHT_HOURS_MS = 28_800_000
DAMPING = 500_000_000
"""The interest term pulls the rate by at most 0.05 % per eight hours (F-2.2)."""
IMPACT_MARGIN = 200
"""Whole settlement units whose notional at the highest leverage is the least that impact prices look at (F-2.9)."""


def impact_notional_min(initial_margin_fraction: Fraction, settlement_decimals: int) -> Amount:
    """Least notional that impact prices may look at: with less, crumbs in the book would move the premium.

        impact_notional = 200 / initial_margin_fraction

    Units    settlement units
    Rounds   up
    Source   F-2.9
    """
    unit: int = 10**settlement_decimals
    return div_ceil(IMPACT_MARGIN * unit * FRACTION_ONE, initial_margin_fraction)


def premium(index_price: Price, impact_bid: Price, impact_ask: Price) -> Fraction:
    """Premium of the book over the index; 0 when the index lies between the impact prices or a side is too thin.

        premium = (max(0, impact_bid - index) - max(0, index - impact_ask)) / index, at most 100 %

    Units    parts of 1e12, signed
    Rounds   down
    Source   F-2.9; the bound is ours, far above every bound of a rate, so that a mad book leaves no number that does not fit
    """
    above = max(0, impact_bid - index_price) if impact_bid else 0
    below = max(0, index_price - impact_ask) if impact_ask else 0
    return min(FRACTION_ONE, div_floor((above - below) * FRACTION_ONE, index_price))


class Mean(NamedTuple):
    """Mean of premiums of which the k-th weighs k. Their sum so weighted is value * sum(k) + rest, so the next one is added exactly."""

    value: Fraction = 0
    rest: int = 0
    samples: int = 0


def add_premium(mean: Mean, sample: Fraction) -> Mean:
    """Add the next premium, which weighs one more than the one before it.

        mean = sum(k * premium_k) / sum(k)

    Rounds   the value down; the rest is carried
    Source   F-2.9
    """
    number = mean.samples + 1
    before, weights = div_exact(mean.samples * number, 2), div_exact(number * (number + 1), 2)
    total = mean.value * before + mean.rest + number * sample
    value = div_floor(total, weights)
    return Mean(value, total - value * weights, number)


def funding_rate(mean_premium: Fraction, interest_rate: Fraction, interval_ms: int, rate_max: Fraction) -> Fraction:
    """Rate of one interval from the mean premium of it.

        rate = (premium + clamp(interest - premium, +-0.05 %)) * interval / 8 h, then clamped to +-rate_max

    Units    parts of 1e12 of the mark; interest per 8 h; > 0: longs pay shorts
    Rounds   down; the payment itself is exact, see funding_step
    Source   F-2.10
    """
    per_eight_hours = mean_premium + clamp(interest_rate - mean_premium, -DAMPING, DAMPING)
    return clamp(div_floor(per_eight_hours * interval_ms, EIGHT_HOURS_MS), -rate_max, rate_max)


def funding_step(rate: Fraction, lot_value: int, remainder: int, parts: int = 1) -> tuple[Amount, int]:
    """Payment of one lot in whole units, and the remainder for the next step; nobody gains from rounding.

    Units    lot_value in `parts` of a settlement unit: 1 where it is whole, 1e18 of an inverse contract's, whose unit value is rounded
             once for everybody; remainder in parts of 1e12 * `parts` of a unit, 0 <= remainder < 1e12 * parts
    Rounds   never: payments and the last remainder together are the sum of rate * lot_value
    Source   DESIGN.md 3; F-2.2
    """
    whole = FRACTION_ONE * parts
    owed = rate * lot_value + remainder
    payment = div_floor(owed, whole)
    return payment, owed - payment * whole
