"""Queries about books; read-only, answered between two records."""

from itertools import islice

from services.core.machine_queries import feed_seq, host_of, status_of
from services.core.messages import Side
from services.core.process import Hosts
from services.core.reasons import Reason
from services.core.rpc import Context, Service, not_found
from services.matching.book import Book
from services.matching.state import State
from vigil.v1 import common_pb2, market_data_pb2, queries_pb2, queries_pb2_grpc


class Servicer(queries_pb2_grpc.MatchingQueriesServicer):
    """Answers for the partitions hosted here."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts

    async def GetBook(  # noqa: N802 - grpc's name
        self, request: queries_pb2.MarketBookQuery, context: Context
    ) -> market_data_pb2.Book:
        """Book of a market, with the feed's `seq` that it contains."""
        del context
        host = host_of(self.hosts, request.partition)
        state: State = host.query()
        trading = state.trading.get(request.market)
        if trading is None:
            raise not_found(f"no market {request.market} in {host.engine.name}", Reason.UNKNOWN_MARKET)
        return market_data_pb2.Book(
            market=request.market,
            machine=host.engine.name,
            seq=feed_seq(host, "feed.book"),
            update_id=trading.updates,
            state=common_pb2.MarketState.ValueType(trading.state),
            at_ms=state.now_ms,
            bids=levels(trading.book, Side.BUY, request.depth),
            asks=levels(trading.book, Side.SELL, request.depth),
        )

    async def Status(  # noqa: N802
        self, request: queries_pb2.StatusQuery, context: Context
    ) -> queries_pb2.MachineStatus:
        """How far the machine is."""
        del context
        return status_of(self.hosts, request)


def levels(book: Book, side: int, depth: int) -> list[market_data_pb2.Level]:
    """Levels of a side, best first; `depth` 0 for all."""
    found = islice(book.depth(side), depth or None)
    return [market_data_pb2.Level(price=price, size=size) for price, size in found]


def services_of(hosts: Hosts) -> list[Service]:
    """What this machine serves."""
    name = queries_pb2.DESCRIPTOR.services_by_name["MatchingQueries"].full_name
    return [Service(name, queries_pb2_grpc.add_MatchingQueriesServicer_to_server, Servicer(hosts))]
