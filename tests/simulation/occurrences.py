"""How often histories came to what is rare: late shards, zombies, stress, bad debt and who bears it; printed and asserted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from services.core import messages as m
from services.core.pool import Indices, Stress
from vigil.v1 import feeds_pb2


@dataclass
class Occurrences:
    """Counts by name."""

    counts: Counter[str] = field(default_factory=Counter)

    def hear(self, event: feeds_pb2.FeedRecord) -> None:
        """Count a public event."""
        kind = str(event.WhichOneof("event"))
        match kind:
            case "pool_stressed" if event.pool_stressed.stress:
                self.counts[f"stress {Stress(event.pool_stressed.stress).name}"] += 1
            case "loss_borne":
                borne = event.loss_borne
                for who, amount in (("reserve", borne.by_reserve), ("suppliers", borne.by_suppliers)):
                    self.counts[f"borne by {who}"] += amount > 0
            case "modes_set":
                off = m.MODES_DEFAULT & ~event.modes_set.modes
                self.counts["modes switched off"] += bool(off)
            case "lender_deleveraged" | "interest_accrued" | "liquidation_started" | "pool_updated":
                self.counts[kind.replace("_", " ")] += 1
            case _:
                pass

    def said(self, state: Any, message: m.Message) -> None:
        """Count what a shard has said to others: a report is late when a whole period has passed since it was due."""
        if isinstance(message, m.PoolDelta) and message.period:
            indices = state.pools[message.asset].indices
            self.counts["late reports"] += state.now_ms >= indices.closes_at_ms + indices.length_ms

    def opened(self, indices: Indices) -> None:
        """Count a period that a shard has opened."""
        self.counts["periods opened"] += 1
        self.counts["burn indices"] += indices.burn < indices.supply

    def parts(self, periods: list[int], lost: int) -> None:
        """Count what a pool's parts have come to: shards in different periods, and debt that is lost to the pool."""
        self.counts["records between periods"] += max(periods) > min(periods)
        self.counts["bad debts"] += lost > 0

    def zombie(self, period: int) -> None:
        """A second process has begun beside one that runs, and a pool is open."""
        self.counts["zombies in a period"] += period > 0
