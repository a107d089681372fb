"""Replaces at risk: the larger of old and new is held until matching answers, whatever trades meanwhile."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.reasons import Reason
from services.risk.orders import PENDING_MAX
from tests.builders import ALICE, BTC, COIN, DOLLAR, USDC_UNIT, Driven, but, only, reason_of, the

MARK = 8_000 * DOLLAR
USD = USDC_UNIT
ORDER = 2**40 + 1
WHO = ALICE.subaccount


def rest(risk: Driven, size: int = COIN, side: int = 1, price: int = MARK, **terms: Any) -> None:
    """Place an order that matching rests as ORDER."""
    admitted = the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, side, size, price, client_id=7, **terms)))
    risk.tell(m.OrderRested(WHO, 1, admitted.ref, ORDER, size))


def held(risk: Driven) -> tuple[int, int]:
    """Hold in USDC and the size that counts for margin."""
    subaccount = risk.state.subaccounts[WHO]
    return subaccount.holds[1], subaccount.exposures[1].buys


def test_a_replace_holds_the_larger_until_it_is_answered(risk: Driven) -> None:
    rest(risk)
    command = risk.commands.replace(ALICE, MARK + 100 * DOLLAR, COIN // 2, ORDER)
    requested = the(m.ReplaceRequested, risk.tell(command))
    assert (requested.ref, requested.price, requested.size) == (1, MARK + 100 * DOLLAR, COIN // 2)
    loss_and_fee = 50 * USD + 8_100 * USD // 4_000
    assert held(risk) == (loss_and_fee, COIN)
    replaced = m.OrderReplaced(WHO, 1, 1, ORDER, command.header.command_id, requested.price, COIN // 2, COIN // 2)
    events = risk.tell(replaced)
    assert held(risk) == (loss_and_fee, COIN // 2)
    assert the(m.CommandResolved, events).open_size == COIN // 2
    assert the(m.OrderUpdated, events).price == MARK + 100 * DOLLAR


def test_a_refused_replace_leaves_the_order_as_it_was(risk: Driven) -> None:
    rest(risk)
    before = held(risk)
    command = risk.commands.replace(ALICE, MARK, 2 * COIN, client_id=7)
    risk.tell(command)
    assert held(risk)[1] == 2 * COIN
    refused = m.ReplaceRefused(WHO, 1, 1, command.header.command_id, int(Reason.POST_ONLY_WOULD_TAKE), MARK)
    assert reason_of(risk.tell(refused)) is Reason.POST_ONLY_WOULD_TAKE
    assert held(risk) == before


def test_what_trades_meanwhile_counts_once(risk: Driven) -> None:
    rest(risk)
    command = risk.commands.replace(ALICE, MARK, 2 * COIN, ORDER)
    risk.tell(command)
    risk.tell(m.OrderFilled(WHO, 1, 1, ORDER, 1, MARK, COIN // 4, -2_000 * USD, is_maker=True, remaining=COIN * 3 // 4))
    assert held(risk)[1] == 2 * COIN - COIN // 4
    risk.tell(m.OrderReplaced(WHO, 1, 1, ORDER, command.header.command_id, MARK, 2 * COIN, 2 * COIN - COIN // 4))
    assert held(risk)[1] == 2 * COIN - COIN // 4


def test_an_order_that_is_gone_when_the_answer_comes_resolves_the_command(risk: Driven) -> None:
    rest(risk)
    command = risk.commands.replace(ALICE, MARK, 2 * COIN, ORDER)
    risk.tell(command)
    risk.tell(m.OrderFilled(WHO, 1, 1, ORDER, 1, MARK, COIN, -8_000 * USD, is_maker=True, remaining=0))
    assert held(risk) == (0, 0)
    gone = m.ReplaceRefused(WHO, 1, 1, command.header.command_id, int(Reason.ORDER_NOT_OPEN))
    assert reason_of(risk.tell(gone)) is Reason.ORDER_NOT_OPEN


REFUSED: list[tuple[str, Reason, dict[str, Any]]] = [
    ("no such order", Reason.ORDER_NOT_OPEN, {"client_id": 8}),
    ("no lot", Reason.INVALID_SIZE, {"size": 5}),
    ("no tick", Reason.INVALID_PRICE, {"price": MARK + 1}),
    ("beyond the band", Reason.OUTSIDE_BAND, {"price": MARK + 500 * DOLLAR}),
    ("beyond the limit", Reason.POSITION_LIMIT, {"size": 100 * COIN, "price": 10}),
    ("beyond margin", Reason.INSUFFICIENT_MARGIN, {"size": 3 * COIN}),
]


@pytest.mark.parametrize(("reason", "terms"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_new_terms_are_refused_like_those_of_an_order(risk: Driven, reason: Reason, terms: dict[str, Any]) -> None:
    rest(risk)
    risk.state.markets[1] = but(BTC, position_max=50 * COIN)
    before = held(risk)
    asked = {"price": MARK, "size": COIN, "client_id": 7} | terms
    assert reason_of(risk.tell(risk.commands.replace(ALICE, **asked))) is reason
    assert held(risk) == before


def test_not_too_many_are_on_their_way(risk: Driven) -> None:
    rest(risk)
    for _ in range(PENDING_MAX):
        assert only(m.ReplaceRequested, risk.tell(risk.commands.replace(ALICE, MARK, COIN, ORDER)))
    assert reason_of(risk.tell(risk.commands.replace(ALICE, MARK, COIN, ORDER))) is Reason.REPLACE_UNDER_WAY


def test_a_slide_moves_the_price_before_the_order_rests(risk: Driven) -> None:
    slide = m.TimeInForce.POST_ONLY_SLIDE
    risk.tell(risk.commands.place(ALICE, 1, COIN, MARK + 10_000, tif=slide))
    assert risk.tell(m.OrderReplaced(WHO, 1, 1, ORDER, 0, MARK, COIN, COIN)) == []
    assert the(m.OrderUpdated, risk.tell(m.OrderRested(WHO, 1, 1, ORDER, COIN))).price == MARK
    assert held(risk) == (4 * USD, COIN)


def test_decrement_makes_an_order_smaller(risk: Driven) -> None:
    rest(risk)
    reduced = m.OrderReduced(WHO, 1, 1, ORDER, COIN // 2, COIN // 2, int(Reason.SELF_TRADE))
    update = the(m.OrderUpdated, risk.tell(reduced))
    assert (update.size, update.remaining, update.reason) == (COIN // 2, COIN // 2, Reason.SELF_TRADE)
    assert held(risk) == (2 * USD, COIN // 2)


def test_the_fee_of_an_order_is_rounded_once_however_many_fills_it_has(risk: Driven) -> None:
    rest(risk, size=30)
    charged = [
        the(
            m.FillBooked,
            risk.tell(
                m.OrderFilled(
                    WHO, 1, 1, ORDER, trade, MARK, 10, -10 * MARK * 10, is_maker=True, remaining=30 - 10 * trade
                )
            ),
        ).fee
        for trade in (1, 2, 3)
    ]
    assert sum(charged) == -(-30 * MARK * 10 // 5_000)
