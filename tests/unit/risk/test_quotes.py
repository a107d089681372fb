"""Mass quotes at risk: admitted together or not at all, held at the larger of old and new, answered together."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.reasons import Reason
from tests.builders import ALICE, COIN, DOLLAR, USDC_UNIT, Driven, Exchange, reason_of, the, trading

MARK = 8_000 * DOLLAR
USD = USDC_UNIT
WHO = ALICE.subaccount
BID, ASK = (1, 1, MARK - 100, COIN // 10), (2, -1, MARK + 100, COIN // 10)


def exposure(risk: Driven) -> Any:
    """Exposure of Alice."""
    return risk.state.subaccounts[WHO].exposures[1]


def quote(risk: Driven, *quotes: m.Quote) -> m.QuotesAdmitted:
    """Set quotes that are admitted."""
    return the(m.QuotesAdmitted, risk.tell(risk.commands.quote(ALICE, *quotes)))


def answer(risk: Driven, admitted: m.QuotesAdmitted, *rows: m.QuoteAnswer) -> list[m.Message]:
    """Let matching answer."""
    return risk.tell(m.QuotesAnswered(WHO, 1, admitted.command_id, [*rows]))


def test_a_ladder_is_placed_moved_and_withdrawn(risk: Driven) -> None:
    placed = quote(risk, BID, ASK)
    assert placed.quotes == [
        (1, 1, MARK - 100, COIN // 10, True, True),
        (2, -1, MARK + 100, COIN // 10, True, True),
    ]
    events = answer(risk, placed, (1, 11, MARK - 100, COIN // 10, 0, 0), (2, 12, MARK + 100, COIN // 10, 0, 0))
    assert the(m.QuotesUpdated, events).quotes[0] == (1, 11, 1, MARK - 100, COIN // 10, COIN // 10, 0)
    assert the(m.CommandResolved, events).outcome == m.Outcome.DONE
    moved = quote(risk, but_price(BID, MARK - 200), (2, -1, 0, 0))
    assert moved.quotes == [(1, 1, MARK - 200, COIN // 10, True, False), (2, -1, 0, 0, True, False)]
    assert (exposure(risk).buys, exposure(risk).sells) == (COIN // 10, COIN // 10)
    by_client = int(Reason.CANCELLED_BY_CLIENT)
    answer(risk, moved, (1, 11, MARK - 200, COIN // 10, 0, 0), (2, 12, MARK + 100, 0, by_client, 0))
    assert (exposure(risk).buys, exposure(risk).sells, list(exposure(risk).orders)) == (COIN // 10, 0, [1])


def but_price(quoted: m.Quote, price: int) -> m.Quote:
    """Return a quote at another price."""
    return (quoted[0], quoted[1], price, quoted[3])


def test_what_trades_while_a_quote_moves_is_never_quoted_twice(risk: Driven) -> None:
    answer(risk, quote(risk, BID), (1, 11, MARK - 100, COIN // 10, 0, 0))
    half = COIN // 20
    risk.tell(
        m.OrderFilled(WHO, 1, 1, 11, 1, MARK - 100, half, -(MARK - 100) * half * 10, is_maker=True, remaining=half)
    )
    moved = quote(risk, BID)
    assert moved.quotes[0][3] == COIN // 10 + half
    assert exposure(risk).buys == COIN // 10
    events = answer(risk, moved, (1, 11, MARK - 100, COIN // 10, 0, 0))
    assert the(m.QuotesUpdated, events).quotes[0][4:6] == (COIN // 10 + half, COIN // 10)


def test_a_quote_that_is_gone_when_the_answer_comes_leaves_nothing(risk: Driven) -> None:
    answer(risk, quote(risk, BID), (1, 11, MARK - 100, COIN // 10, 0, 0))
    moved = quote(risk, BID)
    size = COIN // 10
    risk.tell(m.OrderFilled(WHO, 1, 1, 11, 1, MARK - 100, size, -(MARK - 100) * size * 10, is_maker=True, remaining=0))
    events = answer(risk, moved, (1, 11, 0, 0, int(Reason.ORDER_NOT_OPEN), 0))
    assert the(m.QuotesUpdated, events).quotes == []
    assert risk.state.subaccounts[WHO].holds == {1: 0}


REFUSED: list[tuple[str, Reason, tuple[m.Quote, ...]]] = [
    ("none", Reason.INVALID_ORDER, ()),
    ("no id", Reason.INVALID_ORDER, (but_price((0, 1, 0, COIN), MARK),)),
    ("an id twice", Reason.INVALID_ORDER, (BID, BID)),
    ("no side", Reason.INVALID_ORDER, ((1, 0, MARK, COIN),)),
    ("another side", Reason.INVALID_ORDER, (BID, (9, -1, MARK, COIN))),
    ("an order's id", Reason.DUPLICATE_CLIENT_ID, ((8, 1, MARK, COIN),)),
    ("one of them off the tick", Reason.INVALID_PRICE, (BID, but_price(ASK, MARK + 1))),
    ("one of them off the lot", Reason.INVALID_SIZE, (BID, (2, -1, MARK, 5))),
    ("one of them beyond the band", Reason.OUTSIDE_BAND, (but_price(BID, MARK + 500 * DOLLAR),)),
    ("too much together", Reason.INSUFFICIENT_MARGIN, ((1, 1, MARK, COIN), (2, 1, MARK, COIN), (3, 1, MARK, COIN))),
]


@pytest.mark.parametrize(("reason", "quotes"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_all_are_refused_for_the_first_that_does_not_pass(
    risk: Driven, reason: Reason, quotes: tuple[m.Quote, ...]
) -> None:
    risk.tell(risk.commands.place(ALICE, 1, 100, MARK - 1_000, client_id=8))
    quote(risk, (9, 1, MARK - 1_000, 100))
    before = dict(risk.state.subaccounts[WHO].holds)
    assert reason_of(risk.tell(risk.commands.quote(ALICE, *quotes))) is reason
    assert risk.state.subaccounts[WHO].holds == before


def test_quotes_of_two_makers_trade_only_with_takers() -> None:
    exchange: Exchange = trading((ALICE, 1_000))
    exchange.risk(ALICE, exchange.commands.quote(ALICE, BID, ASK))
    book = exchange.state("matching").trading[1].book
    assert len(book.orders) == 2
    exchange.risk(ALICE, exchange.commands.quote(ALICE, but_price(BID, MARK + 1_000), but_price(ASK, MARK + 2_000)))
    assert sorted(order.price for order in book.orders.values()) == [MARK + 1_000, MARK + 2_000]
    exchange.risk(ALICE, exchange.commands.quote(ALICE, (1, 1, 0, 0), (2, -1, 0, 0)))
    assert not book.orders
    assert exchange.subaccount(ALICE).holds == {1: 0}
