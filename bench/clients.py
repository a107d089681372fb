"""Load generator of the orders bench: real clients with keys, frames and signatures, in a process of their own.

    python -m bench.clients '{"gateway": "127.0.0.1:50051", "mode": "closed", ...}'

It says "ready", waits for a line, works, and prints one line of JSON. closed: each account sends its next frame when the last is answered.
open: frames are due at fixed times, whatever the answers do, and latency counts from then. flood: as open, signed beforehand, orders only.
cancels: as open, of orders placed beforehand. What a frame of the first two holds is said by `Account.quote`.
"""

import asyncio
import gc
import json
import os
import sys
from collections.abc import Awaitable, Callable
from time import monotonic, time
from typing import Any, NamedTuple

import msgspec
import uvloop

from bench.accounts import SYMBOL, Account, Spec
from bench.doors import Connections, Door, NotAnswered
from bench.tally import Tally, cpu_seconds, machine_seconds
from services.client.submission import sign_commands
from services.client.vigil import Vigil
from services.core.process import tune_collector
from vigil.v1 import trading_pb2 as pb

DEPOSIT = "1000000"
START_SECONDS_MAX = 60.0
SOWN = 50
AT_ONCE = 8


class Signed(NamedTuple):
    """A frame of an account, ready to be sent."""

    number: int
    commands: list[pb.Command]
    request: pb.SignedFrame


class Load:
    """The accounts of one process, spread over its connections."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.accounts = [Account(number, spec) for number in range(spec.accounts)]
        self.tally = Tally()
        self.venue = ""
        self.ahead_ms = 0.0
        self.connections: Connections
        self.doors: list[Door] = []
        self.flood: list[Signed] = []

    async def run(self) -> dict[str, Any]:
        """Prepare, warm up, measure, report."""
        await self.prepare()
        gc.collect()
        gc.freeze()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        tally, spec = self.tally, self.spec
        tally.from_s = monotonic() + spec.warm_seconds
        tally.to_s = tally.from_s + spec.seconds
        work = asyncio.create_task((self.closed if spec.mode == "closed" else self.open)(tally.to_s))
        pids = spec.pids | {"clients": os.getpid()}
        await asyncio.sleep(tally.from_s - monotonic())
        before, machine_before = cpu_seconds(pids), machine_seconds()
        await asyncio.sleep(tally.to_s - monotonic())
        after, machine_s = cpu_seconds(pids), machine_seconds() - machine_before
        await work
        await self.finish()
        return tally.report({name: after[name] - before[name] for name in pids}, machine_s)

    async def prepare(self) -> None:
        """Connect, wait for a mark, open the accounts and fill them; then what the mode needs beforehand."""
        async with Vigil(self.spec.gateway) as look:
            await wait_for_mark(look)
            self.venue = await look.venue_name()
            self.ahead_ms = await look.now_ms() - time() * 1_000
        self.connections = Connections(self.spec.gateway, self.spec.channels)
        self.doors = self.connections.open(len(self.accounts), self.spec.deadline_s)
        deposit = pb.FaucetDeposit(asset="USDC", amount=DEPOSIT)
        await self.each(lambda number: self.submit(number, [pb.Command(open_account=pb.OpenAccount())]))
        await self.each(lambda number: self.submit(number, [pb.Command(faucet_deposit=deposit)]))
        count = int(self.spec.rate * (self.spec.seconds + self.spec.warm_seconds))
        if self.spec.mode == "cancels":
            for _ in range(0, count // len(self.accounts) + 1, SOWN):
                await self.each(lambda number: self.submit(number, self.accounts[number].sow(SOWN)))
        if self.spec.mode == "flood":
            turns = (turn % len(self.accounts) for turn in range(count // self.spec.frame))
            self.flood = [self.signed(number, self.accounts[number].sow(self.spec.frame)) for number in turns]

    async def finish(self) -> None:
        """Take back what rests, so that the next load finds an empty book, and hang up."""
        if self.spec.mode != "flood":
            await self.each(self.take_back)
        await self.connections.close()

    async def take_back(self, number: int) -> None:
        """Cancel all of an account."""
        while cancels := self.accounts[number].reap(SOWN):
            await self.submit(number, cancels)

    async def each(self, work: Callable[[int], Awaitable[Any]]) -> None:
        """Do something for every account, some at a time."""
        numbers = range(len(self.accounts))
        for start in range(0, len(numbers), AT_ONCE):
            await asyncio.gather(*(work(number) for number in numbers[start : start + AT_ONCE]))

    def signed(self, number: int, commands: list[pb.Command]) -> Signed:
        """Sign a frame now."""
        now_ms = int(time() * 1_000 + self.ahead_ms)
        key = self.accounts[number].key
        return Signed(number, commands, sign_commands(key, self.venue, now_ms, self.spec.window_ms, commands).request)

    async def submit(self, number: int, commands: list[pb.Command]) -> None:
        """Sign and send a frame now."""
        await self.send(self.signed(number, commands), monotonic())

    async def send(self, frame: Signed, due_s: float) -> None:
        """Send a frame and count what comes of it; latency counts from when it was due."""
        counts = self.tally.counts(due_s, frame.commands)
        try:
            answer = await self.doors[frame.number].submit(frame.request)
        except NotAnswered as why:
            if why.refused:
                self.accounts[frame.number].learn(frame.commands, ())
            self.tally.outcomes[str(why)] += len(frame.commands) if counts else 0
            return
        self.accounts[frame.number].learn(frame.commands, answer.results)
        if counts:
            self.tally.note(answer.results, monotonic() - due_s)

    def next_frame(self, number: int) -> Signed:
        """What an account sends next."""
        if self.flood:
            return self.flood.pop()
        account = self.accounts[number]
        reaps = self.spec.mode == "cancels"
        return self.signed(number, account.reap(self.spec.frame) if reaps else account.quote(self.spec.frame))

    async def closed(self, until_s: float) -> None:
        """Every account sends its next frame when the last is answered."""

        async def trade(number: int) -> None:
            while monotonic() < until_s:
                await self.send(self.next_frame(number), monotonic())

        await asyncio.gather(*(trade(number) for number in range(len(self.accounts))))

    async def open(self, until_s: float) -> None:
        """Frames are due at fixed times, the accounts taking turns; a client that is late sends at once."""
        step_s, due_s, turn = self.spec.frame / self.spec.rate, monotonic(), 0
        under_way: set[asyncio.Task[None]] = set()
        while due_s < until_s:
            await asyncio.sleep(max(0.0, due_s - monotonic()))
            task = asyncio.create_task(self.send(self.next_frame(turn % len(self.accounts)), due_s))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            due_s, turn = due_s + step_s, turn + 1
        await asyncio.gather(*under_way)


async def wait_for_mark(look: Vigil) -> None:
    """Wait until the venue trades the symbol."""
    until_s = monotonic() + START_SECONDS_MAX
    while monotonic() < until_s:
        if any(mark.symbol == SYMBOL for mark in await look.marks()):
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"no mark of {SYMBOL} within {START_SECONDS_MAX:g} s")


def main() -> None:
    """Do what the argument says."""
    tune_collector()
    spec = msgspec.json.decode(sys.argv[1], type=Spec)
    print(json.dumps(uvloop.run(Load(spec).run())))


if __name__ == "__main__":
    main()
