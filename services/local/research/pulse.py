"""The experiment of the pulse: the same prices and people with lending pools and pulses, and without; what v3 changes, in numbers."""

from dataclasses import replace

import msgspec

from services.core.fixed import FRACTION_ONE
from services.core.markets import Asset, Market, PoolTerms
from services.local.research.experiment import Experiment, Run, Variant
from services.local.research.measures import Debts, Interest, Liquidations, Measure, Pools, Trading, Wealth
from services.local.research.participants import Borrowers, Group, Hedgers, Holders, Makers, Takers
from services.local.venue import Venue, read_venue
from services.oracle.path import Path

NAME = "pulse"
ASSETS = ("USDC", "BTC")
MARKETS = ("BTC_USDC_PERP", "BTC_USDC")
PULSE_MS = 10_000
ON, OFF = "on", "off"
PERCENT = FRACTION_ONE // 100
TERMS = PoolTerms(
    optimal=90 * PERCENT,
    slope=5 * PERCENT,
    steep_slope=100 * PERCENT,
    reserve_factor=10 * PERCENT,
    throttle_threshold=92 * PERCENT,
    throttle_bound=95 * PERCENT,
    throttle_fraction=10 * PERCENT,
)
BY_WILL = ("borrowers",)
POPULATION = (
    Group("makers", 3, Makers()),
    Group("takers with dollars", 40, Takers(dollars=(2_000, 60_000))),
    Group("takers with coins", 60, Takers(centicoins=(10, 150), leverage=(2, 5), long_ppm=680_000)),
    Group("hedgers", 10, Hedgers()),
    Group("holders of dollars", 20, Holders()),
    Group("borrowers", 30, Borrowers()),
)


def pulse(path: Path, path_name: str, days: int, seed: int, asked: str) -> Experiment:
    """Build the experiment on a path."""
    listed = read_venue()
    variants = (
        Variant(OFF, "without pools", venue_of(listed, pooled=False)),
        Variant(ON, "with pools and a pulse every 10 s", venue_of(listed, pooled=True)),
    )
    return Experiment(NAME, asked, path, path_name, POPULATION, variants, measures, seed, days, PULSE_MS)


def measures(run: Run) -> list[Measure]:
    """Return what is looked at."""
    return [Interest(run), Pools(run), Debts(run, BY_WILL), Liquidations(run), Trading(run), Wealth(run)]


def venue_of(listed: Venue, *, pooled: bool) -> Venue:
    """Return the venue of deploy/markets.toml with the assets and markets of the experiment alone, with pools or without."""
    assets = tuple(asset_of(asset, pooled=pooled) for asset in listed.assets if asset.symbol in ASSETS)
    markets = tuple(market_of(market, pooled=pooled) for market in listed.markets if market.symbol in MARKETS)
    numbers = [asset.id for asset in assets]
    funds = tuple(fund for fund in listed.funds if fund[1] in numbers)
    return replace(listed, assets=assets, markets=markets, funds=funds, calendars=())


def asset_of(asset: Asset, *, pooled: bool) -> Asset:
    """Return an asset with its pool, or without."""
    if not pooled or asset.pool is not None:
        return msgspec.structs.replace(asset, pool=asset.pool if pooled else None)
    collateral = msgspec.structs.replace(asset.collateral, borrow_rate_max=FRACTION_ONE // 2_000)
    return msgspec.structs.replace(asset, pool=TERMS, collateral=collateral)


def market_of(market: Market, *, pooled: bool) -> Market:
    """Return a market with its pulse, or without."""
    return msgspec.structs.replace(market, pulse_interval_ms=PULSE_MS if pooled and market.is_perpetual else 0)
