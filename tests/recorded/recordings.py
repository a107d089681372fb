"""Recorded order books as the tests read them: depth updates from a snapshot on, and the best prices named beside them.

A recording is raw messages as a venue sent them: one snapshot, `depth` updates with absolute sizes per level, `bookTicker`. Updates that
came before the snapshot are kept until it is there, as the venues ask.
"""

import gzip
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from tests.market_data import market_data

Best = tuple[int, int, int, int]
"""Best bid, its size, best ask, its size."""


class Recording(NamedTuple):
    """A file, and the decimals of its prices and sizes."""

    file: str
    price_decimals: int
    size_decimals: int
    tick: int


class Update(NamedTuple):
    """Levels with their sizes now, and the best prices that the venue named at the same update, if it did."""

    at_ms: int
    bids: dict[int, int]
    asks: dict[int, int]
    best: Best | None = None


def units(text: str, decimals: int) -> int:
    """Decimal text as an integer; what has more digits than the decimals is a mistake of ours."""
    whole, _, part = text.partition(".")
    if part[decimals:].strip("0"):
        raise ValueError(f"{text} has more than {decimals} decimals")
    return int(whole + part[:decimals].ljust(decimals, "0"))


class Reader:
    """Reads one recording."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.updates: list[dict[str, Any]] = []
        self.snapshot: dict[str, Any] = {}
        self.tickers: dict[int, Best] = {}
        self.read()

    def read(self) -> None:
        """Sort the messages of the file by kind."""
        with gzip.open(market_data(self.recording.file)) as lines:
            for line in lines:
                message = msgspec.json.decode(line)["msg"]
                event = message.get("data", message)
                if "lastUpdateId" in event:
                    self.snapshot = event
                elif event.get("e") == "depthUpdate":
                    self.updates.append(event)
                elif "B" in event:
                    self.tickers[event["u"]] = self.best(event)

    def best(self, ticker: dict[str, str]) -> Best:
        """Best prices of a bookTicker."""
        return self.price(ticker["b"]), self.size(ticker["B"]), self.price(ticker["a"]), self.size(ticker["A"])

    def price(self, text: str) -> int:
        """Price in units."""
        return units(text, self.recording.price_decimals)

    def size(self, text: str) -> int:
        """Size in units."""
        return units(text, self.recording.size_decimals)

    def levels(self, rows: list[list[str]]) -> dict[int, int]:
        """Sizes by price."""
        return {self.price(price): self.size(size) for price, size in rows}

    def play(self) -> Iterator[Update]:
        """Return the snapshot, then every update after it, buffered ones too."""
        last = self.snapshot["lastUpdateId"]
        at_ms = self.updates[0]["E"]
        yield Update(at_ms, self.levels(self.snapshot["bids"]), self.levels(self.snapshot["asks"]))
        for update in self.updates:
            if update["u"] > last:
                at_ms = max(at_ms, update["E"])
                best = self.tickers.get(update["u"])
                yield Update(at_ms, self.levels(update["b"]), self.levels(update["a"]), best)
