"""Stops, take-profits and trailing stops: they wait on wires, hold nothing, and become orders when their price comes (M-5).

What a trigger becomes is judged as a PlaceOrder of that moment would be; what does not pass then has failed and says why.
"""

from services.core.fixed import MarketId, Size, SubaccountId, account_of
from services.core.markets import Market, on_grid
from services.core.messages import (
    CancelRequested,
    CancelTrigger,
    CommandHeader,
    CommandId,
    Message,
    OrderAdmitted,
    OrderKind,
    PlaceOrder,
    PlaceTrigger,
    Scope,
    Side,
    TimeInForce,
    TriggerKind,
    TriggerStatus,
    TriggerUpdated,
)
from services.core.reasons import Reason, Refusal
from services.risk.access import take_up
from services.risk.conditions import GROUP_MAX, check_condition, check_room, closing_size, is_named
from services.risk.orders import Origin, admit_order, check_market, check_size, is_combination, refuse
from services.risk.series import wires_of
from services.risk.state import State, Subaccount
from services.risk.trailing import begun, followed, stop_behind, stop_of
from services.risk.trigger import Trigger

ADMITTED = Refusal(Reason.NONE)


def process_trigger(state: State, place: PlaceTrigger) -> list[Message]:
    """Let a trigger wait, or refuse it with a reason; its command is done when it waits."""
    answer = take_up(state, place.header, place.subaccount, Scope.TRADE, orders=1)
    if answer is not None:
        return answer
    market = state.markets.get(place.market)
    if market is None:
        return refuse(state, place.header, Refusal(Reason.UNKNOWN_MARKET))
    known = state.subaccounts.get(place.subaccount)
    refusal = check_order(state, market, place) or check_trigger(market, known, place)
    if refusal is not None:
        return refuse(state, place.header, refusal)
    subaccount = state.subaccount(place.subaccount)
    subaccount.refs += 1
    return [
        *state.commands.resolve(place.header.account, place.header.command_id),
        *begin(state, subaccount, trigger_of(subaccount.refs, place)),
    ]


def check_order(state: State, market: Market, place: PlaceTrigger) -> Refusal | None:
    """Refuse what could never be an order of the market; a size of 0 is the position of the moment when it fires."""
    refusal = check_market(state, market, TimeInForce.GTC) or (check_size(market, place.size) if place.size else None)
    if refusal is not None:
        return refusal
    if place.price and not (on_grid(market, place.price) and place.price <= market.price_max):
        return Refusal(Reason.INVALID_PRICE, market.tick)
    order = order_of(0, place.subaccount, trigger_of(0, place), place.size)
    sound = is_combination(market, order) and 0 <= place.group <= GROUP_MAX
    return None if sound else Refusal(Reason.INVALID_ORDER)


def check_trigger(market: Market, known: Subaccount | None, place: PlaceTrigger) -> Refusal | None:
    """Refuse a client id in use, a condition that makes no sense, one trigger too many, and a close of nothing."""
    if is_named(known, market, place.client_id):
        return Refusal(Reason.DUPLICATE_CLIENT_ID)
    refusal = check_condition(market, place.kind, place.trigger_by, place.trigger_price, place.trail)
    refusal = refusal or check_room(known, market, 1)
    if refusal is not None or place.size:
        return refusal
    exposure = known.exposures.get(market.id) if known is not None else None
    return None if closing_size(exposure, place.side) else Refusal(Reason.NO_POSITION)


def trigger_of(number: int, place: PlaceTrigger) -> Trigger:
    """Build the trigger that a command asks for."""
    return Trigger(
        id=number,
        market=place.market,
        command_id=place.header.command_id,
        client_id=place.client_id,
        kind=place.kind,
        trigger_by=place.trigger_by,
        side=place.side,
        time_in_force=place.time_in_force,
        trigger_price=place.trigger_price,
        price=place.price,
        size=place.size,
        remaining=place.size,
        trail=place.trail,
        reduce_only=place.reduce_only or place.size == 0,
        self_trade=place.self_trade,
        group=place.group,
    )


def begin(state: State, subaccount: Subaccount, trigger: Trigger) -> list[Message]:
    """Let a trigger wait for its price; one that is there already fires at once."""
    subaccount.triggers[trigger.id] = trigger
    state.waiting.setdefault(trigger.market, {})[subaccount.id] = None
    trigger.below, trigger.above = thresholds(trigger)
    wires = wires_of(state, trigger.trigger_by, trigger.market)
    has_reached = wires.has_reached(below=trigger.below, above=trigger.above)
    if has_reached and trigger.kind == TriggerKind.TRAILING:  # It is told where it stands, once it follows.
        return reached(state, subaccount, trigger)
    events: list[Message] = [updated(subaccount, trigger, TriggerStatus.PENDING)]
    if has_reached:
        return [*events, *reached(state, subaccount, trigger)]
    wires.arm((subaccount.id, trigger.id), below=trigger.below, above=trigger.above)
    return events


def thresholds(trigger: Trigger) -> tuple[int, int]:
    """Where a trigger first wakes up, as (below, above), 0 for none: a buy stop and a sell take-profit wait for a rise."""
    if trigger.kind == TriggerKind.TRAILING:
        return begun(trigger.side, trigger.trigger_price)
    rises = (trigger.kind == TriggerKind.STOP) == (trigger.side == Side.BUY)
    return (0, trigger.trigger_price) if rises else (trigger.trigger_price, 0)


def fire(state: State, subaccount_id: SubaccountId, trigger_id: int) -> list[Message]:
    """Wake up a trigger whose wire was cut; one that is gone since says nothing."""
    subaccount = state.subaccounts.get(subaccount_id)
    trigger = subaccount.triggers.get(trigger_id) if subaccount is not None else None
    if subaccount is None or trigger is None:
        return []
    disarm(state, subaccount, trigger)
    return reached(state, subaccount, trigger)


def disarm(state: State, subaccount: Subaccount, trigger: Trigger) -> None:
    """Take away the wires of a trigger, those that are left; a TWAP has none."""
    if trigger.kind != TriggerKind.TWAP:
        wires = wires_of(state, trigger.trigger_by, trigger.market)
        wires.disarm((subaccount.id, trigger.id), below=trigger.below, above=trigger.above)


def forget(state: State, subaccount: Subaccount, trigger: Trigger) -> None:
    """Know a trigger no more, and its subaccount as one that waits in the market no more when it was the last; a TWAP waits for none."""
    market = trigger.market
    del subaccount.triggers[trigger.id]
    if not any(one.market == market and one.kind != TriggerKind.TWAP for one in subaccount.triggers.values()):
        state.waiting.get(market, {}).pop(subaccount.id, None)


def reached(state: State, subaccount: Subaccount, trigger: Trigger) -> list[Message]:
    """Fire, or let a trailing stop follow a better price; nothing of it is armed here."""
    wires = wires_of(state, trigger.trigger_by, trigger.market)
    if trigger.kind != TriggerKind.TRAILING:
        return release(state, subaccount, trigger)
    stop = stop_of(trigger.side, trigger.below, trigger.above)
    if stop and trigger.side * (wires.price - stop) >= 0:
        return release(state, subaccount, trigger)
    trigger.below, trigger.above = followed(trigger.side, wires.price, trigger.trail)
    trigger.trigger_price = stop_behind(trigger.side, wires.price, trigger.trail)
    wires.arm((subaccount.id, trigger.id), below=trigger.below, above=trigger.above)
    return [updated(subaccount, trigger, TriggerStatus.PENDING)]


def release(state: State, subaccount: Subaccount, trigger: Trigger) -> list[Message]:
    """Place what a trigger stands for; only one that could be placed ends the others of its group."""
    market = state.markets[trigger.market]
    forget(state, subaccount, trigger)
    placed, refusal = place_orders(state, subaccount, market, trigger)
    if not placed:
        return [updated(subaccount, trigger, TriggerStatus.FAILED, refusal)]
    return [
        updated(subaccount, trigger, TriggerStatus.TRIGGERED),
        *placed,
        *end_group(state, subaccount, market.id, trigger.group, trigger.command_id),
    ]


def place_orders(
    state: State, subaccount: Subaccount, market: Market, trigger: Trigger
) -> tuple[list[OrderAdmitted], Refusal]:
    """Place a trigger's size, or the position of now, in as many orders as the largest size makes of it, until one is refused."""
    left = trigger.size or closing_size(subaccount.exposures.get(market.id), trigger.side)
    placed: list[OrderAdmitted] = []
    while left > 0:
        order = order_of(state.now_ms, subaccount.id, trigger, min(left, market.order_size_max), is_first=not placed)
        answer = admit_order(state, order, Origin(OrderKind.TRIGGERED, max(0, trigger.group)))
        if isinstance(answer, Refusal):
            return placed, answer
        placed.append(answer)
        left -= order.size
    return placed, Refusal(Reason.NO_POSITION)


def order_of(
    now_ms: int, subaccount: SubaccountId, trigger: Trigger, size: Size, *, is_first: bool = True
) -> PlaceOrder:
    """The order that a trigger stands for; its client's id names the first one alone."""
    return PlaceOrder(
        CommandHeader(account_of(subaccount), 0, trigger.command_id, now_ms, 0),
        subaccount,
        trigger.market,
        trigger.side,
        trigger.time_in_force,
        trigger.price,
        size,
        trigger.client_id if is_first else 0,
        trigger.reduce_only,
        trigger.self_trade,
    )


def end_group(
    state: State, subaccount: Subaccount, market: MarketId, group: int, command_id: CommandId
) -> list[Message]:
    """Cancel what waits and rests in a group but what came from the command whose turn it was; group 0 is none (OCO)."""
    if not group:
        return []
    grouped = [one for one in subaccount.triggers.values() if one.market == market and one.group == group]
    events: list[Message] = []
    for trigger in grouped:
        events += cancel(state, subaccount, trigger, Reason.CANCELLED_BY_GROUP)
    exposure = subaccount.exposures.get(market)
    for order in exposure.orders.values() if exposure is not None else ():
        if order.group == group and order.command_id != command_id and not order.ending:
            order.ending = True
            events.append(CancelRequested(subaccount.id, market, order.ref, 0, Reason.CANCELLED_BY_GROUP))
    return events


def process_cancel(state: State, command: CancelTrigger) -> list[Message]:
    """Cancel what waits under an id, or a client's id."""
    header = command.header
    answer = take_up(state, header, command.subaccount, Scope.TRADE, cancels=1)
    if answer is not None:
        return answer
    if command.market not in state.markets:
        return refuse(state, header, Refusal(Reason.UNKNOWN_MARKET))
    subaccount = state.subaccounts.get(command.subaccount)
    trigger = find_trigger(subaccount, command) if subaccount is not None else None
    if subaccount is None or trigger is None:
        return refuse(state, header, Refusal(Reason.TRIGGER_NOT_OPEN))
    events = cancel(state, subaccount, trigger, Reason.CANCELLED_BY_CLIENT)
    return [*state.commands.resolve(header.account, header.command_id), *events]


def find_trigger(subaccount: Subaccount, command: CancelTrigger) -> Trigger | None:
    """Find what waits in the market by its id, else by the client's."""
    for trigger in subaccount.triggers.values():
        if trigger.market != command.market:
            continue
        if trigger.id == command.trigger_id if command.trigger_id else 0 < trigger.client_id == command.client_id:
            return trigger
    return None


def cancel(state: State, subaccount: Subaccount, trigger: Trigger, reason: Reason) -> list[Message]:
    """Take a trigger away; an exit that its client does not want any more is not armed again by later fills of its order."""
    disarm(state, subaccount, trigger)
    forget(state, subaccount, trigger)
    trigger.next_ms = 0
    exposure = subaccount.exposures.get(trigger.market)
    order = exposure.orders.get(-trigger.group) if exposure is not None and trigger.group < 0 else None
    if order is not None and reason not in (Reason.CANCELLED_BY_GROUP, Reason.NO_POSITION):
        order.exits = [one for one in order.exits if one[0] != trigger.kind]
    return [updated(subaccount, trigger, TriggerStatus.CANCELLED, Refusal(reason))]


def cancel_all(state: State, subaccount: Subaccount, reason: Reason, market: MarketId = 0) -> list[Message]:
    """Cancel everything that waits, in one market or in all."""
    waiting = [one for one in subaccount.triggers.values() if market in (0, one.market)]
    return [event for trigger in waiting for event in cancel(state, subaccount, trigger, reason)]


def market_ended(state: State, subaccount: Subaccount, market: MarketId) -> list[Message]:
    """Cancel what waits in a market that is no more."""
    return cancel_all(state, subaccount, Reason.MARKET_EXPIRED, market)


def updated(
    subaccount: Subaccount, trigger: Trigger, status: TriggerStatus, refusal: Refusal = ADMITTED
) -> TriggerUpdated:
    """Say how a trigger stands, and keep it."""
    trigger.status = status
    return TriggerUpdated(
        subaccount.id,
        trigger.market,
        trigger.id,
        trigger.client_id,
        trigger.command_id,
        trigger.kind,
        trigger.trigger_by,
        trigger.side,
        trigger.trigger_price,
        trigger.price,
        trigger.size,
        trigger.remaining,
        trigger.trail,
        trigger.reduce_only,
        max(0, trigger.group),
        status,
        refusal.reason,
        refusal.limit,
        trigger.next_ms,
        trigger.parent,
        trigger.time_in_force,
        trigger.interval_ms,
        trigger.ends_ms,
    )
