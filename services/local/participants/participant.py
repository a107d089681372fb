"""One participant: a client with a key of its own that is asked now and then what it wants; what that is, its kind decides."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import Decimal
from hashlib import blake2b
from random import Random

import structlog

from services.client import ClientError, Outcome, Result, SigningKey, Vigil
from services.client.commands import BUY, SELL, order_command
from services.client.views import AccountView
from services.core.fixed import Milliseconds
from services.local.participants.view import NOTHING, MarketView, View
from vigil.v1 import trading_pb2 as pb

WINDOW_MS = 60_000
TIME_AGE_S = 0.05

log = structlog.get_logger(__name__)


class Participant(ABC):
    """Acts about every `every_ms` of the venue's time, and pays in `deposit` of the venue's money `deposits` times at first."""

    deposit = Decimal(20_000)
    deposits = 1
    every_ms = 10_000

    lease_ms = 0
    """With a lease its orders are cancelled when it is gone: not where the venue's time is faster than real time."""

    def __init__(self, address: str, name: str, seed: int, rate: float = 1.0, place: int = 0) -> None:
        """Connects when it first acts; name and seed give the key, `rate` says how many times as often it acts.

        `place` says which of its kind it is, from 0 on.
        """
        self.name = name
        self.place = place
        self.rate = rate
        self.random = Random(f"{seed}/{name}")  # noqa: S311 - a seeded strategy, no secret
        key = SigningKey(blake2b(f"vigil participant {seed}/{name}".encode(), digest_size=32).digest())
        self.vigil = Vigil(address, key, window_ms=WINDOW_MS, time_age_s=TIME_AGE_S)
        self.next_ms: Milliseconds = 0
        self.orders = 0
        self.refused = 0

    async def prepare(self, view: View) -> None:
        """Open the account and fund it, where that was not done before; raises ClientError."""
        await self.vigil.open_account()
        account = await self.vigil.account()
        if not account.balances:
            for asset, amount in self.endowment(view):
                await self.vigil.deposit(asset, amount)

    def endowment(self, view: View) -> list[tuple[str, Decimal]]:
        """What it pays in at first: (asset, amount)."""
        moneys = sorted({market.money for market in view.markets.values()})
        return [(asset, self.deposit) for asset in moneys for _ in range(self.deposits)]

    def pause_ms(self) -> int:
        """Time until it acts again."""
        return max(1, int(self.every_ms * self.random.uniform(0.7, 1.3) / self.rate))

    async def turn(self, view: View) -> None:
        """Act if it is time."""
        if view.now_ms >= self.next_ms:
            self.next_ms = view.now_ms + self.pause_ms()
            await self.act(view)

    async def act(self, view: View) -> None:
        """Look at the account, decide, submit; what the venue refuses is counted, and forgotten."""
        try:
            commands = await self.decide(view, await self.vigil.account())
            if commands:
                await self.keep_stream()
                self.count(await self.vigil.submit(commands))
        except ClientError as error:
            self.refused += 1
            log.debug("participant_refused", name=self.name, error=str(error))

    async def keep_stream(self) -> None:
        """Begin the Trade stream at first, and anew when the venue ended it for good; raises ClientError."""
        if self.vigil.stream is None or self.vigil.stream.over is not None:
            await self.vigil.begin_stream(self.lease_ms)

    def count(self, results: Sequence[Result]) -> None:
        """Count what became of commands."""
        self.orders += len(results)
        self.refused += sum(result.outcome is Outcome.REFUSED for result in results)

    @abstractmethod
    async def decide(self, view: View, account: AccountView) -> list[pb.Command]:
        """Commands for what it sees."""


def market_order(market: MarketView, size: Decimal, *, reduce_only: bool = False) -> list[pb.Command]:
    """Buy (size > 0) or sell at once, within the venue's bands; nothing for less than a lot."""
    lots = market.size(abs(size))
    if not lots:
        return []
    return [order_command(market.symbol, BUY if size > 0 else SELL, size=lots, reduce_only=reduce_only)]


def equity_of(account: AccountView) -> Decimal:
    """Equity of subaccount 0."""
    return next((one.equity for one in account.margins if one.subaccount == 0), NOTHING)
