"""The experiment of the pulse: the same prices and people with lending pools and pulses, and without; what v3 changes, in numbers."""

from dataclasses import replace

import msgspec

from services.core.markets import Asset, Market
from services.local.research.experiment import Experiment, Run, Variant
from services.local.research.measures import Debts, Interest, Liquidations, Measure, Pools, Trading, Wealth
from services.local.research.participants import Borrowers, Group, Hedgers, Holders, Makers, Takers
from services.local.venue import Venue, read_venue
from services.oracle.path import Path

NAME = "pulse"
ASSETS = ("USDC", "BTC")
MARKETS = ("BTC_USDC_PERP", "BTC_USDC")
STEP_MS = 10_000
"""Of the pulse, as deploy/markets.toml lists it."""
ON, OFF = "on", "off"
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
    return Experiment(NAME, asked, path, path_name, POPULATION, variants, measures, seed, days, STEP_MS)


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
    """Return an asset as it is listed, or without its pool."""
    return asset if pooled else msgspec.structs.replace(asset, pool=None)


def market_of(market: Market, *, pooled: bool) -> Market:
    """Return a market as it is listed, or without its pulse."""
    return market if pooled else msgspec.structs.replace(market, pulse_interval_ms=0)
