"""All traders of a venue at once, spread over its gateways, and the waits until they have done so much."""

import asyncio
import random

from services.client import Outcome, SigningKey, Vigil
from services.client.submission import Pace
from tests.kafka.characters import CHARACTERS
from tests.kafka.checker import Verdict
from tests.kafka.processes import wait_until
from tests.kafka.trader import Journal, Trader
from tests.kafka.venue import Venue
from vigil.v1 import trading_pb2 as pb

WINDOW_MS = 15_000
"""Long enough that an outage of a machine is no reason to forget a result before anybody asked for it."""
PACE = Pace(timeout_s=3.0, retries=(0.1, 0.3, 0.9), ask_every_s=0.25, ask_for_s=60.0)
TRADERS = len(CHARACTERS) + 1
COMMANDS = {one.name for one in pb.Command.DESCRIPTOR.oneofs_by_name["request"].fields}
"""Every command there is."""


class Load:
    """All traders at once, spread over the gateways."""

    def __init__(self, venue: Venue, seed: int, traders: int = TRADERS) -> None:
        self.venue = venue
        self.journal = Journal()
        self.stopping = asyncio.Event()
        self.verdict = Verdict()
        addresses = [venue.addresses[name] for name in venue.gateways]
        chance = random.Random(seed)
        self.clients = [
            Vigil(addresses[number % len(addresses)], SigningKey(chance.randbytes(32)), window_ms=WINDOW_MS, pace=PACE)
            for number in range(traders)
        ]
        self.traders = [
            Trader(client, CHARACTERS[number % len(CHARACTERS)], chance.getrandbits(32))
            for number, client in enumerate(self.clients)
        ]
        self.tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to trade."""
        self.tasks = [asyncio.create_task(trader.run(self.journal, self.stopping)) for trader in self.traders]

    async def goes_on(self, commands: int = 50) -> None:
        """Wait until so many more commands were done."""
        wanted = self.done() + commands

        async def reached() -> bool:
            self.check()
            return self.done() >= wanted

        await wait_until(reached, f"{commands} more commands are done")

    async def does_everything(self) -> None:
        """Wait until every command that there is was done at least once."""

        async def reached() -> bool:
            self.check()
            return not self.missing()

        try:
            await wait_until(reached, "every command is done once")
        except AssertionError as late:
            raise AssertionError(f"{late}: {sorted(self.missing())} were not") from None

    def missing(self) -> set[str]:
        """Commands that were not done yet."""
        return COMMANDS - {line.request for line in self.journal.lines if line.result.outcome is Outcome.DONE}

    def check(self) -> None:
        """Raise what a service or a trader failed with."""
        self.venue.check()
        for task in self.tasks:
            if task.done():
                task.result()

    def done(self) -> int:
        """How many commands were done."""
        return sum(line.result.outcome is Outcome.DONE for line in self.journal.lines)

    async def finish(self) -> Journal:
        """Let every trader learn what became of its last commands, and go."""
        self.stopping.set()
        await asyncio.gather(*self.tasks)
        await self.close()
        return self.journal

    async def close(self) -> None:
        """Give up, whatever still runs."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for client in self.clients:
            await client.close()
