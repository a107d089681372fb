"""Prices of sources and the marks of markets of a funding partition."""

from dataclasses import dataclass, field

from services.core.commands import Commands
from services.core.fixed import FRACTION_ONE, AssetId, Fraction, MarketId, Milliseconds, Price, invariant
from services.core.markets import Asset, Market
from services.core.spine import MachineState
from services.funding.funding_rate import Mean
from services.funding.mark_price import NO_BASIS, Average
from services.funding.sources import Flaw

NO_PREMIUMS = Mean()


@dataclass(slots=True)
class Source:
    """Last price of a source for one index, 1e-8 quote; since when it has been the same; why the last index left it out, if it did."""

    price: Price = 0
    observed_ms: Milliseconds = 0
    changed_ms: Milliseconds = 0
    flaw: int = Flaw.NONE


@dataclass(slots=True)
class MarketFunding:
    """One market: its mark, the book and basis of its samples, what the next step needs.

    `premiums` are those of the interval under way; `mean_premium` is their mean, the last interval's until there is one. `step_due_ms` is
    the end of the interval, 0 for whichever timer comes. A delisted market has no more of anything.
    """

    index_price: Price = 0
    mark_price: Price = 0
    marked_ms: Milliseconds = 0
    armed: bool = False
    basis: Average = NO_BASIS
    sampled_ms: Milliseconds = 0
    best_bid: Price = 0
    best_ask: Price = 0
    last_price: Price = 0
    premiums: Mean = NO_PREMIUMS
    mean_premium: Fraction = 0
    rate: Fraction = 0
    steps: int = 0
    remainder: int = 0
    step_due_ms: Milliseconds = 0
    delisted: bool = False


@dataclass(slots=True)
class Change:
    """Parameters that a market gets at a time to come."""

    market: Market
    effective_ms: Milliseconds


@dataclass(slots=True)
class State(MachineState):
    """The partition; `sources` is index -> source -> last price, `listings` the markets as they were listed."""

    assets: dict[AssetId, Asset] = field(default_factory=dict)
    sources: dict[str, dict[str, Source]] = field(default_factory=dict)
    funding: dict[MarketId, MarketFunding] = field(default_factory=dict)
    commands: Commands = field(default_factory=Commands)
    listings: dict[MarketId, Market] = field(default_factory=dict)
    changes: dict[MarketId, Change] = field(default_factory=dict)
    delistings: dict[MarketId, Milliseconds] = field(default_factory=dict)


def check_invariants(state: State) -> None:
    """Marks are positive once there, on the tick; remainders are less than a unit; nothing awaits a market that ended."""
    for market_id, funding in state.funding.items():
        invariant(funding.mark_price % state.markets[market_id].tick == 0, "a mark is on the tick")
        invariant(0 <= funding.remainder < FRACTION_ONE, "a remainder is less than one unit")
        awaited = market_id in state.changes or market_id in state.delistings
        invariant(not (funding.delisted and awaited), "nothing awaits a market that ended")
