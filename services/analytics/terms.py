"""Seasons, weights and ranks: data, read from deploy/points.toml; a file that cannot be used is refused field by field."""

import tomllib
from datetime import datetime
from enum import IntEnum
from pathlib import Path

import msgspec

from services.analytics.weeks import WEEK_MS, week_of
from services.core.decimals import NotDecimal, parse_decimal
from services.core.fixed import FRACTION_ONE, Fraction, Milliseconds

TERMS_FILE = Path(__file__).resolve().parents[2] / "deploy" / "points.toml"
FRACTION_DECIMALS = 12
POINTS_MAX = 10**15


class Component(IntEnum):
    """What points are given for."""

    VOLUME = 1
    SPOT_VOLUME = 2
    LENT = 3
    OWED = 4
    POSITION = 5


class BadPoints(Exception):
    """The file cannot be used; one line per field."""


class Season(msgspec.Struct, frozen=True):
    """Weeks `first` to `last` of a season; both ends belong to it. `last` is 0 while it has no end."""

    id: int
    name: str
    first: int
    last: int = 0

    def has(self, week: int) -> bool:
        """Whether a week is one of it."""
        return self.first <= week and (not self.last or week <= self.last)


class Rank(msgspec.Struct, frozen=True):
    """A rank, and the share of the best that it reaches to."""

    name: str
    share: Fraction


class Terms(msgspec.Struct, frozen=True):
    """What is distributed, for what, and to whom which rank is given."""

    week_points: int
    distributed_after_ms: Milliseconds
    weights: dict[int, Fraction]
    ranks: tuple[Rank, ...]
    seasons: tuple[Season, ...]

    def season_of(self, week: int) -> Season | None:
        """Season of a week; None between two."""
        return next((season for season in self.seasons if season.has(week)), None)

    def season(self, number: int) -> Season | None:
        """Season by number."""
        return next((season for season in self.seasons if season.id == number), None)


class WeightsEntry(msgspec.Struct, forbid_unknown_fields=True):
    """Weights as written: decimals in quotes."""

    volume: str
    spot_volume: str
    lent: str
    owed: str
    position: str


class RankEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A rank as written."""

    name: str
    share: str


class SeasonEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A season as written."""

    id: int
    name: str
    begins: datetime
    ends: datetime | None = None


class File(msgspec.Struct, forbid_unknown_fields=True):
    """The file as written."""

    week_points: int
    distributed_after_hours: int
    weights: WeightsEntry
    rank: list[RankEntry]
    season: list[SeasonEntry]


def read_terms(path: Path) -> Terms:
    """Read the file; raises BadPoints."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadPoints(f"{path} cannot be read: {error}") from error
    return terms_of(text)


def terms_of(text: str) -> Terms:
    """Terms as a text has them; raises BadPoints."""
    try:
        file = msgspec.convert(tomllib.loads(text), File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadPoints(str(error)) from error
    if not 0 < file.week_points <= POINTS_MAX:
        raise BadPoints(f"week_points {file.week_points}: 1 to {POINTS_MAX} are accepted")
    if not 0 <= file.distributed_after_hours < 168:
        raise BadPoints(f"distributed_after_hours {file.distributed_after_hours}: 0 to 167 are accepted")
    weights = {
        int(one): fraction(getattr(file.weights, one.name.lower()), f"weights.{one.name.lower()}") for one in Component
    }
    return Terms(
        file.week_points,
        file.distributed_after_hours * 3_600_000,
        weights,
        ranks_of(file.rank),
        seasons_of(file.season),
    )


def ranks_of(entries: list[RankEntry]) -> tuple[Rank, ...]:
    """Ranks, best first; raises BadPoints."""
    ranks = tuple(Rank(one.name, fraction(one.share, f"rank {one.name}: share")) for one in entries)
    shares = [one.share for one in ranks]
    if not shares or shares != sorted(set(shares)) or shares[0] == 0 or shares[-1] != FRACTION_ONE:
        raise BadPoints("rank: shares that rise from above 0 to 1, best rank first, are accepted")
    return ranks


def seasons_of(entries: list[SeasonEntry]) -> tuple[Season, ...]:
    """Seasons, oldest first; raises BadPoints."""
    seasons: list[Season] = []
    for entry in entries:
        first = edge(entry.begins, f"season {entry.id}: begins") + 1
        last = 0 if entry.ends is None else edge(entry.ends, f"season {entry.id}: ends")
        if last and last < first:
            raise BadPoints(f"season {entry.id}: ends after it begins, or not at all, is accepted")
        if seasons and (not seasons[-1].last or first <= seasons[-1].last or entry.id <= seasons[-1].id):
            raise BadPoints(
                f"season {entry.id}: a number above, and a beginning after the end of the season before, are accepted"
            )
        seasons.append(Season(entry.id, entry.name, first, last))
    if not seasons or seasons[0].id < 1:
        raise BadPoints("season: at least one, numbered from 1, is accepted")
    return tuple(seasons)


def edge(at: datetime, field: str) -> int:
    """Number of the week that ends at a time; raises BadPoints for any other time."""
    if at.tzinfo is None:
        raise BadPoints(f"{field} {at}: a time with its zone, such as 2026-01-01T00:00:00Z, is accepted")
    at_ms = int(at.timestamp()) * 1_000
    if at_ms % WEEK_MS or at.microsecond:
        raise BadPoints(f"{field} {at}: a Thursday at 00:00 UTC is accepted, for weeks end there")
    return week_of(at_ms)


def fraction(text: str, field: str) -> Fraction:
    """Parts of 1e12; raises BadPoints."""
    try:
        return parse_decimal(text, FRACTION_DECIMALS)
    except NotDecimal as error:
        raise BadPoints(f"{field}: {text!r} is {error}") from error
