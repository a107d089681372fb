"""Print, after the histories, what they went through in sum."""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

COUNTS = Path("build/simulation")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep what machines say of their thousand restarts to themselves."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def pytest_configure(config: pytest.Config) -> None:
    """Give every worker of this run the same folder for its counts."""
    if not hasattr(config, "workerinput"):
        os.environ["VIGIL_SIMULATION_RUN"] = str(os.getpid())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Add up what the batches wrote down."""
    if hasattr(config, "workerinput"):
        return
    folder = COUNTS / os.environ.get("VIGIL_SIMULATION_RUN", "alone")
    batches = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if not batches:
        return
    faults: Counter[str] = Counter()
    seeds: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    occurrences: Counter[str] = Counter()
    for batch_faults, batch_seeds, batch_sums, batch_occurrences in batches:
        faults.update(batch_faults)
        seeds.update(batch_seeds)
        sums.update(batch_sums)
        occurrences.update(batch_occurrences)
    terminalreporter.write_line(
        f"simulation: {sums['seeds']} seeds, {faults.total()} faults, {sums['records']} records with all laws checked after each, "
        f"{sums['commands']} commands with one result, {sums['admissions']} admissions and {sums['fills']} fills held to M-4, "
        f"{sums['trades']} trades, {sums['liquidations']} liquidations, {sums['deficits']} deficits"
    )
    for kind, count in sorted(faults.items()):
        terminalreporter.write_line(f"  {kind:18} {count:5} times in {seeds[kind]:4} seeds")
    for name, count in sorted(occurrences.items()):
        terminalreporter.write_line(f"  {name:24} {count:6}, {100 * count / sums['seeds']:7.1f} per 100 seeds")
    for path in folder.glob("*.json"):
        path.unlink()
    folder.rmdir()
