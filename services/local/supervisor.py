"""Processes started, watched, started again when they died as a crash dies, and stopped in order; it knows no service."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import IO

import structlog

from services.core.process import EXIT_APPEND_FAILED

RESTARTS_MAX = 10
RESTARTS_SECONDS = 60.0
RESTART_PAUSE_SECONDS = 0.5
STOP_SECONDS_MAX = 20.0

log = structlog.get_logger(__name__)


class ChildFailed(Exception):
    """A process ended for a reason that starting it again does not cure."""


@dataclass
class Child:
    """One process: how it is started, and what became of it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    process: asyncio.subprocess.Process | None = None
    restarts: deque[float] = field(default_factory=deque)
    stopping: bool = False

    async def start(self) -> None:
        """Start it; what it says goes to its log file."""
        with self.log_file.open("ab") as output:
            self.process = await self.spawn(output)
        log.info("child_started", name=self.name, pid=self.process.pid)

    async def spawn(self, output: IO[bytes]) -> asyncio.subprocess.Process:
        """Start the process in a session of its own, so that Ctrl-C reaches the supervisor alone."""
        return await asyncio.create_subprocess_exec(
            *self.command,
            env={**os.environ, **self.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    async def watch(self) -> None:
        """Start it again whenever it died as in a crash: a failed append, or a signal.

        Raises   ChildFailed for any other end, and for too many of these
        """
        while self.process is not None:
            code = await self.process.wait()
            if self.stopping:
                return
            log.warning("child_ended", name=self.name, code=code)
            self.check(code)
            await asyncio.sleep(RESTART_PAUSE_SECONDS)
            await self.start()

    def check(self, code: int) -> None:
        """Judge an end that nobody asked for; raises ChildFailed."""
        if code != EXIT_APPEND_FAILED and code >= 0:
            raise ChildFailed(f"{self.name} ended with code {code}: {self.last_line()} (see {self.log_file})")
        self.restarts.append(monotonic())
        while self.restarts[0] < monotonic() - RESTARTS_SECONDS:
            self.restarts.popleft()
        if len(self.restarts) > RESTARTS_MAX:
            raise ChildFailed(f"{self.name} died {RESTARTS_MAX} times in a minute (see {self.log_file})")

    def last_line(self) -> str:
        """Last thing it said."""
        lines = self.log_file.read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    async def stop(self) -> None:
        """Ask it to end; by force when it does not."""
        self.stopping = True
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            log.warning("child_killed", name=self.name)
            self.process.kill()
            await self.process.wait()


class Supervisor:
    """Children in the order in which they were started; they are stopped in groups, the last first."""

    def __init__(self) -> None:
        self.groups: list[list[Child]] = []
        self.watches: list[asyncio.Task[None]] = []

    async def start(self, children: list[Child]) -> None:
        """Start a group that may start and stop together."""
        self.groups.append(children)
        for child in children:
            await child.start()
            self.watches.append(asyncio.create_task(child.watch()))

    async def wait(self, stop: asyncio.Event) -> None:
        """Wait until asked to stop; raises ChildFailed when a child cannot go on."""
        asked = asyncio.create_task(stop.wait())
        await asyncio.wait([asked, *self.watches], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        for watch in self.watches:
            if watch.done():
                watch.result()

    async def stop(self) -> None:
        """Stop everything, last group first."""
        for group in reversed(self.groups):
            await asyncio.gather(*(child.stop() for child in group))
        for watch in self.watches:
            watch.cancel()
        await asyncio.gather(*self.watches, return_exceptions=True)
