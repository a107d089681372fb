"""When marks of markets and prices of collateral are published, and when a market ends; what they are made of is known elsewhere.

Whatever stands on one index and has the same interval moves in one record, at the same instants of log time: who holds the coin and is
short its perpetual is never judged by one without the other.
"""

from enum import IntEnum

from services.core.fixed import AssetId, Milliseconds, Price
from services.core.markets import Market
from services.core.messages import CollateralListed, MarketDelisted, MarksUpdated, Message, SettlementMarked
from services.core.timers import next_multiple
from services.funding import collateral_price
from services.funding.marks import agreed, note_mark, update_mark
from services.funding.sources import Flaw
from services.funding.state import CollateralPrice, MarketFunding, State


class TimerKind(IntEnum):
    """What this machine waits for; the subject is a market, of a collateral price an asset, of a calendar its id.

    Of those due at one time the step comes before a change or an end, what ends before what takes its place, and a pulse after all.
    """

    MARK = 1
    FUNDING = 2
    CHANGE = 3
    DELIST = 4
    SETTLEMENT = 5
    CALENDAR = 6
    COLLATERAL = 7
    PULSE = 8


def publish(state: State, markets: list[Market], assets: list[AssetId]) -> list[Message]:
    """Publish new marks and prices of collateral, in one record; a market's first mark opens it, that of its end is its last."""
    events: list[Message] = []
    marks = MarksUpdated([], [], [])
    for market in markets:
        funding = state.funding[market.id]
        if funding.delisted or must_wait(state, market, funding) or not update_mark(state, market, funding):
            continue
        if funding.marked_ms == 0:
            events.append(SettlementMarked(market.id, funding.mark_price))
        funding.marked_ms, funding.armed = state.now_ms, False
        note_mark(state, market, funding.mark_price)
        if is_ending(state, market):
            events.append(end(state, market, funding.mark_price))
            continue
        marks.marks.append((market.id, funding.mark_price, funding.index_price))
        marks.premiums.append(funding.mean_premium)
    for asset_id in assets:
        price = state.collateral[asset_id]
        if not must_collateral_wait(state, asset_id, price) and update_collateral(state, asset_id, price):
            price.published_ms, price.armed = state.now_ms, False
            marks.collateral.append((asset_id, price.published))
    return [*events, marks] if marks.marks or marks.collateral else events


def publish_armed(state: State) -> list[Message]:
    """Publish everything that waited until now, in one record."""
    markets, assets = [], []
    for market_id, funding in state.funding.items():
        if funding.armed and mark_due_ms(state.markets[market_id], funding) <= state.now_ms:
            funding.armed = False
            markets.append(state.markets[market_id])
    for asset_id, price in state.collateral.items():
        if price.armed and collateral_due_ms(price) <= state.now_ms:
            price.armed = False
            assets.append(asset_id)
    return publish(state, markets, assets)


def fire_mark(state: State, market: Market) -> list[Message]:
    """Publish what waited, if this market still does; with an interval that has grown since it waits on."""
    funding = state.funding[market.id]
    if not funding.armed:
        return []
    due_ms = mark_due_ms(market, funding)
    if due_ms <= state.now_ms:
        return publish_armed(state)
    state.timers.arm(due_ms, TimerKind.MARK, market.id)
    return []


def mark_due_ms(market: Market, funding: MarketFunding) -> Milliseconds:
    """When the next mark may come: in the next interval, counted from the beginning of time, so that markets keep step."""
    return next_multiple(funding.marked_ms, market.mark_interval_ms)


def collateral_due_ms(price: CollateralPrice) -> Milliseconds:
    """When the next price of an asset may come; see mark_due_ms."""
    return next_multiple(price.published_ms, collateral_price.INTERVAL_MS)


def must_wait(state: State, market: Market, funding: MarketFunding) -> bool:
    """Whether the market has had its mark in this interval; then a timer for the next is armed, once."""
    due_ms = mark_due_ms(market, funding)
    if state.now_ms >= due_ms or is_ending(state, market):
        return False
    if not funding.armed:
        funding.armed = True
        state.timers.arm(due_ms, TimerKind.MARK, market.id)
    return True


def must_collateral_wait(state: State, asset_id: AssetId, price: CollateralPrice) -> bool:
    """Whether the asset has had its price in this second; then a timer for the next is armed, once."""
    due_ms = collateral_due_ms(price)
    if state.now_ms >= due_ms:
        return False
    if not price.armed:
        price.armed = True
        state.timers.arm(due_ms, TimerKind.COLLATERAL, asset_id)
    return True


def is_ending(state: State, market: Market) -> bool:
    """Whether the time of the end that an admin gave the market has come."""
    ends_ms = state.delistings.get(market.id)
    return ends_ms is not None and ends_ms <= state.now_ms


def end(state: State, market: Market, price: Price, *, is_expiry: bool = False) -> Message:
    """End a market at a price; what was still to change, to end or to be settled is not."""
    state.delistings.pop(market.id, None)
    state.changes.pop(market.id, None)
    state.settling.pop(market.id, None)
    state.pulsing.pop(market.id, None)
    state.funding[market.id].delisted = True
    return MarketDelisted(market.id, price, is_expiry)


def update_collateral(state: State, asset_id: AssetId, price: CollateralPrice) -> bool:
    """Compute an asset's price; False, and it stays, while too few sources are fresh and agree."""
    asset = state.assets[asset_id]
    terms = asset.collateral
    middle = agreed(state, terms.index, terms.price_stale_ms, terms.dispersion_max, terms.sources_min)
    if not middle:
        return False
    minute_ms = collateral_price.minute_of(state.now_ms)
    if minute_ms != price.minute_ms or not price.at_minute:
        price.minute_ms, price.at_minute = minute_ms, price.price
    believed = [source.price for source in state.sources[terms.index].values() if source.flaw == Flaw.NONE]
    apart = collateral_price.spread(believed, middle)
    price.price = collateral_price.clamped(middle, price.at_minute, terms.minute_move_max)
    price.published = collateral_price.after_haircut(price.price, apart, terms.dispersion_free)
    return True


def process_collateral_listed(state: State, listed: CollateralListed) -> list[Message]:
    """Make an asset's collateral price from here on; the unit of account has none to be made, and is worth one."""
    if state.assets[listed.asset].collateral.index:
        state.collateral.setdefault(listed.asset, CollateralPrice())
    return []
