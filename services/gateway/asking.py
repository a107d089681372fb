"""Questions to machines about results that did not come by the feed: a command that was resolved before emits nothing again.

While a machine's feed goes on, only frames that later ones have overtaken are asked about: a queue that is long is no reason to ask.
"""

import asyncio
from time import monotonic

from services.core.reasons import Reason
from services.core.rpc import Refused
from services.gateway.limits import GatewaySettings
from services.gateway.queries import Queries
from services.gateway.results import REFUSED, Owner, Submission
from vigil.v1 import feeds_pb2, queries_pb2
from vigil.v1 import trading_pb2 as pb

OVERTAKEN_S = 0.5
"""A frame that began this much later has its results: then this one's will not come any more."""


class Asker:
    """Asks, at growing intervals, and at most some at once."""

    def __init__(self, queries: Queries, settings: GatewaySettings) -> None:
        self.queries = queries
        self.settings = settings
        self.newest: dict[Owner, float] = {}
        self.heard_at: dict[Owner, float] = {}
        self.asking: dict[Submission, asyncio.Task[None]] = {}

    def heard(self, owner: Owner, begun: float) -> None:
        """Note that a result came by the feed, of a frame begun then."""
        self.heard_at[owner] = monotonic()
        if begun > self.newest.get(owner, 0.0):
            self.newest[owner] = begun

    def consider(self, submission: Submission, now: float) -> None:
        """Ask about a frame whose time to be asked has come, if its results will hardly come by themselves."""
        overdue = any(self.is_overdue(owner, submission, now) for owner in submission.weights)
        if not overdue or submission in self.asking or len(self.asking) >= self.settings.asks_max:
            return
        submission.ask_in = min(2 * submission.ask_in, self.settings.ask_every_s)
        submission.ask_at = now + submission.ask_in
        task = self.asking[submission] = asyncio.create_task(self.ask(submission))
        task.add_done_callback(lambda _task: self.asking.pop(submission, None))

    def is_overdue(self, owner: Owner, submission: Submission, now: float) -> bool:
        """Whether an owner answers others, later ones, or nobody."""
        if self.newest.get(owner, 0.0) > submission.begun + OVERTAKEN_S:
            return True
        return now - self.heard_at.get(owner, 0.0) > self.settings.ask_after_s

    async def ask(self, submission: Submission) -> None:
        """Ask the owners of what is open; one that does not answer is asked again later."""
        by_owner: dict[Owner, list[int]] = {}
        for index in submission.open():
            owner = submission.owners[index]
            if owner is not None:
                by_owner.setdefault(owner, []).append(index)
        for owner, places in by_owner.items():
            query = queries_pb2.CommandResultsQuery(
                partition=owner.partition,
                account=submission.account,
                timestamp_ms=submission.timestamp_ms,
                window_ms=submission.window_ms,
                command_ids=[submission.ids[index] for index in places],
            )
            try:
                states = await self.queries.command_results(owner.service, query)
            except Refused:
                continue
            for index, state in zip(places, states, strict=True):
                settle(submission, index, state)


def settle(submission: Submission, index: int, state: queries_pb2.CommandState) -> None:
    """Take an owner's answer as the result: what it has, or that the command will never act."""
    if state.answer == pb.COMMAND_ANSWER_RESULT:
        submission.fill(index, state.resolved)
    elif state.answer == pb.COMMAND_ANSWER_NEVER:
        never = feeds_pb2.CommandResolved(
            account=submission.account,
            command_id=submission.ids[index],
            outcome=REFUSED,
            reason=Reason.OUTSIDE_WINDOW,
            limit=submission.window_ms,
        )
        submission.fill(index, never)
