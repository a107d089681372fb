"""Write the vectors, their snapshots and the schema anew: `make vectors`; the difference is for review."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from services.core import messages as m
from services.core.markets import Asset, Market
from services.core.spine import Engine
from tests.builders import MACHINES, Driven
from tests.vectors import released_protos
from tests.vectors.scenarios import SCENARIOS
from tests.vectors.text import Input, records, run, write

HERE = Path(__file__).resolve().parent
SCHEMA = HERE / "schema.txt"
SCHEMA_TITLE = (
    "# The released schema: tag, name, fields in the order of the wire. Rows are only added, fields only appended."
)


def inputs_of(machine: Driven) -> list[Input]:
    """Inbox of a machine as inputs."""
    inputs = []
    for at_ms, value in machine.inbox:
        record: m.Record = machine.engine.decode(value)
        inputs.append(Input(at_ms, record.source or "-", record.origin_ms, record.message))
    return inputs


def vectors() -> Iterator[tuple[Path, bytes]]:
    """All files as they should be."""
    for case, scenario in SCENARIOS.items():
        exchange = scenario.play()
        for service in scenario.services:
            machine = exchange.machines[f"{service}.inbox", 0]
            inputs = inputs_of(machine)
            says = run_again(machine, inputs)
            yield HERE / service / f"{case}.log", write(scenario.title, inputs, says.spine.digest).encode()
            if service in scenario.snapshots:
                half = Engine(MACHINES[service], 0)
                for row in list(records(inputs))[: len(inputs) * 2 // 3]:
                    half.step(*row)
                yield HERE / "snapshots" / f"{service}.{case}.snapshot", half.snapshot()


def run_again(machine: Driven, inputs: list[Input]) -> Engine[Any]:
    """Run the inputs as a reader of the text would, and note the events."""
    engine = run(machine.engine.machine.service, inputs)
    if engine.spine.digest != machine.engine.spine.digest:
        raise SystemExit(f"{machine.engine.name}: the text does not say all that the inbox said")
    return engine


def schema() -> bytes:
    """Rows of the schema; what was released stays as it was."""
    structs: list[type[msgspec.Struct]] = sorted(
        m.Message.__subclasses__(), key=lambda one: int(str(one.__struct_config__.tag))
    )
    structs += [m.CommandHeader, m.Record, Asset, Market]
    rows = [
        f"{one.__struct_config__.tag or '-'} {one.__name__} {' '.join(one.__struct_fields__)}".strip()
        for one in structs
    ]
    for old in SCHEMA.read_text().splitlines()[1:]:
        if not any(row == old or row.startswith(old + " ") for row in rows):
            raise SystemExit(f"a released message changed: {old}")
    return "\n".join([SCHEMA_TITLE, *rows, ""]).encode()


def main() -> int:
    """Write what differs and say so."""
    wanted = dict([*vectors(), (SCHEMA, schema()), (released_protos.RELEASED, released_protos.written())])
    for path in [*HERE.glob("*/*.log"), *HERE.glob("snapshots/*.snapshot")]:
        if path not in wanted:
            path.unlink()
            print(f"removed {path.relative_to(HERE)}")
    for path, content in wanted.items():
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            print(f"wrote {path.relative_to(HERE)}")
    print(f"{len(wanted)} files are as they should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
