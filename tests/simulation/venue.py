"""What the simulated venue lists: three assets, perpetuals of both kinds, one that may be delisted, spot, and futures by a calendar."""

from msgspec.structs import replace

from services.core.fixed import FRACTION_ONE
from services.core.markets import (
    UNIT_OF_ACCOUNT,
    Asset,
    Calendar,
    Collateral,
    ContractKind,
    Market,
    PoolTerms,
    SettlementPrice,
)
from services.funding.calendar import ends_of, symbol_of

UNIT = 10**8
PERCENT = 10**10
"""Of 1e12."""
ADMIN_KEYS = (77, 78)
START_MS = 1_584_086_400_000
"""Friday, 13 March 2020, 08:00 UTC: the first futures end within minutes or hours."""
EIGHT_MS = 8 * 3_600_000
COIN = Collateral(
    index="BTC_USD",
    initial_weight=95 * PERCENT,
    maintenance_weight=97 * PERCENT,
    weight_base=110 * PERCENT,
    weight_penalty=PERCENT,
    borrow_initial_fraction=15 * PERCENT,
    borrow_initial_factor=FRACTION_ONE // 500,
    borrow_maintenance_fraction=8 * PERCENT,
    borrow_maintenance_factor=FRACTION_ONE // 1_000,
    borrow_rate_max=FRACTION_ONE // 2_000,
)
POOL = PoolTerms(
    optimal=70 * PERCENT,
    slope=20 * PERCENT,
    steep_slope=300 * PERCENT,
    base=PERCENT,
    reserve_factor=10 * PERCENT,
    throttle_threshold=90 * PERCENT,
    throttle_fraction=10 * PERCENT,
    period_ms=10_000,
)
"""A pool whose periods are short, so that every history has many."""
USDC = Asset(1, "USDC", 8, 10**16, replace(UNIT_OF_ACCOUNT, borrow_rate_max=FRACTION_ONE // 2_000), POOL)
BTC = Asset(2, "BTC", 8, 10 * UNIT, COIN, POOL)
ETH = Asset(
    3,
    "ETH",
    8,
    100 * UNIT,
    replace(
        COIN, index="ETH_USD", initial_weight=80 * PERCENT, maintenance_weight=88 * PERCENT, account_max=300 * UNIT
    ),
)
ASSETS = (USDC, BTC, ETH)
PRICES = {"BTC_USD": 8_000 * UNIT, "ETH_USD": 200 * UNIT}
BITCOIN = 1
"""The bitcoin perpetual."""
DYING = 4
"""The market that admins may delist."""
FUTURES = 10
"""Id of the first future."""


def market(number: int, symbol: str, index: str, matching_partition: int) -> Market:
    """Return a linear perpetual with two price and three size decimals, 20 times leverage."""
    return Market(
        id=number,
        symbol=symbol,
        kind=ContractKind.LINEAR_PERPETUAL,
        settlement_asset=1,
        group="main",
        index=index,
        price_decimals=2,
        size_decimals=3,
        settlement_decimals=8,
        tick=50,
        lot=10,
        price_max=100_000_000,
        order_size_max=1_000_000,
        position_max=10_000_000,
        orders_max=50,
        initial_margin_fraction=5 * PERCENT,
        maintenance_margin_fraction=PERCENT * 5 // 2,
        maker_fee=200_000_000,
        taker_fee=500_000_000,
        band=5 * PERCENT,
        impact_notional=5_000 * UNIT,
        funding_interval_ms=60_000,
        funding_rate_max=5_000_000_000,
        interest_rate=100_000_000,
        mark_interval_ms=1_000,
        price_stale_ms=60_000,
        matching_partition=matching_partition,
        pulse_interval_ms=10_000,
    )


def markets(matching_partitions: int) -> list[Market]:
    """Return the markets, spread over the matching partitions; ids are places in the list plus one."""
    last = matching_partitions - 1
    bitcoin = replace(
        market(BITCOIN, "BTC_USDC_PERP", "BTC_USD", 0),
        price_max=10_000_000,
        position_max=1_000_000,
        initial_margin_factor=FRACTION_ONE * 3 // 10_000,
        maintenance_margin_factor=FRACTION_ONE * 3 // 20_000,
        owner_position_max=20_000,
        settlement_interval_ms=60_000,
    )
    ether = replace(
        market(2, "ETH_USDC_PERP", "ETH_USD", last),
        tiers=(
            (0, 5 * PERCENT, PERCENT * 5 // 2, 0),
            (20_000 * UNIT, 10 * PERCENT, 5 * PERCENT, 500 * UNIT),
        ),
        open_interest_lower=300_000,
        open_interest_upper=3_000_000,
    )
    spot = replace(
        market(3, "BTC_USDC", "BTC_USD", last),
        kind=ContractKind.SPOT,
        pulse_interval_ms=0,
        base_asset=BTC.id,
        base_decimals=BTC.decimals,
        initial_margin_fraction=0,
        maintenance_margin_fraction=0,
        funding_interval_ms=0,
        funding_rate_max=0,
        interest_rate=0,
        notional_min=UNIT,
    )
    limited = replace(
        market(DYING, "ETH_USDC_OLD", "ETH_USD", 0), orders_max=8, open_interest_max=400_000, book_orders_max=40
    )
    return [bitcoin, ether, spot, limited, inverse(5, "BTC_USD_PERP", last)]


def inverse(number: int, symbol: str, matching_partition: int) -> Market:
    """Return an inverse perpetual of one dollar, settled in bitcoin."""
    return replace(
        market(number, symbol, "BTC_USD", matching_partition),
        kind=ContractKind.INVERSE_PERPETUAL,
        settlement_asset=BTC.id,
        size_decimals=0,
        face=100,
        lot=10,
        impact_notional=UNIT,
    )


def calendar(after_ms: int) -> Calendar:
    """Return a calendar of inverse futures of a hundred dollars that lock profits; the first one ends so long after the start."""
    form = replace(
        inverse(FUTURES, "BTC_USD", 0),
        kind=ContractKind.INVERSE_FUTURE,
        face=10_000,
        lot=1,
        order_size_max=100_000,
        position_max=1_000_000,
        funding_interval_ms=0,
        funding_rate_max=0,
        interest_rate=0,
        settlement_interval_ms=60_000,
        settlement_offset_ms=20_000,
        settlement_price=SettlementPrice.MARK,
        settlement_window_ms=5_000,
        profit_lock=True,
    )
    return Calendar(1, form, 2, 0, EIGHT_MS + after_ms, 6)


def futures(listed: Calendar) -> list[Market]:
    """Return the futures that a calendar lists at the start."""
    ends = ends_of(listed, START_MS)
    return [
        replace(listed.market, id=FUTURES + number, symbol=symbol_of(listed, end), expires_ms=end)
        for number, end in enumerate(ends)
    ]
