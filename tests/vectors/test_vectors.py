"""Every vector is what its machine says, from its start and from its released snapshot."""

from pathlib import Path

import pytest

from services.core.spine import Engine
from tests.builders import MACHINES
from tests.vectors.__main__ import HERE, vectors
from tests.vectors.text import Input, read, run

LOGS = sorted(HERE.glob("*/*.log"))
SNAPSHOTS = sorted(HERE.glob("snapshots/*.snapshot"))


def name(path: Path) -> str:
    return str(path.relative_to(HERE))


@pytest.mark.parametrize("path", LOGS, ids=name)
def test_a_machine_says_what_its_vector_says(path: Path) -> None:
    expected, digest = read(path.read_text())
    inputs = [Input(one.at_ms, one.source, one.origin_ms, one.message) for one in expected]
    engine = run(path.parent.name, inputs)
    for number, (said, should) in enumerate(zip(inputs, expected, strict=True), 1):
        assert said == should, f"record {number}"
    assert engine.spine.digest == digest


@pytest.mark.parametrize("path", SNAPSHOTS, ids=name)
def test_a_released_snapshot_loads_and_reaches_the_same_digest(path: Path) -> None:
    service, case, _ = path.name.split(".")
    inputs, digest = read((HERE / service / f"{case}.log").read_text())
    engine = run(service, inputs, path.read_bytes())
    assert 0 < engine.spine.position == len(inputs)
    assert engine.spine.digest == digest


def test_every_machine_has_vectors_and_a_snapshot() -> None:
    assert {path.parent.name for path in LOGS} == set(MACHINES)
    assert {path.name.split(".")[0] for path in SNAPSHOTS} == set(MACHINES)


def test_the_files_are_those_of_the_scenarios() -> None:
    """Otherwise somebody changed one by hand, or forgot `make vectors`."""
    wanted = dict(vectors())
    assert set(wanted) == {*LOGS, *SNAPSHOTS}
    assert [name(path) for path, content in wanted.items() if path.read_bytes() != content] == []


def test_a_wrong_digest_would_be_found() -> None:
    inputs, digest = read(LOGS[0].read_text())
    engine = Engine(MACHINES[LOGS[0].parent.name], 0)
    assert engine.spine.digest != digest
    assert run(LOGS[0].parent.name, inputs[:-3]).spine.digest != digest
