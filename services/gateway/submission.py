"""From a verified frame to its results: shield, append, wait; the machines decide.

Order is kept: commands of a frame that go to one inbox are one append, behind the frame's signed bytes. A result comes by the feed; as a
command that was resolved before emits nothing again, its owner is asked as well. What is not known at the deadline is UNKNOWN.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

import msgspec
import structlog

from services.core import messages as m
from services.core.fixed import slot_of
from services.core.log import AppendFailed, Log, LogError, Pending
from services.core.reasons import Reason
from services.core.rpc import TRACE, Refused
from services.core.topics import inbox
from services.gateway.explain import Units
from services.gateway.fields import CommandRefused
from services.gateway.frames import VerifiedFrame
from services.gateway.lag import LagWatch
from services.gateway.limits import GatewaySettings, RateLimit
from services.gateway.metrics import CommandCounts
from services.gateway.queries import Queries
from services.gateway.read_models import Listings
from services.gateway.results import Found, Results, refused, result_of, unknown
from services.gateway.translate import translate
from vigil.v1 import common_pb2, feeds_pb2, queries_pb2
from vigil.v1 import trading_pb2 as pb

log = structlog.get_logger(__name__)
encode = msgspec.msgpack.Encoder().encode


class Owner(NamedTuple):
    """The machine that decides a command."""

    service: str
    partition: int


@dataclass(slots=True)
class Sent:
    """A command on its way: where it stands in the frame, who decides it, its result when it comes."""

    index: int
    owner: Owner
    message: m.Message
    units: Units
    found: Found


@dataclass(slots=True)
class Submission:
    """One frame in work; `results` by index."""

    frame: VerifiedFrame
    deadline: float
    results: dict[int, pb.CommandResult] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)

    def open(self) -> list[Sent]:
        """Commands without a result."""
        return [one for one in self.sent if not one.found.done()]

    def answer(self) -> pb.FrameResult:
        """Results in order; UNKNOWN where none came."""
        for one in self.sent:
            found = one.found.result() if one.found.done() else None
            known = unknown(self.frame.ids[one.index]) if found is None else result_of(found, one.units)
            self.results[one.index] = known
        return pb.FrameResult(results=[self.results[index] for index in range(len(self.frame.ids))])


class Submitter:
    """Passes frames on."""

    def __init__(
        self,
        home: Log,
        genesis: m.Genesis,
        queries: Queries,
        listings: Listings,
        lag: LagWatch,
        results: Results,
        settings: GatewaySettings,
    ) -> None:
        self.home = home
        self.genesis = genesis
        self.queries = queries
        self.listings = listings
        self.lag = lag
        self.results = results
        self.settings = settings
        self.rate = RateLimit(settings)
        self.counts = CommandCounts()
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def submit(self, frame: VerifiedFrame, deadline: float) -> pb.FrameResult:
        """Pass a frame on and wait for its results until `deadline` (monotonic seconds); raises Refused for the rate."""
        self.rate.charge(frame.account, sum(cost_of(command) for command in frame.commands))
        submission = Submission(frame, deadline)
        try:
            self.prepare(submission)
            if submission.sent and await self.append(submission):
                await self.wait(submission)
            return self.counts.count(frame.commands, submission.answer())
        finally:
            for one in submission.sent:
                self.results.give_up((one.owner.service, frame.account, frame.ids[one.index]), one.found)

    def prepare(self, submission: Submission) -> None:
        """Translate every command, or refuse it."""
        frame = submission.frame
        for index, command in enumerate(frame.commands):
            try:
                message = translate(command, frame.header(index), frame.key, self.listings)
                self.check_lag(frame, message)
            except CommandRefused as no:
                submission.results[index] = refused(frame.ids[index], no.reason, no.limit, no.text)
                continue
            owner = self.owner_of(frame, message)
            found = self.results.expect((owner.service, frame.account, frame.ids[index]))
            submission.sent.append(Sent(index, owner, message, self.units_of(message), found))

    def check_lag(self, frame: VerifiedFrame, message: m.Message) -> None:
        """Refuse a new order when a machine on its way is behind."""
        if isinstance(message, m.PlaceOrder):
            market = self.listings.markets[message.market]
            self.lag.check(self.risk_of(frame), ("matching", market.matching_partition))

    def risk_of(self, frame: VerifiedFrame) -> Owner:
        """Risk machine of the frame's account."""
        return Owner("risk", self.genesis.slots[slot_of(frame.account)])

    def owner_of(self, frame: VerifiedFrame, message: m.Message) -> Owner:
        """Machine that decides a command: the faucet is settlement's, all else is risk's."""
        return Owner("settlement", 0) if isinstance(message, m.FaucetDeposit) else self.risk_of(frame)

    def units_of(self, message: m.Message) -> Units:
        """In what the limits of a command's refusal are."""
        if isinstance(message, m.PlaceOrder | m.CancelOrder):
            market = self.listings.markets[message.market]
            return Units(market, self.listings.asset_by_id(market.settlement_asset))
        if isinstance(message, m.FaucetDeposit | m.Withdraw):
            return Units(asset=self.listings.asset_by_id(message.asset))
        return Units()

    async def append(self, submission: Submission) -> bool:
        """Append to each inbox in one piece; whether all is known to have landed. A failed append ends this gateway.

        A client that hangs up cancels its RPC, never an append that has begun.
        """
        by_owner: dict[Owner, list[m.Message]] = {}
        for one in submission.sent:
            by_owner.setdefault(one.owner, [submission.frame.signed()]).append(one.message)
        appending = asyncio.ensure_future(self.append_each(by_owner, TRACE.get(), submission.deadline))
        appending.add_done_callback(self.judge)
        try:
            return await asyncio.shield(appending)
        except LogError:
            return False

    async def append_each(self, by_owner: dict[Owner, list[m.Message]], trace: int, deadline: float) -> bool:
        """Append, then wait for acknowledgement; raises LogError."""
        pending = [
            await self.home.append(
                inbox(owner.service), owner.partition, [encode(m.Record(each, trace=trace)) for each in messages]
            )
            for owner, messages in by_owner.items()
        ]
        return await self.landed(pending, deadline)

    async def landed(self, appends: Sequence[Pending], deadline: float) -> bool:
        """Wait for acknowledgement until the deadline; raises AppendFailed."""
        tasks = [asyncio.ensure_future(acknowledged(append)) for append in appends]
        done, late = await asyncio.wait(tasks, timeout=max(0.0, deadline - monotonic()))
        for task in late:
            task.add_done_callback(self.judge)
        for task in done:
            task.result()
        return not late

    def judge(self, task: "asyncio.Future[Any]") -> None:
        """Look at how an append ended, though nobody may wait for it any more."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, LogError):
            self.fail(error)

    def fail(self, error: LogError) -> None:
        """Note that this gateway must end: nobody knows what landed."""
        log.error("append_failed", error=str(error))
        if not self.broken.done():
            self.broken.set_exception(error if isinstance(error, AppendFailed) else AppendFailed(str(error)))

    async def wait(self, submission: Submission) -> None:
        """Wait for all results, by feed and by asking, until the deadline."""
        ask_in = self.settings.ask_after_s
        while (still := submission.open()) and (left := submission.deadline - monotonic()) > 0:
            await asyncio.wait([one.found for one in still], timeout=min(ask_in, left))
            ask_in = min(2 * ask_in, self.settings.ask_every_s)
            if submission.open() and monotonic() < submission.deadline:
                await self.ask(submission)

    async def ask(self, submission: Submission) -> None:
        """Ask the owners for what has not come; an owner that does not answer is asked again later."""
        by_owner: dict[Owner, list[Sent]] = {}
        for one in submission.open():
            by_owner.setdefault(one.owner, []).append(one)
        for owner, sent in by_owner.items():
            ids = [submission.frame.ids[one.index] for one in sent]
            frame = submission.frame
            query = queries_pb2.CommandResultsQuery(
                partition=owner.partition,
                account=frame.account,
                timestamp_ms=frame.timestamp_ms,
                window_ms=frame.window_ms,
                command_ids=ids,
            )
            try:
                states = await self.queries.command_results(owner.service, query)
            except Refused:
                continue
            for one, state in zip(sent, states, strict=True):
                settle(one, frame, state)


def cost_of(command: pb.Command) -> int:
    """Price of a command in the rate limit."""
    return RateLimit.SMALL_COST if command.WhichOneof("request") == "cancel_order" else RateLimit.FULL_COST


async def acknowledged(append: Pending) -> None:
    """Wait for one append."""
    await append


def settle(sent: Sent, frame: VerifiedFrame, state: queries_pb2.CommandState) -> None:
    """Take an owner's answer as the result: what it has, or that the command will never act."""
    if sent.found.done():
        return
    if state.answer == pb.COMMAND_ANSWER_RESULT:
        sent.found.set_result(state.resolved)
    elif state.answer == pb.COMMAND_ANSWER_NEVER:
        sent.found.set_result(
            feeds_pb2.CommandResolved(
                account=frame.account,
                command_id=frame.ids[sent.index],
                outcome=common_pb2.COMMAND_OUTCOME_REFUSED,
                reason=Reason.OUTSIDE_WINDOW,
                limit=frame.window_ms,
            )
        )
