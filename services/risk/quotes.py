"""Mass quotes: many orders set by client id in one record, admitted together, answered together; they never take."""

from services.core.fixed import account_of
from services.core.markets import Market, on_grid
from services.core.messages import (
    QUOTES_MAX,
    MassQuote,
    Message,
    OrderKind,
    Quote,
    QuoteAdmitted,
    QuoteAnswer,
    QuotesAdmitted,
    QuotesAnswered,
    QuoteState,
    QuotesUpdated,
    Scope,
    Side,
    TimeInForce,
)
from services.core.reasons import Reason, Refusal
from services.risk.access import take_up
from services.risk.admission import Change, check_admission, closes_at_most
from services.risk.conditions import waits_as
from services.risk.open_orders import add_order, begin_terms, end_order, hold_of, name_order, settle_terms
from services.risk.orders import (
    PENDING_MAX,
    change_of,
    check_band,
    check_mark,
    check_market,
    check_notional,
    check_size,
    orders_max,
    refuse,
)
from services.risk.state import Exposure, OpenOrder, State, Subaccount, Terms, drop_empty, exposure_of


def process_quotes(state: State, quoting: MassQuote) -> list[Message]:
    """Admit all quotes, or refuse all with the reason of the first that does not pass."""
    header = quoting.header
    answer = take_up(state, header, quoting.subaccount, Scope.TRADE, orders=max(1, len(quoting.quotes)))
    if answer is not None:
        return answer
    market = state.markets.get(quoting.market)
    if market is None:
        return refuse(state, header, Refusal(Reason.UNKNOWN_MARKET))
    known = state.subaccounts.get(quoting.subaccount)
    exposure = (known and known.exposures.get(market.id)) or Exposure(market.id)
    refusal = check_market(state, market, TimeInForce.POST_ONLY) or check_quotes(
        state, market, known or Subaccount(quoting.subaccount), exposure, quoting.quotes
    )
    if refusal is not None:
        return refuse(state, header, refusal)
    quotes = [quote for quote in quoting.quotes if quote[3] or quote[0] in exposure.client_ids]
    if not quotes:  # What shall be withdrawn is gone already.
        return [*state.commands.resolve(header.account, header.command_id)]
    subaccount = state.subaccount(quoting.subaccount)
    orders = [order_of(state, market, exposure, header.command_id, quote) for quote in quotes]
    change, adds_risk = changes(state, market, exposure, quotes, orders)
    refusal = (check_mark(state, market, adds_risk=adds_risk) if change.buy_hold or change.sell_hold else None) or (
        check_admission(state, subaccount, market, change, adds_risk=adds_risk)
    )
    if refusal is not None:
        return refuse(state, header, refusal)
    admitted = [
        begin(state, subaccount, market, quote, order, adds_risk=adds_risk)
        for quote, order in zip(quotes, orders, strict=True)
    ]
    return [QuotesAdmitted(subaccount.id, market.id, header.command_id, admitted)]


def check_quotes(
    state: State, market: Market, subaccount: Subaccount, exposure: Exposure, quotes: list[Quote]
) -> Refusal | None:
    """Refuse too many quotes or too few, a client id twice, and whatever a single one breaks."""
    ids = dict.fromkeys(quote[0] for quote in quotes)
    if not 0 < len(quotes) <= QUOTES_MAX or len(ids) < len(quotes) or 0 in ids:
        return Refusal(Reason.INVALID_ORDER, QUOTES_MAX)
    fresh = sum(1 for client_id in ids if client_id not in exposure.client_ids)
    most = orders_max(state, subaccount.id, market)
    if len(exposure.orders) + fresh > most:
        return Refusal(Reason.TOO_MANY_ORDERS, most)
    for quote in quotes:
        if subaccount.triggers and waits_as(subaccount, market, quote[0]):
            return Refusal(Reason.DUPLICATE_CLIENT_ID)
        refusal = check_quote(state, market, exposure, quote)
        if refusal is not None:
            return refusal
    return None


def check_quote(state: State, market: Market, exposure: Exposure, quote: Quote) -> Refusal | None:
    """Refuse a quote whose id is another order's, that changes its side, or that the market does not trade."""
    client_id, side, price, size = quote
    ref = exposure.client_ids.get(client_id)
    known = None if ref is None else exposure.orders[ref]
    if side not in (Side.BUY, Side.SELL) or (known is not None and known.side != side):
        return Refusal(Reason.INVALID_ORDER, QUOTES_MAX)
    if known is not None and known.kind != OrderKind.QUOTE:
        return Refusal(Reason.DUPLICATE_CLIENT_ID)
    if known is not None and len(known.pending) >= PENDING_MAX:
        return Refusal(Reason.REPLACE_UNDER_WAY, PENDING_MAX)
    if size == 0:
        return None
    if not (on_grid(market, price) and price <= market.price_max):
        return Refusal(Reason.INVALID_PRICE, market.tick)
    return (
        check_size(market, size) or check_band(state, market, side, price) or check_notional(state, market, price, size)
    )


def order_of(state: State, market: Market, exposure: Exposure, command_id: int, quote: Quote) -> OpenOrder:
    """Return the open order of a quote's client id, else a new one that nothing knows yet: its ref is 0."""
    client_id, side, price, size = quote
    ref = exposure.client_ids.get(client_id)
    if ref is not None:
        return exposure.orders[ref]
    mark_price = state.marks[market.id].price
    order = OpenOrder(
        0, command_id, client_id, side, price, size, size, OrderKind.QUOTE, reduce_only=False,
        mark_price_held=mark_price, hold=0,
    )  # fmt: skip
    order.hold = hold_of(market, order)
    return order


def terms_of(order: OpenOrder, quote: Quote) -> Terms:
    """Return what a known quote shall become: its whole size with what has traded."""
    return Terms(quote[2], quote[3] + order.filled if quote[3] else 0)


def changes(
    state: State, market: Market, exposure: Exposure, quotes: list[Quote], orders: list[OpenOrder]
) -> tuple[Change, bool]:
    """Sum what all quotes add at most, and whether a position may open or grow by them."""
    change = Change()
    mark_price = state.marks[market.id].price
    for quote, order in zip(quotes, orders, strict=True):
        if order.ref == 0:
            change = change.plus(order.side, order.adds(), order.hold)
        else:
            one = change_of(market, order, terms_of(order, quote), mark_price)
            change = change.plus(order.side, one.buys + one.sells, one.buy_hold + one.sell_hold)
    closing = closes_at_most(exposure, Side.BUY, change.buys, reduce_only=False) and closes_at_most(
        exposure, Side.SELL, change.sells, reduce_only=False
    )
    return change, not closing


def begin(
    state: State, subaccount: Subaccount, market: Market, quote: Quote, order: OpenOrder, *, adds_risk: bool
) -> QuoteAdmitted:
    """Hold what one quote needs, and say what matching shall do."""
    if order.ref == 0:
        subaccount.refs += 1
        order.ref = subaccount.refs
        order.pending.append(Terms(order.price, order.size))
        add_order(state, subaccount, market, order)
        return order.ref, order.side, order.price, order.size, adds_risk, True
    terms = terms_of(order, quote)
    begin_terms(state, subaccount, market, order, terms, state.marks[market.id].price)
    return order.ref, order.side, terms.price, terms.size, adds_risk, False


def process_answered(state: State, answered: QuotesAnswered) -> list[Message]:
    """Take matching's word for each quote, and say how all of them stand."""
    subaccount = state.subaccount(answered.subaccount)
    market = state.markets[answered.market]
    exposure = exposure_of(state, subaccount, market.id)
    rows = [settle(state, subaccount, market, exposure, answer) for answer in answered.quotes]
    states = [row for row in rows if row is not None]
    hold = subaccount.holds.get(market.settlement_asset, 0)
    drop_empty(state, subaccount, market.id)
    return [
        *state.commands.resolve(account_of(subaccount.id), answered.command_id),
        QuotesUpdated(subaccount.id, market.id, answered.command_id, states, hold),
    ]


def settle(
    state: State, subaccount: Subaccount, market: Market, exposure: Exposure, answer: QuoteAnswer
) -> QuoteState | None:
    """Bring one quote to what stands in the book; None for one that traded or was cancelled before the answer came."""
    ref, order_id, price, remaining, reason, _limit = answer
    order = exposure.orders.get(ref)
    if order is None:
        return None
    name_order(subaccount, market.id, order, order_id)
    whole = order.filled + remaining
    row = (order.client_id, order.order_id, order.side, price or order.price, whole, remaining, reason)
    if remaining:
        settle_terms(state, subaccount, market, order, Terms(price, whole), answered=True)
    else:
        end_order(state, subaccount, market, order)
    return row
