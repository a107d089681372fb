"""Live prices through unmodified ccxt, from local servers that replay a spot recording, into the real funding machine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

import pytest
from prometheus_client import CollectorRegistry

from services.core import messages as m
from services.core.fixed import FRACTION_ONE, INDEX_DECIMALS
from services.core.memory_log import MemoryLog
from services.funding.sources import Flaw
from services.oracle.live import LiveVenue, connector, live_venues
from services.oracle.publisher import Oracle
from services.oracle.watch import Trouble, Watch
from tests.builders import BTC, USDC, Driven, but, only
from tests.clients.recorded_venue import BOOK_TICKER, Clock, RecordedVenue, Recording, recording, serving

NAMES = ("east", "north", "west")
DEADLINE_SECONDS = 20
ASK_MS = 10
MARKET = but(BTC, sources_min=2, dispersion_max=FRACTION_ONE // 100, price_stale_ms=20_000, mark_interval_ms=1)


async def until(holds: Callable[[], bool], claim: str) -> None:
    """Wait until something holds; fails with the claim when it takes too long."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not holds():  # noqa: ASYNC110 - what is waited for happens in code that knows no test
                await asyncio.sleep(0.002)
    except TimeoutError:
        pytest.fail(f"in {DEADLINE_SECONDS} s it did not come about that {claim}")


@dataclass
class Stage:
    """Three servers, what the adapter makes of them, and a funding machine that hears what it published."""

    clock: Clock
    servers: dict[str, RecordedVenue]
    venues: dict[str, LiveVenue]
    oracle: Oracle
    watch: Watch
    funding: Driven
    home: MemoryLog
    marks: list[tuple[int, int]] = field(default_factory=list)
    read: int = 0

    def index_seen(self, name: str = "east") -> int:
        """Middle of the recorded book now, in cents, as a source should say it."""
        said = self.servers[name].played.last(BOOK_TICKER, self.clock.now_ms)
        return int((Decimal(said["b"]) + Decimal(said["a"])) * 50)

    async def step(self, *, hear: tuple[str, ...] = NAMES, ms: int = 1_000) -> None:
        """Let time pass, wait until these venues have heard what was said since, publish, and let funding take it."""
        self.clock.now_ms += ms
        for server in self.servers.values():
            await server.play()
        for name in hear:
            await until(partial(self.has_heard, name), f"{name} says what its server said at {self.clock.now_ms}")
        await self.oracle.publish()
        self.take()

    def has_heard(self, name: str) -> bool:
        """Whether a venue knows what its server says now."""
        top, seen = self.servers[name].top(), self.venues[name].seen.get("BTC_USD")
        price = (Decimal(top["bidPrice"]) + Decimal(top["askPrice"])) * 10**INDEX_DECIMALS / 2
        return seen is not None and seen == (int(price), self.clock.now_ms)

    def take(self) -> None:
        """Give funding what was published; a millisecond later it marks with all of it."""
        records = self.home.partitions["funding.inbox", 0]
        self.funding.now_ms = self.clock.now_ms
        for record in records[self.read :]:
            self.funding.step(record.value)
        self.read = len(records)
        for update in only(m.MarksUpdated, self.funding.wait(1)):
            self.marks += [(mark, index) for _, mark, index in update.marks]

    def flaws(self) -> dict[str, int]:
        """What funding finds wrong with each source."""
        return {name: source.flaw for name, source in self.funding.state.sources["BTC_USD"].items()}

    def troubles(self) -> dict[str, Trouble | None]:
        """What operators are told of each source."""
        return {name: heard.trouble for name, heard in self.watch.heard["BTC_USD"].items()}


@pytest.fixture(scope="module")
def played() -> Recording:
    return recording()


@pytest.fixture
async def stage(played: Recording, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """By asking, or by listening where a test says so."""
    listen = getattr(request, "param", "") == "listen"
    clock = Clock(played.begins_ms)
    async with AsyncExitStack() as undo:
        servers = {name: await undo.enter_async_context(serving(played, clock)) for name in NAMES}
        connects = {name: connector("binance", server.options()) for name, server in servers.items()}
        live = live_venues(connects, ["BTC_USD"], clock, interval_ms=ASK_MS, listen=listen)
        venues = {venue.name: venue for venue in await undo.enter_async_context(live)}
        if listen:
            everybody = list(servers.values())
            await until(lambda: all(server.listeners for server in everybody), "every venue is listened to")
        home = MemoryLog(clock)
        await home.create({"funding.inbox": 1})
        watch = Watch(CollectorRegistry())
        oracle = Oracle(home, list(venues.values()), 1, watch=watch)
        yield Stage(clock, servers, venues, oracle, watch, listed(clock), home)


def listed(clock: Clock) -> Driven:
    """Funding with the market listed."""
    funding = Driven("funding")
    funding.now_ms = clock.now_ms
    funding.tell(m.AssetListed(USDC))
    funding.tell(funding.commands.list_market(MARKET))
    return funding


both_ways = pytest.mark.parametrize("stage", ["ask", "listen"], indirect=True)


@both_ways
async def test_prices_arrive_and_become_the_index(stage: Stage) -> None:
    """Each second's index is the middle of the recorded book at that second, to the cent."""
    expected = []
    for _ in range(20):
        await stage.step()
        expected.append(stage.index_seen())
    assert [index for _, index in stage.marks] == expected
    assert len(set(expected)) > 5
    assert stage.flaws() == dict.fromkeys(NAMES, Flaw.NONE)


@pytest.mark.parametrize("stage", ["listen"], indirect=True)
async def test_a_dropped_connection_is_made_again(stage: Stage) -> None:
    await stage.step()
    await stage.servers["west"].drop()
    west, server = stage.venues["west"], stage.servers["west"]
    await until(lambda: west.connections > 1 and bool(server.listeners), "west is connected again")
    await stage.step()
    assert west.failures == 0


async def test_a_venue_in_maintenance_is_asked_again_and_the_others_go_on(stage: Stage) -> None:
    await stage.step()
    west, server = stage.venues["west"], stage.servers["west"]
    server.broken = True
    await until(lambda: west.failures > 1, "west fails again and again")
    for _ in range(3):
        await stage.step(hear=("east", "north"))
    assert stage.marks[-1][1] == stage.index_seen()
    server.broken = False
    await stage.step()
    assert (west.failures, stage.flaws()["west"]) == (0, Flaw.NONE)


async def test_a_venue_that_lies_is_left_out(stage: Stage) -> None:
    await stage.step()
    stage.servers["west"].factor = Decimal("1.1")
    for _ in range(3):
        await stage.step()
        assert stage.marks[-1][1] == stage.index_seen()
    assert stage.flaws() == {"east": Flaw.NONE, "north": Flaw.NONE, "west": Flaw.FAR}
    assert stage.troubles()["west"] is Trouble.FAR
    stage.servers["west"].factor = Decimal(1)
    await stage.step()
    await stage.step()
    assert stage.flaws()["west"] == Flaw.NONE
    assert stage.troubles()["west"] is None


async def test_two_venues_that_lie_differently_stop_the_marks(stage: Stage) -> None:
    await stage.step()
    for name, factor in (("east", "0.9"), ("west", "1.1")):
        stage.servers[name].factor = Decimal(factor)
    await stage.step()
    marks = len(stage.marks)
    await stage.step()
    assert len(stage.marks) == marks


async def test_a_venue_that_freezes_is_left_out_while_the_others_move(stage: Stage) -> None:
    """It goes on answering, always the same: after 20 s (the market's staleness) its price counts no more."""
    await stage.step()
    stage.servers["west"].frozen_ms = stage.clock.now_ms
    for _ in range(65):
        await stage.step()
    assert stage.flaws() == {"east": Flaw.NONE, "north": Flaw.NONE, "west": Flaw.FROZEN}
    assert stage.troubles()["west"] is Trouble.FROZEN
    assert stage.marks[-1][1] == stage.index_seen()
