"""Which collateral a liquidation sells for which debt, on the book only (M-12 step 3); it changes nothing."""

from typing import NamedTuple

from services.core.contracts import base_amount, notional
from services.core.fixed import Amount, AssetId, Price, Size, div_ceil, div_floor
from services.core.markets import Market
from services.core.messages import MarketState, Mode, Side
from services.core.reasons import Reason
from services.risk import margin
from services.risk.health import Health, Parts, has_fresh_mark, health, worth_of
from services.risk.lines import cash_of
from services.risk.shares import lent_and_owed
from services.risk.state import State, Subaccount


class Sale(NamedTuple):
    """An order that turns collateral into what is owed."""

    market: Market
    side: int
    size: Size


def best_sale(state: State, subaccount: Subaccount, now: Health) -> Sale | None:
    """Return the sale that repays most, at the marks of now; None when no market takes one."""
    sales = [
        sale for market in state.markets.values() if (sale := sale_in(state, subaccount, market, now.parts)) is not None
    ]
    return max(sales, key=lambda sale: worth_of(state, *what_it_pays(state, sale)), default=None)


def has_sale(state: State, subaccount: Subaccount) -> bool:
    """Whether something is left to sell for something that is owed."""
    now = health(state, subaccount)
    return best_sale(state, subaccount, now) is not None or is_worth_waiting(state, subaccount, now)


def sale_in(state: State, subaccount: Subaccount, market: Market, parts: Parts) -> Sale | None:
    """Sell base for a debt in the quote, or buy base that is owed with quote, as much as is owed and held, in lots.

    Rounds   up to the lot what is owed, down to it what is held
    """
    if not market.is_spot or market.id not in state.marks or not has_fresh_mark(state, market.id):
        return None
    if state.market_states.get(market.id, MarketState.OPEN) != MarketState.OPEN:
        return None
    base, quote = parts.get(market.base_asset), parts.get(market.settlement_asset)
    if base is None or quote is None:
        return None
    lot_base = base_amount(market, market.lot)
    if quote.net < 0 < base.net:
        price = margin.protection_price(market, Side.SELL, state.marks[market.id].price)
        wanted, held = (
            div_ceil(-quote.net, notional(market, market.lot, price)),
            lots_for(state, subaccount, market, Side.SELL, price, base.idle),
        )
        return sized(market, Side.SELL, min(wanted, held))
    if base.net < 0 < quote.net:
        price = margin.protection_price(market, Side.BUY, state.marks[market.id].price)
        wanted = div_ceil(-base.net, lot_base)
        held = lots_for(state, subaccount, market, Side.BUY, price, quote.idle)
        return sized(market, Side.BUY, min(wanted, held))
    return None


def lots_for(state: State, subaccount: Subaccount, market: Market, side: int, price: Price, money: Amount) -> int:
    """Lots that money pays for in cash: what is lent counts as far as the shard's line redeems it, whatever the throttle (M-10)."""
    asset = market.base_asset if side == Side.SELL else market.settlement_asset
    cash = min(money, cash_of(state, subaccount, asset, Mode.REDEEM).amount)
    return div_floor(cash, margin.order_hold(market, side, price, market.lot, 0))


def sized(market: Market, side: int, lots: int) -> Sale | None:
    """Build a sale of so many lots, no larger than an order may be."""
    size = min(max(0, lots) * market.lot, market.order_size_max)
    return Sale(market, side, size) if size else None


def what_it_pays(state: State, sale: Sale) -> tuple[AssetId, Amount]:
    """What a sale repays at the mark."""
    if sale.side == Side.BUY:
        return sale.market.base_asset, base_amount(sale.market, sale.size)
    return sale.market.settlement_asset, notional(sale.market, sale.size, state.marks[sale.market.id].price)


def is_worth_waiting(state: State, subaccount: Subaccount, now: Health) -> bool:
    """Whether collateral is left that a market could take, if only it were open and its mark fresh."""
    for market in state.markets.values():
        if market.is_spot and state.market_states.get(market.id, MarketState.OPEN) != MarketState.DELISTED:
            base, quote = now.parts.get(market.base_asset), now.parts.get(market.settlement_asset)
            if base is None or quote is None or base.net * quote.net >= 0:
                continue
            is_closed = state.market_states.get(market.id, MarketState.OPEN) != MarketState.OPEN
            giving = market.base_asset if base.net > 0 else market.settlement_asset
            if is_lent_out(state, subaccount, giving):
                return True
            if is_closed or market.id not in state.marks or not has_fresh_mark(state, market.id):
                return True
    return False


def is_lent_out(state: State, subaccount: Subaccount, asset: AssetId) -> bool:
    """Whether what a subaccount has lent cannot be redeemed in full now, for want of cash."""
    lent, _owed = lent_and_owed(state, subaccount, asset)
    return lent > 0 and cash_of(state, subaccount, asset, Mode.REDEEM).reason is Reason.NO_LIQUIDITY
