"""Replay equals history, for every machine: from its start, from any snapshot, and in a process with another hash seed."""

import os
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.spine import Engine
from tests.builders import MACHINES, USDC_UNIT, Driven, Exchange
from tests.properties.histories import DEEP, PEOPLE, Action, Observe, Order, histories, opened, play, seeds, tell

ROOT = Path(__file__).resolve().parents[2]
CRASH: list[Action] = [
    *(Order(who, side, 20_000, 0, 0, False) for who, side in zip(PEOPLE, (1, 1, -1, -1), strict=True)),  # noqa: FBT003
    *(Observe(price) for price in (7_700, 7_400, 7_400, 7_400)),
]


def lived(history: list[Action], seed: int, **partitions: int) -> Exchange:
    """Exchange after a history that ends in a crash with liquidations."""
    exchange = opened(deep=True, **partitions)
    exchange.do("settlement", exchange.commands.contribute(40 * USDC_UNIT))
    play(exchange, [*history, *CRASH], seed)
    for side, ticks in ((1, -200), (-1, 200), (1, -600)):
        exchange.place(DEEP, side, 400_000, exchange.state("risk").marks[1].price + ticks * 10)
    for _ in range(3):
        tell(exchange, Observe(7_400))
        exchange.drain()
    return exchange


def digests(exchange: Exchange) -> dict[str, str]:
    """Digest of the outputs and hash of the state of each machine."""
    return {
        machine.engine.name: machine.engine.spine.digest.hex() + blake2b(machine.engine.snapshot()).hexdigest()
        for machine in exchange.machines.values()
    }


@pytest.mark.parametrize("count", [1, 4])
@settings(max_examples=15)
@given(history=histories(length=40), seed=seeds)
def test_replay_from_any_snapshot_is_identical(count: int, history: list[Action], seed: int) -> None:
    for machine in lived(history, seed, risk=count).machines.values():
        check_every_snapshot(machine)


def check_every_snapshot(machine: Driven) -> None:
    """Take a snapshot at each offset; a machine restored from it says the same from there on, up to the same end."""
    service, partition = machine.engine.machine.service, machine.engine.partition
    end = machine.engine.spine.digest, blake2b(machine.engine.snapshot()).digest()
    engine, restored = (Engine(MACHINES[service], partition) for _ in range(2))
    for offset, (at_ms, value) in enumerate(machine.inbox):
        outputs = engine.step(offset, at_ms, value)
        assert restored.step(offset, at_ms, value) == outputs
        restored = Engine(MACHINES[service], partition)
        restored.restore(engine.snapshot())
        assert restored.spine.digest == engine.spine.digest
    assert (engine.spine.digest, blake2b(engine.snapshot()).digest()) == end


@settings(max_examples=5)
@given(history=histories(length=40), seed=seeds, data=st.data())
def test_replay_from_one_snapshot_to_the_end_is_identical(
    history: list[Action], seed: int, data: st.DataObject
) -> None:
    for machine in lived(history, seed).machines.values():
        start = data.draw(st.integers(1, len(machine.inbox)))
        first, second = (Engine(MACHINES[machine.engine.machine.service], 0) for _ in range(2))
        for offset, (at_ms, value) in enumerate(machine.inbox):
            first.step(offset, at_ms, value)
            if offset + 1 == start:
                second.restore(first.snapshot())
            elif offset + 1 > start:
                second.step(offset, at_ms, value)
        assert second.spine.digest == first.spine.digest
        if start < len(machine.inbox):
            assert second.snapshot() == first.snapshot()


SCRIPT = """
import json, random
from tests.properties.histories import KINDS, an_action
from tests.properties.test_replay import digests, lived
chance = random.Random(7)
print(json.dumps(digests(lived([an_action(chance, KINDS) for _ in range(200)], 7, risk=4))))
"""


def test_a_process_with_another_hash_seed_comes_to_the_same() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}:{ROOT}/protos/gen"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert told[0].count("risk/") == 4
