"""The insurance fund's machine: contributions in, deficits answered; it decides no liquidation."""

from typing import TypeAlias

from services.core.books import balanced
from services.core.fixed import Amount, invariant, unexpected
from services.core.messages import (
    Book,
    DeficitCovered,
    DeficitReported,
    DeficitUncovered,
    FundChanged,
    FundContributed,
    Message,
    Posted,
    Record,
)
from services.core.spine import Machine, machine_number
from services.insurance_fund.state import Fund, State, check_invariants

Input: TypeAlias = FundContributed | DeficitReported
Output: TypeAlias = DeficitCovered | DeficitUncovered | FundChanged | Posted


def apply(state: State, record: Record) -> list[Message]:
    """Advance the funds by one record; what a fund cannot pay is answered as uncovered."""
    match record.message:
        case FundContributed() as contributed:
            return process_contribution(state, contributed, record.source)
        case DeficitReported() as reported:
            return process_deficit(state, reported)
        case unknown:
            raise unexpected(unknown)


def process_contribution(state: State, contributed: FundContributed, source: str) -> list[Message]:
    """Take money in."""
    fund = state.fund(contributed.group, contributed.asset)
    writer = machine_number(source.partition("/")[0])
    return move(state, fund, contributed.amount, writer, "contribution", 0)


def process_deficit(state: State, reported: DeficitReported) -> list[Message]:
    """Pay what there is, to the last unit; say how much is missing."""
    invariant(reported.amount > 0, "a deficit is positive")
    fund = state.fund(reported.group, reported.asset)
    paid = min(fund.balance, reported.amount)
    unpaid = reported.amount - paid
    events: list[Message] = []
    if paid:
        events += move(state, fund, -paid, machine_number("risk"), "deficit", reported.deficit_id)
        events.append(DeficitCovered(reported.subaccount, reported.asset, paid, reported.deficit_id))
    if unpaid:
        events.append(DeficitUncovered(reported.subaccount, reported.asset, unpaid, reported.deficit_id))
    return events


def move(state: State, fund: Fund, amount: Amount, counterparty: int, kind: str, reference: int) -> list[Message]:
    """Change a fund against the transit of the machine that the money comes from or goes to."""
    books = state.transit.setdefault(counterparty, {})
    fund.balance += amount
    books[fund.asset] = books.get(fund.asset, 0) - amount
    legs = [(Book.FUND, 0, 0, fund.asset, amount), (Book.TRANSIT, counterparty, 0, fund.asset, -amount)]
    return [
        balanced(kind, reference, state.now_ms, legs, fund.group),
        FundChanged(fund.group, fund.asset, fund.balance, amount),
    ]


MACHINE = Machine("insurance_fund", State, apply, check_invariants)
