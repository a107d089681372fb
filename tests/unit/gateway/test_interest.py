"""A statement of interest holds every accrual of the account once, whatever else the feed says, repeats or has forgotten."""

from collections.abc import AsyncIterator

import pytest

from services.core.log import LogError, LogRecord, RecordsExpired
from services.core.memory_log import MemoryLog
from services.core.reasons import Reason
from services.core.rpc import Refused
from services.gateway import interest
from services.gateway.interest import TOPIC, read_interest
from vigil.v1 import feeds_pb2
from vigil.v1 import trading_pb2 as pb

ACCOUNT, OTHER = 77, 78


def accrued(seq: int, at_ms: int, amount: int, account: int = ACCOUNT) -> tuple[int, bytes]:
    line = feeds_pb2.InterestAccrued(
        subaccount=account * 256 + 3, asset=1, amount=amount, shares=9, from_period=seq, to_period=seq + 1
    )
    record = feeds_pb2.FeedRecord(machine="risk/0", seq=seq, at_ms=at_ms, interest_accrued=line)
    return at_ms, record.SerializeToString()


def noise(seq: int, at_ms: int) -> tuple[int, bytes]:
    record = feeds_pb2.FeedRecord(machine="risk/0", seq=seq, at_ms=at_ms, balance_changed=feeds_pb2.BalanceChanged())
    return at_ms, record.SerializeToString()


def repeated(record: tuple[int, bytes], at_ms: int) -> tuple[int, bytes]:
    """The same record, written again later."""
    return at_ms, record[1]


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interest, "PAGE_RECORDS", 3)
    monkeypatch.setattr(interest, "WAIT_MS", 0)


async def feed(*records: tuple[int, bytes], home: MemoryLog | None = None) -> MemoryLog:
    home = home or MemoryLog()
    await home.create({TOPIC: 1}, keep_times=True)
    for at_ms, value in records:
        await (await home.append(TOPIC, 0, [value], [at_ms]))
    return home


async def pages(home: MemoryLog, since_ms: int = 0) -> AsyncIterator[pb.InterestPage]:
    asked = pb.InterestOf(since_ms=since_ms)
    while True:
        page = await read_interest(home, 0, ACCOUNT, asked)
        yield page
        if not page.next_place:
            return
        asked.place, asked.after_seq = page.next_place, page.read_to_seq


async def amounts(home: MemoryLog, since_ms: int = 0) -> list[int]:
    return [line.amount for page in [one async for one in pages(home, since_ms)] for line in page.accruals]


HISTORY = [
    accrued(1, 100, 10),
    noise(2, 200),
    accrued(3, 300, 999, OTHER),
    accrued(4, 400, -20),
    noise(5, 500),
    accrued(6, 600, 30),
    accrued(7, 700, -40),
]


async def test_every_accrual_of_the_account_is_there_in_order() -> None:
    home = await feed(*HISTORY)
    found = [page async for page in pages(home)]
    assert [[line.amount for line in page.accruals] for page in found] == [[10], [-20, 30], [-40]]
    assert (found[0].begins_ms, found[-1].read_to_ms, found[-1].read_to_seq) == (100, 700, 7)
    (line,) = found[0].accruals
    assert (line.seq, line.subaccount, line.asset, line.from_period, line.to_period) == (1, ACCOUNT * 256 + 3, 1, 1, 2)


async def test_what_a_restarted_machine_writes_again_counts_once_even_across_pages() -> None:
    again = [repeated(one, 710) for one in HISTORY[3:]]
    assert await amounts(await feed(*HISTORY, *again, accrued(8, 800, 50))) == [10, -20, 30, -40, 50]


@pytest.mark.parametrize(
    ("since_ms", "expected"),
    [(1, [10, -20, 30, -40]), (101, [-20, 30, -40]), (400, [-20, 30, -40]), (601, [-40]), (701, [])],
)
async def test_a_statement_may_begin_at_a_time(since_ms: int, expected: list[int]) -> None:
    assert await amounts(await feed(*HISTORY), since_ms) == expected


async def test_an_empty_feed_has_one_empty_page() -> None:
    (page,) = [one async for one in pages(await feed())]
    assert page == pb.InterestPage(machine="risk/0")


class Short(MemoryLog):
    """A log that has forgotten its first records."""

    kept_from = 4

    async def read(self, topic: str, partition: int, offset: int, limit: int, wait_ms: int) -> list[LogRecord]:
        if offset < self.kept_from:
            raise RecordsExpired(f"no longer has its record {offset}")
        return await super().read(topic, partition, offset, limit, wait_ms)


@pytest.mark.parametrize("since_ms", [0, 150])
async def test_what_the_log_has_forgotten_is_left_out_and_the_page_says_where_it_begins(since_ms: int) -> None:
    home = await feed(*HISTORY, home=Short())
    found = [page async for page in pages(home, since_ms)]
    assert [line.amount for page in found for line in page.accruals] == [30, -40]
    assert found[0].begins_ms == 500


class Gone(MemoryLog):
    """A log that nobody reaches."""

    async def read(self, topic: str, partition: int, offset: int, limit: int, wait_ms: int) -> list[LogRecord]:
        del topic, partition, offset, limit, wait_ms
        raise LogError("no broker")


async def test_a_log_that_does_not_answer_is_no_empty_statement() -> None:
    with pytest.raises(Refused, match="no broker") as refused:
        await amounts(await feed(*HISTORY, home=Gone()))
    assert refused.value.reason is Reason.SYSTEM_LAGGING


@pytest.mark.parametrize("asked", [pb.InterestOf(place=8), pb.InterestOf(since_ms=-1)])
async def test_places_and_times_that_are_none_are_refused(asked: pb.InterestOf) -> None:
    with pytest.raises(Refused) as refused:
        await read_interest(await feed(*HISTORY), 0, ACCOUNT, asked)
    assert refused.value.reason is Reason.MALFORMED
