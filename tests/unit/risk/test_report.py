"""Margin explained: lines that add up to what admission and liquidation go by, what binds, and a question that changes nothing."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from services.core import messages as m
from services.core.fixed import FRACTION_ONE
from services.core.reasons import Reason
from services.risk.health import health
from services.risk.report import report
from services.risk.state import Subaccount, post
from tests import pools
from tests.builders import ALICE, BTC, COIN, DOLLAR, PERCENT, USDC_UNIT, Driven, but, reason_of, the
from tests.pools import PULSING, pooled
from tests.unit.risk.unified import COINS, order, owner, pay_in, see, take, unified
from vigil.v1 import trading_pb2 as pb

USD = USDC_UNIT
WHO = ALICE.subaccount


@pytest.fixture
def risk() -> Driven:
    """Bitcoin at 8,000; Alice with 1,000 USDC and a quarter of a bitcoin."""
    machine = unified(8_000)
    pay_in(machine, 1_000, COINS // 4)
    return machine


def explained(risk: Driven) -> pb.MarginReport:
    """Ask, and see that asking has changed nothing."""
    before = msgspec.msgpack.encode(deepcopy(risk.state))
    answer = report(risk.state, owner(risk))
    assert msgspec.msgpack.encode(risk.state) == before
    return answer


def crowded(risk: Driven) -> None:
    """Alice long, short an inverse, with orders of every kind."""
    take(risk, 1, 1, COIN // 2, 8_000)
    take(risk, 3, -1, 1_000, 8_000)
    order(risk, 1, 1, COIN // 10, 7_900)
    order(risk, 1, -1, COIN // 10, 8_100, reduce_only=True)
    order(risk, 2, 1, COIN // 100, 7_900)
    order(risk, 2, -1, COIN // 50, 8_100)
    order(risk, 3, 1, 400, 7_950)


@pytest.mark.parametrize("price", [7_000, 7_890, 8_000, 8_200, 9_500])
def test_lines_add_up_to_the_sums(risk: Driven, price: int) -> None:
    """Each line rounds once against the account, so that a sum may be a unit per line off."""
    crowded(risk)
    see(risk, price)
    told = explained(risk)
    now = health(risk.state, owner(risk))
    lines = len(told.assets) + len(told.positions) + len(told.orders)
    assert (told.equity, told.maintenance_margin) == (now.equity, now.maintenance)
    assert sum(one.value_maintenance for one in told.assets) == told.equity
    assert sum(one.value_initial for one in told.assets) + told.received == told.equity_initial
    initial = sum(one.initial for one in told.positions) + sum(one.initial for one in told.orders)
    initial += sum(one.borrow_initial for one in told.assets)
    assert 0 <= initial - told.initial_margin <= lines
    maintenance = sum(one.maintenance for one in told.positions) + sum(one.borrow_maintenance for one in told.assets)
    assert 0 <= maintenance - told.maintenance_margin <= lines
    assert told.free_collateral == told.equity_initial - told.initial_margin
    for one in told.assets:
        assert one.net == one.idle + one.unrealised
    idle = {asset: amount for asset, amount in owner(risk).idle.items() if amount}
    assert {one.asset: one.idle for one in told.assets} == idle


def test_free_collateral_is_what_admission_goes_by(risk: Driven) -> None:
    """A buy at the mark takes 5 % of initial margin and a fee of 0.05 %: what is free is enough for so much, and for no lot more."""
    crowded(risk)
    free = explained(risk).free_collateral
    lots = free * 10_000 // (505 * 8 * USD // 10)
    for more, reason in ((0, None), (1, Reason.INSUFFICIENT_MARGIN)):
        placed = risk.commands.place(ALICE, 1, (lots + more) * BTC.lot, 8_000 * DOLLAR)
        events = deepcopy(risk).tell(placed)
        assert (the(m.OrderAdmitted, events).size if reason is None else reason_of(events)) == (
            reason or lots * BTC.lot
        )


def test_a_position_and_its_fractions(risk: Driven) -> None:
    """Long half a coin from 8,000, now 8,200: worth 4,100, profit 100, initial 5 %, maintenance 2.5 %."""
    take(risk, 1, 1, COIN // 2, 8_000)
    see(risk, 8_200)
    (line,) = explained(risk).positions
    assert (line.size, line.entry_price, line.mark_price) == (COIN // 2, 8_000 * DOLLAR, 8_200 * DOLLAR)
    assert (line.notional, line.unrealised_pnl) == (4_100 * USD, 100 * USD)
    assert (line.initial, line.maintenance) == (205 * USD, 4_100 * USD // 40)
    assert (line.initial_fraction, line.maintenance_fraction) == (5 * PERCENT, FRACTION_ONE // 40)
    assert line.cause == pb.FRACTION_CAUSE_BASE


def test_an_inverse_position_is_entered_where_its_coins_say(risk: Driven) -> None:
    """1,000 contracts of a dollar, sold at 8,000: 0.125 BTC; at 10,000 they are worth 0.1 BTC less."""
    take(risk, 3, -1, 1_000, 8_000)
    see(risk, 10_000)
    (line,) = explained(risk).positions
    assert (line.size, line.entry_price, line.notional) == (-1_000, 8_000 * DOLLAR, COINS // 10)
    assert line.unrealised_pnl == COINS // 10 - COINS // 8
    assert line.initial == 1_000 * USD // 20


TIERS = ((0, 5 * PERCENT, FRACTION_ONE // 40, 0), (2_000 * USD, 10 * PERCENT, 5 * PERCENT, 50 * USD))
CAUSES: list[tuple[str, dict[str, Any], int, int, int]] = [
    ("base", {}, 0, pb.FRACTION_CAUSE_BASE, 5),
    ("size", {"initial_margin_factor": FRACTION_ONE // 500}, 0, pb.FRACTION_CAUSE_SIZE, 0),
    ("tier", {"tiers": TIERS}, 0, pb.FRACTION_CAUSE_TIER, 10),
    ("open interest", {"open_interest_lower": 0, "open_interest_upper": COIN}, 0, pb.FRACTION_CAUSE_OPEN_INTEREST, 0),
    ("own limit", {"tiers": TIERS}, 8, pb.FRACTION_CAUSE_LEVERAGE, 0),
]


@pytest.mark.parametrize(
    ("terms", "leverage", "cause", "percent"), [row[1:] for row in CAUSES], ids=[row[0] for row in CAUSES]
)
def test_what_makes_a_fraction_so_high(terms: dict[str, Any], leverage: int, cause: int, percent: int) -> None:
    steep = but(BTC, id=7, symbol="BTC_USDC_STEEP", **terms)
    risk = unified(8_000, steep)
    pay_in(risk, 10_000)
    take(risk, 7, 1, COIN // 2, 8_000)
    risk.tell(m.BookSampled(7, 0, 0, 0, 0, 0, COIN // 4))
    if leverage:
        risk.tell(m.SetLeverage(risk.commands.header(ALICE), WHO, leverage))
    (line,) = explained(risk).positions
    assert line.cause == cause
    assert line.initial == -(-line.notional * line.initial_fraction // FRACTION_ONE)
    if percent:
        assert line.initial_fraction == percent * PERCENT


def test_a_reduce_only_sale_may_open_what_another_sale_then_finds_closed(risk: Driven) -> None:
    """Long 0.01 with 0.02 to sell and a reduce-only sale of 0.01: at worst short 0.02, not 0.01."""
    take(risk, 1, 1, COIN // 100, 8_000)
    order(risk, 1, -1, COIN // 100, 8_100, reduce_only=True)
    order(risk, 1, -1, COIN // 50, 8_100)
    (line,) = explained(risk).orders
    assert (line.buys, line.sells, line.worst_size) == (0, COIN // 50, -COIN // 50)
    assert line.initial == 80 * USD // 20  # A hundredth of a coin more than is held.


def test_orders_lose_what_marks_have_moved_since(risk: Driven) -> None:
    """A buy of 0.1 at 8,000 held 0.4 of fee; at 7,900 it would lose 10 more, and would need 39.5 of margin."""
    order(risk, 1, 1, COIN // 10, 8_000)
    before = explained(risk).orders[0]
    assert (before.hold, before.initial) == (40_000_000, 40 * USD)
    see(risk, 7_900)
    told = explained(risk)
    assert (told.orders[0].hold, told.orders[0].initial) == (40_000_000, 49_50000000)
    assert told.initial_margin == told.orders[0].initial


def test_spot_orders_hold_and_bring(risk: Driven) -> None:
    """A buy of 0.1 at 8,000 holds 800.80 and brings at least 95 % of 800; a sale of 0.1 holds coins that count 760, and brings that."""
    order(risk, 2, 1, COIN // 10, 8_000)
    told = explained(risk)
    assert (told.orders[0].hold, told.orders[0].hold_asset) == (800_80000000, 1)
    assert told.received == 760 * USD
    order(risk, 2, -1, COIN // 10, 8_100)
    told = explained(risk)
    assert [(one.hold_asset, one.buys, one.sells) for one in told.orders] == [(1, COIN // 10, 0), (2, 0, COIN // 10)]
    assert told.received == 2 * 760 * USD
    assert told.assets[1].hold == COINS // 10


def test_nobody_has_an_empty_report(risk: Driven) -> None:
    told = report(risk.state, Subaccount(5))
    assert (told.equity, told.free_collateral, len(told.assets)) == (0, 0, 0)
    assert told.binding == pb.MARGIN_BINDING_NOTHING
    assert told.binding_text == "0.00 USDC of initial margin is free for more"


def owing(risk: Driven) -> None:
    """Let a deficit of 5 USDC be left unpaid."""
    post(risk.state, "deficit", 1, [(m.Book.UNSETTLED, WHO, 0, 1, -5 * USD), (m.Book.IDLE, WHO, 0, 1, 5 * USD)])


def fallen(risk: Driven, price: int) -> None:
    """Alice long 2.5 coins from 8,000, with 990 USDC left after the fee and coins that count 97.5 %."""
    take(risk, 1, 1, 5 * COIN // 2, 8_000)
    see(risk, price)


def liquidated(risk: Driven) -> None:
    """The same, judged: after a start machines wait for three rounds of marks."""
    fallen(risk, 7_500)
    for price in (7_500, 7_500, 7_000):
        see(risk, price)
        risk.tell(m.Continue())


def stale(risk: Driven) -> None:
    """The mark falls on, but nobody has said for two minutes what a bitcoin is worth as collateral."""
    take(risk, 1, 1, 5 * COIN // 2, 8_000)
    risk.now_ms += 120_000
    risk.tell(m.MarksUpdated([(1, 6_950 * DOLLAR, 0)]))


BINDINGS: list[tuple[str, Callable[[Driven], None], int, str]] = [
    ("nothing", lambda _: None, pb.MARGIN_BINDING_NOTHING, "2,900.00 USDC of initial margin is free for more"),
    (
        "margin in use",
        lambda risk: take(risk, 1, 1, COIN, 8_000),
        pb.MARGIN_BINDING_WITHDRAWAL,
        (
            "2,496.00 USDC of initial margin is free for more; equity is 2,746.00 USDC above liquidation; "
            "of what is idle 0.17052631 BTC may be withdrawn, a part of what positions are worth stays"
        ),
    ),
    (
        "a debt from a liquidation",
        owing,
        pb.MARGIN_BINDING_WITHDRAWAL,
        (
            "2,905.00 USDC of initial margin is free for more; "
            "5 USDC is owed from a liquidation and nothing may be withdrawn until a deposit has paid it"
        ),
    ),
    (
        "initial margin",
        lambda risk: fallen(risk, 7_150),
        pb.MARGIN_BINDING_INITIAL,
        (
            "330.63 USDC below initial margin: only orders that reduce a position are taken; "
            "equity is 160.93 USDC above liquidation"
        ),
    ),
    (
        "maintenance margin",
        lambda risk: fallen(risk, 7_000),
        pb.MARGIN_BINDING_MAINTENANCE,
        "equity is 241.25 USDC below maintenance margin: liquidation begins with the next mark",
    ),
    (
        "maintenance margin, at a stale price",
        stale,
        pb.MARGIN_BINDING_MAINTENANCE,
        "equity is 119.38 USDC below maintenance margin: no liquidation before stale prices are fresh again",
    ),
    (
        "a liquidation",
        liquidated,
        pb.MARGIN_BINDING_MAINTENANCE,
        "being liquidated: until that is done only cancels and deposits are taken",
    ),
]


@pytest.mark.parametrize(("change", "binding", "text"), [row[1:] for row in BINDINGS], ids=[row[0] for row in BINDINGS])
def test_what_binds(risk: Driven, change: Callable[[Driven], None], binding: int, text: str) -> None:
    change(risk)
    told = explained(risk)
    assert (told.binding_text, told.binding) == (text, binding)


def test_what_is_lent_may_leave_as_far_as_there_is_cash() -> None:
    """Of 1,000 lent a market of 10 % keeps 800 of 8,000, and 200 for closing within half the band; later the pool's cash binds."""
    risk = pooled(line=2_000 * USD)
    risk.tell(m.MarketListed(but(PULSING, withdrawal_fraction=10 * PERCENT)))
    pools.pay_in(risk, 1_010)
    pools.take(risk, 1, COIN, 8_000)
    told = explained(risk)
    assert (told.assets[0].lent, told.assets[0].withdrawable) == (1_006 * USD, 6 * USD)
    assert told.binding == pb.MARGIN_BINDING_WITHDRAWAL
    assert told.binding_text.endswith(
        "; of what is lent 6 USDC may be withdrawn, a part of what positions are worth stays"
    )
    pools.take(risk, -1, COIN, 8_000)
    risk.state.pools[1].line = 5 * USD
    told = explained(risk)
    assert (told.assets[0].withdrawable, told.binding) == (5 * USD, pb.MARGIN_BINDING_WITHDRAWAL)
