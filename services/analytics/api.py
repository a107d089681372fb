"""PointsQueries over gRPC: requests in, answers out. A week that is distributed is worked out once, one that is not now and then."""

import asyncio
from typing import Any

from services.analytics.distribution import Distribution, Standing, Status, distribute, explain, standings, weeks_of
from services.analytics.points import rank_of
from services.analytics.reader import Points
from services.analytics.terms import Component, Season, Terms
from services.analytics.weeks import begins_ms, ends_ms, week_of
from services.analytics.worth import WORTH_DECIMALS
from services.core.decimals import format_decimal
from services.core.reasons import Reason
from services.core.rpc import Context, Service, malformed, not_found
from vigil.v1 import points_pb2 as pb
from vigil.v1 import points_pb2_grpc as rpc

RANKING_MAX = 1_000
RANKING_DEFAULT = 100
FRESH_SECONDS = 2.0
"""A week that is not distributed is worked out at most this often,"""
SHARE = 20
"""and for at most one part in so many of the time, however many accounts there are."""
SURE_SECONDS = 3_600.0
SCORE_DECIMALS = WORTH_DECIMALS + 12


class Weeks:
    """Distributions as they were last worked out."""

    def __init__(self, points: Points, terms: Terms) -> None:
        self.points = points
        self.terms = terms
        self.found: dict[int, tuple[Distribution, float]] = {}

    def week(self, number: int) -> Distribution:
        """A week; worked out anew when it is not distributed, or records of it may still come."""
        clock = asyncio.get_running_loop().time
        began, known = clock(), self.found.get(number)
        if known is not None and began < known[1]:
            return known[0]
        found = distribute(self.points.state, self.terms, number)
        is_sure = found.status is Status.DISTRIBUTED and not self.points.behind
        fresh = SURE_SECONDS if is_sure else max(FRESH_SECONDS, SHARE * (clock() - began))
        self.found[number] = found, clock() + fresh
        return found

    def of(self, season: Season) -> list[Distribution]:
        """Weeks of a season that have begun."""
        return [self.week(number) for number in weeks_of(self.points.state, season)]

    def season(self, number: int) -> Season:
        """A season by number, the last one that has begun for 0; raises Refused."""
        now = week_of(self.points.state.now_ms)
        begun = [season for season in self.terms.seasons if season.first <= now]
        season = self.terms.season(number) if number else (begun or list(self.terms.seasons))[-1]
        if season is None:
            there = ", ".join(str(one.id) for one in self.terms.seasons)
            raise not_found(f"season {number}: there are {there}, and 0 for the last that has begun", Reason.MALFORMED)
        return season


class Servicer(rpc.PointsQueriesServicer):
    """Answers from points as they are kept."""

    def __init__(self, points: Points, terms: Terms) -> None:
        self.points = points
        self.terms = terms
        self.weeks = Weeks(points, terms)

    async def GetPoints(self, request: pb.PointsQuery, context: Context) -> pb.Points:  # noqa: N802
        """An account's season, explained."""
        del context
        season = self.weeks.season(request.season)
        weeks = self.weeks.of(season)
        placed = standings(weeks)
        own = next((one for one in placed if one.account == request.account), Standing(0, request.account, 0))
        open_weeks = [one for one in weeks if one.status is not Status.DISTRIBUTED]
        return pb.Points(
            account=request.account,
            season=season.id,
            points=own.points,
            provisional=sum(one.points.get(request.account, 0) for one in open_weeks),
            place=own.place,
            accounts=len(placed),
            rank=self.rank(own.place, len(placed)),
            weeks=[self.week_of(one, request.account) for one in weeks if request.account in one.worths],
            unit=self.unit(),
            **self.read_to(),
        )

    async def GetRanking(self, request: pb.RankingQuery, context: Context) -> pb.Ranking:  # noqa: N802
        """Places of a season."""
        del context
        if request.limit > RANKING_MAX:
            raise malformed(f"limit {request.limit}: at most {RANKING_MAX} places are accepted", RANKING_MAX)
        season = self.weeks.season(request.season)
        placed = standings(self.weeks.of(season))
        shown = placed[request.after_place :][: request.limit or RANKING_DEFAULT]
        rows = [pb.RankingRow(**one._asdict(), rank=self.rank(one.place, len(placed))) for one in shown]
        return pb.Ranking(season=season.id, accounts=len(placed), rows=rows, **self.read_to())

    async def GetSeasons(self, request: pb.SeasonsQuery, context: Context) -> pb.Seasons:  # noqa: N802
        """Seasons, weights and ranks."""
        del request, context
        return pb.Seasons(
            seasons=[self.season_of(season) for season in self.terms.seasons],
            week_points=self.terms.week_points,
            weights=[pb.PointsWeight(component=component_of(one), weight=self.terms.weights[one]) for one in Component],
            ranks=[pb.PointsRank(name=one.name, share=one.share) for one in self.terms.ranks],
            unit=self.unit(),
            **self.read_to(),
        )

    def read_to(self) -> dict[str, Any]:
        """How far the feeds were read."""
        return {"at_ms": self.points.state.now_ms, "behind": self.points.behind}

    def unit(self) -> str:
        """Symbol of the unit of account, which is the first asset worth one; none while there is none."""
        units = sorted(number for number, asset in self.points.state.assets.items() if asset.is_unit)
        return self.points.state.assets[units[0]].symbol if units else ""

    def rank(self, place: int, count: int) -> str:
        """Name of the rank of a place, none without one."""
        return self.terms.ranks[rank_of(place, count, [one.share for one in self.terms.ranks])].name if place else ""

    def season_of(self, season: Season) -> pb.PointsSeason:
        """A season with its weeks."""
        weeks = [
            pb.SeasonWeek(
                ends_ms=ends_ms(one.week),
                status=status_of(one.status),
                accounts=len(one.points),
                points=sum(one.points.values()),
            )
            for one in self.weeks.of(season)
        ]
        last = ends_ms(season.last)
        return pb.PointsSeason(
            id=season.id, name=season.name, begins_ms=begins_ms(season.first), ends_ms=last, weeks=weeks
        )

    def week_of(self, found: Distribution, account: int) -> pb.PointsWeek:
        """An account's week, line by line."""
        return pb.PointsWeek(
            ends_ms=ends_ms(found.week),
            status=status_of(found.status),
            points=found.points.get(account, 0),
            score=format_decimal(found.scores.get(account, 0), SCORE_DECIMALS),
            score_of_all=format_decimal(sum(found.scores.values()), SCORE_DECIMALS),
            lines=[
                pb.PointsLine(
                    component=component_of(one.component),
                    market=one.market,
                    asset=one.asset,
                    symbol=self.symbol(one.market, one.asset),
                    worth=format_decimal(one.worth, WORTH_DECIMALS),
                    weight=self.terms.weights[one.component],
                    score=format_decimal(one.score, SCORE_DECIMALS),
                    points=one.points,
                )
                for one in explain(self.terms, found, account)
            ],
        )

    def symbol(self, market: int, asset: int) -> str:
        """Symbol of a market or an asset; only what is listed has worth."""
        return self.points.state.markets[market].symbol if market else self.points.state.assets[asset].symbol


def status_of(status: Status) -> "pb.PointsStatus.ValueType":
    """Status in the words of the schema, which has the same names."""
    return pb.PointsStatus.Value(f"POINTS_STATUS_{status.name}")


def component_of(component: int) -> "pb.PointsComponent.ValueType":
    """Component in the words of the schema, which has the same names."""
    return pb.PointsComponent.Value(f"POINTS_COMPONENT_{Component(component).name}")


def services_of(points: Points, terms: Terms) -> list[Service]:
    """The service of the points."""
    name = pb.DESCRIPTOR.services_by_name["PointsQueries"].full_name
    return [Service(name, rpc.add_PointsQueriesServicer_to_server, Servicer(points, terms))]
