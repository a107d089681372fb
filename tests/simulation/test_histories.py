"""Hundreds of seeded histories with every kind of fault; the counts are printed, and are part of what is asserted."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from services.core.topics import SERVICES, inputs_from_outside
from tests.simulation.__main__ import command_of, shrink
from tests.simulation.world import CRASH_POINTS, FAULTS, Plan, World

BATCHES = 26
SEEDS_PER_BATCH = 20
COUNTS = Path("build/simulation")
FROM_OUTSIDE = sorted(
    {message.__name__ for service in SERVICES for message in inputs_from_outside(service)}
    - {"ActivateRules", "Continue"}
)
"""All that clients, admins and sources can say, and most that hosts do; each batch has all of it."""
COME_TO = (
    "late reports",
    "modes switched off",
    "one shard",
    "four shards",
    "records between periods",
    "zombies in a period",
)
"""What each batch comes to; what is rarer is printed in sum."""


@pytest.mark.parametrize("batch", range(BATCHES))
def test_laws_hold_in_every_history(batch: int) -> None:
    """Run a batch of seeds; a broken law fails with the command that shows it again."""
    faults: Counter[str] = Counter()
    seeds: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    occurrences: Counter[str] = Counter()
    for seed in range(batch * SEEDS_PER_BATCH, (batch + 1) * SEEDS_PER_BATCH):
        world = run(Plan.of(seed))
        faults.update(world.faults)
        seeds.update(kind for kind, count in world.faults.items() if count)
        taken.update(world.laws.tally.taken)
        occurrences.update(world.laws.occurrences.counts)
        sums.update(
            seeds=1,
            admissions=world.laws.margins.admissions,
            fills=world.laws.margins.fills,
            commands=world.laws.tally.results.total(),
            deficits=world.laws.tally.deficits,
            records=world.laws.checked,
            trades=world.laws.tally.trades,
            liquidations=world.laws.tally.liquidations,
        )
    folder = COUNTS / os.environ.get("VIGIL_SIMULATION_RUN", "alone")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{batch}.json").write_text(json.dumps([faults, seeds, sums, occurrences]))
    print(f"{SEEDS_PER_BATCH} seeds: {dict(sums)}, faults {dict(sorted(faults.items()))}")
    assert_per_batch(faults, seeds)
    rare = [name for name in COME_TO if not occurrences[name]]
    assert not rare, f"no history came to {rare}"
    missing = [message for message in FROM_OUTSIDE if not taken[message]]
    assert not missing, f"nobody asked {missing}"


def run(plan: Plan) -> World:
    """Run one history; shrink what fails."""
    world = World(plan)
    try:
        return world.run()
    except Exception as broken:
        small, why = shrink(plan, broken)
        broken.add_note(f"again: {command_of(plan)}\nsmaller: {command_of(small)} ({why})")
        raise


def assert_per_batch(faults: Counter[str], seeds: Counter[str]) -> None:
    """Each batch has its share: over all, 500 seeds, 20,000 faults, each kind 100 times, each crash point in 20 seeds."""
    assert sum(faults.values()) * BATCHES >= 20_000
    for kind in FAULTS:
        assert faults[kind] * BATCHES >= 100, f"{kind} happened too rarely"
    for point in CRASH_POINTS:
        assert seeds[f"kill_{point}"] * BATCHES >= 20, f"{point} was hit in too few seeds"
