"""Prices of sources, the marks of markets and what settles them, and the prices of collateral of a funding partition."""

from dataclasses import dataclass, field

from services.core.commands import Commands
from services.core.contracts import UNIT_VALUE
from services.core.fixed import FRACTION_ONE, AssetId, Fraction, MarketId, Milliseconds, Price, invariant
from services.core.markets import Asset, Calendar, Market
from services.core.spine import MachineState
from services.funding.funding_rate import Mean
from services.funding.mark_price import NO_BASIS, Average
from services.funding.reference_rate import Partition
from services.funding.settlement_price import NO_SAMPLES, NOTHING, Samples, Total
from services.funding.slow_price import Slow
from services.funding.sources import Flaw

NO_PREMIUMS = Mean()
NO_MARKS = Slow(0)


@dataclass(slots=True)
class Source:
    """Last price of a source for one index, 1e-10 quote; since when it has been the same; why the last index left it out, if it did."""

    price: Price = 0
    observed_ms: Milliseconds = 0
    changed_ms: Milliseconds = 0
    flaw: int = Flaw.NONE


@dataclass(slots=True)
class MarketFunding:
    """One market: its mark, the book and basis of its samples, what the next step needs.

    `premiums` are those of the interval under way; `mean_premium` is their mean, the last interval's until there is one. `step_due_ms` is
    the end of the interval, 0 for whichever timer comes. What steps left unpaid per lot is `remainder` in parts of 1e12 of a unit, and
    `remainder_rest` in parts of 1e18 of one of those. `basis` is in units of price, of a dated future in parts of 1e12 per year.
    A delisted market has no more of anything.
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
    remainder_rest: int = 0


@dataclass(slots=True)
class Window:
    """What the next settlement of a market, or its end, will be priced by: what is seen from `begins_ms` until before `due_ms`.

    `index` is the last one made, of `index_ms`, 1e-10 quote; the samples before `sampled_ms` are in `samples`. `volume` and `turnover` are
    what traded. `medians` are those of the reference rate's parts before `part`, 0 for an empty one; `partition` is that part.
    """

    due_ms: Milliseconds
    begins_ms: Milliseconds
    sampled_ms: Milliseconds
    index: Price = 0
    index_ms: Milliseconds = 0
    samples: Samples = NO_SAMPLES
    volume: Total = NOTHING
    turnover: Total = NOTHING
    part: int = 0
    partition: Partition = field(default_factory=Partition)
    medians: list[Price] = field(default_factory=list)


@dataclass(slots=True)
class Settling:
    """Settlements of a market: how many there were, when and at what price the last one, and the window of the next.

    `rate` is the last reference rate.
    """

    window: Window
    step: int = 0
    settled_ms: Milliseconds = 0
    price: Price = 0
    rate: Price = 0


@dataclass(slots=True)
class Pulsing:
    """Pulses of a market: how many there were, when the next is due, and averages of the mark over an hour and a day until `sampled_ms`."""

    pulse: int = 0
    due_ms: Milliseconds = 0
    hour: Slow = NO_MARKS
    day: Slow = NO_MARKS
    sampled_ms: Milliseconds = 0


@dataclass(slots=True)
class CollateralPrice:
    """An asset's price as collateral: before its haircut, as the running minute began, and as it was published last; 1e-10 of the unit."""

    price: Price = 0
    at_minute: Price = 0
    minute_ms: Milliseconds = 0
    published: Price = 0
    published_ms: Milliseconds = 0
    armed: bool = False


@dataclass(slots=True)
class Series:
    """A calendar's futures: how many were ever listed, and the ends to come of those that were."""

    calendar: Calendar
    listed: int = 0
    ends: list[Milliseconds] = field(default_factory=list)


@dataclass(slots=True)
class Change:
    """Parameters that a market gets at a time to come."""

    market: Market
    effective_ms: Milliseconds


@dataclass(slots=True)
class State(MachineState):
    """The partition; `sources` is index -> source -> last price, `listings` the markets as they were listed.

    `settling` has the markets that settle or end by themselves, `pulsing` those that pulse, `collateral` the assets whose price is made
    here. `fallbacks` counts the settlement prices that had to be made in another way than the market names.
    """

    assets: dict[AssetId, Asset] = field(default_factory=dict)
    sources: dict[str, dict[str, Source]] = field(default_factory=dict)
    funding: dict[MarketId, MarketFunding] = field(default_factory=dict)
    commands: Commands = field(default_factory=Commands)
    listings: dict[MarketId, Market] = field(default_factory=dict)
    changes: dict[MarketId, Change] = field(default_factory=dict)
    delistings: dict[MarketId, Milliseconds] = field(default_factory=dict)
    settling: dict[MarketId, Settling] = field(default_factory=dict)
    collateral: dict[AssetId, CollateralPrice] = field(default_factory=dict)
    series: dict[int, Series] = field(default_factory=dict)
    fallbacks: int = 0
    pulsing: dict[MarketId, Pulsing] = field(default_factory=dict)


def check_invariants(state: State) -> None:
    """Marks are on the tick; remainders are less than a unit; collateral prices keep their bound; nothing awaits a market that ended."""
    for market_id, funding in state.funding.items():
        invariant(funding.mark_price % state.markets[market_id].tick == 0, "a mark is on the tick")
        invariant(0 <= funding.remainder < FRACTION_ONE, "a remainder is less than one unit")
        invariant(0 <= funding.remainder_rest < UNIT_VALUE, "the rest of a remainder is less than one part of it")
        awaited = any(
            market_id in waiting for waiting in (state.changes, state.delistings, state.settling, state.pulsing)
        )
        invariant(not (funding.delisted and awaited), "nothing awaits a market that ended")
    for series in state.series.values():
        invariant(series.listed <= series.calendar.markets_max, "a calendar lists no more than it may")
    for pulsing in state.pulsing.values():
        invariant(all(0 <= slow.rest < FRACTION_ONE for slow in (pulsing.hour, pulsing.day)), "a rest is less than one")
    for price in state.collateral.values():
        invariant(0 <= price.published <= price.price, "a haircut only takes off")
