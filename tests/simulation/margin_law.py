"""The law of M-4: nobody goes below initial margin by an own accepted order that adds risk, nor below maintenance by a later fill.

Recomputed from balances, positions and open orders over all assets, without risk's own sums. Marks are those that the shard has seen:
what rests since an older mark counts with its loss to the mark of now, for it may fill the next moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, product
from typing import Any

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.markets import Market
from services.risk.health import has_fresh_mark, has_fresh_price
from tests.properties.accounts import Account, least_left
from tests.simulation.law import law

FRESH_ROUNDS = 3
MINTED = 10**5
"""What a pulse mints costs the interest of the open period: a hundred thousandth at most, at the rates and periods of these histories."""


ORDERS_MAX = 4
"""Open orders of an account up to which every combination of fills is tried; of more, each market's sides."""
UNITS_PER_ORDER = 4
"""What rounding may take."""


def spare(state: Any, subaccount: Any) -> int:
    """Equity less maintenance margin at the prices seen, of positions and debts alone."""
    return Account(state, subaccount).left(is_initial=False)


def is_all_fresh(state: Any, subaccount: Any) -> bool:
    """Whether every price that an account depends on was seen a moment ago."""
    marks = all(has_fresh_mark(state, row.market) for row in subaccount.exposures.values() if row.size)
    return marks and all(has_fresh_price(state, asset) for asset, idle in subaccount.idle.items() if idle)


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
    worths: dict[int, int] = field(default_factory=dict)
    """What everybody had to spare before a settlement."""
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
        settles = isinstance(message, m.MarketSettled)
        self.worths = {one.id: spare(state, one) for one in state.subaccounts.values()} if settles else {}
        if not isinstance(message, m.OrderFilled):
            return
        subaccount = state.subaccounts[message.subaccount]
        order = subaccount.exposures[message.market].orders[message.ref]
        self.before = spare(state, subaccount)
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
        shares_loss = any(pool.indices.burn < pool.indices.supply for pool in state.pools.values())
        for number, before in ({} if shares_loss else self.worths).items():
            after = spare(state, state.subaccounts[number])
            most = UNITS_PER_ORDER if state.subaccounts[number].claims else 0
            least = -most - abs(before) // MINTED if most else 0
            law(least <= after - before <= most, f"a settlement leaves {number} its worth, not {after - before} more")
        for one in said:
            if isinstance(one, m.OrderAdmitted | m.ReplaceRequested | m.QuotesAdmitted):
                self.judge_admission(state, one)
        self.worths = {}
        if isinstance(message, m.OrderFilled) and self.calm and self.before >= 0:
            self.fills += 1
            after = spare(state, state.subaccounts[message.subaccount])
            law(
                after >= -UNITS_PER_ORDER,
                f"a fill takes {message.subaccount} below maintenance margin by {-after}: {message}",
            )

    def judge_admission(self, state: Any, said: m.OrderAdmitted | m.ReplaceRequested | m.QuotesAdmitted) -> None:
        """Judge one admission: what adds risk leaves the subaccount at or above initial margin, whichever of its orders fill."""
        risky = any(quote[4] for quote in said.quotes) if isinstance(said, m.QuotesAdmitted) else said.adds_risk
        if risky:
            self.admissions += 1
            left = after_orders(state, state.subaccounts[said.subaccount])
            law(left >= 0, f"{said.subaccount} is below initial margin by {-left} after {said}")


def after_orders(state: Any, subaccount: Any) -> int:
    """What is left over initial margin in the worst case of its open orders, but for what rounding may take."""
    left, orders = least_left(state, subaccount, is_initial=True, orders_max=ORDERS_MAX)
    if orders < 0:
        left, orders = worst_sides(state, subaccount)
    return left + UNITS_PER_ORDER * (orders + len(state.assets))


def worst_sides(state: Any, subaccount: Any) -> tuple[int, int]:
    """What is left when in each market nothing fills, every purchase or every sale; and how many orders there are."""
    sides: list[list[list[Any]]] = []
    for exposure in subaccount.exposures.values():
        market = state.markets[exposure.market]
        found = [
            [
                (market, order)
                for order in exposure.orders.values()
                if order.side == side and loses(state, market, order)
            ]
            for side in (m.Side.BUY, m.Side.SELL)
        ]
        sides.append([[], *(orders for orders in found if orders)])
    worst = 0
    for chosen in product(*sides):
        account = Account(state, subaccount)
        for market, order in sorted(chain(*chosen), key=lambda pair: not pair[1].reduce_only):
            account.fill(market, order)
        worst = min(worst, account.left(is_initial=True))
    return worst, sum(len(exposure.orders) for exposure in subaccount.exposures.values())


def loses(state: Any, market: Market, order: Any) -> bool:
    """Whether an order trades at the mark or at a worse price."""
    return bool(market.is_spot or order.side * (order.price - state.marks[market.id].price) >= 0 or order.pending)
