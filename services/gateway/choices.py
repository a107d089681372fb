"""Words of commands that are numbers on the wire: sides, times in force, what to do with oneself; each of them known, or refused."""

from typing import Any

from services.core import messages as m
from services.core.markets import Market
from services.core.reasons import Reason
from services.gateway.fields import CommandRefused
from vigil.v1 import common_pb2

SIDES = {common_pb2.SIDE_BID: int(m.Side.BUY), common_pb2.SIDE_ASK: int(m.Side.SELL)}
TIMES_IN_FORCE = {int(one): int(one) for one in m.TimeInForce}
SELF_TRADES = {int(one): int(one) for one in m.SelfTrade}
AT_ONCE = (int(m.TimeInForce.IOC), int(m.TimeInForce.FOK))
TRIGGERS = (int(m.TriggerKind.STOP), int(m.TriggerKind.TAKE_PROFIT), int(m.TriggerKind.TRAILING))
TRAILING = int(m.TriggerKind.TRAILING)
TRIGGER_BY = {0: int(m.TriggerBy.MARK)} | {int(one): int(one) for one in m.TriggerBy}


def side_of(side: int) -> int:
    """Side of an order, +1 or -1."""
    found = SIDES.get(side)  # type: ignore[call-overload]
    if found is None:
        raise CommandRefused(Reason.INVALID_ORDER, 0, f"side {side} is neither SIDE_BID (1) nor SIDE_ASK (2)")
    return int(found)


def time_in_force_of(order: Any, *, is_market: bool) -> int:  # noqa: ANN401 - whatever becomes an order
    """Time in force of an order; one without price has to trade at once."""
    found: int = order.time_in_force
    if found not in TIMES_IN_FORCE:
        text = f"time_in_force {found} is none of GTC (0), IOC (1), POST_ONLY (2), FOK (3), POST_ONLY_SLIDE (4)"
        raise CommandRefused(Reason.INVALID_ORDER, 0, text)
    if is_market and found not in AT_ONCE:
        text = "an order without price is a market order, which needs TIME_IN_FORCE_IOC or TIME_IN_FORCE_FOK"
        raise CommandRefused(Reason.INVALID_ORDER, 0, text)
    return found


def self_trade_of(order: Any) -> int:  # noqa: ANN401
    """What an order does when it meets one of its own account."""
    found: int = order.self_trade
    if found not in SELF_TRADES:
        text = f"self_trade {found} is none of REJECT_TAKER (0), CANCEL_MAKER (1), CANCEL_BOTH (2), DECREMENT (3)"
        raise CommandRefused(Reason.INVALID_ORDER, 0, text)
    return found


def reduce_only_of(order: Any, market: Market) -> bool:  # noqa: ANN401
    """Whether an order only reduces a position."""
    found: bool = order.reduce_only
    if found and market.is_spot:
        raise CommandRefused(Reason.INVALID_ORDER, 0, "reduce_only is for positions; a spot market has none")
    return found


def trigger_kind_of(kind: int) -> int:
    """What waits for a price."""
    if kind not in TRIGGERS:
        text = f"kind {kind} is none of STOP (1), TAKE_PROFIT (2), TRAILING (3)"
        raise CommandRefused(Reason.INVALID_TRIGGER, 0, text)
    return kind


def trigger_by_of(trigger_by: int) -> int:
    """Price that a trigger watches, the mark unless it says another."""
    found = TRIGGER_BY.get(trigger_by)
    if found is None:
        text = f"trigger_by {trigger_by} is none of MARK (1), INDEX (2), LAST (3)"
        raise CommandRefused(Reason.INVALID_TRIGGER, 0, text)
    return found
