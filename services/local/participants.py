"""Participants: ordinary clients over gRPC, each with its own key, that make a market and take it; nothing here is privileged.

What they do depends on the seed and on what they see. They are not clever: makers quote round the mark, takers chase it with leverage,
so that a crash has somebody to liquidate.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from hashlib import blake2b
from random import Random
from typing import TypeAlias

import structlog

from services.client import ClientError, Outcome, SigningKey, Vigil
from services.client.views import AccountView
from services.client.vigil import cancel_command, order_command
from services.core.fixed import Milliseconds
from services.core.process import stop_on_signals
from vigil.v1 import common_pb2
from vigil.v1 import trading_pb2 as pb

WINDOW_MS = 60_000
TIME_AGE_S = 0.05
SYMBOL = "BTC_USDC_PERP"
ASSET = "USDC"
BASIS_POINT = Decimal("0.0001")
ONE = Decimal(1)
Side: TypeAlias = "common_pb2.Side.ValueType"
BUY = common_pb2.SIDE_BID
SELL = common_pb2.SIDE_ASK
WAIT_SECONDS = 1.0
LOOK_SECONDS = 0.1
MEMORY = 600
"""Marks that the crowd remembers, one per look."""

log = structlog.get_logger(__name__)


@dataclass
class MarketView:
    """What everybody can see: the mark now and before, in steps of price and size."""

    now_ms: Milliseconds = 0
    mark: Decimal = Decimal(0)
    index: Decimal = Decimal(0)
    tick: Decimal = ONE
    lot: Decimal = ONE
    marks: deque[tuple[Milliseconds, Decimal]] = field(default_factory=lambda: deque(maxlen=MEMORY))

    def look(self, now_ms: Milliseconds, mark: Decimal, index: Decimal) -> None:
        """Note a mark."""
        self.now_ms, self.mark, self.index = now_ms, mark, index
        self.marks.append((now_ms, mark))

    def move(self, since_ms: int) -> Decimal:
        """Relative move of the mark over a time."""
        before = next((mark for at_ms, mark in self.marks if at_ms >= self.now_ms - since_ms), self.mark)
        return self.mark / before - 1

    def price(self, price: Decimal) -> Decimal:
        """Nearest price on the tick."""
        return (price / self.tick).quantize(ONE, ROUND_HALF_EVEN) * self.tick

    def size(self, size: Decimal) -> Decimal:
        """Nearest size in lots, >= 0."""
        return max(Decimal(0), (size / self.lot).quantize(ONE, ROUND_HALF_EVEN) * self.lot)


class Participant:
    """One client with a key of its own; it acts about every `every_ms` of the venue's time."""

    deposit = Decimal(20_000)
    deposits = 1
    every_ms = 10_000

    def __init__(self, address: str, name: str, seed: int) -> None:
        """Connects when it first acts; name and seed give the key."""
        self.name = name
        self.random = Random(f"{seed}/{name}")  # noqa: S311 - a seeded strategy, no secret
        key = SigningKey(blake2b(f"vigil participant {seed}/{name}".encode(), digest_size=32).digest())
        self.vigil = Vigil(address, key, window_ms=WINDOW_MS, time_age_s=TIME_AGE_S)
        self.next_ms = 0
        self.orders = 0
        self.refused = 0

    async def prepare(self) -> None:
        """Open the account and fund it, where that was not done before; raises ClientError."""
        await self.vigil.open_account()
        account = await self.vigil.account()
        if not account.balances:
            for _ in range(self.deposits):
                await self.vigil.deposit(ASSET, self.deposit)

    async def turn(self, view: MarketView) -> None:
        """Act if it is time; what the venue refuses is counted, and forgotten."""
        if view.now_ms < self.next_ms:
            return
        self.next_ms = view.now_ms + int(self.every_ms * self.random.uniform(0.7, 1.3))
        try:
            account = await self.vigil.account()
            commands = await self.decide(view, account)
            if commands:
                self.count(await self.vigil.submit(commands))
        except ClientError as error:
            self.refused += 1
            log.debug("participant_refused", name=self.name, error=str(error))

    def count(self, results: Sequence[object]) -> None:
        """Count what became of commands."""
        self.orders += len(results)
        self.refused += sum(getattr(result, "outcome", None) is Outcome.REFUSED for result in results)

    async def decide(self, view: MarketView, account: AccountView) -> list[pb.Command]:
        """Commands for what it sees."""
        raise NotImplementedError

    def market_order(self, view: MarketView, size: Decimal, *, reduce_only: bool = False) -> list[pb.Command]:
        """Buy (size > 0) or sell at once, within the venue's band; nothing for less than a lot."""
        lots = view.size(abs(size))
        if not lots:
            return []
        return [order_command(SYMBOL, BUY if size > 0 else SELL, size=lots, reduce_only=reduce_only)]


class Maker(Participant):
    """Quotes three prices on both sides, moves them against its inventory, and steps back, with less, when the mark moves fast."""

    deposit = Decimal(1_000_000)
    deposits = 5
    every_ms = 4_000
    levels = ((Decimal(3), Decimal("0.4")), (Decimal(8), Decimal("1.2")), (Decimal(20), Decimal(3)))
    """(basis points from the mark, BTC)."""
    inventory_max = Decimal(400)

    def __init__(self, address: str, name: str, seed: int) -> None:
        super().__init__(address, name, seed)
        self.generation = self.random.randrange(1, 2**20)

    async def decide(self, view: MarketView, account: AccountView) -> list[pb.Command]:
        """Cancel the old quotes and place new ones; client ids alternate, since a cancel takes a moment."""
        cancels = [cancel_command(SYMBOL, order_id=order.order_id) for order in account.orders if order.order_id]
        self.generation += 1
        inventory = position_of(account)
        stress = min(Decimal(5), abs(view.move(60_000)) / (10 * BASIS_POINT))
        skew = -inventory / self.inventory_max * 20
        middle = (view.mark + view.index) / 2
        places = []
        for number, (distance, size) in enumerate(self.levels):
            away = distance * (1 + stress)
            for side, sign in ((BUY, -1), (SELL, 1)):
                if inventory * -sign >= self.inventory_max:
                    continue
                price = view.price(middle * (1 + (skew + sign * away) * BASIS_POINT))
                places.append(self.quote(view, side, price, size / (1 + stress), number))
        return [*cancels, *places]

    def quote(self, view: MarketView, side: Side, price: Decimal, size: Decimal, number: int) -> pb.Command:
        """One resting order."""
        client_id = (self.generation % 2**24) * 16 + number * 2 + (side == SELL) + 1
        return order_command(
            SYMBOL,
            side,
            size=view.size(size * Decimal(self.random.randrange(80, 121)) / 100),
            price=price,
            time_in_force=common_pb2.TIME_IN_FORCE_POST_ONLY,
            client_id=client_id,
        )


class Gambler(Participant):
    """Believes in one direction with much leverage; when it is wiped out it pays in again and follows the last move."""

    deposit = Decimal(20_000)
    every_ms = 15_000
    boredom = 0.01

    def __init__(self, address: str, name: str, seed: int) -> None:
        super().__init__(address, name, seed)
        self.leverage = Decimal(self.random.randrange(5, 17))
        self.direction = 1 if self.random.random() < 0.8 else -1

    async def decide(self, view: MarketView, account: AccountView) -> list[pb.Command]:
        """Buy or sell towards the target in slices; leave what is open alone, until it grows dull."""
        equity = equity_of(account)
        position = position_of(account)
        if equity < self.deposit / 10 and not position:
            self.direction = 1 if view.move(600_000) >= 0 else -1
            await self.vigil.deposit(ASSET, self.deposit)
            return []
        if position and self.random.random() < self.boredom:
            self.direction = self.random.choice((1, 1, -1))
            return self.market_order(view, -position, reduce_only=True)
        if position:
            used = abs(position) * view.mark
            if used >= equity * self.leverage * Decimal("0.8"):
                return []
        slice_ = min(Decimal(2), equity * self.leverage / view.mark / 4)
        return self.market_order(view, slice_ * self.direction)


class Follower(Participant):
    """Joins a move of half a percent in five minutes with some leverage, and leaves when it turns."""

    deposit = Decimal(50_000)
    every_ms = 20_000
    leverage = 6

    async def decide(self, view: MarketView, account: AccountView) -> list[pb.Command]:
        """Enter, stay or leave."""
        position, move = position_of(account), view.move(300_000)
        if equity_of(account) < self.deposit / 10 and not position:
            await self.vigil.deposit(ASSET, self.deposit)
            return []
        if position and position * move < 0:
            return self.market_order(view, -position, reduce_only=True)
        if not position and abs(move) > 50 * BASIS_POINT:
            size = equity_of(account) * self.leverage / view.mark
            return self.market_order(view, size if move > 0 else -size)
        return []


class Passer(Participant):
    """Buys and sells small sizes for no reason at all, and never holds much."""

    deposit = Decimal(30_000)
    every_ms = 8_000

    async def decide(self, view: MarketView, account: AccountView) -> list[pb.Command]:
        """Trade a little, rather towards no position."""
        position = position_of(account)
        size = Decimal(self.random.randrange(1, 60)) / 100
        buys = self.random.random() < 0.5 - float(position) / 4
        return self.market_order(view, size if buys else -size)


def position_of(account: AccountView) -> Decimal:
    """Size of the position of subaccount 0."""
    return next((one.size for one in account.positions if one.symbol == SYMBOL), Decimal(0))


def equity_of(account: AccountView) -> Decimal:
    """Equity of subaccount 0."""
    return next((one.equity for one in account.margins if one.asset == ASSET), Decimal(0))


ROLES: tuple[tuple[str, type[Participant]], ...] = (
    ("maker", Maker),
    ("gambler", Gambler),
    ("passer", Passer),
    ("gambler", Gambler),
    ("maker", Maker),
    ("gambler", Gambler),
    ("follower", Follower),
    ("gambler", Gambler),
)
"""Roles are given out in turn, so that two participants make a market already."""


class Crowd:
    """All participants of a run, on one view of the market."""

    def __init__(self, address: str, count: int, seed: int) -> None:
        """`count` participants at a gateway."""
        self.view = MarketView()
        self.watcher = Vigil(address)
        self.participants: list[Participant] = []
        for number in range(count):
            role, kind = ROLES[number % len(ROLES)]
            self.participants.append(kind(address, f"{role}-{number}", seed))

    async def start(self) -> None:
        """Open and fund every account; raises ClientError."""
        market = (await self.watcher.listed()).by_symbol[SYMBOL]
        self.view.tick = Decimal(market.tick).scaleb(-market.price_decimals)
        self.view.lot = Decimal(market.lot).scaleb(-market.size_decimals)
        for participant in self.participants:
            await participant.prepare()

    async def turn(self, now_ms: Milliseconds) -> None:
        """Look at the market and let everybody act whose time it is; without a mark nobody does."""
        if all(now_ms < one.next_ms for one in self.participants):
            return
        try:
            marks = {mark.symbol: mark for mark in await self.watcher.marks()}
        except ClientError:
            return
        if SYMBOL in marks:
            self.view.look(now_ms, marks[SYMBOL].mark_price, marks[SYMBOL].index_price)
            await asyncio.gather(*(one.turn(self.view) for one in self.participants))

    async def close(self) -> None:
        """Give up the connections."""
        for client in [self.watcher, *(one.vigil for one in self.participants)]:
            await client.close()


async def trade(address: str, count: int, seed: int) -> None:
    """Trade at a venue, by its own time, until SIGTERM or SIGINT; waits for a venue that is still starting."""
    stop = stop_on_signals()
    crowd = Crowd(address, count, seed)
    while not stop.is_set():
        try:
            await crowd.start()
            break
        except ClientError as error:
            log.info("waiting_for_the_venue", error=str(error))
            await asyncio.sleep(WAIT_SECONDS)
    while not stop.is_set():
        with contextlib.suppress(ClientError):
            await crowd.turn(await crowd.watcher.now_ms())
        await asyncio.sleep(LOOK_SECONDS)
    await crowd.close()
