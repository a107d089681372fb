"""A local server that plays recorded spot data as Binance's REST and WebSocket, with faults on demand; the test moves its clock.

It answers the paths that a client of market data uses, in that venue's own words: exchangeInfo, ticker/bookTicker, ticker/24hr, depth,
trades, and the raw streams over a websocket. What it says at a time is what the recording said last.
"""

import gzip
import json
from bisect import bisect_right
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from tests.market_data import market_data

RECORDING = "l2_btcusdt_binance_spot_2024-08-08.jsonl.gz"
SYMBOL = "BTCUSDT"
BOOK_TICKER, TRADE, DEPTH = (f"btcusdt@{channel}" for channel in ("bookTicker", "trade", "depth@100ms"))


@dataclass(frozen=True)
class Recording:
    """What each stream said and when (ms), and the one snapshot of the book."""

    times: dict[str, list[int]]
    said: dict[str, list[dict[str, Any]]]
    snapshot: dict[str, Any]

    @property
    def begins_ms(self) -> int:
        """First time at which every stream has said something."""
        return max(times[0] for times in self.times.values())

    @property
    def ends_ms(self) -> int:
        """Last time of the book's top."""
        return self.times[BOOK_TICKER][-1]

    def last(self, stream: str, at_ms: int) -> dict[str, Any]:
        """What a stream said last at or before a time."""
        return self.said[stream][bisect_right(self.times[stream], at_ms) - 1]

    def between(self, stream: str, after_ms: int, until_ms: int) -> list[dict[str, Any]]:
        """What a stream said after a time, until another."""
        times = self.times[stream]
        return self.said[stream][bisect_right(times, after_ms) : bisect_right(times, until_ms)]


@cache
def recording() -> Recording:
    """Read the recording."""
    times: dict[str, list[int]] = {}
    said: dict[str, list[dict[str, Any]]] = {}
    snapshot: dict[str, Any] = {}
    with gzip.open(market_data(RECORDING), "rt") as lines:
        for line in lines:
            row = json.loads(line)
            stream = row["msg"].get("stream")
            if stream is None:
                snapshot = row["msg"]
                continue
            times.setdefault(stream, []).append(row["recv_ns"] // 1_000_000)
            said.setdefault(stream, []).append(row["msg"]["data"])
    return Recording(times, said, snapshot)


@dataclass
class Clock:
    """Time of the recording, moved by the test."""

    now_ms: int

    def __call__(self) -> int:
        """Return it."""
        return self.now_ms


@dataclass
class RecordedVenue:
    """One server. It lies by `factor`, stays at `frozen_ms`, answers nonsense while `broken`, and can drop its listeners."""

    played: Recording
    clock: Clock
    factor: Decimal = Decimal(1)
    frozen_ms: int | None = None
    broken: bool = False
    answered: int = 0
    listeners: dict[web.WebSocketResponse, tuple[str, ...]] = field(default_factory=dict)
    told_ms: int = 0
    address: str = ""

    @property
    def at_ms(self) -> int:
        """Time that it shows."""
        return self.clock.now_ms if self.frozen_ms is None else self.frozen_ms

    def bent(self, said: dict[str, Any]) -> dict[str, Any]:
        """A message with its prices moved by the factor."""
        if self.factor == 1:
            return said
        return {name: str(Decimal(value) * self.factor) if name in "pba" else value for name, value in said.items()}

    def top(self) -> dict[str, str]:
        """The book's top as REST says it."""
        last = self.bent(self.played.last(BOOK_TICKER, self.at_ms))
        return {
            "symbol": SYMBOL,
            "bidPrice": last["b"],
            "bidQty": last["B"],
            "askPrice": last["a"],
            "askQty": last["A"],
        }

    async def book_ticker(self, _request: web.Request) -> web.Response:
        """GET ticker/bookTicker."""
        return self.answer([self.top()])

    async def day_ticker(self, _request: web.Request) -> web.Response:
        """GET ticker/24hr; of the day's figures there is only the last price."""
        trade = self.bent(self.played.last(TRADE, self.at_ms))
        return self.answer([{**self.top(), "lastPrice": trade["p"], "lastQty": trade["q"], "closeTime": trade["T"]}])

    async def depth(self, _request: web.Request) -> web.Response:
        """GET depth: the snapshot of the recording."""
        return self.answer(self.played.snapshot)

    async def trades(self, _request: web.Request) -> web.Response:
        """GET trades: the last hundred."""
        ends = bisect_right(self.played.times[TRADE], self.at_ms)
        rows = self.played.said[TRADE][max(0, ends - 100) : ends]
        return self.answer(
            [
                {"id": one["t"], "price": one["p"], "qty": one["q"], "time": one["T"], "isBuyerMaker": one["m"]}
                for one in rows
            ]
        )

    async def exchange_info(self, _request: web.Request) -> web.Response:
        """GET exchangeInfo: the one symbol there is."""
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        ]
        symbol = {
            "symbol": SYMBOL,
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "orderTypes": ["LIMIT", "MARKET"],
            "isSpotTradingAllowed": True,
            "filters": filters,
            "permissionSets": [["SPOT"]],
        }
        return self.answer({"timezone": "UTC", "serverTime": self.at_ms, "rateLimits": [], "symbols": [symbol]})

    def answer(self, content: object) -> web.Response:
        """Answer, or nonsense while broken."""
        self.answered += 1
        if self.broken:
            return web.Response(status=200, text="<html>maintenance</html>", content_type="text/html")
        return web.json_response(content)

    async def listen(self, request: web.Request) -> web.WebSocketResponse:
        """Take a websocket: SUBSCRIBE with names of streams; what the venue says comes as `play` moves on."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            asked = json.loads(message.data)
            if asked.get("method") == "SUBSCRIBE":
                self.listeners[socket] = (*self.listeners.get(socket, ()), *asked["params"])
                await socket.send_json({"result": None, "id": asked["id"]})
        self.listeners.pop(socket, None)
        return socket

    async def play(self) -> None:
        """Tell listeners what was said since the last time, up to now."""
        since_ms, self.told_ms = self.told_ms or self.clock.now_ms - 1_000, self.clock.now_ms
        for socket, streams in list(self.listeners.items()):
            for stream in streams:
                for said in self.played.between(stream, since_ms, self.told_ms):
                    await socket.send_json(self.bent(said))

    async def drop(self) -> None:
        """Close every websocket without a word."""
        for socket in list(self.listeners):
            self.listeners.pop(socket)
            await socket.close()

    def options(self) -> dict[str, Any]:
        """What ccxt is to be told to find this server; everything else it does as ever."""
        spot = f"http://{self.address}/api/v3"
        return {
            "rateLimit": 1,
            "urls": {"api": {"public": spot, "private": spot, "ws": {"spot": f"ws://{self.address}/ws"}}},
        }


@asynccontextmanager
async def serving(played: Recording, clock: Clock) -> AsyncIterator[RecordedVenue]:
    """A server on a free port, for the length of a block."""
    venue = RecordedVenue(played, clock)
    app = web.Application()
    paths = {
        "exchangeInfo": venue.exchange_info,
        "ticker/bookTicker": venue.book_ticker,
        "ticker/24hr": venue.day_ticker,
        "depth": venue.depth,
        "trades": venue.trades,
    }
    for path, handler in paths.items():
        app.router.add_get(f"/api/v3/{path}", handler)
    app.router.add_get("/ws/{stream}", venue.listen)
    server = TestServer(app)
    await server.start_server()
    venue.address = f"{server.host}:{server.port}"
    try:
        yield venue
    finally:
        await venue.drop()
        await server.close()
