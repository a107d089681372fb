"""Processes on a real broker may be killed, hung and doubled, and brokers may die: the logs show that nothing was lost or done twice."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.core.topics import SERVICES
from tests.kafka.judged import judged_load
from tests.kafka.processes import wait_until
from tests.kafka.venue import Venue, running

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
KILLS, PAUSES = 2, 1
AT_ONCE = 2
PAUSE_S = (0.2, 2.5)
"""How long a process hangs: the fault itself, nobody waits for anything else by it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venue(tmp_path_factory: pytest.TempPathFactory, kafka_tools: None) -> AsyncIterator[Venue]:
    del kafka_tools
    async with running(tmp_path_factory.mktemp("venue") / "one-broker") as venue:
        yield venue


async def ends_of_futures(venue: Venue, count: int) -> None:
    """Wait until so many of the futures have come to their ends."""

    async def ended() -> bool:
        return len(await venue.ended()) >= count

    await wait_until(ended, f"{count} futures end")


async def test_every_service_may_be_killed_and_paused_at_any_time(venue: Venue) -> None:
    chance = random.Random(1)
    faults = [(name, fault) for name in venue.services for fault in ["kill"] * KILLS + ["pause"] * PAUSES]
    chance.shuffle(faults)

    async def strike() -> None:
        while faults:
            name, fault = faults.pop()
            service = venue.services[name]
            if fault == "kill":
                await service.kill()
            else:
                service.pause()
                await asyncio.sleep(chance.uniform(*PAUSE_S))
                service.resume()
            await service.wait_until_healthy()

    async with judged_load(venue, seed=1) as load:
        await asyncio.gather(*(strike() for _ in range(AT_ONCE)))
        await load.does_everything()
        await ends_of_futures(venue, 1)
    for service in venue.services.values():
        assert service.exits.count(-9) >= KILLS


async def test_two_instances_of_every_partition_do_no_harm(venue: Venue) -> None:
    """A machine hangs, another instance takes over, and then the first one comes back and goes on as if nothing had been."""
    chance = random.Random(2)
    async with judged_load(venue, seed=2) as load:
        for name in chance.sample(SERVICES, len(SERVICES)):
            service = venue.services[name]
            service.pause()
            twin = await venue.start_twin(name)
            service.resume()
            await load.goes_on(20)
            if chance.random() < 0.5:
                await service.kill()
                await service.wait_until_healthy()
            await load.goes_on(20)
            await twin.stop()
        await ends_of_futures(venue, 2)
    assert load.verdict.events["position_settled"], "somebody held a future at a settlement or its end"


async def test_the_broker_may_be_killed_and_restarted_under_load(venue: Venue) -> None:
    async with judged_load(venue, seed=3):
        await asyncio.to_thread(venue.cluster.kill, 1)
        await asyncio.to_thread(venue.cluster.restart, 1)
        await wait_until(venue.has_paid_funding, "a minute of trading ends with a funding step")


async def test_one_of_three_brokers_may_be_killed(tmp_path_factory: pytest.TempPathFactory, kafka_tools: None) -> None:
    del kafka_tools
    async with (
        running(tmp_path_factory.mktemp("venue") / "three-brokers", brokers=3, gateways=1) as venue,
        judged_load(venue, seed=4, traders=5) as load,
    ):
        await asyncio.to_thread(venue.cluster.kill, 2)
        await load.goes_on(100)
        await asyncio.to_thread(venue.cluster.restart, 2)
