"""Assets, custody, transit, tiers and owners of the settlement machine."""

from dataclasses import dataclass, field

from services.core.commands import Commands
from services.core.fixed import AccountId, Amount, AssetId, invariant
from services.core.markets import Asset
from services.core.messages import FeeTier, LimitTier
from services.core.spine import MachineState


@dataclass(slots=True)
class State(MachineState):
    """`custody` is what the venue really holds; the OUTSIDE book is minus that. Tiers are ascending by number.

    `owners` names the owner of an account where that is not its own. `pool_states` has what pools take whose state was ever set.
    """

    assets: dict[AssetId, Asset] = field(default_factory=dict)
    custody: dict[AssetId, Amount] = field(default_factory=dict)
    transit: dict[int, dict[AssetId, Amount]] = field(default_factory=dict)
    commands: Commands = field(default_factory=Commands)
    deposits: int = 0
    fee_tiers: list[FeeTier] = field(default_factory=list)
    limit_tiers: list[LimitTier] = field(default_factory=list)
    owners: dict[AccountId, int] = field(default_factory=dict)
    pool_states: dict[AssetId, int] = field(default_factory=dict)


def check_invariants(state: State) -> None:
    """Custody is never negative; minus custody and transit sum to zero per asset; tiers are ascending."""
    for asset, held in state.custody.items():
        invariant(held >= 0, "custody holds no negative amount")
        transit = sum(books.get(asset, 0) for books in state.transit.values())
        invariant(transit == held, "what custody holds went to the other machines")
    for tiers in ([tier for tier, *_ in state.fee_tiers], [tier for tier, *_ in state.limit_tiers]):
        invariant(tiers == sorted(dict.fromkeys(tiers)), "tiers are ascending, each once")
    for asset in state.pool_states:
        invariant(state.assets[asset].pool is not None, "only a pool has a state")
    invariant(all(state.owners.values()), "an account without another owner is not written down")
