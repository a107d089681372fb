"""Compile machines, formulas and the book with mypyc: a second copy of the services under build/compiled.

    python deploy/compiled.py [FOLDER]
    PYTHONSAFEPATH=1 PYTHONPATH=build/compiled python -m services.risk

It is the same source, so the same decisions, only sooner: what compiles is plain typed Python that does no I/O. The sources themselves
stay as they are, and so does everything that runs without a C compiler.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "compiled"
CORE = ("fixed", "timers", "books", "roots", "contracts", "collateral", "commands", "spine")
MATCHING = (
    "book",
    "owners",
    "protection",
    "plan",
    "bands",
    "price_limits",
    "impact",
    "entry",
    "turn",
    "pauses",
    "orders",
    "quotes",
    "uncross",
    "auction",
    "sweeps",
    "states",
    "stream",
)
RISK = (
    "margin",
    "open_orders",
    "admission",
    "closing",
    "orders",
    "answers",
    "money",
    "quotes",
    "cancels",
    "rate",
    "access",
    "events",
    "liquidation",
    "conversion",
    "health",
    "fills",
    "margin_call",
    "wires",
    "series",
    "box",
    "judging",
    "steps",
    "conditions",
    "trigger",
    "triggers",
    "trailing",
    "brackets",
    "twap",
    "alarms",
    "leverage",
    "protection",
    "keys",
)
MODULES = (
    *(f"services.core.{name}" for name in CORE),
    *(f"services.matching.{name}" for name in MATCHING),
    *(f"services.risk.{name}" for name in RISK),
)
"""Not among them: messages, which msgspec compiles already, and state.py, whose classes the engine's own are extended by."""
COPIED = ("services", "bench")
BESIDE = ("deploy", "protos", "tests")
"""Used as they are, so that what runs in the copy meets the compiled modules."""
STAMP = "complete"


def compile_modules(folder: Path = FOLDER, modules: Sequence[str] = MODULES) -> bool:
    """Copy the sources into `folder` and compile there; whether it had to: a copy newer than every source is left as it is."""
    if is_fresh(folder, modules):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    for package in COPIED:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BESIDE:
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    sources = [folder / (module.replace(".", "/") + ".py") for module in modules]
    for source in sources:
        source.write_text(prepared(source.read_text()))
    run_mypyc(folder, [str(source.relative_to(folder)) for source in sources])
    (folder / STAMP).write_text("\n".join(modules))
    return True


def is_fresh(folder: Path, modules: Sequence[str]) -> bool:
    """Whether the copy has these modules and is newer than every source."""
    stamp = folder / STAMP
    if not stamp.exists() or stamp.read_text() != "\n".join(modules):
        return False
    sources = [Path(__file__), ROOT / "pyproject.toml"]
    sources += [source for package in COPIED for source in (ROOT / package).rglob("*.py")]
    return all(source.stat().st_mtime <= stamp.stat().st_mtime for source in sources)


def prepared(text: str) -> str:
    """A source whose dataclasses are as quick and as well described compiled as they are plain.

    mypyc leaves their constructors to the interpreter, so they get one of their own; and it keeps `dict` of what a container holds,
    which snapshots are read by, so they get that back at the end of the file.
    """
    kinds = [kind for kind in ast.parse(text).body if isinstance(kind, ast.ClassDef) and dataclass_line(kind)]
    lines = text.splitlines(keepends=True)
    for kind in reversed(kinds):
        if has_plain_defaults(kind):
            lines[kind.end_lineno or 0 : kind.end_lineno or 0] = constructor(kind)
            at = dataclass_line(kind) - 1
            lines[at] = lines[at].replace("dataclass(", "dataclass(init=False, ")
    return "".join([*lines, "\n", *(line for kind in kinds for line in kept_types(kind))])


def dataclass_line(kind: ast.ClassDef) -> int:
    """Line of the decorator `dataclass(...)`, 0 when there is none, or when instances are frozen."""
    for decorator in kind.decorator_list:
        said = ast.unparse(decorator)
        if said.startswith("dataclass(") and "frozen" not in said:
            return decorator.lineno
    return 0


def fields_of(kind: ast.ClassDef) -> list[tuple[str, ast.AnnAssign]]:
    """Fields by name."""
    lines = [line for line in kind.body if isinstance(line, ast.AnnAssign)]
    return [(line.target.id, line) for line in lines if isinstance(line.target, ast.Name)]


def has_plain_defaults(kind: ast.ClassDef) -> bool:
    """Whether no default has to be made anew for each instance."""
    return not any(isinstance(line.value, ast.Call) for _, line in fields_of(kind))


def constructor(kind: ast.ClassDef) -> Iterator[str]:
    """Lines of the constructor that a dataclass would have."""
    fields = fields_of(kind)
    defaults = {name: f" = {ast.unparse(line.value)}" for name, line in fields if line.value is not None}
    arguments = (f"{name}: {ast.unparse(line.annotation)}{defaults.get(name, '')}" for name, line in fields)
    yield f"\n    def __init__(self, {', '.join(arguments)}) -> None:\n"
    yield from (f"        self.{name} = {name}\n" for name, _ in fields)


def kept_types(kind: ast.ClassDef) -> Iterator[str]:
    """Lines that say of what kind the contents of a class's containers are; a name may stand for a container, too."""
    for name, line in fields_of(kind):
        yield f'vars({kind.name})["__annotations__"]["{name}"] = {ast.unparse(line.annotation)}\n'


def run_mypyc(folder: Path, sources: list[str]) -> None:
    """Compile in place; SystemExit with what mypyc says when a source is not what it takes."""
    log = folder / "mypyc.log"
    command = [str(Path(sys.executable).with_name("mypyc")), *sources]
    environment = os.environ | {"MYPYPATH": str(ROOT / "protos" / "gen")}
    with log.open("wb") as said:
        done = subprocess.run(command, cwd=folder, env=environment, stdout=said, stderr=said, check=False)
    if done.returncode:
        lines = [line for line in log.read_text(errors="replace").splitlines() if "error" in line]
        raise SystemExit("\n".join([*lines[:20], f"mypyc failed; all it said is in {log}"]))
    shutil.rmtree(folder / "build")


def main() -> None:
    """Compile into the folder named, or into build/compiled."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else FOLDER
    done = "compiled" if compile_modules(folder) else "nothing new for"
    print(f"{done} {len(MODULES)} modules: PYTHONSAFEPATH=1 PYTHONPATH={folder}")


if __name__ == "__main__":
    main()
