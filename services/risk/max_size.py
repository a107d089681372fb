"""The largest order that would be admitted now, found by the admission check itself; it changes nothing."""

from services.core.fixed import Price, SubaccountId, account_of, div_floor
from services.core.markets import Market
from services.core.messages import CommandHeader, OrderKind, PlaceOrder, TimeInForce
from services.core.reasons import Reason, Refusal
from services.risk import margin
from services.risk.orders import Origin, check_order
from services.risk.state import State
from vigil.v1 import trading_pb2 as pb

BOUNDS = {
    Reason.INSUFFICIENT_MARGIN: (pb.SIZE_BOUND_MARGIN, "initial margin would not be covered"),
    Reason.INSUFFICIENT_FUNDS: (pb.SIZE_BOUND_FUNDS, "there is no more to give"),
    Reason.INVALID_SIZE: (pb.SIZE_BOUND_ORDER_SIZE, "an order of this market is no larger"),
    Reason.POSITION_LIMIT: (pb.SIZE_BOUND_POSITION_LIMIT, "position and orders together may reach no more"),
}
"""What a larger order would pass."""


def max_size(
    state: State, subaccount: SubaccountId, market: Market, side: int, price: Price, *, reduce_only: bool
) -> pb.MaxOrderSize:
    """Find the largest multiple of the lot that a PlaceOrder of now would be admitted with, and what bounds it.

    Price 0 is a market order. What the margin can bear falls with the size, so that halving finds it; a size below the smallest notional
    is refused as an order would be.
    """
    known = state.subaccounts.get(subaccount)
    exposure = known.exposures.get(market.id) if known is not None else None
    position = max(0, -side * exposure.size) if exposure is not None else 0
    most = min(market.order_size_max, position) if reduce_only else market.order_size_max

    def refusal_of(lots: int) -> Refusal | None:
        """Why an order of so many lots would be refused."""
        header = CommandHeader(account_of(subaccount), 0, 0, 0, 0)
        tif = TimeInForce.GTC if price else TimeInForce.IOC
        place = PlaceOrder(header, subaccount, market.id, side, tif, price, lots * market.lot, reduce_only=reduce_only)
        found = check_order(state, place, Origin(OrderKind.CLIENT, 0))
        return found if isinstance(found, Refusal) else None

    def fits(lots: int) -> bool:
        """Whether it is not too large; one that is too small for the market is not."""
        refusal = refusal_of(lots)
        return refusal is None or refusal.reason is Reason.BELOW_NOTIONAL_MIN

    lots = margin.largest(div_floor(most, market.lot), fits)
    if lots and refusal_of(lots) is not None:
        lots = 0
    bound, text = bound_of(refusal_of(lots + 1), is_position=reduce_only and lots * market.lot >= position)
    return pb.MaxOrderSize(
        size=lots * market.lot,
        bound=bound,
        price=worst_price(state, market, side, price),
        text=text,
        at_ms=state.now_ms,
    )


def worst_price(state: State, market: Market, side: int, price: Price) -> Price:
    """Price at which an order is reckoned: its own, or the edge of the band; 0 while there is no mark."""
    if price or market.id not in state.marks:
        return price
    return margin.protection_price(market, side, state.marks[market.id].price)


def bound_of(refusal: Refusal | None, *, is_position: bool) -> tuple[pb.SizeBound.ValueType, str]:
    """Name what a larger order would pass."""
    if is_position:
        return pb.SIZE_BOUND_POSITION, "there is no more to reduce"
    if refusal is None:
        return pb.SIZE_BOUND_ORDER_SIZE, "an order of this market is no larger"
    return BOUNDS.get(refusal.reason) or (pb.SIZE_BOUND_MARKET, f"no order is taken now: {refusal.reason.name}")
