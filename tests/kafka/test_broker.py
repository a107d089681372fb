"""The launcher in deploy/kafka gives a broker that keeps what it acknowledged, and leaves nothing behind."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from deploy.kafka.broker import Cluster, Node

# A client that meets a hung broker waits this long before it asks another; by default 40 s.
REQUEST_TIMEOUT_MS = 3_000
RECORDS = [b"%d" % number for number in range(100)]


async def create_topic(bootstrap: str, replicas: int) -> str:
    topic = f"test.{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=replicas)])
    finally:
        await admin.close()
    return topic


async def produce(bootstrap: str, topic: str) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, request_timeout_ms=REQUEST_TIMEOUT_MS
    ) as producer:
        for record in RECORDS:
            await producer.send_and_wait(topic, record, partition=0)


async def consume(bootstrap: str, topic: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS)
    consumer.assign([TopicPartition(topic, 0)])
    async with consumer:
        await consumer.seek_to_beginning()
        return [(await consumer.getone()).value for _ in RECORDS]


async def test_what_was_produced_is_consumed_in_order(kafka: str) -> None:
    topic = await create_topic(kafka, replicas=1)
    await produce(kafka, topic)
    assert await consume(kafka, topic) == RECORDS


async def test_topics_are_not_created_by_accident(kafka: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka, request_timeout_ms=2000) as producer:
        with pytest.raises(UnknownTopicOrPartitionError):
            await producer.send_and_wait(f"never.created.{uuid.uuid4().hex}", b"", partition=0)


@pytest.mark.usefixtures("kafka_tools")
@pytest.mark.slow
async def test_of_three_brokers_one_may_be_killed_paused_and_restarted() -> None:
    with Cluster(brokers=3) as cluster:
        topic = await create_topic(cluster.bootstrap, replicas=3)
        cluster.kill(1)
        await produce(cluster.bootstrap, topic)
        cluster.restart(1)
        cluster.pause(2)
        assert await consume(cluster.bootstrap, topic) == RECORDS
        cluster.resume(2)
    assert not cluster.folder.exists()


@pytest.mark.usefixtures("kafka_tools")
def test_a_stopped_broker_starts_again_on_its_data(tmp_path: Path) -> None:
    first = Cluster(folder=tmp_path, port=None)
    first.start()
    first.stop()
    assert (tmp_path / "node-1" / "data" / "meta.properties").exists()
    again = Cluster.found_in(tmp_path)
    assert again is not None
    assert not again.is_running()
    again.start()
    assert again.is_running()
    again.stop()


@pytest.mark.usefixtures("kafka_tools")
def test_a_killed_session_leaves_no_broker() -> None:
    program = """
import os, signal
from deploy.kafka.broker import Cluster
cluster = Cluster().start()
print(cluster.nodes[0].folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    folder = Path(ran.stdout.strip())
    assert folder.name == "node-1"
    assert Node(1, folder, 0, 0).wait_until_gone(30)
