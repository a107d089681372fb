"""`run-kafka` as a user starts it: everything trades as processes, a killed one comes back, Ctrl-C ends all of it in good order."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from deploy.kafka.broker import free_ports
from services.analytics.store import Store
from services.local.run_kafka import ASKED
from services.settlement.ledger.queries import open_queries

COMMAND = [sys.executable, "-m", "services.local", "run-kafka", "--headless", "--speed", "60", "--participants", "4"]


async def lines_until(output: asyncio.StreamReader, wanted: str) -> re.Match[str]:
    """Read on until a line says what is wanted."""
    said = []
    async with asyncio.timeout(120):
        async for line in output:
            said.append(line.decode(errors="replace"))
            found = re.search(wanted, said[-1])
            if found:
                return found
    raise AssertionError("".join(said))


@pytest.mark.slow
@pytest.mark.usefixtures("kafka_tools")
async def test_a_killed_machine_comes_back_and_the_books_balance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIGIL_KAFKA", raising=False)
    first, broker, gateway, admin = free_run_of_ports(2 * len(ASKED)), *free_ports(3)
    ports = ["--queries-port", str(first), "--metrics-port", str(first + len(ASKED)), "--broker-port", str(broker)]
    running = await asyncio.create_subprocess_exec(
        *(*COMMAND, "--dir", str(tmp_path), *ports, "--grpc", f"127.0.0.1:{gateway}", "--admin", f"127.0.0.1:{admin}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = running.stdout
    assert output is not None
    try:
        risk = await lines_until(output, r"child_started.*name=risk pid=(\d+)")
        await lines_until(output, r"trades [1-9]")
        os.kill(int(risk[1]), signal.SIGKILL)
        await lines_until(output, r"child_ended.*code=-9.*name=risk")
        await lines_until(output, r"child_started.*name=risk")
        before = await lines_until(output, r"trades (\d+)")
        await lines_until(output, rf"trades (?!{before[1]} )\d+ .*ledger balanced")
    finally:
        running.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(running.communicate(), 120)
    assert running.returncode == 0, rest.decode(errors="replace")
    queries = open_queries(tmp_path / "ledger.sqlite")
    assert queries.trial_balance().unbalanced() == {}
    assert queries.last_entry() > 0
    queries.database.close()
    assert Store(tmp_path / "points.json").state.weeks, "points are kept"


def free_run_of_ports(count: int) -> int:
    """First of some ports in a row, of which the first was free."""
    return min(free_ports(1)[0], 65_000 - count)
