"""The laboratory: the same seed is the same report, what is won is lost elsewhere, and interest paid is interest earned."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.core.settings import EXIT_CONFIGURATION
from services.local.research.commands import app
from services.local.research.experiment import Experiment, run
from services.local.research.participants import Borrowers, Group, Hedgers, Holders, Makers, Takers, population
from services.local.research.paths import Generated, Walk, generated
from services.local.research.pulse import OFF, ON, pulse
from services.local.research.pulse_report import report_of

MINUTES = 60
QUARTER_MS = 900_000
UNIT = 10**8
PEOPLE = (
    Group("makers", 2, Makers(dollars=500_000)),
    Group("takers with dollars", 5, Takers(dollars=(2_000, 20_000), every_ms=QUARTER_MS)),
    Group(
        "takers with coins", 10, Takers(centicoins=(50, 150), leverage=(8, 9), long_ppm=900_000, every_ms=QUARTER_MS)
    ),
    Group("hedgers", 2, Hedgers(every_ms=QUARTER_MS)),
    Group("holders of dollars", 5, Holders(dollars=(1_000, 5_000))),
    Group("borrowers", 4, Borrowers(centicoins=(500, 900), every_ms=QUARTER_MS // 3)),
)


def experiment(seed: int = 1) -> Experiment:
    walk = generated(Walk(days=1, minute_ppm=6_000, drift_ppm=-700), seed)
    path = Generated(walk.begins_ms, walk.prices[: MINUTES + 1])
    return replace(pulse(path, "an hour", 1, seed, f"seed {seed}"), population=PEOPLE)


@cache
def measured(seed: int = 1) -> dict[str, dict[str, Any]]:
    one = experiment(seed)
    return run(one, one.variants, lambda _done: None)


def test_a_seed_is_a_report_byte_for_byte() -> None:
    one, other = experiment(), experiment(2)
    files = report_of(one, measured()).files()
    again = report_of(one, run(one, one.variants, lambda _done: None)).files()
    assert files == again
    assert report_of(other, measured(2)).files()["pulse.json"] != files["pulse.json"]


def test_people_are_those_of_their_seed() -> None:
    keys = [who.key for who in population(PEOPLE, 1)]
    assert keys == [who.key for who in population(PEOPLE, 1)]
    assert keys[:7] == [who.key for who in population(PEOPLE[:2], 1)]
    assert not {*keys} & {who.key for who in population(PEOPLE, 2)}


@pytest.mark.parametrize("variant", [OFF, ON])
def test_what_is_won_is_lost_elsewhere_or_the_venues(variant: str) -> None:
    one = measured()[variant]
    earned, paid = (sum(one["interest"][side].get("USDC", {}).values()) for side in ("earned", "paid"))
    venue = sum(one["trading"]["fees"].values()) + paid - earned
    funds = one["liquidations"]["contributed"] - one["liquidations"]["deficits_covered"]
    assert one["trading"]["fills"] > 10
    assert abs(sum(one["wealth"]["won"].values()) + venue + funds) < UNIT // 10


def test_interest_paid_is_interest_earned_and_the_reserve() -> None:
    one = measured()[ON]
    earned, paid = (sum(one["interest"][side]["USDC"].values()) for side in ("earned", "paid"))
    assert paid > UNIT // 100
    assert 0 < earned < paid
    # The rest is what the venue's own fees earn, and the interest of the open period, which debts contain in advance (M-9).
    assert 0 <= paid - earned - one["pool"]["reserve"] < paid // 10
    assert one["interest"]["paid"]["USDC"]["takers with coins"] > 0
    assert one["interest"]["paid"]["USDC"]["borrowers"] > 0


def test_without_pools_nobody_pays_and_nobody_earns() -> None:
    one = measured()[OFF]
    assert one["interest"]["earned"] == one["interest"]["paid"] == {}
    assert one["trading"]["pulses"] == 0
    assert one["debts"]["lost_most"] > 0


def test_every_pulse_and_opening_happened() -> None:
    one = measured()[ON]
    assert one["trading"]["pulses"] == pytest.approx(MINUTES * 6, abs=3)
    assert one["pool"]["openings"] == pytest.approx(MINUTES, abs=3)


def test_the_command_writes_the_same_files_again(tmp_path: Path) -> None:
    rows = [f"{minute * 60_000},50000,50100,49{minute}00,50000" for minute in range(1, 10)]
    (tmp_path / "bars.csv").write_text("\n".join(["ts_ms,open,high,low,close", *rows]) + "\n")
    written = []
    for name in ("one", "two"):
        asked = ["pulse", "--prices", str(tmp_path / "bars.csv"), "--seed", "3", "--out", str(tmp_path / name)]
        answer = CliRunner().invoke(app, asked)
        assert answer.exit_code == 0, answer.stderr
        written.append([Path(line).read_bytes() for line in answer.stdout.split()])
    assert len(written[0]) == 4
    assert written[0] == written[1]
    assert b"vigil research pulse --days 30 --seed 3 --prices bars.csv" in written[0][0]


def test_a_path_that_is_not_there_is_one_line() -> None:
    answer = CliRunner().invoke(app, ["pulse", "--prices", "nowhere.csv"])
    assert answer.exit_code == EXIT_CONFIGURATION
    assert answer.stderr.startswith("research: --prices nowhere.csv:")
    assert "--prices generated" in answer.stderr
