"""Make Python modules and type stubs of protos/vigil/v1/*.proto under protos/gen, importable as `vigil.v1`.

Does nothing when they are newer than every schema. Called by `make stubs` and by setup.py, so that an
editable install and a wheel hold the same modules.
"""

import shutil
import subprocess
import sys
from pathlib import Path

PROTOS = Path(__file__).resolve().parent
GENERATED = PROTOS / "gen"
STAMP = GENERATED / "stamp"


def generate() -> None:
    """Generate everything anew, unless nothing changed."""
    schemas = sorted(PROTOS.glob("vigil/**/*.proto"))
    if is_fresh(schemas):
        return
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir()
    run_protoc(schemas)
    for folder in sorted({GENERATED / schema.relative_to(PROTOS).parent for schema in schemas}):
        make_package(folder)
    STAMP.write_text("\n".join(names(schemas)))


def is_fresh(schemas: list[Path]) -> bool:
    """Whether the stubs are of these very schemas and newer than each of them and than this script."""
    if not STAMP.exists() or STAMP.read_text() != "\n".join(names(schemas)):
        return False
    made = STAMP.stat().st_mtime
    return all(source.stat().st_mtime <= made for source in [*schemas, Path(__file__)])


def names(schemas: list[Path]) -> list[str]:
    """The schemas' paths, as protoc shall see them."""
    return [str(schema.relative_to(PROTOS)) for schema in schemas]


def run_protoc(schemas: list[Path]) -> None:
    """Messages, services and the types of both."""
    outputs = [f"--{kind}_out={GENERATED}" for kind in ("python", "grpc_python")]
    typed = [f"--mypy_out={GENERATED}", f"--mypy_grpc_out={GENERATED}"]
    plugins = [f"--plugin=protoc-gen-{name}={plugin(name)}" for name in ("mypy", "mypy_grpc")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *plugins, *outputs, *typed]
    subprocess.run([*command, *names(schemas)], check=True)


def plugin(name: str) -> str:
    """Path of a protoc plugin: beside this interpreter, or on PATH when the build is isolated."""
    beside = Path(sys.executable).parent / f"protoc-gen-{name}"
    found = str(beside) if beside.exists() else shutil.which(f"protoc-gen-{name}")
    if found is None:
        raise SystemExit(f"protoc-gen-{name} is missing: install mypy-protobuf (it is in requirements/dev.txt)")
    return found


def make_package(folder: Path) -> None:
    """Turn `folder` and those above it into typed packages."""
    while folder != GENERATED:
        (folder / "__init__.py").touch()
        (folder / "py.typed").touch()
        folder = folder.parent


if __name__ == "__main__":
    generate()
