"""Closing at the market while initial margin is lacking: the worst price that an order gets, by hand."""

import pytest

from services.core import messages as m
from services.core.fixed import Price
from services.core.reasons import Reason
from services.risk.closing import nearest_price
from tests.builders import ALICE, BTC, DOLLAR, Driven, reason_of, the
from tests.unit.risk.unified import order, pay_in, see, take, unified
from tests.unit.risk.waiting import STOP, trigger

IOC = m.TimeInForce.IOC
LONG = 247_500
EDGE, BOUND = 741_000, 760_380
"""At 7,800: the edge of the band, and the first tick at which a sale of everything leaves no debt."""


@pytest.fixture
def risk() -> Driven:
    """Long 2.475 BTC from 8,000 with 1,000 USDC: at 7,800 there are 495.10, 482.63 is maintenance margin, 965.25 initial."""
    risk = unified(8_000)
    pay_in(risk, 1_000)
    take(risk, 1, 1, LONG, 8_000)
    return risk


def test_what_the_edge_would_cost_too_much_gets_the_worst_price_that_it_may_have(risk: Driven) -> None:
    """495.10 = 2.475 * (7,800 - p) + 0.0005 * 2.475 * p at 7,603.76; below that the sale would leave a debt."""
    see(risk, 7_800)
    sent = order(risk, 1, -1, LONG, 0, tif=IOC, reduce_only=True)
    assert (sent.price, sent.is_market) == (BOUND, True)


def test_a_close_that_is_not_reduce_only_gets_it_too(risk: Driven) -> None:
    see(risk, 7_800)
    assert order(risk, 1, -1, LONG, 0, tif=IOC).price == BOUND


def test_who_can_bear_the_edge_has_the_edge(risk: Driven) -> None:
    """At 8,200 there are 1,485.10, and the edge would cost 1,014.75 and its fee."""
    see(risk, 8_200)
    assert order(risk, 1, -1, LONG, 0, tif=IOC, reduce_only=True).price == 779_000


def test_a_stop_loss_works_when_initial_margin_is_lacking(risk: Driven) -> None:
    """Size 0 is the whole position of the moment at which it fires."""
    risk.tell(trigger(risk, STOP, -1, 7_800 * DOLLAR, size=0, reduce_only=True))
    sent = the(m.OrderAdmitted, see(risk, 7_800))
    assert (sent.size, sent.price, sent.kind) == (LONG, BOUND, m.OrderKind.TRIGGERED)


def test_a_price_of_the_clients_own_is_never_changed(risk: Driven) -> None:
    see(risk, 7_800)
    place = risk.commands.place(ALICE, -1, LONG, EDGE, tif=IOC, reduce_only=True)
    assert reason_of(risk.tell(place)) is Reason.INSUFFICIENT_MARGIN


def test_what_would_open_at_the_market_is_refused_as_ever(risk: Driven) -> None:
    see(risk, 7_800)
    assert reason_of(risk.tell(risk.commands.place(ALICE, -1, 2 * LONG, 0, tif=IOC))) is Reason.INSUFFICIENT_MARGIN


def test_nothing_passes_where_a_resting_order_closes_it_all(risk: Driven) -> None:
    """At no price could it lower risk: what the resting sale leaves is nothing."""
    see(risk, 7_800)
    order(risk, 1, -1, LONG, 7_900)
    place = risk.commands.place(ALICE, -1, LONG, 0, tif=IOC, reduce_only=True)
    assert reason_of(risk.tell(place)) is Reason.INSUFFICIENT_MARGIN


def test_a_spot_order_that_rests_is_not_counted_as_lost() -> None:
    """546.55 USDC are bid for 0.07 BTC, of 497.10 that are left: the coins that it would bring count too."""
    risk = unified(8_000)
    pay_in(risk, 1_200)
    order(risk, 2, 1, 7_000, 7_800)
    take(risk, 1, 1, LONG, 8_000)
    see(risk, 7_720)
    assert 7_720 * DOLLAR * 95 // 100 < order(risk, 1, -1, LONG, 0, tif=IOC, reduce_only=True).price < 7_720 * DOLLAR


@pytest.mark.parametrize(
    ("side", "mark", "nearest"),
    [(1, 800_005, 800_000), (-1, 800_005, 800_010), (1, 800_000, 800_000), (-1, 800_000, 800_000)],
)
def test_the_nearest_price_is_the_mark_or_the_tick_before_it(side: int, mark: Price, nearest: Price) -> None:
    assert nearest_price(BTC, side, mark) == nearest
