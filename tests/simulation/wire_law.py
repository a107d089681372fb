"""Wires are those of boxes and triggers that exist, nobody waits for a price that is there, and a trigger fires where its price is."""

from typing import Any, TypeAlias

from services.core.messages import TriggerKind, TriggerStatus
from services.risk.health import has_ended
from services.risk.series import price_now
from services.risk.wires import Series, SeriesKind, Subject
from tests.simulation.law import law
from vigil.v1 import common_pb2, feeds_pb2

Wire: TypeAlias = tuple[Series, Subject, int]
"""(series, who waits, side)."""


def judge_wires(state: Any) -> None:
    """Hold what is armed against who waits."""
    expected = {**of_triggers(state), **of_boxes(state)}
    found: dict[Wire, int] = {}
    for series, wires in state.wires.items():
        ended = series[0] != SeriesKind.COLLATERAL and has_ended(state, state.markets[series[1]])
        law(ended or wires.price == price_now(state, *series), f"series {series} stands where its price does")
        for side, buckets in ((-1, wires.below), (1, wires.above)):
            armed = {
                (series, subject, side): threshold
                for bucket in buckets.values()
                for subject, threshold in bucket.wires.items()
            }
            nearest = side * min([side * threshold for threshold in armed.values()], default=0)
            reached = bool(armed and wires.price) and side * (wires.price - nearest) >= 0
            law(not reached, f"somebody waits for {nearest} of {series}, which is at {wires.price}")
            found.update(armed)
    if not found.items() <= expected.items():
        law(False, f"nobody waits by {[wire for wire in found.items() if wire not in expected.items()]}")  # noqa: FBT003
    missing = [wire for wire in expected if wire[1][1] and wire not in found]
    law(not missing, f"triggers wait by wire: {missing}")


def of_triggers(state: Any) -> dict[Wire, int]:
    """What triggers wait for: (series, subject, side) -> threshold."""
    return {
        ((trigger.trigger_by, trigger.market), (subaccount.id, trigger.id), side): threshold
        for subaccount in state.subaccounts.values()
        for trigger in subaccount.triggers.values()
        if trigger.kind != TriggerKind.TWAP
        for side, threshold in ((-1, trigger.below), (1, trigger.above))
        if threshold
    }


def of_boxes(state: Any) -> dict[Wire, int]:
    """What boxes wait for; sides that were passed have no wire until their owner has been judged."""
    return {
        (series, (subaccount.id, 0), side): threshold
        for subaccount in state.subaccounts.values()
        if subaccount.box is not None
        for series, ends in subaccount.box.ranges.items()
        for side, threshold in zip((-1, 1), ends, strict=True)
    }


def judge_fired(state: Any, event: feeds_pb2.TriggerUpdated) -> bool:
    """Whether a trigger fired, and if so that its price is there: at its threshold or beyond, on its side."""
    status, kind, side = int(event.status), int(event.kind), int(event.side)
    if status not in (TriggerStatus.TRIGGERED, TriggerStatus.FAILED):
        return False
    if kind not in (TriggerKind.STOP, TriggerKind.TAKE_PROFIT):
        return False
    price = price_now(state, event.trigger_by, event.market)
    rises = (kind == TriggerKind.STOP) == (side == int(common_pb2.SIDE_BID))
    there = price >= event.trigger_price if rises else price <= event.trigger_price
    law(there, f"a trigger fires where its price is, not at {price}: {event}")
    return True
