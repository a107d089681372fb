"""Balances of the funds and the transit books of the machine."""

from dataclasses import dataclass, field

from services.core.fixed import Amount, AssetId, invariant
from services.core.spine import MachineState


@dataclass(slots=True)
class Fund:
    """The fund of one (market group, asset)."""

    group: str
    asset: AssetId
    balance: Amount = 0


@dataclass(slots=True)
class State(MachineState):
    """All funds. `transit` is per service number and asset: what came from there minus what went there, with the sign of a book."""

    funds: dict[str, dict[AssetId, Fund]] = field(default_factory=dict)
    transit: dict[int, dict[AssetId, Amount]] = field(default_factory=dict)

    def fund(self, group: str, asset: AssetId) -> Fund:
        """Return the fund, opened empty when it is new."""
        funds = self.funds.setdefault(group, {})
        return funds.setdefault(asset, Fund(group, asset))


def check_invariants(state: State) -> None:
    """No fund is below zero; funds and transit sum to zero per asset."""
    totals: dict[AssetId, Amount] = {}
    for funds in state.funds.values():
        for fund in funds.values():
            invariant(fund.balance >= 0, "a fund is never below zero")
            totals[fund.asset] = totals.get(fund.asset, 0) + fund.balance
    for books in state.transit.values():
        for asset, amount in books.items():
            totals[asset] = totals.get(asset, 0) + amount
    invariant(not any(totals.values()), "the books of the fund sum to zero per asset")
