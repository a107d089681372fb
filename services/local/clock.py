"""The clock of a simulated venue: it runs `speed` times as fast as real time, in small steps, and stands still while anybody works.

So a fast clock makes nothing late: no record ages while it waits to be read, and a slow machine slows the clock instead (DESIGN.md 2).
Where prices are live, time is real, and nobody waits for anybody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from time import monotonic

from services.core.fixed import Milliseconds

STEP_MS_MAX = 1_000
"""Longest step of log time: marks and prices are once a second."""
STEP_SECONDS_MIN = 0.01
"""Shortest real time between two steps: at low speeds steps get shorter instead of more."""
CATCH_UP_SECONDS_MAX = 0.25
"""What timers overslept is made up for, a longer delay is not."""
LOOK_SECONDS = 0.001
PUBLISH_SECONDS = 0.05
QUIET_LOOKS = 2
"""How often in a row nobody may be at work: a task that was just woken is not seen as work by the first look."""


class ScenarioClock:
    """Log time that only `advance` moves; call it to read it."""

    def __init__(self, begins_ms: Milliseconds) -> None:
        """Begin at a time."""
        self.now = begins_ms

    def __call__(self) -> Milliseconds:
        """Log time, ms."""
        return self.now

    def advance(self, step_ms: int) -> None:
        """Go on by at most STEP_MS_MAX."""
        if not 0 < step_ms <= STEP_MS_MAX:
            raise ValueError(f"a step is 1 to {STEP_MS_MAX} ms, not {step_ms}")
        self.now += step_ms


@dataclass(frozen=True)
class Pace:
    """Step of log time and the real time it takes."""

    step_ms: int
    seconds: float


def pace(speed: int) -> Pace:
    """Steps for a speed: as short as STEP_SECONDS_MIN allows, never longer than STEP_MS_MAX. Speed 0 is as fast as it can."""
    if speed == 0:
        return Pace(STEP_MS_MAX, 0.0)
    step_ms = min(STEP_MS_MAX, max(1, int(speed * STEP_SECONDS_MIN * 1_000)))
    return Pace(step_ms, step_ms / 1_000 / speed)


class Pacer:
    """Moves a clock while nobody works: step, let `after_step` feed the venue, wait until all is quiet, and so on."""

    def __init__(
        self,
        clock: ScenarioClock,
        speed: int,
        is_busy: Callable[[], Awaitable[bool]],
        after_step: Callable[[], Awaitable[None]],
    ) -> None:
        """`is_busy` says whether anybody has work; `after_step` publishes prices and lets participants act."""
        self.clock = clock
        self.pace = pace(speed)
        self.is_busy = is_busy
        self.after_step = after_step
        self.steps = 0
        self.waited_seconds = 0.0

    async def run(self, until_ms: Milliseconds, stop: asyncio.Event) -> None:
        """Move the clock to `until_ms`, or until `stop`."""
        await self.quiet(stop)
        due = monotonic()
        while self.clock() < until_ms and not stop.is_set():
            self.clock.advance(min(self.pace.step_ms, until_ms - self.clock()))
            self.steps += 1
            await self.after_step()
            await self.quiet(stop)
            due = max(due + self.pace.seconds, monotonic() - CATCH_UP_SECONDS_MAX)
            await asyncio.sleep(max(0.0, due - monotonic()))

    async def quiet(self, stop: asyncio.Event) -> None:
        """Wait until nobody has work, looking again and again; the clock does not move meanwhile."""
        began, quiet = monotonic(), 0
        while quiet < QUIET_LOOKS and not stop.is_set():
            quiet = 0 if await self.is_busy() else quiet + 1
            await asyncio.sleep(0 if quiet else LOOK_SECONDS)
        self.waited_seconds += monotonic() - began


class RealTime:
    """Lets real time pass: prices are published as they come, and everybody acts at its own pace."""

    waited_seconds = 0.0

    def __init__(
        self,
        clock: Callable[[], Milliseconds],
        publish: Callable[[], Awaitable[object]],
        act: Callable[[asyncio.Event], Coroutine[None, None, None]],
    ) -> None:
        """`publish` tells the prices that are due; `act` lets participants act until the event that it gets is set."""
        self.clock = clock
        self.publish = publish
        self.act = act

    async def run(self, until_ms: Milliseconds, stop: asyncio.Event) -> None:
        """Go on until `until_ms`, or until `stop`; raises what `publish` and `act` raise."""
        over = asyncio.Event()
        acting = asyncio.create_task(self.act(over))
        try:
            while self.clock() < until_ms and not stop.is_set() and not acting.done():
                await self.publish()
                await asyncio.sleep(PUBLISH_SECONDS)
        finally:
            over.set()
            await acting
