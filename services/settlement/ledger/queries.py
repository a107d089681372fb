"""What the ledger answers: trial balance at any entry, balances of an owner, statement of a subaccount; it writes nothing."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

from services.core.fixed import Amount, AssetId, MarketId, Milliseconds, Size, SubaccountId
from services.core.messages import Book
from services.core.pool import SHARES_FROM, Claim
from services.settlement.ledger.store import LedgerUnusable, Store, to_unsigned

STATEMENT_MAX = 1_000
NOW = "SELECT machine, asset, book, sum(amount) FROM balances GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
THEN = """
SELECT machine, asset, book, sum(amount) FROM legs JOIN entries ON number = entry WHERE entry <= ?
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
OWNED = """
SELECT book, market, asset, sum(amount) FROM balances WHERE owner = ? AND book IN (?, ?, ?, ?)
GROUP BY 1, 2, 3 HAVING sum(amount) <> 0 ORDER BY 1, 2, 3
"""
LINES = """
SELECT entry, at_ms, machine, kind, reference, book, market, asset, amount FROM legs JOIN entries ON number = entry
WHERE owner = ? AND entry > ? AND book IN (?, ?, ?, ?) ORDER BY entry, leg LIMIT ?
"""
LONG = "SELECT sum(amount) FROM balances WHERE book = ? AND market = ? AND asset = ? AND amount > 0"
AT_OFFSET = "SELECT max(number) FROM entries WHERE machine = ? AND offset <= ?"
OF_ACCOUNTS = (Book.IDLE, Book.POSITION, Book.UNSETTLED, Book.SHARES)
"""Books that belong to subaccounts; the owner of a TRANSIT book is a service, that of the rest of a machine's shares nobody."""


def unit_text(number: AssetId) -> str:
    """Say what a number of an asset counts: below zero the sizes of a market, far below zero shares of a pool."""
    if number >= 0:
        return f"asset {number}"
    if number > -SHARES_FROM:
        return f"size of market {-number}"
    asset, claim = claim_of(number)
    return f"{Claim(claim).name.lower()} shares of asset {asset}"


def claim_of(number: AssetId) -> tuple[AssetId, int]:
    """Undo `share_unit`: the asset and which claim on its pool the shares are."""
    counted = -SHARES_FROM - number
    return counted >> 1, counted & 1


class TrialLine(NamedTuple):
    """Sum of one book of one machine in one asset."""

    machine: str
    asset: AssetId
    book: Book
    amount: Amount


class TrialBalance(NamedTuple):
    """All books after an entry."""

    entry: int
    lines: tuple[TrialLine, ...]

    def unbalanced(self) -> dict[tuple[str, AssetId], Amount]:
        """Machines and assets whose books do not sum to zero: none, ever."""
        totals: dict[tuple[str, AssetId], Amount] = {}
        for line in self.lines:
            key = (line.machine, line.asset)
            totals[key] = totals.get(key, 0) + line.amount
        return {key: total for key, total in totals.items() if total}

    def totals(self) -> dict[AssetId, dict[Book, Amount]]:
        """Sums over all machines; TRANSIT is what is under way, CLEARING what other shards have not booked yet."""
        found: dict[AssetId, dict[Book, Amount]] = {}
        for line in self.lines:
            books = found.setdefault(line.asset, {})
            books[line.book] = books.get(line.book, 0) + line.amount
        return found


class OwnedAmount(NamedTuple):
    """What an owner has in a book."""

    book: Book
    market: MarketId
    asset: AssetId
    amount: Amount


class StatementLine(NamedTuple):
    """One leg of an entry that touches a subaccount."""

    entry: int
    at_ms: Milliseconds
    machine: str
    kind: str
    reference: int
    book: Book
    market: MarketId
    asset: AssetId
    amount: Amount


class NoSuchEntry(Exception):
    """The ledger has not read so far."""


class Queries:
    """Questions to a ledger file."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Ask over this connection."""
        self.database = database

    def last_entry(self) -> int:
        """Number of the last entry."""
        row = self.database.execute("SELECT max(number) FROM entries").fetchone()
        return row[0] or 0

    def entry_at(self, machine: str, offset: int) -> int:
        """Number of the last entry of a machine at or before an offset of its ledger topic, 0 for none."""
        row = self.database.execute(AT_OFFSET, (machine, offset)).fetchone()
        return row[0] or 0

    def trial_balance(self, entry: int = 0) -> TrialBalance:
        """Books after an entry, 0 for the last; raises NoSuchEntry. An earlier one costs a pass over all legs before it."""
        last = self.last_entry()
        if not 0 <= entry <= last:
            raise NoSuchEntry(f"there are {last} entries, {entry} is not among them")
        rows = self.database.execute(THEN, (entry,)) if entry else self.database.execute(NOW)
        lines = tuple(TrialLine(machine, asset, Book(book), amount) for machine, asset, book, amount in rows)
        return TrialBalance(entry or last, lines)

    def balances(self, owner: SubaccountId) -> list[OwnedAmount]:
        """Return what a subaccount has, by book, market and asset."""
        rows = self.database.execute(OWNED, (owner, *OF_ACCOUNTS))
        return [OwnedAmount(Book(book), market, asset, amount) for book, market, asset, amount in rows]

    def statement(self, owner: SubaccountId, after_entry: int = 0, limit: int = 100) -> list[StatementLine]:
        """Lines of a subaccount, oldest first."""
        asked = (owner, after_entry, *OF_ACCOUNTS, min(limit, STATEMENT_MAX))
        rows = self.database.execute(LINES, asked)
        return [StatementLine._make(row)._replace(reference=to_unsigned(row[4]), book=Book(row[5])) for row in rows]

    def open_interest(self, market: MarketId) -> Size:
        """Return the sum of all long positions of a market."""
        row = self.database.execute(LONG, (Book.POSITION, market, -market)).fetchone()
        return row[0] or 0

    def positions(self) -> list[tuple[str, int, int, int]]:
        """How far each stream was read: (topic, partition, next offset, seq)."""
        return self.database.execute("SELECT topic, partition, offset, seq FROM positions ORDER BY 1, 2").fetchall()


def open_queries(path: Path) -> Queries:
    """Open a ledger file beside its writer, for reading; raises LedgerUnusable."""
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        database.execute("SELECT 1 FROM entries LIMIT 1")
    except sqlite3.Error as error:
        raise LedgerUnusable(f"{path} cannot be read as a ledger: {error}") from error
    return Queries(database)


def queries_of(store: Store) -> Queries:
    """Queries over the connection of the writer."""
    return Queries(store.database)
