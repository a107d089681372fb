"""A gateway as a whole: read models, background readers, server; several may run at once, none has state of its own."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any

import grpc
import msgspec
import structlog

from services.core.log import Log, LogError
from services.core.messages import Genesis
from services.core.reasons import Reason
from services.core.rpc import Refused, RpcServer, Service
from services.core.spine import record_type
from services.core.topics import inbox
from services.gateway.api import MarketData, Trading
from services.gateway.lag import LagWatch
from services.gateway.limits import GatewaySettings
from services.gateway.queries import Queries
from services.gateway.read_models import Books, Listings, Marks
from services.gateway.results import Results
from services.gateway.streams import Hub
from services.gateway.submission import Submitter
from services.gateway.tails import FeedEvent, Tail
from vigil.v1 import feeds_pb2, market_data_pb2, market_data_pb2_grpc, trading_pb2, trading_pb2_grpc

log = structlog.get_logger(__name__)

FEEDS = {
    "feed.account": "risk",
    "feed.liquidations": "risk",
    "feed.markets": "funding",
    "feed.settlement": "settlement",
    "feed.trades": "matching",
    "feed.book": "matching",
}
"""Feeds that a gateway follows, and whose partitions they have."""
FROM_BEGINNING = ("feed.markets", "feed.settlement")
GENESIS_WAIT_MS = 500
CANCEL_AGAIN_S = 0.5


class Gateway:
    """Serves clients from a log and the machines' queries."""

    venue: str
    genesis: Genesis
    submitter: Submitter
    books: Books
    server: RpcServer

    def __init__(self, home: Log, queries: Queries, settings: GatewaySettings | None = None) -> None:
        """Tie a gateway to its log; nothing runs before start()."""
        self.home = home
        self.queries = queries
        self.settings = settings or GatewaySettings()
        self.listings = Listings()
        self.marks = Marks(self.listings)
        self.results = Results()
        self.hub = Hub(self.settings.queue_records, self.settings.streams_max)
        self.lag = LagWatch(home, queries, self.settings)
        self.tails: list[Tail] = []
        self.tasks: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """Where clients find it, once started."""
        return self.server.address

    async def start(self) -> None:
        """Read the venue's Genesis, follow the feeds, then serve.

        Raises   LogError when the venue does not begin within `start_s_max`; RuntimeError when the port is taken
        """
        self.genesis = await self.read_genesis()
        self.venue = self.genesis.venue
        await self.open_tails()
        book_tails = {tail.partition: tail for tail in self.tails if tail.topic == "feed.book"}
        self.books = Books(self.queries, book_tails)
        self.submitter = Submitter(
            self.home, self.genesis, self.queries, self.listings, self.lag, self.results, self.settings
        )
        self.server = RpcServer(self.settings.rpc, self.services())
        for tail in self.tails:
            self.spawn(tail.run())
        self.spawn(self.end_when_broken())
        await self.lag.poll(self.genesis)
        self.spawn(self.lag.run(self.genesis))
        await self.server.start()
        log.info("gateway_serves", venue=self.venue, address=self.address)

    def services(self) -> list[Service]:
        """Public services."""
        trading = trading_pb2.DESCRIPTOR.services_by_name["Trading"].full_name
        market_data = market_data_pb2.DESCRIPTOR.services_by_name["MarketData"].full_name
        return [
            Service(trading, trading_pb2_grpc.add_TradingServicer_to_server, Trading(self)),
            Service(market_data, market_data_pb2_grpc.add_MarketDataServicer_to_server, MarketData(self)),
        ]

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside the server."""
        self.tasks.append(asyncio.create_task(work))

    async def read_genesis(self) -> Genesis:
        """First record of a risk inbox, waited for."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.settings.start_s_max
        topic = inbox("risk")
        while loop.time() < until:
            records = await self.home.read(topic, 0, 0, 1, GENESIS_WAIT_MS)
            if records:
                message = msgspec.msgpack.decode(records[0].value, type=record_type("risk")).message
                if isinstance(message, Genesis):
                    return message
                raise LogError(f"{topic}/0 does not begin with Genesis: this is no log of a venue")
        raise LogError(f"no Genesis in {topic}/0 after {self.settings.start_s_max:g} s: start the venue first")

    async def open_tails(self) -> None:
        """One reader per feed partition, at its place."""
        for topic, writer in FEEDS.items():
            for partition in range(self.genesis.partitions[writer]):
                tail = Tail(self.home, topic, partition, self.take)
                if topic not in FROM_BEGINNING:
                    await tail.begin_at_end()
                self.tails.append(tail)

    async def end_when_broken(self) -> None:
        """Fail with the append that failed, so that whoever watches `tasks` sees it."""
        await asyncio.shield(self.submitter.broken)

    async def wait(self) -> None:
        """Wait until this gateway must end.

        Raises   AppendFailed, or whatever a background task failed with
        """
        done, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """End the streams, then the server, then the readers."""
        self.hub.end_all(Refused(grpc.StatusCode.UNAVAILABLE, "this gateway stops; go to another", Reason.NONE))
        await self.server.stop()
        await end_tasks(self.tasks)
        if self.submitter.broken.done():
            self.submitter.broken.exception()

    def take(self, event: FeedEvent) -> None:
        """Bring one feed record to the read models and to who follows it."""
        match event.topic:
            case "feed.account":
                self.take_account(event, "risk")
            case "feed.settlement":
                self.take_settlement(event)
            case "feed.markets":
                self.take_markets(event)
            case "feed.book":
                self.take_book(event)
            case "feed.trades":
                self.hub.publish(("trades", event.record.trade_executed.market), event.raw)
            case _:
                self.hub.publish(("liquidations", 0), event.raw)

    def take_account(self, event: FeedEvent, owner: str) -> None:
        """Results to who waits, everything to the account's own streams."""
        record = event.record
        if record.HasField("command_resolved"):
            self.results.resolve(owner, record.command_resolved)
        self.hub.publish(("account", account_of_event(record)), event.raw)

    def take_settlement(self, event: FeedEvent) -> None:
        """Assets; results of faucet deposits and outcomes of withdrawals."""
        if event.record.HasField("asset_listed"):
            self.listings.take_asset(event.record.asset_listed.asset)
        else:
            self.take_account(event, "settlement")

    def take_markets(self, event: FeedEvent) -> None:
        """Markets, marks, funding steps; results of admin commands are for nobody here."""
        record = event.record
        match record.WhichOneof("event"):
            case "market_listed":
                self.listings.take_market(record.market_listed.market)
                return
            case "marks_updated":
                self.marks.take_marks(record)
            case "funding_stepped":
                self.marks.take_funding(record.funding_stepped)
            case "settlement_marked":
                pass
            case _:
                return
        self.hub.publish(("marks", 0), event.raw)

    def take_book(self, event: FeedEvent) -> None:
        """Levels of books; samples are for the machines."""
        if event.record.HasField("book_level_changed"):
            self.books.take(event)
            self.hub.publish(("book", event.record.book_level_changed.market), event.raw)


async def end_tasks(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they are over: Python 3.11's wait_for may swallow a cancellation that meets its result."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()


def account_of_event(record: feeds_pb2.FeedRecord) -> int:
    """Account that an event is about, 0 for none."""
    kind = record.WhichOneof("event")
    if kind is None:
        return 0
    event = getattr(record, kind)
    if "subaccount" in event.DESCRIPTOR.fields_by_name:
        return int(event.subaccount) >> 8
    return int(getattr(event, "account", 0))
