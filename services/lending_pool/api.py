"""Queries about the pools; read-only, answered between two records."""

from collections.abc import Iterator

from services.core.feeds import plain_fields
from services.core.fixed import FRACTION_ONE, Fraction, div_floor
from services.core.machine_queries import host_of, status_of
from services.core.markets import PoolTerms
from services.core.messages import PoolUpdated
from services.core.pool import Stress, borrow_rate, lend_rate
from services.core.process import Hosts
from services.core.reasons import Reason
from services.core.rpc import Context, Service, malformed, not_found
from services.lending_pool.state import HISTORY, Opening, Pool, State
from services.lending_pool.stress import levels
from services.lending_pool.telling import latest
from vigil.v1 import common_pb2, feeds_pb2, pool_pb2, pool_pb2_grpc, queries_pb2

POINTS = 101
POINTS_MIN = 2
POINTS_MAX = 1001


class Servicer(pool_pb2_grpc.LendingPoolQueriesServicer):
    """Answers for the partition hosted here."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts

    async def GetPools(  # noqa: N802 - grpc's name
        self, request: pool_pb2.PoolsQuery, context: Context
    ) -> pool_pb2.Pools:
        """All pools, by asset."""
        del context
        host = host_of(self.hosts, request.partition)
        state: State = host.query()
        pools = [figures(latest(state.pools[asset])) for asset in sorted(state.pools)]
        return pool_pb2.Pools(machine=host.engine.name, at_ms=state.now_ms, pools=pools)

    async def GetPool(self, request: pool_pb2.PoolQuery, context: Context) -> pool_pb2.PoolReport:  # noqa: N802
        """One pool in full."""
        del context
        host = host_of(self.hosts, request.partition)
        state: State = host.query()
        points = request.curve_points or POINTS
        if not POINTS_MIN <= points <= POINTS_MAX:
            raise malformed(f"curve_points is 0 or from {POINTS_MIN} to {POINTS_MAX}", POINTS_MAX)
        return report_of(state, pool_of(state, request.asset), host.engine.name, points)

    async def GetPoolHistory(  # noqa: N802
        self, request: pool_pb2.PoolHistoryQuery, context: Context
    ) -> pool_pb2.PoolHistory:
        """Past openings."""
        del context
        host = host_of(self.hosts, request.partition)
        state: State = host.query()
        pool = pool_of(state, request.asset)
        openings = [opening_of(one) for one in pool.history[-(request.openings or HISTORY) :]]
        return pool_pb2.PoolHistory(machine=host.engine.name, at_ms=state.now_ms, openings=openings)

    async def Status(  # noqa: N802
        self, request: queries_pb2.StatusQuery, context: Context
    ) -> queries_pb2.MachineStatus:
        """How far the machine is."""
        del context
        return status_of(self.hosts, request)


def pool_of(state: State, asset: int) -> Pool:
    """The asset's pool; raises Refused, naming the assets that have one."""
    pool = state.pools.get(asset)
    if pool is None:
        raise not_found(f"asset {asset} has no lending pool; those that have: {sorted(state.pools)}", Reason.NO_POOL)
    return pool


def figures(updated: PoolUpdated) -> feeds_pb2.PoolUpdated:
    """A pool's figures as the feed has them."""
    return feeds_pb2.PoolUpdated(**plain_fields(updated, feeds_pb2.PoolUpdated.DESCRIPTOR))


def report_of(state: State, pool: Pool, machine: str, points: int) -> pool_pb2.PoolReport:
    """All about a pool."""
    begins = zip(list(Stress)[1:], levels(pool.terms), strict=True)
    return pool_pb2.PoolReport(
        machine=machine,
        at_ms=state.now_ms,
        pool=figures(latest(pool)),
        terms=common_pb2.PoolTerms(**plain_fields(pool.terms, common_pb2.PoolTerms.DESCRIPTOR)),
        curve=[*curve(pool.terms, points)],
        levels=[
            pool_pb2.StressLevel(stress=common_pb2.PoolStress.Name(step), used=used)  # type: ignore[arg-type]
            for step, used in begins
        ],
        shards=[*shard_lines(state, pool)],
        state_next=common_pb2.PoolState.Name(pool.state_next),  # type: ignore[arg-type]
        opened_at_ms=pool.history[-1].at_ms if pool.history else 0,
        borne_by_reserve=pool.by_reserve,
        borne_by_suppliers=pool.by_suppliers,
        passed_over=pool.passed_over,
    )


def curve(terms: PoolTerms, points: int) -> Iterator[pool_pb2.RatePoint]:
    """Rates at evenly spaced utilisations from 0 to 1, and at the kink."""
    spaced = [div_floor(FRACTION_ONE * at, points - 1) for at in range(points)]
    for used in sorted(dict.fromkeys([*spaced, min(terms.optimal, FRACTION_ONE)])):
        yield rate_point(terms, used)


def rate_point(terms: PoolTerms, used: Fraction) -> pool_pb2.RatePoint:
    """Rates at a utilisation."""
    return pool_pb2.RatePoint(used=used, borrow_rate=borrow_rate(terms, used), lend_rate=lend_rate(terms, used))


def shard_lines(state: State, pool: Pool) -> Iterator[pool_pb2.ShardLine]:
    """What each risk partition has of the pool's cash."""
    for shard in range(state.shards):
        yield pool_pb2.ShardLine(
            shard=shard,
            line=pool.lines.get(shard, 0),
            demand=pool.demand.get(shard, 0),
            reported=shard in pool.reports,
        )


def opening_of(one: Opening) -> pool_pb2.PoolOpening:
    """A past opening."""
    return pool_pb2.PoolOpening(
        period=one.period,
        at_ms=one.at_ms,
        supply_index=one.supply_index,
        borrow_index=one.borrow_index,
        supplied=one.supplied,
        borrowed=one.borrowed,
        cash=one.cash,
        used=one.used,
        borrow_rate=one.borrow_rate,
        lend_rate=one.lend_rate,
        reserve=one.reserve,
    )


def services_of(hosts: Hosts) -> list[Service]:
    """What this machine serves."""
    name = pool_pb2.DESCRIPTOR.services_by_name["LendingPoolQueries"].full_name
    return [Service(name, pool_pb2_grpc.add_LendingPoolQueriesServicer_to_server, Servicer(hosts))]
