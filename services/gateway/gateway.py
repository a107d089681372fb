"""A gateway as a whole: read models, background readers, servers; several may run at once, none has state of its own."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any

import grpc
import msgspec
import structlog

from services.core.fixed import MarketId
from services.core.log import Log, LogError
from services.core.messages import Genesis, Scope
from services.core.reasons import Reason
from services.core.rpc import Refused, RpcServer, RpcSettings, Service
from services.core.spine import record_type
from services.core.topics import inbox
from services.gateway.admin import AdminDesk
from services.gateway.admin_api import Admin
from services.gateway.api import MarketData
from services.gateway.books import Books
from services.gateway.directory import KeyDirectory
from services.gateway.feeds import FEEDS, FROM_BEGINNING, FeedReader
from services.gateway.frames import read_frame, read_query
from services.gateway.intake import Intake
from services.gateway.lag import LagWatch
from services.gateway.lending_api import Lending
from services.gateway.limits import GatewaySettings, RateLimit
from services.gateway.queries import Queries
from services.gateway.read_models import Collateral, Listings, Marks, Tops
from services.gateway.results import Results, Submission
from services.gateway.sessions import Sessions
from services.gateway.streams import Hub
from services.gateway.submission import Submitter
from services.gateway.tails import Tail
from services.gateway.trading_api import Trading
from vigil.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    lending_pb2,
    lending_pb2_grpc,
    market_data_pb2,
    market_data_pb2_grpc,
    trading_pb2_grpc,
)
from vigil.v1 import trading_pb2 as pb

log = structlog.get_logger(__name__)

GENESIS_WAIT_MS = 500
CANCEL_AGAIN_S = 0.5
ASK_AGAIN_S = 0.2


class Gateway:
    """Serves clients from a log and the machines' queries."""

    venue: str
    genesis: Genesis
    submitter: Submitter
    intake: Intake
    sessions: Sessions
    books: Books
    feeds: FeedReader
    server: RpcServer
    admin_server: RpcServer | None = None

    def __init__(self, home: Log, queries: Queries, settings: GatewaySettings | None = None) -> None:
        """Tie a gateway to its log; nothing runs before start()."""
        self.home = home
        self.queries = queries
        self.settings = settings or GatewaySettings()
        self.listings = Listings()
        self.marks = Marks(self.listings)
        self.collateral = Collateral(self.listings)
        self.tops = Tops()
        self.directory = KeyDirectory()
        self.hub = Hub(self.settings.queue_records, self.settings.streams_max)
        self.lag = LagWatch(home, queries, self.settings)
        self.query_rate = RateLimit(self.settings.queries_per_s, self.settings.accounts_tracked)
        self.forgeries = RateLimit(self.settings.forgeries_per_s, self.settings.accounts_tracked)
        self.tails: list[Tail] = []
        self.tasks: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """Where clients find it, once started."""
        return self.server.address

    @property
    def results(self) -> Results:
        """Commands that wait for their results."""
        return self.submitter.results

    async def start(self) -> None:
        """Read the venue's Genesis, follow the feeds, then serve; health says SERVING once the read models are whole.

        Raises   LogError when the venue does not begin within `start_s_max`; RuntimeError when the port is taken
        """
        self.genesis = await self.read_genesis()
        self.venue = self.genesis.venue
        self.feeds = FeedReader(self)
        self.submitter = Submitter(self.home, self.genesis, self.queries, self.settings)
        self.intake = Intake(self.submitter, self.listings, self.lag, self.settings)
        self.sessions = Sessions(self.home, self.submitter)
        await self.open_tails()
        await self.open_servers()
        for tail in self.tails:
            self.spawn(tail.run())
        self.spawn(self.end_when_broken())
        self.spawn(self.submitter.run())
        await self.build_models()
        await self.lag.poll(self.genesis)
        self.spawn(self.lag.run(self.genesis))
        await self.serve()

    async def open_servers(self) -> None:
        """Take the ports; until serve() every call is answered UNAVAILABLE."""
        self.server = await self.open_server(self.settings.rpc, self.public_services())
        if self.settings.admin is not None:
            self.admin_server = await self.open_server(self.settings.admin, self.admin_services())

    def public_services(self) -> list[Service]:
        """What clients may ask."""
        trading = pb.DESCRIPTOR.services_by_name["Trading"].full_name
        market_data = market_data_pb2.DESCRIPTOR.services_by_name["MarketData"].full_name
        lending = lending_pb2.DESCRIPTOR.services_by_name["Lending"].full_name
        return [
            Service(lending, lending_pb2_grpc.add_LendingServicer_to_server, Lending(self)),
            Service(trading, trading_pb2_grpc.add_TradingServicer_to_server, Trading(self)),
            Service(market_data, market_data_pb2_grpc.add_MarketDataServicer_to_server, MarketData(self)),
        ]

    def admin_services(self) -> list[Service]:
        """What admins may ask."""
        name = admin_pb2.DESCRIPTOR.services_by_name["Admin"].full_name
        servicer = Admin(self, AdminDesk(self.genesis, self.submitter, self.listings))
        return [Service(name, admin_pb2_grpc.add_AdminServicer_to_server, servicer)]

    async def open_server(self, settings: RpcSettings, services: list[Service]) -> RpcServer:
        """A server that does not serve yet."""
        server = RpcServer(settings, services)
        await server.start(serving=False)
        return server

    async def serve(self) -> None:
        """Answer calls from now on."""
        await self.server.serve()
        if self.admin_server is not None:
            await self.admin_server.serve()
        admin = None if self.admin_server is None else self.admin_server.address
        log.info("gateway_serves", venue=self.venue, address=self.address, admin=admin)

    async def build_models(self) -> None:
        """Know every listing, key and book; machines that do not answer yet are asked again.

        Raises   LogError when that takes longer than `start_s_max`
        """
        try:
            async with asyncio.timeout(self.settings.start_s_max):
                for tail in self.tails:
                    await tail.reach(await self.home.end(tail.topic, tail.partition))
                for partition in range(self.genesis.partitions["risk"]):
                    await self.load_keys(partition)
                for market in [*self.listings.markets]:
                    await self.load_book(market)
        except TimeoutError:
            text = f"the machines did not answer within {self.settings.start_s_max:g} s: start them first"
            raise LogError(text) from None

    async def load_keys(self, partition: int) -> None:
        """Read the keys of a risk partition, which may still catch up with what its feed told."""
        told = next(one.seq for one in self.tails if (one.topic, one.partition) == ("feed.account", partition))
        contained = -1
        while contained < told:
            try:
                contained = await self.directory.load(self.queries, partition)
            except Refused:
                contained = -1
            if contained < told:
                await asyncio.sleep(ASK_AGAIN_S)

    async def load_book(self, market: MarketId) -> None:
        """Fetch a book; matching may not know the market yet."""
        while True:
            try:
                await self.books.get(self.listings.markets[market])
            except Refused:
                await asyncio.sleep(ASK_AGAIN_S)
            else:
                return

    def want_book(self, market: MarketId) -> None:
        """Fetch the book of a market that was listed while this gateway serves."""
        if self.server.serving:
            self.spawn(self.load_book(market))

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
                tail = Tail(self.home, topic, partition, self.feeds.take)
                if topic not in FROM_BEGINNING:
                    await tail.begin_at_end()
                self.tails.append(tail)
        book_tails = {tail.partition: tail for tail in self.tails if tail.topic == "feed.book"}
        self.books = Books(self.queries, book_tails, self.listings.take_state)

    async def end_when_broken(self) -> None:
        """Fail with the append that failed, so that whoever watches `tasks` sees it."""
        await asyncio.shield(self.submitter.broken)

    async def wait(self) -> None:
        """Wait until this gateway must end.

        Raises   AppendFailed, or whatever a background task failed with
        """
        while True:
            done, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
                self.tasks.remove(task)

    async def stop(self) -> None:
        """End the streams, then the servers, then the readers; what was queued is still written."""
        self.hub.end_all(Refused(grpc.StatusCode.UNAVAILABLE, "this gateway stops; go to another", Reason.NONE))
        for server in (self.server, self.admin_server):
            if server is not None:
                await server.stop()
        await self.submitter.appender.drained(self.settings.stop_s_max)
        await end_tasks(self.tasks)
        if self.submitter.broken.done():
            self.submitter.broken.exception()

    def take_frame(self, signed: pb.SignedFrame, peer: str, deadline: float) -> Submission:
        """Verify a frame and pass it on; raises Refused when it is refused whole."""
        try:
            self.intake.check_load(signed.frame)
            self.check_peer(peer)
            frame = read_frame(signed, self.venue, self.home.now_ms(), self.directory)
            return self.intake.take(frame, deadline)
        except Refused as no:
            self.submitter.counts.refused(no.reason)
            self.note_forgery(peer, no)
            raise

    def read_query(self, signed: pb.SignedQuery, subject: str, peer: str, scope: Scope = Scope.READ) -> pb.Query:
        """Read a signed query and charge its account; raises Refused."""
        self.check_peer(peer)
        try:
            query = read_query(signed, self.venue, self.home.now_ms(), subject, self.directory, scope)
        except Refused as no:
            self.note_forgery(peer, no)
            raise
        self.query_rate.charge(query.account)
        return query

    def check_peer(self, peer: str) -> None:
        """Refuse a connection that sends bad signatures all the time; raises Refused."""
        if self.forgeries.is_empty(peer):
            text = (
                f"more than {self.forgeries.per_s} signatures per second that do not verify came over this connection"
            )
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, Reason.TOO_MANY_REQUESTS, self.forgeries.per_s)

    def note_forgery(self, peer: str, no: Refused) -> None:
        """Count a bad signature."""
        if no.reason is Reason.INVALID_SIGNATURE:
            self.forgeries.refusal(peer, 1)


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
