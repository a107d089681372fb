"""What a market does to all its positions at once: funding steps, settlements, the end; booked position by position (F-1.2, M-2).

A step is noted when it comes, and from then on counts in every valuation. The positions it reaches are brought up to it some per record,
or before anything else happens to them; what is booked late is the same to the last unit, for steps add up.
"""

from services.core.collateral import PRICE_ONE, worth_high
from services.core.contracts import value
from services.core.fixed import Amount, AssetId, MarketId, Price
from services.core.markets import Asset, Market
from services.core.messages import (
    Book,
    FundingPaid,
    FundingStepped,
    Leg,
    MarketDelisted,
    MarketSettled,
    MarketState,
    Message,
    PositionChanged,
    PositionSettled,
)
from services.risk import claims, pulse, triggers
from services.risk.events import balance_changed
from services.risk.health import owed
from services.risk.margin_call import MARK
from services.risk.series import wires_of
from services.risk.state import Exposure, State, Steps, Subaccount, drop_empty, post

SLICE = 50
"""Positions brought up to a step per record: others' orders wait for no more, a millisecond or two."""
EVENTS_MAX = 8 * SLICE
"""Nor do they wait for more of what is told, where many triggers end."""


def process_funding(state: State, stepped: FundingStepped) -> list[Message]:
    """Note one funding step, at the cut that all shards share, and begin to book it."""
    steps = steps_of(state, stepped.market)
    steps.paid_per_lot += stepped.payment_per_lot
    steps.funding_step = stepped.step
    if stepped.market in state.pulses:
        return pulse.pay_funding(state, stepped.market, stepped.payment_per_lot)
    return begin(state, stepped.market)


def process_settled(state: State, settled: MarketSettled) -> list[Message]:
    """Note a settlement of positions that go on."""
    steps = steps_of(state, settled.market)
    if settled.market in state.pulses:
        return pulse.settle_to(state, state.markets[settled.market], settled.price)
    steps.settled = settled.step
    steps.price = settled.price
    return begin(state, settled.market)


def process_delisting(state: State, delisted: MarketDelisted) -> list[Message]:
    """End a market: what it is valued at from now on is its last price, at which every position is closed."""
    market_id = delisted.market
    state.market_states[market_id] = MarketState.DELISTED
    steps = steps_of(state, market_id)
    steps.ended, steps.price = True, delisted.price
    if market_id in state.marks:
        state.marks[market_id].price = delisted.price
    settled = pulse.settle_to(state, state.markets[market_id], delisted.price) if market_id in state.pulses else []
    return [*settled, *begin(state, market_id)]


def steps_of(state: State, market: MarketId) -> Steps:
    """Return what a market has stepped over, nothing at first."""
    known = state.steps.get(market)
    if known is None:
        known = state.steps[market] = Steps()
    return known


def begin(state: State, market: MarketId) -> list[Message]:
    """Have every position of a market brought up to its last step, the first of them at once; its end reaches whoever waits there, too."""
    reached = state.holders.get(market, {})
    if state.steps[market].ended:
        reached = {**reached, **state.waiting.get(market, {})}
    state.sweeps[market] = list(reached)
    return work_on(state, market)


def has_work(state: State) -> bool:
    """Whether positions wait to be brought up to a step."""
    return bool(state.sweeps)


def work(state: State) -> list[Message]:
    """Bring some more positions up to the steps of the market that has waited longest."""
    return work_on(state, next(iter(state.sweeps)))


def work_on(state: State, market_id: MarketId) -> list[Message]:
    """Bring the next positions of a market up to its last step; of one that has ended, cancel what waits for its prices."""
    waiting, market = state.sweeps[market_id], state.markets[market_id]
    events: list[Message] = []
    for _ in range(min(SLICE, len(waiting))):
        subaccount = state.subaccounts[waiting.pop()]
        exposure = subaccount.exposures.get(market_id)
        if exposure is not None:
            events += bring_up(state, subaccount, market, exposure)
            drop_empty(state, subaccount, market_id)
        if subaccount.triggers and state.steps[market_id].ended:
            events += triggers.market_ended(state, subaccount, market_id)
        if len(events) > EVENTS_MAX:
            break
    if not waiting:
        del state.sweeps[market_id]
    return events


def bring_up(state: State, subaccount: Subaccount, market: Market, exposure: Exposure) -> list[Message]:
    """Book the steps that a position has not seen: funding, then the settlement or the end. A position that begins has seen them all."""
    steps = state.steps.get(market.id)
    if steps is None:
        return []
    events: list[Message] = []
    if market.id not in state.pulses and exposure.paid_per_lot_seen != steps.paid_per_lot:
        events += pay_funding(state, subaccount, market, exposure, steps)
    if steps.ended and (exposure.size or exposure.cash):
        events += close_position(state, subaccount, market, exposure, steps.price)
    elif exposure.steps_seen != steps.settled:
        exposure.steps_seen = steps.settled
        if exposure.size or exposure.cash:
            events += settle_position(state, subaccount, market, exposure, steps.price)
    return events


def pay_funding(
    state: State, subaccount: Subaccount, market: Market, exposure: Exposure, steps: Steps
) -> list[Message]:
    """Pay or receive what the market's steps since the last look come to, on the size that was held through all of them."""
    payment = owed(state, market, exposure)
    exposure.paid_per_lot_seen = steps.paid_per_lot
    if not payment:
        return []
    asset = market.settlement_asset
    spend(state, subaccount, asset, payment)
    legs: list[Leg] = [(Book.CLEARING, 0, market.id, asset, payment)]
    return [
        *claims.pay(state, "funding", steps.funding_step, subaccount, asset, -payment, legs, touches=False),
        FundingPaid(subaccount.id, market.id, steps.funding_step, payment),
        balance_changed(state, subaccount, asset, "funding"),
    ]


def spend(state: State, subaccount: Subaccount, asset_id: AssetId, payment: Amount) -> None:
    """Take a payment from what the box of a subaccount has left; when that is used up, it is judged at the next mark.

    So is who pays in what has a price, or what he owes: there a unit costs more than it is worth now.
    """
    box, asset = subaccount.box, state.assets.get(asset_id)
    if box is None or asset is None or subaccount.idle.get(asset_id, 0) < max(0, payment) or has_price(asset):
        state.touched.setdefault(subaccount.id, 0)
        return
    box.slack -= worth_high(asset, max(0, payment), PRICE_ONE)
    if box.slack <= 0:
        state.touched.setdefault(subaccount.id, 0)


def has_price(asset: Asset) -> bool:
    """Whether a unit of an asset may cost more than one, by its price or as a debt."""
    terms = asset.collateral
    return bool(terms.index or terms.borrow_maintenance_fraction or terms.borrow_maintenance_factor)


def settle_position(
    state: State, subaccount: Subaccount, market: Market, exposure: Exposure, price: int
) -> list[Message]:
    """Move a position's value at a price into the balance; the position goes on, worth nothing at that price. Equity stays."""
    owner, asset = subaccount.id, market.settlement_asset
    amount = exposure.cash + value(market, exposure.size, price)
    legs: list[Leg] = [(Book.POSITION, owner, market.id, asset, -amount)]
    return [
        *claims.pay(state, "settlement", exposure.steps_seen, subaccount, asset, amount, legs),
        PositionSettled(owner, market.id, price, amount, exposure.size),
        PositionChanged(owner, market.id, exposure.size, exposure.cash, exposure.basis),
        balance_changed(state, subaccount, asset, "settlement"),
    ]


def close_position(
    state: State, subaccount: Subaccount, market: Market, exposure: Exposure, price: int
) -> list[Message]:
    """Realise a position at a price; both sides of the market do, so clearing ends at what is in flight and at the market's dust."""
    owner, asset, size, cash = subaccount.id, market.settlement_asset, exposure.size, exposure.cash
    worth = 0 if market.id in state.pulses else value(market, size, price)
    exposure.basis = 0
    taken = claims.take_out(state, subaccount, asset)
    legs: list[Leg] = [
        (Book.POSITION, owner, market.id, -market.id, -size),
        (Book.CLEARING, 0, market.id, -market.id, size),
        (Book.POSITION, owner, market.id, asset, -cash),
        (Book.CLEARING, 0, market.id, asset, -worth),
        *claims.moved(state, subaccount, asset, cash + worth),
    ]
    entry = post(state, "delisting", market.id, legs, touches=False)
    claims.put_back(state, subaccount, asset)
    leave(state, subaccount, market, exposure, price)
    return [
        *taken,
        entry,
        PositionSettled(owner, market.id, price, cash + worth, 0),
        PositionChanged(owner, market.id, 0, 0, 0),
        balance_changed(state, subaccount, asset, "settlement"),
    ]


def leave(state: State, subaccount: Subaccount, market: Market, exposure: Exposure, price: Price) -> None:
    """Take a market that has ended out of a subaccount's box, which holds without it.

    Within the box nothing was due at the last price, what the position was worth there is still there, and it needs no margin any more.
    Whose box the last price has left, or who owes or has orders still, is looked at again.
    """
    series, box = (MARK, market.id), subaccount.box
    sides = box.ranges.get(series) if box is not None else None
    claim = subaccount.claims.get(market.settlement_asset)
    owes = subaccount.idle.get(market.settlement_asset, 0) < 0 or (claim is not None and claim.debt > 0)
    is_clear = not owes and not exposure.orders
    if box is None or sides is None or not sides[0] < price < sides[1] or not is_clear:
        state.touched.setdefault(subaccount.id, 0)
        return
    wires_of(state, *series).disarm((subaccount.id, 0), below=sides[0], above=sides[1])
    del box.ranges[series]


def bring_all_up(state: State, market: Market) -> list[Message]:
    """Bring every position of a market up at once: before its lot changes, in which steps are counted."""
    events: list[Message] = []
    for subaccount_id in sorted(state.holders.get(market.id, {})):
        subaccount = state.subaccounts[subaccount_id]
        events += bring_up(state, subaccount, market, subaccount.exposures[market.id])
    return events
