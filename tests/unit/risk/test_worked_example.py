"""The account of the architecture page: the figures printed there are what the venue explains, and what one gets by hand."""

import io
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from services.client.listed import Listed
from services.client.margin_lines import margin_page, max_size_line
from services.client.margin_view import MarginView, margin_view, max_size_view
from services.core.feeds import plain_fields
from services.risk.max_size import max_size
from services.risk.report import report
from tests.builders import ALICE, BTC, COIN, Driven
from tests.unit.risk.unified import COINS, order, owner, pay_in, see, take, unified
from vigil.v1 import common_pb2, market_data_pb2

PAGE = (Path(__file__).resolve().parents[3] / "services" / "README.md").read_text()


@pytest.fixture
def risk() -> Driven:
    """Alice pays in 10,000 USDC and half a bitcoin, buys one at 60,000, sells 15,000 contracts, and bids for a tenth; bitcoin rises."""
    machine = unified(60_000)
    pay_in(machine, 10_000, COINS // 2)
    take(machine, 1, 1, COIN, 60_000)
    take(machine, 3, -1, 15_000, 60_000)
    order(machine, 2, 1, COIN // 10, 60_000)
    see(machine, 62_500)
    return machine


def listed(risk: Driven) -> Listed:
    """What the venue lists, as clients see it."""
    listings = market_data_pb2.Listings()
    for asset in risk.state.assets.values():
        listings.assets.add(**plain_fields(asset, common_pb2.Asset.DESCRIPTOR))
    for market in risk.state.markets.values():
        listings.markets.add(**plain_fields(market, common_pb2.Market.DESCRIPTOR))
    return Listed(listings)


def view(risk: Driven) -> MarginView:
    """Margin of Alice as a client reads it."""
    return margin_view(report(risk.state, owner(risk)), listed(risk))


def test_the_page_shows_what_the_command_shows(risk: Driven) -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(margin_page(view(risk), "USDC"))
    for side, name in ((1, "buy"), (-1, "sell")):
        found = max_size(risk.state, ALICE.subaccount, BTC, side, 0, reduce_only=False)
        console.print(max_size_line(name, max_size_view(found, listed(risk), BTC.id)), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    shown = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())
    assert shown in PAGE, f"services/README.md should show\n{shown}"


def test_the_figures_by_hand(risk: Driven) -> None:
    """As the page reckons: coins at 62,500 weigh 97.5 % for keeping and 95 % for opening; margin is 2.5 % and 5 % of what is held."""
    told = view(risk)
    dollars = 10_000 - 30 + Decimal(2_500)
    coins = Decimal("0.5") - Decimal("0.000125") + (Decimal(15_000) / 62_500 - Decimal(15_000) / 60_000)
    worth, given, got = coins * 62_500, Decimal(6_000 + 6), Decimal("0.1") * 62_500 * Decimal("0.95")
    assert told.equity == round_down(dollars + worth * Decimal("0.975"))
    assert told.equity_initial == round_down(dollars - given + worth * Decimal("0.95") + got)
    assert told.maintenance_margin == (62_500 + 15_000) * Decimal("0.025")
    assert told.initial_margin == (62_500 + 15_000) * Decimal("0.05")
    assert told.free_collateral == told.equity_initial - told.initial_margin


def round_down(worth: Decimal) -> Decimal:
    """To 1e-8, as worth is counted."""
    return worth // Decimal("0.00000001") * Decimal("0.00000001")


def test_it_is_liquidated_where_the_page_says(risk: Driven) -> None:
    """At m coins are 0.249875 m + 15,000 dollars, and equity is m - 50,030 + 97.5 % of that; maintenance 0.025 m + 375."""
    exact = (50_030 + 375 - Decimal("0.975") * 15_000) / (1 + Decimal("0.975") * Decimal("0.249875") - Decimal("0.025"))
    found = view(risk).positions[0].liquidation_price
    assert found is not None
    assert 0 <= exact - found < Decimal("0.1")
    assert f"{found:,}" in PAGE
