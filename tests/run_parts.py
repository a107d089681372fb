"""Run the parts of the test-suite one by one, say what runs and how long it took, and sum up in one line.

    make test                    everything
    make test ARGS="unit kafka"  some parts

A part is `tools`, `lint`, `tidy` (tests/test_*.py) or a folder of tests/. With CI=true a skipped test fails
its part: there, everything that the tests need has to be present. The recorded market data is looked for in
../shared/data, or in the folder that MARKET_DATA names.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
BIN = Path(sys.executable).parent
ALWAYS = ["tools", "lint", "tidy"]
FOLDERS = [
    "unit",
    "vectors",
    "properties",
    "recorded",
    "simulation",
    "kafka",
    "containers",
    "clients",
    "fuzz",
    "browser",
]
# Parts without processes and brokers of their own, whose tests may therefore share the machine's cores.
PARALLEL = {"unit", "properties", "simulation"}
# Parts against real brokers and processes that are killed: their timing is the machine's. What fails there runs once more, by itself.
REPEATED = {"kafka", "containers", "clients"}
CHECKS = {
    "tools": [
        [sys.executable, "deploy/kafka/tools.py"],
        [sys.executable, "protos/examples/tools.py"],
        [sys.executable, "deploy/tools.py"],
    ],
    "lint": [
        [str(BIN / "ruff"), "check", "."],
        [str(BIN / "ruff"), "format", "--check", "."],
        [str(BIN / "mypy")],
        [str(BIN / "lint-imports"), "--no-logo"],
    ],
}
NO_TESTS_COLLECTED = 5


@dataclass
class Outcome:
    """What came of one part."""

    part: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    repeated: int = 0

    @property
    def is_good(self) -> bool:
        """Whether the part lets the whole succeed."""
        return self.failed == 0 and not (self.skipped and os.environ.get("CI") == "true")


def main() -> int:
    """Run the parts named on the command line, else all that exist."""
    present = parts_present()
    chosen = sys.argv[1:] or present
    unknown = [part for part in chosen if part not in present]
    if unknown:
        print(f"no such part: {', '.join(unknown)}; there are: {', '.join(present)}")
        return 2
    outcomes = [run_part(part) for part in chosen]
    print_table(outcomes)
    words = [f"{sum(getattr(one, word) for one in outcomes)} {word}" for word in ("passed", "failed", "skipped")]
    print(", ".join(words), flush=True)
    return 0 if all(one.is_good for one in outcomes) else 1


def parts_present() -> list[str]:
    """Every part that has something to run, in the order of FOLDERS; folders it does not know come last."""
    folders = {file.relative_to(TESTS).parts[0] for file in TESTS.glob("*/**/test_*.py")}
    return [*ALWAYS, *(part for part in FOLDERS if part in folders), *sorted(folders - set(FOLDERS))]


def run_part(part: str) -> Outcome:
    """Run one part and measure it."""
    print(f"\n=== {part}", flush=True)
    began = time.monotonic()
    outcome = run_checks(part) if part in CHECKS else run_pytest(part)
    outcome.seconds = time.monotonic() - began
    print(f"=== {part}: {'ok' if outcome.is_good else 'FAILED'} in {outcome.seconds:.1f} s", flush=True)
    return outcome


def run_checks(part: str) -> Outcome:
    """A part made of commands; each counts as one test."""
    codes = [subprocess.run(command, cwd=ROOT, check=False).returncode for command in CHECKS[part]]
    return Outcome(part, passed=codes.count(0), failed=len(codes) - codes.count(0))


def run_pytest(part: str) -> Outcome:
    """A part made of tests; where real processes are killed, what failed runs once more, and the table says so."""
    outcome = run_tests(part)
    if outcome.failed and part in REPEATED:
        print(f"=== {part}: once more what failed; a busy machine can be late, a bug stays", flush=True)
        again = run_tests(part, "--last-failed", "--last-failed-no-failures=none")
        outcome.repeated = outcome.failed
        outcome.passed += again.passed
        outcome.failed = again.failed or max(0, outcome.repeated - again.passed)
    return outcome


def run_tests(part: str, *options: str) -> Outcome:
    """Run a part once, counted from pytest's own report."""
    files = sorted(str(file) for file in TESTS.glob("test_*.py")) if part == "tidy" else [str(TESTS / part)]
    workers = ["-n", str(os.cpu_count() or 1)] if part in PARALLEL else []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", *workers, *options, f"--junitxml={report}", *files]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        outcome = Outcome(part, *count(report)) if report.exists() else Outcome(part)
    if code not in {0, NO_TESTS_COLLECTED} and outcome.failed == 0:
        outcome.failed = 1
    return outcome


def count(report: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped tests of a report; an expected failure has passed."""
    failed = skipped = passed = 0
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it a moment ago
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif skip is not None and skip.get("type") != "pytest.xfail":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def print_table(outcomes: list[Outcome]) -> None:
    """Parts, counts and seconds."""
    print(f"\n{'part':<12}{'passed':>8}{'failed':>8}{'skipped':>9}{'repeated':>10}{'seconds':>9}")
    for one in outcomes:
        print(f"{one.part:<12}{one.passed:>8}{one.failed:>8}{one.skipped:>9}{one.repeated:>10}{one.seconds:>9.1f}")
    print(f"{'all':<12}{'':>35}{sum(one.seconds for one in outcomes):>9.1f}\n")


if __name__ == "__main__":
    sys.exit(main())
