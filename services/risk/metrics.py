"""What a risk partition shows of its state: exposure, margin, holds, who is near liquidation; it changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.core.collateral import WORTH_DECIMALS
from services.core.contracts import notional
from services.core.fixed import Amount, AssetId, MarketId, Size
from services.core.metrics import PAUSE_EVERY, Family, Metrics, Reading
from services.risk.binding import unit_of
from services.risk.health import Part, health
from services.risk.state import State, Subaccount
from services.risk.wires import SeriesKind

BANDS = (50, 70, 80, 90, 100)
"""Percent of equity that maintenance margin takes; at 100 a subaccount is liquidated."""

SUBACCOUNTS = Family("vigil_subaccounts", "Subaccounts that have ever held something")
POSITIONS = Family("vigil_positions", "Subaccounts with a position", ("market", "side"))
SIZE = Family("vigil_position_size", "Sum of position sizes, in the market's units of size", ("market", "side"))
EXPOSURE = Family("vigil_exposure", "Notional of positions at the mark", ("market", "side", "asset"))
ORDERS = Family("vigil_orders_held", "Orders from admission to their end", ("market",))
IDLE = Family("vigil_idle", "Balances of accounts outside positions", ("asset",))
UNSETTLED = Family("vigil_unsettled_debt", "Debts outside equity", ("asset",))
HOLDS = Family("vigil_holds", "Part of the balances that open orders need", ("asset",))
PROFIT = Family("vigil_unrealised_pnl", "Value of positions at the mark with their cash", ("asset",))
INITIAL = Family("vigil_initial_margin", "Initial margin in use, of positions and orders", ("asset",))
MAINTENANCE = Family("vigil_maintenance_margin", "Maintenance margin of positions", ("asset",))
NEAR = Family(
    "vigil_subaccounts_near_liquidation",
    "Subaccounts whose maintenance margin takes at least so many percent of equity",
    ("asset", "percent"),
)
NEAR_EXPOSURE = Family("vigil_exposure_near_liquidation", "Notional of those subaccounts", ("asset", "percent"))
LIQUIDATIONS = Family("vigil_liquidations_running", "Subaccounts under liquidation")
EQUITY = Family("vigil_equity", "Equity of subaccounts that have some, at maintenance weights", ("asset",))
DEBTS = Family("vigil_negative_equity", "What subaccounts have below zero, at maintenance weights", ("asset",))
TOUCHED = Family("vigil_subaccounts_touched", "Subaccounts that the next mark judges")
WIRES = Family("vigil_wires", "Wires that wait for a price, of subaccounts and triggers", ("series",))
TRIGGERS = Family("vigil_triggers", "Stops, take-profits, trailing stops and TWAPs that wait", ("market",))
STEPS_WAITING = Family(
    "vigil_settlement_waiting", "Positions that a step of their market still has to reach", ("market",)
)
QUEUE = Family("vigil_liquidation_queue", "Subaccounts that wait to be judged after a mark")
FAMILIES = (
    *(SUBACCOUNTS, POSITIONS, SIZE, EXPOSURE, ORDERS, IDLE, UNSETTLED, HOLDS, PROFIT, INITIAL, MAINTENANCE),
    *(NEAR, NEAR_EXPOSURE, LIQUIDATIONS, QUEUE, EQUITY, DEBTS, TOUCHED, WIRES, TRIGGERS, STEPS_WAITING),
)
SIDES = ("long", "short")


@dataclass(slots=True)
class SideTotal:
    """Positions of one side of a market."""

    count: int = 0
    size: Size = 0
    notional: Amount = 0


@dataclass(slots=True)
class AssetTotal:
    """Sums over subaccounts in one asset."""

    part: Part = field(default_factory=Part)
    debt: Amount = 0


@dataclass(slots=True)
class Totals:
    """What one look at all subaccounts finds; all that is listed is there, with zeros. `near` is (subaccounts, worth) per band."""

    sides: dict[tuple[MarketId, str], SideTotal]
    orders: dict[MarketId, int]
    assets: dict[AssetId, AssetTotal]
    triggers: dict[MarketId, int]
    near: dict[int, tuple[int, Amount]] = field(default_factory=lambda: dict.fromkeys(BANDS, (0, 0)))
    liquidations: int = 0
    equity: Amount = 0
    negative: Amount = 0


def measure(state: State) -> Iterator[Reading | None]:
    """Look at every subaccount, some at a time; what happens meanwhile is seen by those looked at later."""
    totals = Totals(
        {(market, side): SideTotal() for market in state.markets for side in SIDES},
        dict.fromkeys(state.markets, 0),
        {asset: AssetTotal() for asset in state.assets},
        dict.fromkeys(state.markets, 0),
    )
    everybody = list(state.subaccounts.values())
    for number, subaccount in enumerate(everybody, 1):
        count(state, subaccount, totals)
        if number % PAUSE_EVERY == 0:
            yield None
    yield Reading(SUBACCOUNTS, (), len(everybody))
    yield Reading(LIQUIDATIONS, (), totals.liquidations)
    yield Reading(QUEUE, (), len(state.queue))
    yield Reading(TOUCHED, (), len(state.touched))
    unit = unit_of(state)
    yield Reading(EQUITY, (unit,), totals.equity, WORTH_DECIMALS)
    yield Reading(DEBTS, (unit,), totals.negative, WORTH_DECIMALS)
    yield from wire_readings(state)
    yield from market_readings(state, totals)
    for percent, (subaccounts, exposed) in totals.near.items():
        yield Reading(NEAR, (unit, str(percent)), subaccounts)
        yield Reading(NEAR_EXPOSURE, (unit, str(percent)), exposed, WORTH_DECIMALS)
    for asset, total in totals.assets.items():
        if asset not in state.assets:  # Money of an asset that is not listed here yet.
            continue
        yield from asset_readings(state.assets[asset].symbol, state.assets[asset].decimals, total)


def count(state: State, subaccount: Subaccount, totals: Totals) -> None:
    """Add one subaccount."""
    totals.liquidations += subaccount.liquidation is not None
    for trigger in subaccount.triggers.values():
        totals.triggers[trigger.market] = totals.triggers.get(trigger.market, 0) + 1
    for market_id, exposure in subaccount.exposures.items():
        totals.orders[market_id] = totals.orders.get(market_id, 0) + len(exposure.orders)
        if exposure.size:
            side = totals.sides.setdefault((market_id, SIDES[exposure.size < 0]), SideTotal())
            market = state.markets[market_id]
            side.count += 1
            side.size += abs(exposure.size)
            side.notional += notional(market, exposure.size, state.marks[market_id].price)
    now = health(state, subaccount)
    for asset, own in now.parts.items():
        add_part(totals.assets.setdefault(asset, AssetTotal()).part, own)
    for asset, unsettled in subaccount.unsettled.items():
        totals.assets.setdefault(asset, AssetTotal()).debt -= unsettled
    totals.equity += max(0, now.equity)
    totals.negative += max(0, -now.equity)
    if now.maintenance:
        for percent in BANDS:
            if 100 * now.maintenance >= percent * now.equity:
                subaccounts, exposed = totals.near[percent]
                totals.near[percent] = (subaccounts + 1, exposed + now.notional)


def add_part(sums: Part, own: Part) -> None:
    """Add what a subaccount has and needs in one asset."""
    sums.idle += own.idle
    sums.profit += own.profit
    sums.holds += own.holds
    sums.initial += own.initial
    sums.maintenance += own.maintenance


def market_readings(state: State, totals: Totals) -> Iterator[Reading]:
    """Readings by market."""
    for (market_id, side), total in totals.sides.items():
        market = state.markets[market_id]
        asset = state.assets[market.settlement_asset].symbol
        yield Reading(POSITIONS, (market.symbol, side), total.count)
        yield Reading(SIZE, (market.symbol, side), total.size, market.size_decimals)
        yield Reading(EXPOSURE, (market.symbol, side, asset), total.notional, market.settlement_decimals)
    for market_id, orders in totals.orders.items():
        yield Reading(ORDERS, (state.markets[market_id].symbol,), orders)
    for market_id, waiting in totals.triggers.items():
        yield Reading(TRIGGERS, (state.markets[market_id].symbol,), waiting)
    for market_id, market in state.markets.items():
        yield Reading(STEPS_WAITING, (market.symbol,), len(state.sweeps.get(market_id, ())))


def wire_readings(state: State) -> Iterator[Reading]:
    """How many wires wait for each kind of price."""
    waiting = dict.fromkeys(SeriesKind, 0)
    for (kind, _), wires in state.wires.items():
        for buckets in (wires.below, wires.above):
            waiting[SeriesKind(kind)] += sum(len(bucket.wires) for bucket in buckets.values())
    for series, wired in waiting.items():
        yield Reading(WIRES, (series.name.lower(),), wired)


def asset_readings(symbol: str, decimals: int, total: AssetTotal) -> Iterator[Reading]:
    """Readings by asset."""
    own = total.part
    for family, amount in (
        *((IDLE, own.idle), (UNSETTLED, total.debt), (HOLDS, own.holds), (PROFIT, own.profit)),
        *((INITIAL, own.initial), (MAINTENANCE, own.maintenance)),
    ):
        yield Reading(family, (symbol,), amount, decimals)


METRICS = Metrics(FAMILIES, measure)
