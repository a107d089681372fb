"""A market is one stream: sizes and clearing of all shards sum to zero, counting what is in flight; books do not cross."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from services.core import messages as m
from services.core.contracts import base_amount, value
from services.core.markets import Market
from tests.simulation.law import law


class Foreseen:
    """What one shard will have of each market when all that is on its way, in its order, has arrived."""

    def __init__(self, state: Any, queue: Iterable[m.Message]) -> None:
        self.markets: dict[int, Market] = dict(state.markets)
        self.holders = len(state.subaccounts)
        self.sizes: defaultdict[int, int] = defaultdict(int)
        self.clearing: defaultdict[tuple[int, int], int] = defaultdict(int)
        """By (market, asset)."""
        for market, assets in state.house.get(m.Book.CLEARING, {}).get(0, {}).items():
            for asset, amount in assets.items():
                self.clearing[market, asset] = amount
        for subaccount in state.subaccounts.values():
            for exposure in subaccount.exposures.values():
                if exposure.size:
                    self.hold(state, exposure)
        for message in queue:
            self.take(message)

    def hold(self, state: Any, exposure: Any) -> None:
        """Count a position, with the steps of its market that are not booked on it yet."""
        market = self.markets[exposure.market]
        steps, pulse = state.steps.get(market.id), state.pulses.get(market.id)
        if pulse is not None:  # What pulses have paid is undone: the positions' cash is what it would be without.
            self.clearing[market.id, market.settlement_asset] += value(market, exposure.size, pulse.mark)
        elif steps is not None:
            unpaid = steps.paid_per_lot - exposure.paid_per_lot_seen
            self.clearing[market.id, market.settlement_asset] += exposure.size // market.lot * unpaid
        if steps is not None and steps.ended:
            self.end(market, exposure.size, steps.price)
        else:
            self.sizes[market.id] += exposure.size

    def end(self, market: Market, size: int, price: int) -> None:
        """Close a position at a price; a market may end before it has had one, but nobody holds it then."""
        if size:
            self.clearing[market.id, -market.id] += size
            self.clearing[market.id, market.settlement_asset] -= value(market, size, price)

    def take(self, message: m.Message) -> None:
        """Book what is on its way."""
        match message:
            case m.OrderFilled():
                market = self.markets[message.market]
                self.clearing[market.id, market.settlement_asset] -= message.cash
                if market.is_spot:
                    self.clearing[market.id, market.base_asset] -= base_amount(market, message.size)
                else:
                    self.clearing[market.id, -market.id] -= message.size
                    self.sizes[market.id] += message.size
            case m.FundingStepped() if message.market in self.markets:
                market = self.markets[message.market]
                lots = self.sizes[market.id] // market.lot
                self.clearing[market.id, market.settlement_asset] += lots * message.payment_per_lot
            case m.MarketListed() | m.MarketChanged():
                self.markets[message.market.id] = message.market
            case m.MarketDelisted() if message.market in self.markets:
                self.end(self.markets[message.market], self.sizes.pop(message.market, 0), message.price)
            case _:
                pass


class Streams:
    """The law over all shards. One is looked at again when it has taken a record, or matching has said something to it."""

    def __init__(self) -> None:
        self.shards: dict[str, Foreseen] = {}
        self.has_changed = False
        self.roundings = 0
        """How often a fill or a pulse may have rounded so far."""

    def see(self, shard: str, state: Any, queue: Iterable[m.Message]) -> None:
        """Look at one shard; `queue` is what is in flight to it, each market in its order."""
        before, now = self.shards.get(shard), Foreseen(state, queue)
        self.shards[shard] = now
        self.roundings += 1 + (now.holders if state.pulses else 0)
        if before is None or (before.sizes, before.clearing) != (now.sizes, now.clearing):
            self.has_changed = True

    def judge(self) -> None:
        """Hold the law for each market, if a sum has changed.

        What rounding leaves of an inverse market stays: its dust, less than a unit per fill, per position that ended and per one that a
        pulse settled alone.
        """
        if not self.has_changed:
            return
        self.has_changed = False
        sizes, clearing = Counter[int](), Counter[tuple[int, int]]()
        known: dict[int, Market] = {}
        for shard in self.shards.values():
            known.update(shard.markets)
            sizes.update(shard.sizes)
            clearing.update(shard.clearing)
        law(not any(sizes.values()), f"sizes sum to zero counting what is in flight: {dict(sizes)}")
        dust = self.roundings + sum(shard.holders + 1 for shard in self.shards.values())
        wrong = {
            where: amount
            for where, amount in clearing.items()
            if not 0 <= amount <= (dust if where[1] > 0 and known[where[0]].is_inverse else 0)
        }
        law(not wrong, f"clearing per market and asset is what is in flight, and dust: {wrong}")


def judge_books(state: Any) -> None:
    """The best bid is below the best ask, but for an auction that collects orders."""
    for market, trading in state.trading.items():
        sides: dict[int, list[int]] = {1: [], -1: []}
        for order in trading.book.orders.values():
            sides[order.side].append(order.price)
        bids, asks = sides[1], sides[-1]
        if bids and asks and max(bids) >= min(asks):
            law(trading.state == m.MarketState.AUCTION, f"the book of market {market} is not crossed")
