"""Feeds read from a real broker: by `vigil feed`, and by the examples in two languages; each record once, whatever its writer repeats."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.kafka.broker import Cluster
from services.client.kafka_feed import subjects
from services.core import messages as m
from services.core.feeds import encode_digest, encode_event
from services.core.kafka_log import KafkaLog, KafkaSettings
from services.core.topics import all_topics
from services.local.venue import read_venue

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "protos" / "examples"
TOPIC = "feed.trades"
SYMBOL = "BTC_USDC_PERP"
WRITTEN = {0: (1, 2, 3, 2, 3, 4), 1: (1, 1, 2, 3, 5)}
"""What the writers of two partitions say, with what a restart repeats; one of them has lost a record."""
READ = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2), (1, 3), (1, 5)]
VENUE = read_venue(partitions={"matching": 2})


def trade(partition: int, seq: int) -> bytes:
    """A trade of the first market, whose ids do not fit into 53 bits."""
    market = VENUE.markets[0].id
    executed = m.TradeExecuted(market, 2**53 + seq, 800_000, 1_000, m.Side.SELL, m.OrderKind.CLIENT, 1, 2)
    return encode_event(executed, f"matching/{partition}", seq, 1_000 + seq, 1_000, 2**63 + seq)


@pytest.fixture(scope="module")
def bootstrap(kafka_tools: None) -> Iterator[str]:
    """A broker of our own, with the listings and the trades of a venue of two matching partitions."""
    del kafka_tools
    with Cluster() as cluster:
        asyncio.run(fill(cluster.bootstrap))
        yield cluster.bootstrap


async def fill(bootstrap: str) -> None:
    """What the machines of the venue have said."""
    home = KafkaLog(bootstrap, KafkaSettings())
    await home.create(all_topics(VENUE.genesis.partitions))
    listed: list[tuple[str, str, list[m.Message]]] = [
        ("feed.settlement", "settlement/0", [m.AssetListed(one) for one in VENUE.assets]),
        ("feed.markets", "funding/0", [m.MarketListed(one) for one in VENUE.markets]),
    ]
    for topic, machine, events in listed:
        await append(home, topic, 0, [encode_event(one, machine, n, 1, 1, 0) for n, one in enumerate(events, 1)])
    for partition, numbers in WRITTEN.items():
        await append(home, TOPIC, partition, [trade(partition, seq) for seq in numbers])
    digests = [encode_digest(f"risk/{one % 2}", one, bytes(16), 1) for one in (100, 101, 200, 101, 301)]
    await append(home, "feed.digests", 0, digests)
    await home.close()


async def append(home: KafkaLog, topic: str, partition: int, values: list[bytes]) -> None:
    await (await home.append(topic, partition, values))


async def ended(*command: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command that ends by itself."""
    process = await start(*command)
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def start(*command: str) -> asyncio.subprocess.Process:
    piped = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=os.environ, stdout=piped, stderr=piped)


async def first_lines(count: int, *command: str) -> tuple[list[dict[str, Any]], str]:
    """The first lines of a reader that goes on for ever, and what it said on the side until it was stopped."""
    process = await start(*command)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        said = [json.loads(await process.stdout.readline()) for _ in range(count)]
    process.terminate()
    _, errors = await process.communicate()
    return said, errors.decode()


def places(lines: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """(partition, seq) of lines, each partition in its own order."""
    return sorted([(one["partition"], int(one["seq"])) for one in lines], key=lambda place: place[0])


VIGIL = (sys.executable, "-m", "services.client", "feed")
ONCE = ("--from-start", "--until-end", "--json")


async def test_each_reader_says_each_record_once_and_what_is_missing(bootstrap: str) -> None:
    node = shutil.which("node")
    assert node is not None, "make tools fetches Node"
    code, output, errors = await ended(*VIGIL, "trades", "--kafka", bootstrap, *ONCE)
    lines = [json.loads(line) for line in output.splitlines()]
    python = await first_lines(len(READ), sys.executable, str(EXAMPLES / "read_feed.py"), bootstrap, TOPIC)
    javascript = await first_lines(len(READ), node, str(EXAMPLES / "read_feed.mjs"), bootstrap, TOPIC)
    assert code == 0
    for said, aside in ((lines, errors), python, javascript):
        assert places(said) == READ
        assert aside.strip().endswith("partition 1: 1 records before seq 5 are missing")
    by_place = [{(one["partition"], one["seq"]): one for one in said} for said in (lines, python[0], javascript[0])]
    assert by_place[0] == by_place[1] == by_place[2]
    assert by_place[0][0, "1"]["trade_executed"]["trade_id"] == str(2**53 + 1)


async def test_the_command_knows_every_feed_and_filters_by_market(bootstrap: str) -> None:
    code, output, _ = await ended(*VIGIL, "trades", "--kafka", bootstrap, *ONCE[:2], "--market", SYMBOL)
    assert (code, len(output.splitlines())) == (0, len(READ))
    assert f"market={SYMBOL}" in output
    assert (await ended(*VIGIL, "trades", "--kafka", bootstrap, *ONCE, "--market", "ETH_USDC_PERP"))[:2] == (0, "")
    code, output, _ = await ended(*VIGIL, "digests", "--kafka", bootstrap, *ONCE)
    offsets = [json.loads(line)["digest_announced"]["offset"] for line in output.splitlines()]
    assert offsets == ["100", "101", "200", "301"]
    every = await asyncio.gather(*(ended(*VIGIL, subject, "--kafka", bootstrap, *ONCE) for subject in subjects()))
    assert {code for code, _, _ in every} == {0}
    code, _, errors = await ended(*VIGIL, "nonsense", "--kafka", bootstrap)
    assert (code, "account, book, digests" in errors) == (2, True)
    code, _, errors = await ended(*VIGIL, "trades", "--kafka", "127.0.0.1:1", *ONCE)
    assert (code, len(errors.splitlines())) == (4, 1)


async def test_from_now_on_means_nothing_that_was_there_nor_its_repeats(bootstrap: str) -> None:
    home = KafkaLog(bootstrap, KafkaSettings())
    process = await start(*VIGIL, "trades", "--kafka", bootstrap, "--json")
    assert process.stdout is not None
    reading = asyncio.ensure_future(process.stdout.readline())
    seq = 4
    while not reading.done():
        seq += 1
        await append(home, TOPIC, 0, [trade(0, one) for one in (3, 4, seq)])
        await asyncio.wait([reading], timeout=0.2)
    assert int(json.loads(reading.result())["seq"]) > 4
    process.terminate()
    await process.communicate()
    await home.close()
