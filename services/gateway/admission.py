"""What this gateway passes on when there is more than the venue can take: new orders wait outside first, cancels never; a shield.

Each machine has a room of open commands. While answers come quickly and the room is nearly full, it grows. Once they stand in a queue, it
is what the machine answers in `open_s`: by Little's law nobody waits longer then. Beyond it new orders are refused, further beyond
replaces and quotes, and all else (cancels, orders that only reduce, deposits, keys) only where memory would end.
"""

from collections.abc import Callable
from enum import IntEnum
from time import monotonic

import grpc

from services.core.reasons import Reason
from services.core.rpc import Refused
from services.gateway.fields import NO_SIZE
from services.gateway.limits import GatewaySettings
from services.gateway.results import Owner
from vigil.v1 import trading_pb2 as pb

SPAN_S = 0.25
GROWTH, NEARLY_FULL = 1.5, 0.75
SHARES = (1, 2, 1, 1)
"""Of a machine's room, by worth; for what goes last, of `open_max`."""
LATE_SHARE = 0.25
"""For new orders, while this process itself is late."""
WORDS = ("new orders", "orders, replaces and quotes", "all commands", "all commands")
PER_MILLE = 1_000
WAIT_S_MIN = 0.1


class Worth(IntEnum):
    """How long a command is still taken under load; the lowest goes first."""

    NEW = 0
    CHANGE = 1
    REST = 2
    CANCEL = 3


WORTHS = {
    "replace_order": Worth.CHANGE,
    "mass_quote": Worth.CHANGE,
    **dict.fromkeys(("cancel_order", "cancel_all", "schedule_cancel", "cancel_trigger"), Worth.CANCEL),
}


def worth_of(kind: str | None, command: pb.Command) -> Worth:
    """How long a command is taken: what only reduces, and payments, as long as cancels."""
    if kind == "place_order":
        return Worth.REST if command.place_order.reduce_only else Worth.NEW
    if kind == "place_trigger":
        asked = command.place_trigger
        return Worth.REST if asked.reduce_only or asked.size in NO_SIZE else Worth.NEW
    if kind == "place_twap":
        return Worth.REST if command.place_twap.reduce_only else Worth.NEW
    return WORTHS.get(kind or "", Worth.REST)


def cost_of(kind: str | None, command: pb.Command) -> int:
    """How many commands it stands for."""
    if kind == "mass_quote":
        return max(1, len(command.mass_quote.quotes))
    return 1 + len(command.place_order.exits) if kind == "place_order" else 1


class Flow:
    """Open commands of one machine, how many it answers per second, and how many it may have."""

    def __init__(self, settings: GatewaySettings, now: float) -> None:
        self.settings = settings
        self.open = 0
        self.peak = 0
        self.answered = 0
        self.since = self.busy_since = self.newest = now
        self.per_s = 0.0
        self.room = float(settings.open_min)

    def opened(self, weight: int, now: float) -> None:
        """Note what was passed on."""
        if not self.open:
            self.busy_since = now
        self.open += weight
        self.peak = max(self.peak, self.open)

    def closed(self, weight: int, begun: float | None) -> None:
        """Note what was answered that began then, or was given up (None)."""
        self.open -= weight
        if begun is not None:
            self.answered += weight
            self.newest = max(self.newest, begun)

    def is_queued(self, now: float) -> bool:
        """Whether what is answered now began long ago; before the first answer, whether it is overdue."""
        return self.open > 0 and now - max(self.newest, self.busy_since) >= self.settings.standing_s

    def roll(self, now: float) -> None:
        """Judge each span: shorten a queue, or widen what was nearly full."""
        span = now - self.since
        if span < SPAN_S:
            return
        self.per_s = self.answered / span
        if self.is_queued(now):
            self.room = max(self.settings.open_queued_min, self.per_s * self.settings.open_s)
        elif self.peak >= NEARLY_FULL * self.room:
            self.room = min(GROWTH * self.room, self.settings.open_max)
        else:
            self.room = max(self.room, self.settings.open_min)
        self.answered, self.peak, self.since = 0, self.open, now


class Admission:
    """Decides by worth; `loop_late_s` is how late this process's own loop runs, `shed` counts commands that were not taken."""

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
            flow = self.flows[owner] = Flow(self.settings, self.clock())
        return flow

    def is_pressed(self) -> bool:
        """Whether anything might be refused at all."""
        return any(flow.open >= self.settings.open_queued_min for flow in self.flows.values())

    def is_late(self) -> bool:
        """Whether this process has more to do than it can."""
        return self.loop_late_s > self.settings.loop_late_s_max

    def opened(self, owner: Owner, weight: int) -> None:
        """Note what was passed on."""
        self.flow(owner).opened(weight, self.clock())

    def closed(self, owner: Owner, weight: int, begun: float | None) -> None:
        """Note what was answered that began then, or was given up (None)."""
        self.flow(owner).closed(weight, begun)

    def refusal(self, owner: Owner, worth: Worth) -> Refused | None:
        """Say why a command may not go to its machine now, with a hint when to come back; None when it may."""
        flow = self.flow(owner)
        flow.roll(self.clock())
        room = flow.room if worth <= Worth.CHANGE else self.settings.open_max
        share = LATE_SHARE if worth is Worth.NEW and self.is_late() else SHARES[worth]
        if flow.open < room * share:
            return None
        wait_ms = int(PER_MILLE * max(WAIT_S_MIN, flow.open / max(1.0, flow.per_s)))
        cause = f"{flow.open} commands are under way"
        if flow.open < room * SHARES[worth]:
            cause = f"this gateway is {int(PER_MILLE * self.loop_late_s)} ms late with its own work and {cause}"
        text = f"{cause}; {WORDS[worth]} are refused meanwhile; retry in {wait_ms} ms"
        return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, Reason.SYSTEM_LAGGING, wait_ms)
