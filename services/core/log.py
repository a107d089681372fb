"""The log as its users see it: append, read, marker; the homes are memory_log, sqlite_log and kafka_log.

A topic has numbered partitions; a partition is a sequence of records with gapless offsets from 0. Appends of one caller to one
partition keep their order. What `append` returns is done when the records are as durable as the home promises; when it fails, later
appends may nevertheless have landed, so whoever gets AppendFailed stops without flushing (DESIGN.md 1).
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple, Protocol

from services.core.fixed import Milliseconds


class LogRecord(NamedTuple):
    """One record as read; `at_ms` is the time the log gave it at its append."""

    offset: int
    at_ms: Milliseconds
    value: bytes


class LogError(Exception):
    """The log refused or could not be reached; the text says what to do."""


class AppendFailed(LogError):
    """An append is not known to have landed: end the process without flushing."""


class RecordsExpired(LogError):
    """The log no longer keeps records so old."""


class Pending(Protocol):
    """An append or another effect under way; awaiting it raises what it failed with. An asyncio.Future is one."""

    def done(self) -> bool:
        """Whether awaiting returns at once."""
        ...

    def __await__(self) -> Generator[object, None, object]:
        """Wait until done."""
        ...


class Log(Protocol):
    """What every home of the log offers; the contract is tests/unit/core/test_log_contract.py."""

    def now_ms(self) -> Milliseconds:
        """Time of the log's clock."""
        ...

    async def create(self, topics: dict[str, int], *, keep_times: bool = False) -> None:
        """Create missing topics (name -> partitions); existing ones must have as many. With `keep_times`, appends bring their times."""
        ...

    async def topics(self) -> dict[str, int]:
        """Existing topics with their numbers of partitions."""
        ...

    async def append(
        self, topic: str, partition: int, values: Sequence[bytes], at_ms: Sequence[Milliseconds] | None = None
    ) -> Pending:
        """Hand over records, all or none; returns when accepted (bounded), what is returned is done when acknowledged.

        Of more than 1 MB a first part may land on Kafka, where such an append is several batches.
        """
        ...

    async def read(self, topic: str, partition: int, offset: int, limit: int, wait_ms: int) -> list[LogRecord]:
        """Return up to `limit` records from `offset` on; waits up to `wait_ms` for the first, then returns what is there, maybe nothing."""
        ...

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will get."""
        ...

    async def marker(self, machine: str) -> int:
        """Return the machine's last marker: all outputs of inputs before it are acknowledged; 0 when there is none."""
        ...

    async def write_marker(self, machine: str, offset: int) -> None:
        """Note a marker; it may get lost, never invented."""
        ...

    async def close(self) -> None:
        """Give up connections and files; unacknowledged appends fail."""
        ...
