"""The loan of the architecture page: risk and the lending pool play it, and the figures printed there are what the venue shows."""

import io
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from services.client.listed import Listed
from services.client.pool_lines import pool_lines, withdrawable_page
from services.client.pool_view import pool_detail, withdrawable_view
from services.core import messages as m
from services.core.contracts import cash_flow
from services.core.feeds import plain_fields
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS
from services.core.markets import PoolTerms
from services.core.pool import YEAR_MS
from services.lending_pool.api import report_of
from services.risk.shares import lent_and_owed
from services.risk.withdrawable import withdrawable
from tests.builders import (
    ALICE,
    BITCOIN,
    BOB,
    BTC,
    CAROL,
    COIN,
    DOLLAR,
    PERCENT,
    USDC,
    USDC_UNIT,
    Driven,
    Person,
    but,
    genesis,
    the,
)
from vigil.v1 import common_pb2, market_data_pb2

PAGE = (Path(__file__).resolve().parents[3] / "services" / "README.md").read_text()
TERMS = PoolTerms(
    optimal=90 * PERCENT,
    slope=5 * PERCENT,
    steep_slope=FRACTION_ONE,
    reserve_factor=10 * PERCENT,
    throttle_bound=95 * PERCENT,
    convert_bound=97 * PERCENT,
    period_ms=60_000,
)
"""Curve, throttle and period as `deploy/markets.toml` lists USDC."""
PERPETUAL = but(BTC, pulse_interval_ms=10_000, withdrawal_fraction=10 * PERCENT)
MINUTE_MS, DAY_MS = 60_000, 86_400_000


class Venue:
    """A risk shard and the lending pool, which hear each other."""

    def __init__(self) -> None:
        self.risk, self.pool = Driven("risk", founding=genesis()), Driven("lending_pool", founding=genesis())
        self.updated: m.PoolUpdated | None = None
        dollars = but(USDC, pool=TERMS, collateral=but(USDC.collateral, borrow_rate_max=FRACTION_ONE // 2_000))
        self.pool.tell(m.AssetListed(dollars))
        for listed in (m.AssetListed(dollars), m.AssetListed(BITCOIN), m.MarketListed(PERPETUAL)):
            self.tell(listed)
        self.tell(m.SettlementMarked(1, 60_000 * DOLLAR))
        self.wait(MINUTE_MS)
        self.see(60_000)

    def tell(self, message: m.Message) -> list[m.Message]:
        """Let risk take a message, the pool its report, and risk the period that it opens."""
        said = self.risk.tell(message)
        for report in said:
            if isinstance(report, m.PoolDelta):
                self.pool.now_ms = self.risk.now_ms
                told = self.pool.tell(report)
                self.updated = the(m.PoolUpdated, told)
                self.tell(the(m.PeriodOpened, told))
        return said

    def wait(self, ms: int) -> None:
        """Let time pass, a minute at a time."""
        for _ in range(ms // MINUTE_MS):
            self.risk.now_ms += MINUTE_MS
            self.tell(m.Tick())

    def see(self, price: int) -> None:
        """Let bitcoin be at a price in dollars, with two of it on either side of the book."""
        index = price * 10**INDEX_DECIMALS
        self.tell(m.MarksUpdated([(1, price * DOLLAR, index)], collateral=[(2, index)]))
        depth = {"bid_depth": 2 * COIN, "ask_depth": 2 * COIN}
        self.tell(m.BookSampled(1, 0, 0, 0, 0, price * DOLLAR, COIN, **depth))

    def pay_in(self, who: Person, asset: int, amount: int) -> None:
        """Open an account and credit it."""
        self.tell(self.risk.commands.open(who))
        self.tell(m.DepositCredited(who.subaccount, asset, amount, len(self.risk.inbox)))

    def trade(self, who: Person, side: int, price: int) -> None:
        """Buy or sell one bitcoin's worth of the perpetual, filled at once as taker."""
        admitted = the(m.OrderAdmitted, self.tell(self.risk.commands.place(who, side, COIN, price * DOLLAR)))
        cash = cash_flow(PERPETUAL, side * COIN, admitted.price)
        where = (who.subaccount, 1, admitted.ref, 2**40 + admitted.ref, len(self.risk.inbox), admitted.price)
        self.tell(m.OrderFilled(*where, side * COIN, cash, is_maker=False, remaining=0))

    def pulse(self, price: int) -> None:
        """Settle the perpetual to a mark, as slow as the price may be."""
        self.see(price)
        slow = price * DOLLAR
        self.tell(m.SettlementMarked(1, slow, pulse=len(self.risk.inbox), slow_low=slow, slow_high=slow))

    def net(self, who: Person) -> Decimal:
        """What somebody has lent in USDC, less what he owes."""
        lent, owed = lent_and_owed(self.risk.state, self.risk.state.subaccounts[who.subaccount], 1)
        return Decimal(lent - owed) / USDC_UNIT

    def reserve(self) -> Decimal:
        """The pool's own."""
        assert self.updated is not None
        return Decimal(self.updated.reserve) / USDC_UNIT


@pytest.fixture
def venue() -> Venue:
    """Alice pays in 10,000 USDC and is long, Bob a bitcoin and is short, Carol 5,000 USDC and does nothing; bitcoin rises to 69,000."""
    venue = Venue()
    for who, asset, amount in ((ALICE, 1, 10_000 * USDC_UNIT), (BOB, 2, 10**8), (CAROL, 1, 5_000 * USDC_UNIT)):
        venue.pay_in(who, asset, amount)
    for who, side in ((ALICE, 1), (BOB, -1)):
        venue.trade(who, side, 60_000)
    venue.pulse(69_000)
    venue.wait(2 * MINUTE_MS)
    return venue


def listed() -> Listed:
    """What the venue lists, as clients see it."""
    listings = market_data_pb2.Listings()
    for asset in (USDC, BITCOIN):
        listings.assets.add(**plain_fields(asset, common_pb2.Asset.DESCRIPTOR))
    return Listed(listings)


def shown(drawn: RenderableType) -> str:
    """What a terminal of 80 columns shows."""
    console = Console(file=io.StringIO(), width=80)
    console.print(drawn)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_the_page_shows_what_the_commands_show(venue: Venue) -> None:
    report = report_of(venue.pool.state, venue.pool.state.pools[1], "lending_pool/0", 2)
    answer = withdrawable(venue.risk.state, venue.risk.state.subaccounts[ALICE.subaccount], 1)
    lines = "\n".join(pool_lines(pool_detail(report, listed())))
    for part in (lines, shown(withdrawable_page(withdrawable_view(answer, listed())))):
        assert part in PAGE, f"services/README.md should show\n{part}"


def test_the_pulse_moves_claims(venue: Venue) -> None:
    """Fees are 30 USDC each, the rise is 9,000; Bob, who had no dollars, owes what he lost."""
    assert [round(venue.net(who)) for who in (ALICE, BOB, CAROL)] == [18_970, -9_030, 5_000]
    venue.pulse(60_000)
    assert [round(venue.net(who)) for who in (ALICE, BOB, CAROL)] == [9_970, -30, 5_000], "and back"


def test_the_interest_of_a_day_is_what_the_page_says(venue: Venue) -> None:
    assert venue.updated is not None
    rate = Decimal(venue.updated.borrow_rate) / FRACTION_ONE
    assert rate == pytest.approx(Decimal("0.05") * 9_030 / 23_970 / Decimal("0.9"), rel=Decimal("1e-6")), "on the curve"
    before = {who: venue.net(who) for who in (ALICE, BOB, CAROL)}
    reserve = venue.reserve()
    venue.wait(DAY_MS)
    earned = {who: venue.net(who) - before[who] for who in before}
    kept = venue.reserve() - reserve
    paid = -earned[BOB]
    assert paid == pytest.approx(9_030 * rate * DAY_MS / YEAR_MS, rel=Decimal("1e-4"))
    assert 0 <= paid - earned[ALICE] - earned[CAROL] - kept < Decimal("0.000001"), "rounding, for the pool"
    row = f"Bob pays {paid:.6f} USDC, Alice earns {earned[ALICE]:.6f}, Carol {earned[CAROL]:.6f}, the reserve takes {kept:.6f}"
    assert row in " ".join(PAGE.split()), f"services/README.md should say\n{row}"
