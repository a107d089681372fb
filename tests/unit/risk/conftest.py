"""Risk alone, which the tests of this folder speak to as its market would."""

import pytest

from services.core import messages as m
from tests.builders import ALICE, BTC, DOLLAR, USDC, USDC_UNIT, Driven


@pytest.fixture
def risk() -> Driven:
    """Risk alone: an open market at 8,000.00, Alice with 1,000 USDC."""
    machine = Driven("risk")
    machine.tell(m.AssetListed(USDC))
    machine.tell(m.MarketListed(BTC))
    machine.tell(m.SettlementMarked(1, 8_000 * DOLLAR))
    machine.tell(machine.commands.open(ALICE))
    machine.tell(m.DepositCredited(ALICE.subaccount, 1, 1_000 * USDC_UNIT, 1))
    return machine
