"""What every home of the log promises, as one class of tests; each home's module says how to open it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import pytest

from services.core.log import AppendFailed, Log, LogError, LogRecord

Open = Callable[[], Awaitable[Log]]

LONG_WAIT_MS = 20_000
"""A wait that must end early because a record comes."""


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(start, start + count)]


def values(records: Iterable[LogRecord]) -> list[bytes]:
    return [record.value for record in records]


async def everything(log: Log, topic: str, partition: int = 0, limit: int = 1_000) -> list[LogRecord]:
    records: list[LogRecord] = []
    while found := await log.read(topic, partition, len(records), limit, 0):
        records += found
    return records


async def written(log: Log, topic: str, *appends: list[bytes], partition: int = 0) -> None:
    for pending in [await log.append(topic, partition, append) for append in appends]:
        await pending


class LogContract:
    """Subclasses give the fixture `open_log`; each call of it opens the same log anew."""

    @pytest.fixture
    async def log(self, open_log: Open) -> AsyncIterator[Log]:
        log = await open_log()
        yield log
        await log.close()

    @pytest.fixture
    async def topic(self, log: Log) -> str:
        name = f"test.{uuid.uuid4().hex}.inbox"
        await log.create({name: 2})
        return name

    async def test_offsets_are_gapless_from_0_in_order_of_appends(self, log: Log, topic: str) -> None:
        await written(log, topic, numbered(3), numbered(4, 3))
        records = await everything(log, topic)
        assert [record.offset for record in records] == list(range(7))
        assert values(records) == numbered(7)

    async def test_partitions_are_apart(self, log: Log, topic: str) -> None:
        await written(log, topic, numbered(2))
        await written(log, topic, numbered(1, 9), partition=1)
        assert values(await everything(log, topic, 0)) == numbered(2)
        assert values(await everything(log, topic, 1)) == [b"9"]

    async def test_a_value_comes_back_as_it_was(self, log: Log, topic: str) -> None:
        strange = [b"", b"\0", bytes(range(256)), "µ".encode()]
        await written(log, topic, strange)
        assert values(await everything(log, topic)) == strange

    async def test_end_is_the_next_offset(self, log: Log, topic: str) -> None:
        assert await log.end(topic, 0) == 0
        await written(log, topic, numbered(5))
        assert (await log.end(topic, 0), await log.end(topic, 1)) == (5, 0)

    async def test_a_read_keeps_to_its_limit_and_may_begin_anywhere(self, log: Log, topic: str) -> None:
        await written(log, topic, numbered(10))
        assert values(await log.read(topic, 0, 4, 3, 0)) == numbered(3, 4)
        assert values(await log.read(topic, 0, 0, 2, 0)) == numbered(2)
        assert values(await log.read(topic, 0, 9, 100, 0)) == [b"9"]

    async def test_a_read_at_the_end_or_past_it_gives_nothing(self, log: Log, topic: str) -> None:
        await written(log, topic, numbered(3))
        assert await log.read(topic, 0, 3, 10, 0) == []
        assert await log.read(topic, 0, 3, 10, 20) == []
        assert await log.read(topic, 0, 7, 10, 20) == []

    async def test_an_acknowledged_append_is_read_without_waiting(self, log: Log, topic: str) -> None:
        for offset in range(20):
            await written(log, topic, numbered(1, offset))
            assert values(await log.read(topic, 0, offset, 10, 0)) == [b"%d" % offset]

    async def test_a_waiting_read_wakes_up_at_once(self, log: Log, topic: str) -> None:
        await log.read(topic, 0, 0, 1, 0)
        reading = asyncio.ensure_future(log.read(topic, 0, 0, 10, LONG_WAIT_MS))
        other = asyncio.ensure_future(log.read(topic, 1, 0, 10, 50))
        await written(log, topic, numbered(1))
        assert values(await asyncio.wait_for(reading, LONG_WAIT_MS / 2_000)) == [b"0"]
        assert await other == []

    async def test_a_read_lets_other_tasks_run(self, log: Log, topic: str) -> None:
        await written(log, topic, numbered(1))
        turns: list[int] = []

        async def other() -> None:
            for turn in range(3):
                turns.append(turn)
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        for _ in range(5):
            await log.read(topic, 0, 0, 1, 0)
        await task
        assert turns == [0, 1, 2]

    async def test_creating_again_changes_nothing(self, log: Log, topic: str) -> None:
        await written(log, topic, numbered(2))
        await log.create({topic: 2})
        assert (await log.topics())[topic] == 2
        assert values(await everything(log, topic)) == numbered(2)

    async def test_creating_with_another_count_is_refused(self, log: Log, topic: str) -> None:
        with pytest.raises(LogError, match=r"has 2 partitions, not 3: start a new generation"):
            await log.create({topic: 3})
        assert (await log.topics())[topic] == 2

    async def test_the_log_gives_the_time(self, log: Log, topic: str) -> None:
        before = log.now_ms()
        await written(log, topic, numbered(2))
        after = log.now_ms()
        assert all(before <= record.at_ms <= after for record in await everything(log, topic))

    async def test_a_topic_that_keeps_times_takes_them_from_the_appends(self, log: Log, topic: str) -> None:
        kept = topic + ".copy"
        await log.create({kept: 1}, keep_times=True)
        await (await log.append(kept, 0, numbered(3), [1_584_000_000_000, 5, 7_000_000_000_000]))
        assert [record.at_ms for record in await everything(log, kept)] == [1_584_000_000_000, 5, 7_000_000_000_000]

    async def test_times_are_given_where_they_are_kept_and_only_there(self, log: Log, topic: str) -> None:
        kept = topic + ".copy"
        await log.create({kept: 1}, keep_times=True)
        with pytest.raises(LogError, match=f"{kept} needs times"):
            await log.append(kept, 0, numbered(1))
        with pytest.raises(LogError, match="does not take times"):
            await log.append(topic, 0, numbered(1), [1])
        with pytest.raises(LogError, match="3 records came with 2 times"):
            await log.append(kept, 0, numbered(3), [1, 2])
        assert (await log.end(topic, 0), await log.end(kept, 0)) == (0, 0)

    async def test_an_unknown_partition_is_a_clear_error(self, log: Log, topic: str) -> None:
        for name, partition in ((topic, 2), (topic, -1), ("never.created", 0)):
            with pytest.raises(LogError, match=f"no topic partition {name}/{partition}"):
                await log.append(name, partition, numbered(1))
            with pytest.raises(LogError, match=f"no topic partition {name}/{partition}"):
                await log.read(name, partition, 0, 1, 0)
            with pytest.raises(LogError, match=f"no topic partition {name}/{partition}"):
                await log.end(name, partition)

    async def test_an_empty_append_is_acknowledged_and_adds_nothing(self, log: Log, topic: str) -> None:
        await written(log, topic, [])
        assert await log.end(topic, 0) == 0

    async def test_one_append_of_many_large_values(self, log: Log, topic: str) -> None:
        large = [bytes([number]) * 50_000 for number in range(60)]
        await written(log, topic, large)
        assert values(await everything(log, topic)) == large

    async def test_many_appends_in_flight_keep_their_order(self, log: Log, topic: str) -> None:
        await written(log, topic, *(numbered(7, start) for start in range(0, 2_100, 7)))
        assert values(await everything(log, topic)) == numbered(2_100)

    async def test_two_writers_interleave_without_loss(self, log: Log, topic: str) -> None:
        async def write(name: bytes) -> None:
            for number in range(50):
                await written(log, topic, [b"%b %d" % (name, 2 * number), b"%b %d" % (name, 2 * number + 1)])

        await asyncio.gather(write(b"a"), write(b"b"))
        found = values(await everything(log, topic))
        for name in (b"a", b"b"):
            assert [value for value in found if value.startswith(name)] == [b"%b %d" % (name, n) for n in range(100)]

    async def test_an_append_is_seen_whole_or_not_at_all(self, log: Log, topic: str) -> None:
        async def write() -> None:
            for start in range(0, 1_000, 10):
                await written(log, topic, numbered(10, start))

        writing = asyncio.ensure_future(write())
        seen = 0
        while seen < 1_000:
            await asyncio.sleep(0)
            seen = await log.end(topic, 0)
            assert seen % 10 == 0
        await writing

    async def test_readers_at_different_places_do_not_disturb_each_other(self, log: Log, topic: str) -> None:
        await written(log, topic, numbered(300))

        async def follow(start: int, step: int) -> list[bytes]:
            found: list[bytes] = []
            while start + len(found) < 300:
                found += values(await log.read(topic, 0, start + len(found), step, 1_000))
            return found

        starts = (0, 0, 10, 100, 200, 299)
        found = await asyncio.gather(*(follow(start, 1 + start) for start in starts))
        assert [read[0] for read in found] == [b"%d" % start for start in starts]
        assert [len(read) for read in found] == [300 - start for start in starts]

    async def test_the_marker_is_the_last_one_of_its_machine(self, log: Log, topic: str) -> None:
        machine, other = f"{topic}/0", f"{topic}/1"
        assert await log.marker(machine) == 0
        for offset in (5, 12, 9):
            await log.write_marker(machine, offset)
        assert (await log.marker(machine), await log.marker(other)) == (9, 0)

    async def test_markers_are_no_topics(self, log: Log, topic: str) -> None:
        before = await log.topics()
        await log.write_marker(f"{topic}/0", 1)
        assert await log.topics() == before

    async def test_after_closing_every_append_has_its_answer(self, open_log: Open, log: Log, topic: str) -> None:
        appends = [await log.append(topic, 0, numbered(1, number)) for number in range(50)]
        await log.close()
        assert all(append.done() for append in appends)
        landed = 0
        for append in appends:
            try:
                await append
                landed += 1
            except AppendFailed:
                pass
        again = await open_log()
        found = values(await everything(again, topic))
        assert found == numbered(len(found))
        assert len(found) >= landed
        await again.close()


class DurableLogContract(LogContract):
    """What the homes that survive their process promise on top."""

    async def test_everything_is_there_after_reopening(self, open_log: Open, log: Log, topic: str) -> None:
        kept = topic + ".copy"
        await log.create({kept: 1}, keep_times=True)
        await written(log, topic, numbered(3))
        await (await log.append(kept, 0, numbered(1), [77]))
        await log.write_marker(f"{topic}/0", 3)
        before = await everything(log, topic)
        await log.close()
        again = await open_log()
        assert await everything(again, topic) == before
        assert await everything(again, kept) == [LogRecord(0, 77, b"0")]
        assert await again.marker(f"{topic}/0") == 3
        await written(again, topic, numbered(1, 3))
        assert values(await everything(again, topic)) == numbered(4)
        with pytest.raises(LogError, match="needs times"):
            await again.append(kept, 0, numbered(1))
        await again.close()

    async def test_a_closed_log_refuses(self, log: Log, topic: str) -> None:
        await log.close()
        with pytest.raises(LogError):
            await (await log.append(topic, 0, numbered(1)))
        with pytest.raises(LogError):
            await log.end(f"{topic}.another", 0)
