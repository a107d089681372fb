"""Prices of sources and the marks of markets of a funding partition."""

from dataclasses import dataclass, field

from services.core.commands import Commands
from services.core.fixed import FRACTION_ONE, AssetId, Fraction, MarketId, Milliseconds, Price, invariant
from services.core.markets import Asset
from services.core.spine import MachineState


@dataclass(slots=True)
class Source:
    """Last price of a source for one index, 1e-8 quote."""

    price: Price = 0
    observed_ms: Milliseconds = 0


@dataclass(slots=True)
class MarketFunding:
    """One market: its mark, what was sampled since the last step, and the remainder that the next step pays."""

    index_price: Price = 0
    mark_price: Price = 0
    marked_ms: Milliseconds = 0
    armed: bool = False
    basis_sum: int = 0
    last_price: Price = 0
    premium_sum: int = 0
    premium_count: int = 0
    rate: Fraction = 0
    steps: int = 0
    remainder: int = 0


@dataclass(slots=True)
class State(MachineState):
    """The partition; `sources` is index -> source -> last price."""

    assets: dict[AssetId, Asset] = field(default_factory=dict)
    sources: dict[str, dict[str, Source]] = field(default_factory=dict)
    funding: dict[MarketId, MarketFunding] = field(default_factory=dict)
    commands: Commands = field(default_factory=Commands)


def check_invariants(state: State) -> None:
    """Marks are positive once there, on the tick; remainders are less than a unit."""
    for market_id, funding in state.funding.items():
        invariant(funding.mark_price % state.markets[market_id].tick == 0, "a mark is on the tick")
        invariant(0 <= funding.remainder < FRACTION_ONE, "a remainder is less than one unit")
