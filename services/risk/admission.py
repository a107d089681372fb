"""Admission as in M-4: whether a subaccount can bear an order at its worst price, with all that is open; it changes nothing."""

from collections.abc import Sequence
from typing import NamedTuple

from services.core.contracts import maintenance_margin
from services.core.fixed import FRACTION_ONE, Amount, Size, account_of, div_floor
from services.core.markets import Market
from services.core.messages import Side
from services.core.reasons import Reason, Refusal
from services.risk import margin
from services.risk.fills import Flow, flow_of, flows, hold_moved, received
from services.risk.health import Health, Parts, initial_of, part_of, parts_of, price_seen, total
from services.risk.leaving import matured
from services.risk.lines import check_cash
from services.risk.open_orders import hold_asset
from services.risk.state import Exposure, OpenOrder, State, Subaccount


class Change(NamedTuple):
    """What an order, a replace or a mass quote adds at most: sizes and holds per side, and beside them the size of a reduce-only order."""

    buys: Size = 0
    sells: Size = 0
    buy_hold: Amount = 0
    sell_hold: Amount = 0
    reducing: Size = 0
    modes: int = 0

    def plus(self, side: int, size: Size, hold: Amount) -> "Change":
        """Add what one order adds."""
        if side == Side.BUY:
            return self._replace(buys=self.buys + size, buy_hold=self.buy_hold + hold)
        return self._replace(sells=self.sells + size, sell_hold=self.sell_hold + hold)


def change_of_order(order: OpenOrder) -> Change:
    """Return what a new order adds."""
    reducing = order.remaining if order.reduce_only else 0
    return Change(reducing=reducing, modes=order.modes).plus(order.side, order.adds(), order.hold)


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
    return check_contract(state, subaccount, market, exposure, change, adds_risk=adds_risk)


def check_spot(state: State, subaccount: Subaccount, market: Market, change: Change) -> Refusal | None:
    """Refuse what would leave too little margin, by the haircut of what is received, and what is not there to give."""
    if subaccount.liquidation is not None:
        return Refusal(Reason.ACCOUNT_LIQUIDATING)
    parts = parts_of(state, subaccount)
    for side, hold in ((Side.BUY, change.buy_hold), (Side.SELL, change.sell_hold)):
        asset = hold_asset(market, side)
        part = part_of(parts, asset)
        if asset in state.pools:
            refusal = check_cash(state, subaccount, asset, hold, subaccount.modes | change.modes) if hold else None
            if refusal is not None:
                return refusal
            continue
        available = max(0, part.idle + min(0, part.profit) - part.holds)
        if hold > available:
            return Refusal(Reason.INSUFFICIENT_FUNDS, available)
    for side, hold in ((Side.BUY, change.buy_hold), (Side.SELL, change.sell_hold)):
        part_of(parts, hold_asset(market, side)).holds += hold
    given = [part_of(parts, hold_asset(market, side)) for side in (Side.BUY, Side.SELL)]
    if any(part.net < part.holds for part in given):
        parts = matured(state, subaccount, parts)  # What is borrowed is borrowed on what may leave.
    missing = missing_initial(state, subaccount, parts, new_flows(state, market, change))
    return Refusal(Reason.INSUFFICIENT_MARGIN, missing) if missing > 0 else None


def check_contract(
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
    position_max = position_limit(state, subaccount, market)
    if after > max(before, position_max):
        return Refusal(Reason.POSITION_LIMIT, position_max)
    if subaccount.liquidation is not None:
        return Refusal(Reason.ACCOUNT_LIQUIDATING)
    parts = parts_of(state, subaccount)
    part = part_of(parts, market.settlement_asset)
    part.holds += change.buy_hold + change.sell_hold
    if after != before:
        part.initial += initial_of(state, subaccount, market, after) - initial_of(state, subaccount, market, before)
    missing = missing_initial(state, subaccount, parts)
    if missing <= 0 or (not adds_risk and lowers_risk(state, subaccount, market, exposure, change)):
        return None
    return Refusal(Reason.INSUFFICIENT_MARGIN, missing)


def position_limit(state: State, subaccount: Subaccount, market: Market) -> Size:
    """Largest position that the account's tier may open; rounds down to the lot."""
    account = state.accounts.get(account_of(subaccount.id))
    share, _orders = state.limit_tiers.get(account.tier if account is not None else 0, (FRACTION_ONE, 0))
    limit = div_floor(market.position_max * share, FRACTION_ONE)
    return limit - limit % market.lot


def new_flows(state: State, market: Market, change: Change) -> list[Flow]:
    """What a change of spot orders gives and gets at most: bought at what is held for it, sold at the edge of the band."""
    edge = margin.protection_price(market, Side.SELL, state.marks[market.id].price)
    bought = flow_of(market, Side.BUY, change.buys, change.buy_hold, edge)
    sold = flow_of(market, Side.SELL, change.sells, change.sell_hold, edge)
    return [flow for flow in (bought, sold) if flow.given]


def missing_initial(state: State, subaccount: Subaccount, parts: Parts, coming: Sequence[Flow] = ()) -> Amount:
    """Worth that initial margin lacks if every order filled now, <= 0 when it is covered (M-4).

    Resting orders may fill the next moment, so what they would lose at the marks of now beyond what they hold counts too. Single
    orders are looked at only where the most that this can be, and the least that spot orders bring, leave doubt.
    """
    missing = 0
    for at_most in (True, False):
        held = {asset: part.holds for asset, part in parts.items()}
        hold_moved(state, subaccount, parts, at_most=at_most)
        now = total(state, parts)
        missing = now.initial - now.equity_initial
        if missing <= 0:
            return missing
        for asset, part in parts.items():
            part.holds = held.get(asset, 0)
    every = [*flows(state, subaccount), *coming]
    nets = {asset: part.net for asset, part in parts.items()}
    return missing - received(state, every, nets, price_seen(state), is_initial=True)


def lowers_risk(state: State, subaccount: Subaccount, market: Market, exposure: Exposure, change: Change) -> bool:
    """Whether what closes may pass without initial margin, for risk falls even at its worst price and with all that is open (F-DX-6)."""
    now = total(state, parts_of(state, subaccount))
    side = Side.SELL if exposure.size > 0 else Side.BUY
    resting = exposure.buys + change.buys if side == Side.BUY else exposure.sells + change.sells
    left = abs(exposure.size) - min(abs(exposure.size), resting + change.reducing)
    mark_price = state.marks[market.id].price
    parts = parts_of(state, subaccount)
    part = part_of(parts, market.settlement_asset)
    part.maintenance += maintenance_margin(market, left, mark_price) - maintenance_margin(
        market, exposure.size, mark_price
    )
    part.holds += change.buy_hold + change.sell_hold
    nets = {asset: one.net for asset, one in parts.items()}
    for one in parts.values():
        one.idle -= one.holds
    after: Health = total(state, parts)
    brought = received(state, flows(state, subaccount), nets, price_seen(state), is_initial=False)
    return margin.lowers_risk(now.equity, now.maintenance, after.equity + brought, after.maintenance)
