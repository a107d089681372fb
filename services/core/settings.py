"""What a process is told from outside: environment VIGIL_*, over an optional TOML file; it opens nothing.

Unknown names and bad values are refused by name before anything starts. A service's own settings begin with its name
(VIGIL_ORACLE_SEED), so that all processes of a venue can share one environment and one file.
"""

import os
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

PREFIX = "VIGIL_"
CONFIG = "VIGIL_CONFIG"
"""Names the TOML file."""
EXIT_CONFIGURATION = 2
SECTIONS = (
    *("gateway", "oracle", "funding", "matching", "risk", "lending_pool", "insurance_fund", "settlement"),
    *("ledger", "vaults", "analytics", "local", "client", "test"),
)
"""First words of names that belong to one service; other processes pass over them."""


class BadSettings(Exception):
    """The configuration cannot be used: one line per field, each naming it."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Keep the lines, to be shown one by one."""
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class Settings(BaseSettings):
    """Settings of every process. `service` is the section whose names this process reads."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )
    service: ClassVar[str] = ""

    kafka: str = ""
    """Bootstrap addresses of a Kafka cluster, `host:port` by commas; the log's home unless `log_file` is."""
    log_file: Path | None = None
    """SQLite file of the embedded log, instead of Kafka."""
    log_durability: Literal["killed-process", "power-loss"] = "killed-process"
    """What the embedded log survives."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    start_seconds_max: Annotated[int, Field(gt=0, le=600)] = 60
    """How long to go on trying to reach the log and its topics."""

    @field_validator("kafka")
    @classmethod
    def addresses_are_well_formed(cls, value: str) -> str:
        """Refuse what is no list of host:port."""
        for address in value.split(",") if value else ():
            check_address(address)
        return value

    @model_validator(mode="after")
    def one_home(self) -> Self:
        """The log has one home."""
        if bool(self.kafka) == (self.log_file is not None):
            raise ValueError("kafka, log_file: name exactly one home of the log")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before environment before file; no .env and no secrets folder."""
        del dotenv_settings, file_secret_settings
        file = TomlConfigSettingsSource(settings_cls, os.environ.get(CONFIG) or None)
        return init_settings, env_settings, file


class MachineSettings(Settings):
    """Settings of a process that hosts partitions of a machine."""

    partitions: Annotated[tuple[int, ...], NoDecode] = ()
    """Partitions to host, by commas; none named means all."""
    snapshots: Path = Path("run/snapshots")
    """Folder of snapshots; its own for each machine is not needed."""
    grpc: str = "127.0.0.1:0"
    """Address of the gRPC server; port 0 takes a free one."""
    metrics: str = "127.0.0.1:0"
    """Address of the metrics over HTTP."""
    batch: Annotated[int, Field(gt=0, le=100_000)] = 500
    tick_ms: Annotated[int, Field(gt=0, le=60_000)] = 1_000
    marker_ms: Annotated[int, Field(gt=0, le=60_000)] = 100
    snapshot_every: Annotated[int, Field(gt=0)] = 100_000
    """Inputs between two snapshots."""

    @field_validator("partitions", mode="before")
    @classmethod
    def split_partitions(cls, value: object) -> object:
        """Read `0,1`."""
        return tuple(int(one) for one in value.split(",") if one.strip()) if isinstance(value, str) else value

    @field_validator("partitions")
    @classmethod
    def partitions_are_distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        """Refuse a partition below zero or named twice."""
        if any(one < 0 for one in value) or len(set(value)) != len(value):
            raise ValueError("partitions are distinct numbers from 0 on")
        return value

    @field_validator("grpc", "metrics")
    @classmethod
    def address_is_well_formed(cls, value: str) -> str:
        """Refuse what is no host:port."""
        check_address(value)
        return value


T = TypeVar("T", bound=Settings)


def check_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`; ValueError says what is accepted."""
    host, colon, port = address.strip().rpartition(":")
    if not (host and colon and port.isdigit() and int(port) < 65_536):
        raise ValueError(f"{address!r} is not host:port with a port from 0 to 65535")
    return host, int(port)


def load(kind: type[T], **arguments: object) -> T:
    """Read the settings of a process; arguments go before environment and file.

    Raises   BadSettings, with a line for each field that is unknown or has a bad value
    """
    unknown = [*unknown_names(kind, os.environ), *unknown_in_file(kind)]
    try:
        found = kind(**arguments)  # type: ignore[arg-type]
    except ValidationError as refused:
        raise BadSettings([*unknown, *explained(refused)]) from refused
    if unknown:
        raise BadSettings(unknown)
    return found


def load_or_exit(kind: type[T], **arguments: object) -> T:
    """Read the settings, or say what is wrong on standard error and end with exit code 2."""
    try:
        return load(kind, **arguments)
    except BadSettings as bad:
        sys.stderr.write("".join(f"settings: {line}\n" for line in bad.lines))
        raise SystemExit(EXIT_CONFIGURATION) from bad


def explained(refused: ValidationError) -> list[str]:
    """One line per field: its name, what was wrong and what came."""
    lines = []
    for error in refused.errors():
        field = ".".join(str(part) for part in error["loc"])
        came = f" (was {error['input']!r})" if field else ""
        text = error["msg"].removeprefix("Value error, ")
        lines.append(f"{PREFIX}{field.upper()}: {text}{came}" if field else text)
    return lines


def unknown_names(kind: type[Settings], environment: Mapping[str, str]) -> list[str]:
    """Name the VIGIL_* variables that no setting of this process and no other section has."""
    names = [name for name in sorted(environment) if name.startswith(PREFIX) and name != CONFIG]
    return [f"{name}: there is no such setting" for name in names if not is_known(kind, name[len(PREFIX) :].lower())]


def unknown_in_file(kind: type[Settings]) -> list[str]:
    """Name the keys of the TOML file that are no settings; a missing or broken file is one finding."""
    path = os.environ.get(CONFIG)
    if not path:
        return []
    try:
        content = tomllib.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSettings([f"{CONFIG}: {path} cannot be read: {error}"]) from error
    return [f"{key}: there is no such setting (in {path})" for key in content if not is_known(kind, key)]


def is_known(kind: type[Settings], name: str) -> bool:
    """Whether a setting is of this process, of every machine, or of another service's section."""
    if name in kind.model_fields or name in MachineSettings.model_fields:
        return True
    return any(name.startswith(f"{section}_") for section in SECTIONS if section != kind.service)
