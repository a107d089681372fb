"""Admission as in M-4: whether a subaccount can bear an order at its worst price, with all that is open; it changes nothing."""

from typing import NamedTuple

from services.core.fixed import Amount, AssetId, Price, Size
from services.core.markets import Market
from services.core.messages import Side
from services.core.reasons import Reason, Refusal
from services.risk import margin
from services.risk.health import Health, health, settled_in
from services.risk.margin_call import margin_at_most
from services.risk.state import Exposure, State, Subaccount, hold_asset, hold_at


class Change(NamedTuple):
    """What an order, a replace or a mass quote adds at most: sizes and holds per side, and beside them the size of a reduce-only order."""

    buys: Size = 0
    sells: Size = 0
    buy_hold: Amount = 0
    sell_hold: Amount = 0
    reducing: Size = 0

    def plus(self, side: int, size: Size, hold: Amount) -> "Change":
        """Add what one order adds."""
        if side == Side.BUY:
            return self._replace(buys=self.buys + size, buy_hold=self.buy_hold + hold)
        return self._replace(sells=self.sells + size, sell_hold=self.sell_hold + hold)


def closes_at_most(exposure: Exposure, side: int, size: Size, *, reduce_only: bool) -> bool:
    """Whether an order, with all resting ones of its side, at most closes the position."""
    closable = max(0, -side * exposure.size)
    resting = exposure.buys if side == Side.BUY else exposure.sells
    return resting + (min(size, closable) if reduce_only else size) <= closable


def check_admission(
    state: State, subaccount: Subaccount, market: Market, change: Change, *, adds_risk: bool
) -> Refusal | None:
    """Refuse what the subaccount cannot bear: position limit, liquidation, margin, money."""
    exposure = subaccount.exposures.get(market.id) or Exposure(market.id)
    if market.is_spot:
        return check_spot(state, subaccount, market, change)
    return check_perpetual(state, subaccount, market, exposure, change, adds_risk=adds_risk)


def check_spot(state: State, subaccount: Subaccount, market: Market, change: Change) -> Refusal | None:
    """Refuse a purchase by which too little margin would be left, for what is bought counts nothing yet, and what is not there to give."""
    if subaccount.liquidation is not None:
        return Refusal(Reason.ACCOUNT_LIQUIDATING)
    if change.buy_hold > 0:
        now = health(state, subaccount, market.settlement_asset)
        missing = now.initial + now.holds + change.buy_hold - now.equity
        missing += lost_since_held(state, subaccount, market.settlement_asset, now, missing)
        if missing > 0:
            return Refusal(Reason.INSUFFICIENT_MARGIN, missing)
    for side, hold in ((Side.BUY, change.buy_hold), (Side.SELL, change.sell_hold)):
        asset = hold_asset(market, side)
        available = max(0, subaccount.idle.get(asset, 0) - subaccount.holds.get(asset, 0))
        if hold > available:
            return Refusal(Reason.INSUFFICIENT_FUNDS, available)
    return None


def check_perpetual(
    state: State, subaccount: Subaccount, market: Market, exposure: Exposure, change: Change, *, adds_risk: bool
) -> Refusal | None:
    """Refuse for the position limit or for initial margin; an order that lowers risk passes (F-DX-6)."""
    shrinks = exposure.reducing > 0
    before = margin.worst_size(exposure.size, exposure.buys, exposure.sells, may_shrink=shrinks)
    after = margin.worst_size(
        exposure.size,
        exposure.buys + change.buys,
        exposure.sells + change.sells,
        may_shrink=shrinks or change.reducing > 0,
    )
    if after > max(before, market.position_max):
        return Refusal(Reason.POSITION_LIMIT, market.position_max)
    if subaccount.liquidation is not None:
        return Refusal(Reason.ACCOUNT_LIQUIDATING)
    now = health(state, subaccount, market.settlement_asset)
    mark_price = state.marks[market.id].price
    initial = (
        now.initial
        - margin.initial_margin(market, before, mark_price)
        + margin.initial_margin(market, after, mark_price)
    )
    missing = initial + now.holds + change.buy_hold + change.sell_hold - now.equity
    missing += lost_since_held(state, subaccount, market.settlement_asset, now, missing)
    if missing <= 0 or (not adds_risk and lowers_risk(market, exposure, change, now, mark_price)):
        return None
    return Refusal(Reason.INSUFFICIENT_MARGIN, missing)


def lost_since_held(state: State, subaccount: Subaccount, asset: AssetId, now: Health, missing: Amount) -> Amount:
    """What resting orders would lose to the marks of now beyond what they hold, for they may fill the next moment (M-4).

    Looks at single orders only where the most that marks can have moved against them decides.
    """
    most = margin_at_most(state, subaccount, asset, now) - now.initial - now.holds
    if missing > 0 or missing + most <= 0:
        return 0
    return sum(
        max(0, hold_at(market, order, state.marks[market.id].price) - order.hold)
        for market, exposure in settled_in(state, subaccount, asset)
        if not market.is_spot
        for order in exposure.orders.values()
    )


def lowers_risk(market: Market, exposure: Exposure, change: Change, now: Health, mark_price: Price) -> bool:
    """Whether what closes may pass without initial margin, for risk falls even at its worst price (F-DX-6)."""
    side = Side.SELL if exposure.size > 0 else Side.BUY
    resting = exposure.buys + change.buys if side == Side.BUY else exposure.sells + change.sells
    closed = min(abs(exposure.size), resting + change.reducing)
    released = margin.maintenance_margin(market, exposure.size, mark_price) - margin.maintenance_margin(
        market, abs(exposure.size) - closed, mark_price
    )
    equity_after = now.equity - now.holds - change.buy_hold - change.sell_hold
    return margin.lowers_risk(now.equity, now.maintenance, equity_after, now.maintenance - released)
