"""Builders of commands for what waits (stops, take-profits, trailing stops, TWAPs) and for what limits and protects; they send nothing."""

from typing import TypeAlias

from services.client.commands import SelfTrade, Side, TimeInForce, optional
from services.client.views import Quantity, plain
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

TriggerKind: TypeAlias = "common_pb2.TriggerKind.ValueType"
TriggerBy: TypeAlias = "common_pb2.TriggerBy.ValueType"
STOP = common_pb2.TRIGGER_KIND_STOP
TAKE_PROFIT = common_pb2.TRIGGER_KIND_TAKE_PROFIT
TRAILING = common_pb2.TRIGGER_KIND_TRAILING
MARK = common_pb2.TRIGGER_BY_MARK


def trigger_command(
    symbol: str,
    side: Side,
    kind: TriggerKind,
    *,
    size: Quantity | None = None,
    trigger_price: Quantity | None = None,
    price: Quantity | None = None,
    trail: Quantity | None = None,
    trigger_by: TriggerBy = MARK,
    time_in_force: "TimeInForce | None" = None,
    client_id: int = 0,
    reduce_only: bool = False,
    self_trade: SelfTrade = common_pb2.SELF_TRADE_REJECT_TAKER,
    group: int = 0,
    subaccount: int = 0,
) -> pb.Command:
    """Command for an order that waits for a price; without `size` it closes the position of that moment, without `price` at market.

    `trail` is a part of the best price (0.01 is 1 %), of TRAILING alone; its `trigger_price` may be left out.
    """
    if time_in_force is None:
        time_in_force = common_pb2.TIME_IN_FORCE_IOC if price is None else common_pb2.TIME_IN_FORCE_GTC
    trigger = pb.PlaceTrigger(
        subaccount=subaccount,
        symbol=symbol,
        kind=kind,
        side=side,
        time_in_force=time_in_force,
        trigger_by=trigger_by,
        trigger_price=optional(trigger_price),
        price=optional(price),
        size=optional(size),
        trail=optional(trail),
        client_id=client_id,
        reduce_only=reduce_only,
        self_trade=self_trade,
        group=group,
    )
    return pb.Command(place_trigger=trigger)


def order_exit(
    kind: TriggerKind,
    *,
    trigger_price: Quantity | None = None,
    price: Quantity | None = None,
    trail: Quantity | None = None,
    trigger_by: TriggerBy = MARK,
) -> pb.Exit:
    """One exit of an order (bracket): what waits once the order has filled and closes what it opened; without `price` at market."""
    return pb.Exit(
        kind=kind,
        trigger_by=trigger_by,
        trigger_price=optional(trigger_price),
        price=optional(price),
        trail=optional(trail),
    )


def twap_command(
    symbol: str,
    side: Side,
    *,
    size: Quantity,
    duration_ms: int,
    interval_ms: int,
    tolerance: Quantity,
    client_id: int = 0,
    reduce_only: bool = False,
    subaccount: int = 0,
) -> pb.Command:
    """Command that trades a size in equal slices, none further than `tolerance` (a part: 0.01 is 1 %) from the mark of its moment."""
    twap = pb.PlaceTwap(
        subaccount=subaccount,
        symbol=symbol,
        side=side,
        size=plain(size),
        duration_ms=duration_ms,
        interval_ms=interval_ms,
        tolerance=plain(tolerance),
        client_id=client_id,
        reduce_only=reduce_only,
    )
    return pb.Command(place_twap=twap)


def cancel_trigger_command(symbol: str, *, trigger_id: int = 0, client_id: int = 0, subaccount: int = 0) -> pb.Command:
    """Command that cancels what waits; ValueError unless it has exactly one id."""
    if bool(trigger_id) == bool(client_id):
        raise ValueError("name the trigger by trigger_id or by client_id")
    named = {"trigger_id": trigger_id} if trigger_id else {"client_id": client_id}
    return pb.Command(cancel_trigger=pb.CancelTrigger(subaccount=subaccount, symbol=symbol, **named))


def leverage_command(leverage_max: int, *, subaccount: int = 0) -> pb.Command:
    """Command that bounds the leverage of a subaccount; 0 leaves it to the markets."""
    return pb.Command(set_leverage=pb.SetLeverage(subaccount=subaccount, leverage_max=leverage_max))


def protection_command(
    symbol: str,
    *,
    interval_ms: int,
    quantity_max: Quantity | None = None,
    delta_max: Quantity | None = None,
    frozen_ms: int = 0,
    subaccount: int = 0,
) -> pb.Command:
    """Command that cancels all quotes in a market once they have traded so much within an interval; interval 0 ends the protection."""
    asked = pb.SetProtection(
        subaccount=subaccount,
        symbol=symbol,
        interval_ms=interval_ms,
        quantity_max=optional(quantity_max),
        delta_max=optional(delta_max),
        frozen_ms=frozen_ms,
    )
    return pb.Command(set_protection=asked)


def reset_protection_command(symbol: str, *, subaccount: int = 0) -> pb.Command:
    """Command that lets quotes be taken again after the protection has tripped."""
    return pb.Command(reset_protection=pb.ResetProtection(subaccount=subaccount, symbol=symbol))
