"""What clients ask about one subaccount, as its machine reads it: numbers and names are checked as those of commands are."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from services.core.fixed import SubaccountId
from services.core.reasons import Reason
from services.core.rpc import Refused
from services.gateway.choices import reduce_only_of, side_of
from services.gateway.fields import CommandRefused, Listings, asset_of, market_of, price_of, subaccount_of
from vigil.v1 import queries_pb2
from vigil.v1 import trading_pb2 as pb

UNKNOWN = (Reason.UNKNOWN_MARKET, Reason.UNKNOWN_ASSET)


@contextmanager
def refusing() -> Iterator[None]:
    """Refuse a question for what a command would be refused for."""
    try:
        yield
    except CommandRefused as no:
        status = grpc.StatusCode.NOT_FOUND if no.reason in UNKNOWN else grpc.StatusCode.INVALID_ARGUMENT
        raise Refused(status, no.text, no.reason, no.limit) from None


def margin_query(query: pb.Query, partition: int) -> queries_pb2.MarginQuery:
    """Question about margin; raises Refused."""
    with refusing():
        return queries_pb2.MarginQuery(partition=partition, subaccount=asked(query, query.margin.subaccount))


def max_order_size_query(query: pb.Query, partition: int, listings: Listings) -> queries_pb2.MaxOrderSizeQuery:
    """Question about the largest order; raises Refused."""
    order = query.max_order_size
    with refusing():
        market = market_of(order.symbol, listings)
        side_of(order.side)
        return queries_pb2.MaxOrderSizeQuery(
            partition=partition,
            subaccount=asked(query, order.subaccount),
            market=market.id,
            side=order.side,
            price=price_of(order.price, market) if order.price else 0,
            reduce_only=reduce_only_of(order, market),
        )


def triggers_query(query: pb.Query, partition: int, listings: Listings) -> queries_pb2.TriggersQuery:
    """Question about what waits; raises Refused."""
    of = query.triggers
    with refusing():
        market = market_of(of.symbol, listings).id if of.symbol else 0
        return queries_pb2.TriggersQuery(partition=partition, subaccount=asked(query, of.subaccount), market=market)


def withdrawable_query(query: pb.Query, partition: int, listings: Listings) -> queries_pb2.WithdrawableQuery:
    """Question about what may be withdrawn; raises Refused."""
    of = query.withdrawable
    with refusing():
        asset = asset_of(of.asset, listings).id
        return queries_pb2.WithdrawableQuery(partition=partition, subaccount=asked(query, of.subaccount), asset=asset)


def asked(query: pb.Query, number: int) -> SubaccountId:
    """Subaccount that is asked about: one of the signer's account."""
    return subaccount_of(query.account, number)
