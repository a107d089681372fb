"""An engine with an inbox in memory, as benches of one machine drive it: records in, time of the step alone; no host, no log."""

from time import perf_counter, thread_time
from typing import Any
from zlib import crc32

import msgspec

from services.core import messages as m
from services.core.spine import Engine, Machine
from tests.builders import START_MS, writer_of


class Inbox:
    """One engine and what its peers have said; records are appended at `now_ms`.

    `busy_s` is the processor time of the last step: what it takes, however many others share the machine.
    """

    def __init__(self, machine: Machine[Any]) -> None:
        self.engine: Engine[Any] = Engine(machine, 0)
        self.service = machine.service
        self.now_ms = START_MS
        self.offset = 0
        self.busy_s = 0.0
        self.peers: dict[str, tuple[int, int]] = {}
        self.outputs: list[tuple[str, int, bytes]] = []

    def tell(self, message: m.Message) -> float:
        """Append one record and step; returns the seconds that the step took."""
        source = writer_of(message, self.service)
        seq, chain = self.peers.get(source, (0, 0)) if source else (-1, 0)
        value = msgspec.msgpack.encode(m.Record(message, source, seq + 1, chain))
        self.peers[source] = (seq + 1, crc32(value))
        busy, began = thread_time(), perf_counter()
        self.outputs = self.engine.step(self.offset, self.now_ms, value)
        took = perf_counter() - began
        self.busy_s = thread_time() - busy
        self.offset += 1
        return took

    def tell_all(self, message: m.Message) -> float:
        """Append one record and go on until nothing is postponed any more."""
        took = self.tell(message)
        while self.engine.machine.has_work(self.engine.state):
            took += self.tell(m.Continue())
        return took
