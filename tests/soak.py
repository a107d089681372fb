"""A soak of the whole venue: participants trade in one process for some minutes, then its own log must tell the same story again.

    make soak MINUTES=10                    real minutes; the venue's own clock runs 60 times as fast
    make soak MINUTES=10 ARGS="--speed 600 --risk-partitions 4"

At the end, from the log alone: every machine replays to the state that it had, the ledger rebuilt balances and is the one that was kept
beside, nothing is under way, sizes sum to zero, the books that feed.book tells are those of matching, and the program's log holds no error.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.core.log import Log, LogRecord
from services.core.messages import Book, Side
from services.core.settings import EXIT_CONFIGURATION
from services.core.spine import Engine
from services.core.sqlite_log import SqliteLog
from services.core.topics import inbox
from services.local.clock import Pacer
from services.local.composition import MACHINES
from services.local.run import LOG_FILE, Options, Run, Setup, log_to, prices_of, started, summary
from services.local.single_process import Addresses
from services.local.venue import MARKETS_FILE
from services.settlement.ledger.queries import open_queries, queries_of
from services.settlement.ledger.reader import open_streams, read_all
from services.settlement.ledger.store import Store
from vigil.v1 import feeds_pb2

ANYWHERE = Addresses("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
READ = 2_000
ERRORS = ("error", "critical", "exception")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of real time")
    parser.add_argument("--speed", type=int, default=60)
    parser.add_argument("--participants", type=int, default=12)
    parser.add_argument("--risk-partitions", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


async def soak(asked: argparse.Namespace, folder: Path) -> str:
    """Trade, end in good order, judge; returns what was done, AssertionError for the first law that does not hold."""
    running = await played(asked, folder)
    assert running.process.failure() is None, running.process.failure()
    stopped = {host.engine.name: host.failure for host in running.process.hosts if host.failure is not None}
    assert not stopped, f"partitions stopped: {stopped}"
    home = SqliteLog(folder / "log.sqlite")
    try:
        engines = [host.engine for host in running.process.hosts]
        for engine in engines:
            await judge_replay(home, engine)
        await judge_ledger(home, folder / "ledger.sqlite")
        levels = await judge_books(home, [engine.state for engine in engines if engine.machine.service == "matching"])
    finally:
        await home.close()
    errors = list(errors_of(folder / LOG_FILE))
    assert not errors, f"{len(errors)} errors in the program's log, the first: {errors[0]}"
    applied = sum(engine.counters.applied for engine in engines)
    return f"{len(engines)} machines replayed {applied} records to the same state; {levels} levels of books told as they stand\n"


async def played(asked: argparse.Namespace, folder: Path) -> Run:
    """Run the venue for the minutes asked for, and let it become quiet before it ends."""
    setup = Setup("march-2020", "", asked.seed, asked.risk_partitions)
    options = Options(
        setup=setup,
        folder=folder,
        markets=MARKETS_FILE,
        speed=asked.speed,
        participants=asked.participants,
        headless=True,
        duration_ms=None,
        begins_ms=None,
        addresses=ANYWHERE,
    )
    stop = asyncio.Event()
    async with started(options, prices_of(options)) as running:
        begin_ms = running.clock()
        await running.crowd.start()
        asyncio.get_running_loop().call_later(asked.minutes * 60, stop.set)
        await running.pacer.run(running.ends_ms, stop)
        assert isinstance(running.pacer, Pacer)
        await running.pacer.quiet(asyncio.Event())
    sys.stdout.write(summary(running, asked.minutes * 60, begin_ms))
    return running


async def judge_replay(home: Log, lived: Engine[Any]) -> None:
    """A fresh machine that reads the same inbox as far has the same state, byte for byte, and no broken invariant."""
    machine = next(one.machine for one in MACHINES if one.machine.service == lived.machine.service)
    fresh = Engine(machine, lived.partition)
    while fresh.spine.position < lived.spine.position:
        for record in await home.read(inbox(machine.service), lived.partition, fresh.spine.position, READ, 0):
            if record.offset < lived.spine.position:
                fresh.step(record.offset, record.at_ms, record.value)
    assert fresh.snapshot() == lived.snapshot(), f"{lived.name} replays to another state"
    machine.check_invariants(fresh.state)


async def judge_ledger(home: Log, kept: Path) -> None:
    """The ledger rebuilt from its topics balances with nothing under way, and is the one that was written while it ran."""
    store = Store(":memory:")
    await read_all(await open_streams(home, store))
    trial = queries_of(store).trial_balance()
    store.close()
    assert trial.lines, "the ledger has entries"
    assert not trial.unbalanced(), trial.unbalanced()
    for asset, books in trial.totals().items():
        moving = {book: amount for book in (Book.TRANSIT, Book.CLEARING) if (amount := books.get(book, 0))}
        assert sum(books.values()) == 0, f"asset {asset} sums to zero over all machines: {books}"
        assert not moving, f"nothing of asset {asset} is under way: {moving}"
    queries = open_queries(kept)
    assert queries.trial_balance().lines == trial.lines, "the ledger kept beside has the same books"
    queries.database.close()


async def judge_books(home: Log, matching: list[Any]) -> int:
    """The books that the feed tells are those that matching holds; returns how many levels that were."""
    told: dict[int, dict[int, dict[int, int]]] = defaultdict(lambda: {Side.BUY: {}, Side.SELL: {}})
    last: dict[int, int] = {}
    for partition in range(len(matching)):
        for record in await records_of(home, "feed.book", partition):
            event = feeds_pb2.FeedRecord.FromString(record.value)
            if event.HasField("book_changed"):
                change = event.book_changed
                expected = last.get(change.market, 0) + 1
                assert change.update_id == expected, (
                    f"market {change.market}: {change.update_id} comes after {expected - 1}"
                )
                last[change.market] = change.update_id
                for side, levels in ((Side.BUY, change.bids), (Side.SELL, change.asks)):
                    told[change.market][side].update({level.price: level.size for level in levels})
    return sum(
        judge_book(market, trading.book, told[market])
        for state in matching
        for market, trading in state.trading.items()
    )


def judge_book(market: int, book: Any, told: dict[int, dict[int, int]]) -> int:
    """The levels of one book; returns how many there are."""
    standing = {side: dict(book.depth(side)) for side in told}
    known = {side: {price: size for price, size in levels.items() if size} for side, levels in told.items()}
    assert known == standing, f"the feed tells another book of market {market}"
    return sum(map(len, standing.values()))


async def records_of(home: Log, topic: str, partition: int) -> list[LogRecord]:
    """A whole topic partition."""
    records: list[LogRecord] = []
    end = await home.end(topic, partition)
    while len(records) < end:
        records += await home.read(topic, partition, len(records), READ, 0)
    return records


def errors_of(file: Path) -> Iterator[str]:
    """Lines of the program's log that tell of an error."""
    for line in file.read_text().splitlines():
        said = json.loads(line)
        if said.get("level") in ERRORS or "exception" in said:
            yield line


def main() -> int:
    """Run one soak; the folder is kept when a law does not hold."""
    asked = parse()
    if asked.minutes <= 0:
        sys.stderr.write("soak: --minutes must be more than 0\n")
        return EXIT_CONFIGURATION
    folder = Path(tempfile.mkdtemp(prefix="vigil-soak-"))
    stream = log_to(folder, quiet=False)
    try:
        said = asyncio.run(soak(asked, folder))
    except AssertionError as broken:
        sys.stderr.write(f"soak: {broken}; the log is in {folder}\n")
        return 1
    finally:
        if stream is not None:
            stream.close()
    shutil.rmtree(folder)
    sys.stdout.write(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
