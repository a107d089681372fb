"""Sources look at their own times, and what they publish depends on the log's clock alone."""

import msgspec

from services.core.memory_log import MemoryLog
from services.core.messages import PriceObserved
from services.core.spine import record_type
from services.oracle.publisher import Oracle, PathFeed
from services.oracle.scenario import scenario
from services.oracle.sources import LAG_MS_MAX, NOISE_PPM, SOURCES, declared_sources

MARCH = scenario("march-2020", 1)


def feed() -> PathFeed:
    return PathFeed(MARCH, "BTC_USD", declared_sources(1))


def observed(step_ms: int, seconds: int) -> list[PriceObserved]:
    one = feed()
    times = range(MARCH.begins_ms, MARCH.begins_ms + seconds * 1_000 + 1, step_ms)
    return [seen for now_ms in times for seen in one.due(now_ms)]


def test_three_sources_each_with_its_own_lag_and_phase() -> None:
    sources = declared_sources(1)
    assert tuple(source.name for source in sources) == SOURCES
    assert len({source.lag_ms for source in sources}) == len({source.phase_ms for source in sources}) == 3
    assert all(0 <= source.lag_ms <= LAG_MS_MAX and 0 <= source.phase_ms < 1_000 for source in sources)
    assert declared_sources(1) == sources != declared_sources(2)


def test_the_speed_of_the_clock_changes_nothing() -> None:
    fine = sorted(observed(10, 120), key=lambda seen: (seen.observed_ms, seen.source))
    coarse = sorted(observed(1_000, 120), key=lambda seen: (seen.observed_ms, seen.source))
    assert fine == coarse
    assert len(fine) in range(355, 364)


def test_every_look_happens_once_and_a_missed_one_is_not_made_up_for() -> None:
    one = feed()
    start = MARCH.begins_ms + 10_000
    assert len(one.due(start)) == 3
    assert one.due(start) == []
    assert len(one.due(start + 60_000)) == 3


def test_a_source_errs_by_little() -> None:
    for seen in observed(1_000, 60):
        source = next(one for one in declared_sources(1) if one.name == seen.source)
        price = MARCH.price(seen.observed_ms - source.lag_ms)
        assert price is not None
        assert abs(seen.price - price) <= price * NOISE_PPM // 1_000_000 + 1


def test_the_volumes_of_all_sources_are_what_traded() -> None:
    seen = observed(1_000, 600)
    traded = sum(one.volume for one in seen)
    assert all(one.volume for one in seen[3:])
    assert abs(traded / MARCH.volume(MARCH.begins_ms, MARCH.begins_ms + 600_000) - 1) < 0.2


async def test_observations_reach_every_funding_partition_with_their_age() -> None:
    home = MemoryLog(lambda: MARCH.begins_ms + 60_500)
    await home.create({"funding.inbox": 2})
    assert await Oracle(home, [feed()], partitions=2).publish() == 3
    assert await Oracle(home, [feed()], partitions=2).publish() == 3
    decode = msgspec.msgpack.Decoder(record_type("funding")).decode
    for partition in (0, 1):
        records = [decode(record.value) for record in home.partitions["funding.inbox", partition]]
        assert records[:3] == records[3:], "after a restart the same looks see the same"
        for record in records:
            assert isinstance(record.message, PriceObserved)
            assert (record.source, record.seq, record.origin_ms) == ("", 0, record.message.observed_ms)
