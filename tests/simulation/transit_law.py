"""What left one machine for another has arrived or is in flight, in every pair and asset.

A machine's books are looked at when it has taken a record: no other record can change them.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from services.core import messages as m
from services.core.spine import machine_number
from tests.simulation.law import law

MONEY = (m.DepositCredited, m.WithdrawalRequested, m.WithdrawalReturned, m.FundContributed, m.DeficitCovered)
"""What carries an amount from machine to machine."""
Way: TypeAlias = tuple[int, int, int]
"""(lower machine number, higher one, asset)."""


@dataclass
class Transit:
    """Transit books of all machines, less what is in flight."""

    booked: dict[str, dict[Way, int]] = field(default_factory=dict)
    balance: Counter[Way] = field(default_factory=Counter)

    def see(self, machine: str, service: str, state: Any) -> None:
        """Look at the books of one machine."""
        before, now = self.booked.get(machine, {}), books_of(service, state)
        if now != before:
            self.balance.subtract(before)
            self.balance.update(now)
            self.booked[machine] = now

    def sent(self, source: str, destination: str, message: m.Message, sign: int = -1) -> None:
        """Count a message between two services that is under way now, or with sign 1 no longer."""
        if isinstance(message, MONEY):
            self.balance[way(machine_number(source), machine_number(destination), message.asset)] += (
                sign * message.amount
            )

    def judge(self) -> None:
        """Nothing is missing on any way, and nothing too much."""
        law(not any(self.balance.values()), f"transit is what is in flight: {dict(self.balance)}")


def way(one: int, other: int, asset: int) -> Way:
    """Name the way between two machines, in either direction."""
    return min(one, other), max(one, other), asset


def books_of(service: str, state: Any) -> dict[Way, int]:
    """Transit books of a machine."""
    number = machine_number(service)
    if service in ("settlement", "insurance_fund"):
        return {
            way(number, other, asset): amount
            for other, assets in state.transit.items()
            for asset, amount in assets.items()
        }
    if service == "risk":
        return {
            way(number, other, asset): amount
            for other, markets in state.house.get(m.Book.TRANSIT, {}).items()
            for asset, amount in markets.get(0, {}).items()
        }
    return {}
