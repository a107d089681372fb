"""Start and stop an Apache Kafka of our own: one or three KRaft nodes, broker and controller each.

    python deploy/kafka/broker.py start --brokers 3      stop      status

Tests use `Cluster` directly, and kill, pause and restart its nodes. It does not create topics: a topic's
partitions, replication and retention are decided by who owns it. Needs the jars of `make tools`, and Java 17.
"""

import argparse
import base64
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
LIBS = ROOT / "build" / "kafka" / "libs"
LOG_SETTINGS = Path(__file__).resolve().parent / "log4j2.properties"
DEFAULT_FOLDER = ROOT / "build" / "kafka" / "data"
DEFAULT_PORT = 19092
PORTS = range(20_000, 32_000)
HOST = "127.0.0.1"
# A start takes 5 to 9 s on two idle cores; three nodes on a loaded machine take several times that.
START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 30
HEAP = ("-Xms512m", "-Xmx512m", "-Xmn256m", "-XX:+UseSerialGC")
"""One collector thread: beside the services on two cores it costs a sixth less processor time than G1, which works beside them too."""


class BrokerError(Exception):
    """The broker could not be started, and why."""


class Node:
    """One KRaft node: its folder, its two ports, and the process if it runs."""

    def __init__(self, number: int, folder: Path, client_port: int, controller_port: int) -> None:
        self.number = number
        self.folder = folder
        self.client_port = client_port
        self.controller_port = controller_port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where clients reach it."""
        return f"{HOST}:{self.client_port}"

    @property
    def settings_file(self) -> Path:
        """Its server.properties, by which the process is also recognised."""
        return self.folder / "server.properties"

    @property
    def log_file(self) -> Path:
        """What it says while it runs."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int | None:
        """Process id, also of a node that another program started; None when it does not run."""
        if self.process is not None:
            # Asked of the system itself, since a child's command line is empty for a moment while it begins.
            return self.process.pid if self.process.poll() is None else None
        try:
            pid = int((self.folder / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if str(self.settings_file) in command_line(pid) else None

    def launch(self) -> None:
        """Start the process, detached, and return at once."""
        if self.pid is not None:
            raise BrokerError(f"node {self.number} runs already in {self.folder}")
        self.log_file.unlink(missing_ok=True)
        options = [*HEAP, "-XX:+ExitOnOutOfMemoryError"]
        with (self.folder / "console.log").open("wb") as console:
            self.process = subprocess.Popen(
                java_command(self.folder, "kafka.Kafka", str(self.settings_file), options=options),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        (self.folder / "pid").write_text(str(self.process.pid))

    def is_ready(self) -> bool:
        """Whether it has joined its cluster and answers clients; BrokerError when it died instead."""
        if self.pid is None:
            raise BrokerError(f"node {self.number} died while starting:\n{self.last_words()}")
        with contextlib.suppress(OSError):
            if "Kafka Server started" in self.log_file.read_text(errors="replace"):
                socket.create_connection((HOST, self.client_port), timeout=1).close()
                return True
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it does not run."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait_until_gone(self, seconds_max: int) -> bool:
        """Whether the process ended in time."""
        deadline = time.monotonic() + seconds_max
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        (self.folder / "pid").unlink(missing_ok=True)
        return True

    def stop(self) -> None:
        """End it in good order, by force where it does not obey."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if not self.wait_until_gone(STOP_SECONDS_MAX):
            self.kill()

    def kill(self) -> None:
        """SIGKILL: what a power cut of this one machine looks like to the others."""
        self.signal(signal.SIGKILL)
        self.wait_until_gone(STOP_SECONDS_MAX)

    def last_words(self) -> str:
        """The ends of its logs, for an error message."""
        files = [self.folder / "console.log", self.log_file]
        return "\n".join("\n".join(tail(file)) for file in files if file.exists())


class Cluster:
    """One or three nodes in one folder.

    Without a folder it takes a temporary one and free ports, and is gone, data and all, when it is stopped or
    when the program that started it dies in whatever way.
    """

    def __init__(
        self,
        brokers: int = 1,
        folder: Path | None = None,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.is_temporary = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="vigil-kafka-")) if folder is None else folder.resolve()
        self.settings = dict(settings or {})
        self.guardian: subprocess.Popen[bytes] | None = None
        ports = free_ports(2 * brokers) if port is None else [port + step for step in range(2 * brokers)]
        self.nodes = [
            Node(number, self.folder / f"node-{number}", ports[number - 1], ports[brokers + number - 1])
            for number in range(1, brokers + 1)
        ]

    @classmethod
    def found_in(cls, folder: Path) -> "Cluster | None":
        """The cluster that was once started in this folder, running or not."""
        try:
            shape = json.loads((folder / "cluster.json").read_text())
        except FileNotFoundError:
            return None
        return cls(brokers=shape["brokers"], folder=folder, port=shape["port"])

    @property
    def bootstrap(self) -> str:
        """Addresses for clients, as `bootstrap_servers` and VIGIL_KAFKA take them."""
        return ",".join(node.address for node in self.nodes)

    def is_running(self) -> bool:
        """Whether every node runs."""
        return all(node.pid is not None for node in self.nodes)

    def start(self) -> Self:
        """Format the storage where that was not done, start every node, wait until all answer."""
        check_tools()
        try:
            self.format()
            if self.is_temporary:
                self.guard()
            for node in self.nodes:
                node.launch()
            self.wait_until_ready(self.nodes)
        except BaseException:
            self.stop()
            raise
        return self

    def format(self) -> None:
        """Write each node's settings, and format the storage of new nodes under one cluster id."""
        identity = cluster_id()
        formatting = []
        for node in self.nodes:
            node.folder.mkdir(parents=True, exist_ok=True)
            node.settings_file.write_text(self.properties(node))
            if (node.folder / "data" / "meta.properties").exists():
                continue
            arguments = ["format", "--cluster-id", identity, "--config", str(node.settings_file)]
            command = java_command(node.folder, "kafka.tools.StorageTool", *arguments)
            with (node.folder / "console.log").open("wb") as console:
                formatting.append((node, subprocess.Popen(command, stdout=console, stderr=console)))
        failed = [node for node, process in formatting if process.wait() != 0]
        if failed:
            raise BrokerError(f"the storage could not be formatted:\n{failed[0].last_words()}")
        shape = {"brokers": len(self.nodes), "port": self.nodes[0].client_port}
        (self.folder / "cluster.json").write_text(json.dumps(shape))

    def properties(self, node: Node) -> str:
        """The node's server.properties."""
        count = len(self.nodes)
        settings = {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": ",".join(f"{one.number}@{HOST}:{one.controller_port}" for one in self.nodes),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENT",
            "listeners": f"CLIENT://{HOST}:{node.client_port},CONTROLLER://{HOST}:{node.controller_port}",
            "advertised.listeners": f"CLIENT://{HOST}:{node.client_port}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(node.folder / "data"),
            # Topics come from their owners, and an acknowledged record must survive whoever leads next.
            "auto.create.topics.enable": "false",
            "unclean.leader.election.enable": "false",
            "default.replication.factor": str(min(3, count)),
            "min.insync.replicas": str(min(2, count)),
            "offsets.topic.replication.factor": str(min(3, count)),
            "transaction.state.log.replication.factor": str(min(3, count)),
            "transaction.state.log.min.isr": str(min(2, count)),
            "share.coordinator.state.topic.replication.factor": str(min(3, count)),
            "share.coordinator.state.topic.min.isr": str(min(2, count)),
            # Few partitions and threads, small buffers: a laptop runs it beside everything else.
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.num.partitions": "4",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            # A dead broker is noticed in 5 s instead of 9; groups start and the broker ends without waiting.
            "broker.heartbeat.interval.ms": "1000",
            "broker.session.timeout.ms": "5000",
            "group.initial.rebalance.delay.ms": "0",
            "controlled.shutdown.max.retries": "1",
        }
        return "".join(f"{name}={value}\n" for name, value in {**settings, **self.settings}.items())

    def wait_until_ready(self, nodes: list[Node]) -> None:
        """Return when all of `nodes` answer; BrokerError when one died or it takes too long."""
        deadline = time.monotonic() + START_SECONDS_MAX
        waiting = list(nodes)
        while waiting:
            if time.monotonic() > deadline:
                raise BrokerError(f"node {waiting[0].number} is not ready:\n{waiting[0].last_words()}")
            waiting = [node for node in waiting if not node.is_ready()]
            time.sleep(0.05)

    def guard(self) -> None:
        """Leave a small process that stops and removes the cluster should this program be killed."""
        arguments = ["guard", "--dir", str(self.folder), "--parent", str(os.getpid())]
        command = [sys.executable, str(Path(__file__).resolve()), *arguments]
        quiet = subprocess.DEVNULL
        self.guardian = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)

    def stop(self) -> None:
        """Stop every node; a temporary cluster is removed by force, since nobody reads its data again."""
        for node in self.nodes:
            if self.is_temporary:
                node.kill()
            else:
                node.signal(signal.SIGTERM)
        for node in self.nodes:
            node.stop()
        if self.is_temporary:
            remove(self.folder)
        if self.guardian is not None:
            self.guardian.kill()
            self.guardian.wait()
            self.guardian = None

    def kill(self, number: int) -> None:
        """SIGKILL node `number` (1 is the first)."""
        self.nodes[number - 1].kill()

    def pause(self, number: int) -> None:
        """SIGSTOP: the node hangs with its connections open."""
        self.nodes[number - 1].signal(signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """SIGCONT after `pause`."""
        self.nodes[number - 1].signal(signal.SIGCONT)

    def restart(self, number: int) -> None:
        """Stop node `number` in good order if it runs, start it, wait until it answers."""
        node = self.nodes[number - 1]
        node.stop()
        node.launch()
        self.wait_until_ready([node])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def missing_tools() -> str | None:
    """What has to be fetched before a broker can run, as a sentence; None when all is there."""
    if not (LIBS / ".complete").exists():
        return "the jars of the Kafka broker are missing: run `make tools`"
    if shutil.which("java") is None:
        return "Java 17 is missing: run `make tools`"
    return None


def check_tools() -> None:
    """BrokerError when something has to be fetched first."""
    missing = missing_tools()
    if missing is not None:
        raise BrokerError(missing)


def cluster_id() -> str:
    """A random id in the form that Kafka wants, never beginning with a dash, which its tool takes for an option."""
    return "V" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def java_command(folder: Path, main_class: str, *arguments: str, options: list[str] | None = None) -> list[str]:
    """Command line of a class of the broker's jars."""
    java = shutil.which("java") or "java"
    logs = [
        f"-Dvigil.logs={folder}",
        f"-Dlog4j2.configurationFile={LOG_SETTINGS}",
        "-Djava.awt.headless=true",
    ]
    return [
        java,
        *(options or ["-XX:TieredStopAtLevel=1"]),
        *logs,
        "-cp",
        f"{LIBS}/*",
        main_class,
        *arguments,
    ]


def command_line(pid: int) -> str:
    """Command line of a running process; empty when there is none, or when it waits to be reaped."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    asked = ["ps", "-p", str(pid), "-o", "command="]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout


def remove(folder: Path) -> None:
    """Remove a folder whose process was just killed: threads that still end may write one more file."""
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all are held at once, so that they differ.

    They lie below those that systems hand out to clients: else a client could take the port of a node that is down
    for a moment, or, while it tries to reach it, connect to itself.
    """
    chance = random.SystemRandom()
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < count:
            port = chance.choice(PORTS)
            with contextlib.suppress(OSError):
                stack.enter_context(socket.socket()).bind((HOST, port))
                ports.append(port)
        return ports


def tail(file: Path, lines_max: int = 15) -> list[str]:
    """The last lines of a file."""
    return file.read_text(errors="replace").splitlines()[-lines_max:]


def start(folder: Path, brokers: int, port: int) -> None:
    """`start`: leave a cluster running, and say where."""
    found = Cluster.found_in(folder)
    if found is not None and len(found.nodes) != brokers:
        if any(node.pid for node in found.nodes):
            raise BrokerError(f"{len(found.nodes)} broker(s) run in {folder}: stop them first")
        print(f"{folder} held {len(found.nodes)} broker(s): removing their data")
        shutil.rmtree(folder)
    cluster = Cluster(brokers=brokers, folder=folder, port=port)
    if cluster.is_running():
        print(f"already running: VIGIL_KAFKA={cluster.bootstrap}")
        return
    began = time.monotonic()
    cluster.start()
    print(f"started in {time.monotonic() - began:.1f} s: VIGIL_KAFKA={cluster.bootstrap}")


def stop(folder: Path) -> None:
    """`stop`: by process id; data stays."""
    cluster = Cluster.found_in(folder)
    running = [] if cluster is None else [node for node in cluster.nodes if node.pid is not None]
    if cluster is not None:
        cluster.stop()
    print(f"stopped {len(running)} broker(s)")


def status(folder: Path) -> int:
    """`status`: exit code 0 when all nodes run."""
    cluster = Cluster.found_in(folder)
    if cluster is None:
        print(f"nothing was started in {folder}")
        return 1
    for node in cluster.nodes:
        print(f"node {node.number} {node.address} {f'pid {node.pid}' if node.pid else 'stopped'}")
    return 0 if cluster.is_running() else 1


def guard(folder: Path, parent: int) -> None:
    """`guard`: wait until the folder is gone (all is well) or the parent is; then remove what it left."""
    while folder.exists() and command_line(parent):
        time.sleep(1)
    for pid_file in folder.glob("node-*/pid"):
        Node(0, pid_file.parent, 0, 0).kill()
    remove(folder)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("command", choices=["start", "stop", "status", "guard"])
    parser.add_argument("--brokers", type=int, choices=[1, 3], default=1)
    parser.add_argument("--dir", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the first broker; the rest follow")
    parser.add_argument("--parent", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    folder = chosen.dir.resolve()
    try:
        if chosen.command == "start":
            start(folder, chosen.brokers, chosen.port)
        elif chosen.command == "stop":
            stop(folder)
        elif chosen.command == "guard":
            guard(folder, chosen.parent)
        else:
            return status(folder)
    except BrokerError as error:
        print(f"kafka: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
