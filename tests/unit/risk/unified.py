"""What tests of margin over many assets share: a shard with spot, linear and inverse markets on one index, and orders that are answered."""

from typing import Any

from services.core import messages as m
from services.core.contracts import cash_flow
from services.core.fixed import INDEX_DECIMALS
from services.core.markets import Market
from services.risk.state import Subaccount
from tests.builders import ALICE, BITCOIN, BTC, DOLLAR, INVERSE, SPOT, USDC_UNIT, Driven, Person, the

MARKETS: dict[int, Market] = {market.id: market for market in (BTC, SPOT, INVERSE)}
COINS = 10**8
"""One BTC in its units."""


def unified(price: int, *more: Market) -> Driven:
    """A shard on which bitcoin is worth so many dollars: as collateral, in spot, in perpetuals and in other markets."""
    risk = Driven("risk")
    risk.tell(m.AssetListed(BITCOIN))
    for market in (*MARKETS.values(), *more):
        risk.tell(m.MarketListed(market))
        risk.tell(m.SettlementMarked(market.id, price * DOLLAR))
    see(risk, price)
    return risk


def see(risk: Driven, price: int, *marks: tuple[int, int]) -> list[m.Message]:
    """Let a second pass and the price of bitcoin be what it is now, in dollars; some markets may have other marks, in units of price."""
    risk.now_ms += 1_000
    index = price * 10**INDEX_DECIMALS
    prices = dict.fromkeys(risk.state.markets, price * DOLLAR) | dict(marks)
    return risk.tell(m.MarksUpdated([(one, mark, index) for one, mark in prices.items()], collateral=[(2, index)]))


def pay_in(risk: Driven, dollars: int = 0, coins: int = 0, who: Person = ALICE) -> None:
    """Open an account and credit whole dollars, and units of BTC."""
    risk.tell(risk.commands.open(who))
    for asset, amount in ((1, dollars * USDC_UNIT), (2, coins)):
        if amount:
            risk.tell(m.DepositCredited(who.subaccount, asset, amount, len(risk.inbox)))


def order(risk: Driven, market: int, side: int, size: int, price: int, **terms: Any) -> m.OrderAdmitted:
    """Place an order that is admitted, at a price in dollars."""
    command = risk.commands.place(ALICE, side, size, price * DOLLAR, market=market, **terms)
    return the(m.OrderAdmitted, risk.tell(command))


def take(risk: Driven, market: int, side: int, size: int, price: int) -> None:
    """Buy or sell at a price in dollars, filled at once as taker."""
    sent = order(risk, market, side, size, price)
    signed, cash = side * size, cash_flow(risk.state.markets[market], side * size, sent.price)
    order_id, trade = market * 2**40 + sent.ref, len(risk.inbox)
    risk.tell(
        m.OrderFilled(
            ALICE.subaccount, market, sent.ref, order_id, trade, sent.price, signed, cash, is_maker=False, remaining=0
        )
    )


def owner(risk: Driven) -> Subaccount:
    """Subaccount 0 of Alice."""
    found: Subaccount = risk.state.subaccounts[ALICE.subaccount]
    return found
