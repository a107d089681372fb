"""Assets, custody, transit and fee tiers of the settlement machine."""

from dataclasses import dataclass, field

from services.core.commands import Commands
from services.core.fixed import Amount, AssetId, invariant
from services.core.markets import Asset
from services.core.messages import FeeTier
from services.core.spine import MachineState


@dataclass(slots=True)
class State(MachineState):
    """`custody` is what the venue really holds; the OUTSIDE book is minus that. `fee_tiers` are ascending by number."""

    assets: dict[AssetId, Asset] = field(default_factory=dict)
    custody: dict[AssetId, Amount] = field(default_factory=dict)
    transit: dict[int, dict[AssetId, Amount]] = field(default_factory=dict)
    commands: Commands = field(default_factory=Commands)
    deposits: int = 0
    fee_tiers: list[FeeTier] = field(default_factory=list)


def check_invariants(state: State) -> None:
    """Custody is never negative; minus custody and transit sum to zero per asset; fee tiers are ascending."""
    for asset, held in state.custody.items():
        invariant(held >= 0, "custody holds no negative amount")
        transit = sum(books.get(asset, 0) for books in state.transit.values())
        invariant(transit == held, "what custody holds went to the other machines")
    tiers = [tier for tier, _maker, _taker in state.fee_tiers]
    invariant(tiers == sorted(dict.fromkeys(tiers)), "fee tiers are ascending, each once")
