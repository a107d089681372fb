"""Frames in work, from clients and admins: queued for their inboxes, waited for, put away; what is passed on is decided before.

Commands of a frame that go to one inbox stay together, behind the frame's signed bytes. A result comes by the feed or by asking; what
is not known at the deadline is UNKNOWN.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

import msgspec

from services.core import messages as m
from services.core.fixed import AccountId, Milliseconds, slot_of
from services.core.log import Log, LogError
from services.core.messages import CommandId
from services.core.rpc import TRACE
from services.gateway.admission import Admission
from services.gateway.appender import Appender
from services.gateway.asking import Asker
from services.gateway.explain import Units
from services.gateway.limits import GatewaySettings
from services.gateway.metrics import CommandCounts
from services.gateway.queries import Queries
from services.gateway.results import Owner, Results, Submission
from vigil.v1 import feeds_pb2
from vigil.v1 import trading_pb2 as pb

encode = msgspec.msgpack.Encoder().encode


class Submitter:
    """Passes commands on and waits for their results."""

    def __init__(self, home: Log, genesis: m.Genesis, queries: Queries, settings: GatewaySettings) -> None:
        self.genesis = genesis
        self.settings = settings
        self.results = Results()
        self.admission = Admission(settings)
        self.appender = Appender(home, self.fail)
        self.asker = Asker(queries, settings)
        self.work: dict[Submission, None] = {}
        self.counts = CommandCounts()
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(
        self,
        account: AccountId,
        ids: Sequence[CommandId],
        window: tuple[Milliseconds, int],
        deadline: float,
        kinds: Sequence[str | None],
        units: Callable[[int], Units],
    ) -> Submission:
        """Begin a frame signed at window[0], valid for window[1] on either side; nothing of it is passed on yet."""
        now, after = monotonic(), self.settings.ask_after_s
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        none = [None] * len(ids)
        return Submission(
            account, ids, *window, now, deadline, now + after, after, kinds, units, [*none], [*none], done
        )

    def send(
        self, submission: Submission, signed: m.Message, passed: dict[Owner, list[m.Message]], *, urgent: bool
    ) -> None:
        """Queue commands for their machines; each inbox gets the signed bytes first."""
        trace = TRACE.get()
        for owner, messages in passed.items():
            values = [encode(m.Record(message, trace=trace)) for message in (signed, *messages)]
            submission.weights[owner] = weight = sum(map(weight_of, messages))
            self.admission.opened(owner, weight)
            self.appender.put(owner, submission.account, values, urgent=urgent)
        self.work[submission] = None
        if not submission.left:
            submission.finish()

    def take(self, owner: Owner, resolved: feeds_pb2.CommandResolved) -> None:
        """Bring a result that a feed tells to who waits for it."""
        submission = self.results.resolve(owner.service, resolved)
        if submission is not None:
            self.asker.heard(owner, submission.begun)

    def answer(self, submission: Submission, frame: pb.FrameResult) -> pb.FrameResult:
        """Write the results of a frame and put it away."""
        submission.answer(frame)
        self.counts.count(submission.kinds, frame, monotonic() - submission.begun)
        self.release(submission)
        return frame

    def release(self, submission: Submission) -> None:
        """Put a frame away, answered or given up."""
        if submission not in self.work:
            return
        del self.work[submission]
        if submission.left:
            self.results.give_up(submission)
        begun = None if submission.left else submission.begun
        for owner, weight in submission.weights.items():
            self.admission.closed(owner, weight, begun)

    async def run(self) -> None:
        """Look at deadlines and at what must be asked, for ever; measure how late this loop runs."""
        while True:
            expected = monotonic() + self.settings.sweep_s
            await asyncio.sleep(self.settings.sweep_s)
            now = monotonic()
            self.admission.loop_late_s = max(0.0, now - expected)
            for submission in [*self.work]:
                if submission.deadline <= now:
                    submission.finish()
                elif submission.ask_at <= now:
                    self.asker.consider(submission, now)

    def fail(self, error: LogError) -> None:
        """Note that this gateway must end."""
        if not self.broken.done():
            self.broken.set_exception(error)

    def risk_of(self, account: AccountId) -> Owner:
        """Risk machine of an account."""
        return Owner("risk", self.genesis.slots[slot_of(account)])


def weight_of(message: m.Message) -> int:
    """How many commands it stands for."""
    return len(message.quotes) if isinstance(message, m.MassQuote) else 1
