"""Debts that are repaid before maintenance is near: by selling collateral in paced orders, one at a time (M-7, F-4.4, F-5.5 d)."""

from services.core.fixed import Amount, AssetId, div_floor
from services.core.messages import Message, OrderAdmitted, OrderKind, TimeInForce
from services.core.pool import Stress
from services.risk import margin
from services.risk.conversion import Sale, best_sale
from services.risk.health import Health, Part, worth_of
from services.risk.open_orders import add_order, hold_of
from services.risk.state import OpenOrder, State, Subaccount

EQUITY_MULTIPLE = 10
"""A debt larger than so many times the equity is repaid."""
PACE = 4
"""An order takes at most one of so many equal parts of the depth that the book showed last."""


def convert(state: State, subaccount: Subaccount, now: Health) -> list[Message]:
    """Send the next order that turns collateral into what is owed, if a debt asks for it and none is under way."""
    if not any(one.debt for one in subaccount.claims.values()) or is_converting(subaccount):
        return []
    if not any(must_convert(state, asset, part, now) for asset, part in now.parts.items()):
        return []
    sale = best_sale(state, subaccount, now)
    paced = pace(state, sale) if sale is not None else None
    return [send(state, subaccount, paced)] if paced is not None else []


def must_convert(state: State, asset: AssetId, part: Part, now: Health) -> bool:
    """Whether a debt is beyond its cap or a multiple of equity, or the pool's stress asks for repayment."""
    pool, listed = state.pools.get(asset), state.assets.get(asset)
    if pool is None or listed is None or listed.pool is None or part.net >= 0 or not part.owed:
        return False
    cap: Amount = listed.pool.account_debt_max
    if pool.stress >= Stress.AUTO_REPAY or (cap and part.owed > cap):
        return True
    return worth_of(state, asset, part.owed) > EQUITY_MULTIPLE * max(0, now.equity)


def is_converting(subaccount: Subaccount) -> bool:
    """Whether an order of this kind is under way."""
    return any(
        order.kind == OrderKind.CONVERSION
        for exposure in subaccount.exposures.values()
        for order in exposure.orders.values()
    )


def pace(state: State, sale: Sale) -> Sale | None:
    """Make a sale no larger than a part of what the book showed; None where it showed too little."""
    mark, market = state.marks[sale.market.id], sale.market
    depth = mark.ask_depth if sale.side > 0 else mark.bid_depth
    size = min(sale.size, div_floor(depth, PACE * market.lot) * market.lot)
    return sale._replace(size=size) if size else None


def send(state: State, subaccount: Subaccount, sale: Sale) -> OrderAdmitted:
    """Send an IOC, no worse than the edge of the band."""
    market, mark_price = sale.market, state.marks[sale.market.id].price
    subaccount.refs += 1
    price = margin.protection_price(market, sale.side, mark_price)
    kind = OrderKind.CONVERSION
    order = OpenOrder(
        subaccount.refs,
        0,
        0,
        sale.side,
        price,
        sale.size,
        sale.size,
        kind,
        reduce_only=False,
        mark_price_held=mark_price,
        hold=0,
    )
    order.hold = hold_of(market, order)
    add_order(state, subaccount, market, order)
    return OrderAdmitted(
        subaccount.id,
        market.id,
        order.ref,
        sale.side,
        TimeInForce.IOC,
        price,
        sale.size,
        reduce_only=False,
        kind=kind,
        adds_risk=False,
    )
