"""Points answer over gRPC and on the command line what the feeds of an embedded log say, and go on after a restart."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from services.analytics.api import services_of
from services.analytics.metrics import PointsCollector
from services.analytics.reader import Points, PointsStopped, follow, read_all
from services.analytics.state import State
from services.analytics.store import Store
from services.client.cli.points import points_app
from services.core.memory_log import MemoryLog
from services.core.rpc import RpcServer, RpcSettings, open_channel
from tests.builders import ALICE, BOB, BTC, CAROL, COIN
from tests.unit.analytics.test_distribution import POINTS
from tests.unit.analytics.week import BEGIN, CENT, END, TERMS, Feeds, fill, told_week
from vigil.v1 import points_pb2 as pb
from vigil.v1 import points_pb2_grpc as rpc


class Kept(NamedTuple):
    """Points, and the log that they are read from."""

    points: Points
    home: MemoryLog
    feeds: Feeds


async def write(home: MemoryLog, feeds: Feeds, since: list[int]) -> None:
    """Append what the feeds said since."""
    for stream, first in zip(feeds.streams, since, strict=True):
        if stream[first:]:
            await home.append(*stream[first].place[:2], [one.value for one in stream[first:]])


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    feeds, home = told_week(), MemoryLog()
    await home.create({"feed.settlement": 1, "feed.markets": 1, "feed.account": 2})
    await write(home, feeds, [0, 0, 0, 0])
    points = Points(Store(tmp_path / "points.json"))
    assert await read_all(points, home) == sum(len(stream) for stream in feeds.streams)
    return Kept(points, home, feeds)


@pytest.fixture
async def server(kept: Kept) -> AsyncIterator[RpcServer]:
    server = RpcServer(RpcSettings(), services_of(kept.points, TERMS))
    await server.start()
    yield server
    await server.stop(0)


@pytest.fixture
async def stub(server: RpcServer) -> AsyncIterator["rpc.PointsQueriesAsyncStub"]:
    channel = open_channel(server.address)
    yield rpc.PointsQueriesStub(channel)
    await channel.close()


async def test_an_account_is_told_each_part_of_its_points(stub: "rpc.PointsQueriesAsyncStub") -> None:
    answer = await stub.GetPoints(pb.PointsQuery(account=ALICE.account))
    first, second = answer.weeks
    assert (first.ends_ms, first.status, first.points) == (END, pb.POINTS_STATUS_DISTRIBUTED, POINTS[ALICE.account])
    assert [(one.component, one.symbol, one.worth, one.score) for one in first.lines] == [
        (pb.POINTS_COMPONENT_VOLUME, "BTC_USDC_PERP", "8000", "8000"),
        (pb.POINTS_COMPONENT_LENT, "USDC", "7000", "7000"),
        (pb.POINTS_COMPONENT_POSITION, "BTC_USDC_PERP", "6000", "3000"),
    ]
    assert (first.score, first.score_of_all) == ("18000", "44000")
    assert sum(one.points for one in first.lines) == first.points
    assert (second.status, second.points) == (pb.POINTS_STATUS_OPEN, answer.provisional)
    assert answer.points == first.points + second.points


async def test_ranking_and_seasons_agree_with_the_accounts(stub: "rpc.PointsQueriesAsyncStub") -> None:
    ranking = await stub.GetRanking(pb.RankingQuery())
    answers = [await stub.GetPoints(pb.PointsQuery(account=who.account)) for who in (ALICE, BOB, CAROL)]
    told = sorted((one.place, one.account, one.points, one.rank) for one in answers)
    assert [(row.place, row.account, row.points, row.rank) for row in ranking.rows] == told
    assert [row.rank for row in ranking.rows] == ["Challenger", "Gold", "Bronze"]
    assert [row.place for row in (await stub.GetRanking(pb.RankingQuery(after_place=1, limit=1))).rows] == [2]
    seasons = await stub.GetSeasons(pb.SeasonsQuery())
    weeks = [(week.status, week.points) for week in seasons.seasons[0].weeks]
    assert weeks == [(pb.POINTS_STATUS_DISTRIBUTED, 10**7), (pb.POINTS_STATUS_OPEN, 10**7)]
    assert sum(row.points for row in ranking.rows) == 2 * 10**7


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (pb.RankingQuery(limit=1_001), grpc.StatusCode.INVALID_ARGUMENT, "at most 1000"),
        (pb.RankingQuery(season=7), grpc.StatusCode.NOT_FOUND, "there are 1, 2"),
    ],
)
async def test_what_cannot_be_asked(
    stub: "rpc.PointsQueriesAsyncStub", request_: pb.RankingQuery, code: grpc.StatusCode, text: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.GetRanking(request_)
    assert (refused.value.code(), text in (refused.value.details() or "")) == (code, True)


async def test_a_restart_goes_on_where_the_file_is(kept: Kept) -> None:
    kept.points.save()
    said = [len(stream) for stream in kept.feeds.streams]
    kept.feeds.account(ALICE).tell(BEGIN + 9 * 86_400_000, fill(ALICE, BTC.id, COIN, 9_000 * CENT))
    await write(kept.home, kept.feeds, said)
    again = Points(Store(kept.points.store.path))
    assert again.state == kept.points.state
    assert await read_all(again, kept.home) == 1
    anew = Points(Store(kept.points.store.path.with_name("anew.json")))
    await read_all(anew, kept.home)
    assert anew.state == again.state != State()
    assert anew.store.reading != again.store.reading


async def test_following_keeps_the_file_when_it_ends(kept: Kept) -> None:
    following = asyncio.create_task(follow(kept.points, kept.home))
    said = [len(stream) for stream in kept.feeds.streams]
    seen = kept.points.changes
    kept.feeds.account(BOB).tell(END, fill(BOB, BTC.id, COIN, 9_000 * CENT))
    await write(kept.home, kept.feeds, said)
    while kept.points.changes == seen and not following.done():  # noqa: ASYNC110 - the reader has no event
        await asyncio.sleep(0)
    following.cancel()
    await asyncio.wait([following])
    assert Store(kept.points.store.path).state == kept.points.state


async def test_what_is_no_feed_record_stops_the_reading(kept: Kept) -> None:
    await kept.home.append("feed.account", 1, [b"\xff\xff"])
    with pytest.raises(PointsStopped, match=r"feed.account/1 offset \d+ holds no feed record"):
        await read_all(kept.points, kept.home)


def test_metrics_tell_how_far_each_stream_is_read(kept: Kept) -> None:
    registry = CollectorRegistry()
    registry.register(PointsCollector(kept.points))
    found = {
        stream: registry.get_sample_value("vigil_points_records_total", {"stream": stream})
        for stream in ("feed.account/0", "feed.account/1", "feed.markets/0", "feed.settlement/0")
    }
    streams = sorted(kept.feeds.streams, key=lambda stream: stream[0].place.stream)
    assert list(found.values()) == [len(stream) for stream in streams]
    assert registry.get_sample_value("vigil_points_behind") == 0


ACCOUNT = f"""\
account {ALICE.account}, season 1, as of 2020-03-20 03:00:00 UTC
10,454,545 points, place 1 of 3: Challenger
6,363,636 of them in weeks that are not distributed yet: they move with what all
others do
week to 2020-03-19, distributed: 40.91 % of all scores
┏━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━━┓
┃ kind       ┃ symbol        ┃ worth USDC ┃ weight ┃  score ┃    points ┃
┡━━━━━━━━━━━━╇━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━┩
│ traded     │ BTC_USDC_PERP │      8,000 │      1 │  8,000 │ 1,818,182 │
│ lent, mean │ USDC          │      7,000 │      1 │  7,000 │ 1,590,909 │
│ held, mean │ BTC_USDC_PERP │      6,000 │    0.5 │  3,000 │   681,818 │
│ together   │               │            │        │ 18,000 │ 4,090,909 │
└────────────┴───────────────┴────────────┴────────┴────────┴───────────┘
week to 2020-03-26, runs: 63.64 % of all scores
┏━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━━┓
┃ kind       ┃ symbol ┃ worth USDC ┃ weight ┃    score ┃    points ┃
┡━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━━┩
│ lent, mean │ USDC   │   1,125.00 │      1 │ 1,125.00 │ 6,363,636 │
│ together   │        │            │        │ 1,125.00 │ 6,363,636 │
└────────────┴────────┴────────────┴────────┴──────────┴───────────┘
"""
RANKING = f"""\
season 1, 3 accounts, 2020-03-20 03:00:00 UTC
┏━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━┓
┃ place ┃           account ┃     points ┃       rank ┃
┡━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━┩
│     1 │   {ALICE.account} │ 10,454,545 │ Challenger │
│     2 │ {BOB.account} │  6,136,364 │       Gold │
│     3 │  {CAROL.account} │  3,409,091 │     Bronze │
└───────┴───────────────────┴────────────┴────────────┘
"""
SEASONS = """\
Season 1 (--season 1), from 2020-01-02 to 2020-12-31
┏━━━━━━━━━━━━┳━━━━━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━━━━┓
┃    week to ┃ state       ┃ accounts ┃     points ┃
┡━━━━━━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━━━━┩
│ 2020-03-19 │ distributed │        3 │ 10,000,000 │
│ 2020-03-26 │ runs        │        2 │ 10,000,000 │
└────────────┴─────────────┴──────────┴────────────┘
Season 2 (--season 2), from 2026-01-01 on
"""
PAGES = {
    "an account": (("--account", str(ALICE.account)), ACCOUNT),
    "ranking": (("--ranking",), RANKING),
    "seasons": (("--seasons",), SEASONS),
}


async def command(server: RpcServer, *arguments: str) -> str:
    """What `vigil points` prints on 80 columns."""
    environment = {"VIGIL_CLIENT_ANALYTICS": server.address, "COLUMNS": "80", "NO_COLOR": "1"}
    result = await asyncio.to_thread(CliRunner().invoke, points_app, arguments, env=environment)
    assert result.exit_code == 0, result.output
    assert "--json" in arguments or max(len(line) for line in result.output.splitlines()) <= 80
    return result.output


@pytest.mark.parametrize(("arguments", "page"), PAGES.values(), ids=PAGES)
async def test_pages_on_80_columns(server: RpcServer, arguments: tuple[str, ...], page: str) -> None:
    printed = await command(server, *arguments)
    assert page in "".join(f"{line.rstrip()}\n" for line in printed.splitlines())


async def test_json_has_every_digit(server: RpcServer) -> None:
    said = json.loads(await command(server, "--account", str(BOB.account), "--json"))
    lines = said["weeks"][0]["lines"]
    assert [(one["component"], one["worth"]) for one in lines] == [
        ("POINTS_COMPONENT_SPOT_VOLUME", "4000"),
        ("POINTS_COMPONENT_OWED", "3000"),
    ]


async def test_who_serves_no_points_is_told_apart() -> None:
    server = RpcServer(RpcSettings(), [])
    await server.start()
    environment = {"VIGIL_CLIENT_ANALYTICS": server.address}
    result = await asyncio.to_thread(CliRunner().invoke, points_app, ["--seasons"], env=environment)
    await server.stop(0)
    assert (result.exit_code, "name the analytics with --analytics" in result.output) == (1, True)


def test_an_unreachable_service_is_one_line() -> None:
    result = CliRunner().invoke(points_app, ["--ranking"], env={"VIGIL_CLIENT_ANALYTICS": "127.0.0.1:1"})
    assert (result.exit_code, len(result.output.splitlines())) == (4, 1)
