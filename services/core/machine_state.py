"""What a machine is to its engine: a state and pure functions over it; no step is taken here.

These classes stand apart from the engine because machines extend them as plain Python, while the engine may be compiled.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from services.core import messages as m
from services.core.fixed import Milliseconds
from services.core.markets import Market
from services.core.timers import Timer, Timers


@dataclass(slots=True)
class MachineState:
    """What every machine's state has; the engine keeps it, the machine reads it and arms timers."""

    now_ms: Milliseconds = 0
    rules: int = 0
    genesis: m.Genesis | None = None
    timers: Timers = field(default_factory=Timers)
    markets: dict[int, Market] = field(default_factory=dict)
    rounds_since_resumed: int = 0
    partition: int = 0


S = TypeVar("S", bound=MachineState)


def nothing_to_fire(_state: MachineState, _timer: Timer) -> list[m.Message]:
    """Stand in for `fire` of a machine that arms no timers."""
    return []


def no_work(_state: MachineState) -> list[m.Message]:
    """Stand in for `work` of a machine that never slices."""
    return []


@dataclass(frozen=True)
class Machine(Generic[S]):
    """A service as the engine sees it. `work` does one slice of postponed work and returns [] when there is none."""

    service: str
    state: type[S]
    apply: Callable[[S, m.Record], list[m.Message]]
    check_invariants: Callable[[S], None]
    fire: Callable[[S, Timer], list[m.Message]] = nothing_to_fire
    work: Callable[[S], list[m.Message]] = no_work
    has_work: Callable[[S], bool] = lambda _state: False
