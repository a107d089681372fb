"""Streams that go on after a loss: nothing twice, nothing left out unsaid, and the account is what the venue says it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any, TypeVar

import grpc
import pytest

from services.client.errors import NotRemembered
from services.client.listed import Listed
from services.client.live_book import LiveBook
from services.client.mirror import AccountMirror
from tests.unit.client.fake_gateway import BTC, USDC, Fake, served
from vigil.v1 import common_pb2, feeds_pb2, market_data_pb2
from vigil.v1 import trading_pb2 as pb

Item = TypeVar("Item")
SYMBOL = "BTC_USDC_PERP"
BACK = grpc.StatusCode.OUT_OF_RANGE
SLOW = grpc.StatusCode.RESOURCE_EXHAUSTED
OWN = 256 * 9


def batch(*records: feeds_pb2.FeedRecord) -> pb.FeedBatch:
    return pb.FeedBatch(records=records)


def trade(seq: int) -> feeds_pb2.FeedRecord:
    executed = feeds_pb2.TradeExecuted(market=1, trade_id=100 + seq, price=800_000, size=1_000)
    return feeds_pb2.FeedRecord(machine="matching/0", seq=seq, trade_executed=executed)


def changed(update_id: int, *bids: tuple[int, int], market: int = 1) -> feeds_pb2.FeedRecord:
    levels = [feeds_pb2.BookLevel(price=price, size=size) for price, size in bids]
    change = feeds_pb2.BookChanged(market=market, update_id=update_id, bids=levels)
    return feeds_pb2.FeedRecord(machine="matching/0", seq=update_id, book_changed=change)


def records(*changes: feeds_pb2.FeedRecord) -> market_data_pb2.BookUpdate:
    return market_data_pb2.BookUpdate(records=changes)


def whole(update_id: int, *bids: tuple[int, int]) -> market_data_pb2.BookUpdate:
    levels = [market_data_pb2.Level(price=price, size=size) for price, size in bids]
    return market_data_pb2.BookUpdate(snapshot=market_data_pb2.Book(market=1, update_id=update_id, bids=levels))


async def first(count: int, items: AsyncIterator[Item]) -> list[Item]:
    """The first so many; one more would wait for ever."""
    found: list[Item] = []
    async with asyncio.timeout(10), aclosing(items):  # type: ignore[type-var]
        async for item in items:
            found.append(item)
            if len(found) == count:
                return found
    raise AssertionError


async def test_trades_go_on_after_the_last_one_seen() -> None:
    fake = Fake(scripts=[[batch(trade(1), trade(3))], [batch(trade(3), trade(4)), SLOW], [batch(trade(9))]])
    async with served(fake) as client:
        trades = await first(4, client.follow_trades(SYMBOL))
    assert [one.trade_id for one in trades] == [101, 103, 104, 109]
    assert fake.after == [0, 103, 104]


async def test_trades_that_can_no_longer_be_had_are_said() -> None:
    fake = Fake(scripts=[[batch(trade(1))], [BACK], [batch(trade(7))]])
    missed: list[str] = []
    async with served(fake) as client:
        trades = await first(2, client.follow_trades(SYMBOL, missed.append))
    assert ([one.trade_id for one in trades], fake.after, len(missed)) == ([101, 107], [0, 101, 0], 1)


def said(machine: str, seq: int) -> feeds_pb2.FeedRecord:
    return feeds_pb2.FeedRecord(machine=machine, seq=seq)


async def test_marks_go_on_after_the_last_word_of_each_funding_machine() -> None:
    fake = Fake(
        scripts=[
            [batch(said("funding/0", 5), said("funding/1", 2), said("matching/0", 9))],
            [batch(said("funding/0", 5), said("funding/0", 6)), SLOW],
            [BACK],
            [batch(said("funding/0", 6), said("funding/1", 8))],
        ]
    )
    missed: list[str] = []
    async with served(fake) as client:
        marks = await first(5, client.follow_marks(missed.append))
    assert [(one.machine, one.seq) for one in marks[3:]] == [("funding/0", 6), ("funding/1", 8)]
    assert fake.after == [{}, {"funding/0": 5, "funding/1": 2}, {"funding/0": 6, "funding/1": 2}, {}]
    assert len(missed) == 1


async def test_a_book_goes_on_where_it_was_and_begins_anew_where_it_must() -> None:
    fake = Fake(
        scripts=[
            [whole(5, (100, 1)), records(changed(5, (100, 9)), changed(6, (101, 2)))],
            [records(changed(6, (101, 9)), changed(7, (100, 0)))],
            [records(changed(9, (103, 1)))],
            [whole(20, (104, 4))],
        ]
    )
    async with served(fake) as client:
        views = await first(4, client.follow_book(SYMBOL))
    sizes = [{str(price): int(size * 100_000) for price, size in view.bids} for view in views]
    assert sizes == [{"1": 1}, {"1": 1, "1.01": 2}, {"1.01": 2}, {"1.04": 4}]
    assert fake.after == [0, 6, 7, 0]


def test_merged_changes_of_a_slow_reader_are_taken_whole() -> None:
    book = LiveBook()
    book.take(whole(5, (100, 1), (99, 3)))
    levels = [feeds_pb2.BookLevel(price=99, size=0), feeds_pb2.BookLevel(price=98, size=4)]
    merged = market_data_pb2.BookMerged(market=1, first_update_id=4, update_id=9, bids=levels)
    book.take(market_data_pb2.BookUpdate(merged=merged))
    assert (book.bids, book.update_id) == ({100: 1, 98: 4}, 9)
    with pytest.raises(NotRemembered, match="10 to 11"):
        book.take(records(changed(12, (1, 1))))
    book.take(records(changed(77, (1, 1), market=2)))
    assert book.update_id == 9


# ---------------------------------------------------------------- the account


def event(seq: int, **content: Any) -> feeds_pb2.FeedRecord:
    return feeds_pb2.FeedRecord(machine="risk/0", seq=seq, at_ms=seq, **content)


def order(seq: int, order_id: int, remaining: int, status: int = common_pb2.ORDER_STATUS_NEW) -> feeds_pb2.FeedRecord:
    updated = feeds_pb2.OrderUpdated(
        subaccount=OWN,
        market=1,
        order_id=order_id,
        client_id=3,
        command_id=70 + order_id,
        side=common_pb2.SIDE_BID,
        price=800_000,
        size=10_000,
        remaining=remaining,
        status=status,  # type: ignore[arg-type]
        hold=remaining,
    )
    return event(seq, order_updated=updated)


def snapshot(seq: int, *orders: pb.Order) -> pb.Account:
    held = pb.Subaccount(subaccount=OWN, balances=[pb.Balance(asset=1, idle=500)], orders=orders)
    return pb.Account(account=9, machine="risk/0", seq=seq, subaccounts=[held])


LISTED = Listed(market_data_pb2.Listings(assets=[USDC], markets=[BTC]))
PENDING = pb.Order(command_id=71, client_id=3, market=1, side=common_pb2.SIDE_BID, size=10_000, remaining=10_000)
POSITION = feeds_pb2.PositionChanged(subaccount=OWN, market=1, size=-4_000, cash=32_000_000_000, basis=32_000_000_000)


def test_a_mirror_follows_orders_positions_and_holds() -> None:
    mirror = AccountMirror(snapshot(4, PENDING), LISTED)
    assert not mirror.take(order(4, 9, 10_000))
    mirror.take(order(5, 1, 10_000))
    (resting,) = mirror.view().orders
    assert (resting.order_id, resting.remaining, mirror.view().balances[0].hold) == (
        1,
        Decimal("0.1"),
        Decimal("0.0001"),
    )
    mirror.take(event(6, position_changed=POSITION))
    (held,) = mirror.view().positions
    assert (held.size, held.entry_price) == (Decimal("-0.04"), Decimal(8_000))
    mirror.take(order(7, 1, 0, common_pb2.ORDER_STATUS_FILLED))
    mirror.take(event(8, position_changed=feeds_pb2.PositionChanged(subaccount=OWN, market=1)))
    assert (mirror.view().orders, mirror.view().positions, mirror.view().seq) == ((), (), 8)


def test_a_mirror_takes_the_quotes_of_a_mass_quote() -> None:
    quotes = [
        feeds_pb2.QuoteState(
            client_id=number, order_id=number, side=common_pb2.SIDE_ASK, price=1, size=5, remaining=left
        )
        for number, left in ((1, 5), (2, 0), (3, 2))
    ]
    mirror = AccountMirror(snapshot(4), LISTED)
    for seq in (5, 6):
        updated = feeds_pb2.QuotesUpdated(subaccount=OWN, market=1, command_id=8, quotes=quotes, hold=77)
        mirror.take(event(seq, quotes_updated=updated))
    assert [(one.order_id, one.kind) for one in mirror.view().orders] == [(1, "quote"), (3, "quote")]
    assert mirror.view().balances[0].hold == Decimal("0.00000077")


def waiting(seq: int, status: int, price: int, **more: Any) -> feeds_pb2.FeedRecord:
    updated = feeds_pb2.TriggerUpdated(
        subaccount=OWN,
        market=1,
        trigger_id=4,
        kind=common_pb2.TRIGGER_KIND_TRAILING,
        trigger_price=price,
        status=common_pb2.TriggerStatus.ValueType(status),
        **more,
    )
    return event(seq, trigger_updated=updated)


def test_a_mirror_follows_what_waits_and_how_leverage_is_bounded() -> None:
    mirror = AccountMirror(snapshot(4), LISTED)
    mirror.take(waiting(5, common_pb2.TRIGGER_STATUS_PENDING, 790_000, trail=10**10))
    mirror.take(waiting(6, common_pb2.TRIGGER_STATUS_PENDING, 795_000, trail=10**10))
    (stop,) = mirror.view().triggers
    assert (stop.kind, stop.trigger_price, stop.trail, stop.size) == (
        "trailing",
        Decimal(7_950),
        Decimal("0.01"),
        None,
    )
    mirror.take(waiting(7, common_pb2.TRIGGER_STATUS_TRIGGERED, 795_000))
    mirror.take(event(8, leverage_set=feeds_pb2.LeverageSet(subaccount=OWN, leverage_max=5)))
    view = mirror.view()
    assert (view.triggers, [(one.subaccount, one.leverage_max) for one in view.leverages]) == ((), [(0, 5)])


def test_a_mirror_begins_with_what_waits_and_forgets_what_expiry_closed() -> None:
    begun = snapshot(4)
    begun.subaccounts[0].leverage_max = 7
    begun.subaccounts[0].triggers.add(subaccount=OWN, market=1, trigger_id=9, ends_ms=50)
    begun.subaccounts[0].positions.add(market=1, size=4_000, basis=-32_000_000_000)
    mirror = AccountMirror(begun, LISTED)
    assert mirror.view().triggers[0].ends_ms == 50
    assert mirror.view().leverages[0].leverage_max == 7
    settled = feeds_pb2.PositionSettled(subaccount=OWN, market=1, price=800_000, amount=5)
    mirror.take(event(5, position_settled=settled))
    mirror.take(event(6, position_changed=feeds_pb2.PositionChanged(subaccount=OWN, market=1)))
    assert mirror.view().positions == ()


async def test_an_account_goes_on_after_its_last_event_or_from_a_new_snapshot() -> None:
    fake = Fake(
        account=snapshot(10),
        scripts=[
            [batch(order(9, 1, 5)), batch(order(11, 2, 5))],
            [batch(order(11, 2, 5), order(12, 3, 5))],
            [BACK],
            [],
        ],
    )
    async with served(fake) as client:
        changes = client.follow_account()
        seen = []
        async with asyncio.timeout(10):
            async for change in changes:
                seen.append((change.mirror.seq, len(change.mirror.orders)))
                if len(seen) == 3:
                    fake.account = snapshot(30)
                if len(seen) == 4:
                    break
        await changes.aclose()  # type: ignore[attr-defined]
    assert seen == [(10, 0), (11, 1), (12, 2), (30, 0)]
    assert fake.after == [("", 0), ("risk/0", 11), ("risk/0", 12), ("", 0)]
