"""When a subaccount is looked at by itself: its scheduled cancel, the slices of its TWAPs; a few timers for all of them."""

from enum import IntEnum

from services.core.fixed import Milliseconds
from services.risk.state import State, Subaccount

ALARMS_MAX = 16
"""Timers of a subaccount that may wait: each time that is earlier than all before it needs one, a later one none."""


class TimerKind(IntEnum):
    """What this machine waits for, and about whom: LEASE an account, ALARM and BOX (a box's end) a subaccount, PERIOD an asset."""

    LEASE = 1
    ALARM = 2
    BOX = 3
    PERIOD = 4


def is_earliest(subaccount: Subaccount, at_ms: Milliseconds) -> bool:
    """Whether no timer fires by then that would look and wait on."""
    return not subaccount.cancel_timers or at_ms < subaccount.cancel_timers[-1]


def look_at(state: State, subaccount: Subaccount, at_ms: Milliseconds) -> None:
    """Have the subaccount looked at by then: a timer that is earlier than those that wait, so that their list descends.

    Where too many wait already, whoever comes with the next of them is late by that much.
    """
    if is_earliest(subaccount, at_ms) and len(subaccount.cancel_timers) < ALARMS_MAX:
        subaccount.cancel_timers.append(at_ms)
        state.timers.arm(at_ms, TimerKind.ALARM, subaccount.id)
