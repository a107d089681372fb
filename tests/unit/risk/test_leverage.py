"""A subaccount's own leverage limit: what it raises, and when it is refused."""

import pytest

from services.core import messages as m
from services.core.reasons import Reason
from services.risk.leverage import LEVERAGE_MAX
from tests.builders import ALICE, COIN, Driven, reason_of, the
from tests.unit.risk.waiting import BUY, MARK, WHO, hold


def limit(risk: Driven, leverage: int) -> list[m.Message]:
    """Let Alice bound her leverage."""
    return risk.tell(m.SetLeverage(risk.commands.header(ALICE), WHO, leverage))


def test_a_limit_asks_for_more_initial_margin(risk: Driven) -> None:
    """1,000 USDC carry 1.2 BTC at 8,000 with ten times, and not with five."""
    assert the(m.LeverageSet, limit(risk, 5)).leverage_max == 5
    order = risk.commands.place(ALICE, 1, COIN * 12 // 10, MARK)
    assert reason_of(risk.tell(order)) is Reason.INSUFFICIENT_MARGIN
    limit(risk, 10)
    the(m.OrderAdmitted, risk.tell(risk.commands.place(ALICE, 1, COIN * 12 // 10, MARK)))


def test_a_limit_that_margin_does_not_cover_is_refused(risk: Driven) -> None:
    hold(risk, BUY, COIN)
    result = the(m.CommandResolved, limit(risk, 8))
    assert (result.reason, result.limit) == (Reason.INVALID_LEVERAGE, LEVERAGE_MAX)
    assert risk.state.subaccounts[WHO].leverage_max == 0
    assert reason_of(limit(risk, 9)) is Reason.NONE


def test_a_looser_limit_is_always_taken(risk: Driven) -> None:
    hold(risk, BUY, COIN)
    limit(risk, 9)
    risk.tell(m.MarksUpdated([(1, MARK * 95 // 100, MARK)]))
    assert reason_of(limit(risk, 8)) is Reason.INVALID_LEVERAGE
    for leverage in (10, 0):
        assert reason_of(limit(risk, leverage)) is Reason.NONE


@pytest.mark.parametrize("leverage", [-1, LEVERAGE_MAX + 1])
def test_no_leverage_is_refused_with_the_largest(risk: Driven, leverage: int) -> None:
    assert the(m.CommandResolved, limit(risk, leverage)).limit == LEVERAGE_MAX
