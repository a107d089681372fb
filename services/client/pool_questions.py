"""What a client may ask about lending: pools, their rates and history, its own interest, and what it may withdraw; it changes nothing."""

from services.client.errors import Unreachable
from services.client.pool_view import (
    Accrual,
    InterestView,
    PoolDetail,
    PoolOpening,
    PoolView,
    WithdrawableView,
    accrual_view,
    interest_view,
    opening_view,
    pool_detail,
    pool_view,
    withdrawable_view,
)
from services.client.questions import Questions
from services.core.fixed import Milliseconds
from vigil.v1 import lending_pb2, pool_pb2
from vigil.v1 import trading_pb2 as pb


class PoolQuestions(Questions):
    """Questions about lending; each raises Unreachable or DefiniteReject."""

    async def pools(self) -> tuple[PoolView, ...]:
        """All lending pools, by asset."""
        answer: pool_pb2.Pools = await self.ask(self.lending.GetPools, lending_pb2.PoolsOf())
        listed = await self.listed_with(assets={one.asset for one in answer.pools})
        return tuple(pool_view(one, listed) for one in answer.pools)

    async def pool(self, asset: str, *, curve_points: int = 0) -> PoolDetail:
        """A pool with its rates at every utilisation."""
        query = lending_pb2.PoolOf(asset=asset, curve_points=curve_points)
        answer: pool_pb2.PoolReport = await self.ask(self.lending.GetPool, query)
        return pool_detail(answer, await self.listed_with(assets=[answer.pool.asset]))

    async def pool_history(self, asset: str, openings: int = 0) -> tuple[PoolOpening, ...]:
        """Last openings of a pool, oldest first; 0 asks for all that are kept."""
        query = lending_pb2.PoolHistoryOf(asset=asset, openings=openings)
        answer: pool_pb2.PoolHistory = await self.ask(self.lending.GetPoolHistory, query)
        listed = await self.listed()
        number = next((one.id for one in listed.assets.values() if one.symbol == asset), 0)
        listed = await self.listed_with(assets=[number])
        return tuple(opening_view(one, number, listed) for one in answer.openings)

    async def withdrawable(self, asset: str, subaccount: int = 0) -> WithdrawableView:
        """What may be withdrawn of an asset now, what binds it, and when the rest matures."""
        subject = pb.WithdrawableOf(subaccount=subaccount, asset=asset)
        answer: pb.Withdrawable = await self.ask(self.trading.GetWithdrawable, await self.query(subject))
        return withdrawable_view(answer, await self.listed_with(assets=[answer.asset]))

    async def interest(self, since_ms: Milliseconds = 0) -> InterestView:
        """Every accrual of the account from a time of the venue on, or from the first that its feed keeps, with totals."""
        accruals: list[Accrual] = []
        begins_ms, read_to_ms, place, seq = 0, 0, 0, 0
        while True:
            subject = pb.InterestOf(since_ms=since_ms, place=place, after_seq=seq)
            page: pb.InterestPage = await self.ask(self.trading.GetInterest, await self.query(subject))
            listed = await self.listed_with(assets={one.asset for one in page.accruals})
            accruals += [accrual_view(one, listed) for one in page.accruals]
            begins_ms, read_to_ms = begins_ms or page.begins_ms, page.read_to_ms or read_to_ms
            seq = page.read_to_seq
            if not page.next_place:
                return interest_view(begins_ms, read_to_ms, accruals)
            if page.next_place <= place:
                raise Unreachable("the gateway does not get on with the statement; ask again")
            place = page.next_place
