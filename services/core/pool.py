"""Arithmetic of the lending pool: shares, indices, rates, entry fee, throttle (M-8, M-9); it keeps no state and knows no account.

Indices are parts of 1e15, rates parts of 1e12 per year of 365 days. Who asks never gains a remainder: supply is minted for less and burnt
for more, debt is minted for more and burnt for less (F-LP-6).
"""

from enum import IntEnum
from typing import TypeAlias

import msgspec

from services.core.fixed import FRACTION_ONE, Amount, AssetId, Fraction, Milliseconds, div_ceil, div_floor
from services.core.markets import PoolTerms

Shares: TypeAlias = int
"""Shares of a pool's supply or debt; worth index / 1e15 units of the asset each."""
InterestIndex: TypeAlias = int
"""Units of the asset per share, parts of 1e15."""
Parts: TypeAlias = tuple[int, int]
"""A number in parts of 1e18 that may pass 64 bits: (whole, rest), whole * 1e18 + rest with 0 <= rest < 1e18."""

INDEX_ONE: InterestIndex = 10**15
PARTS_ONE = 10**18
YEAR_MS: Milliseconds = 365 * 24 * 3_600_000
SHARES_FROM = 1 << 40
"""Legs of shares have an asset number below minus this, so that they balance among themselves."""


class Claim(IntEnum):
    """What an account has in a pool; never both."""

    SUPPLY = 0
    DEBT = 1


SUPPLY = int(Claim.SUPPLY)
DEBT = int(Claim.DEBT)


class PoolState(IntEnum):
    """What a pool takes: all, only what pays it back, or nothing by will. Involuntary payments go on in every state (M-7)."""

    OPEN = 0
    REPAY_ONLY = 1
    CLOSED = 2


CAPITAL = ""
"""Stands where a market group bears bad debt for the venue's own capital, the fees it has earned; no group is called so (M-13)."""


class Stress(IntEnum):
    """Step of the published ladder that a pool stands on (M-10); each has those before it."""

    CALM = 0
    STEEP = 1
    THROTTLED = 2
    NO_BORROWS = 3
    TIGHT_MARGIN = 4
    AUTO_REPAY = 5
    DELEVERAGING = 6


class Indices(msgspec.Struct, array_like=True, frozen=True):
    """The open period of a pool, the same on every shard that has opened it (M-9).

    Supply is burnt and valued at `burn` (that is `supply`, but in a period that opens with a loss), minted at `mint`; debt moves at
    `borrow`, which has the period's interest in advance. `rate` is what borrowers pay, `length_ms` how long the period was meant to be.
    """

    period: int = 0
    supply: InterestIndex = INDEX_ONE
    mint: InterestIndex = INDEX_ONE
    borrow: InterestIndex = INDEX_ONE
    burn: InterestIndex = INDEX_ONE
    rate: Fraction = 0
    length_ms: Milliseconds = 0
    closes_at_ms: Milliseconds = 0


FIRST = Indices()
"""The period in which an asset is listed: shares are units, and there is no interest."""


def share_unit(asset: AssetId, claim: int) -> AssetId:
    """Number under which legs move shares."""
    return -SHARES_FROM - 2 * asset - claim


def pool_of(unit: AssetId) -> tuple[AssetId, int]:
    """Asset and claim of a share unit. Inverse of share_unit."""
    return divmod(-SHARES_FROM - unit, 2)


def split(number: int) -> Parts:
    """Take a number in parts of 1e18 apart, so that it fits a record or a snapshot; exact."""
    return divmod(number, PARTS_ONE)


def join(parts: Parts) -> int:
    """Put a number in parts of 1e18 together; exact."""
    return parts[0] * PARTS_ONE + parts[1]


def utilisation(supplied: Amount, borrowed: Amount) -> Fraction:
    """Part of what was supplied that is borrowed, at most all; 0 of an empty pool. Rounds up, for the pool."""
    if borrowed <= 0:
        return 0
    return div_ceil(borrowed * FRACTION_ONE, supplied) if supplied > borrowed else FRACTION_ONE


def borrow_rate(terms: PoolTerms, used: Fraction) -> Fraction:
    """What borrowers pay at a utilisation.

        used <= optimal    base + slope * used / optimal
        used >  optimal    base + slope + steep_slope * (used - optimal) / (1 - optimal)

    Units    parts of 1e12 per year
    Rounds   up, for the pool; a utilisation above one counts as one
    Source   F-5.7, F-LP-3
    """
    used = min(used, FRACTION_ONE)
    if used <= terms.optimal or terms.optimal >= FRACTION_ONE:
        return terms.base + div_ceil(terms.slope * used, terms.optimal)
    above = div_ceil(terms.steep_slope * (used - terms.optimal), FRACTION_ONE - terms.optimal)
    return terms.base + terms.slope + above


def lend_rate(terms: PoolTerms, used: Fraction) -> Fraction:
    """What lenders get at a utilisation: rate * used * (1 - reserve factor). Rounds down, for the pool. Source F-5.7."""
    earned = borrow_rate(terms, used) * min(used, FRACTION_ONE) * (FRACTION_ONE - terms.reserve_factor)
    return div_floor(earned, FRACTION_ONE * FRACTION_ONE)


def grown(index: InterestIndex, rate: Fraction, elapsed_ms: Milliseconds) -> InterestIndex:
    """Index after simple interest over a time; rounds up."""
    return index + div_ceil(index * rate * elapsed_ms, FRACTION_ONE * YEAR_MS) if elapsed_ms > 0 else index


def grown_low(index: InterestIndex, rate: Fraction, elapsed_ms: Milliseconds) -> InterestIndex:
    """Index after simple interest over a time; rounds down."""
    return index + div_floor(index * rate * elapsed_ms, FRACTION_ONE * YEAR_MS)


def late_ms(period: Indices, now_ms: Milliseconds) -> Milliseconds:
    """How long a period is open beyond its end: who comes by will pays for that time (M-9)."""
    return max(0, now_ms - period.closes_at_ms) if period.closes_at_ms else 0


def entry_fee(period: Indices, amount: Amount) -> Amount:
    """What a debt taken by will pays at once: the interest of the whole open period. Rounds up, for the pool. Source F-5.8, M-9."""
    return interest(amount, period.rate, period.length_ms)


def interest(amount: Amount, rate: Fraction, elapsed_ms: Milliseconds) -> Amount:
    """Simple interest on an amount over a time; rounds up, for the pool. Source F-5.6, F-5.8."""
    return div_ceil(amount * rate * elapsed_ms, FRACTION_ONE * YEAR_MS)


def supply_minted(period: Indices, amount: Amount, past_ms: Milliseconds = 0) -> Shares:
    """Shares that an amount buys; rounds down. Source F-LP-6, M-9."""
    return div_floor(amount * INDEX_ONE, grown(period.mint, period.rate, past_ms))


def supply_burnt(period: Indices, amount: Amount) -> Shares:
    """Shares that an amount costs; rounds up. Source F-LP-6, M-9."""
    return div_ceil(amount * INDEX_ONE, period.burn)


def debt_minted(period: Indices, amount: Amount) -> Shares:
    """Debt that an amount taken costs; rounds up. Source F-LP-6."""
    return div_ceil(amount * INDEX_ONE, period.borrow)


def debt_burnt(period: Indices, amount: Amount, past_ms: Milliseconds = 0) -> Shares:
    """Debt that an amount repays; rounds down. Source F-LP-6."""
    return div_floor(amount * INDEX_ONE, grown(period.borrow, period.rate, past_ms))


def supply_worth(period: Indices, shares: Shares) -> Amount:
    """Amount that supply shares may be burnt for; rounds down. Source F-LP-6."""
    return div_floor(shares * period.burn, INDEX_ONE)


def debt_owed(period: Indices, shares: Shares, past_ms: Milliseconds = 0) -> Amount:
    """Amount that debt shares ask for; rounds up. Source F-LP-6."""
    return div_ceil(shares * grown(period.borrow, period.rate, past_ms), INDEX_ONE)


def series_step(period: Indices, claim: int, profit: int) -> int:
    """How far a series of shares moves at a profit (or a loss) per lot.

        supply   profit > 0: + floor(profit / mint), profit < 0: - ceil(|profit| / burn)
        debt     profit > 0: - floor(profit / borrow), profit < 0: + ceil(|profit| / borrow)

    Units    profit in 1e-18 of a unit of the asset, the step in 1e-18 of a share
    Source   M-8
    """
    if claim == SUPPLY:
        return div_floor(profit * INDEX_ONE, period.mint) if profit > 0 else -div_ceil(-profit * INDEX_ONE, period.burn)
    return -div_floor(profit * INDEX_ONE, period.borrow) if profit > 0 else div_ceil(-profit * INDEX_ONE, period.borrow)


def throttle_bound(terms: PoolTerms, used: Fraction) -> Fraction:
    """Highest utilisation, inclusive, that new borrows and redemptions may reach before the next opening; liquidations are exempt.

        static     the listed bound
        dynamic    used < threshold: threshold, else min(most, used + fraction * (most - used))

    Rounds   down
    Source   F-5.9
    """
    if terms.throttle_bound:
        return min(terms.throttle_bound, terms.utilisation_max)
    if used < terms.throttle_threshold:
        return min(terms.throttle_threshold, terms.utilisation_max)
    room = max(0, terms.utilisation_max - used)
    return min(terms.utilisation_max, used + div_floor(terms.throttle_fraction * room, FRACTION_ONE))


def redeem_room(supplied: Amount, borrowed: Amount, bound: Fraction) -> Amount:
    """Most that may be redeemed with utilisation after <= bound; rounds down. Source F-5.5."""
    return max(0, supplied - div_ceil(borrowed * FRACTION_ONE, bound)) if bound else 0


def borrow_room(supplied: Amount, borrowed: Amount, bound: Fraction) -> Amount:
    """Most that may be borrowed with utilisation after <= bound; rounds down. Source F-5.5."""
    return max(0, div_floor(supplied * bound, FRACTION_ONE) - borrowed)
