"""What the tests of matching are made of: a market at 8,000.00 and orders with refs of their own."""

import pytest

from services.core import messages as m
from tests.builders import BTC, Driven

MARK = 800_000


@pytest.fixture
def matching() -> Driven:
    """Matching with an open market at 8,000.00."""
    machine = Driven("matching")
    machine.tell(m.MarketListed(BTC))
    machine.tell(m.SettlementMarked(1, MARK))
    return machine
