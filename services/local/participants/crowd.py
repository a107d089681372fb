"""All participants of a run on one view of the markets: in step with a clock that somebody moves, or each at its own pace."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import count, cycle
from math import ceil

import structlog

from services.client import ClientError, Vigil
from services.core.fixed import Milliseconds
from services.core.process import stop_on_signals
from services.local.participants.arbitrage import Arbitrageur
from services.local.participants.borrowers import Borrower
from services.local.participants.makers import Maker
from services.local.participants.participant import Participant
from services.local.participants.takers import Follower, Gambler, Passer
from services.local.participants.view import NoSuchMarket, View

__all__ = ["Crowd", "Mix", "NoSuchMarket", "trade"]

TAKERS: tuple[tuple[str, type[Participant]], ...] = (
    ("gambler", Gambler),
    ("passer", Passer),
    ("borrower", Borrower),
    ("gambler", Gambler),
    ("follower", Follower),
)
"""Takers are of these kinds in turn."""
MAKER_EACH = 6
ARBITRAGEUR_EACH = 8
"""Of so many participants one is of this kind, usually."""
WAIT_SECONDS = 1.0
LOOK_SECONDS = 0.2
REPORT_SECONDS = 60.0
LEASE_MS = 10_000
TOGETHER = 20
"""Participants that open their accounts at the same time."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Mix:
    """How many of each."""

    makers: int
    takers: int
    arbitrageurs: int = 0

    @classmethod
    def usual(cls, count: int) -> "Mix":
        """So many in the usual proportions: two make a market already."""
        makers, arbitrageurs = ceil(count / MAKER_EACH), count // ARBITRAGEUR_EACH
        return cls(makers, count - makers - arbitrageurs, arbitrageurs)

    def kinds(self) -> Iterator[tuple[str, type[Participant]]]:
        """Role and kind of each participant."""
        yield from [("maker", Maker)] * self.makers
        yield from [("arbitrageur", Arbitrageur)] * self.arbitrageurs
        turns = cycle(TAKERS)
        for _ in range(self.takers):
            yield next(turns)


class Crowd:
    """All participants of a run."""

    def __init__(self, address: str, mix: Mix, seed: int, markets: Collection[str] = (), rate: float = 1.0) -> None:
        """At a gateway, in some markets or in all; `rate` says how many times as often as usual they act."""
        self.view = View()
        self.markets = markets
        self.watcher = Vigil(address)
        places: dict[str, count[int]] = defaultdict(count)
        self.participants = [
            kind(address, f"{role}-{number}", seed, rate, next(places[role]))
            for number, (role, kind) in enumerate(mix.kinds())
        ]

    @property
    def orders(self) -> int:
        """Commands sent so far."""
        return sum(one.orders for one in self.participants)

    @property
    def refused(self) -> int:
        """Those of them that were refused."""
        return sum(one.refused for one in self.participants)

    async def start(self) -> None:
        """Open and fund every account; raises ClientError, NoSuchMarket."""
        self.view.begin(await self.watcher.listed(), self.markets)
        for first in range(0, len(self.participants), TOGETHER):
            group = self.participants[first : first + TOGETHER]
            await asyncio.gather(*(participant.prepare(self.view) for participant in group))

    async def look(self, now_ms: Milliseconds) -> None:
        """See the marks, and markets that are new with them; raises ClientError."""
        marks = await self.watcher.marks()
        self.view.take_up(await self.watcher.listed())
        self.view.look(now_ms, marks)

    async def turn(self, now_ms: Milliseconds) -> None:
        """Look at the markets and let everybody act whose time it is."""
        if all(now_ms < one.next_ms for one in self.participants):
            return
        with contextlib.suppress(ClientError):
            await self.look(now_ms)
            await asyncio.gather(*(one.turn(self.view) for one in self.participants))

    async def run(self, stop: asyncio.Event) -> None:
        """Let everybody act at its own pace, in real time, until `stop`; the orders of one that is gone are cancelled by its lease."""
        for one in self.participants:
            one.lease_ms = LEASE_MS
        tasks = [asyncio.create_task(self.pace(one)) for one in self.participants]
        tasks += [asyncio.create_task(self.watch()), asyncio.create_task(self.report())]
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in [stopping, *tasks]:
            task.cancel()
        await asyncio.gather(stopping, *tasks, return_exceptions=True)
        for task in done - {stopping}:
            task.result()

    async def pace(self, participant: Participant) -> None:
        """Let one act again and again."""
        while True:
            await asyncio.sleep(participant.pause_ms() / 1_000)
            await participant.act(self.view)

    async def watch(self) -> None:
        """Look again and again; a venue that does not answer is asked again."""
        while True:
            with contextlib.suppress(ClientError):
                await self.look(await self.watcher.now_ms())
            await asyncio.sleep(LOOK_SECONDS)

    async def report(self) -> None:
        """Say now and then what was done."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            log.info("participants", commands=self.orders, refused=self.refused)

    async def close(self) -> None:
        """Give up the connections."""
        for client in [self.watcher, *(one.vigil for one in self.participants)]:
            await client.close()


async def trade(crowd: Crowd) -> None:
    """Trade at a venue, by its own time, until SIGTERM or SIGINT; waits for a venue that is still starting. Raises NoSuchMarket."""
    stop = stop_on_signals()
    try:
        while not stop.is_set():
            try:
                await crowd.start()
                await crowd.run(stop)
            except ClientError as error:
                log.info("waiting_for_the_venue", error=str(error))
                await asyncio.sleep(WAIT_SECONDS)
    finally:
        await crowd.close()
    log.info("participants_ended", commands=crowd.orders, refused=crowd.refused)
