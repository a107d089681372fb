"""The log in one SQLite file: for one process without a broker; what it acknowledged survives that process being killed.

One transaction per append call, never shared by two machines or with a marker, so that a crash looks as it does on Kafka: whole appends
are there or not, each for itself. Statements run inline, in the event loop: at synchronous=NORMAL a commit is one write into the page
cache (tens of microseconds), less than handing it to a thread; reads give way to other tasks first. With FULL each commit waits for the
disk, and survives a power loss. It compacts and expires nothing.

A row holds up to ROW_RECORDS records of one append, so that an append costs one statement, not one per record. What was appended last is
kept in memory, bounded: readers that keep up never ask the file.
"""

import asyncio
import contextlib
import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice, repeat
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from services.core.fixed import Milliseconds
from services.core.log import AppendFailed, LogError, LogRecord, Pending
from services.core.memory_log import wall_clock_ms

APPLICATION_ID = 0x56494749
"""'VIGI', by which the file is known as ours."""
VERSION = 2
ROW_RECORDS = 500
RECENT_BYTES_MAX = 4_000_000
"""Of each partition's last records, kept in memory."""
CHECKPOINT_PAGES = 8_000
POLL_SECONDS = 0.02
"""How often a read-only log looks whether the writer, another process, has appended."""

BATCHES = """
CREATE TABLE batches (partition_id INTEGER, offset INTEGER, count INTEGER NOT NULL, records BLOB NOT NULL,
    PRIMARY KEY (partition_id, offset)) WITHOUT ROWID
"""
SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
CREATE TABLE topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, keep_times INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE partitions (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, UNIQUE (topic, partition));
{BATCHES};
CREATE TABLE markers (machine TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
"""
PARTITIONS = """
SELECT topic, partition, id, keep_times,
    (SELECT offset + count FROM batches WHERE partition_id = id ORDER BY offset DESC LIMIT 1)
FROM partitions JOIN topics ON topics.name = partitions.topic
"""
APPEND = "INSERT INTO batches VALUES (?, ?, ?, ?)"
READ = """
SELECT offset, records FROM batches WHERE partition_id = ?1 AND offset >= (
    SELECT max(offset) FROM batches WHERE partition_id = ?1 AND offset <= ?2) ORDER BY offset LIMIT ?3
"""
OLD_RECORDS = "SELECT offset, at_ms, value FROM records WHERE partition_id = ? ORDER BY offset"
END = "SELECT offset + count FROM batches WHERE partition_id = ? ORDER BY offset DESC LIMIT 1"
ROWS_PER_READ = 64
"""So many at a time: a row may hold one record or ROW_RECORDS."""

Times = Sequence[Milliseconds] | Milliseconds
"""A time for each record, or one for all."""
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(tuple[list[int] | int, list[bytes]]).decode
"""What a row holds: times and values."""


@dataclass(slots=True)
class Partition:
    """What is kept in memory of one partition: the next offset, the last records up to it, and who waits for more."""

    id: int
    keep_times: bool
    end: int
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    recent: list[LogRecord] = field(default_factory=list)
    recent_bytes: int = 0

    def extend(self, times: Times, values: Sequence[bytes]) -> None:
        """Go on by records that are kept, and let everybody look again."""
        each = repeat(times) if isinstance(times, int) else times
        self.recent.extend(map(LogRecord, count(self.end), each, values))
        self.end += len(values)
        self.recent_bytes += sum(map(len, values))
        if self.recent_bytes > RECENT_BYTES_MAX:
            del self.recent[: (len(self.recent) + 1) >> 1]
            self.recent_bytes = sum(len(record.value) for record in self.recent)
        self.wake()

    def wake(self) -> None:
        """Let everybody look again."""
        for reader in self.waiting:
            release(reader)


def release(waiter: asyncio.Future[None]) -> None:
    """End a wait, once."""
    if not waiter.done():
        waiter.set_result(None)


class SqliteLog:
    """Topics as rows of one table; an append is acknowledged when its transaction is committed."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], Milliseconds] = wall_clock_ms,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        *,
        read_only: bool = False,
    ) -> None:
        """Open the file, made if missing; `read_only` is for tools beside the one writer.

        Raises   LogError: not writable, not a log, of a newer release, or held by another process
        """
        self.now_ms = clock
        self.path = path
        self.read_only = read_only
        self.lock = None if read_only else take_lock(path)
        try:
            self.database = connect(path, synchronous, read_only=read_only)
        except (sqlite3.Error, LogError) as error:
            self.release_lock()
            raise refusal(path, error) from error
        self.partitions = self.load()

    def load(self) -> dict[tuple[str, int], Partition]:
        """Read which partitions there are and where they end."""
        rows = self.select(PARTITIONS)
        return {(topic, number): Partition(key, bool(keep), end or 0) for topic, number, key, keep, end in rows}

    def partition(self, topic: str, partition: int) -> Partition:
        """Return what is kept of a partition; LogError when there is none."""
        found = self.partitions.get((topic, partition))
        if found is None and self.read_only:
            self.partitions |= {key: new for key, new in self.load().items() if key not in self.partitions}
            found = self.partitions.get((topic, partition))
        if found is None:
            raise LogError(f"no topic partition {topic}/{partition} in {self.path}: create its topic first")
        return found

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all of the block or nothing; LogError when it could not be done."""
        if self.read_only:
            raise LogError(f"{self.path} is open for reading only")
        try:
            self.database.execute("BEGIN IMMEDIATE")
            with self.database:
                yield self.database
        except sqlite3.Error as error:
            raise LogError(f"{self.path} could not be written: {error}") from error

    def select(self, statement: str, *arguments: object) -> list[Any]:
        """Rows of a query; LogError when the file cannot be read."""
        try:
            return self.database.execute(statement, arguments).fetchall()
        except sqlite3.Error as error:
            raise LogError(f"{self.path} could not be read: {error}") from error

    async def create(self, topics: dict[str, int], *, keep_times: bool = False) -> None:
        """Create missing topics, all or none."""
        existing = await self.topics()
        for topic, partitions in topics.items():
            if existing.get(topic, partitions) != partitions:
                raise LogError(
                    f"topic {topic} has {existing[topic]} partitions, not {partitions}: start a new generation"
                )
        missing = [topic for topic in topics if topic not in existing]
        with self.transaction() as database:
            for topic in missing:
                database.execute("INSERT INTO topics VALUES (?, ?, ?)", (topic, topics[topic], keep_times))
                rows = zip(repeat(topic), range(topics[topic]), strict=False)
                database.executemany("INSERT INTO partitions (topic, partition) VALUES (?, ?)", rows)
        self.partitions |= {key: new for key, new in self.load().items() if key not in self.partitions}

    async def topics(self) -> dict[str, int]:
        """Topics with their numbers of partitions."""
        return dict(self.select("SELECT name, partitions FROM topics ORDER BY name"))

    async def append(
        self, topic: str, partition: int, values: Sequence[bytes], at_ms: Sequence[Milliseconds] | None = None
    ) -> Pending:
        """Append all in one transaction; done at once, with AppendFailed when the disk is full or fails."""
        target = self.partition(topic, partition)
        if (at_ms is not None) != target.keep_times:
            raise LogError(f"topic {topic} {'needs' if target.keep_times else 'does not take'} times with its records")
        if at_ms is not None and len(at_ms) != len(values):
            raise LogError(f"{len(values)} records came with {len(at_ms)} times")
        times = self.now_ms() if at_ms is None else at_ms
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self.insert(target, times, values)
        except LogError as error:
            done.set_exception(AppendFailed(f"{len(values)} records of {topic}/{partition} are not kept: {error}"))
            return done
        target.extend(times, values)
        done.set_result(None)
        return done

    def insert(self, target: Partition, times: Times, values: Sequence[bytes]) -> None:
        """Write the rows of one append: a single one is a transaction by itself. Raises LogError."""
        with contextlib.ExitStack() as whole:
            if len(values) > ROW_RECORDS:
                whole.enter_context(self.transaction())
            elif self.read_only:
                raise LogError(f"{self.path} is open for reading only")
            try:
                for row in rows_of(target, times, values):
                    self.database.execute(APPEND, row)
            except sqlite3.Error as error:
                raise LogError(f"{self.path} could not be written: {error}") from error

    async def read(self, topic: str, partition: int, offset: int, limit: int, wait_ms: int) -> list[LogRecord]:
        """Return what is there from `offset` on; wait for the first record at most `wait_ms`."""
        source = self.partition(topic, partition)
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_ms / 1_000
        while self.end_of(source) <= offset and (left := deadline - loop.time()) > 0:
            await self.wait(source, min(left, POLL_SECONDS) if self.read_only else left)
        if source.end <= offset:
            return []
        if source.recent and source.recent[0].offset <= offset:
            start = offset - source.recent[0].offset
            return source.recent[start : start + limit]
        return self.stored(source, offset, limit)

    def stored(self, source: Partition, offset: int, limit: int) -> list[LogRecord]:
        """Return up to `limit` records from `offset` on, from the file."""
        found: list[LogRecord] = []
        for first, row in self.select(READ, source.id, offset, ROWS_PER_READ):
            times, values = decode(row)
            records = map(LogRecord, count(first), repeat(times) if isinstance(times, int) else times, values)
            found += islice(records, max(0, offset - first), None)
            if len(found) >= limit:
                break
        return found[:limit]

    async def wait(self, source: Partition, seconds: float) -> None:
        """Wait for an append to a partition, at most so long."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        source.waiting.append(waiter)
        timer = loop.call_later(seconds, release, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            source.waiting.remove(waiter)

    def end_of(self, source: Partition) -> int:
        """Next offset; a read-only log asks the file, to which another process appends."""
        if self.read_only:
            found = self.select(END, source.id)
            source.end = found[0][0] if found else 0
        return source.end

    async def end(self, topic: str, partition: int) -> int:
        """Offset of the next record."""
        return self.end_of(self.partition(topic, partition))

    async def marker(self, machine: str) -> int:
        """Last marker, 0 for none."""
        found = self.select("SELECT offset FROM markers WHERE machine = ?", machine)
        return int(found[0][0]) if found else 0

    async def write_marker(self, machine: str, offset: int) -> None:
        """Note a marker, in a transaction of its own."""
        with self.transaction() as database:
            database.execute("INSERT OR REPLACE INTO markers VALUES (?, ?)", (machine, offset))

    async def close(self) -> None:
        """Close the file; every append was acknowledged or failed when it was made."""
        for partition in self.partitions.values():
            partition.wake()
        self.database.close()
        self.release_lock()

    def release_lock(self) -> None:
        """Let another process write."""
        if self.lock is not None:
            self.lock.close()


def rows_of(target: Partition, times: Times, values: Sequence[bytes]) -> Iterator[tuple[int, int, int, bytes]]:
    """Rows that hold the records of one append."""
    for start in range(0, len(values), ROW_RECORDS):
        some = values[start : start + ROW_RECORDS]
        at_ms = times if isinstance(times, int) else times[start : start + ROW_RECORDS]
        yield target.id, target.end + start, len(some), encode((at_ms, some))


def take_lock(path: Path) -> IO[bytes]:
    """Lock the file beside the database, so that a second writer is told; the system frees it when the process ends, however it ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            lock = undo.enter_context(path.with_name(path.name + ".lock").open("wb"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            undo.pop_all()
            return lock
    except BlockingIOError as error:
        raise LogError(f"{path} is held by another process: stop it first, or open the log read-only") from error
    except OSError as error:
        raise LogError(f"the log directory {path.parent} is not writable: {error.strerror}") from error


def connect(path: Path, synchronous: str, *, read_only: bool) -> sqlite3.Connection:
    """Open the database, with our tables in it."""
    mode = "ro" if read_only else "rwc"
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None)
    try:
        prepare(database, synchronous, read_only=read_only)
    except BaseException:
        database.close()
        raise
    return database


def prepare(database: sqlite3.Connection, synchronous: str, *, read_only: bool) -> None:
    """Check that the file is a log of ours, make the tables in an empty one, set the pragmas."""
    tables = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise LogError("it is the database of another program")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise LogError(f"it has version {version}, this release reads up to {VERSION}: run the newer release")
    if not read_only:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {synchronous}")
        database.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        if not tables:
            database.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        elif version == 1:
            upgrade(database)
    elif tables and version == 1:
        raise LogError("it has version 1: have this release open it for writing once")


def upgrade(database: sqlite3.Connection) -> None:
    """Bring a log of version 1, which had a row for each record, up to date: all of it or nothing."""
    database.execute("BEGIN IMMEDIATE")
    with database:
        database.execute(BATCHES)
        for (partition,) in database.execute("SELECT id FROM partitions").fetchall():
            rows = database.execute(OLD_RECORDS, (partition,))
            while some := rows.fetchmany(ROW_RECORDS):
                offsets, times, values = zip(*some, strict=True)
                database.execute(APPEND, (partition, offsets[0], len(some), encode((times, values))))
        database.execute("DROP TABLE records")
        database.execute(f"PRAGMA user_version = {VERSION}")


def refusal(path: Path, error: Exception) -> LogError:
    """Say what is wrong with the file."""
    if isinstance(error, sqlite3.OperationalError):
        return LogError(f"{path} cannot be opened: {error}")
    return LogError(f"{path} is not a log of this program: {error}")
