"""A market is one stream: sizes and clearing of all shards sum to zero, counting what is in flight; books do not cross."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from services.core import messages as m
from services.core.contracts import base_amount, value
from services.core.markets import Market
from tests.simulation.law import law


class Stream:
    """What one shard has of one market, and what it will have when all that is on its way has arrived."""

    def __init__(self, state: Any, market: Market, clearing: dict[int, int]) -> None:
        self.market = market
        self.clearing = Counter(clearing)
        self.size = 0
        self.ends = 0
        for subaccount in state.subaccounts.values():
            exposure = subaccount.exposures.get(market.id)
            if exposure is not None and (exposure.size or exposure.cash):
                self.hold(state, exposure)

    def hold(self, state: Any, exposure: Any) -> None:
        """Count a position, with the steps of its market that are not booked on it yet."""
        steps, quote = state.steps.get(self.market.id), self.market.settlement_asset
        if steps is not None:
            unpaid = steps.paid_per_lot - exposure.paid_per_lot_seen
            self.clearing[quote] += exposure.size // self.market.lot * unpaid
        if steps is not None and steps.ended:
            self.end(exposure.size, steps.price)
        else:
            self.size += exposure.size

    def end(self, size: int, price: int) -> None:
        """Close a position at a price; a market may end before it has had one, but nobody holds it then."""
        if not size:
            return
        self.clearing[-self.market.id] += size
        self.clearing[self.market.settlement_asset] -= value(self.market, size, price)

    def take(self, message: m.Message) -> None:
        """Book what is on its way, in its order."""
        quote, own = self.market.settlement_asset, -self.market.id
        match message:
            case m.OrderFilled(market=self.market.id):
                self.clearing[quote] -= message.cash
                if self.market.is_spot:
                    self.clearing[self.market.base_asset] -= base_amount(self.market, message.size)
                else:
                    self.clearing[own] -= message.size
                    self.size += message.size
            case m.FundingStepped(market=self.market.id):
                self.clearing[quote] += self.size // self.market.lot * message.payment_per_lot
            case m.MarketChanged() if message.market.id == self.market.id:
                self.market = message.market
            case m.MarketDelisted(market=self.market.id):
                self.end(self.size, message.price)
                self.size = 0
            case _:
                pass


def judge_streams(shards: list[tuple[Any, list[m.Message]]]) -> None:
    """Hold the law for each market; `shards` are the states of risk with what is in flight to each, in order.

    What rounding leaves of an inverse market stays: its dust, less than a unit per position that ended.
    """
    sizes: Counter[int] = Counter()
    clearing: Counter[tuple[int, int]] = Counter()
    known: dict[int, Market] = {}
    for state, queue in shards:
        booked = state.house.get(m.Book.CLEARING, {}).get(0, {})
        known.update(state.markets)
        for market in state.markets.values():
            stream = Stream(state, market, booked.get(market.id, {}))
            for message in queue:
                stream.take(message)
            sizes[market.id] += stream.size
            for asset, amount in stream.clearing.items():
                clearing[market.id, asset] += amount
    law(not any(sizes.values()), f"sizes sum to zero counting what is in flight: {dict(sizes)}")
    holders = sum(len(state.subaccounts) for state, _queue in shards) + len(shards)
    wrong = {
        where: amount
        for where, amount in clearing.items()
        if not 0 <= amount <= (holders if known[where[0]].is_inverse and where[1] > 0 else 0)
    }
    law(not wrong, f"clearing per market and asset is what is in flight, and dust: {wrong}")


def judge_books(states: Iterable[Any]) -> None:
    """The best bid is below the best ask, but for an auction that collects orders."""
    for state in states:
        for market, trading in state.trading.items():
            sides: dict[int, list[int]] = {1: [], -1: []}
            for order in trading.book.orders.values():
                sides[order.side].append(order.price)
            bids, asks = sides[1], sides[-1]
            crossed = bool(bids and asks) and max(bids) >= min(asks)
            law(not crossed or trading.state == m.MarketState.AUCTION, f"the book of market {market} is not crossed")
