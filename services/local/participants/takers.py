"""Takers: gamblers, followers of moves, and some who trade for no reason."""

from abc import abstractmethod
from decimal import Decimal

from services.client.views import AccountView
from services.local.participants.participant import Participant, equity_of, market_order
from services.local.participants.view import BASIS_POINT, MarketView, View
from vigil.v1 import trading_pb2 as pb


class Taker(Participant):
    """Trades in one contract: every other one in the first that is listed, the rest in the others in turn, each until its own expires."""

    symbol = ""

    async def decide(self, view: View, account: AccountView) -> list[pb.Command]:
        """Trade in its market, once that has a mark."""
        market = self.market(view)
        return [] if market is None or not market.mark else await self.trade(market, account)

    def market(self, view: View) -> MarketView | None:
        """Its market; None where no contract is traded."""
        if self.symbol not in view.markets:
            contracts = [one.symbol for one in view.markets.values() if not one.base]
            turn, is_other = divmod(self.place, 2)
            others = contracts[1:] if is_other else []
            self.symbol = others[turn % len(others)] if others else next(iter(contracts), "")
        return view.markets.get(self.symbol)

    @abstractmethod
    async def trade(self, market: MarketView, account: AccountView) -> list[pb.Command]:
        """Commands for what it sees of its market."""


class Gambler(Taker):
    """Believes in one direction with much leverage; when it is wiped out it pays in again and follows the last move."""

    every_ms = 15_000
    boredom = 0.01
    slice_max = Decimal(15_000)
    """Worth of one order."""

    def __init__(self, address: str, name: str, seed: int, rate: float = 1.0, place: int = 0) -> None:
        super().__init__(address, name, seed, rate, place)
        self.leverage = Decimal(self.random.randrange(5, 17))
        self.direction = 1 if self.random.random() < 0.8 else -1

    async def trade(self, market: MarketView, account: AccountView) -> list[pb.Command]:
        """Buy or sell towards the target in slices; leave what is open alone, until it grows dull."""
        equity, position = equity_of(account), market.held(account)
        if equity < self.deposit / 10 and not position:
            self.direction = 1 if market.move(600_000) >= 0 else -1
            await self.vigil.deposit(market.money, self.deposit)
            return []
        if position and self.random.random() < self.boredom:
            self.direction = self.random.choice((1, 1, -1))
            return market_order(market, -position, reduce_only=True)
        if position and abs(market.worth(position)) >= equity * self.leverage * Decimal("0.8"):
            return []
        return market_order(market, market.size_worth(min(self.slice_max, equity * self.leverage / 4)) * self.direction)


class Follower(Taker):
    """Joins a move of half a percent in five minutes with some leverage, and leaves when it turns."""

    deposit = Decimal(50_000)
    every_ms = 20_000
    leverage = 6

    async def trade(self, market: MarketView, account: AccountView) -> list[pb.Command]:
        """Enter, stay or leave."""
        equity, position, move = equity_of(account), market.held(account), market.move(300_000)
        if equity < self.deposit / 10 and not position:
            await self.vigil.deposit(market.money, self.deposit)
            return []
        if position and position * move < 0:
            return market_order(market, -position, reduce_only=True)
        if not position and abs(move) > 50 * BASIS_POINT:
            size = market.size_worth(equity * self.leverage)
            return market_order(market, size if move > 0 else -size)
        return []


class Passer(Taker):
    """Buys and sells small sizes for no reason at all, now here, now there, and never holds much."""

    deposit = Decimal(30_000)
    every_ms = 3_000
    worth_max = 4_000
    bias_worth = Decimal(20_000)
    """Holding this much it only sells."""

    def market(self, view: View) -> MarketView | None:
        """Any market, by lot; the rarer it is marked the less often."""
        markets = list(view.markets.values())
        return self.random.choices(markets, [1 / market.pace_ms for market in markets])[0]

    async def trade(self, market: MarketView, account: AccountView) -> list[pb.Command]:
        """Trade a little, rather towards holding nothing; of a spot market it sells no more than it has."""
        held = market.held(account)
        size = market.size_worth(Decimal(self.random.randrange(10, self.worth_max)))
        buys = self.random.random() < 0.5 - float(market.worth(held) / self.bias_worth) / 2
        if not buys and market.base:
            size = min(size, market.size(held - market.lot))
        return market_order(market, size if buys else -size)
