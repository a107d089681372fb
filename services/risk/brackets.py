"""What a fill does to what waits beside its order: it ends the group, arms the exits, and counts for a TWAP (OCO, bracket)."""

from services.core.fixed import MarketId, Size
from services.core.messages import Exit, Message, OrderAdmitted, OrderFilled, TimeInForce, TriggerKind, TriggerStatus
from services.core.reasons import Reason
from services.risk import triggers, twap
from services.risk.state import Exposure, OpenOrder, State, Subaccount
from services.risk.trigger import Trigger


def after_fill(
    state: State, subaccount: Subaccount, exposure: Exposure, order: OpenOrder, fill: OrderFilled
) -> list[Message]:
    """Do what a fill just booked means for triggers; costs nothing for an order that has none beside it."""
    events: list[Message] = []
    if order.group > 0:
        events += triggers.end_group(state, subaccount, exposure.market, order.group, order.command_id)
    elif order.group < 0:
        events += twap.note_fill(subaccount, -order.group, fill.size)
    if subaccount.triggers:
        events += end_exits(state, subaccount, exposure)
    opened = opened_by(exposure, fill.size)
    return [*events, *arm_all(state, subaccount, exposure.market, order, opened)] if opened and order.exits else events


def opened_by(exposure: Exposure, size: Size) -> Size:
    """How much of a fill opened or grew the position that stands now; 0 when it only closed."""
    return min(abs(size), abs(exposure.size)) if size * exposure.size > 0 else 0


def end_exits(state: State, subaccount: Subaccount, exposure: Exposure) -> list[Message]:
    """Cancel exits that have nothing to close any more."""
    ended = [
        trigger
        for trigger in subaccount.triggers.values()
        if trigger.group < 0 and trigger.market == exposure.market and trigger.side * exposure.size >= 0
    ]
    return [event for one in ended for event in triggers.cancel(state, subaccount, one, Reason.NO_POSITION)]


def arm_all(state: State, subaccount: Subaccount, market: MarketId, order: OpenOrder, opened: Size) -> list[Message]:
    """Arm every exit of an order, unless the price of one before it is there already: that one ends the others."""
    events: list[Message] = []
    for one in order.exits:
        told = arm(state, subaccount, market, order, one, opened)
        events += told
        if any(isinstance(event, OrderAdmitted) for event in told):
            break
    return events


def arm(
    state: State, subaccount: Subaccount, market: MarketId, order: OpenOrder, one: Exit, opened: Size
) -> list[Message]:
    """Let an exit wait with what its order has opened; a later fill makes it larger."""
    for trigger in subaccount.triggers.values():
        if trigger.group == -order.ref and trigger.kind == one[0]:
            trigger.size += opened
            trigger.remaining += opened
            return [triggers.updated(subaccount, trigger, TriggerStatus.PENDING)]
    subaccount.refs += 1
    return triggers.begin(state, subaccount, exit_of(subaccount.refs, market, order, one, opened))


def exit_of(number: int, market: MarketId, order: OpenOrder, one: Exit, opened: Size) -> Trigger:
    """Build the trigger of an exit: it closes, at the market when it has no price."""
    kind, trigger_by, trigger_price, price, trail = one
    return Trigger(
        id=number,
        market=market,
        command_id=order.command_id,
        client_id=0,
        kind=kind,
        trigger_by=trigger_by,
        side=-order.side,
        time_in_force=TimeInForce.GTC if price else TimeInForce.IOC,
        trigger_price=trigger_price,
        price=price,
        size=opened,
        remaining=opened,
        trail=trail if kind == TriggerKind.TRAILING else 0,
        reduce_only=True,
        group=-order.ref,
        parent=order.command_id,
    )
