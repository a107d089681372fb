"""The law of M-4: nobody goes below initial margin by an own accepted order that adds risk, nor below maintenance by a later fill.

Recomputed from balances, positions and open orders, in whole units, without risk's own sums. Marks are those that the shard has seen:
what rests since an older mark counts with its loss to the mark of now, for it may fill the next moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.markets import Market
from tests.simulation.law import law
from tests.simulation.venue import USDC

FRESH_ROUNDS = 3


def part(amount: int, fraction: int) -> int:
    """Part of an amount, rounded up."""
    return -(-amount * fraction // FRACTION_ONE)


def worth(market: Market, size: int, price: int) -> int:
    """Value of |size| at a price."""
    numerator, denominator = market.unit
    return abs(size) * price * numerator // denominator


@dataclass
class Terms:
    """What an order may be: its own price and size left, or those of a replace on its way."""

    side: int
    price: int
    size: int

    def cost(self, market: Market, mark_price: int) -> int:
        """Fee and loss to the mark when it fills now; all that a spot purchase gives."""
        paid = worth(market, self.size, self.price)
        charged = part(paid, market.taker_fee)
        if market.is_spot:
            return paid + charged if self.side == m.Side.BUY else 0
        return charged + worth(market, self.size, max(0, self.side * (self.price - mark_price)))


def spare(state: Any, subaccount: Any, fraction: str) -> int:
    """Equity less margin at the marks seen, of positions alone; `fraction` names the margin."""
    left: int = subaccount.idle.get(USDC.id, 0)
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        if exposure.size:
            mark_price = state.marks[market.id].price
            value = worth(market, exposure.size, mark_price)
            left += exposure.cash + (value if exposure.size > 0 else -value)
            left -= part(value, getattr(market, fraction))
    return left


def band_of(state: Any, market: int) -> tuple[int, int]:
    """Mark and band of a market as matching has them."""
    return state.trading[market].mark_price_seen, state.markets[market].band


@dataclass
class Margins:
    """Marks at which matching filled, and what a subaccount had to spare before the record that is judged."""

    filled_at: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Matching's marks before and after the record of each fill, by (subaccount, trade id)."""
    bands: dict[int, tuple[int, int]] = field(default_factory=dict)
    """(mark, band) of matching's markets before the record that is judged."""
    before: int = 0
    before_orders: int = 0
    calm: bool = False
    admissions: int = 0
    fills: int = 0

    def prepare_matching(self, state: Any) -> None:
        """Look at the bands before a record of matching: what a timer does, it does before the record moves the mark."""
        self.bands = {number: band_of(state, number) for number in state.trading}

    def told(self, state: Any, fill: m.OrderFilled) -> None:
        """Matching said a fill: within the band round its mark, before or after the record."""
        marks = [self.bands[fill.market], band_of(state, fill.market)]
        self.filled_at[fill.subaccount, fill.trade_id] = (marks[0][0], marks[1][0])
        law(
            any(abs(fill.price - mark_price) * FRACTION_ONE <= mark_price * band for mark_price, band in marks),
            f"a fill at {fill.price} is within the band of market {fill.market}, (mark, band) {marks}",
        )

    def prepare(self, state: Any, message: m.Message) -> None:
        """Look at a subaccount before its fill is booked."""
        self.calm = False
        if isinstance(message, m.PlaceOrder | m.ReplaceOrder | m.MassQuote):
            known = state.subaccounts.get(message.subaccount)
            self.before_orders = 0 if known is None else after_orders(state, known)
        if not isinstance(message, m.OrderFilled):
            return
        subaccount = state.subaccounts[message.subaccount]
        order = subaccount.exposures[message.market].orders[message.ref]
        self.before = spare(state, subaccount, "maintenance_margin_fraction")
        self.calm = (
            order.kind != m.OrderKind.LIQUIDATION
            and subaccount.liquidation is None
            and not subaccount.cancels
            and not order.ending
            and not state.queue
            and state.rounds_since_resumed >= FRESH_ROUNDS
            and self.filled_at[message.subaccount, message.trade_id] == (state.marks[message.market].price,) * 2
        )

    def judge(self, state: Any, message: m.Message, said: Sequence[m.Message]) -> None:
        """Judge what a record did: the orders that risk let pass, and the fill that it booked."""
        for one in said:
            if isinstance(one, m.OrderAdmitted | m.ReplaceRequested | m.QuotesAdmitted):
                self.judge_admission(state, one)
        if isinstance(message, m.OrderFilled) and self.calm and self.before >= 0:
            self.fills += 1
            after = spare(state, state.subaccounts[message.subaccount], "maintenance_margin_fraction")
            law(after >= 0, f"a fill takes {message.subaccount} below maintenance margin by {-after}: {message}")

    def judge_admission(self, state: Any, said: m.OrderAdmitted | m.ReplaceRequested | m.QuotesAdmitted) -> None:
        """Judge one admission: what adds risk leaves the subaccount at or above initial margin, all its orders filled.

        Who is below already may sell coins, which count nothing, for money.
        """
        risky = any(quote[4] for quote in said.quotes) if isinstance(said, m.QuotesAdmitted) else said.adds_risk
        if risky:
            self.admissions += 1
            left = after_orders(state, state.subaccounts[said.subaccount])
            sells = state.markets[said.market].is_spot and left >= self.before_orders
            law(left >= 0 or sells, f"{said.subaccount} is below initial margin by {-left} after {said}")


def after_orders(state: Any, subaccount: Any) -> int:
    """What is left over initial margin when in each market the worse side of the open orders fills now."""
    left: int = subaccount.idle.get(USDC.id, 0)
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        mark_price = state.marks[market.id].price
        value = worth(market, exposure.size, mark_price)
        left += exposure.cash + (value if exposure.size > 0 else -value)
        needs = [part(value, market.initial_margin_fraction)]
        for side in (m.Side.BUY, m.Side.SELL):
            terms = [
                terms_of(order) for order in exposure.orders.values() if order.side == side and not order.reduce_only
            ]
            filled = sum(one.size for one in terms) if not market.is_spot else 0
            after = worth(market, exposure.size + side * filled, mark_price)
            costs = sum(one.cost(market, mark_price) for one in terms)
            needs.append(part(after, market.initial_margin_fraction) + costs)
        left -= max(needs)
    return left


def terms_of(order: Any) -> Terms:
    """What an order that may add stands for: the newest terms on their way, else its own."""
    if not order.pending:
        return Terms(order.side, order.price, order.remaining)
    newest = order.pending[-1]
    return Terms(order.side, newest.price, max(0, newest.size - order.filled))
