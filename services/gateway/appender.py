"""Commands on their way into inboxes: what comes while an append is under way goes with the next one; nothing is decided.

An inbox gets what may not wait (cancels, deposits) before what may, unless the same account has something that may wait before it:
a cancel never overtakes the order it is for.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

import structlog

from services.core.fixed import AccountId
from services.core.log import AppendFailed, Log, LogError, Pending
from services.core.topics import inbox
from services.gateway.results import Owner

log = structlog.get_logger(__name__)

BYTES_MAX = 500_000
"""Per append, a frame more or less: well below the megabyte that a log takes in one piece."""


class InboxQueue:
    """What waits for one inbox."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.urgent: deque[list[bytes]] = deque()
        self.patient: deque[tuple[AccountId, list[bytes]]] = deque()
        self.accounts: dict[AccountId, int] = {}
        self.writing = False

    def put(self, account: AccountId, values: list[bytes], *, urgent: bool) -> None:
        """Queue records that stay together."""
        if urgent and account not in self.accounts:
            self.urgent.append(values)
            return
        self.patient.append((account, values))
        self.accounts[account] = self.accounts.get(account, 0) + 1

    def take(self) -> list[bytes]:
        """Records of the next append, in order."""
        taken: list[bytes] = []
        size = 0
        while self.urgent and size < BYTES_MAX:
            values = self.urgent.popleft()
            taken += values
            size += sum(map(len, values))
        while self.patient and size < BYTES_MAX:
            account, values = self.patient.popleft()
            taken += values
            size += sum(map(len, values))
            self.accounts[account] -= 1
            if not self.accounts[account]:
                del self.accounts[account]
        return taken


class Appender:
    """Writes queues to their inboxes; `failed` is called once with the append that failed, after which nothing more is written."""

    def __init__(self, home: Log, failed: Callable[[LogError], None]) -> None:
        self.home = home
        self.failed = failed
        self.broken = False
        self.queues: dict[Owner, InboxQueue] = {}
        self.writers: set[asyncio.Task[None]] = set()

    def put(self, owner: Owner, account: AccountId, values: list[bytes], *, urgent: bool) -> None:
        """Queue records that stay together in this order; they are written soon, whoever asked for it hangs up or not."""
        queue = self.queues.get(owner)
        if queue is None:
            queue = self.queues[owner] = InboxQueue(owner)
        queue.put(account, values, urgent=urgent)
        if not queue.writing:
            queue.writing = True
            writer = asyncio.create_task(self.write(queue))
            self.writers.add(writer)
            writer.add_done_callback(self.writers.discard)

    async def write(self, queue: InboxQueue) -> None:
        """Append until nothing waits; acknowledgements are looked at as they come."""
        topic, partition = inbox(queue.owner.service), queue.owner.partition
        try:
            while not self.broken and (values := queue.take()):
                self.watch(await self.home.append(topic, partition, values))
        except LogError as error:
            self.fail(error)
        finally:
            queue.writing = False

    def watch(self, append: Pending) -> None:
        """See how an append ends."""
        watching = asyncio.ensure_future(acknowledged(append))
        self.writers.add(watching)
        watching.add_done_callback(self.judge)

    def judge(self, watched: "asyncio.Task[None]") -> None:
        """Note an append that failed."""
        self.writers.discard(watched)
        error = None if watched.cancelled() else watched.exception()
        if isinstance(error, LogError):
            self.fail(error)

    def fail(self, error: LogError) -> None:
        """Write no more: nobody knows what landed."""
        if not self.broken:
            self.broken = True
            log.error("append_failed", error=str(error))
            self.failed(error if isinstance(error, AppendFailed) else AppendFailed(str(error)))

    async def drained(self, seconds_max: float) -> None:
        """Wait until all that was put is written and acknowledged; give up what takes longer."""
        until = monotonic() + seconds_max
        while self.writers and (left := until - monotonic()) > 0:
            await asyncio.wait(self.writers, timeout=left)
        for writer in self.writers:
            writer.cancel()


async def acknowledged(append: Pending) -> None:
    """Wait for one append."""
    await append
