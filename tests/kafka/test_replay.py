"""The recorded days of March 2020, copied to a real broker with their times, lead fresh machines to the same digests."""

import pytest

from deploy.kafka.broker import Cluster
from services.core.kafka_log import KafkaLog
from services.core.replay import replay
from services.core.spine import Engine
from tests.simulation.march import march
from tests.simulation.world import MACHINES

BATCH = 5_000


@pytest.mark.usefixtures("kafka_tools")
async def test_replay_on_kafka_reaches_the_same_digests() -> None:
    """Every inbox, with a broker of its own, for the names of the topics are those of a venue."""
    history = march()
    assert history.audit.funding, "the days have trades whose positions paid funding"
    with Cluster() as cluster:
        home = KafkaLog(cluster.bootstrap)
        await home.create({topic: 1 for topic, _ in history.pump.inboxes}, keep_times=True)
        for (topic, partition), records in history.pump.inboxes.items():
            for first in range(0, len(records), BATCH):
                part = records[first : first + BATCH]
                await (await home.append(topic, partition, [one.value for one in part], [one.at_ms for one in part]))
            engine = await replay(Engine(MACHINES[topic.removesuffix(".inbox")], partition), home)
            assert engine.spine.digest == history.pump.engines[topic, partition].spine.digest
        await home.close()
