"""Clients that trade at a venue through its gateways, seeded, and write down what each command came to."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.client import DefiniteReject, Outcome, SigningKey, Unreachable, Vigil
from services.client.submission import Pace, Result, Ticket
from services.client.vigil import cancel_command, order_command
from services.core.fixed import AccountId
from tests.kafka.processes import wait_until
from tests.kafka.venue import Venue
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

SYMBOL = "BTC_USDC_PERP"
SPOT = "BTC_USDC"
WINDOW_MS = 15_000
"""Long enough that an outage of a machine is no reason to forget a result before anybody asked for it."""
PACE = Pace(timeout_s=3.0, retries=(0.1, 0.3, 0.9), ask_every_s=0.25, ask_for_s=60.0)
BUY, SELL = common_pb2.SIDE_BID, common_pb2.SIDE_ASK
TIMES_IN_FORCE = common_pb2.TimeInForce.values()
SELF_TRADES = common_pb2.SelfTrade.values()
TRADERS = 9
REST_S = (0.02, 0.12)
"""How long a trader thinks between two frames: the load leaves room for processes that begin again."""
CLIENT_IDS_KEPT = 12


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


class Trader:
    """One account. What it does is chosen by its character and its seed."""

    def __init__(self, vigil: Vigil, character: Callable[["Trader"], list[pb.Command]], seed: int) -> None:
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
        await self.send(journal, [self.deposit(1_000 if self.character is gamble else 500_000)])
        while not stop.is_set():
            await self.look()
            await self.send(journal, self.character(self))
            await asyncio.sleep(self.chance.uniform(*REST_S))

    async def look(self) -> None:
        """Read the mark, where that is possible."""
        try:
            marks = await self.vigil.marks()
        except Unreachable:
            return
        self.mark = int(marks[0].mark_price) if marks else self.mark

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

    def deposit(self, amount: int) -> pb.Command:
        """Money from the faucet."""
        return pb.Command(faucet_deposit=pb.FaucetDeposit(asset="USDC", amount=str(amount)))

    def withdraw(self, amount: int) -> pb.Command:
        """Money out."""
        return pb.Command(withdraw=pb.Withdraw(asset="USDC", amount=str(amount), address="somewhere"))

    def quote(self, side: "common_pb2.Side.ValueType", basis_points: int, size: str) -> pb.Command:
        """A resting order some way from the mark, under a new client id."""
        self.counter += 1
        self.client_ids = [*self.client_ids, self.counter]
        away = self.mark * basis_points // 10_000
        price = self.mark - away if side == BUY else self.mark + away
        return order_command(SYMBOL, side, size=size, price=price, client_id=self.counter)


def make(trader: Trader) -> list[pb.Command]:
    """A maker: quotes on both sides, and the oldest ones taken back."""
    old = trader.client_ids[:-CLIENT_IDS_KEPT]
    trader.client_ids = trader.client_ids[-CLIENT_IDS_KEPT:]
    cancels = [cancel_command(SYMBOL, client_id=one) for one in old]
    distance = trader.chance.choice((5, 10, 20, 50))
    return [*cancels, trader.quote(BUY, distance, "1.5"), trader.quote(SELL, distance, "1.5")]


def gamble(trader: Trader) -> list[pb.Command]:
    """A gambler: as large a position as it can have, which a swing of the mark ends; then new money."""
    if trader.chance.random() < 0.04:
        trader.side = SELL if trader.side == BUY else BUY
    side = trader.side
    bets = [order_command(SYMBOL, side, size=size) for size in ("2", "0.5")]
    return [trader.deposit(400), *bets] if trader.chance.random() < 0.2 else bets


def ladder(trader: Trader) -> list[pb.Command]:
    """A quoter: a whole ladder moved at once, now and then taken back with all that is open."""
    if trader.chance.random() < 0.05:
        return [pb.Command(cancel_all=pb.CancelAll())]
    quotes = []
    for client_id in range(1, 7):
        side = BUY if client_id % 2 else SELL
        away = trader.mark * client_id * trader.chance.choice((2, 3)) // 10_000
        price = trader.mark - away if side == BUY else trader.mark + away
        size = trader.chance.choice(("0.5", "0.2", "0"))
        quotes.append(pb.Quote(client_id=client_id, side=side, price=str(price), size=size))
    return [pb.Command(mass_quote=pb.MassQuote(symbol=trader.chance.choice((SYMBOL, SPOT)), quotes=quotes))]


def amend(trader: Trader) -> list[pb.Command]:
    """An amender: orders of every kind, replaced while they may be trading, some ending by themselves."""
    side = trader.chance.choice((BUY, SELL))
    placed = trader.quote(side, trader.chance.choice((-5, 0, 3, 8)), "0.4")
    terms = placed.place_order
    terms.time_in_force = trader.chance.choice(TIMES_IN_FORCE)
    terms.self_trade = trader.chance.choice(SELF_TRADES)
    terms.reduce_only = trader.chance.random() < 0.2
    changed = pb.ReplaceOrder(
        symbol=SYMBOL,
        client_id=trader.chance.choice(trader.client_ids[-4:]),
        price=str(trader.mark * trader.chance.choice((9_990, 9_998, 10_002, 10_010)) // 10_000),
        size=trader.chance.choice(("0.1", "0.4", "0.9")),
    )
    return [placed, pb.Command(replace_order=changed)]


def exchange_coins(trader: Trader) -> list[pb.Command]:
    """A buyer and seller of coins, who moves money between subaccounts."""
    side = trader.chance.choice((BUY, SELL))
    money = str(trader.chance.randint(1, 50))
    return trader.chance.choice(
        [
            [pb.Command(faucet_deposit=pb.FaucetDeposit(asset="BTC", amount="0.5"))],
            [order_command(SPOT, side, size="0.05")],
            [
                order_command(SPOT, side, size="0.05", price=trader.mark),
                pb.Command(cancel_all=pb.CancelAll(symbol=SPOT)),
            ],
            [pb.Command(transfer=pb.Transfer(receiver=1, asset="USDC", amount=money))],
            [pb.Command(transfer=pb.Transfer(subaccount=1, asset="USDC", amount=money))],
        ]
    )


def pay(trader: Trader) -> list[pb.Command]:
    """A payer: money in and out, and a little trading."""
    amount = trader.chance.randint(1, 900)
    frames: list[list[pb.Command]] = [
        [trader.deposit(amount)],
        [trader.withdraw(amount)],
        [trader.deposit(amount), trader.withdraw(amount), trader.withdraw(10**9)],
        [order_command(SYMBOL, trader.chance.choice((BUY, SELL)), size="0.1")],
    ]
    return trader.chance.choice(frames)


CHARACTERS = (make, gamble, pay, ladder, amend, exchange_coins)


class Load:
    """All traders at once, spread over the gateways."""

    def __init__(self, venue: Venue, seed: int, traders: int = TRADERS) -> None:
        self.venue = venue
        self.journal = Journal()
        self.stopping = asyncio.Event()
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
            self.venue.check()
            for task in self.tasks:
                if task.done():
                    task.result()
            return self.done() >= wanted

        await wait_until(reached, f"{commands} more commands are done")

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
