"""One Trade stream: frames in, each answered once as its results come, in whatever order; it keeps one session at most.

Frames are taken up in the order they came. So many may be in work; while there are more, nothing is read, and a client that does not
read its answers is not read either.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator
from time import monotonic
from typing import TYPE_CHECKING

from services.core.messages import Scope
from services.core.rpc import TRACE, Refused, malformed
from services.gateway.results import Submission
from services.gateway.sessions import Session, lease_of
from vigil.v1 import trading_pb2 as pb

if TYPE_CHECKING:
    from services.gateway.gateway import Gateway


class TradeStream:
    """Between one client and the gateway."""

    def __init__(self, gateway: "Gateway", peer: str) -> None:
        self.gateway = gateway
        self.peer = peer
        self.work: dict[Submission, int] = {}
        self.commands = 0
        self.ready: deque[pb.TradeReply] = deque()
        self.finished: deque[Submission] = deque()
        self.changed = asyncio.Event()
        self.room = asyncio.Event()
        self.session: Session | None = None
        self.over = False

    async def replies(self, requests: AsyncIterator[pb.TradeRequest]) -> AsyncIterator[pb.TradeReply]:
        """Answer what comes until the client is done and answered; raises what reading raises."""
        reading = asyncio.create_task(self.read(requests))
        try:
            while not (self.over and not self.in_work()):
                await self.changed.wait()
                self.changed.clear()
                while self.ready or self.finished:
                    yield self.ready.popleft() if self.ready else self.answer(self.finished.popleft())
                    self.room.set()
            await reading
        finally:
            reading.cancel()
            self.end()

    def in_work(self) -> int:
        """Requests that were read and not answered."""
        return len(self.work) + len(self.ready)

    def is_full(self) -> bool:
        """Whether no more may be read."""
        settings = self.gateway.settings
        return self.in_work() >= settings.frames_max or self.commands >= settings.frame_commands_max

    async def read(self, requests: AsyncIterator[pb.TradeRequest]) -> None:
        """Take requests as long as there is room."""
        try:
            async for request in requests:
                self.take(request)
                while self.is_full():
                    self.room.clear()
                    await self.room.wait()
        finally:
            self.over = True
            self.changed.set()

    def take(self, request: pb.TradeRequest) -> None:
        """Take one request up; its refusal does not end the stream."""
        TRACE.set(secrets.randbits(64))
        try:
            if request.HasField("frame"):
                self.take_frame(request)
            elif request.HasField("session"):
                self.reply(pb.TradeReply(request_id=request.request_id, session=self.take_session(request)))
            else:
                raise malformed("a request holds a frame or a session")
        except Refused as no:
            refused = pb.RequestRefused(reason=no.reason, reason_name=no.reason.name, text=no.text, limit=no.limit)
            self.reply(pb.TradeReply(request_id=request.request_id, refused=refused))

    def take_frame(self, request: pb.TradeRequest) -> None:
        """Pass a frame on; raises Refused."""
        deadline = monotonic() + self.gateway.settings.deadline_s
        submission = self.gateway.take_frame(request.frame, self.peer, deadline)
        self.work[submission] = request.request_id
        self.commands += len(submission.ids)
        submission.done.add_done_callback(lambda _done: self.finish(submission))

    def take_session(self, request: pb.TradeRequest) -> pb.SessionBegun:
        """Begin a session, change its lease, or give it up; raises Refused."""
        query = self.gateway.read_query(request.session, "trade_session", self.peer, Scope.TRADE)
        lease_ms = lease_of(query.trade_session)
        session = self.session
        if session is not None and session.account != query.account:
            raise malformed(f"this stream guards account {session.account}; open another stream for another account")
        if session is None:
            self.session = self.gateway.sessions.begin(query.account, lease_ms) if lease_ms else None
        elif lease_ms:
            session.renew(lease_ms)
        else:
            session.give_up()
            self.session = None
        return pb.SessionBegun(lease_ms=lease_ms)

    def reply(self, reply: pb.TradeReply) -> None:
        """Send an answer that is known at once."""
        self.ready.append(reply)
        self.changed.set()

    def finish(self, submission: Submission) -> None:
        """Send the results of a frame."""
        self.finished.append(submission)
        self.changed.set()

    def answer(self, submission: Submission) -> pb.TradeReply:
        """Results of a frame that is done."""
        reply = pb.TradeReply(request_id=self.work.pop(submission))
        self.commands -= len(submission.ids)
        self.gateway.submitter.answer(submission, reply.result)
        return reply

    def end(self) -> None:
        """Put everything away; a session ends with the stream."""
        for submission in self.work:
            self.gateway.submitter.release(submission)
        session, self.session = self.session, None
        if session is not None:
            session.end()
