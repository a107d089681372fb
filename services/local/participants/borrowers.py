"""Borrowers: they buy coins with dollars that they borrow, or sell coins that they borrow, as long as it is cheap to owe."""

from decimal import Decimal

from services.client.commands import BUY, SELL, order_command
from services.client.pool_view import PoolView
from services.client.views import AccountView
from services.local.participants.participant import Participant
from services.local.participants.view import NOTHING, MarketView, View
from vigil.v1 import trading_pb2 as pb

TAKES_RATE = Decimal("0.06")
"""Per year: at less it borrows, at more than twice this it pays back."""
SLICE = Decimal(20_000)
"""Worth of one order."""


class Borrower(Participant):
    """Owes a part of its equity by spot orders that borrow what they lack: every other one dollars, to hold more coins, the rest coins."""

    deposit = Decimal(800_000)
    every_ms = 10_000
    part_least, part_most = 0.2, 0.6

    def __init__(self, address: str, name: str, seed: int, rate: float = 1.0, place: int = 0) -> None:
        super().__init__(address, name, seed, rate, place)
        self.is_long = place % 2 == 0
        self.part = Decimal(str(round(self.random.uniform(self.part_least, self.part_most), 2)))

    def market(self, view: View) -> MarketView | None:
        """Its spot market, the first that is listed for the first two; None where none is traded."""
        spots = [one for one in view.markets.values() if one.base]
        return spots[(self.place >> 1) % len(spots)] if spots else None

    def endowment(self, view: View) -> list[tuple[str, Decimal]]:
        """What it owns: coins if it owes dollars, dollars if it owes coins."""
        market = self.market(view)
        if market is None:
            return super().endowment(view)
        return [(market.base, market.base_faucet)] if self.is_long else [(market.money, self.deposit)]

    async def decide(self, view: View, account: AccountView) -> list[pb.Command]:
        """Owe more, or less, by a slice."""
        market = self.market(view)
        if market is None or not market.mark:
            return []
        asset = market.money if self.is_long else market.base
        pools = {pool.asset: pool for pool in await self.vigil.pools()}
        return self.trade(market, account, pools[asset]) if asset in pools else []

    def trade(self, market: MarketView, account: AccountView, pool: PoolView) -> list[pb.Command]:
        """Borrow while the pool is cheap and it owes less than its part, pay back when it is dear."""
        owed = next((one.owed for one in account.balances if one.asset == pool.asset), NOTHING)
        worth = owed if self.is_long else market.worth(owed)
        if pool.borrow_rate > 2 * TAKES_RATE and owed:
            return self.order(market, min(SLICE, worth), borrows=False)
        if pool.borrow_rate <= TAKES_RATE and worth < wealth(market, account) * self.part:
            return self.order(market, SLICE, borrows=True)
        return []

    def order(self, market: MarketView, worth: Decimal, *, borrows: bool) -> list[pb.Command]:
        """Buy or sell at once; nothing for less than a lot."""
        size = market.size_worth(worth)
        side = BUY if self.is_long == borrows else SELL
        return (
            [order_command(market.symbol, side, size=size, auto_borrow=borrows, auto_borrow_repay=not borrows)]
            if size
            else []
        )


def wealth(market: MarketView, account: AccountView) -> Decimal:
    """What it has in coin and money of a spot market, in that money; what it owes of either is taken off."""
    money = sum((one.idle + one.lent - one.owed for one in account.balances if one.asset == market.money), NOTHING)
    return money + market.worth(market.held(account))
