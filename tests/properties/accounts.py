"""An account as arithmetic alone knows it: nets and sizes, to which orders are filled in every combination; the oracle of M-4.

It knows contracts and weights of collateral, and none of risk's own sums, holds or bounds.
"""

from collections import Counter
from itertools import combinations

from services.core.collateral import collateral_value, worth_high
from services.core.contracts import base_amount, cash_flow, fee, initial_margin, maintenance_margin, notional, value
from services.core.markets import Market
from services.core.messages import OrderKind
from services.risk.health import debt_initial, debt_maintenance, fraction_min, price_of
from services.risk.shares import lent_and_owed
from services.risk.state import OpenOrder, State, Subaccount

ORDERS_MAX = 7
"""Books of one account up to which every subset of fills is tried."""
ROUNDING = 4
"""Units that may be lost to rounding per order and asset."""


class Account:
    """An account as arithmetic alone knows it: nets and sizes, to which fills are applied."""

    def __init__(self, state: State, subaccount: Subaccount) -> None:
        self.state = state
        self.idle = Counter(subaccount.idle)
        self.sizes: dict[int, int] = {}
        for asset in subaccount.claims:
            lent, owed = lent_and_owed(state, subaccount, asset)
            self.idle[asset] += lent - owed
        for exposure in subaccount.exposures.values():
            market, steps = state.markets[exposure.market], state.steps.get(exposure.market)
            if market.is_spot:
                continue
            if market.id in state.pulses:
                if exposure.size and not (steps is not None and steps.ended):
                    self.idle[market.settlement_asset] += value(market, -exposure.size, state.pulses[market.id].mark)
                    self.sizes[market.id] = exposure.size
                continue
            self.idle[market.settlement_asset] += exposure.cash
            if steps is not None:
                paid = (steps.paid_per_lot - exposure.paid_per_lot_seen) * exposure.size // market.lot
                self.idle[market.settlement_asset] -= paid
            if steps is not None and steps.ended:
                self.idle[market.settlement_asset] += value(market, exposure.size, steps.price)
            elif exposure.size:
                self.sizes[market.id] = exposure.size
        self.fraction_min = fraction_min(subaccount)

    def fill(self, market: Market, order: OpenOrder) -> None:
        """Let an order fill as it will stand: at the newest terms on their way, else its own."""
        size, price = order.remaining, order.price
        if order.pending:
            newest = order.pending[-1]
            size, price = max(0, newest.size - order.filled), newest.price
        if order.reduce_only:
            size = min(size, max(0, -order.side * self.sizes.get(market.id, 0)))
        if not size:
            return
        signed = order.side * size
        self.idle[market.settlement_asset] += cash_flow(market, signed, price)
        self.idle[market.settlement_asset] -= fee(notional(market, size, price), market.taker_fee)
        if market.is_spot:
            self.idle[market.base_asset] += base_amount(market, signed)
        else:
            self.sizes[market.id] = self.sizes.get(market.id, 0) + signed

    def left(self, *, is_initial: bool) -> int:
        """What is left over initial or maintenance margin, at the marks of now."""
        state, own = self.state, Counter(self.idle)
        needs: Counter[int] = Counter()
        for market_id, size in self.sizes.items():
            market, mark = state.markets[market_id], state.marks[market_id]
            own[market.settlement_asset] += value(market, size, mark.price)
            needs[market.settlement_asset] += (
                initial_margin(market, size, mark.price, mark.open_interest, self.fraction_min)
                if is_initial
                else maintenance_margin(market, size, mark.price)
            )
        left = 0
        for asset_id, net in own.items():
            asset = state.assets[asset_id]
            price, terms = price_of(state, asset), asset.collateral
            left += collateral_value(
                asset, net, price, terms.initial_weight if is_initial else terms.maintenance_weight
            )
            left -= worth_high(asset, needs[asset_id], price)
            if net < 0:
                left -= (debt_initial if is_initial else debt_maintenance)(asset, -net, price)
        return left


def least_left(
    state: State, subaccount: Subaccount, *, is_initial: bool, orders_max: int = ORDERS_MAX
) -> tuple[int, int]:
    """Least that is left whichever orders fill, reduce-only ones first or last; and how many orders there are, -1 if too many."""
    orders = [
        (state.markets[exposure.market], order)
        for exposure in subaccount.exposures.values()
        for order in exposure.orders.values()
        if order.kind != OrderKind.LIQUIDATION
    ]
    if len(orders) > orders_max:
        return 0, -1
    orders.sort(key=lambda pair: not pair[1].reduce_only)
    found = []
    for count in range(len(orders) + 1):
        for chosen in combinations(orders, count):
            for sequence in (chosen, chosen[::-1]):
                account = Account(state, subaccount)
                for market, order in sequence:
                    account.fill(market, order)
                found.append(account.left(is_initial=is_initial))
    return min(found), len(orders)
