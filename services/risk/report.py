"""Margin explained line by line, as a trader asks for it: what each asset, position and order takes, and what binds; it changes nothing."""

from collections.abc import Iterator
from dataclasses import replace

from services.core import contracts
from services.core.collateral import WORTH_DECIMALS, collateral_value, worth
from services.core.contracts import notional
from services.core.fixed import FRACTION_ONE, Amount, Fraction, Price, div_floor
from services.core.markets import Asset, Market
from services.core.messages import Side
from services.risk import margin
from services.risk.fills import required
from services.risk.health import (
    Health,
    Part,
    debt_initial,
    debt_maintenance,
    fraction_min,
    health,
    initial_of,
    is_liquidatable,
    owed,
    price_of,
)
from services.risk.liquidation_price import liquidation_price
from services.risk.money import available_amount
from services.risk.state import Exposure, Mark, State, Subaccount, hold_asset
from vigil.v1 import trading_pb2 as pb


def report(state: State, subaccount: Subaccount) -> pb.MarginReport:
    """Explain one subaccount at the prices seen."""
    now = health(state, subaccount)
    exposures = [subaccount.exposures[market] for market in sorted(subaccount.exposures)]
    assets = [
        asset_line(state, subaccount, state.assets[asset], now.parts[asset])
        for asset in sorted(now.parts)
        if asset in state.assets
    ]
    positions = [position_line(state, subaccount, one) for one in exposures if one.size]
    orders = [line for one in exposures if one.orders for line in order_lines(state, subaccount, one)]
    free = now.equity_initial - now.initial
    binding, text = bound(subaccount, now, assets)
    return pb.MarginReport(
        subaccount=subaccount.id,
        at_ms=state.now_ms,
        equity=now.equity,
        equity_initial=now.equity_initial,
        initial_margin=now.initial,
        maintenance_margin=now.maintenance,
        free_collateral=free,
        leverage=div_floor(now.notional * FRACTION_ONE, now.equity) if now.equity > 0 else 0,
        leverage_max=subaccount.leverage_max,
        is_liquidating=subaccount.liquidation is not None,
        binding=binding,
        binding_text=text,
        assets=assets,
        positions=positions,
        orders=orders,
    )


def asset_line(state: State, subaccount: Subaccount, asset: Asset, part: Part) -> pb.MarginAsset:
    """One asset: its net, weighed; what orders hold of it counts as gone for initial margin."""
    price, terms = price_of(state, asset), asset.collateral
    left = part.net - part.holds
    initial = collateral_value(asset, left, price, terms.initial_weight)
    maintenance = collateral_value(asset, part.net, price, terms.maintenance_weight)
    return pb.MarginAsset(
        asset=asset.id,
        symbol=asset.symbol,
        idle=part.idle,
        hold=part.holds,
        unrealised=part.profit,
        net=part.net,
        price=price,
        weight_initial=weight_in_force(asset, left, price, initial, terms.initial_weight),
        weight_maintenance=weight_in_force(asset, part.net, price, maintenance, terms.maintenance_weight),
        value_initial=initial,
        value_maintenance=maintenance,
        borrow_initial=debt_initial(asset, -left, price) if left < 0 else 0,
        borrow_maintenance=debt_maintenance(asset, -part.net, price) if part.net < 0 else 0,
        withdrawable=available_amount(state, subaccount, asset.id),
    )


def weight_in_force(asset: Asset, net: Amount, price: Price, value: Amount, weight: Fraction) -> Fraction:
    """Weight that a net has got, all of it for a debt; rounds down, it is only shown."""
    full = worth(asset, net, price)
    if net < 0:
        return FRACTION_ONE
    return div_floor(value * FRACTION_ONE, full) if full else weight


def position_line(state: State, subaccount: Subaccount, exposure: Exposure) -> pb.MarginPosition:
    """One position: what it is worth, what it needs and why so much, and where it would be liquidated."""
    market, size = state.markets[exposure.market], exposure.size
    mark_price, asset = state.marks[market.id].price, market.settlement_asset
    held = notional(market, size, mark_price)
    fraction, cause = fraction_in_force(state, subaccount, market, held)
    maintenance = contracts.maintenance_of(market, held)
    return pb.MarginPosition(
        market=market.id,
        symbol=market.symbol,
        size=size,
        entry_price=entry_price(market, exposure),
        mark_price=mark_price,
        notional=held,
        unrealised_pnl=margin.unrealised_pnl(market, size, exposure.cash, mark_price) - owed(state, market, exposure),
        initial_fraction=fraction,
        maintenance_fraction=div_floor(maintenance * FRACTION_ONE, held) if held else 0,
        initial=required(state, asset, initial_of(state, subaccount, market, size)),
        maintenance=required(state, asset, maintenance),
        liquidation_price=liquidated_at(state, subaccount, market),
        cause=cause,
    )


def fraction_in_force(
    state: State, subaccount: Subaccount, market: Market, held: Amount
) -> tuple[Fraction, pb.FractionCause.ValueType]:
    """Initial margin fraction of a notional, and what makes it so high."""
    base = market.initial_margin_fraction
    sized = contracts.initial_fraction(market, held)
    lower, upper = market.open_interest_lower, market.open_interest_upper
    scaled = contracts.scaled_by_interest(sized, state.marks[market.id].open_interest, lower, upper)
    own = fraction_min(subaccount)
    if own > scaled:
        return own, pb.FRACTION_CAUSE_LEVERAGE
    if scaled > sized:
        return scaled, pb.FRACTION_CAUSE_OPEN_INTEREST
    if sized > base:
        return sized, pb.FRACTION_CAUSE_TIER if market.tiers else pb.FRACTION_CAUSE_SIZE
    return base, pb.FRACTION_CAUSE_BASE


def entry_price(market: Market, exposure: Exposure) -> Price:
    """Price at which the position was entered on average; rounds down, it is only shown.

    linear    |basis| / (|size| * unit)
    inverse   |size| * face / |basis|
    """
    if market.is_inverse:
        numerator, denominator = market.face_unit
        basis = abs(exposure.basis)
        return div_floor(abs(exposure.size) * numerator, denominator * basis) if basis else 0
    numerator, denominator = market.unit
    return div_floor(abs(exposure.basis) * denominator, abs(exposure.size) * numerator)


def liquidated_at(state: State, subaccount: Subaccount, market: Market) -> Price:
    """Mark at which the subaccount would fall below maintenance margin, on the tick; 0 for none.

    Everything on the market's index moves with it in proportion: other markets, and the coin itself as collateral. All else stays as it is,
    which it will not: nobody is liquidated by this number (M-5).
    """
    moved = replace(state, marks=dict(state.marks), collateral=dict(state.collateral))
    mark_price = state.marks[market.id].price

    def is_below(ticks: int) -> bool:
        """Whether the subaccount is below at so many ticks."""
        move_index(state, moved, subaccount, market, ticks * market.tick)
        return is_liquidatable(health(moved, subaccount))

    ticks, highest = div_floor(mark_price, market.tick), div_floor(market.price_max, market.tick)
    return liquidation_price(is_below, ticks, 1, max(ticks, highest)) * market.tick


def move_index(state: State, moved: State, subaccount: Subaccount, market: Market, price: Price) -> None:
    """Take a market to a price, and what stands on the same index with it; rounds down to ticks."""
    mark_price = state.marks[market.id].price
    for market_id in subaccount.exposures:
        other = state.markets[market_id]
        if other.index == market.index and market_id in state.marks:
            mark = state.marks[market_id]
            scaled = price if market_id == market.id else div_floor(mark.price * price, mark_price)
            moved.marks[market_id] = replace(mark, price=max(other.tick, scaled - scaled % other.tick))
    for asset_id, seen in state.collateral.items():
        if state.assets[asset_id].collateral.index == market.index:
            moved.collateral[asset_id] = Mark(div_floor(seen.price * price, mark_price), seen.seen_ms)


def order_lines(state: State, subaccount: Subaccount, exposure: Exposure) -> Iterator[pb.MarginOrders]:
    """Open orders of one market; those of a spot market hold two assets, a line each."""
    market = state.markets[exposure.market]
    worst = margin.worst_size(exposure.size, exposure.buys, exposure.sells, may_shrink=exposure.reducing > 0)
    added = 0
    if not market.is_spot:
        whole = initial_of(state, subaccount, market, worst) - initial_of(state, subaccount, market, exposure.size)
        added = required(state, market.settlement_asset, whole)
    holds = {Side.BUY: 0, Side.SELL: 0}
    for order in exposure.orders.values():
        holds[Side(order.side) if market.is_spot else Side.BUY] += order.hold
    long = worst if exposure.size + exposure.buys >= exposure.sells - exposure.size else -worst
    for side, hold in holds.items():
        if hold or (side is Side.BUY and not market.is_spot):
            yield pb.MarginOrders(
                market=market.id,
                symbol=market.symbol,
                buys=exposure.buys if side is Side.BUY else 0,
                sells=exposure.sells if side is Side.SELL or not market.is_spot else 0,
                worst_size=0 if market.is_spot else long,
                hold=hold,
                hold_asset=hold_asset(market, side),
                initial=added,
            )


def bound(subaccount: Subaccount, now: Health, assets: list[pb.MarginAsset]) -> tuple[pb.MarginBinding.ValueType, str]:
    """What binds a subaccount now, and the same in words."""
    free = now.equity_initial - now.initial
    if subaccount.liquidation is not None:
        return pb.MARGIN_BINDING_MAINTENANCE, "being liquidated: no command but cancels is taken until it is done"
    if is_liquidatable(now):
        short = money(now.maintenance - now.equity)
        return (
            pb.MARGIN_BINDING_MAINTENANCE,
            f"equity is {short} below maintenance margin: liquidation begins with the next mark",
        )
    spare = money(now.equity - now.maintenance)
    if free < 0:
        text = f"{money(-free)} below initial margin: only what reduces is accepted; {spare} above liquidation"
        return pb.MARGIN_BINDING_INITIAL, text
    kept = [line.symbol for line in assets if line.withdrawable < max(0, line.idle - line.hold)]
    room = f"margin of {money(free)} is free for new positions"
    room += f"; equity is {spare} above liquidation" if now.maintenance else ""
    if kept:
        return pb.MARGIN_BINDING_WITHDRAWAL, f"{room}; of {', '.join(kept)} a part must stay"
    return pb.MARGIN_BINDING_NOTHING, room


def money(amount: Amount) -> str:
    """Worth as people read it, to the cent; rounds down."""
    cents = div_floor(amount, 10 ** (WORTH_DECIMALS - 2))
    return f"{div_floor(cents, 100):,}.{cents % 100:02d} USD"
