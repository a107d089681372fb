"""One passage of a venue's life under load, judged by its logs when it is over."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from tests.kafka.checker import Checker, Verdict
from tests.kafka.load import TRADERS, Load
from tests.kafka.trader import Line
from tests.kafka.venue import Venue


@contextlib.asynccontextmanager
async def judged_load(venue: Venue, seed: int, traders: int = TRADERS) -> AsyncIterator[Load]:
    """Traders trade during the block; then everybody learns what became of everything, all stops, and the checker reads."""
    await venue.start()
    load = Load(venue, seed, traders)
    load.start()
    try:
        await load.goes_on()
        yield load
        await load.goes_on()
        await load.finish()
    finally:
        await load.close()
    load.verdict = await stopped_and_judged(venue, load.journal.lines)
    print(dict(load.journal.outcomes()))


async def stopped_and_judged(venue: Venue, lines: Sequence[Line]) -> Verdict:
    """Stop a venue whose clients know everything, and judge it."""
    await venue.stop()
    checker = Checker(venue.home, venue.partitions, venue.folder / "snapshots")
    verdict = await checker.judge()
    await checker.judge_ledger(venue.ledger_file)
    checker.judge_clients(lines)
    print(verdict)
    return verdict
