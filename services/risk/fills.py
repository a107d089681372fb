"""What resting orders would do to a subaccount if they filled now: what marks have moved against them, what spot orders bring (M-4)."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from services.core.collateral import collateral_value, worth_high
from services.core.contracts import base_amount, fee, notional, value
from services.core.fixed import Amount, AssetId, Price, Size, div_floor
from services.core.markets import Asset, Market
from services.core.messages import Side
from services.risk.health import Parts, part_of, price_of
from services.risk.open_orders import hold_at
from services.risk.state import Exposure, State, Subaccount


def hold_moved(state: State, subaccount: Subaccount, parts: Parts, *, at_most: bool) -> None:
    """Add to the holds of each asset what resting orders lose at the marks of now beyond what they hold; rounds up.

    `at_most` looks at no single order, but where one only reduces: an order loses to the mark of now at most what it holds and what the
    mark has moved against it since it was held.
    """
    for exposure in subaccount.exposures.values():
        if exposure.orders:
            market = state.markets[exposure.market]
            if not market.is_spot:
                moves = moved_in if at_most and not exposure.reducing else lost_in
                lost = moves(market, exposure, state.marks[market.id].price)
                if lost:
                    part_of(parts, market.settlement_asset).holds += lost


def moved_in(market: Market, exposure: Exposure, mark_price: Price) -> Amount:
    """What the orders of one market may lose beyond their holds, in settlement units; rounds up, a unit per order and side."""
    lost = moved_on(market, exposure, Side.BUY, mark_price) if exposure.buys else 0
    return lost + moved_on(market, exposure, Side.SELL, mark_price) if exposure.sells else lost


def moved_on(market: Market, exposure: Exposure, side: int, mark_price: Price) -> Amount:
    """What the orders of a side may lose to a mark beyond their holds, in settlement units; rounds up, a unit per order."""
    if side == Side.BUY:
        size, held = exposure.buys, exposure.buy_mark_held
    else:
        size, held = -exposure.sells, exposure.sell_mark_held
    if side * (held - mark_price) <= 0:
        return 0
    lost = value(market, size, held) - value(market, size, mark_price)
    return lost + len(exposure.orders) if market.is_inverse else lost


def moved_since_held(state: State, subaccount: Subaccount) -> Amount:
    """Worth that resting orders would lose at the marks of now beyond what they hold, order by order; rounds up."""
    moved = 0
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        if not market.is_spot and exposure.orders:
            lost = lost_in(market, exposure, state.marks[market.id].price)
            moved += required(state, market.settlement_asset, lost)
    return moved


def lost_in(market: Market, exposure: Exposure, mark_price: Price) -> Amount:
    """What the orders of one market would lose beyond their holds, order by order, in settlement units."""
    return sum(max(0, hold_at(market, order, mark_price) - order.hold) for order in exposure.orders.values())


def required(state: State, asset_id: AssetId, amount: Amount) -> Amount:
    """Worth of an amount that is needed, at the price seen; rounds up."""
    asset = state.assets.get(asset_id)
    return worth_high(asset, amount, price_of(state, asset)) if asset is not None and amount else 0


class Flow(NamedTuple):
    """What a spot order gives and gets at its worst price."""

    out: AssetId
    given: Amount
    into: AssetId
    got: Amount


def flow_of(market: Market, side: int, size: Size, hold: Amount, price: Price) -> Flow:
    """Return what `size` gives and gets: a sale brings its price less the taker fee; rounds against the account."""
    if side == Side.BUY:
        return Flow(market.settlement_asset, hold, market.base_asset, base_amount(market, size))
    proceeds = notional(market, size, price)
    return Flow(market.base_asset, hold, market.settlement_asset, proceeds - fee(proceeds, market.taker_fee))


def flows(state: State, subaccount: Subaccount) -> list[Flow]:
    """What the resting spot orders of a subaccount give and get."""
    found = []
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        if market.is_spot:
            found += [
                flow_of(
                    market,
                    order.side,
                    order.largest(),
                    order.hold,
                    min([order.price, *(one.price for one in order.pending)]),
                )
                for order in exposure.orders.values()
                if order.hold
            ]
    return found


def received(
    state: State,
    every: Iterable[Flow],
    nets: Mapping[AssetId, Amount],
    price_at: Callable[[Asset], Price],
    *,
    is_initial: bool,
) -> Amount:
    """Worth that spot orders bring for sure, whichever of them fill, where all that they give has been counted as lost.

        sum over orders of min(what it gets, what it gives), each at the average weight over all orders of its asset

    Rounds   down, against the account
    Source   M-4: the haircut of what is received. Weights fall with size, so an average over all orders bounds what one brings
    """
    ins: dict[AssetId, Amount] = {}
    outs: dict[AssetId, Amount] = {}
    every = list(every)
    for flow in every:
        ins[flow.into] = ins.get(flow.into, 0) + flow.got
        outs[flow.out] = outs.get(flow.out, 0) + flow.given

    def added(asset_id: AssetId, low: Amount, high: Amount) -> Amount:
        """Worth of going from one net to another."""
        asset = state.assets[asset_id]
        weight = asset.collateral.initial_weight if is_initial else asset.collateral.maintenance_weight
        price = price_at(asset)
        return collateral_value(asset, high, price, weight) - collateral_value(asset, low, price, weight)

    net = {asset: nets.get(asset, 0) for asset in {**ins, **outs}}
    gained = {asset: added(asset, net[asset], net[asset] + amount) for asset, amount in ins.items()}
    kept = {asset: added(asset, net[asset] - amount, net[asset]) for asset, amount in outs.items()}
    return sum(
        max(
            0,
            min(
                div_floor(gained[flow.into] * flow.got, ins[flow.into]),
                div_floor(kept[flow.out] * flow.given, outs[flow.out]),
            ),
        )
        for flow in every
        if ins[flow.into]
    )
