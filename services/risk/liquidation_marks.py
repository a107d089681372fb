"""The mark of a market at which a subaccount would be liquidated, for its owner to see; it changes nothing and liquidates nobody (M-5).

What stands on the market's index moves with it in proportion: other markets, and the coin itself as collateral. All else stays as it
is: other prices, open orders, funding and interest to come. Where an inverse market's coin is priced by another index than the market,
equity is no longer concave in the mark, and a dip between two safe prices may be missed.
"""

from dataclasses import replace

from services.core.fixed import AssetId, Price, div_floor
from services.core.markets import SPOT, Market
from services.risk.health import Part, Parts, add_position, part_of, total
from services.risk.liquidation_price import liquidation_price
from services.risk.state import Exposure, Mark, State, Subaccount


def liquidation_mark(state: State, subaccount: Subaccount, parts: Parts, market: Market) -> Price:
    """Mark nearest the one of now, on the tick, at which the subaccount is below maintenance margin; 0 for none up to `price_max`.

    `parts` are the subaccount's own; only those assets that move with the index are weighed again at each price that is tried.
    """
    moving = moving_with(state, subaccount, market)
    still = without(state, subaccount, parts, moving)
    reached = {market.settlement_asset: None, **dict.fromkeys(reached_by(state, market, moving))}
    calm = total(state, {asset: part for asset, part in parts.items() if asset not in reached})
    spare = calm.equity - calm.maintenance
    moved = replace(state, marks={}, collateral=dict(state.collateral))

    def is_below(ticks: int) -> bool:
        """Whether the subaccount is below at so many ticks."""
        move_index(state, moved, market, moving, ticks * market.tick)
        tried = {asset: Part(one.idle, one.profit, maintenance=one.maintenance) for asset, one in still.items()}
        for other, exposure in moving:
            add_position(moved, subaccount, other, exposure, part_of(tried, other.settlement_asset))
        now = total(moved, {asset: part for asset, part in tried.items() if asset in reached})
        return spare + now.equity < now.maintenance

    ticks, highest = div_floor(state.marks[market.id].price, market.tick), div_floor(market.price_max, market.tick)
    return liquidation_price(is_below, ticks, 1, max(ticks, highest)) * market.tick


def moving_with(state: State, subaccount: Subaccount, market: Market) -> list[tuple[Market, Exposure]]:
    """Positions whose markets stand on the index of a market."""
    known = ((state.markets[one.market], one) for one in subaccount.exposures.values())
    return [(other, one) for other, one in known if other.index == market.index and other.kind != SPOT]


def reached_by(state: State, market: Market, moving: list[tuple[Market, Exposure]]) -> list[AssetId]:
    """Assets whose amount or price moves with the index."""
    priced = [asset.id for asset in state.assets.values() if asset.collateral.index == market.index]
    return [*priced, *(other.settlement_asset for other, _ in moving)]


def without(state: State, subaccount: Subaccount, parts: Parts, moving: list[tuple[Market, Exposure]]) -> Parts:
    """Parts less what the moving positions are in them."""
    own: Parts = {}
    for other, exposure in moving:
        add_position(state, subaccount, other, exposure, part_of(own, other.settlement_asset))
    nothing = Part()
    return {
        asset: Part(
            part.idle,
            part.profit - own.get(asset, nothing).profit,
            maintenance=part.maintenance - own.get(asset, nothing).maintenance,
        )
        for asset, part in parts.items()
    }


def move_index(state: State, moved: State, market: Market, moving: list[tuple[Market, Exposure]], price: Price) -> None:
    """Take a market to a price in `moved`, and what stands on the same index with it; rounds down, marks to the tick."""
    mark_price = state.marks[market.id].price
    for other, _ in moving:
        mark = state.marks[other.id]
        scaled = price if other.id == market.id else div_floor(mark.price * price, mark_price)
        moved.marks[other.id] = replace(mark, price=max(other.tick, scaled - scaled % other.tick))
    for asset, seen in state.collateral.items():
        if state.assets[asset].collateral.index == market.index:
            moved.collateral[asset] = Mark(div_floor(seen.price * price, mark_price), seen.seen_ms)
