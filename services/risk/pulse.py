"""Pulses: every position of a market is settled to one mark at once, lazily; so is funding (M-6, M-8).

A pulse moves four series of shares per market and the shard's sums behind them; only whose shares would pass zero is settled on its own.
"""

from services.core import pool as p
from services.core.contracts import UNIT_VALUE, unit_value, value
from services.core.fixed import AssetId, MarketId, Price, div_exact, div_floor
from services.core.markets import Market
from services.core.messages import Book, Message
from services.core.pool import PARTS_ONE, join, split
from services.risk import claims
from services.risk.events import balance_changed
from services.risk.state import Pulse, State, post
from services.risk.zeros import cut, zeros_for

LONG, SHORT = 1, -1
KEYS = ((p.SUPPLY, LONG), (p.SUPPLY, SHORT), (p.DEBT, LONG), (p.DEBT, SHORT))
"""Series of a market: whose claim it moves, and the side of the position."""


def begin(state: State, market: Market, mark_price: Price) -> None:
    """Let a market's positions pulse from its first mark on, if it is listed so and its asset has a pool, or may have one.

    An asset may be heard of later than the first mark; until then nobody can have a position in the market here.
    """
    asset = market.settlement_asset
    if market.pulse_interval_ms and (asset in state.pools or asset not in state.assets):
        lot_value = div_floor(abs(lot_worth(market, mark_price)), PARTS_ONE)
        state.pulses[market.id] = Pulse(mark_price, zeros=[zeros_for(lot_value) for _ in KEYS])


def end_without_pool(state: State, asset: AssetId) -> None:
    """Let the markets of an asset that turns out to have no pool settle as they always did."""
    for market_id in [one for one in state.pulses if state.markets[one].settlement_asset == asset]:
        del state.pulses[market_id]


def lot_worth(market: Market, mark_price: Price) -> int:
    """Value of one long lot at a mark: one number for both sides and all shards. Units: parts of 1e18 of a settlement unit."""
    if market.is_inverse:
        return -market.lot * unit_value(market, mark_price) * div_exact(PARTS_ONE, UNIT_VALUE)
    return value(market, market.lot, mark_price) * PARTS_ONE


def settle_to(state: State, market: Market, mark_price: Price) -> list[Message]:
    """Settle every position of a market to a mark; sizes stay."""
    pulse = state.pulses[market.id]
    change = lot_worth(market, mark_price) - lot_worth(market, pulse.mark)
    pulse.mark = mark_price
    return step(state, market, change) if change else []


def pay_funding(state: State, market_id: MarketId, payment_per_lot: int) -> list[Message]:
    """Let every long lot pay what every short one receives."""
    return step(state, state.markets[market_id], -payment_per_lot * PARTS_ONE) if payment_per_lot else []


def step(state: State, market: Market, change: int) -> list[Message]:
    """Give every long lot `change`, in parts of 1e18 of a unit, and take it from every short one.

    Who would pass zero is settled alone at that change and put back on his new side; the sums of all others move, whole units of cash
    are posted against the market's clearing, and the rest is carried.
    """
    asset, pulse = market.settlement_asset, state.pulses[market.id]
    pool = state.pools.get(asset)
    if pool is None:  # Nobody has a position yet.
        return []
    moves = [p.series_step(pool.indices, claim, change * side) for claim, side in KEYS]
    alone: list[int] = []
    for key, move in enumerate(moves):
        series = join(pulse.series[key])
        alone += cut(pulse.zeros[key], div_floor(series, PARTS_ONE), div_floor(series + move, PARTS_ONE))
    alone.sort()
    events: list[Message] = []
    for subaccount_id in alone:
        events += claims.take_out(state, state.subaccounts[subaccount_id], asset)
    moved = pulse.carry
    for key, (claim, side) in enumerate(KEYS):
        behind = pulse.behind[key]
        pool.waiting[claim] = split(join(pool.waiting[claim]) + behind * moves[key])
        pulse.series[key] = split(join(pulse.series[key]) + moves[key])
        moved += behind * side * change
    pulse.profit = split(join(pulse.profit) + change)
    whole, pulse.carry = split(moved)
    if whole:
        legs = [(Book.POOL_CASH, 0, 0, asset, whole), (Book.CLEARING, 0, market.id, asset, -whole)]
        events.append(post(state, "pulse", market.id, legs))
    for subaccount_id in alone:
        events += settle_alone(state, market, subaccount_id, change)
    return events


def settle_alone(state: State, market: Market, subaccount_id: int, change: int) -> list[Message]:
    """Settle one subaccount that was taken out; rounds down, against it."""
    subaccount, asset = state.subaccounts[subaccount_id], market.settlement_asset
    lots = div_exact(subaccount.exposures[market.id].size, market.lot)
    amount = div_floor(lots * change, PARTS_ONE)
    legs = [*claims.moved(state, subaccount, asset, amount), (Book.CLEARING, 0, market.id, asset, -amount)]
    events: list[Message] = [post(state, "pulse", market.id, legs)]
    events += claims.tidy(state, subaccount, asset)
    claims.put_back(state, subaccount, asset)
    state.touched.setdefault(subaccount_id, 0)
    return [*events, balance_changed(state, subaccount, asset, "pulse")]


def change_terms(state: State, market: Market) -> list[Message]:
    """Take a market's new terms: positions wait in lots, which may be finer now; they are taken out by the old, put back by the new."""
    holders = [state.subaccounts[one] for one in state.holders.get(market.id, {})] if market.id in state.pulses else []
    events: list[Message] = []
    for subaccount in holders:
        events += claims.take_out(state, subaccount, market.settlement_asset)
    state.markets[market.id] = market
    for subaccount in holders:
        claims.put_back(state, subaccount, market.settlement_asset)
    return events
