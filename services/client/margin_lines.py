"""Margin as the `vigil` command explains it: one line for each amount that is added up, and beneath the sum what follows from it.

The two columns are what keeps a position (maintenance) and what opens one (initial). Amounts are exact, their points below one
another; ratios are rounded, and only shown.
"""

from decimal import Decimal

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.client.margin_view import (
    MarginAsset,
    MarginOrders,
    MarginPosition,
    MarginView,
    MaxSizeView,
)
from services.client.show import clock, number, percent

TWO_PLACES = Decimal("0.01")
CAUSES = {
    "base": "by the market",
    "size": "by size",
    "tier": "by tier",
    "open_interest": "by open interest",
    "leverage": "by own leverage limit",
}


class Page:
    """Lines of text with up to two amounts; decimals are as many as any amount has."""

    def __init__(self) -> None:
        self.lines: list[tuple[Text | Padding, Decimal | None, Decimal | None]] = []

    def head(self, text: str) -> None:
        """Begin a section."""
        self.lines.append((Text(text, "bold"), None, None))

    def line(self, text: str, maintenance: Decimal | None = None, initial: Decimal | None = None) -> None:
        """One line."""
        self.lines.append((Text(text), maintenance, initial))

    def detail(self, text: str) -> None:
        """A line that explains the one above."""
        self.lines.append((Padding(text, (0, 0, 0, 4)), None, None))

    def sum(self, text: str, maintenance: Decimal, initial: Decimal) -> None:
        """A sum of lines above."""
        self.lines.append((Text(text, "bold"), maintenance, initial))

    def drawn(self) -> Table:
        """The lines, amounts to the right."""
        amounts = [amount for _, *pair in self.lines for amount in pair if amount is not None]
        decimals = max(map(places, amounts), default=0)
        table = Table(box=None, pad_edge=False, show_edge=False)
        table.add_column("", overflow="fold", ratio=1)
        for name in ("maintenance", "initial"):
            table.add_column(name, justify="right", no_wrap=True)
        for text, *pair in self.lines:
            style = text.style if isinstance(text, Text) else ""
            table.add_row(text, *(Text(aligned(one, decimals), style) for one in pair))
        return table


def margin_page(view: MarginView, unit: str) -> Group:
    """Margin of a subaccount, explained."""
    page = Page()
    page.head("assets: what they count")
    for asset in view.assets:
        asset_lines(page, asset, unit)
    if view.received:
        page.line("open spot orders bring at least", None, view.received)
    page.sum("= equity", view.equity, view.equity_initial)
    page.head("margin: what is needed")
    for position in view.positions:
        position_lines(page, position)
    for orders in view.orders:
        orders_lines(page, orders)
    for asset in view.assets:
        if asset.borrow_initial or asset.borrow_maintenance:
            owes = (
                f"debt of {number(-asset.net)} {asset.asset}" if asset.net < 0 else f"{asset.asset} short by its holds"
            )
            page.line(owes, asset.borrow_maintenance, asset.borrow_initial)
    page.sum("= margin", view.maintenance_margin, view.initial_margin)
    page.sum("= equity less margin", view.equity - view.maintenance_margin, view.free_collateral)
    title = Text(f"margin of subaccount {view.subaccount} in {unit}, {clock(view.at_ms)} UTC", "bold")
    return Group(title, page.drawn(), *(Text(line) for line in conclusions(view)))


def asset_lines(page: Page, asset: MarginAsset, unit: str) -> None:
    """What one asset counts, and what it consists of where that is more than money that lies idle."""
    at = "" if asset.asset == unit else f" at {number(asset.price)}"
    page.line(f"{asset.asset}  {number(asset.net)}{at}", asset.maintenance_value, asset.initial_value)
    if asset.net < 0:
        page.detail("a debt: counts in full")
    elif not asset.maintenance_weight == asset.initial_weight == 1:
        page.detail(f"weighted {rounded(asset.maintenance_weight)} / {rounded(asset.initial_weight)}")
    parts = [(asset.unrealised, "in positions"), (asset.lent, "lent"), (-asset.owed, "owed")]
    if any(amount for amount, _ in parts):
        page.detail(
            ", ".join(
                [f"{number(asset.idle)} idle", *(f"{number(amount)} {where}" for amount, where in parts if amount)]
            )
        )
    if asset.hold:
        page.detail(f"{number(asset.hold)} held by orders: not for opening")


def position_lines(page: Page, position: MarginPosition) -> None:
    """What one position needs, why, and where it would be liquidated."""
    settled = position.settlement_asset
    side = "long" if position.size > 0 else "short"
    held = f"{position.symbol}  {side} {number(abs(position.size))}"
    page.line(held, position.maintenance_margin, position.initial_margin)
    cause = CAUSES.get(position.cause, position.cause)
    fractions = f"{rounded(position.maintenance_fraction)} / {rounded(position.initial_fraction)}, {cause}"
    page.detail(f"worth {number(position.notional)} {settled} at mark {number(position.mark_price)}")
    page.detail(fractions)
    result = "profit" if position.unrealised_pnl >= 0 else "loss"
    page.detail(f"{result} {number(abs(position.unrealised_pnl))} {settled} since {number(position.entry_price)}")
    page.detail(liquidation_line(position))


def liquidation_line(position: MarginPosition) -> str:
    """Where a position would be liquidated, its index moving alone."""
    at = position.liquidation_price
    if at is None:
        return "no price of it would liquidate"
    if not position.mark_price:
        return f"liquidated at {number(at)}"
    away = rounded(abs(at - position.mark_price) / position.mark_price)
    return f"liquidated at {number(at)}, {away} {'below' if at < position.mark_price else 'above'}"


def orders_lines(page: Page, orders: MarginOrders) -> None:
    """What the open orders of one market add."""
    page.line(
        f"{orders.symbol}  open buys {number(orders.buys)}, sales {number(orders.sells)}", None, orders.initial_margin
    )
    side = "long" if orders.worst_size > 0 else "short"
    worst = [f"at worst {side} {number(abs(orders.worst_size))}"] if orders.worst_size else []
    held = [f"{number(orders.hold)} {orders.hold_asset} held"] if orders.hold else []
    if worst or held:
        page.detail("; ".join([*worst, *held]))


def conclusions(view: MarginView) -> list[str]:
    """What follows from the sums."""
    limit = f", at most {view.leverage_max} by own limit" if view.leverage_max else ""
    may = [f"{number(asset.withdrawable)} {asset.asset}" for asset in view.assets if asset.withdrawable]
    return [
        "",
        *(["being liquidated"] if view.is_liquidating else []),
        f"leverage       {shortened(view.leverage)}{limit}",
        f"binds          {view.binding}{f': {view.binding_text}' if view.binding_text else ''}",
        f"withdrawable   {' or '.join(may) or 'nothing'}",
    ]


def max_size_line(side: str, found: MaxSizeView) -> str:
    """How large an order could be."""
    bound = found.text or found.bound.replace("_", " ")
    return f"{side} at most {number(found.size)} {found.symbol}, reckoned at {number(found.price)}: {bound}"


def places(amount: Decimal) -> int:
    """Digits after the point."""
    exponent = amount.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def aligned(amount: Decimal | None, decimals: int) -> str:
    """An amount with so many digits after the point, at least as many as it has; nothing for None."""
    return "" if amount is None else f"{amount:,.{decimals}f}"


def shortened(ratio: Decimal) -> str:
    """A ratio with two digits after the point."""
    return f"{ratio.quantize(TWO_PLACES)}"


def rounded(part: Decimal) -> str:
    """A part of one in percent, with two digits after the point at most."""
    return percent(part.quantize(Decimal("0.0001")))
