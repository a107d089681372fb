"""How many shares of a pool a subaccount has at any moment, though pulses are booked only when it is touched (M-8); it changes nothing."""

from collections.abc import Iterator

from services.core import pool as p
from services.core.fixed import Amount, AssetId, div_ceil, div_exact, div_floor
from services.core.markets import Market
from services.core.pool import DEBT, PARTS_ONE, join
from services.risk.state import Exposure, Pulse, State, Subaccount

OUT = -1
"""Series of a position that waits behind none."""


def pulsing(state: State, subaccount: Subaccount, asset: AssetId) -> Iterator[tuple[Market, Exposure, Pulse]]:
    """Positions whose profit moves into claims on the asset's pool."""
    for exposure in subaccount.exposures.values():
        if exposure.size:
            pulse = state.pulses.get(exposure.market)
            if pulse is not None:
                market = state.markets[exposure.market]
                if market.settlement_asset == asset:
                    yield market, exposure, pulse


def waiting(exposure: Exposure, pulse: Pulse, lot: int) -> int:
    """Shares that pulses owe a position, in parts of 1e18: its lots times what its series has moved since it was put behind it."""
    if exposure.series == OUT:
        return 0
    return div_exact(abs(exposure.size), lot) * (join(pulse.series[exposure.series]) - join(exposure.series_seen))


def shares_now(state: State, subaccount: Subaccount, asset: AssetId) -> tuple[int, int]:
    """Supply and debt shares of a subaccount as if it were touched now; rounds against it, a share per market."""
    claim = subaccount.claims.get(asset)
    if claim is None:
        return 0, 0
    supply, debt = claim.supply, claim.debt
    for market, exposure, pulse in pulsing(state, subaccount, asset):
        raw = waiting(exposure, pulse, market.lot)
        if exposure.series >= 2 * DEBT:
            debt += div_ceil(raw, PARTS_ONE)
        else:
            supply += div_floor(raw, PARTS_ONE)
    return supply, debt


def lent_and_owed(state: State, subaccount: Subaccount, asset: AssetId) -> tuple[Amount, Amount]:
    """What a subaccount may burn its supply for, and what it owes, at the indices of now; 0 without a pool."""
    pool = state.pools.get(asset)
    if pool is None:
        return 0, 0
    supply, debt = shares_now(state, subaccount, asset)
    return p.supply_worth(pool.indices, supply), p.debt_owed(pool.indices, debt) if debt else 0
