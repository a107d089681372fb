"""The servicer of lending pools: what everybody may see of them, passed on from their machine."""

from typing import TYPE_CHECKING

import grpc

from services.core.reasons import Reason
from services.core.rpc import Context, Refused, malformed, not_found, shown
from services.gateway.answers import RawStream, begun
from services.gateway.fields import CommandRefused
from services.gateway.lending import pooled
from services.gateway.streams import Subscription
from vigil.v1 import lending_pb2 as pb
from vigil.v1 import lending_pb2_grpc, pool_pb2

if TYPE_CHECKING:
    from services.gateway.gateway import Gateway

CURVE_POINTS_MIN, CURVE_POINTS_MAX = 2, 1_001


class Lending(lending_pb2_grpc.LendingServicer):
    """Rates, cash, stress and history of the pools."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway

    def asset(self, symbol: str) -> int:
        """Id of an asset that is lent; raises Refused."""
        try:
            return pooled(symbol, self.gateway.listings).id
        except CommandRefused as no:
            if no.reason is Reason.NO_POOL:
                raise Refused(grpc.StatusCode.NOT_FOUND, no.text, no.reason) from None
            raise not_found(f"no asset {shown(symbol)}; see ListMarkets", no.reason) from None

    async def GetPools(self, request: pb.PoolsOf, context: Context) -> pool_pb2.Pools:  # noqa: N802 - grpc's name
        """All pools."""
        del request, context
        return await self.gateway.queries.pools()

    async def GetPool(self, request: pb.PoolOf, context: Context) -> pool_pb2.PoolReport:  # noqa: N802
        """One pool with its curve."""
        del context
        points = request.curve_points
        if points and not CURVE_POINTS_MIN <= points <= CURVE_POINTS_MAX:
            text = f"curve_points {points}: {CURVE_POINTS_MIN} to {CURVE_POINTS_MAX} are accepted, or 0 for the usual"
            raise malformed(text, CURVE_POINTS_MAX)
        return await self.gateway.queries.pool(pool_pb2.PoolQuery(asset=self.asset(request.asset), curve_points=points))

    async def GetPoolHistory(  # noqa: N802
        self, request: pb.PoolHistoryOf, context: Context
    ) -> pool_pb2.PoolHistory:
        """Past openings of a pool."""
        del context
        asked = pool_pb2.PoolHistoryQuery(asset=self.asset(request.asset), openings=request.openings)
        return await self.gateway.queries.pool_history(asked)

    async def StreamPools(  # type: ignore[override] # noqa: N802 - yields serialized messages
        self, request: pb.PoolsOf, context: Context
    ) -> RawStream:
        """Openings, steps of ladders and losses, from now on or after what the reader has."""
        with self.gateway.hub.subscribed(("pools", 0), Subscription) as subscription:
            for raw, record in self.gateway.feeds.since("pools", "lending_pool", request.after):
                subscription.put(raw, record)
            await begun(context)
            async for message in subscription.messages():
                yield message
