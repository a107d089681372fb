"""The servicer of accounts: signed frames and queries in, results, states and own events out."""

from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from services.core.fixed import slot_of
from services.core.rpc import Context
from services.gateway.answers import RawStream, begun, state_of
from services.gateway.interest import read_interest
from services.gateway.questions import margin_query, max_order_size_query, triggers_query, withdrawable_query
from services.gateway.results import Owner
from services.gateway.rings import forgotten
from services.gateway.streams import Subscription
from services.gateway.trade import TradeStream
from vigil.v1 import trading_pb2 as pb
from vigil.v1 import trading_pb2_grpc

if TYPE_CHECKING:
    from services.gateway.gateway import Gateway

SETTLEMENT = Owner("settlement", 0)


class Trading(trading_pb2_grpc.TradingServicer):
    """Signed frames and queries of one account each."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway

    async def Submit(self, request: pb.SignedFrame, context: Context) -> pb.FrameResult:  # noqa: N802 - grpc's name
        """Pass commands on and answer each."""
        gateway = self.gateway
        submission = gateway.take_frame(request, context.peer(), deadline_of(gateway, context))
        try:
            await submission.done
            return gateway.submitter.answer(submission, pb.FrameResult())
        finally:
            gateway.submitter.release(submission)

    async def Trade(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.TradeRequest], context: Context
    ) -> AsyncIterator[pb.TradeReply]:
        """Answer frames as their results come."""
        stream = TradeStream(self.gateway, context.peer())
        context.add_done_callback(lambda _context: stream.end())  # type: ignore[arg-type] # the stubs forget the argument
        with self.gateway.hub.counted():
            async for reply in stream.replies(request_iterator):
                yield reply

    async def GetCommandResult(  # noqa: N802
        self, request: pb.SignedQuery, context: Context
    ) -> pb.CommandResultAnswer:
        """Say what became of a command: ask the owner, or all that could be."""
        query = self.gateway.read_query(request, "command_result", context.peer())
        return await state_of(self.gateway.queries, self.owners(query), query)

    def owners(self, query: pb.Query) -> Sequence[Owner]:
        """Machines that could have decided a command of an account."""
        risk = self.gateway.submitter.risk_of(query.account)
        owners = {pb.COMMAND_OWNER_RISK: [risk], pb.COMMAND_OWNER_SETTLEMENT: [SETTLEMENT]}
        return owners.get(query.command_result.owner, [risk, SETTLEMENT])

    async def GetAccount(self, request: pb.SignedQuery, context: Context) -> pb.Account:  # noqa: N802
        """Balances, positions and orders of the signer's account."""
        query = self.gateway.read_query(request, "account_state", context.peer())
        return await self.gateway.queries.account(self.partition(query), query.account)

    def partition(self, query: pb.Query) -> int:
        """Risk partition of the signer's account."""
        return self.gateway.submitter.risk_of(query.account).partition

    async def GetMargin(self, request: pb.SignedQuery, context: Context) -> pb.MarginReport:  # noqa: N802
        """Margin of one of the signer's subaccounts."""
        query = self.gateway.read_query(request, "margin", context.peer())
        return await self.gateway.queries.margin(margin_query(query, self.partition(query)))

    async def GetMaxOrderSize(self, request: pb.SignedQuery, context: Context) -> pb.MaxOrderSize:  # noqa: N802
        """How large an order could be."""
        query = self.gateway.read_query(request, "max_order_size", context.peer())
        asked = max_order_size_query(query, self.partition(query), self.gateway.listings)
        return await self.gateway.queries.max_order_size(asked)

    async def GetTriggers(self, request: pb.SignedQuery, context: Context) -> pb.Triggers:  # noqa: N802
        """What waits in one of the signer's subaccounts."""
        query = self.gateway.read_query(request, "triggers", context.peer())
        asked = triggers_query(query, self.partition(query), self.gateway.listings)
        return await self.gateway.queries.triggers(asked)

    async def GetWithdrawable(  # noqa: N802
        self, request: pb.SignedQuery, context: Context
    ) -> pb.Withdrawable:
        """What may leave one of the signer's subaccounts, and why no more."""
        query = self.gateway.read_query(request, "withdrawable", context.peer())
        asked = withdrawable_query(query, self.partition(query), self.gateway.listings)
        return await self.gateway.queries.withdrawable(asked)

    async def GetInterest(self, request: pb.SignedQuery, context: Context) -> pb.InterestPage:  # noqa: N802
        """A page of what accrued in the signer's account."""
        query = self.gateway.read_query(request, "interest", context.peer())
        return await read_interest(self.gateway.home, self.partition(query), query.account, query.interest)

    async def GetKeys(self, request: pb.SignedQuery, context: Context) -> pb.AccountKeys:  # noqa: N802
        """Keys of the signer's account."""
        query = self.gateway.read_query(request, "own_keys", context.peer())
        return self.gateway.directory.listed(query.account)

    async def GetTime(self, request: pb.TimeQuery, context: Context) -> pb.TimeAnswer:  # noqa: N802
        """Say what time it is at the venue."""
        del request, context
        return pb.TimeAnswer(now_ms=self.gateway.home.now_ms(), venue=self.gateway.venue)

    async def StreamAccount(  # type: ignore[override] # noqa: N802 - yields serialized messages
        self, request: pb.SignedQuery, context: Context
    ) -> RawStream:
        """Events of the signer's account, from now on or from where the reader was."""
        gateway = self.gateway
        query = gateway.read_query(request, "account_events", context.peer())
        account, after = query.account, query.account_events
        with gateway.hub.subscribed(("account", account), Subscription) as subscription:
            if after.machine:
                partition = gateway.genesis.slots[slot_of(account)]
                ring = gateway.feeds.ring("account", partition)
                if after.machine != f"risk/{partition}" or not ring.reaches(after.seq):
                    raise forgotten(f"{after.machine} {after.seq}")
                for raw, record in ring.since(after.seq, account):
                    subscription.put(raw, record)
            await begun(context)
            async for message in subscription.messages():
                yield message


def deadline_of(gateway: "Gateway", context: Context) -> float:
    """When the answer must go out, monotonic seconds: a little before the client's own deadline."""
    settings = gateway.settings
    left: float | None = context.time_remaining()  # None when the client set no deadline
    left = settings.deadline_s if left is None else min(left, settings.deadline_s_max)
    return monotonic() + max(0.0, left - settings.margin_s)
