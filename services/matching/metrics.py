"""What a matching partition shows of its state: open interest, orders in the book, best prices; it changes nothing."""

from collections.abc import Iterator

from services.core.messages import MarketState
from services.core.metrics import Family, Metrics, Reading
from services.matching.state import State

OPEN_INTEREST = Family("vigil_open_interest", "Sum of long positions, in the market's units of size", ("market",))
ORDERS_OPEN = Family("vigil_orders_open", "Orders that rest in the book", ("market",))
BEST_BID = Family("vigil_best_bid", "Highest price bid; no sample while nobody bids", ("market",))
BEST_ASK = Family("vigil_best_ask", "Lowest price asked; no sample while nobody asks", ("market",))
ORDERS = Family("vigil_orders", "Orders that reached the market, ever", ("market",), "counter")
TRADES = Family("vigil_trades", "Trades of the market, ever", ("market",), "counter")
MARK_SEEN_AGE = Family("vigil_mark_seen_age_seconds", "Age of the mark that the band rests on", ("market",))
STATE = Family("vigil_market_state", "1 for the state that the market is in", ("market", "state"))
PAUSES = Family(
    "vigil_price_limit_pauses", "Auctions that a passed price limit brought about, ever", ("market",), "counter"
)
TRIPS = Family("vigil_protections_tripped", "Market-maker protections that tripped, ever", ("market",), "counter")
SWEEPING = Family("vigil_orders_sweeping", "Orders still to be looked at before the market goes on", ("market",))
FAMILIES = (
    OPEN_INTEREST,
    ORDERS_OPEN,
    BEST_BID,
    BEST_ASK,
    ORDERS,
    TRADES,
    MARK_SEEN_AGE,
    STATE,
    PAUSES,
    TRIPS,
    SWEEPING,
)


def measure(state: State) -> Iterator[Reading | None]:
    """Look at every market."""
    for market_id, trading in state.trading.items():
        market = state.markets[market_id]
        label = (market.symbol,)
        yield Reading(OPEN_INTEREST, label, trading.open_interest, market.size_decimals)
        yield Reading(ORDERS_OPEN, label, len(trading.book.orders))
        yield Reading(ORDERS, label, trading.orders)
        yield Reading(TRADES, label, trading.trades)
        yield Reading(PAUSES, label, trading.pauses)
        yield Reading(TRIPS, label, trading.protections_tripped)
        sweep = state.sweeps.get(market_id)
        yield Reading(SWEEPING, label, 0 if sweep is None else len(sweep.pending))
        for family, price in ((BEST_BID, trading.book.bids.best()), (BEST_ASK, trading.book.asks.best())):
            if price:
                yield Reading(family, label, price, market.price_decimals)
        for one in MarketState:
            yield Reading(STATE, (market.symbol, one.name), int(trading.state == one))
        if trading.mark_seen_ms and trading.state != MarketState.DELISTED:
            yield Reading(MARK_SEEN_AGE, label, state.now_ms - trading.mark_seen_ms, 3)


METRICS = Metrics(FAMILIES, measure)
