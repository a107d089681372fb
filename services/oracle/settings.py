"""What the oracle is told: which indices, where their prices come from, how often it looks, and what shall go wrong on purpose."""

from pathlib import Path as FilePath
from typing import Annotated, ClassVar, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from services.core.settings import Settings, check_address
from services.oracle.correlated import BASE_INDEX, CROSSES, RELATIONS
from services.oracle.drills import Drill, read_drills
from services.oracle.recorded import POINTS
from services.oracle.scenario import SCENARIOS
from services.oracle.sources import INTERVAL_MS, SOURCES_MAX

INDICES = (BASE_INDEX, *RELATIONS, *CROSSES)


class OracleSettings(Settings):
    """Settings of the oracle; lists are by commas."""

    service: ClassVar[str] = "oracle"

    oracle_index: Annotated[tuple[str, ...], NoDecode] = INDICES
    """Indices to tell prices of."""
    oracle_scenario: str = "march-2020"
    oracle_recorded: Annotated[dict[str, FilePath], NoDecode] = Field(default_factory=dict)
    """Recorded files, instead of a scenario: one for BTC_USD, which the others follow, or INDEX=file by commas."""
    oracle_live: Annotated[tuple[str, ...], NoDecode] = ()
    """Venues by their ccxt names, instead of a scenario: each is a source."""
    oracle_live_listens: bool = False
    """Listen on websockets where a venue has them, instead of asking every interval."""
    oracle_live_options: FilePath | None = None
    """TOML file with a table per venue for ccxt: proxies, addresses, rate limits."""
    oracle_misbehave: Annotated[tuple[Drill, ...], NoDecode] = ()
    """Drills: `source:kind@seconds` or `source:kind@seconds+seconds`; kinds are dies, lies, freezes, back-in-time."""
    oracle_sources: Annotated[int, Field(ge=1, le=SOURCES_MAX)] = 3
    """How many sources a scenario or a file stands for, each late and a little wrong in its own way."""
    oracle_points: Annotated[int, Field(ge=4, le=100_000)] = POINTS
    """Steps per bar of a recorded file."""
    oracle_seed: Annotated[int, Field(ge=0)] = 1
    oracle_speed: Annotated[int, Field(gt=0, le=100_000)] = 1
    oracle_interval_ms: Annotated[int, Field(gt=0, le=60_000)] = INTERVAL_MS
    oracle_begins_ms: Annotated[int, Field(ge=0)] = 0
    """Log time at which the path begins; 0 means when the process starts, so name it if a restart shall go on where it was."""
    oracle_grpc: str = "127.0.0.1:0"
    oracle_metrics: str = "127.0.0.1:0"

    @field_validator("oracle_index", "oracle_live", mode="before")
    @classmethod
    def split_names(cls, value: object) -> object:
        """Read names by commas."""
        return tuple(one.strip() for one in value.split(",") if one.strip()) if isinstance(value, str) else value

    @field_validator("oracle_recorded", mode="before")
    @classmethod
    def split_files(cls, value: object) -> object:
        """Read `file` or `INDEX=file`."""
        if not isinstance(value, str | FilePath):
            return value
        named = (one.strip().rpartition("=") for one in str(value).split(",") if one.strip())
        return {index or BASE_INDEX: file for index, _, file in named}

    @field_validator("oracle_misbehave", mode="before")
    @classmethod
    def split_drills(cls, value: object) -> object:
        """Read drills."""
        return read_drills(value) if isinstance(value, str) else value

    @field_validator("oracle_scenario")
    @classmethod
    def scenario_exists(cls, value: str) -> str:
        """Refuse an unknown scenario."""
        if value not in SCENARIOS:
            raise ValueError(f"one of {', '.join(SCENARIOS)}")
        return value

    @field_validator("oracle_grpc", "oracle_metrics")
    @classmethod
    def address_is_well_formed(cls, value: str) -> str:
        """Refuse what is no host:port."""
        check_address(value)
        return value

    @model_validator(mode="after")
    def prices_are_there(self) -> Self:
        """Refuse an index that has no price, and two origins of prices at once."""
        if not self.oracle_index:
            raise ValueError("VIGIL_ORACLE_INDEX: name at least one index")
        if self.oracle_live and self.oracle_recorded:
            raise ValueError("VIGIL_ORACLE_LIVE, VIGIL_ORACLE_RECORDED: name one of them at most")
        known = {*INDICES, *self.oracle_recorded}
        missing = [one for one in self.oracle_index if one not in known]
        if missing and not self.oracle_live:
            text = f"VIGIL_ORACLE_INDEX: nothing says the price of {', '.join(missing)}; there are {', '.join(INDICES)}"
            raise ValueError(f"{text}, and whatever VIGIL_ORACLE_RECORDED names as INDEX=file")
        return self
