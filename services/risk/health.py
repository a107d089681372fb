"""How a subaccount stands in one settlement asset at the marks seen (M-3, M-4); it changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.core import contracts
from services.core.contracts import notional
from services.core.fixed import Amount, AssetId
from services.core.markets import SPOT, Market
from services.risk import margin
from services.risk.state import Exposure, State, Subaccount


@dataclass(slots=True)
class Health:
    """A subaccount in one settlement asset at the marks seen."""

    idle: Amount = 0
    profit: Amount = 0
    holds: Amount = 0
    initial: Amount = 0
    maintenance: Amount = 0
    notional: Amount = 0

    @property
    def equity(self) -> Amount:
        """M-3, with the settlement asset as the only collateral."""
        return self.idle + self.profit


def health(state: State, subaccount: Subaccount, asset: AssetId) -> Health:
    """Judge a subaccount at the marks seen; orders count at their worse side (M-4)."""
    result = Health(subaccount.idle.get(asset, 0), holds=subaccount.holds.get(asset, 0))
    for market, exposure in settled_in(state, subaccount, asset):
        if market.kind == SPOT:
            continue
        mark_price, size = state.marks[market.id].price, exposure.size
        worst = margin.worst_size(size, exposure.buys, exposure.sells, may_shrink=exposure.reducing > 0)
        worth = notional(market, size, mark_price)
        most = worth if worst == abs(size) else notional(market, worst, mark_price)
        result.initial += contracts.margin(most, market.initial_margin_fraction)
        if size:
            result.profit += exposure.cash + (worth if size > 0 else -worth)
            result.maintenance += contracts.margin(worth, market.maintenance_margin_fraction)
            result.notional += worth
    return result


def settled_in(state: State, subaccount: Subaccount, asset: AssetId) -> Iterator[tuple[Market, Exposure]]:
    """Exposures whose market settles in the asset."""
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        if market.settlement_asset == asset:
            yield market, exposure
