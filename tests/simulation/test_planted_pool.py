"""A bug planted in pools that needs the whole venue: it must be found by a broken law within a few seeds."""

from typing import Any

from services.core import pool as p
from services.core.spine import Engine
from tests.builders import but
from tests.simulation.test_planted_bugs import finds
from tests.simulation.world import Plan


class StaleIndices(Engine[Any]):
    """A machine that comes up again from a snapshot has pools as they stood a period before."""

    def restore(self, blob: bytes) -> None:
        """Go back to the indices of the pools' last period but one."""
        super().restore(blob)
        if self.machine.service == "risk":
            for pool in self.state.pools.values():
                year = p.YEAR_MS * 10**12
                older = pool.indices.borrow * year // (year + pool.indices.rate * pool.indices.length_ms)
                pool.indices = but(pool.indices, period=max(0, pool.indices.period - 1), borrow=older)


def test_report_at_a_stale_index_after_a_crash_is_found() -> None:
    """A shard that comes back reports a period that has long closed."""
    kinds = ("kill_before_read", "kill_after_apply", "kill_before_ack")
    found = finds(lambda seed: Plan.of(seed, engine=StaleIndices, faults=20, kinds=kinds))
    assert "digest of a fresh machine" in str(found) or "never said" in str(found)
