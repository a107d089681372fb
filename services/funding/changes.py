"""What a listed market may change, and how far at once; it changes nothing itself.

`check_bounds` refuses by number of bound: what many people's money rests on moves in steps that they can follow.
"""

from collections.abc import Iterator

from services.core.contracts import initial_fraction, maintenance_of
from services.core.fixed import Amount, Fraction, Milliseconds, Price, div_ceil, div_floor
from services.core.listing import TIERS_MAX, largest_notional
from services.core.markets import Market
from services.core.messages import MarketState
from services.core.reasons import Reason, Refusal
from services.funding.funding_rate import impact_notional_min

NOTICE_MS = 3_600_000
"""Whoever holds a position can bring margin before its maintenance rises."""
AHEAD_MS_MAX = 30 * 86_400_000
AUCTION_MS_MAX = 86_400_000
BASIS_POINT = 10**8
"""Fees below one basis point are all as near to each other: a fee may become zero, and come back."""
SETTABLE = (MarketState.HALTED, MarketState.OPEN, MarketState.POST_ONLY, MarketState.CANCEL_ONLY, MarketState.AUCTION)
"""States that an admin may ask for; DELISTED has a command of its own."""


def earliest_ms(known: Market | None, market: Market, now_ms: Milliseconds) -> Milliseconds:
    """Earliest time of a change: now, or after the notice when maintenance margin rises for a position of whatever size."""
    return now_ms + NOTICE_MS if known is not None and raises_maintenance(known, market) else now_ms


def raises_maintenance(known: Market, market: Market) -> bool:
    """Whether some position needs more than it did; of what is no listing at all nobody asks."""
    if known.is_spot or market.settlement_decimals != known.settlement_decimals or len(market.tiers) > TIERS_MAX:
        return False
    return any(maintenance_of(market, worth) > maintenance_of(known, worth) for worth in turning_points(known, market))


def turning_points(known: Market, market: Market) -> list[Amount]:
    """Notionals among which the margins of two parameters differ most, whichever way: of what may be held now none differs more.

    Margin is a straight line, from floor to floor, or notional * factor * sqrt(notional). So it is judged on either side of each floor,
    where a factor takes over from its base, where a curve is furthest from a line, from half of one and from twice one, and at the ends.
    """
    both, most = (known, market), div_ceil(*largest_notional(known))
    points = [1, most]
    fractions = [one.maintenance_margin_fraction for one in both] + [one.initial_margin_fraction for one in both]
    fractions += [fraction for one in both for tier in one.tiers for fraction in tier[1:3]]
    factors = [one.maintenance_margin_factor for one in both] + [one.initial_margin_factor for one in both]
    points += [edge for one in both for tier in one.tiers for edge in (tier[0], tier[0] + 1)]
    for factor in filter(None, factors):
        for fraction in fractions:
            for times, parts in ((1, 1), (2, 3), (1, 3), (4, 3)):
                point = root_point(times * fraction, parts * factor, known.settlement_decimals)
                points += [point, point + 1]
    return [point for point in points if 0 < point <= most]


def root_point(fraction: Fraction, factor: Fraction, decimals: int) -> Amount:
    """Notional whose root, in whole units, is fraction / factor; rounds down."""
    unit: int = 10**decimals
    return div_floor(fraction * fraction * unit, factor * factor)


def are_margins_near(known: Market, market: Market) -> bool:
    """Whether the margins of every position at most double or halve, initial and maintenance; what is below a unit counts as one."""
    return known.is_spot or all(
        is_near(initial_fraction(known, worth), initial_fraction(market, worth))
        and is_near(maintenance_of(known, worth), maintenance_of(market, worth), 1)
        for worth in turning_points(known, market)
    )


def check_when(effective_ms: Milliseconds, earliest: Milliseconds, now_ms: Milliseconds) -> Refusal | None:
    """Refuse a time before the earliest, or too far ahead; the limit is the nearest accepted."""
    if effective_ms < earliest:
        return Refusal(Reason.CHANGE_TOO_EARLY, earliest)
    if effective_ms > now_ms + AHEAD_MS_MAX:
        return Refusal(Reason.INVALID_EXPIRY, now_ms + AHEAD_MS_MAX)
    return None


def check_state(state: int, until_ms: Milliseconds, now_ms: Milliseconds) -> Refusal | None:
    """Refuse what is no state to ask for, and an end of it except for an auction, which must end within a day."""
    if state not in SETTABLE:
        return Refusal(Reason.MALFORMED)
    if state != MarketState.AUCTION:
        return Refusal(Reason.INVALID_EXPIRY, 0) if until_ms else None
    if until_ms <= now_ms:
        return Refusal(Reason.INVALID_EXPIRY, now_ms + 1)
    return Refusal(Reason.INVALID_EXPIRY, now_ms + AUCTION_MS_MAX) if until_ms > now_ms + AUCTION_MS_MAX else None


def check_bounds(known: Market, market: Market, mark_price: Price) -> Refusal | None:
    """Refuse parameters, themselves fit for a listing, that break a bound of a change; `limit` is its number."""
    for number, holds in enumerate(bounds_of(known, market, mark_price), 1):
        if not holds:
            return Refusal(Reason.CHANGE_OUT_OF_BOUNDS, number)
    return None


def bounds_of(known: Market, market: Market, mark_price: Price) -> Iterator[bool]:
    """Judge bound by bound.

    1 identity, 2 decimals, 3 partitions stay; 4 tick and lot get finer only, at most ten times: what rests and what is held must stay
    on them; 5 initial margin, 6 maintenance margin, 7 maker fee, 8 taker fee, 9 band, 10 funding rate, 11 interest (as 10), 12 intervals
    and staleness at most twofold either way; 13 price_max stays above twice the mark; 14 sizes, 15 orders at most twofold;
    16 the impact notional too, and not below F-2.9, which knows no coin; 17 limits that were off may be set, and then change twofold but
    not go off; 18 guards of the index: one source more or less, dispersion twofold; 19 the margins of a position of any size (factors,
    tiers) at most twofold; 20 settlements and limits of prices that were off may be set, and then move twofold but not go off; 21 a market
    pulses from its first mark on or never, its interval at most twofold either way; 22 what withdrawals must leave and what may be lent
    against profit at most twofold.
    """
    yield identity(known) == identity(market)
    yield decimals(known) == decimals(market)
    yield (known.matching_partition, known.funding_partition) == (market.matching_partition, market.funding_partition)
    yield is_finer(known.tick, market.tick) and is_finer(known.lot, market.lot)
    yield is_near(known.initial_margin_fraction, market.initial_margin_fraction)
    yield is_near(known.maintenance_margin_fraction, market.maintenance_margin_fraction)
    yield is_near(known.maker_fee, market.maker_fee, BASIS_POINT)
    yield is_near(known.taker_fee, market.taker_fee, BASIS_POINT)
    yield is_near(known.band, market.band)
    yield is_near(known.funding_rate_max, market.funding_rate_max)
    yield abs(market.interest_rate - known.interest_rate) <= max(BASIS_POINT, abs(known.interest_rate))
    yield all(
        is_near(before, after)
        for before, after in (
            (known.funding_interval_ms, market.funding_interval_ms),
            (known.mark_interval_ms, market.mark_interval_ms),
            (known.price_stale_ms, market.price_stale_ms),
        )
    )
    yield is_near(known.price_max, market.price_max) and market.price_max >= 2 * mark_price
    yield is_near(known.order_size_max, market.order_size_max) and is_near(known.position_max, market.position_max)
    yield is_near(known.orders_max, market.orders_max)
    yield is_near(known.impact_notional, market.impact_notional) and (
        market.is_spot
        or market.is_inverse
        or market.impact_notional >= known.impact_notional
        or market.impact_notional >= impact_notional_min(market.initial_margin_fraction, market.settlement_decimals)
    )
    yield all(is_near_limit(before, after) for before, after in zip(limits(known), limits(market), strict=True))
    yield abs(market.sources_min - known.sources_min) <= 1 and is_near(known.dispersion_max, market.dispersion_max)
    yield are_margins_near(known, market)
    yield are_settlements_near(known, market)
    yield is_near(known.pulse_interval_ms, market.pulse_interval_ms)
    yield (
        is_near(known.withdrawal_fraction, market.withdrawal_fraction, BASIS_POINT)
        and is_near_limit(known.profit_debt_max, market.profit_debt_max)
    )


def are_settlements_near(known: Market, market: Market) -> bool:
    """Whether settlements and limits of prices are set where there were none, or move twofold at most, at the price that they had."""
    before, after = known.limit_steps, market.limit_steps
    return (
        (not known.settlement_interval_ms or known.settlement_price == market.settlement_price)
        and is_near_limit(known.settlement_interval_ms, market.settlement_interval_ms)
        and is_near_limit(known.settlement_window_ms, market.settlement_window_ms)
        and is_near_limit(known.limit_pause_ms, market.limit_pause_ms)
        and (not before or (len(before) == len(after) and all(map(is_near, before, after))))
    )


def identity(market: Market) -> tuple[int | str, ...]:
    """What makes a market the market it is: also what its contracts are worth, when they end and how they are settled."""
    names = (market.id, market.symbol, market.kind, market.group, market.index)
    terms = (market.face, market.expires_ms, market.expiry_price, market.profit_lock)
    return (*names, market.settlement_asset, market.base_asset, *terms)


def decimals(market: Market) -> tuple[int, ...]:
    """What its numbers mean, for ever."""
    return (market.price_decimals, market.size_decimals, market.settlement_decimals, market.base_decimals)


def limits(market: Market) -> tuple[int, ...]:
    """Limits that are off at 0."""
    return (
        *(market.notional_min, market.open_interest_max, market.book_orders_max, market.levels_max),
        *(market.price_figures, market.impact_band, market.premium_band),
        *(market.open_interest_lower, market.open_interest_upper, market.owner_position_max),
    )


def is_finer(before: int, after: int) -> bool:
    """Whether a grid keeps all its points and gets at most ten times finer."""
    return before % after == 0 and before <= 10 * after


def is_near(before: int, after: int, least: int = 0) -> bool:
    """Whether a number at most doubles or halves; what is below `least` counts as that."""
    return max(after, least) <= 2 * max(before, least) and max(before, least) <= 2 * max(after, least)


def is_near_limit(before: int, after: int) -> bool:
    """Whether a limit is set where there was none, or moves twofold at most."""
    return before == 0 or (after > 0 and is_near(before, after))
