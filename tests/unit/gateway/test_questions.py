"""Questions about a subaccount name what is listed and are the signer's own, or are refused with what would be accepted."""

import grpc
import pytest

from services.core.reasons import Reason
from services.core.rpc import Refused
from services.gateway.questions import margin_query, max_order_size_query, triggers_query, withdrawable_query
from tests.unit.gateway.venue import SPOT, Listed
from vigil.v1 import common_pb2
from vigil.v1 import queries_pb2 as asked
from vigil.v1 import trading_pb2 as pb

ACCOUNT, PARTITION = 77, 3
SYMBOL = "BTC_USDC_PERP"
BID = common_pb2.SIDE_BID
NOT_FOUND, INVALID = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT


def largest(**changes: object) -> pb.Query:
    fields = {"subaccount": 2, "symbol": SYMBOL, "side": BID, "price": "8000.1"} | changes
    return pb.Query(account=ACCOUNT, max_order_size=pb.MaxOrderSizeOf(**fields))  # type: ignore[arg-type]


def waiting(**fields: object) -> pb.Query:
    return pb.Query(account=ACCOUNT, triggers=pb.TriggersOf(**fields))  # type: ignore[arg-type]


def leaving(**fields: object) -> pb.Query:
    return pb.Query(account=ACCOUNT, withdrawable=pb.WithdrawableOf(**fields))  # type: ignore[arg-type]


def ask(query: pb.Query) -> object:
    if query.HasField("withdrawable"):
        return withdrawable_query(query, PARTITION, Listed())
    if query.HasField("max_order_size"):
        return max_order_size_query(query, PARTITION, Listed())
    return triggers_query(query, PARTITION, Listed()) if query.HasField("triggers") else margin_query(query, PARTITION)


OWN = ACCOUNT * 256
ROWS: list[tuple[str, pb.Query, object]] = [
    (
        "margin",
        pb.Query(account=ACCOUNT, margin=pb.MarginOf(subaccount=2)),
        asked.MarginQuery(partition=PARTITION, subaccount=OWN + 2),
    ),
    (
        "largest order",
        largest(reduce_only=True),
        asked.MaxOrderSizeQuery(
            partition=PARTITION, subaccount=OWN + 2, market=1, side=BID, price=800_010, reduce_only=True
        ),
    ),
    (
        "largest market order",
        largest(price=""),
        asked.MaxOrderSizeQuery(partition=PARTITION, subaccount=OWN + 2, market=1, side=BID),
    ),
    (
        "what may leave",
        leaving(asset="USDC", subaccount=2),
        asked.WithdrawableQuery(partition=PARTITION, subaccount=OWN + 2, asset=1),
    ),
    ("all triggers", waiting(), asked.TriggersQuery(partition=PARTITION, subaccount=OWN)),
    ("a market's", waiting(symbol=SYMBOL), asked.TriggersQuery(partition=PARTITION, subaccount=OWN, market=1)),
]
REFUSED = [
    ("somebody else's", pb.Query(margin=pb.MarginOf(subaccount=256)), INVALID, Reason.INVALID_SUBACCOUNT, "255"),
    ("no market", largest(symbol="btc"), NOT_FOUND, Reason.UNKNOWN_MARKET, "'btc'"),
    ("no side", largest(side=0), INVALID, Reason.INVALID_ORDER, "SIDE_BID"),
    ("off the tick", largest(price="8000.05"), INVALID, Reason.INVALID_PRICE, "multiples of 0.1"),
    (
        "no position to reduce",
        largest(symbol=SPOT.symbol, price="", reduce_only=True),
        INVALID,
        Reason.INVALID_ORDER,
        "spot",
    ),
    ("nothing leaves of what is not listed", leaving(asset="usdc"), NOT_FOUND, Reason.UNKNOWN_ASSET, "'usdc'"),
    ("triggers of no market", waiting(symbol="btc"), NOT_FOUND, Reason.UNKNOWN_MARKET, "'btc'"),
]


@pytest.mark.parametrize(("query", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_asked(query: pb.Query, expected: object) -> None:
    assert ask(query) == expected


@pytest.mark.parametrize(
    ("query", "status", "reason", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused(query: pb.Query, status: grpc.StatusCode, reason: Reason, text: str) -> None:
    with pytest.raises(Refused) as refused:
        ask(query)
    assert (refused.value.status, refused.value.reason) == (status, reason)
    assert text in refused.value.text
