"""The laws of a pool over all shards, whichever period each has open: claims are covered, lines are backed, indices never fall (M-14)."""

from dataclasses import dataclass, field
from typing import Any

from services.core.pool import DEBT, INDEX_ONE, PARTS_ONE, SUPPLY, Indices
from services.risk.periods import cleared, outstanding, pool_cash
from tests.simulation.law import law
from tests.simulation.occurrences import Occurrences

UNIT = INDEX_ONE * PARTS_ONE
"""One unit of an asset as this law counts: parts of an index times parts of a share."""


@dataclass
class Part:
    """What one shard has of a pool."""

    indices: Indices
    claims: int
    owed: int
    cash: int
    clearing: int
    lines: int
    loss: int


def part_of(state: Any, asset: int) -> Part:
    """Look at one shard: claims at its supply index, debts at its borrow index, exactly; money in parts of 1e18."""
    pool = state.pools[asset]
    markets = [market for market in state.markets.values() if market.settlement_asset == asset and not market.is_spot]
    carry = sum(state.pulses[market.id].carry for market in markets if market.id in state.pulses)
    clearing = sum(cleared(state, market.id, asset) for market in markets)
    return Part(
        pool.indices,
        outstanding(state, asset, SUPPLY) * pool.indices.supply,
        outstanding(state, asset, DEBT) * pool.indices.borrow,
        pool_cash(state, asset) * PARTS_ONE + carry,
        clearing * PARTS_ONE - carry,
        pool.line + pool.held,
        pool.loss,
    )


@dataclass
class Pools:
    """The pools' own machine and the parts of every shard, as they were seen last."""

    occurrences: Occurrences
    reserve: dict[int, int] = field(default_factory=dict)
    written: dict[int, int] = field(default_factory=dict)
    recovered: dict[int, int] = field(default_factory=dict)
    borne: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """By asset what suppliers bear from a period on, until every shard has opened it: (period, amount)."""
    borne_in_all: dict[int, int] = field(default_factory=dict)
    parts: dict[int, dict[str, Part]] = field(default_factory=dict)

    def see_pools(self, state: Any) -> None:
        """Look at the machine that opens periods."""
        for asset, pool in state.pools.items():
            written = pool.by_reserve + pool.by_suppliers
            more = pool.by_suppliers - self.borne_in_all.get(asset, 0)
            self.borne_in_all[asset] = pool.by_suppliers
            if more > 0:
                self.borne.setdefault(asset, []).append((pool.indices.period, more))
            self.reserve[asset], self.written[asset] = pool.reserve, written
            self.recovered[asset] = pool.recovered

    def see_shard(self, name: str, state: Any) -> None:
        """Look at one shard, and hold the laws of what it has a part in."""
        for asset in state.pools:
            now, before = part_of(state, asset), self.parts.setdefault(asset, {}).get(name)
            if before is not None and before.indices != now.indices:
                self.occurrences.opened(now.indices)
                law(now.indices.supply >= before.indices.burn, "the supply index never falls but to the burn index")
                law(now.indices.borrow >= before.indices.borrow, "the borrow index never falls")
            if now != before:
                self.parts[asset][name] = now
                periods = [part.indices.period for part in self.parts[asset].values()]
                self.occurrences.parts(periods, now.loss - (before.loss if before is not None else 0))
                self.judge(asset)

    def judge(self, asset: int) -> None:
        """Hold the laws of one pool over all shards."""
        parts = self.parts[asset].values()
        cash, clearing = sum(part.cash for part in parts), sum(part.clearing for part in parts)
        lines = sum(part.lines for part in parts)
        law(cash + clearing >= lines * PARTS_ONE, f"the lines of asset {asset} are backed by cash: {lines}")
        last = min(part.indices.period for part in parts)
        self.borne[asset] = [one for one in self.borne.get(asset, []) if one[0] > last]
        loss = max(0, sum(part.loss for part in parts) + self.recovered.get(asset, 0)) - self.written.get(asset, 0)
        loss += sum(amount for _period, amount in self.borne[asset])
        owns = cash * INDEX_ONE + sum(part.owed for part in parts) + loss * UNIT
        claims = sum(part.claims for part in parts) + self.reserve.get(asset, 0) * UNIT
        law(owns - claims > -UNIT, f"claims on pool {asset} are covered, not {(claims - owns) / UNIT} short")
