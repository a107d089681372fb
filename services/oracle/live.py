"""Live prices: each venue that ccxt knows is one source, asked every interval or listened to; it survives whatever they do.

A venue that fails is asked again after a growing, jittered pause, on a new connection; that never ends the process, and other venues do
not notice. Prices are read as decimal text, never through a float. The time of an observation is the clock's when a bid and an ask came,
for they are the venue's at that moment; a last price is as old as the venue says. No volume is told: tickers have only that of a whole day.
"""

import asyncio
import tomllib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path as FilePath
from random import Random
from typing import Any, NamedTuple, TypeAlias

import structlog

from services.core.fixed import INDEX_DECIMALS, LIMIT, Milliseconds, Price
from services.core.messages import PriceObserved

QUOTES = ("USD", "USDT", "USDC")
"""What stands for USD, the first that the venue lists."""
PAUSE_SECONDS = 0.5
PAUSE_SECONDS_MAX = 30.0
DOUBLINGS_MAX = 6
SILENCE_SECONDS_MAX = 15.0
"""A venue that answers nothing for so long is connected anew."""
REQUEST_MS_MAX = 10_000
ASKS = ("fetchBidsAsks", "fetchTickers", "fetchTicker")
LISTENS = ("watchBidsAsks", "watchTickers", "watchTicker")
"""Ways to hear prices, the best first: those that bring the top of the book of all symbols at once."""
Connect: TypeAlias = Callable[[], Any]
"""Makes a new exchange object of ccxt."""
Ticker: TypeAlias = Mapping[str, Any]

log = structlog.get_logger(__name__)


class NoLiveVenue(Exception):
    """Live prices cannot be had as asked: the text says what is missing or accepted."""


class NothingToHear(Exception):
    """A venue lists none of what is wanted, or cannot say it; it is asked again all the same, for one in trouble says so too."""


class Seen(NamedTuple):
    """What a venue said last of an index."""

    price: Price
    observed_ms: Milliseconds


@dataclass
class LiveVenue:
    """One venue: runs until it is cancelled; what it said last waits in `due`."""

    name: str
    connect: Connect
    indices: tuple[str, ...]
    clock: Callable[[], Milliseconds]
    interval_ms: int
    listen: bool
    random: Random
    seen: dict[str, Seen] = field(default_factory=dict)
    given_ms: dict[str, Milliseconds] = field(default_factory=dict)
    stamps: dict[str, Milliseconds] = field(default_factory=dict)
    failures: int = 0
    connections: int = 0

    def due(self, now_ms: Milliseconds) -> list[PriceObserved]:
        """What is new of each index, at most once per interval."""
        fresh = []
        for index, seen in self.seen.items():
            given_ms = self.given_ms.get(index, -self.interval_ms)
            if seen.observed_ms > given_ms and now_ms >= given_ms + self.interval_ms:
                self.given_ms[index] = seen.observed_ms
                fresh.append(PriceObserved(self.name, index, seen.price, seen.observed_ms))
        return fresh

    async def run(self) -> None:
        """Connect and hear, again and again."""
        broken = failures_of_ccxt()
        while True:
            exchange = self.connect()
            self.connections += 1
            try:
                await self.hear(exchange)
            except broken as error:
                self.failures += 1
                log.warning("live_source_failed", source=self.name, failures=self.failures, error=repr(error)[:300])
            finally:
                await closed(exchange, broken)
            try:
                await asyncio.sleep(pause_seconds(self.failures, self.random))
            finally:
                # What was asked beside that which failed may have connected again meanwhile.
                await closed(exchange, broken)

    async def hear(self, exchange: Any) -> None:  # noqa: ANN401 - ccxt has no types
        """Hear prices until something breaks; raises NothingToHear, or what ccxt raises."""
        async with asyncio.timeout(SILENCE_SECONDS_MAX):
            await exchange.load_markets()
        symbols = {one: symbol_of(exchange, one) for one in self.indices}
        indices = {symbol: index for index, symbol in symbols.items() if symbol}
        if not indices:
            raise NothingToHear(f"{self.name} lists none of {', '.join(self.indices)} in {', '.join(QUOTES)}")
        way = way_of(exchange, listen=self.listen)
        while True:
            async with asyncio.timeout(SILENCE_SECONDS_MAX):
                tickers = await told(exchange, way, list(indices))
            for symbol, index in indices.items():
                if symbol in tickers:
                    self.note(index, tickers[symbol])
            if self.failures and indices.keys() & tickers.keys():
                log.info("live_source_recovered", source=self.name, failures=self.failures)
                self.failures = 0
            if way in ASKS:
                await asyncio.sleep(self.interval_ms / 1_000)

    def note(self, index: str, ticker: Ticker) -> None:
        """Keep a price; not one that its venue stamped earlier than one before."""
        now_ms, stamp = self.clock(), ticker.get("timestamp")
        if stamp is not None and stamp < self.stamps.get(index, stamp):
            log.warning("live_source_back_in_time", source=self.name, index=index, by_ms=self.stamps[index] - stamp)
            return
        price, is_last = price_of(ticker)
        if price is None:
            log.warning("live_source_without_price", source=self.name, index=index)
            return
        if stamp is not None:
            self.stamps[index] = stamp
        self.seen[index] = Seen(price, stamp if is_last and stamp is not None else now_ms)


def price_of(ticker: Ticker) -> tuple[Price | None, bool]:
    """Middle of bid and ask, 1e-10, rounded down; else the last price, and True. None for what is no price."""
    bid, ask, last = (number_of(ticker.get(name)) for name in ("bid", "ask", "last"))
    if bid and ask:
        return in_range((bid + ask) / 2), False
    return in_range(last), True


def number_of(value: object) -> Decimal | None:
    """Decimal of what ccxt gives, text or number; None for what is no positive number."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number > 0 else None


def in_range(number: Decimal | None) -> Price | None:
    """Price of an index, 1e-10; None when it is none, or too large."""
    if number is None or number >= Decimal(LIMIT).scaleb(-INDEX_DECIMALS):
        return None
    return int(number.scaleb(INDEX_DECIMALS)) or None


def symbol_of(exchange: Any, index: str) -> str:  # noqa: ANN401 - ccxt has no types
    """Return the venue's spot symbol for an index such as BTC_USD, "" if it lists none."""
    base, _, quote = index.partition("_")
    listed = (f"{base}/{one}" for one in (QUOTES if quote in ("", "USD") else (quote,)) if one != base)
    return next((one for one in listed if one in exchange.markets), "")


def way_of(exchange: Any, *, listen: bool) -> str:  # noqa: ANN401 - ccxt has no types
    """Return the best way to hear prices that the venue offers; raises NothingToHear."""
    ways = (*LISTENS, *ASKS) if listen else ASKS
    way = next((one for one in ways if exchange.has.get(one)), None)
    if way is None:
        raise NothingToHear(f"{exchange.id} offers none of {', '.join(ways)}")
    return way


async def told(exchange: Any, way: str, symbols: list[str]) -> Mapping[str, Ticker]:  # noqa: ANN401 - ccxt has no types
    """Ask, or wait for what is said: tickers by symbol."""
    method = getattr(exchange, way)
    if way in {"fetchTicker", "watchTicker"}:
        answers = await asyncio.gather(*(method(symbol) for symbol in symbols))
        return dict(zip(symbols, answers, strict=True))
    answer: Mapping[str, Ticker] = await method(symbols)
    return answer


async def closed(exchange: Any, broken: tuple[type[Exception], ...]) -> None:  # noqa: ANN401 - ccxt has no types
    """Let go of a connection, whatever state it is in."""
    try:
        await exchange.close()
    except broken as error:
        log.info("live_source_close_failed", source=exchange.id, error=repr(error)[:300])


def pause_seconds(failures: int, random: Random) -> float:
    """How long to wait after so many failures in a row: doubled each time up to half a minute, with jitter so that venues do not meet."""
    longest: float = min(PAUSE_SECONDS * 2 ** min(failures, DOUBLINGS_MAX), PAUSE_SECONDS_MAX)
    return longest * random.uniform(0.5, 1)


def failures_of_ccxt() -> tuple[type[Exception], ...]:
    """Everything that a venue can do to us: what ccxt says, what the network does, and what a broken answer does to its parser."""
    ccxt = load_ccxt()
    nonsense = (LookupError, ArithmeticError, TypeError, ValueError, AttributeError)
    return (NothingToHear, ccxt.BaseError, OSError, TimeoutError, *nonsense)


def load_ccxt() -> Any:  # noqa: ANN401 - ccxt has no types
    """Return ccxt.pro, which has both ways; raises NoLiveVenue where the extra is not installed."""
    try:
        import ccxt.pro  # noqa: PLC0415 - an extra that not everybody installs
    except ImportError as error:
        raise NoLiveVenue("live prices need ccxt: install the extra `live`") from error
    return ccxt.pro


def read_options(file: FilePath | None) -> dict[str, dict[str, Any]]:
    """Read what a TOML file has for each venue, given to ccxt as it is: proxies, addresses, rate limits; raises NoLiveVenue."""
    if file is None:
        return {}
    try:
        found = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NoLiveVenue(f"{file} cannot be read: {error}") from error
    if not all(isinstance(one, dict) for one in found.values()):
        raise NoLiveVenue(f"{file}: a table per venue is expected, such as [binance]")
    return found


def connector(name: str, options: Mapping[str, Any]) -> Connect:
    """Return what makes exchange objects of a venue; raises NoLiveVenue for a name that ccxt does not know."""
    ccxt = load_ccxt()
    if name not in ccxt.exchanges:
        raise NoLiveVenue(f"{name!r} is no venue that ccxt can listen to; there are {', '.join(ccxt.exchanges)}")
    kind = getattr(ccxt, name)
    basic = {"enableRateLimit": True, "timeout": REQUEST_MS_MAX, "options": {"fetchMarkets": {"types": ["spot"]}}}

    def connect() -> Any:  # noqa: ANN401 - ccxt has no types
        exchange = kind(kind.deep_extend(basic, options))
        exchange.number = str  # ccxt's own way to get texts instead of floats
        return exchange

    return connect


def connectors(names: Iterable[str], options_file: FilePath | None = None) -> dict[str, Connect]:
    """Return what connects to each venue; raises NoLiveVenue."""
    options = read_options(options_file)
    return {name: connector(name, options.get(name, {})) for name in names}


@asynccontextmanager
async def live_venues(
    connects: Mapping[str, Connect],
    indices: Iterable[str],
    clock: Callable[[], Milliseconds],
    *,
    interval_ms: int,
    listen: bool = False,
    seed: int = 0,
) -> AsyncIterator[tuple[LiveVenue, ...]]:
    """Venues that hear prices as long as the block lasts; each is a feed."""
    wanted = tuple(indices)
    venues = tuple(
        LiveVenue(name, connect, wanted, clock, interval_ms, listen, seeded(seed, name))
        for name, connect in connects.items()
    )
    tasks = [asyncio.create_task(venue.run(), name=f"live {venue.name}") for venue in venues]
    try:
        yield venues
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def seeded(seed: int, name: str) -> Random:
    """Return a venue's own jitter."""
    return Random(f"{seed}/{name}")  # noqa: S311 - jitter, no secret
