"""The servicer of admins, on a port of its own."""

from typing import TYPE_CHECKING

from services.core.rpc import Context, Refused
from services.gateway.admin import SETTLEMENT, AdminDesk
from services.gateway.answers import state_of
from services.gateway.frames import read_query
from services.gateway.results import Owner
from services.gateway.trading_api import deadline_of
from vigil.v1 import admin_pb2, admin_pb2_grpc
from vigil.v1 import trading_pb2 as pb

if TYPE_CHECKING:
    from services.gateway.gateway import Gateway


class Admin(admin_pb2_grpc.AdminServicer):
    """Signed frames and queries of the venue's admins."""

    def __init__(self, gateway: "Gateway", desk: AdminDesk) -> None:
        self.gateway = gateway
        self.desk = desk

    async def Submit(  # noqa: N802 - grpc's name
        self, request: admin_pb2.AdminSignedFrame, context: Context
    ) -> pb.FrameResult:
        """Pass commands on and answer each."""
        gateway, peer = self.gateway, context.peer()
        gateway.check_peer(peer)
        try:
            frame = self.desk.read(request, gateway.home.now_ms())
        except Refused as no:
            gateway.note_forgery(peer, no)
            raise
        submission = self.desk.take(frame, deadline_of(gateway, context))
        try:
            await submission.done
            return gateway.submitter.answer(submission, pb.FrameResult())
        finally:
            gateway.submitter.release(submission)

    async def GetCommandResult(  # noqa: N802
        self, request: pb.SignedQuery, context: Context
    ) -> pb.CommandResultAnswer:
        """Say what became of an admin command: ask the machine named, or all that take such."""
        gateway, peer = self.gateway, context.peer()
        gateway.check_peer(peer)
        try:
            query = read_query(request, gateway.venue, gateway.home.now_ms(), "command_result", self.desk)
        except Refused as no:
            gateway.note_forgery(peer, no)
            raise
        funding = [Owner("funding", partition) for partition in range(gateway.genesis.partitions["funding"])]
        named = {pb.COMMAND_OWNER_SETTLEMENT: [SETTLEMENT], pb.COMMAND_OWNER_FUNDING: funding}
        owners = named.get(query.command_result.owner, [SETTLEMENT, *funding])
        return await state_of(gateway.queries, owners, query)

    async def GetTime(self, request: pb.TimeQuery, context: Context) -> pb.TimeAnswer:  # noqa: N802
        """Say what time it is at the venue."""
        del request, context
        return pb.TimeAnswer(now_ms=self.gateway.home.now_ms(), venue=self.gateway.venue)
