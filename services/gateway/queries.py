"""Questions to the machines over gRPC: one stub per partition; it caches nothing.

Whoever composes a gateway hands it the channels, which may all lead into the same process.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

import grpc

from services.core.reasons import Reason
from services.core.rpc import Refused
from vigil.v1 import market_data_pb2, pool_pb2, pool_pb2_grpc, trading_pb2
from vigil.v1 import queries_pb2 as pb
from vigil.v1 import queries_pb2_grpc as rpc

A = TypeVar("A")
TIMEOUT_S = 2.0
Channels = Mapping[str, Sequence[grpc.aio.Channel]]
"""Service -> channel by partition."""


class Queries:
    """Stubs of the machines that gateways ask."""

    def __init__(self, channels: Channels) -> None:
        """Build the stubs; KeyError names a service without channels."""
        self.channels = tuple({id(one): one for service in channels for one in channels[service]}.values())
        self.risk = [rpc.RiskQueriesStub(one) for one in channels["risk"]]
        self.matching = [rpc.MatchingQueriesStub(one) for one in channels["matching"]]
        self.settlement = [rpc.SettlementQueriesStub(one) for one in channels["settlement"]]
        self.funding = [rpc.FundingQueriesStub(one) for one in channels["funding"]]
        self.lending_pool = [pool_pb2_grpc.LendingPoolQueriesStub(one) for one in channels["lending_pool"]]

    async def account(self, partition: int, account: int) -> trading_pb2.Account:
        """State of an account; raises Refused when its machine does not answer."""
        query = pb.AccountQuery(partition=partition, account=account)
        return await answer(self.risk[partition].GetAccount(query, timeout=TIMEOUT_S))

    async def margin(self, query: pb.MarginQuery) -> trading_pb2.MarginReport:
        """Margin of a subaccount, line by line; raises Refused when its machine does not answer."""
        return await answer(self.risk[query.partition].GetMargin(query, timeout=TIMEOUT_S))

    async def max_order_size(self, query: pb.MaxOrderSizeQuery) -> trading_pb2.MaxOrderSize:
        """Largest order that would be admitted; raises Refused when its machine does not answer."""
        return await answer(self.risk[query.partition].GetMaxOrderSize(query, timeout=TIMEOUT_S))

    async def triggers(self, query: pb.TriggersQuery) -> trading_pb2.Triggers:
        """What waits in a subaccount; raises Refused when its machine does not answer."""
        return await answer(self.risk[query.partition].GetTriggers(query, timeout=TIMEOUT_S))

    async def withdrawable(self, query: pb.WithdrawableQuery) -> trading_pb2.Withdrawable:
        """What may be withdrawn, and why no more; raises Refused when its machine does not answer."""
        return await answer(self.risk[query.partition].GetWithdrawable(query, timeout=TIMEOUT_S))

    async def pools(self) -> pool_pb2.Pools:
        """All pools; raises Refused when their machine does not answer."""
        return await answer(self.lending_pool[0].GetPools(pool_pb2.PoolsQuery(), timeout=TIMEOUT_S))

    async def pool(self, query: pool_pb2.PoolQuery) -> pool_pb2.PoolReport:
        """One pool and its curve; raises Refused when its machine does not answer."""
        return await answer(self.lending_pool[query.partition].GetPool(query, timeout=TIMEOUT_S))

    async def pool_history(self, query: pool_pb2.PoolHistoryQuery) -> pool_pb2.PoolHistory:
        """Last openings of a pool; raises Refused when its machine does not answer."""
        return await answer(self.lending_pool[query.partition].GetPoolHistory(query, timeout=TIMEOUT_S))

    async def book(self, partition: int, market: int) -> market_data_pb2.Book:
        """Whole book of a market; raises Refused when its machine does not answer."""
        query = pb.MarketBookQuery(partition=partition, market=market)
        return await answer(self.matching[partition].GetBook(query, timeout=TIMEOUT_S))

    async def command_results(self, service: str, query: pb.CommandResultsQuery) -> list[pb.CommandState]:
        """What became of commands, in order; raises Refused when the machine does not answer."""
        stubs: dict[str, Sequence[Any]] = {"risk": self.risk, "settlement": self.settlement, "funding": self.funding}
        stub = stubs[service][query.partition]
        results: pb.CommandResultsAnswer = await answer(stub.GetCommandResults(query, timeout=TIMEOUT_S))
        return list(results.states)

    async def keys(self, query: pb.KeysQuery) -> pb.KeysPage:
        """A page of keys; raises Refused when its machine does not answer."""
        return await answer(self.risk[query.partition].ListKeys(query, timeout=TIMEOUT_S))

    async def status(self, service: str, partition: int) -> pb.MachineStatus:
        """How far a machine is; raises Refused when it does not answer."""
        stub = self.risk[partition] if service == "risk" else self.matching[partition]
        return await answer(stub.Status(pb.StatusQuery(partition=partition), timeout=TIMEOUT_S))


async def answer(call: Awaitable[A]) -> A:
    """Wait for an internal answer; whatever fails there is UNAVAILABLE to the client, who may ask again."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        text = f"the machine that knows does not answer now ({error.code().name}); ask again"
        raise Refused(grpc.StatusCode.UNAVAILABLE, text, Reason.SYSTEM_LAGGING) from error
