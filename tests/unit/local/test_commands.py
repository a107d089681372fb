"""The command line of the local venue: what it reads, and what it refuses in one line."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.client.keyfile import read_key
from services.core.settings import EXIT_CONFIGURATION
from services.local.commands import app, duration_ms, mix_of, time_ms
from services.local.development import ADMIN_KEY_IDS
from services.local.participants import Mix
from services.oracle.scenario import utc

RUNNER = CliRunner()

MIXES = [
    ("the usual dozen", (12, None, None, None), Mix(2, 9, 1)),
    ("two make a market", (2, None, None, None), Mix(1, 1)),
    ("one alone quotes", (1, None, None, None), Mix(1, 0)),
    ("none", (0, None, None, None), Mix(0, 0)),
    ("many", (600, None, None, None), Mix(100, 425, 75)),
    ("counted kinds", (12, 3, None, 2), Mix(3, 0, 2)),
]


@pytest.mark.parametrize(("asked", "mix"), [row[1:] for row in MIXES], ids=[row[0] for row in MIXES])
def test_how_many_of_each(asked: tuple[int, int | None, int | None, int | None], mix: Mix) -> None:
    assert mix_of(*asked) == mix
    assert len(list(mix.kinds())) == mix.makers + mix.takers + mix.arbitrageurs


def test_durations_and_times() -> None:
    assert [duration_ms(text) for text in ("90", "90s", "30m", "2h", "1d")] == [
        *(90_000, 90_000, 1_800_000, 7_200_000, 86_400_000),
    ]
    assert time_ms("2020-03-12T10:40") == utc("2020-03-12 10:40")


@pytest.mark.parametrize("text", ["", "0", "5x", "-3m", "1.5h"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="write it as"):
        duration_ms(text)


def test_admin_keys_are_written_for_their_owner_alone(tmp_path: Path) -> None:
    answer = RUNNER.invoke(app, ["admin-keys", "--dir", str(tmp_path / "keys")])
    assert answer.exit_code == 0
    assert [read_key(Path(line)).key_id for line in answer.stdout.split()] == list(ADMIN_KEY_IDS)
    (tmp_path / "file").touch()
    refused = RUNNER.invoke(app, ["admin-keys", "--dir", str(tmp_path / "file")])
    assert (refused.exit_code, "--dir" in refused.stderr) == (EXIT_CONFIGURATION, True)
