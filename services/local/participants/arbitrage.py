"""Arbitrageurs: they buy spot and sell the perpetual of the same index when it is dearer, and the other way round, until it is not."""

from decimal import Decimal

from services.client.views import AccountView
from services.local.participants.participant import Participant, market_order
from services.local.participants.view import BASIS_POINT, MarketView, View
from vigil.v1 import trading_pb2 as pb

ENTER = 20 * BASIS_POINT
"""Basis that pays for both takers' fees."""
LEAVE = 2 * BASIS_POINT
SLICE = Decimal(10_000)
"""Worth of one leg."""
HELD_MAX = Decimal(150_000)


class Arbitrageur(Participant):
    """Holds as much of the perpetual as it lacks of the spot asset, so that its price matters little to it."""

    deposit = Decimal(500_000)
    every_ms = 5_000

    def endowment(self, view: View) -> list[tuple[str, Decimal]]:
        """Money, and of each base asset what it may sell."""
        bases = {market.base: own_base(market) for market in view.markets.values() if market.base}
        return super().endowment(view) + list(bases.items())

    async def decide(self, view: View, account: AccountView) -> list[pb.Command]:
        """Both legs of every pair whose basis is worth it, or is gone."""
        for spot, perpetual in view.pairs():
            for market in (spot, perpetual):
                market.look_at_book(await self.vigil.book(market.symbol, 1))
        return [command for pair in view.pairs() for command in self.legs(*pair, account)]

    def legs(self, spot: MarketView, perpetual: MarketView, account: AccountView) -> list[pb.Command]:
        """Sell the dear one and buy the cheap one; what the spot account holds beyond its beginning is the position of the pair."""
        if not all((spot.best_bid, spot.best_ask, perpetual.best_bid, perpetual.best_ask)):
            return []
        held = spot.held(account) - own_base(spot)
        bought = self.wanted(spot, perpetual, held)
        size = min(spot.size_worth(SLICE), spot.size(abs(bought)))
        sign = 1 if bought > 0 else -1
        return [*market_order(spot, size * sign), *market_order(perpetual, -size * sign)]

    def wanted(self, spot: MarketView, perpetual: MarketView, held: Decimal) -> Decimal:
        """Spot to buy (> 0) or sell, towards the position that the basis is worth."""
        most = min(HELD_MAX / spot.mark, own_base(spot) / 2)
        if perpetual.best_bid / spot.best_ask - 1 > ENTER:
            return max(Decimal(0), most - held)
        if spot.best_bid / perpetual.best_ask - 1 > ENTER:
            return min(Decimal(0), -most - held)
        basis = (perpetual.best_bid + perpetual.best_ask) / (spot.best_bid + spot.best_ask) - 1
        is_gone = basis < LEAVE if held > 0 else basis > -LEAVE
        return -held if is_gone else Decimal(0)


def own_base(market: MarketView) -> Decimal:
    """What it begins with of a spot market's base asset."""
    return market.base_faucet / 4
