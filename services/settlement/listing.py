"""What an asset may be when it is listed: numbers kept exactly, terms as collateral that bound its worth (M-3), a sound pool (M-10)."""

from collections.abc import Iterator

from services.core.fixed import FRACTION_ONE, LIMIT
from services.core.markets import NO_COLLATERAL, UNIT_OF_ACCOUNT, Asset, Collateral, PoolTerms, is_unit
from services.core.pool import borrow_rate
from services.core.reasons import Reason, Refusal

ASSETS_MAX = 2**22
"""As markets, whose numbers below zero are assets of the books, too."""
STEEPNESS_MAX = 10 * FRACTION_ONE
"""Of a weight's base and penalty."""
STALE_MS_MAX = 86_400_000
SOURCES_MAX = 1_000
RATE_MAX = 100 * FRACTION_ONE
"""Of a base and of each slope of a pool, per year."""
PERIOD_MS_MIN, PERIOD_MS_MAX = 1_000, 3_600_000
HOURS = 24 * 365


def check_asset(asset: Asset) -> Refusal | None:
    """Refuse a listing that breaks a rule; `limit` of the refusal is the number of the rule."""
    for number, holds in enumerate(rules_of(asset), 1):
        if not holds:
            return Refusal(Reason.INVALID_LISTING, number)
    return None


def rules_of(asset: Asset) -> Iterator[bool]:
    """Judge rule by rule.

    1 a number and a symbol; 2 decimals from 0 to 12; 3 a faucet that ends; 4 weights in order, from nothing to all; 5 a base with a
    penalty or neither; 6 what is worth one without an index counts in full and owes nothing beside; 7 caps; 8 margins of a debt in
    order; 9 a bounded growth of debts; 10 of what has an index: a price with bounds, from at least one source, none older than a day;
    of what has a pool: 11 debts have a price; 12 a curve of rates that bends at a utilisation; 13 the reserve leaves something to
    lenders; 14 a throttle up to a highest utilisation; 15 caps; 16 a period of a second to an hour; 17 its highest rate is no more than
    debts may grow
    """
    terms = asset.collateral
    yield 0 < asset.id < ASSETS_MAX and asset.symbol != ""
    yield 0 <= asset.decimals <= 12
    yield 0 <= asset.faucet_max < LIMIT
    yield 0 <= terms.initial_weight <= terms.maintenance_weight <= FRACTION_ONE
    yield (
        0 <= terms.weight_base <= STEEPNESS_MAX
        and 0 <= terms.weight_penalty <= STEEPNESS_MAX
        and (terms.weight_base == 0) == (terms.weight_penalty == 0)
    )
    yield terms.index != "" or is_plain(terms)
    yield 0 <= terms.account_max < LIMIT and 0 <= terms.venue_max < LIMIT
    yield are_borrow_margins_sound(terms)
    yield 0 <= terms.borrow_rate_max <= FRACTION_ONE
    yield terms.index == "" or is_price_sound(terms)
    if asset.pool is not None:
        yield from pool_rules(asset.pool, terms)


def pool_rules(pool: PoolTerms, terms: Collateral) -> Iterator[bool]:
    """Rules 11 to 17: what is lent can be judged, costs no more than margin expects, and does not run out by will alone."""
    yield is_unit(terms) or terms.index != ""
    yield 0 < pool.optimal <= FRACTION_ONE and all(
        0 <= rate <= RATE_MAX for rate in (pool.base, pool.slope, pool.steep_slope)
    )
    yield 0 <= pool.reserve_factor < FRACTION_ONE
    yield is_throttle_sound(pool)
    caps = (pool.supply_max, pool.debt_max, pool.account_debt_max, pool.profit_debt_max)
    yield all(0 <= cap < LIMIT for cap in caps)
    yield PERIOD_MS_MIN <= pool.period_ms <= PERIOD_MS_MAX
    yield borrow_rate(pool, FRACTION_ONE) <= terms.borrow_rate_max * HOURS


def is_plain(terms: Collateral) -> bool:
    """Whether terms without an index are those of no collateral or of the unit of account, but for their caps."""
    kinds = (NO_COLLATERAL, UNIT_OF_ACCOUNT)
    weights = (terms.initial_weight, terms.maintenance_weight, terms.weight_base)
    is_known = weights in [(kind.initial_weight, kind.maintenance_weight, kind.weight_base) for kind in kinds]
    return is_known and not (terms.minute_move_max or terms.dispersion_free)


def is_throttle_sound(pool: PoolTerms) -> bool:
    """Whether threshold, bound and the utilisation from which debts are converted lie below the highest, and that is no more than one."""
    most = pool.utilisation_max
    return (
        0 < most <= FRACTION_ONE
        and 0 < pool.throttle_threshold <= most
        and 0 <= pool.throttle_bound <= most
        and 0 <= pool.throttle_fraction <= FRACTION_ONE
        and 0 < pool.convert_bound <= FRACTION_ONE
    )


def are_borrow_margins_sound(terms: Collateral) -> bool:
    """Whether a debt never needs more for keeping than for opening, and a bounded part of it."""
    return (
        0 <= terms.borrow_maintenance_fraction <= terms.borrow_initial_fraction <= FRACTION_ONE
        and 0 <= terms.borrow_maintenance_factor <= terms.borrow_initial_factor <= FRACTION_ONE
    )


def is_price_sound(terms: Collateral) -> bool:
    """Whether what guards a price can be met."""
    return (
        0 <= terms.minute_move_max < FRACTION_ONE
        and 0 <= terms.dispersion_free <= terms.dispersion_max <= FRACTION_ONE
        and terms.dispersion_max > 0
        and 0 < terms.sources_min <= SOURCES_MAX
        and 0 < terms.price_stale_ms <= STALE_MS_MAX
    )
