"""One venue as the adapter hears it, with a made-up exchange in ccxt's place: ways, prices, steps back in time, pauses."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.core.fixed import INDEX_DECIMALS
from services.oracle.live import (
    PAUSE_SECONDS,
    PAUSE_SECONDS_MAX,
    LiveVenue,
    NoLiveVenue,
    NothingToHear,
    connectors,
    pause_seconds,
    price_of,
    symbol_of,
    way_of,
)

DOLLAR = 10**INDEX_DECIMALS
NOW_MS = 1_700_000_000_000


class MadeUpExchange:
    """Says one ticker after the other, then fails for good."""

    id = "made-up"

    def __init__(self, has: tuple[str, ...], tickers: list[dict[str, Any]]) -> None:
        self.has = dict.fromkeys(has, True)
        self.markets: dict[str, Any] = {}
        self.tickers = tickers
        self.closed = False
        self.answered = asyncio.Event()

    async def load_markets(self) -> None:
        self.markets = {"BTC/USDT": {}, "ETH/USD": {}, "ETH/USDT": {}}

    async def fetchTickers(self, symbols: list[str]) -> dict[str, Any]:  # noqa: N802 - ccxt's name
        if not self.tickers:
            raise ConnectionResetError
        self.answered.set()
        return dict.fromkeys(symbols, self.tickers.pop(0))

    async def fetchTicker(self, symbol: str) -> dict[str, Any]:  # noqa: N802 - ccxt's name
        return (await self.fetchTickers([symbol]))[symbol]  # type: ignore[no-any-return]

    async def close(self) -> None:
        self.closed = True


def venue(exchange: MadeUpExchange, *indices: str, clock: Callable[[], int] = lambda: NOW_MS) -> LiveVenue:
    return LiveVenue("made-up", lambda: exchange, indices or ("BTC_USD",), clock, 1, listen=False, random=Random(1))


async def heard(exchange: MadeUpExchange, *indices: str) -> LiveVenue:
    one = venue(exchange, *indices)
    with pytest.raises(ConnectionResetError):
        await one.hear(exchange)
    return one


def ticker(bid: object = None, ask: object = None, last: object = None, timestamp: int | None = None) -> dict[str, Any]:
    return {"bid": bid, "ask": ask, "last": last, "timestamp": timestamp}


PRICES: list[tuple[str, dict[str, Any], int | None]] = [
    ("the middle", ticker("100.1", "100.2"), 10_015 * DOLLAR // 100),
    ("rounded down", ticker("0.0000000001", "0.0000000002"), 1),
    ("numbers too, by what they print", ticker(61837.63, 61837.64), 618_376_350_000_000),
    ("the last price of an empty side", ticker("100.1", None, "99"), 99 * DOLLAR),
    ("nothing", ticker(), None),
    ("no number", ticker("x", "y", "z"), None),
    ("not a number", ticker("NaN", "1", "Infinity"), None),
    ("below zero", ticker("-1", "1", "-3"), None),
    ("too small to say", ticker(last="0.00000000001"), None),
    ("too large to be kept", ticker("1e30", "1e31"), None),
]


@pytest.mark.parametrize(("said", "price"), [row[1:] for row in PRICES], ids=[row[0] for row in PRICES])
def test_price(said: dict[str, Any], price: int | None) -> None:
    assert price_of(said)[0] == price


async def test_symbols_are_the_first_that_stand_for_dollars() -> None:
    one = await heard(MadeUpExchange(("fetchTickers",), [ticker("1", "3")]), "BTC_USD", "ETH_USD", "SOL_USD")
    assert [(seen.index, seen.price) for seen in one.due(NOW_MS)] == [("BTC_USD", 2 * DOLLAR), ("ETH_USD", 2 * DOLLAR)]
    assert one.due(NOW_MS) == []


SYMBOLS = [
    ("a dollar is the first quote listed", "ETH_USD", "ETH/USD"),
    ("or what stands for it", "BTC_USD", "BTC/USDT"),
    ("another quote is meant as it is said", "ETH_USDT", "ETH/USDT"),
    ("and no other", "ETH_EUR", ""),
    ("a token is not quoted in itself", "USDT_USD", "USDT/USDC"),
]


@pytest.mark.parametrize(("index", "symbol"), [row[1:] for row in SYMBOLS], ids=[row[0] for row in SYMBOLS])
def test_symbols_of_indices(index: str, symbol: str) -> None:
    exchange = MadeUpExchange((), [])
    exchange.markets = dict.fromkeys(("BTC/USDT", "ETH/USD", "ETH/USDT", "USDT/USDT", "USDT/USDC"))
    assert symbol_of(exchange, index) == symbol


async def test_a_venue_that_lists_nothing_wanted_says_so() -> None:
    exchange = MadeUpExchange(("fetchTickers",), [])
    with pytest.raises(NothingToHear, match="SOL_USD"):
        await venue(exchange, "SOL_USD").hear(exchange)


async def test_a_venue_with_single_tickers_only_is_asked_one_by_one() -> None:
    one = await heard(MadeUpExchange(("fetchTicker",), [ticker("1", "1"), ticker("2", "2")]), "BTC_USD", "ETH_USD")
    assert [seen.price for seen in one.due(NOW_MS)] == [DOLLAR, 2 * DOLLAR]


async def test_what_a_venue_stamps_earlier_than_before_is_not_taken() -> None:
    said = [ticker("1", "1", timestamp=NOW_MS - 10), ticker("2", "2", timestamp=NOW_MS - 11)]
    one = await heard(MadeUpExchange(("fetchTickers",), said))
    assert [(seen.price, seen.observed_ms) for seen in one.due(NOW_MS)] == [(DOLLAR, NOW_MS)]


async def test_a_last_price_is_as_old_as_its_venue_says() -> None:
    one = await heard(MadeUpExchange(("fetchTickers",), [ticker(last="5", timestamp=NOW_MS - 9_000)]))
    assert [seen.observed_ms for seen in one.due(NOW_MS)] == [NOW_MS - 9_000]


def test_the_best_way_to_hear_is_taken() -> None:
    exchange = MadeUpExchange(("fetchTicker", "fetchBidsAsks", "watchTicker"), [])
    assert way_of(exchange, listen=False) == "fetchBidsAsks"
    assert way_of(exchange, listen=True) == "watchTicker"
    with pytest.raises(NothingToHear, match="none of fetchBidsAsks"):
        way_of(MadeUpExchange((), []), listen=False)


async def test_a_failure_brings_a_new_connection_and_closes_the_old_one() -> None:
    broken, sound = MadeUpExchange(("fetchTickers",), []), MadeUpExchange(("fetchTickers",), [ticker("1", "1")] * 9_999)
    connections = [sound, broken]
    one = venue(sound)
    one.connect = connections.pop
    task = asyncio.create_task(one.run())
    async with asyncio.timeout(10):
        await sound.answered.wait()
    assert (broken.closed, sound.closed, one.connections) == (True, False, 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert sound.closed


def test_pauses_double_to_half_a_minute_with_jitter() -> None:
    pauses = [pause_seconds(failures, Random(7)) for failures in range(1, 40)]
    assert PAUSE_SECONDS <= pauses[0] <= 2 * PAUSE_SECONDS
    assert all(PAUSE_SECONDS_MAX / 2 <= pause <= PAUSE_SECONDS_MAX for pause in pauses[8:])
    assert pause_seconds(3, Random(1)) != pause_seconds(3, Random(2))


def test_a_venue_that_ccxt_does_not_know_is_refused_with_those_it_does() -> None:
    with pytest.raises(NoLiveVenue, match=r"'nyse' is no venue.*binance.*kraken"):
        connectors(["nyse"])


def test_options_reach_ccxt_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "live.toml"
    file.write_text('[kraken]\nhttpsProxy = "http://proxy:3128"\n')
    exchange = connectors(["kraken", "binance"], file)["kraken"]()
    assert exchange.httpsProxy == "http://proxy:3128"
    assert exchange.parse_number("0.1") == "0.1", "texts, not floats"


@pytest.mark.parametrize("text", ["x = 1", "[broken"])
def test_bad_options_are_refused_naming_the_file(text: str, tmp_path: Path) -> None:
    file = tmp_path / "live.toml"
    file.write_text(text)
    with pytest.raises(NoLiveVenue, match=r"live\.toml"):
        connectors(["kraken"], file)


def test_prices_never_pass_through_floats() -> None:
    """Seventeen digits, which a float does not hold."""
    assert price_of(ticker("123456789.12345678", "123456789.12345678"))[0] == 1_234_567_891_234_567_800
