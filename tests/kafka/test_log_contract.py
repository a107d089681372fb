"""The contract of the log on a real broker, and what only a broker can do to it."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from structlog.testing import capture_logs

from deploy.kafka.broker import Cluster, free_ports
from services.core.kafka_log import READERS_MAX, RECORD_BYTES_MAX, KafkaLog, KafkaSettings
from services.core.log import AppendFailed, LogError
from tests.log_contract import DurableLogContract, Open, everything, numbered, values, written


class TestKafkaLog(DurableLogContract):
    @pytest.fixture
    def open_log(self, kafka: str) -> Open:
        async def opened() -> KafkaLog:
            return KafkaLog(kafka)

        return opened


async def test_an_unreachable_broker_is_tried_a_bounded_number_of_times_and_named() -> None:
    (port,) = free_ports(1)
    log = KafkaLog(f"127.0.0.1:{port}", KafkaSettings(attempts=3, backoff_ms=1))
    with (
        capture_logs() as lines,
        pytest.raises(LogError, match=rf"Kafka at 127.0.0.1:{port} failed 3 times to connect"),
    ):
        await log.topics()
    assert [(line["event"], line["attempt"]) for line in lines] == [("kafka_call_failed", n) for n in (1, 2, 3)]
    await log.close()


async def test_topics_are_made_as_the_design_says(kafka: str) -> None:
    name = f"test.{uuid.uuid4().hex}"
    log = KafkaLog(kafka)
    await log.create({f"{name}.inbox": 1, f"feed.{name}": 3})
    await log.create({f"{name}.copy": 1}, keep_times=True)
    inbox = await settings_of(log, f"{name}.inbox")
    assert inbox["message.timestamp.type"] == "LogAppendTime"
    assert (inbox["retention.ms"], inbox["retention.bytes"], inbox["cleanup.policy"]) == ("-1", "-1", "delete")
    assert (inbox["min.insync.replicas"], inbox["unclean.leader.election.enable"]) == ("1", "false")
    assert (await settings_of(log, f"{name}.copy"))["message.timestamp.type"] == "CreateTime"
    assert int((await settings_of(log, f"feed.{name}"))["retention.ms"]) > 0
    assert (await log.topics())[f"feed.{name}"] == 3
    await log.close()


async def settings_of(log: KafkaLog, topic: str) -> dict[str, str]:
    """Settings of a topic, asked until the broker that answers knows it."""
    clients = await log.connect()
    async with asyncio.timeout(30):
        while True:
            (answer,) = await clients.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
            if settings:
                return settings
            await asyncio.sleep(0.02)


@pytest.fixture
async def log(kafka: str) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(kafka)
    yield log
    await log.close()


@pytest.fixture
async def topic(log: KafkaLog) -> str:
    name = f"test.{uuid.uuid4().hex}.inbox"
    await log.create({name: 1})
    return name


async def test_a_record_too_long_for_a_batch_is_refused_before_anything_is_sent(log: KafkaLog, topic: str) -> None:
    with pytest.raises(LogError, match=f"a record of {RECORD_BYTES_MAX + 1} bytes is too long"):
        await log.append(topic, 0, [b"short", bytes(RECORD_BYTES_MAX + 1)])
    await written(log, topic, [b"a", bytes(RECORD_BYTES_MAX), b"b"])
    assert [len(value) for value in values(await everything(log, topic))] == [1, RECORD_BYTES_MAX, 1]


async def test_two_logs_write_to_one_partition_without_loss(kafka: str, log: KafkaLog, topic: str) -> None:
    other = KafkaLog(kafka)

    async def write(by: KafkaLog, name: bytes) -> None:
        appends = [await by.append(topic, 0, [b"%b%d" % (name, number)]) for number in range(100)]
        for append in appends:
            await append

    await asyncio.gather(write(log, b"a"), write(other, b"b"))
    found = values(await everything(log, topic))
    for name in (b"a", b"b"):
        assert [value for value in found if value.startswith(name)] == [b"%b%d" % (name, n) for n in range(100)]
    assert len(found) == 200
    await other.close()


async def test_many_read_positions_share_few_consumers(log: KafkaLog, topic: str) -> None:
    await written(log, topic, numbered(100))
    for start in range(50):
        assert values(await log.read(topic, 0, start, 3, 0)) == numbered(3, start)
    (partition,) = log.partitions.values()
    assert len(partition.readers) <= READERS_MAX


async def read_until_refused(log: KafkaLog) -> None:
    for _ in range(20):
        await log.read("risk.inbox", 0, 1, 10, 100)


@pytest.mark.usefixtures("kafka_tools")
@pytest.mark.slow
async def test_an_append_ends_when_nobody_acknowledges_it() -> None:
    patience = KafkaSettings(append_ms=2_000, call_ms=4_000, attempts=2, backoff_ms=1, silence_ms=300)
    with Cluster() as cluster:
        log = KafkaLog(cluster.bootstrap, patience)
        await log.create({"risk.inbox": 1})
        await written(log, "risk.inbox", numbered(1))
        assert values(await log.read("risk.inbox", 0, 0, 10, 0)) == [b"0"]
        cluster.pause(1)
        append = await log.append("risk.inbox", 0, numbered(1, 1))
        with pytest.raises(AppendFailed, match=rf"risk.inbox.* on Kafka at {cluster.bootstrap}: not acknowledged"):
            await append
        with pytest.raises(LogError, match=rf"Kafka at {cluster.bootstrap} has not answered a read"):
            await read_until_refused(log)
        with pytest.raises(LogError, match="failed 2 times to find the end"):
            await log.end("risk.inbox", 0)
        await log.close()


@pytest.mark.usefixtures("kafka_tools")
@pytest.mark.slow
async def test_a_broker_that_comes_back_in_time_has_every_append_once() -> None:
    with Cluster() as cluster:
        log = KafkaLog(cluster.bootstrap, KafkaSettings(append_ms=90_000))
        await log.create({"risk.inbox": 1})
        await written(log, "risk.inbox", numbered(1))
        cluster.pause(1)
        appends = [await log.append("risk.inbox", 0, numbered(1, 1))]
        cluster.resume(1)
        appends += [await log.append("risk.inbox", 0, numbered(1, number)) for number in range(2, 100)]
        restarting = asyncio.get_running_loop().run_in_executor(None, cluster.restart, 1)
        appends += [await log.append("risk.inbox", 0, numbered(1, number)) for number in range(100, 140)]
        for append in appends:
            await append
        await restarting
        assert values(await everything(log, "risk.inbox")) == numbered(140)
        await log.close()


@pytest.mark.usefixtures("kafka_tools")
@pytest.mark.slow
async def test_with_three_replicas_one_broker_may_die() -> None:
    with Cluster(brokers=3) as cluster:
        log = KafkaLog(cluster.bootstrap, KafkaSettings(replicas=3))
        await log.create({"risk.inbox": 3})
        assert (await settings_of(log, "risk.inbox"))["min.insync.replicas"] == "2"
        for partition in range(3):
            await written(log, "risk.inbox", numbered(10), partition=partition)
        other = KafkaLog(cluster.bootstrap)
        await other.write_marker("risk/0", 10)
        await other.close()
        cluster.kill(2)
        for partition in range(3):
            await written(log, "risk.inbox", *(numbered(1, number) for number in range(10, 30)), partition=partition)
            assert values(await everything(log, "risk.inbox", partition)) == numbered(30)
        await log.write_marker("risk/0", 30)
        assert await log.marker("risk/0") == 30
        await log.close()
