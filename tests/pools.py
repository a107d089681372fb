"""What tests of lending pools are made of: assets with a pool, markets that pulse, a shard that has both, periods opened by hand."""

from typing import Any

from services.core import messages as m
from services.core.contracts import cash_flow
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS
from services.core.markets import Market, PoolTerms
from services.core.pool import DEBT, INDEX_ONE, SUPPLY, Indices
from services.risk.periods import outstanding, pool_cash
from services.risk.shares import lent_and_owed
from services.risk.state import Subaccount
from tests.builders import (
    ALICE,
    BITCOIN,
    BTC,
    DOLLAR,
    INVERSE,
    PERCENT,
    SPOT,
    USDC,
    USDC_UNIT,
    Driven,
    Person,
    but,
    genesis,
    the,
)

TERMS = PoolTerms(
    optimal=80 * PERCENT,
    slope=10 * PERCENT,
    steep_slope=200 * PERCENT,
    base=PERCENT,
    reserve_factor=10 * PERCENT,
    throttle_bound=95 * PERCENT,
)
"""A pool of an asset: 11 % per year at four fifths, 211 % when all is lent; a tenth is the reserve's."""
RATE_MAX = FRACTION_ONE // 4_000
"""Per hour: a little more than the pool's highest rate, as a listing asks."""
POOLED_USDC = but(USDC, pool=TERMS, collateral=but(USDC.collateral, borrow_rate_max=RATE_MAX))
POOLED_BITCOIN = but(BITCOIN, pool=TERMS, collateral=but(BITCOIN.collateral, borrow_rate_max=RATE_MAX))
PULSING = but(BTC, pulse_interval_ms=10_000)
PULSING_INVERSE = but(INVERSE, pulse_interval_ms=10_000)
MARKETS: dict[int, Market] = {market.id: market for market in (PULSING, SPOT, PULSING_INVERSE)}
YEAR_MS = 365 * 24 * 3_600_000


def pooled(price: int = 8_000, *, line: int = 0, **partitions: int) -> Driven:
    """A shard whose dollars and bitcoins have pools, with markets that pulse, and spot, at so many dollars; a line on each pool."""
    risk = Driven("risk", founding=genesis(**partitions))
    for asset in (POOLED_USDC, POOLED_BITCOIN):
        risk.tell(m.AssetListed(asset))
    for market in MARKETS.values():
        risk.tell(m.MarketListed(market))
        risk.tell(m.SettlementMarked(market.id, price * DOLLAR))
    see(risk, price)
    if line:
        for asset_id in (1, 2):
            opens(risk, asset_id, line=line)
    return risk


def see(risk: Driven, price: int) -> list[m.Message]:
    """Let a second pass and all prices be what they are now, in dollars."""
    risk.now_ms += 1_000
    index = price * 10**INDEX_DECIMALS
    return risk.tell(m.MarksUpdated([(one, price * DOLLAR, index) for one in MARKETS], collateral=[(2, index)]))


def opens(risk: Driven, asset: int = 1, *, line: int = 0, borrow_room: int = 10**18, **indices: int) -> list[m.Message]:
    """Open the pool's next period on a shard by hand: indices as they were unless said otherwise, and a longer line."""
    before = risk.state.pools[asset].indices
    closes_at_ms = indices.pop("closes_at_ms", risk.now_ms + 60_000)
    terms: dict[str, Any] = {"period": before.period + 1, "closes_at_ms": closes_at_ms, **indices}
    opened = m.PeriodOpened(0, asset, but(before, **terms), line, 0, 0, borrow_room)
    return risk.tell(opened)


def pay_in(risk: Driven, dollars: int = 0, coins: int = 0, who: Person = ALICE) -> None:
    """Open an account and credit whole dollars, and units of BTC; lines are then as they were, as if the cash had been needed elsewhere."""
    risk.tell(risk.commands.open(who))
    for asset, amount in ((1, dollars * USDC_UNIT), (2, coins)):
        if amount:
            before = line_of(risk, asset)
            credit(risk, asset, amount, who)
            set_line(risk, asset, before)


def credit(risk: Driven, asset: int, amount: int, who: Person = ALICE) -> None:
    """Credit a deposit of units."""
    risk.tell(m.DepositCredited(who.subaccount, asset, amount, len(risk.inbox)))


def line_of(risk: Driven, asset: int = 1) -> tuple[int, int, int]:
    """A shard's line: unused, what of it came in since the report, what may be borrowed."""
    pool = risk.state.pools[asset]
    return pool.line, pool.fresh, pool.borrow_room


def set_line(risk: Driven, asset: int, line: tuple[int, int, int]) -> None:
    """Let a shard's line be what an opening could have made it."""
    pool = risk.state.pools[asset]
    pool.line, pool.fresh, pool.borrow_room = line


def order(risk: Driven, side: int, size: int, price: int, market: int = 1, who: Person = ALICE) -> m.OrderAdmitted:
    """Place an order that is admitted, at a price in dollars."""
    return the(m.OrderAdmitted, risk.tell(risk.commands.place(who, side, size, price * DOLLAR, market=market)))


def fill(risk: Driven, sent: m.OrderAdmitted, price: int = 0, size: int = 0) -> list[m.Message]:
    """Fill an order as taker, at its price or another in dollars, whole or in part."""
    at, lots = price * DOLLAR or sent.price, size or sent.size
    cash = cash_flow(MARKETS[sent.market], sent.side * lots, at)
    left = sent.size - lots
    number = len(risk.inbox)
    order_id = sent.market << 40 | sent.ref
    told = m.OrderFilled(
        sent.subaccount,
        sent.market,
        sent.ref,
        order_id,
        number,
        at,
        sent.side * lots,
        cash,
        is_maker=False,
        remaining=left,
    )
    return risk.tell(told)


def take(risk: Driven, side: int, size: int, price: int, market: int = 1, who: Person = ALICE) -> list[m.Message]:
    """Buy or sell at a price in dollars, filled at once as taker."""
    return fill(risk, order(risk, side, size, price, market, who))


def pulse(risk: Driven, price: int, market: int = 1) -> list[m.Message]:
    """Settle a market to a mark in dollars."""
    return risk.tell(m.SettlementMarked(market, price * DOLLAR, len(risk.inbox)))


def modes(risk: Driven, bits: int, who: Person = ALICE) -> list[m.Message]:
    """Set somebody's modes."""
    return risk.tell(m.SetModes(risk.commands.header(who), who.subaccount, bits))


def ask(risk: Driven, kind: type[Any], amount: int, asset: int = 1, who: Person = ALICE) -> list[m.Message]:
    """Lend, redeem, borrow or repay."""
    return risk.tell(kind(risk.commands.header(who), who.subaccount, asset, amount))


def account(risk: Driven, who: Person = ALICE) -> Subaccount:
    """Subaccount 0 of somebody."""
    found: Subaccount = risk.state.subaccounts[who.subaccount]
    return found


def claim(risk: Driven, asset: int = 1, who: Person = ALICE) -> tuple[int, int]:
    """What somebody has lent and owes, pulses counted in."""
    return lent_and_owed(risk.state, account(risk, who), asset)


def pool_of(risk: Driven, asset: int = 1) -> tuple[int, int, int]:
    """Supply and debt shares of a shard in whole, and its pool cash."""
    state = risk.state
    supply, debt = (outstanding(state, asset, side) // 10**18 for side in (SUPPLY, DEBT))
    return supply, debt, pool_cash(state, asset)


def with_interest(rate: int, length_ms: int = 60_000, **indices: int) -> dict[str, Any]:
    """Fields of a period whose borrowers pay a rate (parts of 1e12 per year): mint and borrow index contain it."""
    supply = indices.get("supply", INDEX_ONE)
    part = -(-supply * rate * length_ms // (FRACTION_ONE * YEAR_MS))
    fields = {"supply": supply, "burn": supply, "mint": supply + part, "borrow": supply + part}
    return {**fields, **indices, "rate": rate, "length_ms": length_ms}


FIRST = Indices()
