"""What the `vigil` command prints of answers: tables and lines for people, and the same as JSON for scripts, exact in both."""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from services.client.errors import DefiniteReject
from services.client.listed import Listed
from services.client.submission import Outcome, Result
from services.client.views import (
    AccountView,
    Balance,
    BookView,
    CollateralView,
    KeyView,
    MarketInfo,
    MarkView,
    Order,
    Position,
    TickerView,
    Trade,
    Trigger,
)
from services.core.fixed import MarketId

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
IDS = ("account", "key_id", "order_id", "trade_id", "trigger_id")
LEFT = (
    "",
    "asset",
    "symbol",
    "side",
    "kind",
    "state",
    "settles in",
    "flags",
    "scopes",
    "expires",
    "order",
    "waits for",
    "at",
    "for",
)
WHOLE = ("symbol", "order id")
"""Columns that are never cut while there is anything else to fold."""


class MarketNumbers(NamedTuple):
    """A market, to read sizes of results by."""

    listed: Listed
    market: MarketId

    def size(self, units: int) -> Decimal:
        """Size of so many units."""
        return self.listed.size(self.market, units)


def number(value: Decimal | int) -> str:
    """Number with thousands apart."""
    return f"{value:,f}" if isinstance(value, Decimal) else str(value)


def percent(part: Decimal) -> str:
    """Part of one in percent."""
    return f"{(part * 100).normalize():f} %"


def clock(at_ms: int) -> str:
    """Time of day, UTC, of the venue."""
    return (EPOCH + timedelta(milliseconds=at_ms)).strftime("%m-%d %H:%M:%S.%f")[:-3]


def day(at_ms: int) -> str:
    """Day and time, UTC, of the venue; its number where the calendar ends."""
    try:
        return (EPOCH + timedelta(milliseconds=at_ms)).strftime("%Y-%m-%d %H:%M:%S")
    except OverflowError:
        return str(at_ms)


def content_of(view: Any) -> Any:  # noqa: ANN401 - a view, or what it consists of
    """A view as JSON holds it: Decimals and ids as text, so that nothing is lost."""
    if is_dataclass(view):
        named = {field.name: content_of(getattr(view, field.name)) for field in fields(view)}
        return {name: str(content) if name in IDS else content for name, content in named.items()}
    if isinstance(view, tuple | list):
        return [content_of(one) for one in view]
    return str(view) if isinstance(view, Decimal) else view


def table(title: str, *columns: str) -> Table:
    """Empty table, numbers to the right."""
    built = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        built.add_column(
            column, justify="left" if column in LEFT else "right", no_wrap=column in WHOLE, overflow="fold"
        )
    return built


def account_tables(view: AccountView) -> Group:
    """Balances, positions, orders, what waits, margin; what is empty is left out."""
    balances = balances_table(view.balances)
    margins = table("margin", "", "asset", "equity", "initial", "maintenance")
    for margin in view.margins:
        amounts = (number(margin.equity), number(margin.initial_margin), number(margin.maintenance_margin))
        margins.add_row(str(margin.subaccount), margin.asset, *amounts)
    waiting = triggers_table(view.triggers, view.at_ms)
    tables = (balances, positions_table(view.positions), orders_table(view.orders), waiting, margins)
    return Group(Text(f"account {view.account}"), *(built for built in tables if built.row_count))


def balances_table(balances: tuple[Balance, ...]) -> Table:
    """Money by asset; what pools hold of it, and debts, where there are some."""
    named = ("idle", "hold", *(name for name in ("unsettled", "lent", "owed") if any(map(attrgetter(name), balances))))
    built = table("balances", "", "asset", *named)
    for one in balances:
        built.add_row(str(one.subaccount), one.asset, *(number(getattr(one, name)) for name in named))
    return built


def keys_table(keys: tuple[KeyView, ...], now_ms: int) -> Table:
    """Keys of an account, and whether each may act at a time."""
    built = table("keys", "key id", "scopes", "expires", "state")
    for key in keys:
        is_over = key.expires_ms and key.expires_ms <= now_ms
        state = "revoked" if key.revoked else "expired" if is_over else "active"
        built.add_row(str(key.key_id), ", ".join(key.scopes), day(key.expires_ms) if key.expires_ms else "never", state)
    return built


def positions_table(positions: tuple[Position, ...]) -> Table:
    """Positions by market."""
    built = table("positions", "", "symbol", "size", "entry price", "unrealised pnl")
    for held in positions:
        amounts = (number(held.size), number(held.entry_price), number(held.unrealised_pnl))
        built.add_row(str(held.subaccount), held.symbol, *amounts)
    return built


def orders_table(orders: tuple[Order, ...]) -> Table:
    """Open orders; flags where one has some."""
    flags = [", ".join(order_flags(order)) for order in orders]
    built = table("open orders", "", "symbol", "order id", "order", "left", *(["flags"] if any(flags) else []))
    for order, flagged in zip(orders, flags, strict=True):
        asked = f"{order.side} {number(order.size)} at {number(order.price)}"
        named = (str(order.subaccount), order.symbol, str(order.order_id))
        built.add_row(*named, asked, number(order.remaining), *([flagged] if any(flags) else []))
    return built


def order_flags(order: Order) -> list[str]:
    """What else there is to say of an order."""
    flags = [f"client id {order.client_id}"] if order.client_id else []
    flags += ["reduce-only"] * order.reduce_only + [order.kind] * (order.kind != "client")
    flags += [f"until {clock(order.expires_ms)[:-4]}"] if order.expires_ms else []
    return [*flags, f"group {order.group}"] if order.group else flags


def book_table(view: BookView, depth: int) -> Table:
    """Bids and asks side by side."""
    state = "" if view.state == "open" else f"  {view.state}"
    built = table(f"{view.symbol}{state}", "bid size", "bid", "ask", "ask size")
    for row in range(min(depth, max(len(view.bids), len(view.asks)))):
        bid = tuple(map(number, view.bids[row])) if row < len(view.bids) else ("", "")
        ask = tuple(map(number, view.asks[row])) if row < len(view.asks) else ("", "")
        built.add_row(bid[1], Text(bid[0], "green"), Text(ask[0], "red"), ask[1])
    return built


def markets_table(markets: list[MarketInfo], marks: dict[str, MarkView], now_ms: int, *, wide: bool) -> Table:
    """Markets with their state, marks and time left; `wide` adds grids and fees."""
    more = ("tick", "lot", "margin", "maker", "taker") if wide else ()
    built = table("markets", "symbol", "kind", "state", "mark", "funding", "ends in", *more)
    for one in markets:
        mark = marks.get(one.symbol)
        pays = "perpetual" in one.kind and mark is not None
        quoted = (number(mark.mark_price) if mark else "", percent(mark.funding_rate) if mark and pays else "")
        steps = (number(one.tick_size), number(one.lot_size))
        margin = percent(one.initial_margin_fraction) if one.initial_margin_fraction else ""
        fees = (margin, percent(one.maker_fee), percent(one.taker_fee))
        kind = one.kind if wide else one.kind.replace("perpetual", "perp")
        ends = time_left(one.expires_ms - now_ms) if one.expires_ms else ""
        built.add_row(one.symbol, kind, one.state, *quoted, ends, *((*steps, *fees) if wide else ()))
    return built


def time_left(left_ms: int) -> str:
    """Time until something, by its two largest units."""
    seconds = max(0, left_ms) // 1_000
    counted = [("d", seconds // 86_400), ("h", seconds // 3_600 % 24), ("m", seconds // 60 % 60), ("s", seconds % 60)]
    begin = next((place for place, (_, count) in enumerate(counted) if count), len(counted))
    return " ".join(f"{count}{unit}" for unit, count in counted[begin : begin + 2]) or "over"


def triggers_table(triggers: tuple[Trigger, ...], now_ms: int) -> Table:
    """What waits, and for what."""
    built = table("waiting", "id", "symbol", "order", "waits for")
    for one in triggers:
        built.add_row(str(one.trigger_id), one.symbol, waiting_order(one), waited_for(one, now_ms))
    return built


def waiting_order(one: Trigger) -> str:
    """The order that something that waits becomes."""
    size = "all" if one.size is None else number(one.size)
    at = "market" if one.price is None else number(one.price)
    flags = ["reduce-only"] * one.reduce_only + [f"client id {one.client_id}"] * bool(one.client_id)
    return ", ".join([f"{one.side} {size} at {at}", *flags])


def waited_for(one: Trigger, now_ms: int) -> str:
    """What something waits for."""
    if one.kind == "twap":
        ends = [f"ends in {time_left(one.ends_ms - now_ms)}"] if one.ends_ms else []
        left = [f"twap: {number(one.remaining)} left", f"next slice in {time_left(one.next_ms - now_ms)}"]
        return ", ".join([*left, *ends])
    by = "" if one.trigger_by == "mark" else f" by {one.trigger_by}"
    behind = f", {percent(one.trail)} behind the best" if one.kind == "trailing" else ""
    group = f", group {one.group}" if one.group else ""
    return f"{one.kind.replace('_', ' ')} at {number(one.trigger_price)}{by}{behind}{group}"


def collateral_table(terms: tuple[CollateralView, ...], unit: str) -> Table:
    """What assets are worth as margin."""
    built = table(f"collateral, prices in {unit}", "asset", "price", "maintenance", "initial", "falls", "at most")
    for one in terms:
        price = "none yet" if one.price is None else number(one.price)
        weights = (percent(one.maintenance_weight), percent(one.initial_weight))
        falls = "by size" if one.weight_base and one.weight_penalty else ""
        at_most = "" if one.account_max is None else number(one.account_max)
        built.add_row(one.asset, price, *weights, falls, at_most)
    return built


def trade_line(trade: Trade) -> str:
    """One trade."""
    said = f"{clock(trade.at_ms)}  {trade.taker_side:<4}  {number(trade.size):>12} @ {number(trade.price)}"
    return f"{said}  liquidation" if trade.is_liquidation else said


def ticker_line(best: TickerView) -> str:
    """Best prices."""
    bid = "no bid" if best.best_bid is None else f"{number(best.best_bid_size)} @ {number(best.best_bid)}"
    ask = "no ask" if best.best_ask is None else f"{number(best.best_ask_size)} @ {number(best.best_ask)}"
    return f"{clock(best.at_ms)}  {bid:>26}  |  {ask}"


def result_line(what: str, result: Result, market: MarketNumbers | None = None) -> str:
    """One result."""
    if result.outcome is Outcome.REFUSED:
        return f"{what}: refused: {result.reason}: {result.text}"
    if result.outcome is Outcome.UNKNOWN:
        ticket = result.ticket
        asked = f"vigil result {ticket.command_id} --timestamp {ticket.timestamp_ms} --window {ticket.window_ms}"
        return f"{what}: not known yet; ask with: {asked}{' --faucet' * ticket.is_faucet}"
    if not result.order_id or market is None:
        return f"{what}: done"
    filled, rests = market.size(result.filled_size), market.size(result.open_size)
    return f"{what}: done, order {result.order_id}, filled {number(filled)}, resting {number(rests)}"


def result_json(what: str, result: Result, market: MarketNumbers | None = None) -> dict[str, Any]:
    """One result for scripts; ids and quantities are text."""
    ticket = result.ticket
    content: dict[str, Any] = {
        "command": what,
        "outcome": result.outcome.value,
        "command_id": str(ticket.command_id),
        "timestamp_ms": ticket.timestamp_ms,
        "window_ms": ticket.window_ms,
    }
    if result.outcome is not Outcome.DONE:
        content |= {"reason": result.reason, "text": result.text, "limit": str(result.limit)}
    if result.order_id:
        content["order_id"] = str(result.order_id)
    if result.order_id and market is not None:
        content |= {"filled": str(market.size(result.filled_size)), "resting": str(market.size(result.open_size))}
    return content


def error_json(error: Exception) -> dict[str, Any]:
    """An error for scripts."""
    if isinstance(error, DefiniteReject):
        return {"reason": error.reason, "text": error.text, "limit": str(error.limit)}
    return {"text": str(error)}
