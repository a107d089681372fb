"""What was promised for a time happens at it: scheduled cancels, and those of a session whose lease ran out."""

from dataclasses import dataclass, field
from typing import Any

from services.core.fixed import account_of
from tests.simulation.law import law


@dataclass
class Promises:
    """Orders that must be on their way out after the record that is judged: (subaccount, market, ref)."""

    due: list[tuple[int, int, int]] = field(default_factory=list)
    kept: int = 0

    def prepare(self, state: Any, at_ms: int) -> None:
        """Look whose time has come before a record of risk."""
        now_ms = max(state.now_ms, at_ms)
        sessions = {
            account.id for account in state.accounts.values() if any(end <= now_ms for end in account.leases.values())
        }
        self.due = [
            (subaccount.id, exposure.market, ref)
            for subaccount in state.subaccounts.values()
            if 0 < subaccount.cancel_at_ms <= now_ms or account_of(subaccount.id) in sessions
            for exposure in subaccount.exposures.values()
            for ref in exposure.orders
        ]

    def judge(self, state: Any) -> None:
        """Nothing is overdue, and what was due is asked of matching."""
        now_ms = state.now_ms
        late = [one.id for one in state.accounts.values() if any(end <= now_ms for end in one.leases.values())]
        law(not late, f"no lease is overdue, as are those of {late}")
        late = [one.id for one in state.subaccounts.values() if 0 < one.cancel_at_ms <= now_ms]
        law(not late, f"no scheduled cancel is overdue, as are those of {late}")
        for number, market, ref in self.due:
            subaccount = state.subaccounts[number]
            exposure = subaccount.exposures.get(market)
            gone = exposure is None or ref not in exposure.orders
            asked = any(one[0] == market for one in subaccount.cancels)
            law(gone or asked, f"order {ref} of {number} is cancelled when its guard ends")
        self.kept += bool(self.due)
