"""What the `vigil` command prints: tables of answers, one line per event."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.client.submission import Outcome, Result
from services.client.views import AccountView, BookView, Listed, Trade
from vigil.v1 import feeds_pb2

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SIZES = ("size", "remaining", "open_interest")
PRICES = ("price", "mark_price", "index_price")
AMOUNTS = ("cash", "basis", "fee", "payment")


def number(value: Decimal | int) -> str:
    """Number with thousands apart."""
    return f"{value:,f}" if isinstance(value, Decimal) else str(value)


def clock(at_ms: int) -> str:
    """Time of day, UTC, of the venue."""
    return (EPOCH + timedelta(milliseconds=at_ms)).strftime("%m-%d %H:%M:%S.%f")[:-3]


def table(title: str, *columns: str) -> Table:
    """Empty table, numbers to the right."""
    built = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        built.add_column(column, justify="left" if column in ("", "asset", "symbol", "side") else "right")
    return built


def show_account(console: Console, view: AccountView) -> None:
    """Balances, positions, orders, margin."""
    console.print(f"account {view.account}", highlight=False)
    balances = table("balances", "", "asset", "idle", "hold", "unsettled")
    for one in view.balances:
        balances.add_row(str(one.subaccount), one.asset, number(one.idle), number(one.hold), number(one.unsettled))
    positions = table("positions", "", "symbol", "size", "entry price", "unrealised pnl")
    for held in view.positions:
        positions.add_row(
            str(held.subaccount), held.symbol, number(held.size), number(held.entry_price), number(held.unrealised_pnl)
        )
    orders = table("open orders", "", "symbol", "order id", "side", "price", "size", "remaining")
    for order in view.orders:
        cells = (number(order.price), number(order.size), number(order.remaining))
        orders.add_row(str(order.subaccount), order.symbol, str(order.order_id), order.side, *cells)
    margins = table("margin", "", "asset", "equity", "initial", "maintenance")
    for margin in view.margins:
        amounts = (number(margin.equity), number(margin.initial_margin), number(margin.maintenance_margin))
        margins.add_row(str(margin.subaccount), margin.asset, *amounts)
    for built in (balances, positions, orders, margins):
        if built.row_count:
            console.print(built)


def book_table(view: BookView, depth: int) -> Table:
    """Bids and asks side by side."""
    built = table(view.symbol, "bid size", "bid", "ask", "ask size")
    for row in range(min(depth, max(len(view.bids), len(view.asks)))):
        bid = tuple(map(number, view.bids[row])) if row < len(view.bids) else ("", "")
        ask = tuple(map(number, view.asks[row])) if row < len(view.asks) else ("", "")
        built.add_row(bid[1], Text(bid[0], "green"), Text(ask[0], "red"), ask[1])
    return built


def trade_line(trade: Trade) -> Text:
    """One trade."""
    style = "green" if trade.taker_side == "buy" else "red"
    line = Text(f"{clock(trade.at_ms)}  {trade.taker_side:<4}  {number(trade.size):>12} @ {number(trade.price)}", style)
    return line.append("  liquidation", "bold") if trade.is_liquidation else line


def result_line(what: str, result: Result, listed: Listed, symbol: str = "") -> str:
    """One result."""
    if result.outcome is Outcome.REFUSED:
        return f"{what}: refused: {result.reason}: {result.text}"
    if result.outcome is Outcome.UNKNOWN:
        ticket = result.ticket
        asked = f"vigil result {ticket.command_id} --timestamp {ticket.timestamp_ms} --window {ticket.window_ms}"
        return f"{what}: not known yet; ask with: {asked}"
    if not result.order_id or symbol not in listed.by_symbol:
        return f"{what}: done"
    market = listed.by_symbol[symbol].id
    filled, rests = listed.size(market, result.filled_size), listed.size(market, result.open_size)
    return f"{what}: done, order {result.order_id}, filled {number(filled)}, resting {number(rests)}"


def event_line(record: feeds_pb2.FeedRecord, listed: Listed) -> str:
    """One feed event: its name and fields, with decimals."""
    name = record.WhichOneof("event") or "unknown event"
    event: Any = getattr(record, name, None)
    fields = [] if event is None else [f"{field}={text}" for field, text in readable(event, listed)]
    return f"{clock(record.at_ms)}  {name}  {' '.join(fields)}"


def readable(event: Message, listed: Listed) -> list[tuple[str, str]]:
    """Fields of an event as people read them."""
    market = getattr(event, "market", 0)
    asset = getattr(event, "asset", 0)
    return [(field.name, shown_field(field, content, market, asset, listed)) for field, content in event.ListFields()]


def shown_field(field: FieldDescriptor, content: Any, market: Any, asset: Any, listed: Listed) -> str:  # noqa: ANN401
    """One field."""
    name = field.name
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[content].name)
    if name == "marks":
        return " ".join(f"{listed.symbol(one.market)}={listed.price(one.market, one.mark_price)}" for one in content)
    if name == "market" and market in listed.markets:
        return listed.symbol(market)
    if market in listed.markets:
        if name in SIZES:
            return number(listed.size(market, content))
        if name in PRICES:
            return number(listed.price(market, content))
        if name in AMOUNTS:
            return number(listed.settled(market, content))
    if asset in listed.assets and name in ("idle", "hold", "unsettled", "amount"):
        return number(listed.amount(asset, content))
    return str(content)
