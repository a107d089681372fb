"""The venue without a log, hosts or faults: records go from machine to machine at once; for long histories that are then replayed."""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from services.core import messages as m
from services.core.log import LogRecord
from services.core.spine import Engine, Machine, Output
from services.core.topics import inbox

ENCODE = msgspec.msgpack.Encoder().encode


class Pump:
    """Engines of all partitions and the inboxes they have read; `hear` is told every output that is no inbox record."""

    def __init__(
        self, machines: dict[str, Machine[Any]], partitions: dict[str, int], hear: Callable[[Output], None]
    ) -> None:
        self.engines = {
            (inbox(service), number): Engine(machine, number)
            for service, machine in machines.items()
            for number in range(partitions[service])
        }
        self.inboxes: dict[tuple[str, int], list[LogRecord]] = {place: [] for place in self.engines}
        self.hear = hear
        self.now_ms = 0
        self.waiting: deque[tuple[str, int]] = deque()

    def send(self, service: str, partition: int, message: m.Message, origin_ms: int = 0) -> None:
        """Append one message from outside, and let everything that follows happen."""
        self.append(inbox(service), partition, ENCODE(m.Record(message, origin_ms=origin_ms)))
        while self.waiting:
            place = self.waiting.popleft()
            engine = self.engines[place]
            record = self.inboxes[place][engine.spine.position]
            for topic, number, value in engine.step(*record):
                if (topic, number) in self.engines:
                    self.append(topic, number, value)
                else:
                    self.hear((topic, number, value))

    def append(self, topic: str, partition: int, value: bytes) -> None:
        """Write to an inbox."""
        records = self.inboxes[topic, partition]
        records.append(LogRecord(len(records), self.now_ms, value))
        self.waiting.append((topic, partition))

    def tick(self) -> None:
        """Let every machine see the time."""
        for topic, partition in self.engines:
            self.send(topic.removesuffix(".inbox"), partition, m.Tick())
