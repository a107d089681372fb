"""Processes that die as in a crash are started again; others end the whole."""

import asyncio
import sys
from pathlib import Path

import pytest

from services.local.supervisor import RESTARTS_MAX, Child, ChildFailed, Supervisor

DIES_TWICE = """
import os, pathlib, sys, time
file = pathlib.Path(sys.argv[1])
file.write_text(file.read_text() + "x" if file.exists() else "x")
if len(file.read_text()) == 1: os._exit(70)
if len(file.read_text()) == 2: os.kill(os.getpid(), 9)
pathlib.Path(sys.argv[1] + ".up").touch()
time.sleep(600)
"""


def child(tmp_path: Path, program: str, *arguments: str) -> Child:
    return Child("child", [sys.executable, "-c", program, *arguments], {}, tmp_path / "child.log")


async def test_a_crash_is_answered_by_a_start(tmp_path: Path) -> None:
    supervisor = Supervisor()
    one = child(tmp_path, DIES_TWICE, str(tmp_path / "starts"))
    await supervisor.start([one])
    async with asyncio.timeout(30):
        while not (tmp_path / "starts.up").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
    assert len(one.restarts) == 2
    await supervisor.stop()
    assert one.process is not None
    assert one.process.returncode == -15


async def test_another_end_is_the_end_of_all_and_says_why(tmp_path: Path) -> None:
    supervisor = Supervisor()
    one = child(tmp_path, "import sys; print('settings: VIGIL_BATCH: bad'); sys.exit(2)")
    await supervisor.start([one])
    with pytest.raises(ChildFailed, match="code 2: settings: VIGIL_BATCH"):
        await supervisor.wait(asyncio.Event())
    await supervisor.stop()


def test_who_dies_again_and_again_is_given_up(tmp_path: Path) -> None:
    one = child(tmp_path, "")
    for _ in range(RESTARTS_MAX):
        one.check(-9)
    with pytest.raises(ChildFailed, match="times in a minute"):
        one.check(70)
