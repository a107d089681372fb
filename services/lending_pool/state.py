"""The pools and what they need of other machines: assets and the balances of funds; nothing here decides."""

from dataclasses import dataclass, field

from services.core.fixed import LIMIT, Amount, AssetId, Fraction, Milliseconds, invariant
from services.core.markets import Asset, PoolTerms
from services.core.messages import PoolDelta, PoolUpdated
from services.core.pool import FIRST, INDEX_ONE, Indices, InterestIndex, PoolState, Stress
from services.core.spine import MachineState

HISTORY = 1_440
"""Openings kept per pool: a day of periods of a minute."""


@dataclass(slots=True)
class Opening:
    """A pool at one opening, for the history: as in PoolUpdated."""

    period: int
    at_ms: Milliseconds
    supply_index: InterestIndex
    borrow_index: InterestIndex
    supplied: Amount
    borrowed: Amount
    cash: Amount
    used: Fraction
    borrow_rate: Fraction
    lend_rate: Fraction
    reserve: Amount


@dataclass(slots=True)
class Pool:
    """One asset's pool.

    `kept_back` is what the cap on the supply index has held back so far. Losses are borne in all `by_reserve` and `by_suppliers`, less
    what was recovered. `lines` is what each shard had at most after the last opening, unused or held; `demand` what each uses per
    period; `rooms` is what all might borrow by will; `leaving` says that lenders used the lines; `profit_debt` is what has left against
    floating profit; `recovered` is what came in of losses that profits had borne: the pool has gained it, and no later loss is less by it.
    """

    asset: AssetId
    terms: PoolTerms
    indices: Indices = FIRST
    state: int = int(PoolState.OPEN)
    state_next: int = int(PoolState.OPEN)
    reserve: Amount = 0
    kept_back: Amount = 0
    by_reserve: Amount = 0
    by_suppliers: Amount = 0
    loss: Amount = 0
    recovered: Amount = 0
    profit_debt: Amount = 0
    late_ms: Milliseconds = 0
    stress: int = int(Stress.CALM)
    reports: dict[int, PoolDelta] = field(default_factory=dict)
    lines: dict[int, Amount] = field(default_factory=dict)
    rooms: Amount = 0
    leaving: bool = False
    demand: dict[int, Amount] = field(default_factory=dict)
    history: list[Opening] = field(default_factory=list)
    latest: PoolUpdated | None = None
    passed_over: int = 0


@dataclass(slots=True)
class State(MachineState):
    """All pools. `parked` are reports of assets that this machine has not heard of yet."""

    assets: dict[AssetId, Asset] = field(default_factory=dict)
    funds: dict[str, dict[AssetId, Amount]] = field(default_factory=dict)
    pools: dict[AssetId, Pool] = field(default_factory=dict)
    parked: dict[AssetId, list[PoolDelta]] = field(default_factory=dict)

    @property
    def shards(self) -> int:
        """How many shards report."""
        return self.genesis.partitions["risk"] if self.genesis is not None else 0


def check_invariants(state: State) -> None:
    """Indices are in order, amounts in range, reports of the open period alone."""
    for pool in state.pools.values():
        period = pool.indices
        invariant(0 < period.burn <= period.supply <= period.mint < LIMIT, "burn <= supply <= mint index")
        invariant(INDEX_ONE <= period.borrow < LIMIT, "the borrow index never falls")
        invariant(0 <= pool.reserve < LIMIT, "the reserve is never below zero")
        invariant(0 <= pool.kept_back < LIMIT, "what is kept back is never below zero")
        invariant(min(pool.by_reserve, pool.by_suppliers) >= 0, "no more is recovered than was borne")
        invariant(len(pool.history) <= HISTORY, "history is bounded")
        for report in pool.reports.values():
            invariant(report.period == period.period, "reports are of the open period")
