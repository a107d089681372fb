"""Orders that add risk are cancelled while the account could still bear their fills: the step before liquidation (M-4, M-5, M-12)."""

from services.core.contracts import notional
from services.core.fixed import Amount, AssetId, Price
from services.core.markets import Market
from services.core.messages import CancelRequested, MarginCalled, Message, Side
from services.core.reasons import Reason
from services.risk import margin
from services.risk.health import Health, settled_in
from services.risk.state import Exposure, OpenOrder, State, Subaccount, hold_at


def margin_at_most(state: State, subaccount: Subaccount, asset: AssetId, now: Health) -> Amount:
    """Never less than margin_after_fills, without a look at single orders: initial margin, holds, and what marks have moved since.

    An order loses to the mark of now at most what it holds and what the mark has moved against it since it was held.
    """
    needed = now.initial + now.holds
    for market, exposure in settled_in(state, subaccount, asset):
        if not market.is_spot:
            mark_price = state.marks[market.id].price
            fallen = max(0, exposure.buy_mark_held - mark_price) if exposure.buys else 0
            risen = max(0, mark_price - exposure.sell_mark_held) if exposure.sells else 0
            needed += notional(market, exposure.buys, fallen) + notional(market, exposure.sells, risen)
    return needed


def margin_after_fills(state: State, subaccount: Subaccount, asset: AssetId) -> Amount:
    """Maintenance margin and losses if open orders filled now, each market at its worse side.

        sum over markets of max(maintenance(size), worse side of maintenance(size after) + fees and losses to the mark)

    Units    settlement units, >= 0; a spot purchase loses what it pays, for what it buys is weighted 0
    Rounds   up, against the account
    Source   M-4, M-5
    """
    needed = 0
    for market, exposure in settled_in(state, subaccount, asset):
        mark_price = state.marks[market.id].price
        buys = side_after_fills(market, exposure, Side.BUY, mark_price)
        if market.is_spot:
            needed += buys
            continue
        sells = side_after_fills(market, exposure, Side.SELL, mark_price)
        needed += max(margin.maintenance_margin(market, exposure.size, mark_price), buys, sells)
    return needed


def side_after_fills(market: Market, exposure: Exposure, side: int, mark_price: Price) -> Amount:
    """Maintenance margin of the position after every order of a side, with their fees and losses; 0 without such orders."""
    ours = [order for order in exposure.orders.values() if order.side == side]
    narrow_marks(exposure, side, [order.mark_price_held for order in ours])
    adding = [order for order in ours if order.adds()]
    if not adding:
        return 0
    paid = sum(hold_at(market, order, mark_price) for order in adding)
    after = exposure.size + side * sum(order.adds() for order in adding)
    return paid + (0 if market.is_spot else margin.maintenance_margin(market, after, mark_price))


def narrow_marks(exposure: Exposure, side: int, held: list[Price]) -> None:
    """Keep the marks held to those of the orders that are open."""
    if side == Side.BUY:
        exposure.buy_mark_held = max(held, default=0)
    else:
        exposure.sell_mark_held = min(held, default=0)


def is_call_due(state: State, subaccount: Subaccount, asset: AssetId, now: Health) -> bool:
    """Whether the fills of its open orders would leave the subaccount below maintenance margin."""
    has_orders = any(exposure.buys or exposure.sells for exposure in subaccount.exposures.values())
    if not has_orders or now.equity >= margin_at_most(state, subaccount, asset, now):
        return False
    return now.equity < margin_after_fills(state, subaccount, asset)


def margin_call(state: State, subaccount: Subaccount, asset: AssetId, now: Health) -> list[Message]:
    """Ask for the cancel of every order that adds risk, once each; [] when all are on their way already."""
    cancels: list[Message] = [
        cancel(subaccount, market, order)
        for market, exposure in settled_in(state, subaccount, asset)
        for order in exposure.orders.values()
        if adds_risk(market, exposure, order) and not order.ending
    ]
    return [MarginCalled(subaccount.id, asset, now.equity, now.maintenance), *cancels] if cancels else []


def adds_risk(market: Market, exposure: Exposure, order: OpenOrder) -> bool:
    """Whether a fill could take the position further from zero, or money into coins that count nothing."""
    if market.is_spot:
        return order.side == Side.BUY
    return order.adds() > 0 and order.side * exposure.size + order.adds() > 0


def cancel(subaccount: Subaccount, market: Market, order: OpenOrder) -> CancelRequested:
    """Ask for the cancel of one order."""
    order.ending = True
    return CancelRequested(subaccount.id, market.id, order.ref, 0, Reason.CANCELLED_BY_MARGIN)
