"""deploy/Dockerfile as far as it can be followed without a container engine: its steps are taken in a folder that stands for `/`.

It knows the instructions that the file uses and refuses others, so that a step that is not rehearsed cannot be added unnoticed.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
BUILD_STAGE = "build"
PATHS = ("/opt/", "/etc/vigil", "/var/lib/vigil")
"""Paths of the image that are moved below the folder, wherever they are written."""
TOOLS = "/opt/tools"


@dataclass
class Stage:
    """One FROM and what follows it, as (instruction, text)."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def of(self, instruction: str) -> list[str]:
        """Texts of all steps of a kind."""
        return [text for kind, text in self.steps if kind == instruction]


def read_stages() -> list[Stage]:
    """Read the file."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            instruction, text = line.split(maxsplit=1)
            if instruction == "FROM":
                base, _, name = text.partition(" AS ")
                stages.append(Stage(name, base))
            elif stages:
                stages[-1].steps.append((instruction, text))
    return stages


def in_context() -> list[str]:
    """Files that .dockerignore lets through: the last pattern that matches decides."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    asked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [file for file in asked.stdout.splitlines() if (ROOT / file).is_file() and is_let_through(file, patterns)]


def is_let_through(file: str, patterns: list[str]) -> bool:
    """Whether a file belongs to the context."""
    there = True
    for pattern in patterns:
        if matches(file, pattern.removeprefix("!").rstrip("/")):
            there = pattern.startswith("!")
    return there


def matches(file: str, pattern: str) -> bool:
    """Whether a pattern names a file or one of its folders."""
    names = [file, *(str(parent) for parent in Path(file).parents if str(parent) != ".")]
    plain = pattern.removeprefix("**/")
    return any(fnmatch(name, pattern) or (plain != pattern and fnmatch(Path(name).name, plain)) for name in names)


class Image:
    """What the file makes, below `folder`; `environment`, `command` and `health` are those of its containers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arguments: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self.command: list[str] = []
        self.health: list[str] = []
        self.stop_signal = ""
        self.user = ""
        self.work_dir = "/"

    def here(self, text: str) -> str:
        """Text with the image's paths moved below the folder."""
        for path in PATHS:
            text = text.replace(path, f"{self.folder}{path}")
        return text

    def build(self) -> None:
        """Take every step of the build, and of the last stage those that make no users."""
        build, last = read_stages()
        assert build.name == BUILD_STAGE
        self.borrow_tools()
        for instruction, text in build.steps:
            self.take_build_step(instruction, text)
        for instruction, text in last.steps:
            self.take_last_step(instruction, text)

    def borrow_tools(self) -> None:
        """The environment that builds the wheel: `make setup` made one like it from the same lock."""
        tools = Path(self.here(TOOLS))
        tools.parent.mkdir(parents=True)
        tools.symlink_to(sys.prefix)

    def take_build_step(self, instruction: str, text: str) -> None:
        """Take one step of the first stage."""
        match instruction:
            case "WORKDIR":
                self.work_dir = text
                self.place("").mkdir(parents=True)
            case "COPY":
                *sources, target = shlex.split(text)
                self.copy(sources, target)
            case "RUN" if not text.startswith(f"python -m venv {TOOLS}"):
                self.run(text)
            case "RUN":
                pass
            case _:
                raise AssertionError(f"nobody rehearses {instruction} of the build")

    def take_last_step(self, instruction: str, text: str) -> None:
        """Take one step of the last stage, or keep what it says of containers."""
        match instruction:
            case "COPY" if text.startswith(f"--from={BUILD_STAGE} "):
                _, source, target = text.split()
                assert source == target
            case "COPY":
                *sources, target = shlex.split(text)
                self.copy(sources, target)
            case "ENV":
                pairs = (pair.split("=", 1) for pair in shlex.split(text))
                self.environment |= {name: self.here(self.with_arguments(value)) for name, value in pairs}
            case "CMD":
                self.command = json.loads(text)
            case "HEALTHCHECK":
                self.health = json.loads(text.partition(" CMD ")[2])
            case "STOPSIGNAL":
                self.stop_signal = text
            case "USER":
                self.user = text
            case "WORKDIR":
                self.work_dir = text
            case "RUN":
                for folder in re.findall(r"/var/lib/vigil/\w+", text):
                    Path(self.here(folder)).mkdir(parents=True)
            case "ARG":
                name, _, default = text.partition("=")
                self.arguments[name] = default
            case "EXPOSE":
                pass
            case _:
                raise AssertionError(f"nobody rehearses {instruction} of the last stage")

    def with_arguments(self, text: str) -> str:
        """Text with the defaults of ARG; other variables are the container's."""
        for name, default in self.arguments.items():
            text = text.replace(f"${{{name}}}", default)
        return text

    def place(self, target: str) -> Path:
        """Where a target of COPY lies."""
        if target.startswith("/"):
            return Path(self.here(target))
        return Path(f"{self.folder}{self.work_dir}") / target

    def copy(self, sources: list[str], target: str) -> None:
        """COPY: files of the context alone, as the engine would see them."""
        for source in sources:
            found = [file for file in in_context() if file == source or file.startswith(source.rstrip("/") + "/")]
            assert found, f"COPY {source}: .dockerignore leaves nothing of it"
            for file in found:
                inside = Path(file).relative_to(source) if source.endswith("/") else Path(file).name
                place = self.place(target) / inside if target.endswith("/") else self.place(target)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, place)

    def run(self, command: str) -> None:
        """RUN, with the interpreter of these tests as the image's own; byte code is made when it is needed."""
        python = self.folder / "usr" / "bin" / "python"
        if not python.exists():
            python.parent.mkdir(parents=True)
            python.symlink_to(Path(sys.executable).resolve())
        environment = {
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", "/"),
            "PIP_NO_COMPILE": "1",
        }
        environment |= {name: text for name, text in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
        done = subprocess.run(
            ["/bin/sh", "-c", self.here(command).replace(" --no-cache-dir", "")],
            cwd=self.place(""),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
