"""Margin explained line by line, as a trader asks for it: what each asset, position and order takes, and what binds; it changes nothing."""

from collections.abc import Iterator

from services.core import contracts
from services.core.collateral import collateral_value, worth
from services.core.contracts import notional
from services.core.fixed import FRACTION_ONE, Amount, Fraction, Price, Size, div_floor
from services.core.markets import Asset, Market
from services.core.messages import Side
from services.risk.binding import binding
from services.risk.fills import flows, moved_since_held, received, required
from services.risk.health import (
    Health,
    Part,
    Parts,
    debt_initial,
    debt_maintenance,
    fraction_min,
    health,
    initial_of,
    position_value,
    price_of,
    price_seen,
)
from services.risk.leaving import available_amount
from services.risk.lines import cash_of
from services.risk.liquidation_marks import liquidation_mark
from services.risk.open_orders import hold_asset, hold_at
from services.risk.shares import lent_and_owed
from services.risk.state import Exposure, State, Subaccount
from vigil.v1 import trading_pb2 as pb


def report(state: State, subaccount: Subaccount) -> pb.MarginReport:
    """Explain one subaccount at the prices seen. Its sums are those that admission and liquidation go by, lines round once more each."""
    now = health(state, subaccount)
    exposures = [subaccount.exposures[market] for market in sorted(subaccount.exposures)]
    brought = brings(state, subaccount, now)
    equity_initial, initial = now.equity_initial + brought, now.initial + moved_since_held(state, subaccount)
    free = equity_initial - initial
    assets = [
        asset_line(state, subaccount, state.assets[asset], now.parts[asset])
        for asset in sorted(now.parts)
        if asset in state.assets
    ]
    bound, text = binding(state, subaccount, now, free, assets)
    return pb.MarginReport(
        subaccount=subaccount.id,
        at_ms=state.now_ms,
        equity=now.equity,
        equity_initial=equity_initial,
        initial_margin=initial,
        maintenance_margin=now.maintenance,
        free_collateral=free,
        leverage=div_floor(now.notional * FRACTION_ONE, now.equity) if now.equity > 0 else 0,
        leverage_max=subaccount.leverage_max,
        is_liquidating=subaccount.liquidation is not None,
        binding=bound,
        binding_text=text,
        assets=assets,
        positions=[position_line(state, subaccount, now.parts, one) for one in exposures if one.size],
        orders=[line for one in exposures if one.orders for line in order_lines(state, subaccount, one)],
        received=brought,
    )


def brings(state: State, subaccount: Subaccount, now: Health) -> Amount:
    """Worth that open spot orders bring for sure, as admission counts it."""
    nets = {asset: part.net for asset, part in now.parts.items()}
    return received(state, flows(state, subaccount), nets, price_seen(state), is_initial=True)


def asset_line(state: State, subaccount: Subaccount, asset: Asset, part: Part) -> pb.MarginAsset:
    """One asset: its net, weighed; what orders hold of it counts as gone for initial margin."""
    price, terms = price_of(state, asset), asset.collateral
    left = part.net - part.holds
    lent, owed = lent_and_owed(state, subaccount, asset.id)
    initial = collateral_value(asset, left, price, terms.initial_weight)
    maintenance = collateral_value(asset, part.net, price, terms.maintenance_weight)
    return pb.MarginAsset(
        asset=asset.id,
        symbol=asset.symbol,
        idle=part.idle - lent + owed,
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
        withdrawable=min(
            available_amount(state, subaccount, asset.id),
            cash_of(state, subaccount, asset.id, subaccount.modes).amount,
        ),
        lent=lent,
        owed=owed,
    )


def weight_in_force(asset: Asset, net: Amount, price: Price, value: Amount, weight: Fraction) -> Fraction:
    """Weight that a net has got, all of it for a debt; rounds down, it is only shown."""
    full = worth(asset, net, price)
    if net < 0:
        return FRACTION_ONE
    return div_floor(value * FRACTION_ONE, full) if full else weight


def position_line(state: State, subaccount: Subaccount, parts: Parts, exposure: Exposure) -> pb.MarginPosition:
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
        unrealised_pnl=position_value(state, market, exposure),
        initial_fraction=fraction,
        maintenance_fraction=div_floor(maintenance * FRACTION_ONE, held) if held else 0,
        initial=required(state, asset, initial_of(state, subaccount, market, size)),
        maintenance=required(state, asset, maintenance),
        liquidation_price=liquidation_mark(state, subaccount, parts, market),
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


def order_lines(state: State, subaccount: Subaccount, exposure: Exposure) -> Iterator[pb.MarginOrders]:
    """Open orders of one market; those of a spot market may hold two assets, a line each."""
    market = state.markets[exposure.market]
    if not market.is_spot:
        yield contract_orders(state, subaccount, market, exposure)
        return
    for side, size in ((Side.BUY, exposure.buys), (Side.SELL, exposure.sells)):
        orders = [order for order in exposure.orders.values() if order.side == side]
        if orders:
            yield pb.MarginOrders(
                market=market.id,
                symbol=market.symbol,
                buys=size if side is Side.BUY else 0,
                sells=size if side is Side.SELL else 0,
                hold=sum(order.hold for order in orders),
                hold_asset=hold_asset(market, side),
            )


def contract_orders(state: State, subaccount: Subaccount, market: Market, exposure: Exposure) -> pb.MarginOrders:
    """Open orders of a contract: the margin of the worse side beyond the position's, and what marks have moved since they were held."""
    worst = worst_position(exposure)
    added = initial_of(state, subaccount, market, worst) - initial_of(state, subaccount, market, exposure.size)
    mark_price = state.marks[market.id].price
    moved = sum(max(0, hold_at(market, order, mark_price) - order.hold) for order in exposure.orders.values())
    return pb.MarginOrders(
        market=market.id,
        symbol=market.symbol,
        buys=exposure.buys,
        sells=exposure.sells,
        worst_size=worst,
        hold=sum(order.hold for order in exposure.orders.values()),
        hold_asset=market.settlement_asset,
        initial=required(state, market.settlement_asset, added + moved),
    )


def worst_position(exposure: Exposure) -> Size:
    """Largest position that fills of one side can lead to, signed; margin.worst_size is its absolute size (M-4)."""
    long, short = exposure.buys + exposure.size, exposure.sells - exposure.size
    if exposure.reducing:
        long, short = max(long, exposure.buys), max(short, exposure.sells)
    return long if long >= short else -short
