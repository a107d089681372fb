"""Statements of interest, read from the feed of accounts itself: page by page, whatever this gateway remembers; it keeps nothing.

The feed says each accrual once, but may repeat records after a restart of their machine: what does not raise `seq` came before.
"""

import asyncio

import grpc
from google.protobuf.message import DecodeError

from services.core.fixed import SUBACCOUNTS, AccountId, Milliseconds
from services.core.log import Log, LogError, LogRecord, RecordsExpired
from services.core.reasons import Reason
from services.core.rpc import Refused, malformed
from vigil.v1 import feeds_pb2
from vigil.v1 import trading_pb2 as pb

TOPIC = "feed.account"
READ_LIMIT = 1_000
WAIT_MS = 1_000
PAGE_RECORDS = 20_000
"""Records that one page looks through, about 50 ms of work."""


async def read_interest(home: Log, partition: int, account: AccountId, asked: pb.InterestOf) -> pb.InterestPage:
    """Accruals of an account in the next part of its feed; raises Refused when the log does not answer."""
    try:
        return await Page(home, partition, account).read(asked)
    except LogError as error:
        text = f"the feed cannot be read now ({error}); ask again"
        raise Refused(grpc.StatusCode.UNAVAILABLE, text, Reason.SYSTEM_LAGGING) from error


class Page:
    """One page in the making."""

    def __init__(self, home: Log, partition: int, account: AccountId) -> None:
        self.home = home
        self.partition = partition
        self.account = account
        self.page = pb.InterestPage(machine=f"risk/{partition}")

    async def read(self, asked: pb.InterestOf) -> pb.InterestPage:
        """Read from where the page before ended, or from a time on, up to the end of the page or of the feed."""
        end = await self.home.end(TOPIC, self.partition)
        if asked.place > end:
            raise malformed(f"place {asked.place}: the next_place of a page is accepted, at most {end} now", end)
        if asked.since_ms < 0:
            raise malformed(f"since_ms {asked.since_ms}: 0, or Unix ms of the venue's time")
        place = asked.place or await self.offset_at(asked.since_ms, end)
        self.page.read_to_seq = asked.after_seq
        stop = min(end, place + PAGE_RECORDS)
        while place < stop:
            records = await self.records(place, min(READ_LIMIT, stop - place))
            for record in records:
                self.take(record, asked.since_ms)
            place = records[-1].offset + 1
            await asyncio.sleep(0)
        self.page.next_place = place if place < end else 0
        return self.page

    async def offset_at(self, since_ms: Milliseconds, end: int) -> int:
        """First offset that the log keeps and that is not older than a time: the log's times only rise."""
        low, high = 0, end
        while low < high:
            middle = (low + high) // 2 if since_ms or low else 0
            if await self.is_older(middle, since_ms):
                low = middle + 1
            else:
                high = middle
        return low

    async def is_older(self, place: int, since_ms: Milliseconds) -> bool:
        """Whether a record is older than a time, or than all that the log keeps."""
        try:
            (record,) = await self.records(place, 1)
        except RecordsExpired:
            return True
        return record.at_ms < since_ms

    async def records(self, place: int, limit: int) -> list[LogRecord]:
        """Records from a place before the end on, at least one; raises LogError."""
        records = await self.home.read(TOPIC, self.partition, place, limit, WAIT_MS)
        if not records:
            raise LogError(f"nothing came from {TOPIC}/{self.partition} at {place}")
        return records

    def take(self, read: LogRecord, since_ms: Milliseconds) -> None:
        """Note an accrual of the account; the rest is passed over."""
        try:
            record = feeds_pb2.FeedRecord.FromString(read.value)
        except DecodeError:
            return
        if record.seq <= self.page.read_to_seq:
            return
        self.page.read_to_seq, self.page.read_to_ms = record.seq, record.at_ms
        self.page.begins_ms = self.page.begins_ms or record.at_ms
        if record.WhichOneof("event") != "interest_accrued" or record.at_ms < since_ms:
            return
        accrued = record.interest_accrued
        if accrued.subaccount // SUBACCOUNTS != self.account:
            return
        self.page.accruals.add(
            seq=record.seq,
            at_ms=record.at_ms,
            subaccount=accrued.subaccount,
            asset=accrued.asset,
            amount=accrued.amount,
            shares=accrued.shares,
            from_period=accrued.from_period,
            to_period=accrued.to_period,
            entry_fee=accrued.entry_fee,
        )
