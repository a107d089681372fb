"""Where the prices of a run come from: a scenario, recorded files, or live venues, as the oracle's own settings say it.

Scenarios and files are played in the venue's own time; live prices take real time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath

from prometheus_client import CollectorRegistry

from services.core.fixed import Milliseconds
from services.core.log import Log
from services.core.process import EXIT_UNREACHABLE, CannotStart
from services.core.settings import EXIT_CONFIGURATION, BadSettings, load
from services.oracle.drills import Drills
from services.oracle.live import LiveVenue, live_venues
from services.oracle.path import Path
from services.oracle.process import connects, paths, watched
from services.oracle.publisher import Feed, Oracle, PathFeed
from services.oracle.settings import OracleSettings
from services.oracle.sources import declared_sources

LIVE_SECONDS = 25.0
LIVE_LOOK_SECONDS = 0.1
OPTIONS = {
    "oracle_recorded": "--recorded",
    "oracle_scenario": "--scenario",
    "oracle_live": "--venues",
    "oracle_misbehave": "--misbehave",
}


@dataclass(frozen=True)
class Prices:
    """Prices of every index that a venue's markets need."""

    settings: OracleSettings
    paths: dict[str, Path]
    """None where prices are live."""

    @property
    def is_live(self) -> bool:
        """Whether they come from outside, in real time."""
        return not self.paths

    @property
    def begins_ms(self) -> Milliseconds:
        """First time at which all paths have a price."""
        return max(path.begins_ms for path in self.paths.values())

    @property
    def ends_ms(self) -> Milliseconds:
        """Time at which the first path has no price any more."""
        return min(path.ends_ms for path in self.paths.values())

    @asynccontextmanager
    async def feeds(self, clock: Callable[[], Milliseconds]) -> AsyncIterator[Sequence[Feed]]:
        """What sees prices, for the length of a block; CannotStart when too few live venues answer."""
        settings = self.settings
        if not self.is_live:
            sources = declared_sources(settings.oracle_seed, settings.oracle_interval_ms, settings.oracle_sources)
            yield [PathFeed(path, index, sources) for index, path in self.paths.items()]
            return
        venues = live_venues(
            connects(settings),
            settings.oracle_index,
            clock,
            interval_ms=settings.oracle_interval_ms,
            listen=settings.oracle_live_listens,
        )
        async with venues as live:
            await answered(live)
            yield live

    def oracle(self, home: Log, feeds: Sequence[Feed], partitions: int, registry: CollectorRegistry) -> Oracle:
        """What publishes them, with the drills that were asked for, and a watch that shows trouble in the metrics."""
        drills = Drills(self.settings.oracle_misbehave, home.now_ms())
        looked_ms = home.now_ms() - self.settings.oracle_interval_ms
        return Oracle(home, feeds, partitions, drills, watched(self.settings, registry, looked_ms))


def open_prices(
    indices: Iterable[str], *, scenario: str, recorded: str, live: str, seed: int, misbehave: str = ""
) -> Prices:
    """Read what is named; CannotStart when it cannot be played or heard."""
    try:
        settings = load(
            OracleSettings,
            kafka="",
            log_file=FilePath("log.sqlite"),
            oracle_index=tuple(indices),
            oracle_recorded=recorded,
            oracle_live=live,
            oracle_seed=seed,
            oracle_misbehave=misbehave,
            **({"oracle_scenario": scenario} if scenario else {}),
        )
    except BadSettings as error:
        raise CannotStart(f"prices: {as_options(str(error))}", EXIT_CONFIGURATION) from error
    try:
        if settings.oracle_live:
            connects(settings)
            return Prices(settings, {})
        return Prices(settings, paths(settings))
    except CannotStart as error:
        raise CannotStart(f"prices: {as_options(str(error))}", error.code) from error


def as_options(text: str) -> str:
    """Name options as the command line does."""
    for name, option in OPTIONS.items():
        text = text.replace(f"VIGIL_{name.upper()}", option)
    return text


async def answered(venues: Sequence[LiveVenue]) -> None:
    """Wait until most venues have said something; CannotStart when too few have in time."""
    wanted = len(venues) // 2 + 1
    try:
        async with asyncio.timeout(LIVE_SECONDS):
            while sum(bool(venue.seen) for venue in venues) < wanted:  # noqa: ASYNC110 - many signs, no event
                await asyncio.sleep(LIVE_LOOK_SECONDS)
    except TimeoutError:
        silent = ", ".join(venue.name for venue in venues if not venue.seen)
        text = f"{silent} said nothing within {LIVE_SECONDS:.0f} s, and {wanted} of {len(venues)} must: is there a network?"
        raise CannotStart(
            f"--live: {text} Without one, leave --live away and 12 March 2020 is played", EXIT_UNREACHABLE
        ) from None
