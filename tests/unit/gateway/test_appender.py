"""Commands on their way into an inbox: cancels first, but never before the order they are for; one append at a time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.core.log import AppendFailed, LogError, Pending
from services.core.memory_log import MemoryLog
from services.gateway.appender import Appender
from services.gateway.results import Owner

RISK = Owner("risk", 0)
ORDERS, CANCELS = False, True


class SlowLog(MemoryLog):
    """A log that takes one append after another, when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = asyncio.Semaphore(0)
        self.appends: list[list[bytes]] = []

    async def append(self, topic: str, partition: int, values: Sequence[bytes], at_ms: Any = None) -> Pending:
        await self.turns.acquire()
        self.appends.append(list(values))
        return await super().append(topic, partition, values, at_ms)


@pytest.fixture
async def log() -> SlowLog:
    log = SlowLog()
    await log.create({"risk.inbox": 1})
    return log


async def test_cancels_go_first_but_not_before_orders_of_their_account(log: SlowLog) -> None:
    appender = Appender(log, list[LogError]().append)
    puts = [(1, b"first", ORDERS), (2, b"order 2", ORDERS), (3, b"cancel 3", CANCELS), (2, b"cancel 2", CANCELS)]
    for account, value, urgent in puts[:1]:
        appender.put(RISK, account, [value], urgent=urgent)
    await asyncio.sleep(0)
    for account, value, urgent in puts[1:]:
        appender.put(RISK, account, [value], urgent=urgent)
    log.turns.release()
    log.turns.release()
    await appender.drained(5)
    assert log.appends == [[b"first"], [b"cancel 3", b"order 2", b"cancel 2"]]


async def test_a_failed_append_is_told_once_and_ends_writing(log: SlowLog) -> None:
    class FailingLog(SlowLog):
        async def append(self, topic: str, partition: int, values: Sequence[bytes], at_ms: Any = None) -> Pending:
            del topic, partition, at_ms
            self.appends.append(list(values))
            failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            failed.set_exception(AppendFailed("gone"))
            return failed

    failing, told = FailingLog(), list[LogError]()
    appender = Appender(failing, told.append)
    appender.put(RISK, 1, [b"one"], urgent=False)
    await appender.drained(5)
    appender.put(RISK, 1, [b"two"], urgent=False)
    await appender.drained(5)
    assert [str(error) for error in told] == ["gone"]
    assert failing.appends == [[b"one"]]
    assert log.appends == []
