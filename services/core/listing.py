"""Which markets may be listed: `check_market` refuses one with which money would not be exact or a number could leave its range.

Source   DESIGN.md 3
"""

from collections.abc import Iterator
from itertools import pairwise

from services.core.fixed import FRACTION_ONE, LIMIT, div_ceil
from services.core.markets import REFERENCE_PARTITIONS, Asset, ContractKind, MarginTier, Market, SettlementPrice
from services.core.reasons import Reason, Refusal
from services.core.roots import root_ceil

MARKETS_MAX = 2**22
"""An order id is market * 2^40 + counter and stays below 2^62."""
ROOM = LIMIT >> 2
"""Marks and protection prices may lie beyond price_max by the band, less than four times."""
TIERS_MAX = 32
STEPS_MAX = 8
WINDOW_MAX_MS = 86_400_000
PULSE_MIN_MS, PULSE_MAX_MS = 1_000, 3_600_000


def check_market(market: Market, asset: Asset) -> Refusal | None:
    """Refuse a listing that breaks a rule; `limit` of the refusal is the number of the rule."""
    for number, holds in enumerate(rules_of(market, asset), 1):
        if not holds:
            return Refusal(Reason.INVALID_LISTING, number)
    return None


def rules_of(market: Market, asset: Asset) -> Iterator[bool]:
    """Judge rule by rule: each may rely on those before it, such as on a lot that is not zero."""
    yield from naming_rules(market, asset)
    yield from number_rules(market)
    yield from charge_rules(market)
    yield from funding_rules(market)
    yield is_spot_sound(market)
    yield from limit_rules(market)
    yield is_margin_sound(market)
    yield is_contract_sound(market)
    yield is_settlement_sound(market)
    yield 0 <= market.owner_position_max < ROOM
    yield 0 <= market.open_interest_lower <= market.open_interest_upper < ROOM
    yield market.is_spot or asset.collateral.initial_weight > 0
    yield is_pulse_sound(market)
    yield 0 <= market.withdrawal_fraction <= FRACTION_ONE and 0 <= market.profit_debt_max < LIMIT


def is_pulse_sound(market: Market) -> bool:
    """Whether a market that pulses is a perpetual, and does so between every second and every hour (rule 28)."""
    every = market.pulse_interval_ms
    return every == 0 or (market.is_perpetual and PULSE_MIN_MS <= every <= PULSE_MAX_MS)


def naming_rules(market: Market, asset: Asset) -> Iterator[bool]:
    """Rules 1 to 4: what it is called, which contract it is, how many decimals its numbers have."""
    yield 0 < market.id < MARKETS_MAX and market.symbol != "" and market.index != "" and market.group != ""
    yield market.kind in tuple(ContractKind)
    yield market.settlement_decimals == asset.decimals
    yield 0 <= market.price_decimals <= 12 and 0 <= market.size_decimals <= 12


def number_rules(market: Market) -> Iterator[bool]:
    """Rules 5 to 8: the grid, on which money is exact, and the largest numbers, which have room."""
    yield market.tick > 0 and market.lot > 0 and market.price_max % market.tick == 0
    yield market.is_inverse or market.tick * market.lot * market.unit[0] % market.unit[1] == 0
    yield 0 < market.order_size_max <= market.position_max and market.order_size_max % market.lot == 0
    worth, parts = largest_notional(market)
    yield 0 < market.price_max < ROOM and market.position_max < ROOM and worth < ROOM * parts


def largest_notional(market: Market) -> tuple[int, int]:
    """Notional of the largest position at the price that makes it largest, as (numerator, denominator) of settlement units."""
    if market.is_inverse:
        numerator, denominator = market.face_unit
        return market.position_max * numerator, denominator * market.tick
    numerator, denominator = market.unit
    return market.position_max * market.price_max * numerator, denominator


def charge_rules(market: Market) -> Iterator[bool]:
    """Rules 9 to 12: margin, fees, the band, and what impact prices and orders look at."""
    least = market.maintenance_margin_fraction
    yield market.is_spot or 0 < least < market.initial_margin_fraction <= FRACTION_ONE
    yield 0 <= market.maker_fee <= market.taker_fee < (FRACTION_ONE if market.is_spot else least)
    yield 0 < market.band < FRACTION_ONE
    yield 0 < market.impact_notional < LIMIT and 0 < market.orders_max <= 10_000


def funding_rules(market: Market) -> Iterator[bool]:
    """Rules 13 to 16: funding of perpetuals, marks, and the partitions that serve them."""
    least, most = market.maintenance_margin_fraction, market.funding_rate_max
    yield not market.is_perpetual or (60_000 <= market.funding_interval_ms < LIMIT and 0 < most < least)
    yield not market.is_perpetual or abs(market.interest_rate) <= most
    yield 0 < market.mark_interval_ms <= market.price_stale_ms < LIMIT
    yield market.matching_partition >= 0 and market.funding_partition >= 0


def is_spot_sound(market: Market) -> bool:
    """Whether a spot market has a base asset that holds its sizes exactly (rule 17)."""
    return not market.is_spot or (
        market.base_asset > 0
        and market.base_asset != market.settlement_asset
        and market.size_decimals <= market.base_decimals <= 12
        and market.position_max * 10 ** (market.base_decimals - market.size_decimals) < ROOM
    )


def limit_rules(market: Market) -> Iterator[bool]:
    """Rules 18 to 21: what bounds orders, the book, prices and sources."""
    yield 0 <= market.notional_min < LIMIT and 0 <= market.open_interest_max < ROOM
    yield 0 <= market.book_orders_max < LIMIT and 0 <= market.levels_max < LIMIT and 0 <= market.price_figures <= 18
    yield 0 <= market.impact_band < FRACTION_ONE and 0 <= market.premium_band < FRACTION_ONE
    yield market.sources_min > 0 and 0 < market.dispersion_max <= FRACTION_ONE


def is_margin_sound(market: Market) -> bool:
    """Whether margin is monotone in size, has room, and initial is never below maintenance: factors in order, tiers ascending (rule 22)."""
    if not 0 <= market.maintenance_margin_factor <= market.initial_margin_factor <= FRACTION_ONE:
        return False
    worth, parts = largest_notional(market)
    steepest = root_ceil(div_ceil(worth, parts), market.settlement_decimals) * market.initial_margin_factor
    return worth * steepest < LIMIT * parts * FRACTION_ONE**2 and are_tiers_sound(market)


def are_tiers_sound(market: Market) -> bool:
    """Whether tiers begin at nothing, with no less than the market's own maintenance, and ascend."""
    tiers = market.tiers
    if not tiers:
        return True
    floor, _, maintenance, amount = tiers[0]
    begins = floor == 0 and amount == 0 and maintenance >= market.maintenance_margin_fraction
    return (
        begins
        and len(tiers) <= TIERS_MAX
        and all(0 < tier[2] < tier[1] <= FRACTION_ONE for tier in tiers)
        and all(is_tier_above(before, after) for before, after in pairwise(tiers))
    )


def is_tier_above(before: MarginTier, after: MarginTier) -> bool:
    """Whether a tier begins above another and asks for no less, where the two meet and beyond."""
    floor, initial, maintenance, amount = after
    meets = floor * (maintenance - before[2]) >= (amount - before[3]) * FRACTION_ONE
    return before[0] < floor < LIMIT and initial >= before[1] and maintenance >= before[2] and amount >= 0 and meets


def is_contract_sound(market: Market) -> bool:
    """Whether an inverse contract has a face and no other has; whether a future ends and no other does (rule 23)."""
    has_face = 0 < market.face < ROOM if market.is_inverse else market.face == 0
    return has_face and ((0 < market.expires_ms < LIMIT) if market.is_future else market.expires_ms == 0)


def is_settlement_sound(market: Market) -> bool:
    """Whether settlements come in order, have a price to be made from, and limits a settlement to stand round (rule 24)."""
    every, offset = market.settlement_interval_ms, market.settlement_offset_ms
    if not 0 <= offset < max(1, every) or (every and not 60_000 <= every < LIMIT) or (every and market.is_spot):
        return False
    if (market.profit_lock or market.limit_steps) and not every:
        return False
    return are_windows_sound(market) and are_steps_sound(market)


def are_windows_sound(market: Market) -> bool:
    """Whether every price that is made over a window has one: whole seconds, a day at most, and in equal parts for a reference rate."""
    methods, window = tuple(SettlementPrice), market.settlement_window_ms
    if market.expiry_price not in methods or market.settlement_price not in methods:
        return False
    used = [market.expiry_price] if market.is_future else []
    used += [market.settlement_price] if market.settlement_interval_ms else []
    parts = REFERENCE_PARTITIONS if SettlementPrice.REFERENCE_RATE in used else 1
    least = 1_000 if any(method != SettlementPrice.MARK for method in used) else 0
    return least <= window <= WINDOW_MAX_MS and window % (1_000 * parts) == 0


def are_steps_sound(market: Market) -> bool:
    """Whether limits round a settlement ascend, and inner ones have a pause."""
    steps, pause = market.limit_steps, market.limit_pause_ms
    ascend = all(before < after for before, after in pairwise((0, *steps)))
    return ascend and len(steps) <= STEPS_MAX and max(steps, default=0) < FRACTION_ONE and bool(steps) <= pause < LIMIT
