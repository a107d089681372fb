"""What an asset may be when it is listed: numbers that are kept exactly, and terms as collateral that bound what it is worth (M-3)."""

from collections.abc import Iterator

from services.core.fixed import FRACTION_ONE, LIMIT
from services.core.markets import NO_COLLATERAL, UNIT_OF_ACCOUNT, Asset, Collateral
from services.core.reasons import Reason, Refusal

ASSETS_MAX = 2**22
"""As markets, whose numbers below zero are assets of the books, too."""
STEEPNESS_MAX = 10 * FRACTION_ONE
"""Of a weight's base and penalty."""
STALE_MS_MAX = 86_400_000
SOURCES_MAX = 1_000


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
    order; 9 a bounded growth of debts; 10 of what has an index: a price with bounds, from at least one source, none older than a day
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


def is_plain(terms: Collateral) -> bool:
    """Whether terms without an index are those of no collateral or of the unit of account, but for their caps."""
    kinds = (NO_COLLATERAL, UNIT_OF_ACCOUNT)
    weights = (terms.initial_weight, terms.maintenance_weight, terms.weight_base)
    is_known = weights in [(kind.initial_weight, kind.maintenance_weight, kind.weight_base) for kind in kinds]
    return is_known and not (terms.minute_move_max or terms.dispersion_free)


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
