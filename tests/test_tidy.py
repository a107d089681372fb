"""Rules of the house that linters cannot say: what machines may not contain, what must be documented.

Each rule is a function from source to findings, tried on planted bad snippets below: it is known to bite.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ROOT / "services"
MACHINE_PACKAGES = ["funding", "matching", "risk", "insurance_fund", "settlement", "lending_pool"]
BLIND_CORE = ["fixed", "roots", "contracts", "collateral", "markets", "messages", "reasons", "topics", "timers"]
# Around the machines: wiring and queries, which may know the world.
NOT_BLIND = ["__main__.py", "api.py"]
# Not services: the shared core, the composition of all, and the client library.
WITHOUT_CARD = ["core", "local", "client"]
CARD_WORDS = ["purpose", "inputs", "outputs", "state", "invariants", "source"]
SIGHTED_MODULES = [
    *[
        "asyncio",
        "datetime",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "socket",
    ],
    *["sqlite3", "structlog", "subprocess", "sys", "tempfile", "threading", "time", "uuid"],
]
KAFKA_CLIENTS = ["AIOKafkaConsumer(", "AIOKafkaProducer("]

Finding = str


def names_called(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.lineno, node.func.id


def inexact_arithmetic(tree: ast.AST) -> Iterator[Finding]:
    """`/`, floats and rounding: numbers are integers, divided by div_floor and div_ceil alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"line {node.lineno}: true division"
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"line {node.lineno}: a float"
        if isinstance(node, ast.Name) and node.id in {"float", "complex"}:
            yield f"line {node.lineno}: {node.id}"
    yield from (f"line {line}: {name}()" for line, name in names_called(tree) if name == "round")


def floor_division(tree: ast.AST) -> Iterator[Finding]:
    """`//` and divmod: whoever divides says who gains the remainder, by div_floor or div_ceil."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.FloorDiv):
            yield f"line {node.lineno}: floor division"
    yield from (f"line {line}: {name}()" for line, name in names_called(tree) if name == "divmod")


def order_by_accident(tree: ast.AST) -> Iterator[Finding]:
    """Sets and hashes, whose order differs from process to process: use a dict, a tuple or sorted()."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Set | ast.SetComp):
            yield f"line {node.lineno}: a set"
        if isinstance(node, ast.Name) and node.id in {"set", "frozenset"}:
            yield f"line {node.lineno}: {node.id}"
        if isinstance(node, ast.BinOp) and (is_keys_view(node.left) or is_keys_view(node.right)):
            yield f"line {node.lineno}: a set made of a dict's keys"
    yield from (f"line {line}: {name}()" for line, name in names_called(tree) if name in {"hash", "id"})


def is_keys_view(node: ast.expr) -> bool:
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr in {"keys", "items"}


def sight_of_the_world(tree: ast.AST) -> Iterator[Finding]:
    """Clock, randomness, environment, I/O, waiting: all of it comes in records."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"line {node.lineno}: import {one.name}" for one in node.names if is_sighted(one.name))
        if isinstance(node, ast.ImportFrom) and is_sighted(node.module or ""):
            yield f"line {node.lineno}: from {node.module} import"
        if isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith):
            yield f"line {node.lineno}: waiting"
    forbidden = {"open", "print", "input", "__import__", "exec", "eval"}
    yield from (f"line {line}: {name}()" for line, name in names_called(tree) if name in forbidden)


def is_sighted(module: str) -> bool:
    return module.partition(".")[0] in SIGHTED_MODULES


def missing_card(tree: ast.Module) -> Iterator[Finding]:
    """The service card: the package's docstring with its six words."""
    card = (ast.get_docstring(tree) or "").lower()
    yield from (f"the card does not say: {word}" for word in CARD_WORDS if word not in card)


def undocumented_classes(tree: ast.Module) -> Iterator[Finding]:
    """Every message says what it means."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not ast.get_docstring(node):
            yield f"line {node.lineno}: {node.name} has no docstring"


RULES: list[Callable[[ast.Module], Iterator[Finding]]] = [
    *[inexact_arithmetic, floor_division, order_by_accident, sight_of_the_world],
]


def blind_files() -> list[Path]:
    machines = [file for name in MACHINE_PACKAGES for file in sorted((SERVICES / name).glob("*.py"))]
    core = [SERVICES / "core" / f"{name}.py" for name in BLIND_CORE]
    return [file for file in [*machines, *core] if file.exists() and file.name not in NOT_BLIND]


def service_packages() -> list[Path]:
    return sorted({file.parent for file in SERVICES.glob("*/*.py")} - {SERVICES / name for name in WITHOUT_CARD})


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), filename=str(file))


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("file", blind_files(), ids=relative)
def test_machines_states_and_formulas_are_deterministic(
    file: Path, rule: Callable[[ast.Module], Iterator[Finding]]
) -> None:
    if rule is floor_division and file.name == "fixed.py":
        return
    assert list(rule(parse(file))) == []


def test_every_service_has_a_card() -> None:
    cards = [package / "__init__.py" for package in service_packages()]
    assert [relative(card) for card in cards if not card.exists()] == []
    assert {relative(card): found for card in cards if (found := list(missing_card(parse(card))))} == {}


def test_every_message_is_documented() -> None:
    messages = SERVICES / "core" / "messages.py"
    assert list(undocumented_classes(parse(messages))) == []


def test_the_kafka_client_is_used_by_the_log_and_by_readers_of_feeds_alone() -> None:
    users = {
        relative(file) for file in SERVICES.rglob("*.py") if any(client in file.read_text() for client in KAFKA_CLIENTS)
    }
    assert users <= {"services/core/kafka_log.py", "services/client/kafka_feed.py"}


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=relative)
def test_locks_hold_names_versions_and_hashes_only(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index-url" not in text
    assert all(line.startswith("    --hash=sha256:") or "==" in line for line in text.splitlines())


def test_the_lock_agrees_with_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    locked = re.findall(r"^[\w.-]+==[^\s;]+", (ROOT / "requirements" / "dev.txt").read_text(), re.MULTILINE)
    assert sorted(set(wanted) - set(locked)) == [], "run `make lock`"


PLANTED = [
    ("true division", inexact_arithmetic, "fee = notional / 2"),
    ("true division in place", inexact_arithmetic, "fee /= 2"),
    ("float literal", inexact_arithmetic, "fee = notional * 0.0005"),
    ("float call", inexact_arithmetic, "fee = float(text)"),
    ("float field", inexact_arithmetic, "class Fee:\n    rate: float"),
    ("rounding", inexact_arithmetic, "fee = round(notional, 2)"),
    ("floor division", floor_division, "fee = notional // 2"),
    ("divmod", floor_division, "whole, rest = divmod(notional, 2)"),
    ("set literal", order_by_accident, "for account in {1, 2}: pay(account)"),
    ("set comprehension", order_by_accident, "touched = {fill.account for fill in fills}"),
    ("frozenset", order_by_accident, "CLOSED = frozenset((1, 2))"),
    ("difference of keys", order_by_accident, "gone = before.keys() - after.keys()"),
    ("hash", order_by_accident, "shard = hash(symbol) % 4"),
    ("identity", order_by_accident, "orders.sort(key=lambda order: id(order))"),
    ("clock by name", sight_of_the_world, "from datetime import datetime"),
    ("randomness", sight_of_the_world, "import random"),
    ("submodule", sight_of_the_world, "import os.path"),
    ("file", sight_of_the_world, "rows = open('markets.toml')"),
    ("await", sight_of_the_world, "async def apply(state, record): await flush()"),
    ("card without a word", missing_card, '"""Purpose inputs outputs state invariants."""'),
    ("message without words", undocumented_classes, "class PlaceOrder(Struct):\n    size: int"),
]


@pytest.mark.parametrize(("rule", "source"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_planted_mistakes_are_found(rule: Callable[[ast.Module], Iterator[Finding]], source: str) -> None:
    assert list(rule(ast.parse(source)))


def test_planted_set_iteration_in_a_machine_is_found() -> None:
    source = """
def process_mark(state, mark):
    return [Liquidation(account) for account in set(state.underwater)]
"""
    assert list(order_by_accident(ast.parse(source))) == ["line 3: set"]


def test_planted_wall_clock_in_a_machine_is_found() -> None:
    source = """
import time
def process_order(state, order):
    return order.at_ms < time.time_ns()
"""
    assert list(sight_of_the_world(ast.parse(source))) == ["line 2: import time"]


def test_what_machines_need_is_allowed() -> None:
    source = '''
"""Purpose, inputs, outputs, state, invariants, source."""
from services.core.fixed import div_floor
class Order(Struct):
    """An order."""
    at_ms: int
def fee(notional, rate):
    seen = {1: None}
    return [div_floor(notional * rate, SCALE) % lot for account in sorted(seen)]
'''
    tree = ast.parse(source)
    assert [finding for rule in [*RULES, missing_card, undocumented_classes] for finding in rule(tree)] == []
