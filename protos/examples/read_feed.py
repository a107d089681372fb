"""Print a feed of a venue, each record once, as one line of JSON: python read_feed.py 127.0.0.1:19092 feed.trades.

It begins at the oldest record that the broker keeps. It needs aiokafka, protobuf and the modules of `make stubs`, nothing else of Vigil.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

from aiokafka import AIOKafkaConsumer
from google.protobuf.json_format import MessageToDict

from vigil.v1.feeds_pb2 import FeedRecord


class Judge:
    """Whether a record is new: its writer may repeat records after a crash, and never leaves one out."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}

    def is_new(self, partition: int, record: FeedRecord) -> bool:
        """Judge the next record of a partition."""
        is_digest = record.WhichOneof("event") == "digest_announced"
        place = record.machine if is_digest else f"partition {partition}"
        seq = record.digest_announced.offset if is_digest else record.seq
        before = self.last.get(place)
        if before is not None and seq <= before:
            return False
        if not is_digest and before is not None and seq > before + 1:
            sys.stderr.write(f"partition {partition}: {seq - before - 1} records before seq {seq} are missing\n")
        self.last[place] = seq
        return True


async def records(bootstrap: str, topic: str) -> AsyncIterator[tuple[int, FeedRecord]]:
    """Records of all partitions of a feed with their partition; in order and each once per partition."""
    judge = Judge()
    # Without a group it reads every partition, and commits nothing.
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        if topic not in await consumer.topics():
            raise SystemExit(f"read_feed: {bootstrap} has no topic {topic}")
        consumer.subscribe([topic])
        async for message in consumer:
            record = FeedRecord.FromString(message.value)
            if judge.is_new(message.partition, record):
                yield message.partition, record
    finally:
        await consumer.stop()


def line(topic: str, partition: int, record: FeedRecord) -> str:
    """One line for one record; 64-bit numbers are text in JSON."""
    said = MessageToDict(record, preserving_proto_field_name=True)
    event = record.WhichOneof("event") or ""
    head = {"topic": topic, "partition": partition, "seq": str(record.seq), "machine": record.machine}
    return json.dumps({**head, "at_ms": str(record.at_ms), "event": event, event: said.get(event, {})})


async def main(bootstrap: str, topic: str) -> None:
    """Print until interrupted."""
    async for partition, record in records(bootstrap, topic):
        sys.stdout.write(line(topic, partition, record) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python read_feed.py HOST:PORT TOPIC, such as 127.0.0.1:19092 feed.trades")
    with suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
