"""The embedded log beyond the contract: what a kill, a full disk, a second process and a wrong file do to it."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from services.core.log import AppendFailed, LogError
from services.core.sqlite_log import RECENT_BYTES_MAX, VERSION, SqliteLog
from tests.log_contract import everything, numbered, values, written

ROOT = Path(__file__).resolve().parents[3]
TOPIC = "risk.inbox"
APPENDS = [1, 3, 500, 2, 40]
"""Sizes of the writer's appends, in turn."""

WRITER = f"""
import asyncio, sys
from pathlib import Path
from services.core.sqlite_log import SqliteLog

async def main():
    log = SqliteLog(Path(sys.argv[1]))
    await log.create({{"{TOPIC}": 1}})
    number = 0
    for turn in range(10**9):
        size = {APPENDS}[turn % {len(APPENDS)}]
        await (await log.append("{TOPIC}", 0, [b"%d" % n for n in range(number, number + size)]))
        number += size
        print(number, flush=True)

asyncio.run(main())
"""


def run_writer(path: Path) -> subprocess.Popen[str]:
    """Start another process that appends without end and says how many records were acknowledged."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def ends(count: int) -> set[int]:
    """Numbers of records after whole appends, up to `count` and one append more."""
    found, total = {0}, 0
    for turn in range(count):
        total += APPENDS[turn % len(APPENDS)]
        found.add(total)
        if total > count:
            break
    return found


@pytest.mark.parametrize("acknowledged_min", [1, 60, 5_000])
async def test_after_sigkill_the_acknowledged_is_there_and_every_append_whole_or_absent(
    tmp_path: Path, acknowledged_min: int
) -> None:
    path = tmp_path / "log.sqlite"
    with run_writer(path) as writer:
        assert writer.stdout is not None
        acknowledged = 0
        while acknowledged < acknowledged_min:
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in writer.stdout if line.endswith("\n"))])
    log = SqliteLog(path)
    found = values(await everything(log, TOPIC))
    assert found == numbered(len(found))
    assert len(found) >= acknowledged
    assert len(found) in ends(len(found))
    await written(log, TOPIC, [b"after"])
    assert await log.end(TOPIC, 0) == len(found) + 1
    await log.close()


async def test_a_second_writer_is_refused_and_a_reader_is_not(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with run_writer(path) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(
            LogError, match=r"log.sqlite is held by another process: stop it first, or open the log read-only"
        ):
            SqliteLog(path)
        reader = SqliteLog(path, read_only=True)
        assert values(await reader.read(TOPIC, 0, 0, 1, 0)) == [b"0"]
        for offset in (2_000, 4_000):
            assert values(await reader.read(TOPIC, 0, offset, 1, 20_000)) == [b"%d" % offset]
        await reader.close()
        writer.kill()
    log = SqliteLog(path)
    await log.close()


async def test_a_reader_sees_appends_and_topics_of_the_writer(tmp_path: Path) -> None:
    writer = SqliteLog(tmp_path / "log.sqlite")
    reader = SqliteLog(tmp_path / "log.sqlite", read_only=True)
    with pytest.raises(LogError, match=r"no topic partition risk.inbox/0"):
        await reader.end(TOPIC, 0)
    await writer.create({TOPIC: 1})
    waiting = asyncio.ensure_future(reader.read(TOPIC, 0, 0, 10, 20_000))
    await asyncio.sleep(0)
    await written(writer, TOPIC, numbered(2))
    assert values(await waiting) == numbered(2)
    assert await reader.end(TOPIC, 0) == 2
    await reader.close()
    await writer.close()


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    await log.create({TOPIC: 1})
    await log.close()
    reader = SqliteLog(tmp_path / "log.sqlite", read_only=True)
    with pytest.raises(LogError, match="open for reading only"):
        await reader.create({"more": 1})
    with pytest.raises(LogError, match="open for reading only"):
        await (await reader.append(TOPIC, 0, numbered(1)))
    with pytest.raises(LogError, match="open for reading only"):
        await reader.write_marker("risk/0", 1)
    await reader.close()


def not_a_database(path: Path) -> None:
    path.write_bytes(b"These are my notes, not a database. " * 100)


def of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE notes (text)")
    database.close()


def of_a_newer_release(path: Path) -> None:
    asyncio.run(SqliteLog(path).close())
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()


@pytest.mark.parametrize("read_only", [False, True], ids=["writer", "reader"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (not_a_database, "is not a log of this program: file is not a database"),
        (of_another_program, "it is the database of another program"),
        (
            of_a_newer_release,
            f"it has version {VERSION + 1}, this release reads up to {VERSION}: run the newer release",
        ),
    ],
    ids=["no database", "another program's", "a newer release's"],
)
def test_a_wrong_file_is_refused_and_left_as_it_is(tmp_path: Path, make: object, says: str, *, read_only: bool) -> None:
    path = tmp_path / "log.sqlite"
    assert callable(make)
    make(path)
    before = path.read_bytes()
    with pytest.raises(LogError, match=says):
        SqliteLog(path, read_only=read_only)
    assert path.read_bytes() == before


VERSION_1 = """
PRAGMA application_id = 1447642953;
PRAGMA user_version = 1;
CREATE TABLE topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, keep_times INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE partitions (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, UNIQUE (topic, partition));
CREATE TABLE records (partition_id INTEGER, offset INTEGER, at_ms INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (partition_id, offset)) WITHOUT ROWID;
CREATE TABLE markers (machine TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO topics VALUES ('risk.inbox', 1, 0);
INSERT INTO partitions (topic, partition) VALUES ('risk.inbox', 0);
INSERT INTO markers VALUES ('risk/0', 7);
"""


async def test_a_log_of_the_first_version_is_taken_over_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(VERSION_1)
        rows = [(1, number, 1_000 + number, value) for number, value in enumerate(numbered(1_203))]
        database.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows)
    database.close()
    with pytest.raises(LogError, match="it has version 1: have this release open it for writing once"):
        SqliteLog(path, read_only=True)
    for _ in range(2):
        log = SqliteLog(path, clock=lambda: 5_000)
        assert [(one.offset, one.at_ms) for one in await log.read(TOPIC, 0, 1_198, 10, 0)][:5] == [
            (number, 1_000 + number) for number in range(1_198, 1_203)
        ]
        assert await log.marker("risk/0") == 7
        await written(log, TOPIC, [b"%d" % await log.end(TOPIC, 0)])
        assert values(await everything(log, TOPIC)) == numbered(await log.end(TOPIC, 0))
        await log.close()


async def test_what_is_read_from_the_file_is_what_was_read_from_memory(tmp_path: Path) -> None:
    writer = SqliteLog(tmp_path / "log.sqlite")
    await writer.create({TOPIC: 1})
    for size in (1, 499, 1_300, 2, 7):
        await written(writer, TOPIC, numbered(size, await writer.end(TOPIC, 0)))
    reader = SqliteLog(tmp_path / "log.sqlite", read_only=True)
    for offset in (0, 1, 499, 500, 999, 1_000, 1_799, 1_800, 1_801, 1_808):
        for limit in (1, 2, 500, 5_000):
            remembered = await writer.read(TOPIC, 0, offset, limit, 0)
            assert await reader.read(TOPIC, 0, offset, limit, 0) == remembered
            assert values(remembered) == numbered(min(limit, 1_809 - offset), offset)
    await reader.close()
    await writer.close()


async def test_what_is_kept_in_memory_is_bounded(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    await log.create({TOPIC: 1})
    for number in range(12):
        await written(log, TOPIC, [number.to_bytes(2, "big") * 300_000])
    kept = log.partitions[TOPIC, 0].recent
    assert 0 < sum(len(record.value) for record in kept) <= RECENT_BYTES_MAX
    assert [value[:2] for value in values(await everything(log, TOPIC))] == [n.to_bytes(2, "big") for n in range(12)]
    await log.close()


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LogError, match=r"the log directory .*/file is not writable: "):
        SqliteLog(tmp_path / "file" / "log.sqlite")


def test_a_reader_of_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"log.sqlite cannot be opened: unable to open database file"):
        SqliteLog(tmp_path / "log.sqlite", read_only=True)


async def test_a_refused_file_can_be_replaced_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    not_a_database(path)
    with pytest.raises(LogError):
        SqliteLog(path)
    path.unlink()
    await SqliteLog(path).close()


async def test_on_a_full_disk_an_append_fails_whole_and_the_log_goes_on(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    await log.create({TOPIC: 1})
    await written(log, TOPIC, numbered(3))
    pages = log.database.execute("PRAGMA page_count").fetchone()[0]
    log.database.execute(f"PRAGMA max_page_count = {pages + 2}")
    append = await log.append(TOPIC, 0, [bytes(1_000)] * 1_000)
    with pytest.raises(AppendFailed, match=r"1000 records of risk.inbox/0 are not kept: .* database or disk is full"):
        await append
    log.database.execute(f"PRAGMA max_page_count = {pages + 1_000}")
    await written(log, TOPIC, numbered(1, 3))
    assert values(await everything(log, TOPIC)) == numbered(4)
    await log.close()


@pytest.mark.parametrize(("durability", "level"), [("NORMAL", 1), ("FULL", 2)])
async def test_durability_is_a_choice(tmp_path: Path, durability: str, level: int) -> None:
    log = SqliteLog(tmp_path / "log.sqlite", synchronous=durability)  # type: ignore[arg-type]
    assert log.database.execute("PRAGMA synchronous").fetchone()[0] == level
    assert log.database.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    await log.close()


async def test_the_clock_is_the_one_given(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite", clock=lambda: 1_584_000_000_000)
    await log.create({TOPIC: 1})
    await written(log, TOPIC, numbered(1))
    assert (await everything(log, TOPIC))[0].at_ms == log.now_ms() == 1_584_000_000_000
    await log.close()
