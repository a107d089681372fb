"""Refusals in the units that people use."""

import pytest

from services.core.reasons import Reason
from services.gateway.explain import Units, explained
from tests.unit.gateway.venue import ASSET, MARKET

UNITS = Units(MARKET, ASSET)
ROWS = [
    (Reason.INVALID_SIZE, 10_000_000, "at most 100"),
    (Reason.INVALID_PRICE, 10, "tick 0.1"),
    (Reason.OUTSIDE_BAND, 840_000, "accepted is 8400"),
    (Reason.INSUFFICIENT_MARGIN, 150_000_000, "missing 1.5 USDC"),
    (Reason.TOO_MANY_ORDERS, 200, "at most 200 open"),
    (Reason.OUTSIDE_WINDOW, 5_000, "window of 5000 ms"),
]


@pytest.mark.parametrize(("reason", "limit", "text"), ROWS)
def test_the_limit_is_said_in_its_units(reason: Reason, limit: int, text: str) -> None:
    name, said = explained(reason, limit, UNITS)
    assert name == reason.name
    assert text in said


def test_without_a_market_raw_units_are_called_so() -> None:
    assert "8400 units" in explained(Reason.OUTSIDE_BAND, 8_400, Units())[1]


def test_a_reason_of_a_newer_machine_is_passed_on() -> None:
    assert explained(9_999, 7, UNITS) == ("REASON_9999", "refused for reason 9999, limit 7")


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.name)
def test_every_reason_has_words(reason: Reason) -> None:
    assert "{" not in explained(reason, 1, UNITS)[1]
