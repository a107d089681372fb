"""What the simulated venue lists: three assets, three perpetuals of which one may be delisted, and a spot market."""

from msgspec.structs import replace

from services.core.markets import Asset, ContractKind, Market

UNIT = 10**8
PERCENT = 10**10
"""Of 1e12."""
ADMIN_KEYS = (77, 78)
USDC = Asset(1, "USDC", 8, 10**16)
BTC = Asset(2, "BTC", 8, 10 * UNIT)
ETH = Asset(3, "ETH", 8, 100 * UNIT)
ASSETS = (USDC, BTC, ETH)
PRICES = {"BTC_USD": 8_000 * UNIT, "ETH_USD": 200 * UNIT}
DYING = 4
"""The market that admins may delist."""


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
    )


def markets(matching_partitions: int) -> list[Market]:
    """Return the markets, spread over the matching partitions; ids are places in the list plus one."""
    last = matching_partitions - 1
    bitcoin = market(1, "BTC_USDC_PERP", "BTC_USD", 0)
    spot = replace(
        market(3, "BTC_USDC", "BTC_USD", last),
        kind=ContractKind.SPOT,
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
    return [bitcoin, market(2, "ETH_USDC_PERP", "ETH_USD", last), spot, limited]
