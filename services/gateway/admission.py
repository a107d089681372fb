"""What this gateway passes on when there is more than the venue can take: new orders wait outside first, cancels never; a shield.

Little's law: what is open divided by what is answered per second is how long an answer takes. A burst is taken in any case; once even
the quickest answers of a while have stood in a queue, a machine gets as many open commands as it answers in `open_s`. Beyond it new
orders are refused, further beyond replaces and quotes, and all else (cancels, orders that only reduce, deposits, keys) only where memory
would end.
"""

from collections.abc import Callable
from enum import IntEnum
from math import inf
from time import monotonic

import grpc

from services.core.reasons import Reason
from services.core.rpc import Refused
from services.gateway.limits import GatewaySettings
from services.gateway.results import Owner
from vigil.v1 import trading_pb2 as pb

SPAN_S = 0.5
SHARES = (1, 2, 8, 8)
"""Of a machine's room, by worth; for what goes last, of `open_min`."""
LATE_SHARE = 0.25
"""For new orders, while this process itself is late."""
WORDS = ("new orders", "orders, replaces and quotes", "all commands", "all commands")
PER_MILLE = 1_000


class Worth(IntEnum):
    """How long a command is still taken under load; the lowest goes first."""

    NEW = 0
    CHANGE = 1
    REST = 2
    CANCEL = 3


WORTHS = {
    "replace_order": Worth.CHANGE,
    "mass_quote": Worth.CHANGE,
    **dict.fromkeys(("cancel_order", "cancel_all", "schedule_cancel"), Worth.CANCEL),
}


def worth_of(kind: str | None, command: pb.Command) -> Worth:
    """How long a command is taken: orders that only reduce and payments as long as cancels."""
    if kind == "place_order":
        return Worth.REST if command.place_order.reduce_only else Worth.NEW
    return WORTHS.get(kind or "", Worth.REST)


def cost_of(kind: str | None, command: pb.Command) -> int:
    """How many commands it stands for."""
    return max(1, len(command.mass_quote.quotes)) if kind == "mass_quote" else 1


class Flow:
    """Open commands of one machine, and how many it answers per second."""

    def __init__(self, now: float) -> None:
        self.open = 0
        self.answered = 0
        self.quickest_s = inf
        self.since = now
        self.per_s = 0.0
        self.is_queued = False

    def roll(self, now: float, standing_s: float) -> None:
        """Count anew each span; nothing answered in it means that nobody waits, or that all do."""
        span = now - self.since
        if span >= SPAN_S:
            self.is_queued = self.open > 0 and self.quickest_s >= standing_s
            self.per_s, self.answered, self.quickest_s, self.since = self.answered / span, 0, inf, now


class Admission:
    """Decides by worth; `loop_late_s` is how late this process's own loop runs."""

    def __init__(self, settings: GatewaySettings, clock: Callable[[], float] = monotonic) -> None:
        self.settings = settings
        self.clock = clock
        self.flows: dict[Owner, Flow] = {}
        self.loop_late_s = 0.0
        self.shed = dict.fromkeys(Worth, 0)

    def flow(self, owner: Owner) -> Flow:
        """Flow to a machine."""
        flow = self.flows.get(owner)
        if flow is None:
            flow = self.flows[owner] = Flow(self.clock())
        return flow

    def is_pressed(self) -> bool:
        """Whether anything might be refused at all."""
        return any(flow.open >= self.settings.open_queued_min for flow in self.flows.values())

    def is_late(self) -> bool:
        """Whether this process has more to do than it can."""
        return self.loop_late_s > self.settings.loop_late_s_max

    def opened(self, owner: Owner, weight: int) -> None:
        """Note what was passed on."""
        self.flow(owner).open += weight

    def closed(self, owner: Owner, weight: int, took_s: float | None) -> None:
        """Note what was answered after a time, or given up (None)."""
        flow = self.flow(owner)
        flow.open -= weight
        if took_s is not None:
            flow.answered += weight
            flow.quickest_s = min(flow.quickest_s, took_s)

    def room(self, owner: Owner) -> float:
        """Open commands that a machine may have."""
        flow = self.flow(owner)
        flow.roll(self.clock(), self.settings.standing_s)
        sustained = flow.per_s * self.settings.open_s
        return max(self.settings.open_queued_min if flow.is_queued else self.settings.open_min, sustained)

    def refusal(self, owner: Owner, worth: Worth) -> Refused | None:
        """Say why a command may not go to its machine now, with a hint when to come back; None when it may."""
        flow = self.flow(owner)
        room = self.room(owner) if worth <= Worth.CHANGE else self.settings.open_min
        share = LATE_SHARE if worth is Worth.NEW and self.is_late() else SHARES[worth]
        if flow.open < room * share:
            return None
        self.shed[worth] += 1
        wait_ms = int(PER_MILLE * max(SPAN_S, flow.open / max(1.0, flow.per_s)))
        text = f"{flow.open} commands are under way; {WORDS[worth]} are refused meanwhile; retry in {wait_ms} ms"
        return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, Reason.SYSTEM_LAGGING, wait_ms)
