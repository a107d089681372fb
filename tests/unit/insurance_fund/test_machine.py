"""The insurance fund in messages."""

import pytest

from services.core import messages as m
from services.core.fixed import InvariantError
from services.core.spine import machine_number
from tests.builders import START_MS, Driven

RISK, SETTLEMENT = machine_number("risk"), machine_number("settlement")


def test_a_contribution_is_posted_against_who_sent_it() -> None:
    fund = Driven("insurance_fund")
    for source, number, balance in (("settlement/0", SETTLEMENT, 100), ("risk/3", RISK, 200)):
        assert fund.tell(m.FundContributed("main", 1, 100), source=source) == [
            m.Posted(
                "contribution", 0, START_MS, [(m.Book.FUND, 0, 0, 1, 100), (m.Book.TRANSIT, number, 0, 1, -100)], "main"
            ),
            m.FundChanged("main", 1, balance, 100),
        ]


def deficit(amount: int, group: str = "main") -> m.DeficitReported:
    return m.DeficitReported(256, group, 1, amount, 7)


def answers(fund: Driven, message: m.DeficitReported) -> list[m.Message]:
    return [event for event in fund.tell(message) if not isinstance(event, m.Posted | m.FundChanged)]


CASES = [
    ("covered in full", 60, [m.DeficitCovered(256, 1, 60, 7)], 40),
    ("to its last unit", 100, [m.DeficitCovered(256, 1, 100, 7)], 0),
    ("what it has, and what is missing", 101, [m.DeficitCovered(256, 1, 100, 7), m.DeficitUncovered(256, 1, 1, 7)], 0),
]


@pytest.mark.parametrize(("amount", "expected", "left"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_a_deficit_is_answered_in_full(amount: int, expected: list[m.Message], left: int) -> None:
    fund = Driven("insurance_fund")
    fund.tell(m.FundContributed("main", 1, 100), source="risk/0")
    assert answers(fund, deficit(amount)) == expected
    assert fund.state.fund("main", 1).balance == left


def test_an_empty_fund_and_another_groups_fund_pay_nothing() -> None:
    fund = Driven("insurance_fund")
    fund.tell(m.FundContributed("other", 1, 100), source="risk/0")
    assert fund.tell(deficit(5)) == [m.DeficitUncovered(256, 1, 5, 7)]


def test_a_deficit_is_posted_with_its_number() -> None:
    fund = Driven("insurance_fund")
    fund.tell(m.FundContributed("main", 1, 100), source="risk/0")
    posted, changed, _ = fund.tell(deficit(30))
    assert posted == m.Posted(
        "deficit", 7, START_MS, [(m.Book.FUND, 0, 0, 1, -30), (m.Book.TRANSIT, RISK, 0, 1, 30)], "main"
    )
    assert changed == m.FundChanged("main", 1, 70, -30)


def test_a_deficit_of_nothing_is_a_bug() -> None:
    with pytest.raises(InvariantError, match="a deficit is positive"):
        Driven("insurance_fund").tell(deficit(0))
