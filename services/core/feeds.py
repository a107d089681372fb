"""Public events as protobuf, encoded once by the machine's host; the fields of a message and of its protobuf have the same names."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from services.core import messages as m
from services.core.fixed import Milliseconds
from services.core.topics import ROUTES
from vigil.v1 import common_pb2, feeds_pb2

SIDES = {m.Side.BUY: common_pb2.SIDE_BID, m.Side.SELL: common_pb2.SIDE_ASK, 0: common_pb2.SIDE_UNSPECIFIED}
"""Sides as protobuf has them; an auction's trade has no taker, so no side."""

ROWS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "marks": (feeds_pb2.Mark, ("market", "mark_price", "index_price")),
    "bids": (feeds_pb2.BookLevel, ("price", "size")),
    "asks": (feeds_pb2.BookLevel, ("price", "size")),
    "tiers": (feeds_pb2.FeeTier, ("tier", "maker_share", "taker_share")),
    "quotes": (feeds_pb2.QuoteState, ("client_id", "order_id", "side", "price", "size", "remaining", "reason")),
}
"""Fields that are lists of tuples: their protobuf and the names of its fields."""


def event_name(message: type[m.Message]) -> str:
    """Name of a message inside FeedRecord: snake case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", message.__name__).lower()


def plain_fields(message: Any) -> dict[str, Any]:  # noqa: ANN401 - any struct
    """Fields of a struct as protobuf takes them."""
    return plain((name, getattr(message, name)) for name in message.__struct_fields__)


def plain(named: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Fields as protobuf takes them."""
    fields: dict[str, Any] = {}
    for name, field in named:
        if name in ("side", "taker_side"):
            fields[name] = SIDES[field]
        elif name in ROWS:
            kind, columns = ROWS[name]
            fields[name] = [kind(**plain(zip(columns, row, strict=True))) for row in field]
        elif isinstance(field, msgspec.Struct):
            fields[name] = plain_fields(field)
        else:
            fields[name] = field
    return fields


PUBLIC: dict[type[m.Message], tuple[str, Callable[..., Any]]] = {
    row.message: (event_name(row.message), getattr(feeds_pb2, row.message.__name__))
    for row in ROUTES
    if any(hop.reader.startswith("feed.") for hop in row.hops)
}


def encode_event(
    event: m.Message, machine: str, seq: int, at_ms: Milliseconds, origin_ms: Milliseconds, trace: int
) -> bytes:
    """Encode one feed record; the same event at the same place gives the same bytes."""
    name, kind = PUBLIC[type(event)]
    record = feeds_pb2.FeedRecord(machine=machine, seq=seq, at_ms=at_ms, origin_ms=origin_ms, trace=trace)
    getattr(record, name).CopyFrom(kind(**plain_fields(event)))
    return record.SerializeToString(deterministic=True)


def encode_digest(machine: str, offset: int, digest: bytes, at_ms: Milliseconds) -> bytes:
    """Encode an announcement of the rolling digest."""
    announced = feeds_pb2.DigestAnnounced(offset=offset, digest=digest)
    return feeds_pb2.FeedRecord(machine=machine, at_ms=at_ms, digest_announced=announced).SerializeToString(
        deterministic=True
    )
