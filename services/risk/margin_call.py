"""What is left above maintenance margin if open orders filled at their worse side, over any range of prices; and the call when it is gone.

The surplus at the marks of now decides the margin call (M-4, M-12 step 1); the same number over a box of prices says how far they may
move before anybody has to look again (M-5).
"""

from typing import NamedTuple, TypeAlias

from services.core.collateral import collateral_value, worth_high
from services.core.contracts import maintenance_high, value, value_low
from services.core.fixed import FRACTION_ONE, Amount, AssetId, Milliseconds, Price, div_ceil
from services.core.markets import SPOT, Asset, Market
from services.core.messages import CancelRequested, MarginCalled, Message, Side
from services.core.reasons import Reason
from services.risk.fills import flows, moved_on, received
from services.risk.health import Health, debt_maintenance, has_ended, owed, position_value, price_of
from services.risk.open_orders import hold_at
from services.risk.shares import lent_and_owed
from services.risk.state import Exposure, OpenOrder, State, Subaccount
from services.risk.wires import Series, SeriesKind

Ranges: TypeAlias = dict[Series, tuple[Price, Price]]
"""Lowest and highest value of series; one that is not named stays where it is."""
HOUR_MS = 3_600_000
DRIFT = 1_000_000
POINT: Ranges = {}
"""The prices of now."""
MARK = int(SeriesKind.MARK)
COLLATERAL = int(SeriesKind.COLLATERAL)


class Need(NamedTuple):
    """What one market needs at its worse side: in all, and how much of it would be lost rather than locked."""

    whole: Amount = 0
    lost: Amount = 0


def surplus(state: State, subaccount: Subaccount, ranges: Ranges, until_ms: Milliseconds = 0) -> Amount:
    """Least of equity less maintenance margin over a box of prices, with every order filled that would make it worse.

        sum over assets of min over P in {low, high} of [collateral_value(lowest net, P) - P * highest need], plus what spot orders bring

    Units    worth, signed; debts grow at their highest rates from now to `until_ms`
    Rounds   against the account; a lower bound over the box, exact but for rounding at the prices of now without orders. Single orders
             are looked at only where what all of them hold together leaves doubt
    Source   M-5
    """
    found = least(state, subaccount, ranges, until_ms, singly=False)
    if found > 0 or not any(exposure.orders for exposure in subaccount.exposures.values()):
        return found
    return least(state, subaccount, ranges, until_ms, singly=True)


def least(state: State, subaccount: Subaccount, ranges: Ranges, until_ms: Milliseconds, *, singly: bool) -> Amount:
    """Surplus over a box, order by order or at least by what all orders hold together; then spot orders bring nothing."""
    nets = {asset: idle for asset, idle in subaccount.idle.items() if idle}
    debts: dict[AssetId, Amount] = {}
    for asset in subaccount.claims:
        lent, debts[asset] = lent_and_owed(state, subaccount, asset)
        nets[asset] = nets.get(asset, 0) + lent - debts[asset]
    needs: dict[AssetId, Amount] = {}
    if not singly:
        needs = {asset: hold for asset, hold in subaccount.holds.items() if hold}
    losses = {**needs}
    has_spot_orders = False
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        if market.kind == SPOT:
            has_spot_orders = True
            continue
        mark_price, asset = state.marks[market.id].price, market.settlement_asset
        if has_ended(state, market):
            nets[asset] = nets.get(asset, 0) + position_value(state, market, exposure)
            continue
        low, high = ranges.get((MARK, market.id)) or (mark_price, mark_price)
        if exposure.size or exposure.cash:
            worst = settled_value(state, market, exposure) + value_low(market, exposure.size, low, high)
            worst -= drift(state, market, exposure, until_ms)
            nets[asset] = nets.get(asset, 0) + worst
        need = need_of(market, exposure, low, high) if singly else need_at_most(market, exposure, low, high)
        needs[asset] = needs.get(asset, 0) + need.whole
        losses[asset] = losses.get(asset, 0) + need.lost
    every = flows(state, subaccount) if singly and has_spot_orders else []
    for flow in every:
        needs[flow.out] = needs.get(flow.out, 0) + flow.given
        losses[flow.out] = losses.get(flow.out, 0) + flow.given
    found = 0
    for asset_id in {**nets, **needs}:
        listed = state.assets.get(asset_id)
        if listed is not None:
            idle, net = subaccount.idle.get(asset_id, 0), nets.get(asset_id, 0)
            left = net - growth(listed, min(idle, net, -debts.get(asset_id, 0)), until_ms - state.now_ms)
            debt = losses.get(asset_id, 0) - left
            found += worse_corner(state, listed, left, needs.get(asset_id, 0), debt, ranges)
    if every:
        found += received(state, every, nets, lambda asset: price_range(state, asset, ranges)[0], is_initial=False)
    return found


def settled_value(state: State, market: Market, exposure: Exposure) -> Amount:
    """What a position's value is added to: its cash less the funding it owes, or what pulses have moved into claims (M-6)."""
    pulse = state.pulses.get(market.id)
    if pulse is not None:
        return value(market, -exposure.size, pulse.mark)
    return exposure.cash - owed(state, market, exposure)


def drift(state: State, market: Market, exposure: Exposure, until_ms: Milliseconds) -> Amount:
    """What pulses may cost a position until a box ends, beside its profit: supply is minted at an index that has the period's interest.

    A millionth of its value: in an hour of pulses at a rate of 100 % per year it is a third of that.
    """
    if not until_ms or market.id not in state.pulses:
        return 0
    return 2 + div_ceil(abs(value(market, exposure.size, state.marks[market.id].price)), DRIFT)


def worse_corner(state: State, asset: Asset, net: Amount, need: Amount, debt: Amount, ranges: Ranges) -> Amount:
    """Surplus in one asset at the worse end of its price: it is linear in the price, so the worst is at an end."""
    weight = asset.collateral.maintenance_weight
    low, high = price_range(state, asset, ranges)
    found = [
        collateral_value(asset, net, price, weight)
        - worth_high(asset, need, price)
        - (debt_maintenance(asset, debt, price) if debt > 0 else 0)
        for price in ((low,) if low == high else (low, high))
    ]
    return min(found)


def price_range(state: State, asset: Asset, ranges: Ranges) -> tuple[Price, Price]:
    """Lowest and highest price of an asset in a box."""
    found = ranges.get((COLLATERAL, asset.id))
    if found is not None:
        return found
    price = price_of(state, asset)
    return price, price


def growth(asset: Asset, amount: Amount, elapsed_ms: Milliseconds) -> Amount:
    """What a debt (a negative amount) grows by at most; rounds up."""
    rate = asset.collateral.borrow_rate_max
    if amount >= 0 or not rate or elapsed_ms <= 0:
        return 0
    return div_ceil(-amount * rate * elapsed_ms, FRACTION_ONE * HOUR_MS)


def need_of(market: Market, exposure: Exposure, low: Price, high: Price) -> Need:
    """Maintenance margin and losses of one market at its worse side, in settlement units; rounds up.

        max of maintenance(size), and per side of maintenance(size after its orders) + their fees and losses to the mark

    What is lost is that of the side that loses more, which may be the other one: a debt of it needs margin as well.
    """
    whole, lost = maintenance_high(market, exposure.size, low, high), 0
    for side, size in ((Side.BUY, exposure.buys), (Side.SELL, exposure.sells)):
        if size:
            need = side_need(market, exposure, side, low, high)
            whole, lost = max(whole, need.whole), max(lost, need.lost)
    return Need(whole, lost)


def need_at_most(market: Market, exposure: Exposure, low: Price, high: Price) -> Need:
    """Need of one market beyond what its orders hold, without a look at single orders: at least as much as need_of says.

    An order loses to the worst mark at most what it holds and what the mark moves against it from where it was held.
    """
    whole = maintenance_high(market, exposure.size, low, high)
    lost = 0
    for side, size, worst in ((Side.BUY, exposure.buys, low), (Side.SELL, exposure.sells, high)):
        if size:
            moved = moved_on(market, exposure, side, worst)
            whole = max(whole, moved + maintenance_high(market, exposure.size + side * size, low, high))
            lost = max(lost, moved)
    return Need(whole, lost)


def side_need(market: Market, exposure: Exposure, side: int, low: Price, high: Price) -> Need:
    """What a market needs if every order of a side filled: a purchase loses most at the lowest mark, a sale at the highest."""
    worst = low if side == Side.BUY else high
    ours = [order for order in exposure.orders.values() if order.side == side and order.adds()]
    lost = sum(hold_at(market, order, worst) for order in ours)
    after = exposure.size + side * sum(order.adds() for order in ours)
    return Need(lost + maintenance_high(market, after, low, high), lost)


def narrow_marks(exposure: Exposure) -> None:
    """Keep the marks held to those of the orders that are open."""
    high = low = 0
    for order in exposure.orders.values():
        held = order.mark_price_held
        if order.side == Side.BUY:
            high = max(high, held)
        elif held < low or not low:
            low = held
    exposure.buy_mark_held, exposure.sell_mark_held = high, low


def margin_call(state: State, subaccount: Subaccount, now: Health) -> list[Message]:
    """Ask for the cancel of every order that adds risk, once each; [] when all are on their way already, or there are none."""
    cancels: list[Message] = [
        cancel(subaccount, state.markets[exposure.market], order)
        for exposure in subaccount.exposures.values()
        for order in exposure.orders.values()
        if adds_risk(state.markets[exposure.market], exposure, order) and not order.ending
    ]
    return [MarginCalled(subaccount.id, 0, now.equity, now.maintenance), *cancels] if cancels else []


def adds_risk(market: Market, exposure: Exposure, order: OpenOrder) -> bool:
    """Whether a fill could take the position further from zero, or money into what counts for less."""
    if market.is_spot:
        return True
    return order.adds() > 0 and order.side * exposure.size + order.adds() > 0


def cancel(subaccount: Subaccount, market: Market, order: OpenOrder) -> CancelRequested:
    """Ask for the cancel of one order."""
    order.ending = True
    return CancelRequested(subaccount.id, market.id, order.ref, 0, Reason.CANCELLED_BY_MARGIN)
