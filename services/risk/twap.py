"""TWAP orders: a size in equal slices over a time, each a market order with a bound round the mark; timers wake them, not prices."""

from services.core.contracts import notional
from services.core.fixed import FRACTION_ONE, Fraction, Milliseconds, Price, Size, clamp, div_ceil, div_exact, div_floor
from services.core.markets import Market
from services.core.messages import (
    MarketState,
    Message,
    OrderAdmitted,
    OrderKind,
    PlaceTwap,
    Scope,
    Side,
    TimeInForce,
    TriggerKind,
    TriggerStatus,
)
from services.core.reasons import Reason, Refusal
from services.risk.access import take_up
from services.risk.alarms import look_at
from services.risk.conditions import check_room, is_named
from services.risk.margin import protection_price
from services.risk.orders import Origin, admit_order, check_market, refuse
from services.risk.state import State, Subaccount
from services.risk.trigger import Trigger
from services.risk.triggers import cancel, order_of, updated

DURATION_MIN_MS, DURATION_MAX_MS = 300_000, 86_400_000
INTERVAL_MIN_MS, INTERVAL_MAX_MS = 30_000, 3_600_000
TOLERANCE_MIN = 100_000_000
"""A hundredth of a percent."""
CATCH_UP = 3
"""A slice is at most this many times its share."""


def process_twap(state: State, place: PlaceTwap) -> list[Message]:
    """Begin with the first slice, or refuse with a reason; the command is done when it has begun."""
    answer = take_up(state, place.header, place.subaccount, Scope.TRADE, orders=1)
    if answer is not None:
        return answer
    market = state.markets.get(place.market)
    if market is None:
        return refuse(state, place.header, Refusal(Reason.UNKNOWN_MARKET))
    known = state.subaccounts.get(place.subaccount)
    refusal = check_order(state, market, place) or check_twap(state, market, known, place)
    if refusal is not None:
        return refuse(state, place.header, refusal)
    subaccount = state.subaccount(place.subaccount)
    subaccount.refs += 1
    twap = subaccount.triggers[subaccount.refs] = twap_of(subaccount.refs, place, state.now_ms)
    events = [*state.commands.resolve(place.header.account, place.header.command_id), *work(state, subaccount, twap)]
    look_at(state, subaccount, twap.next_ms)
    return events


def check_order(state: State, market: Market, place: PlaceTwap) -> Refusal | None:
    """Refuse what the market does not trade."""
    refusal = check_market(state, market, TimeInForce.GTC)
    if refusal is not None:
        return refusal
    most = market.position_max << 1
    if not (0 < place.size <= most and place.size % market.lot == 0):
        return Refusal(Reason.INVALID_SIZE, most)
    sound = place.side in (Side.BUY, Side.SELL) and not (market.is_spot and place.reduce_only)
    return None if sound else Refusal(Reason.INVALID_ORDER)


def check_twap(state: State, market: Market, known: Subaccount | None, place: PlaceTwap) -> Refusal | None:
    """Refuse a client id in use, a schedule that is none, and one trigger too many."""
    if is_named(known, market, place.client_id):
        return Refusal(Reason.DUPLICATE_CLIENT_ID)
    return (
        check_schedule(place)
        or check_share(state, market, place)
        or check_range(Reason.INVALID_TOLERANCE, place.tolerance, TOLERANCE_MIN, market.band)
        or check_room(known, market, 1)
    )


def check_schedule(place: PlaceTwap) -> Refusal | None:
    """Refuse times that are too short or too long, and a duration that is no multiple of its interval."""
    refusal = check_range(Reason.INVALID_DURATION, place.duration_ms, DURATION_MIN_MS, DURATION_MAX_MS) or check_range(
        Reason.INVALID_INTERVAL, place.interval_ms, INTERVAL_MIN_MS, INTERVAL_MAX_MS
    )
    if refusal is not None:
        return refusal
    rest = place.duration_ms % place.interval_ms
    return Refusal(Reason.INVALID_DURATION, nearest_multiple(place.duration_ms, place.interval_ms)) if rest else None


def nearest_multiple(duration_ms: int, interval_ms: int) -> int:
    """Return a multiple of the interval that is near a duration and within what is accepted."""
    lower = duration_ms - duration_ms % interval_ms
    return lower if lower >= DURATION_MIN_MS else lower + interval_ms


def check_range(reason: Reason, value: int, low: int, high: int) -> Refusal | None:
    """Refuse what is out of a range, with its nearer end."""
    return None if low <= value <= high else Refusal(reason, clamp(value, low, high))


def check_share(state: State, market: Market, place: PlaceTwap) -> Refusal | None:
    """Refuse slices below the lot or worth too little, or larger than an order may be, with the nearest whole size."""
    count = div_exact(place.duration_ms, place.interval_ms)
    share = on_lot(market, div_floor(place.size, count))
    least = least_size(market, state.marks[market.id].price)
    if share < least:
        return Refusal(Reason.INVALID_SLICES, least * count)
    if div_ceil(place.size, count) > market.order_size_max:
        return Refusal(Reason.INVALID_SLICES, market.order_size_max * count)
    return None


def least_size(market: Market, mark_price: Price) -> Size:
    """Smallest size on the lot that is worth the market's smallest notional; rounds up."""
    if not market.notional_min:
        return market.lot
    worth = notional(market, market.lot, mark_price)
    return market.lot * max(1, div_ceil(market.notional_min, worth))


def on_lot(market: Market, size: Size) -> Size:
    """Round a size down to the lot."""
    return size - size % market.lot


def twap_of(number: int, place: PlaceTwap, now_ms: Milliseconds) -> Trigger:
    """Build a TWAP that begins now."""
    return Trigger(
        id=number,
        market=place.market,
        command_id=place.header.command_id,
        client_id=place.client_id,
        kind=TriggerKind.TWAP,
        trigger_by=0,
        side=place.side,
        time_in_force=TimeInForce.IOC,
        trigger_price=0,
        price=0,
        size=place.size,
        remaining=place.size,
        trail=place.tolerance,
        reduce_only=place.reduce_only,
        interval_ms=place.interval_ms,
        next_ms=now_ms,
        ends_ms=now_ms + place.duration_ms,
        starts_ms=now_ms,
    )


def work_due(state: State, subaccount: Subaccount) -> list[Message]:
    """Do what is due of a subaccount's TWAPs; what fell due several times is done once."""
    due = [one for one in subaccount.triggers.values() if one.kind == TriggerKind.TWAP and one.next_ms <= state.now_ms]
    return [event for twap in due for event in work(state, subaccount, twap)]


def next_due(subaccount: Subaccount) -> Milliseconds:
    """When the next slice of a subaccount's TWAPs is due, 0 for never."""
    times = [one.next_ms for one in subaccount.triggers.values() if one.kind == TriggerKind.TWAP]
    return min(times, default=0)


def work(state: State, subaccount: Subaccount, twap: Trigger) -> list[Message]:
    """Send the slice that is due, or end when the time is over or the market gone; a slice that is refused says why."""
    market = state.markets[twap.market]
    if state.market_states.get(market.id) == MarketState.DELISTED:
        return cancel(state, subaccount, twap, Reason.MARKET_EXPIRED)
    if state.now_ms >= twap.ends_ms:
        del subaccount.triggers[twap.id]
        twap.next_ms = 0
        return [updated(subaccount, twap, TriggerStatus.FAILED, Refusal(Reason.EXPIRED))]
    passed = div_floor(state.now_ms - twap.starts_ms, twap.interval_ms)
    twap.next_ms = twap.starts_ms + (passed + 1) * twap.interval_ms
    answer = send(state, subaccount, market, twap, slice_due(market, twap, passed))
    if isinstance(answer, Refusal):
        return [updated(subaccount, twap, TriggerStatus.WORKING, answer)]
    working = updated(subaccount, twap, TriggerStatus.WORKING)
    return [working] if answer is None else [working, answer]


def slice_due(market: Market, twap: Trigger, passed: int) -> Size:
    """Size of the slice after `passed` others: what should have traded by its end less what has, at most three times its share.

        min(floor(size * (passed + 1) / count) - traded, 3 * ceil(size / count), order_size_max)

    Units    multiples of the lot, >= 0; the last slice asks for all that is left
    Rounds   what should have traded down, a share up, both to the lot
    """
    count = div_exact(twap.ends_ms - twap.starts_ms, twap.interval_ms)
    due = on_lot(market, div_floor(twap.size * (passed + 1), count))
    share = market.lot * div_ceil(twap.size, count * market.lot)
    return max(0, min(due - (twap.size - twap.remaining), CATCH_UP * share, on_lot(market, market.order_size_max)))


def send(
    state: State, subaccount: Subaccount, market: Market, twap: Trigger, size: Size
) -> OrderAdmitted | Refusal | None:
    """Place one slice; None when nothing is due, or the slice before it is not answered yet."""
    exposure = subaccount.exposures.get(market.id)
    orders = exposure.orders.values() if exposure is not None else ()
    if size == 0 or any(order.group == -twap.id for order in orders):
        return None
    bound = bound_of(market, twap.side, state.marks[market.id].price, twap.trail)
    place = order_of(state.now_ms, subaccount.id, twap, size, is_first=False)
    return admit_order(state, place, Origin(OrderKind.TRIGGERED, -twap.id, bound))


def bound_of(market: Market, side: int, mark_price: Price, tolerance: Fraction) -> Price:
    """Worst price of a slice: so far from the mark, on the tick, never beyond the band; rounds towards the mark."""
    reach = div_floor(mark_price * tolerance, FRACTION_ONE)
    bound = mark_price + side * reach
    bound = bound - bound % market.tick if side == Side.BUY else bound + -bound % market.tick
    edge = protection_price(market, side, mark_price)
    return min(bound, edge) if side == Side.BUY else max(bound, edge)


def note_fill(subaccount: Subaccount, twap_id: int, size: Size) -> list[Message]:
    """Count what a slice traded and tell it; the last of it ends the TWAP."""
    twap = subaccount.triggers.get(twap_id)
    if twap is None:
        return []
    twap.remaining -= abs(size)
    if twap.remaining > 0:
        return [updated(subaccount, twap, TriggerStatus.WORKING)]
    del subaccount.triggers[twap_id]
    twap.next_ms = 0
    return [updated(subaccount, twap, TriggerStatus.TRIGGERED)]
