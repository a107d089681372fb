"""How a subaccount stands at the marks seen: net per asset first, haircut second (M-3, M-4); it changes nothing.

Amounts of one asset are in its units; what assets are worth together is in 1e-8 of the unit of account.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from services.core import contracts
from services.core.collateral import PRICE_ONE, borrow_margin, collateral_value, worth, worth_high
from services.core.contracts import notional, value
from services.core.fixed import FRACTION_ONE, Amount, AssetId, Fraction, MarketId, Price, Size, div_ceil, div_exact
from services.core.markets import SPOT, Asset, Market
from services.core.pool import Stress
from services.risk import margin
from services.risk.shares import lent_and_owed
from services.risk.state import Exposure, State, Subaccount


@dataclass(slots=True)
class Part:
    """What a subaccount has and needs in one asset: idle, holds of orders, margins.

    `idle` is its money, lent or not, less what it owes the pool, which is `owed`; `profit` the value of positions settled in the asset.
    """

    idle: Amount = 0
    profit: Amount = 0
    holds: Amount = 0
    initial: Amount = 0
    maintenance: Amount = 0
    notional: Amount = 0
    owed: Amount = 0

    @property
    def net(self) -> Amount:
        """Net of the asset (M-3)."""
        return self.idle + self.profit


TIGHT = 2
"""Initial margin of a debt counts so many times from TIGHT_MARGIN on."""
Parts: TypeAlias = dict[AssetId, Part]


@dataclass(slots=True)
class Health:
    """A subaccount over all its assets, in worth. `equity` is at maintenance weights, `equity_initial` at initial ones less all holds.

    It may open what leaves equity_initial >= initial, and is liquidated when equity < maintenance.
    """

    parts: Parts = field(default_factory=dict)
    equity: Amount = 0
    equity_initial: Amount = 0
    initial: Amount = 0
    maintenance: Amount = 0
    notional: Amount = 0


def health(state: State, subaccount: Subaccount) -> Health:
    """Judge a subaccount at the marks seen; orders count at their worse side (M-4)."""
    return total(state, parts_of(state, subaccount))


def parts_of(state: State, subaccount: Subaccount) -> Parts:
    """What a subaccount has and needs, by asset."""
    parts: Parts = {}
    for asset, idle in subaccount.idle.items():
        if idle:
            parts[asset] = Part(idle)
    for asset in subaccount.claims:
        lent, owes = lent_and_owed(state, subaccount, asset)
        if lent or owes:
            part = part_of(parts, asset)
            part.idle += lent - owes
            part.owed = owes
    for asset, hold in subaccount.holds.items():
        if hold:
            part_of(parts, asset).holds = hold
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        if market.kind != SPOT:
            add_position(state, subaccount, market, exposure, part_of(parts, market.settlement_asset))
    return parts


def part_of(parts: Parts, asset: AssetId) -> Part:
    """Return the part of an asset, opened empty when it is new."""
    known = parts.get(asset)
    if known is None:
        known = parts[asset] = Part()
    return known


def add_position(state: State, subaccount: Subaccount, market: Market, exposure: Exposure, part: Part) -> None:
    """Add the value of a position, and the margins of it with its orders: as if every step of its market were booked."""
    mark = state.marks[market.id]
    size = 0 if has_ended(state, market) else exposure.size
    worst = margin.worst_size(size, exposure.buys, exposure.sells, may_shrink=exposure.reducing > 0)
    if worst:
        part.initial += initial_of(state, subaccount, market, worst)
    if exposure.size or exposure.cash:
        coming = unbooked(state, market, exposure)
        part.idle += coming
        part.profit += position_value(state, market, exposure) - coming
    if size:
        held = notional(market, size, mark.price)
        part.maintenance += contracts.maintenance_of(market, held)
        part.notional += held


def position_value(state: State, market: Market, exposure: Exposure) -> Amount:
    """Value of a position at the mark seen, its cash included, less the funding that it owes (M-2); in a market that pulses since then."""
    pulse = state.pulses.get(market.id)
    if pulse is not None:
        return value(market, exposure.size, state.marks[market.id].price) + value(market, -exposure.size, pulse.mark)
    return exposure.cash + value(market, exposure.size, state.marks[market.id].price) - owed(state, market, exposure)


def unbooked(state: State, market: Market, exposure: Exposure) -> Amount:
    """What the steps that a position has not seen yet are about to put into the balance: less funding, and its value at a settlement."""
    steps = state.steps.get(market.id)
    if steps is None or market.id in state.pulses:
        return 0
    coming = -owed(state, market, exposure)
    if steps.ended or exposure.steps_seen != steps.settled:
        coming += exposure.cash + value(market, exposure.size, steps.price)
    return coming


def has_ended(state: State, market: Market) -> bool:
    """Whether a market has closed its positions, booked or not."""
    steps = state.steps.get(market.id)
    return steps is not None and steps.ended


def initial_of(state: State, subaccount: Subaccount, market: Market, size: Size) -> Amount:
    """Initial margin of |size| at the mark seen, with what open interest and the subaccount's own leverage limit add."""
    mark = state.marks[market.id]
    return contracts.initial_margin(market, size, mark.price, mark.open_interest, fraction_min(subaccount))


def fraction_min(subaccount: Subaccount) -> Fraction:
    """Least initial margin fraction of a subaccount: one over its leverage limit; rounds up."""
    return div_ceil(FRACTION_ONE, subaccount.leverage_max) if subaccount.leverage_max else 0


def owed(state: State, market: Market, exposure: Exposure) -> Amount:
    """Funding of a position that its market has stepped over and the balance has not seen yet; > 0 is paid by the account."""
    steps = state.steps.get(market.id)
    if steps is None or market.id in state.pulses or steps.paid_per_lot == exposure.paid_per_lot_seen:
        return 0
    return div_exact(exposure.size, market.lot) * (steps.paid_per_lot - exposure.paid_per_lot_seen)


def price_of(state: State, asset: Asset) -> Price:
    """Collateral price seen; 0 while there is none."""
    if not asset.collateral.index:
        return PRICE_ONE
    seen = state.collateral.get(asset.id)
    return seen.price if seen is not None else 0


def price_seen(state: State) -> Callable[[Asset], Price]:
    """Return the look at collateral prices as they were seen."""
    return lambda asset: price_of(state, asset)


def total(state: State, parts: Parts) -> Health:
    """Weigh the parts: positive nets by their weights, negative ones in full and with the margin of a debt.

    Rounds   against the account, once per asset and number
    Source   M-3, M-4: what counts as initial is what would be left if every order took what it holds
    """
    result = Health(parts)
    for asset_id, part in parts.items():
        asset = state.assets.get(asset_id)
        if asset is None:  # Not listed here yet: booked at weight 0.
            continue
        price, terms, net = price_of(state, asset), asset.collateral, part.net
        left = net - part.holds
        result.equity += collateral_value(asset, net, price, terms.maintenance_weight)
        result.equity_initial += collateral_value(asset, left, price, terms.initial_weight)
        if part.initial:
            result.initial += worth_high(asset, part.initial, price)
        if part.maintenance:
            result.maintenance += worth_high(asset, part.maintenance, price)
            result.notional += worth_high(asset, part.notional, price)
        if left < 0:
            result.initial += debt_initial(asset, -left, price) * tightness(state, asset_id)
        if net < 0:
            result.maintenance += debt_maintenance(asset, -net, price)
    return result


def tightness(state: State, asset: AssetId) -> int:
    """How many times the initial margin of a debt counts while its pool is under stress (M-10)."""
    pool = state.pools.get(asset)
    return TIGHT if pool is not None and pool.stress >= Stress.TIGHT_MARGIN else 1


def debt_initial(asset: Asset, debt: Amount, price: Price) -> Amount:
    """Initial margin of a debt, in worth."""
    terms = asset.collateral
    return borrow_margin(asset, debt, price, terms.borrow_initial_fraction, terms.borrow_initial_factor)


def debt_maintenance(asset: Asset, debt: Amount, price: Price) -> Amount:
    """Maintenance margin of a debt, in worth."""
    terms = asset.collateral
    return borrow_margin(asset, debt, price, terms.borrow_maintenance_fraction, terms.borrow_maintenance_factor)


def is_liquidatable(now: Health) -> bool:
    """Whether equity is below maintenance margin; equality is safe (M-3). Without position or debt: whether it is below zero."""
    return now.equity < now.maintenance


def is_due(state: State, subaccount: Subaccount, now: Health) -> bool:
    """Whether a subaccount is to be liquidated: below maintenance margin even if every stale price has moved in its favour (M-12).

    A silent source liquidates nobody, and a crumb of what it prices protects nobody: an asset with a stale price counts double, a
    position at a stale mark gains as much as its initial margin.
    """
    if not is_liquidatable(now):
        return False
    return now.equity + doubt(state, subaccount, now) < now.maintenance


def doubt(state: State, subaccount: Subaccount, now: Health) -> Amount:
    """What the prices that are stale may hide, in worth."""
    hidden = 0
    for asset, part in now.parts.items():
        if part.net > 0 and not has_fresh_price(state, asset):
            hidden += worth_of(state, asset, part.net)
    for exposure in subaccount.exposures.values():
        if exposure.size and not has_fresh_mark(state, exposure.market):
            market = state.markets[exposure.market]
            hidden += worth_of(state, market.settlement_asset, initial_of(state, subaccount, market, exposure.size))
    return hidden


def has_fresh_mark(state: State, market: MarketId) -> bool:
    """Whether a market's mark was seen a moment ago, or is its last."""
    mark, steps = state.marks[market], state.steps.get(market)
    if steps is not None and steps.ended:
        return True
    return is_fresh(state, mark.seen_ms, state.markets[market].price_stale_ms)


def has_fresh_price(state: State, asset_id: AssetId) -> bool:
    """Whether an asset's price may be relied on: it is the unit of account, or was seen a moment ago."""
    asset = state.assets.get(asset_id)
    if asset is None:
        return False
    if not asset.collateral.index:
        return True
    seen = state.collateral.get(asset_id)
    return seen is not None and is_fresh(state, seen.seen_ms, asset.collateral.price_stale_ms)


def is_fresh(state: State, seen_ms: int, stale_ms: int) -> bool:
    """Whether what was seen then still counts."""
    return state.now_ms - seen_ms <= stale_ms


def settled_in(state: State, subaccount: Subaccount, asset: AssetId) -> Iterator[tuple[Market, Exposure]]:
    """Exposures whose market settles in the asset."""
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        if market.settlement_asset == asset:
            yield market, exposure


def worth_of(state: State, asset_id: AssetId, amount: Amount) -> Amount:
    """Worth of an amount at the price seen, in full; 0 of what is not listed here yet. Rounds down."""
    asset = state.assets.get(asset_id)
    return worth(asset, amount, price_of(state, asset)) if asset is not None else 0
