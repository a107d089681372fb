"""Wrong settings are refused before anything starts, each by its name."""

import os
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from pydantic import Field

from services.core.settings import BadSettings, MachineSettings, Settings, load, load_or_exit


@pytest.fixture(autouse=True)
def _no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("VIGIL_")]:
        monkeypatch.delenv(name)


class OracleLike(Settings):
    """A service with a setting of its own."""

    service: ClassVar[str] = "oracle"
    oracle_seed: Annotated[int, Field(ge=0)] = 1


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_KAFKA", "127.0.0.1:9092,127.0.0.1:9093")
    monkeypatch.setenv("VIGIL_PARTITIONS", "0,2")
    monkeypatch.setenv("VIGIL_BATCH", "10")
    settings = load(MachineSettings)
    assert settings.kafka == "127.0.0.1:9092,127.0.0.1:9093"
    assert settings.partitions == (0, 2)
    assert settings.batch == 10


def test_environment_goes_before_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "vigil.toml"
    file.write_text('log_file = "run/log.sqlite"\nbatch = 7\ntick_ms = 50\npartitions = [1, 3]\n')
    monkeypatch.setenv("VIGIL_CONFIG", str(file))
    monkeypatch.setenv("VIGIL_BATCH", "8")
    settings = load(MachineSettings)
    assert settings.log_file == Path("run/log.sqlite")
    assert (settings.batch, settings.tick_ms, settings.partitions) == (8, 50, (1, 3))


BAD = [
    ("unknown name", {"VIGIL_KAFKAA": "x"}, "VIGIL_KAFKAA"),
    ("not a number", {"VIGIL_BATCH": "many"}, "VIGIL_BATCH"),
    ("below range", {"VIGIL_TICK_MS": "0"}, "VIGIL_TICK_MS"),
    ("above range", {"VIGIL_TICK_MS": "60001"}, "VIGIL_TICK_MS"),
    ("address without port", {"VIGIL_GRPC": "localhost"}, "VIGIL_GRPC"),
    ("port out of range", {"VIGIL_METRICS": "localhost:65536"}, "VIGIL_METRICS"),
    ("broker without port", {"VIGIL_KAFKA": "a:1,b"}, "VIGIL_KAFKA"),
    ("partition twice", {"VIGIL_PARTITIONS": "1,1"}, "VIGIL_PARTITIONS"),
    ("partition in words", {"VIGIL_PARTITIONS": "one"}, "VIGIL_PARTITIONS"),
    ("level nobody knows", {"VIGIL_LOG_LEVEL": "loud"}, "VIGIL_LOG_LEVEL"),
    ("two homes", {"VIGIL_KAFKA": "a:1", "VIGIL_LOG_FILE": "log"}, "kafka, log_file"),
    ("missing file", {"VIGIL_CONFIG": "/nowhere/vigil.toml"}, "VIGIL_CONFIG"),
]


@pytest.mark.parametrize(("environment", "named"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_settings_are_refused_naming_the_field(
    environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "VIGIL_KAFKA" not in environment:
        monkeypatch.setenv("VIGIL_LOG_FILE", "log.sqlite")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as refused:
        load(MachineSettings)
    assert any(line.startswith(named) for line in refused.value.lines), refused.value.lines


def test_no_home_at_all_is_refused() -> None:
    with pytest.raises(BadSettings, match="exactly one home"):
        load(MachineSettings)


def test_every_bad_field_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_LOG_FILE", "log.sqlite")
    monkeypatch.setenv("VIGIL_BATCH", "0")
    monkeypatch.setenv("VIGIL_TICK_MS", "x")
    monkeypatch.setenv("VIGIL_NOVELTY", "1")
    with pytest.raises(BadSettings) as refused:
        load(MachineSettings)
    assert [line.partition(":")[0] for line in refused.value.lines] == [
        "VIGIL_NOVELTY",
        "VIGIL_BATCH",
        "VIGIL_TICK_MS",
    ]


def test_broken_file_and_unknown_key_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "vigil.toml"
    monkeypatch.setenv("VIGIL_CONFIG", str(file))
    file.write_text("batch = = 1")
    with pytest.raises(BadSettings, match="VIGIL_CONFIG"):
        load(MachineSettings)
    file.write_text('log_file = "log"\nbach = 1\n')
    with pytest.raises(BadSettings, match="bach: there is no such setting"):
        load(MachineSettings)


def test_names_of_other_services_are_passed_over_but_own_ones_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_LOG_FILE", "log")
    monkeypatch.setenv("VIGIL_ORACLE_SPEED", "x")
    assert load(MachineSettings).log_file == Path("log")
    with pytest.raises(BadSettings, match="VIGIL_ORACLE_SPEED: there is no such setting"):
        load(OracleLike)


def test_the_process_ends_with_2_and_one_line_per_field(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIGIL_LOG_FILE", "log")
    monkeypatch.setenv("VIGIL_BATCH", "0")
    with pytest.raises(SystemExit) as ended:
        load_or_exit(MachineSettings)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith("settings: VIGIL_BATCH: ")
    assert shown.count("\n") == 1
