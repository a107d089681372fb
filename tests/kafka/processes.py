"""One service as an operating-system process that a test may kill, pause, double and ask for its health."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.core.process import EXIT_APPEND_FAILED
from services.core.rpc import open_channel

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.05
STOP_SECONDS_MAX = 60.0
START_SECONDS_MAX = 120.0
STOPPED = "partition_stopped"
SERVING = health_pb2.HealthCheckResponse.SERVING
LIKE_A_CRASH = (EXIT_APPEND_FAILED, -signal.SIGKILL)


class ProcessFailed(AssertionError):
    """A process ended as none may."""


async def wait_until(holds: Callable[[], Awaitable[bool]], what: str, seconds_max: float = START_SECONDS_MAX) -> None:
    """Look again and again until something holds; AssertionError after a time that no sound venue needs."""
    deadline = monotonic() + seconds_max
    while not await holds():
        if monotonic() > deadline:
            raise AssertionError(f"not within {seconds_max:g} s: {what}")
        await asyncio.sleep(LOOK_SECONDS)


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service: ours without settings of somebody else's venue."""
    return {name: text for name, text in os.environ.items() if not name.startswith("VIGIL_")} | dict(environment)


def python(*arguments: str) -> list[str]:
    """Command line of a module of ours; where the system can do it, the process dies with us, however we die."""
    setpriv = shutil.which("setpriv")
    tied = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    return [*tied, sys.executable, "-m", *arguments]


class Process:
    """A service, started again whenever it dies as in a crash. `health` are the names that its health service knows."""

    def __init__(
        self, name: str, module: str, environment: Mapping[str, str], address: str, health: Sequence[str], folder: Path
    ) -> None:
        self.name = name
        self.module = module
        self.environment = dict(environment)
        self.address = address
        self.health = tuple(health)
        self.folder = folder
        self.process: asyncio.subprocess.Process | None = None
        self.keeper: asyncio.Task[None] | None = None
        self.wanted = False
        self.starts = 0
        self.exits: list[int] = []
        self.read_to = 0

    @property
    def log_file(self) -> Path:
        """What it says, over all its starts."""
        return self.folder / f"{self.name}.log"

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended by us."""
        return self.wanted

    async def start(self) -> None:
        """Start it and keep it running; it is not healthy yet."""
        self.wanted = True
        await self.spawn()
        self.keeper = asyncio.create_task(self.keep())

    async def spawn(self) -> None:
        """Start one process, in a session of its own."""
        with self.log_file.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *python(self.module),
                cwd=ROOT,
                env=own_environment(self.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.starts += 1

    async def keep(self) -> None:
        """Start it again after each crash; raises ProcessFailed for any other end that nobody asked for."""
        while self.process is not None:
            code = await self.process.wait()
            self.exits.append(code)
            if not self.wanted:
                return
            if code not in LIKE_A_CRASH:
                raise ProcessFailed(f"{self.name} ended with code {code}:\n{self.last_words()}")
            await self.spawn()

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process as it is now."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    def pause(self) -> None:
        """SIGSTOP: it hangs with its connections open."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        self.send(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL; returns when its successor has begun, which need not be healthy yet."""
        before = self.starts
        self.send(signal.SIGKILL)

        async def begun() -> bool:
            self.check()
            return self.starts > before

        await wait_until(begun, f"{self.name} begins again")

    def check(self) -> None:
        """Raise what its keeper failed with; a stopped partition is a failure, too."""
        if self.keeper is not None and self.keeper.done():
            self.keeper.result()
        with self.log_file.open(errors="replace") as file:
            file.seek(self.read_to)
            new = [line for line in file.read().splitlines() if STOPPED in line]
            self.read_to = file.tell()
        if new:
            raise ProcessFailed(f"{self.name} stopped a partition: {new[0]}")

    async def is_healthy(self) -> bool:
        """Whether it says of everything it serves that it does; raises ProcessFailed when it ended for good."""
        self.check()
        channel = open_channel(self.address)
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            for name in self.health:
                answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=2)
                if answer.status != SERVING:
                    return False
        except grpc.aio.AioRpcError:
            return False
        finally:
            await channel.close()
        return True

    async def wait_until_healthy(self) -> None:
        """Wait until it serves."""
        await wait_until(self.is_healthy, f"{self.name} is healthy")

    async def end(self, number: signal.Signals) -> int:
        """End it for good by a signal; returns its exit code. What does not end is killed and raises."""
        self.wanted = False
        self.resume()
        self.send(number)
        if self.process is None or self.keeper is None:
            return 0
        try:
            await asyncio.wait_for(asyncio.shield(self.keeper), STOP_SECONDS_MAX)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self.keeper
            raise ProcessFailed(f"{self.name} did not end:\n{self.last_words()}") from None
        return self.exits[-1]

    async def stop(self) -> None:
        """SIGTERM, which must end in good order."""
        code = await self.end(signal.SIGTERM)
        if code:
            raise ProcessFailed(f"{self.name} ended with code {code} when it was asked to stop:\n{self.last_words()}")
