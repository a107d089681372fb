"""The ledger takes every entry once and in order, balances at every entry, and stops at what cannot be true."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from services.core.books import balanced
from services.core.log import LogRecord
from services.core.memory_log import MemoryLog
from services.core.messages import Book, Leg, Posted, Record, Tick
from services.core.pool import DEBT, SUPPLY, share_unit
from services.settlement.ledger.queries import NoSuchEntry, Queries, claim_of, open_queries, queries_of, unit_text
from services.settlement.ledger.reader import LedgerStopped, Stream, open_streams, read_all
from services.settlement.ledger.store import LedgerUnusable, Store

ALICE = 7 * 256
USDC = 1
TOPIC = "ledger.risk"
DEPOSIT = [(Book.TRANSIT, 1, 0, USDC, -100), (Book.IDLE, ALICE, 0, USDC, 100)]
FILL = [
    *[(Book.POSITION, ALICE, 1, -1, 3), (Book.CLEARING, 0, 1, -1, -3)],
    *[(Book.POSITION, ALICE, 1, USDC, -60), (Book.CLEARING, 0, 1, USDC, 60)],
    *[(Book.IDLE, ALICE, 0, USDC, -2), (Book.FEES, 0, 0, USDC, 2)],
]


def posted(kind: str, legs: Sequence[Leg], reference: int = 1) -> Posted:
    return balanced(kind, reference, 1_000 * reference, legs)


def chained(entries: Sequence[Posted], machine: str = "risk/0") -> list[bytes]:
    values, chain = [], 0
    for seq, entry in enumerate(entries, 1):
        value = msgspec.msgpack.encode(Record(entry, machine, seq, chain))
        chain = crc32(value)
        values.append(value)
    return values


HISTORY = chained([posted("deposit", DEPOSIT), posted("fill", FILL, 2), posted("deposit", DEPOSIT, 3)])


async def stream_of(values: Sequence[bytes], store: Store) -> Stream:
    home = MemoryLog()
    await home.create({TOPIC: 1})
    await home.append(TOPIC, 0, values)
    return Stream(home, store, TOPIC, 0)


async def read(values: Sequence[bytes]) -> tuple[Stream, Queries]:
    store = Store(":memory:")
    stream = await stream_of(values, store)
    await read_all([stream])
    return stream, queries_of(store)


async def test_balances_and_statement_of_a_subaccount() -> None:
    _, queries = await read(HISTORY)
    assert [tuple(one) for one in queries.balances(ALICE)] == [
        (Book.IDLE, 0, USDC, 198),
        (Book.POSITION, 1, -1, 3),
        (Book.POSITION, 1, USDC, -60),
    ]
    lines = queries.statement(ALICE)
    assert [(line.entry, line.kind, line.book, line.asset, line.amount) for line in lines] == [
        (1, "deposit", Book.IDLE, USDC, 100),
        (2, "fill", Book.POSITION, -1, 3),
        (2, "fill", Book.POSITION, USDC, -60),
        (2, "fill", Book.IDLE, USDC, -2),
        (3, "deposit", Book.IDLE, USDC, 100),
    ]
    assert [line.entry for line in queries.statement(ALICE, after_entry=2)] == [3]
    assert len(queries.statement(ALICE, limit=2)) == 2


async def test_the_trial_balance_is_zero_per_asset_at_every_entry() -> None:
    _, queries = await read(HISTORY)
    for entry in (1, 2, 3):
        trial = queries.trial_balance(entry)
        assert trial.entry == entry
        assert trial.unbalanced() == {}
    assert queries.trial_balance(1).totals() == {USDC: {Book.TRANSIT: -100, Book.IDLE: 100}}
    assert queries.trial_balance() == queries.trial_balance(3)
    assert queries.trial_balance().totals()[-1] == {Book.POSITION: 3, Book.CLEARING: -3}
    with pytest.raises(NoSuchEntry, match="there are 3"):
        queries.trial_balance(4)


async def test_a_trial_balance_that_is_not_zero_is_seen() -> None:
    stream, queries = await read(HISTORY)
    stream.store.database.execute("UPDATE balances SET amount = amount + 1 WHERE book = ?", (Book.FEES,))
    assert queries.trial_balance().unbalanced() == {("risk/0", USDC): 1}


async def test_the_entry_at_an_offset_of_a_stream() -> None:
    _, queries = await read([HISTORY[0], HISTORY[0], HISTORY[1]])
    assert [queries.entry_at("risk/0", offset) for offset in (0, 1, 2)] == [1, 1, 2]
    assert queries.entry_at("settlement/0", 9) == 0


async def test_duplicates_change_nothing() -> None:
    stream, queries = await read([*HISTORY[:2], *HISTORY[:2], *HISTORY])
    _, once = await read(HISTORY)
    assert stream.duplicates == 4
    assert queries.trial_balance() == once.trial_balance()


async def test_an_entry_after_a_gap_waits_until_it_comes_again() -> None:
    stream, queries = await read([HISTORY[0], HISTORY[2]])
    assert (stream.early, queries.last_entry()) == (1, 1)
    await stream.home.append(TOPIC, 0, HISTORY[1:])
    await read_all([stream])
    assert (stream.early, stream.duplicates, queries.last_entry()) == (1, 0, 3)


BTC, SAVINGS = 2, ALICE + 1
BOB = 9 * 256
SPOT, PERPETUAL = 7, 1


def spot_fill(owner: int, size: int, cash: int, fee: int) -> list[Leg]:
    """Legs of one side of a spot trade: base and quote against clearing, the fee in quote."""
    return [
        *[(Book.IDLE, owner, 0, BTC, size), (Book.CLEARING, 0, SPOT, BTC, -size)],
        *[(Book.IDLE, owner, 0, USDC, cash - fee), (Book.CLEARING, 0, SPOT, USDC, -cash), (Book.FEES, 0, 0, USDC, fee)],
    ]


def closed(owner: int, size: int, cash: int, paid: int) -> list[Leg]:
    """Legs of a delisting: size and cash against clearing at the last price, what is left becomes idle."""
    return [
        *[(Book.POSITION, owner, PERPETUAL, -PERPETUAL, -size), (Book.CLEARING, 0, PERPETUAL, -PERPETUAL, size)],
        *[(Book.POSITION, owner, PERPETUAL, USDC, -cash), (Book.CLEARING, 0, PERPETUAL, USDC, -paid)],
        (Book.IDLE, owner, 0, USDC, cash + paid),
    ]


def claims(owner: int, claim: int, shares: int, cash: int, asset: int = USDC) -> list[Leg]:
    """Legs of lending (or borrowing) by will: shares against the rest of the shard, money against the pool's cash."""
    unit = share_unit(asset, claim)
    return [
        *[(Book.SHARES, owner, 0, unit, shares), (Book.SHARES, 0, 0, unit, -shares)],
        *[(Book.IDLE, owner, 0, asset, -cash), (Book.POOL_CASH, 0, 0, asset, cash)],
    ]


async def test_claims_on_pools_are_lines_of_their_owner_and_balance_among_themselves() -> None:
    due = [(Book.FUND_DUE, 0, 0, USDC, 3), (Book.POOL_CASH, 0, 0, USDC, -5), (Book.LOSS, 0, 0, USDC, 2)]
    entries = [
        posted("lend", claims(ALICE, SUPPLY, 90, 100)),
        posted("borrow", claims(BOB, DEBT, 50, -60), 2),
        posted("bad debt", due, 3),
    ]
    _, queries = await read(chained(entries))
    supply, debt = share_unit(USDC, SUPPLY), share_unit(USDC, DEBT)
    assert [tuple(one) for one in queries.balances(ALICE)] == [(Book.IDLE, 0, USDC, -100), (Book.SHARES, 0, supply, 90)]
    assert [(line.book, line.asset, line.amount) for line in queries.statement(BOB)] == [
        *[(Book.SHARES, debt, 50), (Book.IDLE, USDC, 60)]
    ]
    trial = queries.trial_balance()
    assert trial.unbalanced() == {}
    assert {asset: sum(books.values()) for asset, books in trial.totals().items()} == {USDC: 0, supply: 0, debt: 0}
    assert trial.totals()[USDC][Book.POOL_CASH] == 35


async def test_shares_that_nobody_lost_stop_the_ledger() -> None:
    unit = share_unit(USDC, SUPPLY)
    made = Posted("lend", 1, 1, [(Book.SHARES, ALICE, 0, unit, 5), (Book.SHARES, 0, 0, share_unit(USDC, DEBT), -5)])
    with pytest.raises(LedgerStopped, match="does not balance"):
        await read(chained([made]))


UNITS = [
    (1, "asset 1"),
    (-7, "size of market 7"),
    (1 - 2**22, "size of market 4194303"),
    (share_unit(1, SUPPLY), "supply shares of asset 1"),
    (share_unit(1, DEBT), "debt shares of asset 1"),
    (share_unit(2**22 - 1, DEBT), "debt shares of asset 4194303"),
]


@pytest.mark.parametrize(("number", "text"), UNITS, ids=[row[1] for row in UNITS])
def test_what_a_number_of_an_asset_counts(number: int, text: str) -> None:
    assert unit_text(number) == text


def test_the_number_of_shares_says_asset_and_claim() -> None:
    assert [claim_of(share_unit(asset, claim)) for asset in (1, 9) for claim in (SUPPLY, DEBT)] == [
        *[(1, SUPPLY), (1, DEBT), (9, SUPPLY), (9, DEBT)]
    ]


TRANSFER = [(Book.IDLE, ALICE, 0, USDC, -40), (Book.IDLE, SAVINGS, 0, USDC, 40)]


async def test_a_transfer_is_one_entry_with_a_line_in_both_statements() -> None:
    _, queries = await read(chained([posted("deposit", DEPOSIT), balanced("transfer", 2**64 - 1, 2, TRANSFER)]))
    assert [tuple(one) for one in queries.balances(ALICE)] == [(Book.IDLE, 0, USDC, 60)]
    assert [tuple(one) for one in queries.balances(SAVINGS)] == [(Book.IDLE, 0, USDC, 40)]
    lines = [*queries.statement(ALICE, after_entry=1), *queries.statement(SAVINGS)]
    assert [(line.entry, line.kind, line.amount) for line in lines] == [(2, "transfer", -40), (2, "transfer", 40)]
    assert [line.reference for line in lines] == [2**64 - 1] * 2, "a command id has 64 bits"
    assert queries.trial_balance().totals() == {USDC: {Book.TRANSIT: -100, Book.IDLE: 100}}


async def test_a_spot_trade_clears_in_both_assets_once_both_sides_are_booked() -> None:
    """Bought on one shard, sold on another: until the second books, clearing holds what is on its way."""
    home = MemoryLog()
    await home.create({TOPIC: 2})
    store = Store(":memory:")
    streams = await open_streams(home, store)
    queries = queries_of(store)
    await home.append(TOPIC, 0, chained([posted("fill", spot_fill(ALICE, 5, -200, 2), 3)]))
    await read_all(streams)
    half = queries.trial_balance()
    assert (half.unbalanced(), half.totals()[BTC][Book.CLEARING], half.totals()[USDC][Book.CLEARING]) == ({}, -5, 200)
    await home.append(TOPIC, 1, chained([posted("fill", spot_fill(BOB, -5, 200, 1), 3)], "risk/1"))
    await read_all(streams)
    whole = queries.trial_balance()
    assert whole.unbalanced() == {}
    assert whole.totals() == {
        BTC: {Book.IDLE: 0, Book.CLEARING: 0},
        USDC: {Book.IDLE: -3, Book.CLEARING: 0, Book.FEES: 3},
    }
    assert [tuple(one) for one in queries.balances(BOB)] == [(Book.IDLE, 0, USDC, 199), (Book.IDLE, 0, BTC, -5)]
    assert queries.open_interest(SPOT) == 0, "a spot trade opens nothing"
    assert queries.trial_balance(half.entry) == half


async def test_a_delisting_leaves_neither_position_nor_clearing() -> None:
    short = [
        *[(Book.POSITION, BOB, 1, -1, -3), (Book.CLEARING, 0, 1, -1, 3)],
        *[(Book.POSITION, BOB, 1, USDC, 60), (Book.CLEARING, 0, 1, USDC, -60)],
    ]
    entries = [
        *[posted("deposit", DEPOSIT), posted("fill", FILL, 2), posted("fill", short, 3)],
        *[posted("delisted", closed(ALICE, 3, -60, 75), 4), posted("delisted", closed(BOB, -3, 60, -75), 5)],
    ]
    _, queries = await read(chained(entries))
    assert [queries.trial_balance(entry).unbalanced() for entry in range(1, 6)] == [{}] * 5
    totals = queries.trial_balance().totals()
    assert totals[-PERPETUAL] == {Book.POSITION: 0, Book.CLEARING: 0}
    assert totals[USDC] == {Book.TRANSIT: -100, Book.IDLE: 98, Book.FEES: 2, Book.POSITION: 0, Book.CLEARING: 0}
    assert queries.open_interest(PERPETUAL) == 0
    assert [tuple(one) for one in queries.balances(ALICE)] == [(Book.IDLE, 0, USDC, 113)]
    assert [tuple(one) for one in queries.balances(BOB)] == [(Book.IDLE, 0, USDC, -15)]


UNBALANCED = Posted("fill", 2, 0, [(Book.IDLE, ALICE, 0, USDC, 5), (Book.FEES, 0, 0, USDC, -4)])
FALSE_HISTORIES = [
    ("broken chain", [HISTORY[0], chained([posted("other", DEPOSIT), posted("fill", FILL, 2)])[1]], "another history"),
    ("a duplicate with other bytes", [HISTORY[0], chained([posted("other", DEPOSIT)])[0]], "another entry 1"),
    ("legs that do not balance", chained([posted("deposit", DEPOSIT), UNBALANCED]), r"does not balance: \{1: 1\}"),
    ("another writer", chained([posted("deposit", DEPOSIT)], "risk/1"), "written by 'risk/1'"),
    ("no entry", [msgspec.msgpack.encode(Record(Tick()))], "holds no entry"),
    ("garbage", [b"\xc1"], "holds no entry"),
]


@pytest.mark.parametrize(("values", "says"), [row[1:] for row in FALSE_HISTORIES], ids=[r[0] for r in FALSE_HISTORIES])
async def test_what_cannot_be_true_stops_the_ledger_before_anything_is_written(values: list[bytes], says: str) -> None:
    store = Store(":memory:")
    stream = await stream_of(values, store)
    with pytest.raises(LedgerStopped, match=says):
        await stream.turn(wait_ms=0)
    assert queries_of(store).last_entry() == 0
    assert stream.position.offset == 0


async def test_it_goes_on_where_it_was_and_can_be_built_anew(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    store = Store(file)
    first = await stream_of(HISTORY[:2], store)
    await read_all([first])
    store.close()
    again = Store(file)
    stream = await stream_of(HISTORY, again)
    assert (stream.position.offset, stream.position.seq) == (2, 2)
    await read_all([stream])
    built_anew = (await read(HISTORY))[1]
    beside = open_queries(file)
    assert beside.trial_balance() == built_anew.trial_balance()
    assert beside.statement(ALICE) == built_anew.statement(ALICE)
    beside.database.close()
    again.close()


def test_a_batch_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "ledger.sqlite")
    store.database.execute("CREATE TRIGGER full BEFORE INSERT ON balances BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    stream = Stream(MemoryLog(), store, TOPIC, 0)
    with pytest.raises(LedgerUnusable, match="disk full"):
        stream.take([LogRecord(0, 0, HISTORY[0])])
    assert queries_of(store).last_entry() == 0
    assert stream.position.offset == 0
    store.close()


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite"
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE notes (text)")
    other.close()
    with pytest.raises(LedgerUnusable, match="no ledger of this release"):
        Store(file)
    with pytest.raises(LedgerUnusable, match="cannot be read"):
        open_queries(file)


async def test_every_ledger_topic_of_the_log_is_read() -> None:
    home = MemoryLog()
    await home.create({"ledger.risk": 2, "ledger.settlement": 1, "feed.account": 1})
    transfer = [(Book.OUTSIDE, 0, 0, USDC, -100), (Book.TRANSIT, 4, 0, USDC, 100)]
    await home.append("ledger.settlement", 0, chained([posted("deposit", transfer)], "settlement/0"))
    await home.append("ledger.risk", 1, chained([posted("deposit", DEPOSIT)], "risk/1"))
    store = Store(":memory:")
    streams = await open_streams(home, store)
    assert [stream.machine for stream in streams] == ["settlement/0", "risk/0", "risk/1"]
    assert await read_all(streams) == 2
    totals = queries_of(store).trial_balance().totals()[USDC]
    assert totals[Book.TRANSIT] == 0, "nothing is under way"
    assert totals[Book.IDLE] == -totals[Book.OUTSIDE] == 100
