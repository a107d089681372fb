"""Points: what an account has in a season and why, the places of all, the seasons. Asked of the analytics, not of a gateway."""

from decimal import Decimal
from typing import Annotated, TypeAlias

import grpc
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.client.cli.app import AccountId, AsJson, KeyFile, Terminal, finish, key_of
from services.client.connection import connect
from services.client.errors import ClientError, question_failed
from services.client.keyfile import DEFAULT
from services.client.show import day, number, percent, table
from services.core.decimals import format_decimal
from services.core.fixed import FRACTION_ONE
from vigil.v1 import points_pb2 as pb
from vigil.v1 import points_pb2_grpc as rpc

points_app = typer.Typer()
LOCAL = "127.0.0.1:50061"
ELSEWHERE = "name the analytics with --analytics HOST:PORT; run-kafka has it at 127.0.0.1:50069"
TIMEOUT_S = 10.0
PLACES = Decimal("0.01")
SMALL = 10_000
"""Weeks with a score below are shown to the cent, others in whole units."""
COMPONENTS = {
    pb.POINTS_COMPONENT_VOLUME: "traded",
    pb.POINTS_COMPONENT_SPOT_VOLUME: "spot",
    pb.POINTS_COMPONENT_LENT: "lent, mean",
    pb.POINTS_COMPONENT_OWED: "owed, mean",
    pb.POINTS_COMPONENT_POSITION: "held, mean",
}
STATUS = {
    pb.POINTS_STATUS_OPEN: "runs",
    pb.POINTS_STATUS_COUNTING: "ended, not distributed yet",
    pb.POINTS_STATUS_DISTRIBUTED: "distributed",
}

Analytics = Annotated[str, typer.Option("--analytics", envvar="VIGIL_CLIENT_ANALYTICS", help="Analytics, host:port.")]
SeasonNumber = Annotated[int, typer.Option("--season", min=0, help="Number of the season; the last one without.")]
IsRanking = Annotated[bool, typer.Option("--ranking", help="The places of all.")]
IsSeasons = Annotated[bool, typer.Option("--seasons", help="The seasons, and what points are given for.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="Places shown.")]

Question: TypeAlias = pb.PointsQuery | pb.RankingQuery | pb.SeasonsQuery


@points_app.command("points")
def points(
    season: SeasonNumber = 0,
    ranking: IsRanking = False,  # noqa: FBT002
    seasons: IsSeasons = False,  # noqa: FBT002
    limit: Limit = 20,
    account: AccountId = 0,
    key_file: KeyFile = DEFAULT,
    analytics: Analytics = LOCAL,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Explain the points of an account week by week; or show the ranking, or the seasons."""
    if ranking and seasons:
        raise typer.BadParameter("--ranking or --seasons, not both")
    request: Question
    if ranking:
        request = pb.RankingQuery(season=season, limit=limit)
    elif seasons:
        request = pb.SeasonsQuery()
    else:
        request = pb.PointsQuery(account=account or key_of(key_file).account, season=season)
    terminal = Terminal(as_json=as_json)
    finish(show(terminal, analytics, request), terminal)


async def show(terminal: Terminal, address: str, request: Question) -> None:
    """Ask and draw; raises Unreachable or DefiniteReject."""
    channel = connect(address)
    try:
        answer, page = await ask(rpc.PointsQueriesStub(channel), request)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            raise ClientError(f"{address} serves no points; {ELSEWHERE}") from error
        raise question_failed(error) from error
    finally:
        await channel.close()
    terminal.draw(page, MessageToDict(answer, preserving_proto_field_name=True))


async def ask(stub: "rpc.PointsQueriesAsyncStub", request: Question) -> tuple[Message, RenderableType]:
    """The answer to a question, and its page."""
    if isinstance(request, pb.RankingQuery):
        ranking = await stub.GetRanking(request, timeout=TIMEOUT_S)
        return ranking, ranking_page(ranking)
    if isinstance(request, pb.SeasonsQuery):
        seasons = await stub.GetSeasons(request, timeout=TIMEOUT_S)
        return seasons, seasons_page(seasons)
    points = await stub.GetPoints(request, timeout=TIMEOUT_S)
    return points, points_page(points)


def points_page(answer: pb.Points) -> RenderableType:
    """An account's season, line by line."""
    of = f"account {answer.account}, season {answer.season}, as of {day(answer.at_ms)} UTC"
    place = f", place {answer.place:,} of {answer.accounts:,}: {answer.rank}" if answer.place else ""
    head = [Text(of, "bold"), Text(f"{answer.points:,} points{place}")]
    if answer.provisional:
        head.append(
            Text(
                f"{answer.provisional:,} of them in weeks that are not distributed yet: they move with what all others do"
            )
        )
    return Group(*head, *behind(answer.behind), *(week_table(week, answer.unit) for week in answer.weeks))


def behind(records: int) -> list[Text]:
    """A line when the feeds are not read to their end."""
    return [Text(f"{records:,} records of the feeds are not read yet")] if records else []


def week_table(week: pb.PointsWeek, unit: str) -> Table:
    """A week: what was done, what that is worth, and its share of the points."""
    part = Decimal(week.score) / Decimal(week.score_of_all) if Decimal(week.score_of_all) else Decimal(0)
    title = (
        f"week to {day(week.ends_ms)[:10]}, {STATUS[week.status]}: {percent(part.quantize(PLACES / 100))} of all scores"
    )
    drawn = table(title, "kind", "symbol", f"worth {unit}", "weight", "score", "points")
    places = PLACES if Decimal(week.score) < SMALL else Decimal(1)
    for line in week.lines:
        drawn.add_row(
            *(COMPONENTS[line.component], line.symbol, rounded(line.worth, places), weight(line.weight)),
            *(rounded(line.score, places), f"{line.points:,}"),
        )
    drawn.add_row("together", "", "", "", rounded(week.score, places), f"{week.points:,}", style="bold")
    return drawn


def ranking_page(answer: pb.Ranking) -> RenderableType:
    """Places, best first."""
    drawn = table(
        f"season {answer.season}, {answer.accounts:,} accounts, {day(answer.at_ms)} UTC",
        *("place", "account", "points", "rank"),
    )
    for row in answer.rows:
        drawn.add_row(f"{row.place:,}", str(row.account), f"{row.points:,}", row.rank)
    return Group(drawn, *behind(answer.behind))


def seasons_page(answer: pb.Seasons) -> RenderableType:
    """What points are given for, ranks, and the weeks of each season."""
    head = [Text(f"{answer.week_points:,} points a week, by what is done; each {answer.unit} weighs:", "bold")]
    head += [Text(f"  {weight(one.weight):>5}  {COMPONENTS[one.component]}") for one in answer.weights]
    head += [Text("ranks, and the part of the best that they reach to:", "bold")]
    head += [Text(f"  {percent(Decimal(one.share) / FRACTION_ONE):>5}  {one.name}") for one in answer.ranks]
    seasons = [drawn for season in answer.seasons for drawn in season_pages(season)]
    return Group(*head, *behind(answer.behind), *seasons)


def season_pages(season: pb.PointsSeason) -> list[RenderableType]:
    """A season and its weeks."""
    ends = f"to {day(season.ends_ms)[:10]}" if season.ends_ms else "on"
    head = Text(f"{season.name} (--season {season.id}), from {day(season.begins_ms)[:10]} {ends}", "bold")
    drawn = table("", "week to", "state", "accounts", "points")
    for week in season.weeks:
        drawn.add_row(day(week.ends_ms)[:10], STATUS[week.status], f"{week.accounts:,}", f"{week.points:,}")
    return [head, drawn] if season.weeks else [head]


def rounded(text: str, places: Decimal) -> str:
    """A decimal with fewer places: only shown; JSON has all."""
    return number(Decimal(text).quantize(places))


def weight(parts: int) -> str:
    """A weight as it is written."""
    return format_decimal(parts, 12)
