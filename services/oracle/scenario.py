"""Scenarios: published waypoints, and between them straight lines with seeded noise; no market data is kept here.

The noise fades to nothing at each waypoint, so the path goes exactly through all of them.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime

from services.core.fixed import INDEX_DECIMALS, Milliseconds, Price, clamp, div_floor
from services.oracle.noise import ONE, draw, layered_noise
from services.oracle.path import between

MINUTE_MS = 60_000
PERIODS_MS = (32 * MINUTE_MS, 8 * MINUTE_MS, 2 * MINUTE_MS, MINUTE_MS // 2, 8_000)
FADE_MS = 5 * MINUTE_MS
FOREVER_MS = 2**62
DOLLAR: Price = 10**INDEX_DECIMALS
TRADED_DOLLARS = 20_000
TRADED_MS = 1_000
VOLUME_ONE = 10**8
"""Volumes are 1e-8 base."""


@dataclass(frozen=True)
class Waypoint:
    """A published price in whole dollars; until the next one the noise is up to about `noise_ppm` of the price."""

    at_ms: Milliseconds
    dollars: int
    noise_ppm: int


@dataclass(frozen=True)
class Scenario:
    """A path through waypoints. After the last one it goes on round its price, without end."""

    name: str
    waypoints: tuple[Waypoint, ...]
    seed: int
    ends_ms: Milliseconds = FOREVER_MS

    @property
    def begins_ms(self) -> Milliseconds:
        """Time of the first waypoint."""
        return self.waypoints[0].at_ms

    def price(self, at_ms: Milliseconds) -> Price | None:
        """Price at a time, 1e-10 dollars; None before the scenario begins."""
        if at_ms < self.begins_ms:
            return None
        number = bisect_right(self.waypoints, at_ms, key=lambda waypoint: waypoint.at_ms) - 1
        start = self.waypoints[number]
        end = self.waypoints[number + 1] if number + 1 < len(self.waypoints) else None
        since_ms = at_ms - start.at_ms
        level, left_ms = units(start.dollars), FADE_MS
        if end is not None:
            level = between(level, units(end.dollars), since_ms, end.at_ms - start.at_ms)
            left_ms = end.at_ms - at_ms
        ppm = layered_noise(self.seed, self.name, at_ms, PERIODS_MS) * start.noise_ppm
        fade_ms = clamp(min(since_ms, left_ms), 0, FADE_MS)
        return level + div_floor(level * ppm * fade_ms, ONE * ONE * FADE_MS)

    def volume(self, since_ms: Milliseconds, until_ms: Milliseconds) -> int:
        """What traded: about TRADED_DOLLARS a second, more or less from one second to the next as the seed says."""
        price = self.price(until_ms)
        if price is None:
            return 0
        part = ONE + draw(self.seed, f"{self.name}.traded", div_floor(until_ms, TRADED_MS))
        return div_floor(TRADED_DOLLARS * (until_ms - since_ms) * part * DOLLAR * VOLUME_ONE, 1_000 * ONE * price)


def units(dollars: int) -> Price:
    """Whole dollars as a price of an index."""
    return dollars * DOLLAR


def utc(text: str) -> Milliseconds:
    """Read a time such as `2020-03-12 10:45`, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000


MARCH_2020 = (
    # The slide before the fall.
    *[("2020-03-12 00:00", 7_934, 2_500), ("2020-03-12 02:00", 7_700, 2_500), ("2020-03-12 06:00", 7_650, 2_500)],
    *[("2020-03-12 08:00", 7_390, 2_500), ("2020-03-12 10:00", 7_353, 2_500), ("2020-03-12 10:35", 7_150, 4_000)],
    # First leg: more than a fifth in a quarter of an hour, then half a day of unrest.
    *[("2020-03-12 10:45", 6_300, 8_000), ("2020-03-12 10:51", 5_678, 9_000), ("2020-03-12 11:05", 6_250, 8_000)],
    *[("2020-03-12 11:40", 5_800, 8_000), ("2020-03-12 12:30", 6_050, 6_000), ("2020-03-12 15:00", 6_080, 5_000)],
    *[("2020-03-12 18:00", 6_110, 5_000), ("2020-03-12 20:00", 6_030, 5_000), ("2020-03-12 21:00", 5_715, 5_000)],
    # Second leg: 23:00 to 02:15, and the bounce of 39 % in 25 minutes.
    *[("2020-03-12 23:00", 5_800, 5_000), ("2020-03-12 23:20", 5_350, 8_000), ("2020-03-12 23:50", 4_840, 9_000)],
    *[("2020-03-13 00:30", 4_900, 9_000), ("2020-03-13 01:00", 4_670, 9_000), ("2020-03-13 01:40", 4_250, 9_000)],
    *[("2020-03-13 02:05", 4_080, 9_000), ("2020-03-13 02:15", 3_850, 9_000), ("2020-03-13 02:40", 5_352, 9_000)],
    *[("2020-03-13 03:00", 5_050, 8_000), ("2020-03-13 04:00", 5_365, 7_000), ("2020-03-13 05:00", 4_870, 7_000)],
    # The day after.
    *[("2020-03-13 06:00", 4_980, 6_000), ("2020-03-13 08:00", 5_430, 6_000), ("2020-03-13 10:00", 5_840, 5_000)],
    *[("2020-03-13 12:00", 5_450, 5_000), ("2020-03-13 13:30", 5_620, 5_000), ("2020-03-13 15:30", 5_250, 5_000)],
    *[("2020-03-13 18:30", 5_020, 5_000), ("2020-03-13 21:00", 5_580, 4_000), ("2020-03-14 00:00", 5_622, 3_000)],
)
"""12 and 13 March 2020, spot, from what ledgerprime, cryptoslate and others published: time UTC, dollars, noise in ppm until the next.

The perpetual fell further, to 3,596, while spot stood some 400 higher: here the book of the venue itself makes that difference.
"""

SCENARIOS = {"march-2020": MARCH_2020}


def scenario(name: str, seed: int) -> Scenario:
    """Return a scenario by name.

    Raises   KeyError for an unknown one; SCENARIOS has the names
    """
    rows = SCENARIOS[name]
    return Scenario(name, tuple(Waypoint(utc(at), dollars, noise) for at, dollars, noise in rows), seed)
