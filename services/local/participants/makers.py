"""Makers: they quote both sides of every market on several levels, by one mass quote each, and hedge nothing."""

from dataclasses import dataclass
from decimal import Decimal

from services.client.commands import BUY, SELL, Side, mass_quote_command, quote
from services.client.views import AccountView
from services.core.fixed import Milliseconds
from services.local.participants.participant import Participant
from services.local.participants.view import BASIS_POINT, NOTHING, PACE_MS, MarketView, View
from vigil.v1 import trading_pb2 as pb

LEVELS = (
    (Decimal(2), Decimal(3_000)),
    (Decimal(5), Decimal(8_000)),
    (Decimal(12), Decimal(20_000)),
    (Decimal(30), Decimal(50_000)),
)
"""(basis points from the middle, worth in the settlement asset)."""
RARE_TURNS = 4
"""A market that is marked every two seconds instead of one is quoted anew after so many more, and so on."""
LADDER = sum(worth for _, worth in LEVELS)
OFFERED = Decimal("0.8")
"""Part of what it has of a spot asset that it offers at once."""
INVENTORY_MAX = Decimal(1_500_000)
"""Worth of what it holds in one market, on either side; of a spot market, against what it began with."""
SKEW_MAX = Decimal(20)
"""Basis points by which a full inventory moves the quotes."""
STRESS_MAX = Decimal(5)
STRESS_STEP = 10 * BASIS_POINT
"""A move of this much in a minute adds one to the stress: quotes step back by so many times their distance, and shrink."""
MOVE_MIN = BASIS_POINT / 2
"""Smaller moves of the middle are not worth new quotes."""
AGE_MAX_MS = 30_000
"""Quotes are renewed after this time in any case."""


@dataclass
class Quoted:
    """What it quoted round, when, what it held then, and how many quotes should stand since."""

    middle: Decimal
    inventory: Decimal
    at_ms: Milliseconds
    count: int


class Maker(Participant):
    """Quotes round the middle of mark and index, moved against its inventory; steps back, with less, when the mark moves fast."""

    deposit = Decimal(1_000_000)
    deposits = 5
    every_ms = 4_000

    def __init__(self, address: str, name: str, seed: int, rate: float = 1.0, place: int = 0) -> None:
        super().__init__(address, name, seed, rate, place)
        self.quoted: dict[str, Quoted] = {}

    def endowment(self, view: View) -> list[tuple[str, Decimal]]:
        """Money, and of each spot market's base asset what it may sell."""
        bases = [(market.base, own_base(market)) for market in view.markets.values() if market.base]
        return super().endowment(view) + bases

    async def decide(self, view: View, account: AccountView) -> list[pb.Command]:
        """One mass quote for each market that has moved, or whose quotes traded."""
        return [command for market in view.marked() for command in self.requote(market, account)]

    def requote(self, market: MarketView, account: AccountView) -> list[pb.Command]:
        """Move the quotes, unless they are still good."""
        middle = (market.mark + market.index) / 2
        inventory = market.held(account) - own_base(market)
        if self.rests(market):
            return []
        standing = sum(order.symbol == market.symbol for order in account.orders)
        if self.is_good(market, middle, inventory, standing):
            return []
        quotes = [
            self.quote(market, middle, inventory, number, side) for number in levels_of(market) for side in (BUY, SELL)
        ]
        count = sum(Decimal(quote.size) > 0 for quote in quotes)
        self.quoted[market.symbol] = Quoted(middle, inventory, market.now_ms, count)
        return [mass_quote_command(market.symbol, quotes)]

    def rests(self, market: MarketView) -> bool:
        """Whether the quotes of a market that is marked rarely are left alone for now."""
        last = self.quoted.get(market.symbol)
        return last is not None and market.now_ms - last.at_ms < RARE_TURNS * (market.pace_ms - PACE_MS)

    def is_good(self, market: MarketView, middle: Decimal, inventory: Decimal, standing: int) -> bool:
        """Whether the quotes that stand may stay: all of them do, and neither price nor inventory has changed."""
        last = self.quoted.get(market.symbol)
        if last is None or standing < last.count or market.now_ms - last.at_ms >= AGE_MAX_MS:
            return False
        return last.inventory == inventory and abs(middle / last.middle - 1) < MOVE_MIN

    def quote(self, market: MarketView, middle: Decimal, inventory: Decimal, number: int, side: Side) -> pb.Quote:
        """One quote of the ladder; size 0 where it holds too much already, which withdraws it."""
        distance, worth = LEVELS[number]
        sign = 1 if side == SELL else -1
        stress = min(STRESS_MAX, abs(market.move(60_000)) / STRESS_STEP)
        full = min(INVENTORY_MAX, market.worth(own_base(market)) or INVENTORY_MAX)
        share = market.worth(inventory) / full
        away = sign * distance * (1 + stress) - share * SKEW_MAX
        size = market.size_worth(worth * self.random.randrange(80, 121) / 100 / (1 + stress))
        if market.base and side == SELL:
            size = min(size, market.size((inventory + own_base(market)) * OFFERED * worth / LADDER))
        if share * -sign >= 1:
            size = NOTHING
        price = market.price(middle * (1 + away * BASIS_POINT))
        return quote(number * 2 + side, side, price, size)


def levels_of(market: MarketView) -> range:
    """Levels that it quotes: of a market that is marked rarely every other one."""
    return range(1, len(LEVELS), 2) if market.is_rare else range(len(LEVELS))


def own_base(market: MarketView) -> Decimal:
    """What it begins with of a spot market's base asset: half of what the faucet gives at once."""
    return market.base_faucet / 2
