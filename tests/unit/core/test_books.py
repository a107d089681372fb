"""A ledger entry balances per asset, or it is a bug."""

import pytest

from services.core.books import balanced
from services.core.fixed import LIMIT, InvariantError
from services.core.messages import Book, Leg


def test_an_entry_leaves_out_what_is_nothing() -> None:
    legs: list[Leg] = [(Book.IDLE, 1, 0, 1, 5), (Book.FEES, 0, 0, 1, 0), (Book.TRANSIT, 2, 0, 1, -5)]
    entry = balanced("deposit", 3, 4, legs, "main")
    assert entry.legs == [legs[0], legs[2]]
    assert (entry.kind, entry.reference, entry.at_ms, entry.group) == ("deposit", 3, 4, "main")


WRONG: list[tuple[str, list[Leg], str]] = [
    ("not zero", [(Book.IDLE, 1, 0, 1, 5), (Book.TRANSIT, 2, 0, 1, -4)], "sum to zero"),
    ("zero over two assets", [(Book.IDLE, 1, 0, 1, 5), (Book.IDLE, 1, 0, 2, -5)], "sum to zero"),
    ("sizes without their other side", [(Book.POSITION, 1, 1, -1, 5)], "sum to zero"),
    ("out of range", [(Book.IDLE, 1, 0, 1, LIMIT), (Book.TRANSIT, 2, 0, 1, -LIMIT)], "range"),
]


@pytest.mark.parametrize(("legs", "claim"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_does_not_balance_is_a_bug(legs: list[Leg], claim: str) -> None:
    with pytest.raises(InvariantError, match=claim):
        balanced("x", 0, 0, legs)
