"""The ledger's SQLite file: what one batch of a stream changes is written in one transaction, with the position after it.

Everything in it comes from the log, so it may lose its last transactions in a power cut and reads them again.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.core.messages import Posted

APPLICATION_ID = 0x5649474C
"""'VIGL', by which the file is known as ours."""
VERSION = 1
REFERENCES = 2**64
"""A posting's reference has 64 bits without sign."""
SCHEMA = f"""
BEGIN IMMEDIATE;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
CREATE TABLE positions (topic TEXT, partition INTEGER, offset INTEGER NOT NULL, seq INTEGER NOT NULL, chain INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE entries (number INTEGER PRIMARY KEY, machine TEXT NOT NULL, seq INTEGER NOT NULL, offset INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, kind TEXT NOT NULL, reference INTEGER NOT NULL, fund_group TEXT NOT NULL);
CREATE TABLE legs (entry INTEGER, leg INTEGER, book INTEGER NOT NULL, owner INTEGER NOT NULL, market INTEGER NOT NULL,
    asset INTEGER NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (entry, leg)) WITHOUT ROWID;
CREATE INDEX legs_by_owner ON legs (owner, entry);
CREATE TABLE balances (machine TEXT, book INTEGER, owner INTEGER, market INTEGER, asset INTEGER, amount INTEGER NOT NULL,
    PRIMARY KEY (machine, book, owner, market, asset)) WITHOUT ROWID;
CREATE INDEX balances_by_owner ON balances (owner);
COMMIT;
"""
POSITION = "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?)"
ENTRY = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
LEG = "INSERT INTO legs VALUES (?, ?, ?, ?, ?, ?, ?)"
BALANCE = """
INSERT INTO balances VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (machine, book, owner, market, asset) DO UPDATE SET amount = amount + excluded.amount
"""


class LedgerUnusable(Exception):
    """The file cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it came: its machine, its place there, and what was posted."""

    machine: str
    seq: int
    offset: int
    posted: Posted


@dataclass(slots=True)
class Position:
    """How far one stream was read: the next offset, and `seq` and chain of the last entry taken."""

    offset: int = 0
    seq: int = 0
    chain: int = 0


class Store:
    """The ledger's file; one writer."""

    def __init__(self, path: Path | str) -> None:
        """Open the file, made if missing; raises LedgerUnusable."""
        self.path = path
        try:
            self.database = sqlite3.connect(path, isolation_level=None)
            self.prepare()
        except sqlite3.Error as error:
            raise LedgerUnusable(f"{path} cannot be opened as a ledger: {error}") from error

    def prepare(self) -> None:
        """Make the tables in an empty file, check those of a used one."""
        if not self.database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            self.database.execute("PRAGMA journal_mode = WAL")
            self.database.executescript(SCHEMA)
        found = [self.database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        if found != [APPLICATION_ID, VERSION]:
            self.database.close()
            raise LedgerUnusable(f"{self.path} is no ledger of this release: remove it, it is built anew from the log")
        self.database.execute("PRAGMA synchronous = NORMAL")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of the block or nothing; LedgerUnusable when the file cannot be written."""
        try:
            self.database.execute("BEGIN IMMEDIATE")
            with self.database:
                yield
        except sqlite3.Error as error:
            raise LedgerUnusable(f"{self.path} could not be written: {error}") from error

    def position(self, topic: str, partition: int) -> Position:
        """How far a stream was read."""
        ask = "SELECT offset, seq, chain FROM positions WHERE topic = ? AND partition = ?"
        row = self.database.execute(ask, (topic, partition)).fetchone()
        return Position(*row) if row else Position()

    def last_entry(self) -> int:
        """Number of the last entry, 0 for none."""
        row = self.database.execute("SELECT max(number) FROM entries").fetchone()
        return row[0] or 0

    def add(self, topic: str, partition: int, entries: list[Entry], position: Position) -> None:
        """Write entries of one stream and the position after them."""
        first = self.last_entry() + 1
        with self.transaction():
            numbered = list(enumerate(entries, first))
            self.database.executemany(ENTRY, (row_of(number, entry) for number, entry in numbered))
            self.database.executemany(LEG, legs_of(numbered))
            self.database.executemany(BALANCE, changes_of(entries))
            self.database.execute(POSITION, (topic, partition, position.offset, position.seq, position.chain))

    def close(self) -> None:
        """Close the file."""
        self.database.close()


def row_of(number: int, entry: Entry) -> tuple[object, ...]:
    """Row of an entry."""
    posted = entry.posted
    return (
        *(number, entry.machine, entry.seq, entry.offset),
        *(posted.at_ms, posted.kind, to_signed(posted.reference), posted.group),
    )


def to_signed(reference: int) -> int:
    """Fold 64 bits, such as a client's command id, into what SQL holds: a sign and 63 bits."""
    return reference - REFERENCES if reference >= REFERENCES >> 1 else reference


def to_unsigned(stored: int) -> int:
    """Unfold what `to_signed` made."""
    return stored % REFERENCES


def legs_of(numbered: Iterable[tuple[int, Entry]]) -> Iterator[tuple[int, ...]]:
    """Rows of the legs of entries."""
    for number, entry in numbered:
        for place, leg in enumerate(entry.posted.legs):
            yield (number, place, *leg)


def changes_of(entries: Iterable[Entry]) -> Iterator[tuple[object, ...]]:
    """Change of each balance over a batch."""
    changes: dict[tuple[str, int, int, int, int], int] = {}
    for entry in entries:
        for book, owner, market, asset, amount in entry.posted.legs:
            key = (entry.machine, book, owner, market, asset)
            changes[key] = changes.get(key, 0) + amount
    for key, amount in changes.items():
        yield (*key, amount)
