"""Reads every ledger topic into a store: what came before is dropped, what comes too early waits, what does not balance stops it.

A machine that starts again after a failed append writes the missing entries once more, in order and with the same bytes, so an entry
after a gap is passed over: it comes again (DESIGN.md 1). Until then the ledger is short of it, and says so in `early`.
"""

import asyncio
from zlib import crc32

import msgspec
import structlog

from services.core.log import Log, LogRecord
from services.core.messages import Posted, Record
from services.core.topics import SERVICES
from services.settlement.ledger.store import Entry, Position, Store

BATCH = 1_000
WAIT_MS = 200
LEDGER = "ledger."

log = structlog.get_logger(__name__)


class LedgerRecord(Record, gc=False):
    """A record of a ledger topic."""

    message: Posted


DECODE = msgspec.msgpack.Decoder(LedgerRecord).decode


class LedgerStopped(Exception):
    """A stream cannot be true: a forked history, an entry that does not balance, or what is no entry at all."""


class Stream:
    """One ledger topic partition."""

    def __init__(self, home: Log, store: Store, topic: str, partition: int) -> None:
        """Go on where the store is."""
        self.home = home
        self.store = store
        self.topic = topic
        self.partition = partition
        self.machine = f"{topic.removeprefix(LEDGER)}/{partition}"
        self.position = store.position(topic, partition)
        self.duplicates = 0
        self.early = 0

    async def turn(self, wait_ms: int = WAIT_MS) -> int:
        """Read what is there, check it, write it; returns how many records that were.

        Raises   LedgerStopped, LedgerUnusable, LogError
        """
        records = await self.home.read(self.topic, self.partition, self.position.offset, BATCH, wait_ms)
        if records:
            self.take(records)
        return len(records)

    def take(self, records: list[LogRecord]) -> None:
        """Write the new entries of a batch, all or none."""
        after = Position(self.position.offset, self.position.seq, self.position.chain)
        entries = [entry for record in records if (entry := self.accept(record, after)) is not None]
        self.store.add(self.topic, self.partition, entries, after)
        self.position = after

    def accept(self, record: LogRecord, position: Position) -> Entry | None:
        """Judge one record and move `position` past it; None for a duplicate and for one that came too early."""
        place = f"{self.topic}/{self.partition} offset {record.offset}"
        try:
            read = DECODE(record.value)
        except msgspec.DecodeError as error:
            raise LedgerStopped(f"{place} holds no entry: {error}") from error
        if read.source != self.machine:
            raise LedgerStopped(f"{place} is written by {read.source!r}, not by {self.machine}")
        position.offset = record.offset + 1
        if read.seq <= position.seq:
            self.duplicates += 1
            if read.seq == position.seq and crc32(record.value) != position.chain:
                raise LedgerStopped(f"{place} holds another entry {read.seq} than the one before")
            return None
        if read.seq > position.seq + 1:
            self.early += 1
            return None
        if read.chain != position.chain:
            raise LedgerStopped(f"{place} follows another history")
        check_entry(read.message, place)
        position.seq, position.chain = read.seq, crc32(record.value)
        return Entry(self.machine, read.seq, record.offset, read.message)


def check_entry(posted: Posted, place: str) -> None:
    """Verify that the legs of an entry sum to zero per asset (M-1)."""
    totals: dict[int, int] = {}
    for *_where, asset, amount in posted.legs:
        totals[asset] = totals.get(asset, 0) + amount
    wrong = {asset: total for asset, total in totals.items() if total}
    if wrong:
        raise LedgerStopped(f"{place}: entry {posted.kind} {posted.reference} does not balance: {wrong} per asset")


async def open_streams(home: Log, store: Store) -> list[Stream]:
    """Streams of every ledger topic that the log has; raises LogError."""
    topics = await home.topics()
    names = [f"{LEDGER}{service}" for service in SERVICES if f"{LEDGER}{service}" in topics]
    return [Stream(home, store, topic, partition) for topic in names for partition in range(topics[topic])]


async def read_all(streams: list[Stream]) -> int:
    """Read every stream to its present end; returns how many records that were."""
    total = 0
    for stream in streams:
        while read := await stream.turn(wait_ms=0):
            total += read
    return total


async def follow(streams: list[Stream]) -> None:
    """Read on for ever, each stream at its own pace; the first that stops ends all, so that no sum is half true."""
    async with asyncio.TaskGroup() as group:
        for stream in streams:
            group.create_task(follow_one(stream))


async def follow_one(stream: Stream) -> None:
    """Read one stream for ever."""
    early = 0
    while True:
        await stream.turn()
        if stream.early != early:
            log.warning("ledger_early", machine=stream.machine, early=stream.early, seq=stream.position.seq)
            early = stream.early
