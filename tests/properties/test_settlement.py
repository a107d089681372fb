"""Laws of settlement: custody holds deposits less withdrawals, never less than nothing; deposits never take it past the venue's cap."""

import random

from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from tests.builders import ALICE, BOB, USDC, Driven, but

seeds = st.integers(0, 2**32)


def settled(seed: int, length: int) -> Driven:
    """Settlement after a random history; each record is checked against what custody should hold."""
    chance = random.Random(seed)
    machine = Driven("settlement")
    cap = chance.choice([0, 1, 1_500, 10_000])
    capped = but(USDC.collateral, venue_max=cap)
    machine.tell(machine.commands.list_asset(but(USDC, faucet_max=1_000, collateral=capped)))
    held = 0
    for number in range(1, length + 1):
        who, amount = chance.choice([ALICE, BOB]), chance.randint(-5, 1_100)
        kind = chance.choice(["deposit", "contribution", "withdrawal", "withdrawal"])
        if kind == "deposit":
            events = machine.tell(machine.commands.deposit(who, amount))
            given = sum(event.amount for event in events if isinstance(event, m.DepositCredited))
            held += given
            assert not given or not cap or held <= cap
            assert given or not 0 < amount <= 1_000 or (cap and held + amount > cap)
        elif kind == "contribution":
            events = machine.tell(machine.commands.contribute(amount))
            held += sum(event.amount for event in events if isinstance(event, m.FundContributed))
        else:
            asked = m.WithdrawalRequested(who.subaccount, 1, max(1, amount), number, "elsewhere")
            events = machine.tell(asked)
            answers = [event for event in events if isinstance(event, m.WithdrawalPaid | m.WithdrawalReturned)]
            assert [(answer.amount, answer.withdrawal_id) for answer in answers] == [(asked.amount, number)]
            held -= sum(event.amount for event in events if isinstance(event, m.WithdrawalPaid))
        assert machine.state.custody.get(1, 0) == held >= 0
    return machine


@given(seed=seeds, length=st.integers(1, 60))
def test_custody_is_deposits_less_withdrawals_and_never_negative(seed: int, length: int) -> None:
    settled(seed, length)
