"""What a trigger may ask for, and how many may wait: checks at the door; the order that it becomes is judged when it fires."""

from services.core.fixed import Fraction, Price, Size, clamp
from services.core.markets import Market, on_grid
from services.core.messages import EXITS_MAX, Exit, PlaceOrder, TriggerBy, TriggerKind
from services.core.reasons import Reason, Refusal
from services.risk.state import Exposure, Subaccount
from services.risk.trailing import TRAIL_MAX, TRAIL_MIN

CONDITIONS = (TriggerKind.STOP, TriggerKind.TAKE_PROFIT, TriggerKind.TRAILING)
"""Kinds that wait for a price."""
SOURCES = tuple(TriggerBy)
TRIGGERS_MAX = 50
"""Triggers of a subaccount that may wait in a market, those counted that its open orders may still leave behind."""
GROUP_MAX = 2**32 - 1


def check_condition(
    market: Market, kind: int, trigger_by: int, trigger_price: Price, trail: Fraction
) -> Refusal | None:
    """Refuse a condition that no price could meet as meant, with the nearest accepted value of the field that is wrong."""
    if kind not in CONDITIONS or trigger_by not in SOURCES:
        return Refusal(Reason.INVALID_TRIGGER)
    if kind == TriggerKind.TRAILING:
        if not TRAIL_MIN <= trail <= TRAIL_MAX:
            return Refusal(Reason.INVALID_TRAIL, clamp(trail, TRAIL_MIN, TRAIL_MAX))
        return check_level(market, trigger_price) if trigger_price else None
    return Refusal(Reason.INVALID_TRIGGER) if trail else check_level(market, trigger_price)


def check_level(market: Market, price: Price) -> Refusal | None:
    """Refuse a price that is none of the market's."""
    if on_grid(market, price) and price <= market.price_max:
        return None
    nearest = clamp(price - price % market.tick, market.tick, market.price_max)
    return Refusal(Reason.INVALID_TRIGGER_PRICE, nearest)


def check_exits(market: Market, subaccount: Subaccount | None, place: PlaceOrder) -> Refusal | None:
    """Refuse exits of an order that opens nothing, two of one kind, and whatever a single one breaks."""
    kinds = dict.fromkeys(one[0] for one in place.exits)
    if market.is_spot or place.reduce_only or len(kinds) < len(place.exits) or len(place.exits) > EXITS_MAX:
        return Refusal(Reason.INVALID_EXITS, EXITS_MAX)
    for one in place.exits:
        refusal = check_exit(market, one)
        if refusal is not None:
            return refusal
    return check_room(subaccount, market, len(place.exits))


def check_exit(market: Market, one: Exit) -> Refusal | None:
    """Refuse one exit."""
    kind, trigger_by, trigger_price, price, trail = one
    refusal = check_condition(market, kind, trigger_by, trigger_price, trail)
    return refusal or (check_level(market, price) if price else None)


def check_room(subaccount: Subaccount | None, market: Market, count: int) -> Refusal | None:
    """Refuse `count` triggers more than may wait in a market."""
    waiting = 0
    if subaccount is not None:
        exposure = subaccount.exposures.get(market.id) or Exposure(market.id)
        waiting = sum(1 for trigger in subaccount.triggers.values() if trigger.market == market.id)
        waiting += sum(len(order.exits) for order in exposure.orders.values())
    return Refusal(Reason.TOO_MANY_TRIGGERS, TRIGGERS_MAX) if waiting + count > TRIGGERS_MAX else None


def is_named(subaccount: Subaccount | None, market: Market, client_id: int) -> bool:
    """Whether an open order or a trigger of the subaccount in the market has a client's id already."""
    if subaccount is None or not client_id:
        return False
    exposure = subaccount.exposures.get(market.id)
    if exposure is not None and client_id in exposure.client_ids:
        return True
    return waits_as(subaccount, market, client_id)


def waits_as(subaccount: Subaccount, market: Market, client_id: int) -> bool:
    """Whether a trigger of the subaccount in the market has a client's id; 0 names none."""
    return bool(client_id) and any(
        trigger.client_id == client_id and trigger.market == market.id for trigger in subaccount.triggers.values()
    )


def closing_size(exposure: Exposure | None, side: int) -> Size:
    """How much an order of a side could close of a position."""
    return max(0, -side * exposure.size) if exposure is not None else 0
