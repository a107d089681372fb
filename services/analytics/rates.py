"""What things are worth in one week: each market's and each asset's rates, made once for all accounts."""

from typing import TypeAlias

from services.analytics.state import Activity, Level, Levels, Mean, State
from services.analytics.terms import Component
from services.analytics.weeks import ends_ms, overlap
from services.analytics.worth import (
    NOTHING,
    UNIT_PRICE,
    Rate,
    asset_rate,
    claim_rate,
    held_rate,
    turnover_rate,
    worth,
)
from services.core.fixed import Amount, AssetId, MarketId, Milliseconds
from services.core.markets import INVERSE, SPOT

Line: TypeAlias = tuple[int, int, int]
"""What worth is of: (component, market, asset), with 0 where there is none."""
VOLUME, SPOT_VOLUME, LENT, OWED, POSITION = (int(one) for one in Component)
NO_PRICE = Mean()


class Rates:
    """Rates of a week, up to its end or to now; what is not listed or never had a price is worth nothing."""

    def __init__(self, state: State, week: int) -> None:
        self.week = week
        self.until_ms: Milliseconds = min(state.now_ms, ends_ms(week))
        self.assets = {number: asset_rate(asset, self.price(state, number)) for number, asset in state.assets.items()}
        self.claims: dict[AssetId, Rate] = {number: claim_rate(rate) for number, rate in self.assets.items()}
        self.turnover: dict[MarketId, Rate] = {}
        self.held: dict[MarketId, Rate] = {}
        self.inverse = {number: market.kind in INVERSE for number, market in state.markets.items()}
        self.spot = {number: market.kind == SPOT for number, market in state.markets.items()}
        for number, market in state.markets.items():
            settled = self.assets.get(market.settlement_asset, NOTHING)
            self.turnover[number] = turnover_rate(market, settled)
            self.held[number] = held_rate(market, self.mean(state.mean_marks, state.marks, number), settled)

    def price(self, state: State, asset: AssetId) -> Mean:
        """Mean price of an asset, as the feeds tell collateral."""
        if state.assets[asset].is_unit:
            return UNIT_PRICE
        return self.mean(state.mean_prices, state.prices, asset)

    def mean(self, weeks: dict[int, dict[int, Mean]], levels: Levels, key: int) -> Mean:
        """Mean over the week, with the price that still holds."""
        mean, level = weeks.get(self.week, {}).get(key, NO_PRICE), levels.get(key)
        ms = self.still(level) if level else 0
        return Mean(mean.price_ms + level.amount * ms, mean.ms + ms) if level and ms else mean

    def still(self, level: Level) -> Milliseconds:
        """How long a level that still holds did so in the week."""
        return overlap(self.week, level.since_ms, self.until_ms)

    def lines(self, done: Activity) -> dict[Line, Amount]:
        """What activity is worth, line by line."""
        found: dict[Line, Amount] = {}
        for market, turnover in done.turnover.items():
            amount = done.traded[market] if self.inverse.get(market) else turnover
            component = SPOT_VOLUME if self.spot.get(market) else VOLUME
            found[component, market, 0] = worth(amount, self.turnover.get(market, NOTHING))
        for market, held in done.held.items():
            found[POSITION, market, 0] = worth(held, self.held.get(market, NOTHING))
        for component, sums in ((LENT, done.lent), (OWED, done.owed)):
            for asset, amount_ms in sums.items():
                found[component, 0, asset] = worth(amount_ms, self.claims.get(asset, NOTHING))
        return {line: amount for line, amount in found.items() if amount}
