"""One feed record into the state. Each number is written by one stream alone, so streams may be read in any order; nothing is decided."""

from collections.abc import Callable
from typing import Any, NamedTuple

from services.analytics.state import (
    Activity,
    AssetTerms,
    Holdings,
    Level,
    Levels,
    MarketTerms,
    Mean,
    State,
    Stream,
    activity_of,
)
from services.analytics.weeks import split, week_of
from services.core.fixed import AccountId, Milliseconds, account_of
from services.core.messages import OrderKind
from vigil.v1 import feeds_pb2 as pb

FEEDS = ("feed.account", "feed.markets", "feed.settlement")
"""Topics that points are made of."""


class Place(NamedTuple):
    """Where a record stood."""

    topic: str
    partition: int
    offset: int

    @property
    def stream(self) -> str:
        """Name of its stream."""
        return f"{self.topic}/{self.partition}"


def apply(state: State, place: Place, record: pb.FeedRecord) -> None:
    """Take one record, once, in the order of its stream; what says nothing about points only moves time."""
    stream = state.streams.setdefault(place.stream, Stream())
    if not is_next(stream, place.offset, record.seq):
        return
    stream.now_ms = max(stream.now_ms, record.at_ms)
    event = record.WhichOneof("event") or ""
    process = PROCESS.get(event)
    if process is not None:
        process(state, getattr(record, event), record.at_ms)


def is_next(stream: Stream, offset: int, seq: int) -> bool:
    """Whether a record is the one after the last; a repeat is dropped, and what comes too early will come again (DESIGN.md 1).

    A stream whose beginning has expired begins where it is found.
    """
    begins = stream.offset == 0 and offset > 0
    stream.offset = max(stream.offset, offset + 1)
    if seq <= stream.seq:
        stream.duplicates += 1
        return False
    if seq > stream.seq + 1 and not begins:
        stream.early += 1
        return False
    stream.first_seq = stream.first_seq or seq
    stream.seq = seq
    return True


def process_asset(state: State, event: pb.AssetListed, at_ms: Milliseconds) -> None:
    """Know an asset."""
    del at_ms
    asset = event.asset
    is_unit = asset.collateral.initial_weight > 0 and not asset.collateral.index
    state.assets[asset.id] = AssetTerms(asset.symbol, asset.decimals, is_unit)


def process_market(state: State, event: pb.MarketListed | pb.MarketChanged, at_ms: Milliseconds) -> None:
    """Know a market; what counts here never changes."""
    del at_ms
    market = event.market
    state.markets[market.id] = MarketTerms(
        *(market.symbol, market.kind, market.settlement_asset),
        *(market.price_decimals, market.size_decimals, market.settlement_decimals, market.face),
    )


def process_marks(state: State, event: pb.MarksUpdated, at_ms: Milliseconds) -> None:
    """Marks and prices of collateral hold until the next ones."""
    for mark in event.marks:
        set_price(state.marks, state.mean_marks, mark.market, mark.mark_price, at_ms)
    for price in event.collateral:
        set_price(state.prices, state.mean_prices, price.asset, price.price, at_ms)


def set_price(levels: Levels, weeks: dict[int, dict[int, Mean]], key: int, price: int, at_ms: Milliseconds) -> None:
    """Put the time of the price before into its weeks, and begin with a new one."""
    level = levels.get(key)
    if level is None:
        levels[key] = Level(price, at_ms)
        return
    for week, ms in split(level.since_ms, at_ms):
        mean = weeks.setdefault(week, {}).setdefault(key, Mean())
        mean.price_ms += level.amount * ms
        mean.ms += ms
    level.amount, level.since_ms = price, max(level.since_ms, at_ms)


def process_fill(state: State, event: pb.FillBooked, at_ms: Milliseconds) -> None:
    """Count what was traded; what the venue sold for an account in liquidation is no activity of the account."""
    if event.kind == int(OrderKind.LIQUIDATION):
        return
    activity = activity_of(state.weeks, week_of(at_ms), account_of(event.subaccount))
    add(activity.turnover, event.market, event.size * event.price)
    add(activity.traded, event.market, event.size)


def add(sums: dict[int, int], key: int, amount: int) -> None:
    """Add to a sum."""
    sums[key] = sums.get(key, 0) + amount


def process_position(state: State, event: pb.PositionChanged, at_ms: Milliseconds) -> None:
    """A position has another size."""
    holdings = state.subaccounts.setdefault(event.subaccount, Holdings())
    account = account_of(event.subaccount)
    set_level(state, holdings.held, event.market, abs(event.size), at_ms, account, lambda one: one.held)


def process_balance(state: State, event: pb.BalanceChanged, at_ms: Milliseconds) -> None:
    """A claim or a debt has another amount; the interest in between is counted when it is told."""
    holdings = state.subaccounts.get(event.subaccount)
    if holdings is None:
        if not event.lent and not event.owed:
            return
        holdings = state.subaccounts.setdefault(event.subaccount, Holdings())
    account = account_of(event.subaccount)
    set_level(state, holdings.lent, event.asset, event.lent, at_ms, account, lambda one: one.lent)
    set_level(state, holdings.owed, event.asset, event.owed, at_ms, account, lambda one: one.owed)


def set_level(
    state: State,
    levels: Levels,
    key: int,
    amount: int,
    at_ms: Milliseconds,
    account: AccountId,
    sums: Callable[[Activity], dict[int, int]],
) -> None:
    """Put the time of the amount before into its weeks, and begin with a new one; nothing is kept of zero."""
    level = levels.get(key)
    if level is not None:
        for week, ms in split(level.since_ms, at_ms):
            add(sums(activity_of(state.weeks, week, account)), key, level.amount * ms)
    if amount:
        levels[key] = Level(amount, at_ms)
    elif level is not None:
        del levels[key]


PROCESS: dict[str, Callable[[State, Any, Milliseconds], None]] = {
    "asset_listed": process_asset,
    "market_listed": process_market,
    "market_changed": process_market,
    "marks_updated": process_marks,
    "fill_booked": process_fill,
    "position_changed": process_position,
    "balance_changed": process_balance,
}
"""By event of the feeds; all others say nothing about points."""
