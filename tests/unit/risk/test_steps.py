"""What reaches every position of a market does so some positions per record, so that nobody's order waits for all of them."""

import pytest

from services.core import messages as m
from services.core.contracts import cash_flow
from services.core.fixed import INDEX_DECIMALS
from services.core.messages import Book, Leg
from services.risk.state import post
from services.risk.wires import SeriesKind
from tests.builders import BITCOIN, DOLLAR, FUTURE, Driven, only, person
from tests.unit.risk.waiting import MARK, PENDING, STOP, TAKE_PROFIT, WHO, fill, place, stands, trigger, waiting

HOLDERS, BETWEEN = 450, 200
"""Positions in the market, and how many may be ended between two orders of others."""
LAST = MARK + 1_001
"""A price at which payoffs are no whole numbers."""
SERIES = (int(SeriesKind.MARK), FUTURE.id)
BITCOINS = 10**8


@pytest.fixture
def crowded(risk: Driven) -> Driven:
    """Many people who hold a future on both sides, on a tenth of a bitcoin each; Alice trades elsewhere."""
    risk.tell(m.AssetListed(BITCOIN))
    risk.tell(m.MarketListed(FUTURE))
    risk.tell(m.SettlementMarked(FUTURE.id, MARK))
    for number in range(HOLDERS):
        hold(risk, person(f"holder {number}").subaccount, 7 if number & 1 else -7)
    for _ in range(3):
        see(risk, MARK)
    drain(risk)
    return risk


def hold(risk: Driven, subaccount: int, size: int, deposit: int = BITCOINS // 10) -> None:
    """Give a subaccount bitcoin and a position in the future, at the mark."""
    cash = cash_flow(FUTURE, size, MARK)
    legs: list[Leg] = [
        (Book.IDLE, subaccount, 0, BITCOIN.id, deposit),
        (Book.TRANSIT, 1, 0, BITCOIN.id, -deposit),
        (Book.POSITION, subaccount, FUTURE.id, -FUTURE.id, size),
        (Book.CLEARING, 0, FUTURE.id, -FUTURE.id, -size),
        (Book.POSITION, subaccount, FUTURE.id, BITCOIN.id, cash),
        (Book.CLEARING, 0, FUTURE.id, BITCOIN.id, -cash),
    ]
    post(risk.state, "fill", 1, legs)


def see(risk: Driven, future: int) -> list[m.Message]:
    """See a mark of each market."""
    risk.now_ms += 1_000
    bitcoin = MARK // DOLLAR * 10**INDEX_DECIMALS
    marks = [(1, MARK, 0), (FUTURE.id, future, 0)] if future else [(1, MARK, 0)]
    return risk.tell(m.MarksUpdated(marks, collateral=[(BITCOIN.id, bitcoin)]))


def drain(risk: Driven) -> list[m.Message]:
    """Do what was postponed."""
    said: list[m.Message] = []
    while risk.engine.machine.has_work(risk.state):
        said += risk.tell(m.Continue())
    return said


def test_an_order_waits_for_few_positions_of_a_market_that_ends(crowded: Driven) -> None:
    ended = [len(only(m.PositionSettled, crowded.tell(m.MarketDelisted(FUTURE.id, LAST, is_expiry=True))))]
    while crowded.engine.machine.has_work(crowded.state):
        said = crowded.tell(crowded.commands.place(person("alice"), 1, 10, MARK - 10 * len(ended)))
        assert len(only(m.OrderAdmitted, said)) == 1
        ended.append(len(only(m.PositionSettled, said)))
    assert sum(ended) == HOLDERS
    assert max(ended) <= BETWEEN


def test_payoffs_sum_to_zero_but_for_the_dust_in_clearing(crowded: Driven) -> None:
    before = sum(one.idle.get(BITCOIN.id, 0) for one in crowded.state.subaccounts.values())
    said = crowded.tell(m.MarketDelisted(FUTURE.id, LAST, is_expiry=True)) + drain(crowded)
    payoffs = [one.amount for one in only(m.PositionSettled, said)]
    clearing = crowded.state.house[Book.CLEARING][0][FUTURE.id]
    after = sum(one.idle.get(BITCOIN.id, 0) for one in crowded.state.subaccounts.values())
    assert clearing[-FUTURE.id] == 0
    assert after - before == sum(payoffs) == -clearing[BITCOIN.id]
    assert 0 < clearing[BITCOIN.id] <= HOLDERS


def test_who_ends_within_his_box_is_not_looked_at_again(crowded: Driven) -> None:
    boxes = [one.box for one in crowded.state.subaccounts.values() if one.box is not None]
    assert len(boxes) == HOLDERS
    assert not crowded.state.touched
    crowded.tell(m.MarketDelisted(FUTURE.id, LAST, is_expiry=True))
    drain(crowded)
    assert not crowded.state.touched
    assert all(SERIES not in box.ranges for box in boxes)
    assert not crowded.state.wires[SERIES].below
    assert not crowded.state.wires[SERIES].above


def test_who_ends_outside_his_box_is_looked_at_again(crowded: Driven) -> None:
    """What a position has lost beyond its box may be missing for another one, which no wire would tell."""
    hold(crowded, WHO, 700, BITCOINS)
    fill(crowded, place(crowded, 1, 100_000), 100_000)
    see(crowded, MARK)
    box = crowded.state.subaccounts[WHO].box
    assert box is not None
    crowded.tell(m.MarketDelisted(FUTURE.id, box.ranges[SERIES][0] - 1, is_expiry=True))
    drain(crowded)
    assert WHO in crowded.state.touched
    see(crowded, 0)
    drain(crowded)
    box = crowded.state.subaccounts[WHO].box
    assert box is not None
    assert SERIES not in box.ranges


def test_who_only_waits_in_a_market_is_told_of_its_end(crowded: Driven) -> None:
    crowded.tell(trigger(crowded, STOP, 1, LAST + 10, market=FUTURE.id, size=1))
    crowded.tell(trigger(crowded, TAKE_PROFIT, 1, MARK - 500 * DOLLAR, market=FUTURE.id, size=1))
    elsewhere = crowded.tell(trigger(crowded, STOP, 1, MARK + 10))
    assert stands(elsewhere)[0][0] == PENDING
    crowded.tell(m.MarketDelisted(FUTURE.id, LAST, is_expiry=True))
    drain(crowded)
    assert [one.market for one in waiting(crowded).values()] == [1]
    assert crowded.state.waiting == {1: {WHO: None}, FUTURE.id: {}}
