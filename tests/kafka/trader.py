"""One client that trades at a venue, seeded, and writes down what each of its commands came to; what it does is its character."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.client import DefiniteReject, Outcome, Unreachable, Vigil
from services.client.commands import deposit_command, order_command
from services.client.submission import Result, Ticket
from services.core.fixed import AccountId
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

SYMBOL = "BTC_USDC_PERP"
SPOT = "BTC_USDC"
BUY, SELL = common_pb2.SIDE_BID, common_pb2.SIDE_ASK
REST_S = (0.02, 0.12)
"""How long a trader thinks between two frames: the load leaves room for processes that begin again."""


@dataclass(frozen=True)
class Line:
    """One command as its client saw it."""

    account: AccountId
    request: str
    result: Result


@dataclass
class Journal:
    """All lines; each command stands in it once."""

    lines: list[Line] = field(default_factory=list)

    def note(self, account: AccountId, commands: Sequence[pb.Command], results: Sequence[Result]) -> None:
        """Write a frame down."""
        for command, result in zip(commands, results, strict=True):
            self.lines.append(Line(account, command.WhichOneof("request") or "", result))

    def outcomes(self) -> Counter[str]:
        """How many commands came to what."""
        return Counter(f"{line.result.outcome.value} {line.result.reason}".strip() for line in self.lines)


class Character(NamedTuple):
    """What a trader does, frame by frame, and the money that it begins with: (asset, amount)."""

    frame: Callable[["Trader"], list[pb.Command]]
    money: tuple[tuple[str, int], ...] = (("USDC", 500_000),)


class Trader:
    """One account. What it does is chosen by its character and its seed."""

    def __init__(self, vigil: Vigil, character: Character, seed: int) -> None:
        assert vigil.key is not None
        self.vigil = vigil
        self.account = vigil.key.account
        self.character = character
        self.chance = random.Random(seed)
        self.mark = 8_000
        self.client_ids: list[int] = []
        self.counter = 0
        self.side: common_pb2.Side.ValueType = self.chance.choice((BUY, SELL))

    async def run(self, journal: Journal, stop: asyncio.Event) -> None:
        """Trade until asked to stop; a gateway that is down is tried again."""
        await self.send(journal, [pb.Command(open_account=pb.OpenAccount())])
        await self.send(journal, [deposit_command(asset, amount) for asset, amount in self.character.money])
        while not stop.is_set():
            await self.look()
            await self.send(journal, self.character.frame(self))
            await asyncio.sleep(self.chance.uniform(*REST_S))

    async def look(self) -> None:
        """Read the mark, where that is possible."""
        with contextlib.suppress(Unreachable):
            marks = {one.symbol: one.mark_price for one in await self.vigil.marks()}
            self.mark = int(marks.get(SYMBOL, self.mark))

    async def send(self, journal: Journal, commands: list[pb.Command]) -> None:
        """Submit a frame and write down what came of it; what could not be signed for lack of a gateway was never sent."""
        try:
            results = await self.vigil.submit(commands)
        except Unreachable:
            return
        except DefiniteReject as no:
            tickets = [Ticket(command.command_id, 0, 1) for command in commands]
            results = [Result(ticket, Outcome.REFUSED, no.reason, no.text) for ticket in tickets]
        journal.note(self.account, commands, results)

    def other_side(self) -> "common_pb2.Side.ValueType":
        """The side opposite to its own."""
        return SELL if self.side == BUY else BUY

    def new_id(self) -> int:
        """A client id that it has not used."""
        self.counter += 1
        self.client_ids = [*self.client_ids, self.counter]
        return self.counter

    def away(self, side: "common_pb2.Side.ValueType", basis_points: int) -> int:
        """A price so far below the mark for a purchase, above it for a sale."""
        distance = self.mark * basis_points // 10_000
        return self.mark - distance if side == BUY else self.mark + distance

    def quote(self, side: "common_pb2.Side.ValueType", basis_points: int, size: str) -> pb.Command:
        """A resting order some way from the mark, under a new client id."""
        price = self.away(side, basis_points)
        return order_command(SYMBOL, side, size=size, price=price, client_id=self.new_id())
