"""Market orders that close: where their worst price would cost more than it relieves, a nearer one that does not."""

from services.core.fixed import Price, div_floor
from services.core.markets import Market
from services.core.messages import Side
from services.core.reasons import Reason, Refusal
from services.risk import margin
from services.risk.admission import change_of_order, check_admission
from services.risk.open_orders import hold_of
from services.risk.state import OpenOrder, State, Subaccount


def admit_nearer(
    state: State, subaccount: Subaccount, market: Market, order: OpenOrder, refusal: Refusal
) -> Refusal | None:
    """Give a market order that closes, refused at its worst price, the worst one at which it may pass; the refusal when there is none.

    A stop-loss is wanted most by accounts for which a fill at the edge of the band would raise risk. The nearer its worst price to the
    mark, the less its fill can cost, so halving over the ticks between finds the worst that admission takes.

    Rounds   to the tick that favours the account at the mark
    Source   M-4, F-DX-6
    """
    if refusal.reason is not Reason.INSUFFICIENT_MARGIN:
        return refusal
    nearest = nearest_price(market, order.side, state.marks[market.id].price)

    def passes(ticks: int) -> bool:
        """Whether the order passes so many ticks beyond the nearest price; it has that price from then on."""
        order.price = nearest + order.side * ticks * market.tick
        order.hold = hold_of(market, order)
        return check_admission(state, subaccount, market, change_of_order(order), adds_risk=False) is None

    most = max(0, div_floor(order.side * (order.price - nearest), market.tick))
    if not passes(0):
        return refusal
    passes(margin.largest(most, passes))
    return None


def nearest_price(market: Market, side: int, mark_price: Price) -> Price:
    """The mark, or the first price of the tick that is better than it for the side."""
    return mark_price - mark_price % market.tick if side == Side.BUY else mark_price + -mark_price % market.tick
