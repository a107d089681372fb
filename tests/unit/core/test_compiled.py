"""The compiled machines are the machines: over every vector they write the same bytes, and their snapshots can be exchanged."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from deploy.compiled import FOLDER, MODULES, compile_modules, prepared
from services.core.spine import Engine
from tests.builders import MACHINES
from tests.vectors.text import read, records

VECTORS = Path(__file__).resolve().parents[2] / "vectors"

REPLAY = """
import importlib, sys, msgspec
from services.core.spine import Engine
said = []
for service, inputs, half in msgspec.msgpack.decode(sys.stdin.buffer.read()):
    machine = importlib.import_module(f"services.{service}.machine").MACHINE
    engine, second = Engine(machine, 0), Engine(machine, 0)
    outputs = [engine.step(*one) for one in inputs]
    second.restore(half)
    for one in inputs[second.spine.position:]:
        second.step(*one)
    said.append((outputs, engine.spine.digest, engine.snapshot(), second.snapshot()))
modules = [sys.modules[name].__file__ for name in sys.argv[1:] if name in sys.modules]
sys.stdout.buffer.write(msgspec.msgpack.encode((said, modules)))
"""


@pytest.mark.slow
def test_compiled_machines_write_the_same_bytes() -> None:
    compile_modules()
    asked, expected = [], []
    for path in sorted(VECTORS.glob("*/*.log")):
        inputs = list(records(read(path.read_text())[0]))
        engine = Engine(MACHINES[path.parent.name], 0)
        outputs, half = [], b""
        for one in inputs:
            outputs.append(engine.step(*one))
            half = half if len(outputs) * 2 > len(inputs) else engine.snapshot()
        asked.append((path.parent.name, inputs, half))
        expected.append((outputs, engine.spine.digest, engine.snapshot(), engine.snapshot()))
    environment = os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(FOLDER)}
    done = subprocess.run(
        [sys.executable, "-c", REPLAY, *MODULES],
        input=msgspec.msgpack.encode(asked),
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    said, modules = msgspec.msgpack.decode(done.stdout)
    assert len(modules) > len(MODULES) // 2
    assert all(not str(module).endswith(".py") for module in modules)
    assert said == msgspec.msgpack.decode(msgspec.msgpack.encode(expected))


SOURCE = '''
@dataclass(slots=True)
class Level:
    """Some orders."""

    size: int
    limit: int = -1

    def best(self) -> int:
        return self.size


@dataclass(frozen=True)
class Fixed:
    sizes: dict[int, int]


@dataclass(slots=True)
class Book:
    levels: dict[int, Level] = field(default_factory=dict)
    found: Levels = field(default_factory=dict)
'''


def test_compiled_dataclasses_get_a_constructor_and_the_types_of_their_contents() -> None:
    text = prepared(SOURCE)
    assert "    def __init__(self, size: int, limit: int = -1) -> None:\n        self.size = size\n" in text
    assert text.count("@dataclass(init=False, slots=True)") == text.count("def __init__") == 1
    assert 'vars(Book)["__annotations__"]["levels"] = dict[int, Level]\n' in text
    assert text.endswith('vars(Book)["__annotations__"]["found"] = Levels\n')
    assert "@dataclass(frozen=True)\nclass Fixed" in text
