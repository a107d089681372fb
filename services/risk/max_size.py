"""The largest order that would be admitted now, found by the admission check itself; it changes nothing."""

from collections.abc import Callable
from typing import TypeAlias

from services.core.fixed import Price, Size, SubaccountId, account_of, div_floor
from services.core.markets import Market
from services.core.messages import CommandHeader, MarketState, OrderKind, PlaceOrder, Side, TimeInForce
from services.core.reasons import TEXT, Reason, Refusal
from services.risk import margin
from services.risk.binding import grouped, lacking, unit_of
from services.risk.open_orders import hold_asset
from services.risk.orders import Origin, check_order
from services.risk.state import Exposure, State
from vigil.v1 import trading_pb2 as pb

Refuses: TypeAlias = Callable[[int], Refusal | None]
"""Why an order of so many lots would be refused."""
BOUNDS = {
    Reason.INSUFFICIENT_MARGIN: pb.SIZE_BOUND_MARGIN,
    Reason.ACCOUNT_LIQUIDATING: pb.SIZE_BOUND_MARGIN,
    Reason.INSUFFICIENT_FUNDS: pb.SIZE_BOUND_FUNDS,
    Reason.INVALID_SIZE: pb.SIZE_BOUND_ORDER_SIZE,
    Reason.POSITION_LIMIT: pb.SIZE_BOUND_POSITION_LIMIT,
}
"""What a larger order would pass; every other reason is the market's."""


def max_size(
    state: State, subaccount: SubaccountId, market: Market, side: int, price: Price, *, reduce_only: bool
) -> pb.MaxOrderSize:
    """Find the largest multiple of the lot that a PlaceOrder of now would be admitted with, and what bounds it.

    Price 0 is a market order. What margin lacks never falls when the size rises, so that halving finds the bound; an order below the
    smallest notional is refused for that, not for being too large.
    """
    known = state.subaccounts.get(subaccount)
    exposure = (known and known.exposures.get(market.id)) or Exposure(market.id)
    closable = max(0, -side * exposure.size)
    most = min(market.order_size_max, closable) if reduce_only else market.order_size_max
    refuses = asking(state, subaccount, market, side, price, reduce_only=reduce_only)
    found = margin.largest(div_floor(most, market.lot), lambda lots: is_small(refuses(lots)))
    size = 0 if found == 0 or refuses(found) is not None else found * market.lot
    refusal = refuses(found + 1)
    if refusal is None or (reduce_only and found * market.lot == closable):
        bound, text = pb.SIZE_BOUND_POSITION, f"{size_text(market, closable)} is all there is to reduce"
    else:
        bound, text = bound_of(state, market, side, refusal, is_none=size == 0)
    return pb.MaxOrderSize(
        size=size,
        bound=bound,
        price=worst_price(state, market, side, price),
        text=text + interest_text(state, market, size, closable),
        at_ms=state.now_ms,
    )


def asking(
    state: State, subaccount: SubaccountId, market: Market, side: int, price: Price, *, reduce_only: bool
) -> Refuses:
    """Return the question what admission would say to an order, by its lots."""
    header = CommandHeader(account_of(subaccount), 0, 0, 0, 0)
    tif = TimeInForce.GTC if price else TimeInForce.IOC

    def refuses(lots: int) -> Refusal | None:
        """Why an order of so many lots would be refused."""
        place = PlaceOrder(header, subaccount, market.id, side, tif, price, lots * market.lot, reduce_only=reduce_only)
        found = check_order(state, place, Origin(OrderKind.CLIENT, 0))
        return found if isinstance(found, Refusal) else None

    return refuses


def is_small(refusal: Refusal | None) -> bool:
    """Whether an order is not too large; one that is too small for the market is not."""
    return refusal is None or refusal.reason is Reason.BELOW_NOTIONAL_MIN


def worst_price(state: State, market: Market, side: int, price: Price) -> Price:
    """Price at which an order is reckoned: its own, or the edge of the band; 0 while there is no mark."""
    if price or market.id not in state.marks:
        return price
    return margin.protection_price(market, side, state.marks[market.id].price)


def bound_of(
    state: State, market: Market, side: int, refusal: Refusal, *, is_none: bool
) -> tuple[pb.SizeBound.ValueType, str]:
    """Name what one lot more would pass, with its number; `is_none` when no order at all is taken."""
    reason, limit = refusal
    bound = BOUNDS.get(reason, pb.SIZE_BOUND_MARKET)
    if reason is Reason.INSUFFICIENT_MARGIN:
        order = "the smallest order" if is_none else "one lot more"
        return bound, f"{order} would leave initial margin short of {lacking(limit)} {unit_of(state)}"
    if reason is Reason.INSUFFICIENT_FUNDS:
        asset = state.assets[hold_asset(market, side)]
        with_fee = ", its fee included" if side == Side.BUY else ""
        return bound, f"{grouped(limit, asset.decimals)} {asset.symbol} is there to give{with_fee}"
    if reason is Reason.INVALID_SIZE:
        return bound, f"an order of this market is at most {size_text(market, limit)}"
    if reason is Reason.POSITION_LIMIT:
        return bound, f"position and orders together may reach {size_text(market, limit)}"
    return bound, TEXT[reason].format(limit=limit_text(market, refusal))


def limit_text(market: Market, refusal: Refusal) -> str:
    """Limit of a refusal by the market, as people write it."""
    reason, limit = refusal
    if reason in (Reason.INVALID_PRICE, Reason.OUTSIDE_BAND):
        return grouped(limit, market.price_decimals)
    return MarketState(limit).name if reason is Reason.MARKET_STATE else str(limit)


def interest_text(state: State, market: Market, size: Size, closable: Size) -> str:
    """What the market's open interest leaves of a size, where that is less: matching stops what comes beyond (F-5.14)."""
    if not market.open_interest_max or market.id not in state.marks:
        return ""
    room = max(0, market.open_interest_max - state.marks[market.id].open_interest)
    if size <= closable + room:
        return ""
    return f"; the market's open interest has room for {size_text(market, closable + room)} to trade at once"


def size_text(market: Market, size: Size) -> str:
    """A size as people write it."""
    return grouped(size, market.size_decimals)
