"""docker-compose.yml as far as it can be followed without a container engine: each container is a process.

It has the container's command line, environment, health check and stop signal; addresses and paths are this machine's.
"""

import asyncio
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import yaml

from deploy.kafka.broker import Cluster, free_ports
from tests.containers.image import ROOT, Image
from tests.kafka.processes import wait_until

COMPOSE = ROOT / "docker-compose.yml"
HOST = "127.0.0.1"
BROKER = "kafka"
NO_KAFKA_SETTING = ("heap", "node", "process", "controller", "listeners", "advertised", "listener", "log", "inter")
"""First words of the broker's settings that are addresses, paths or the process's own."""
HEALTHY, COMPLETED = "service_healthy", "service_completed_successfully"


def read_compose() -> dict[str, Any]:
    """The file, its anchors resolved, and variables of the operator's environment at their defaults."""
    content: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text()))
    return content


def broker_settings(services: dict[str, Any]) -> dict[str, str]:
    """What the file tells the broker, as in server.properties; addresses and paths are left to the tests' own broker."""
    told: dict[str, str] = services[BROKER]["environment"]
    settings = {name.removeprefix("KAFKA_").lower().replace("_", "."): text for name, text in told.items()}
    return {name: text for name, text in settings.items() if not name.startswith(NO_KAFKA_SETTING)}


class Container:
    """One service of the file that runs our image."""

    def __init__(self, name: str, spec: dict[str, Any], venue: "ComposedVenue") -> None:
        self.name = name
        self.spec = spec
        self.venue = venue
        self.process: asyncio.subprocess.Process | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The image's, then the container's own; nothing of ours but what a program needs to run at all."""
        told = {name: self.venue.here(str(text), self.name) for name, text in self.spec.get("environment", {}).items()}
        image = self.venue.image
        path = image.environment["PATH"].replace("${PATH}", os.environ["PATH"])
        return {**image.environment, "HOME": str(image.folder), "PATH": path, **told}

    @property
    def depends_on(self) -> dict[str, str]:
        """Condition by name."""
        return {name: each["condition"] for name, each in self.spec.get("depends_on", {}).items()}

    @property
    def has_health_check(self) -> bool:
        """Whether the image's check applies."""
        return not self.spec.get("healthcheck", {}).get("disable", False)

    @property
    def log_file(self) -> Path:
        """What it says."""
        return self.venue.folder / f"{self.name}.log"

    async def run(self, command: list[str], output: Any) -> asyncio.subprocess.Process:
        """Start a command as it would run inside the container."""
        arguments = [self.venue.here(str(part), self.name) for part in command]
        return await asyncio.create_subprocess_exec(
            *arguments,
            cwd=self.venue.image.place(self.venue.image.work_dir),
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def start(self) -> None:
        """Start it; it may not be healthy yet."""
        with self.log_file.open("ab") as output:
            self.process = await self.run(self.spec.get("command") or self.venue.image.command, output)

    async def is_healthy(self) -> bool:
        """Whether the image's health check succeeds; AssertionError when the process is over."""
        assert self.process is not None
        assert self.process.returncode is None, f"{self.name} ended:\n{self.last_words()}"
        asked = await self.run(self.venue.image.health, subprocess.DEVNULL)
        return await asyncio.wait_for(asked.wait(), 30) == 0

    async def reach(self, condition: str) -> None:
        """Wait until it is what another one depends on."""
        assert self.process is not None
        if condition == COMPLETED:
            code = await asyncio.wait_for(self.process.wait(), 180)
            assert code == 0, f"{self.name} ended with code {code}:\n{self.last_words()}"
        else:
            assert condition == HEALTHY
            assert self.has_health_check
            await wait_until(self.is_healthy, f"{self.name} is healthy")

    async def stop(self) -> int:
        """Send the image's stop signal; returns the exit code, TimeoutError when an engine would kill it."""
        assert self.process is not None
        self.process.send_signal(signal.Signals[self.venue.image.stop_signal])
        return await asyncio.wait_for(self.process.wait(), int(self.spec["stop_grace_period"].removesuffix("s")))

    async def end(self) -> None:
        """Kill what still runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def last_words(self, lines: int = 15) -> str:
        """The end of what it said."""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])


class ComposedVenue:
    """All containers of our image, on a broker of their own."""

    def __init__(self, image: Image, cluster: Cluster, folder: Path) -> None:
        self.image = image
        self.cluster = cluster
        self.folder = folder
        services = read_compose()["services"]
        own = {name: spec for name, spec in services.items() if "build" in spec}
        self.containers = {name: Container(name, spec, self) for name, spec in own.items()}
        addresses = [(name, port) for name in [*own, "prometheus"] for port in (50051, 50052, 9464, 9090)]
        self.ports = dict(zip(addresses, free_ports(len(addresses)), strict=True))
        self.starting: dict[str, asyncio.Task[None]] = {}

    def here(self, text: str, name: str) -> str:
        """Text of the container `name` with paths and addresses of this machine; a name with a port is another container's address."""
        text = self.image.here(text).replace("kafka:9092", self.cluster.bootstrap)

        def address(found: re.Match[str]) -> str:
            whose = name if found[1] == "0.0.0.0" else found[1]  # noqa: S104 - replaced by the loopback address
            port = self.ports.get((whose, int(found[2])))
            return found[0] if port is None else f"{HOST}:{port}"

        return re.sub(r"\b([\w.-]+):(\d+)\b", address, text)

    def address(self, name: str, port: int) -> str:
        """Where a container's port is."""
        return f"{HOST}:{self.ports[name, port]}"

    async def up(self) -> None:
        """Start everything in the order of `depends_on`; returns when all that has a health check is healthy and all else has begun."""
        for name in self.containers:
            await self.started(name)
        long_running = [one for one in self.containers.values() if one.has_health_check]
        await asyncio.gather(*(one.reach(HEALTHY) for one in long_running))

    async def started(self, name: str) -> None:
        """Start a container once, after those it depends on."""
        if name not in self.starting:
            self.starting[name] = asyncio.create_task(self.start(self.containers[name]))
        await self.starting[name]

    async def start(self, container: Container) -> None:
        """Start a container when its conditions hold; the broker's holds already."""
        for name, condition in container.depends_on.items():
            if name != BROKER:
                await self.started(name)
                await self.containers[name].reach(condition)
        await container.start()

    async def end(self) -> None:
        """Leave nothing behind."""
        for task in self.starting.values():
            task.cancel()
        await asyncio.gather(*self.starting.values(), return_exceptions=True)
        for container in self.containers.values():
            await container.end()
