"""The two faces of a window, as text: the dashboard of a terminal, and one plain line; it asks nobody."""

from datetime import UTC, datetime
from decimal import Decimal

from rich.columns import Columns
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from services.core.decimals import format_decimal
from services.local.seen import MARKETS_FIRST, MarketSeen, PoolSeen, Seen
from vigil.v1 import feeds_pb2

SPARKS = "▁▂▃▄▅▆▇█"
SPARKS_SHOWN = 24
REAL_TIME = "real time"
COLUMNS = ("market", "mark", "index", "funding, end", "spread, bp", "volume", "open interest", "course")
POOL_COLUMNS = ("pool", "supplied", "borrowed", "in use", "they pay", "they earn", "earned", "")
THOUSAND = 1_000
CHEAP = 2
"""Below it prices are told in FIGURES."""
FIGURES = 4
MINUTE, HOUR, DAY = 60, 3_600, 86_400
SUFFIXES = ("", "k", "M", "G")


def told(record: feeds_pb2.FeedRecord) -> str:
    """One line about a liquidation; amounts in units of 1e-8."""
    at = clock_text(record.at_ms)
    if record.HasField("liquidation_started"):
        started = record.liquidation_started
        account = short(started.subaccount)
        return f"{at} {account} equity {money(started.equity)} < {money(started.maintenance_margin)}"
    ended = record.liquidation_ended
    outcome = f"fund pays {money(ended.deficit)}" if ended.deficit else f"fund gets {money(ended.contributed)}"
    return f"{at} {short(ended.subaccount)} done, {outcome}"


def short(subaccount: int) -> str:
    """Beginning of an account's id in hexadecimal."""
    return f"{subaccount >> 8:014x}"[:6]


def money(units: int) -> str:
    """Amount of 1e-8, whole."""
    return format_decimal(units, 8).partition(".")[0]


def clock_text(time_ms: int) -> str:
    """Time of day, UTC."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%H:%M:%S")


def amount_text(amount: Decimal) -> str:
    """Return three figures or four, with k, M or G."""
    for suffix in SUFFIXES[:-1]:
        if abs(amount) < THOUSAND:
            return f"{amount:.1f}{suffix}" if suffix else f"{amount:.2f}"
        amount /= THOUSAND
    return f"{amount:.1f}{SUFFIXES[-1]}"


def price_text(price: Decimal) -> str:
    """Price to the cent; dear ones to a tenth, cheap ones to four figures."""
    if 0 < price < CHEAP:
        return f"{price:.{FIGURES - 1 - price.adjusted()}f}"
    return f"{price:,.1f}" if price >= THOUSAND else f"{price:.2f}"


def size_text(size: Decimal) -> str:
    """Size to four digits after the point; many contracts or coins short."""
    return amount_text(size) if size >= THOUSAND else f"{size:.4f}"


def left_text(left_ms: int) -> str:
    """Time that is left, in two units."""
    seconds = max(0, left_ms) // 1_000
    days, hours, minutes = seconds // DAY, seconds % DAY // HOUR, seconds % HOUR // MINUTE
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds % MINUTE:02} s"


def line_of(seen: Seen) -> str:
    """Everything that matters in one line, of the first markets."""
    when = datetime.fromtimestamp(seen.time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    marks = "  ".join(f"{one.symbol} {one.mark.mark_price}" for one in seen.shown[:MARKETS_FIRST] if one.mark)
    interest = " ".join(f"{one.open_interest}" for one in seen.shown[:MARKETS_FIRST] if not one.is_spot) or "-"
    pools = "  ".join(
        f"{name} {percent(one.view.used)} earned {price_text(one.earned)}" for name, one in seen.pools.items()
    )
    fund = ", ".join(f"{name} {amount:.0f}" for name, amount in seen.funds) or "-"
    trial = f"balanced at {seen.entries}" if seen.balanced else "NOT BALANCED"
    return (
        f"{when}  {marks or 'no mark yet'}  OI {interest}  trades {seen.trades}  liquidations {seen.liquidations}  fund {fund}  "
        f"pools {pools or '-'}  "
        f"{seen.records_per_s:.0f} records/s  lag {seen.lag:.0f}  x{seen.speed:.0f}  ledger {trial}"
    )


def picture(seen: Seen, speed: int | None, footer: str) -> Group:
    """Return the whole dashboard; `speed` as asked for, 0 for as fast as it can, None for real time."""
    return Group(
        headline(seen, speed),
        markets_panel(seen),
        Columns([book_panel(seen), trades_panel(seen), Group(collateral_panel(seen), venue_panel(seen))], expand=True),
        pools_panel(seen),
        Panel(Text("\n".join(seen.last_liquidations) or "none yet"), title=f"liquidations ({seen.liquidations})"),
        Text(footer, style="dim"),
        Text("Ctrl-C ends it cleanly; the same command goes on where it stopped", style="dim"),
    )


def headline(seen: Seen, speed: int | None) -> Panel:
    """Time, speed, load."""
    when = datetime.fromtimestamp(seen.time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    asked = REAL_TIME if speed is None else f"speed x{seen.speed:.0f} of {speed or 'as fast as it can'}"
    load = f"   {seen.records_per_s:,.0f} records/s   lag {seen.lag:.0f}"
    return Panel(Text.assemble((when, "bold"), f"   {asked}{load}"), title="Vigil")


def sparkline(values: list[Decimal]) -> str:
    """Course of a mark in block characters."""
    if not values:
        return ""
    low, high = min(values), max(values)
    steps = len(SPARKS) - 1
    return "".join(SPARKS[int((value - low) * steps / (high - low)) if high > low else 0] for value in values)


def markets_panel(seen: Seen) -> Panel:
    """A row per market."""
    table = Table(box=None, expand=True)
    for number, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if number in (0, len(COLUMNS) - 1) else "right", no_wrap=True)
    for market in seen.shown:
        table.add_row(*market_row(market, seen.time_ms))
    shown, listed = len(seen.shown), len(seen.markets)
    return Panel(table, title="markets" if shown == listed else f"markets ({shown} of {listed})")


def market_row(market: MarketSeen, now_ms: int) -> list[str | Text]:
    """Figures of one market, in the order of COLUMNS; a future has an end instead of funding, a spot market no open interest either."""
    mark, spread = market.mark, market.spread
    funding = f"{mark.funding_rate * 100:.4f} %" if mark and not market.is_spot else ""
    return [
        Text(market.symbol, "bold cyan"),
        price_text(mark.mark_price) if mark else "-",
        price_text(mark.index_price) if mark else "-",
        f"in {left_text(market.expires_ms - now_ms)}" if market.expires_ms else funding,
        "-" if spread is None else f"{spread:.1f}",
        amount_text(market.volume),
        "" if market.is_spot else amount_text(market.open_interest),
        Text(sparkline(list(market.marks)[-SPARKS_SHOWN:]), "cyan"),
    ]


def book_panel(seen: Seen) -> Panel:
    """Best levels of the first market, asks above bids."""
    table = Table(box=None, show_header=False)
    if seen.book is not None:
        for price, size in reversed(seen.book.asks):
            table.add_row(Text(price_text(price), "red"), size_text(size))
        table.add_row("-", "-")
        for price, size in seen.book.bids:
            table.add_row(Text(price_text(price), "green"), size_text(size))
    return Panel(table, title="book" if seen.book is None else seen.book.symbol)


def trades_panel(seen: Seen) -> Panel:
    """Last trades; liquidations are marked."""
    table = Table(box=None, show_header=False)
    for trade in seen.last_trades:
        style = "green" if trade.taker_side == "buy" else "red"
        flag = "liquidation" if trade.is_liquidation else ""
        price = Text(price_text(trade.price), style)
        table.add_row(clock_text(trade.at_ms), trade.symbol, price, size_text(trade.size), flag)
    return Panel(table, title=f"trades ({seen.trades})")


def pools_panel(seen: Seen) -> Panel:
    """A row per lending pool: what is in use, what borrowers pay and idle margin earns per year, and what it has earned so far."""
    table = Table(box=None, expand=True)
    for number, name in enumerate(POOL_COLUMNS):
        table.add_column(name, justify="left" if number in (0, len(POOL_COLUMNS) - 1) else "right", no_wrap=True)
    for pool in seen.pools.values():
        table.add_row(*pool_row(pool))
    return Panel(table, title="idle margin at work: rates per year")


def pool_row(pool: PoolSeen) -> list[str | Text]:
    """Figures of one pool, in the order of POOL_COLUMNS; a word where it is not calm and open."""
    view = pool.view
    words = [word for word, calm in ((view.state, "open"), (view.stress, "calm")) if word != calm]
    return [
        Text(view.asset, "bold cyan"),
        amount_text(view.supplied),
        amount_text(view.borrowed),
        percent(view.used),
        percent(view.borrow_rate),
        percent(view.lend_rate),
        price_text(pool.earned),
        Text(", ".join(words), "bold red"),
    ]


def percent(part: Decimal) -> str:
    """Part of one, in hundredths of a per cent."""
    return f"{part * 100:.2f} %"


def collateral_panel(seen: Seen) -> Panel:
    """What assets are worth as margin: price after its haircut, and weight for opening."""
    table = Table(box=None, show_header=False)
    for one in seen.collateral:
        price = "-" if one.price is None else price_text(one.price)
        table.add_row(Text(one.asset, "bold cyan"), price, f"x {one.initial_weight.normalize():f}")
    return Panel(table, title="collateral")


def venue_panel(seen: Seen) -> Panel:
    """Money and machines."""
    table = Table(box=None, show_header=False)
    for group, amount in seen.funds:
        table.add_row(f"fund {group}", f"{amount:,.2f}")
    trial = Text("OK", "bold green") if seen.balanced else Text("NOT BALANCED", "bold red")
    table.add_row("trial balance", trial)
    table.add_row("ledger entries", f"{seen.entries:,}")
    table.add_row("stopped partitions", Text(str(seen.stopped), "bold red" if seen.stopped else ""))
    return Panel(table, title="venue")
