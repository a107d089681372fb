"""Every public message has the field names of its protobuf, and encodes."""

from typing import Any

import msgspec
import pytest

from services.core import messages as m
from services.core.feeds import PUBLIC, encode_digest, encode_event, plain_fields
from services.core.fixed import FRACTION_ONE
from services.core.markets import PoolTerms
from services.core.pool import Indices
from tests.builders import BTC, USDC
from vigil.v1 import common_pb2, feeds_pb2

SAMPLES: dict[str, Any] = {
    "asset": USDC,
    "market": BTC,
    "marks": [(1, 2, 3)],
    "side": 1,
    "taker_side": -1,
    "outcome": 2,
    "premiums": [5, -6],
    "bids": [(7, 3), (6, 1)],
    "asks": [(8, 2)],
    "tiers": [(1, 2, 3)],
    "quotes": [(1, 2, -1, 4, 5, 6, 7)],
    "collateral": [(1, 2)],
    "indices": Indices(1, 2, 3, 4, 5, 6, 7, 8),
}


def is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def sample(message: type[m.Message]) -> m.Message:
    """Message with a value in every field."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(message):
        known = field.name in SAMPLES and (field.name not in ("market", "asset") or is_struct(field.type))
        values[field.name] = SAMPLES[field.name] if known else {str: "x", bool: True, bytes: b"k"}.get(field.type, 3)
    return message(**values)


def empty(message: type[m.Message]) -> m.Message:
    """Message whose every field is as small as it can be."""
    smallest: dict[Any, Any] = {int: 0, str: "", bytes: b"", bool: False}
    values = {field.name: smallest.get(field.type, []) for field in msgspec.structs.fields(message)}
    known = {name: SAMPLES[name] for name in ("side", "taker_side", "outcome") if name in values}
    whole = {name: SAMPLES[name] for name in ("market", "asset", "indices") if values.get(name) == []}
    return message(**(values | known | whole))


def built_anew(event: m.Message) -> bytes:
    """The record of an event, built without anything that is kept between records."""
    name, protobuf = protobuf_of(type(event))
    record = feeds_pb2.FeedRecord(machine="risk/0", seq=7, at_ms=8, origin_ms=9, trace=10)
    getattr(record, name).CopyFrom(protobuf(**plain_fields(event, protobuf.DESCRIPTOR)))
    return record.SerializeToString(deterministic=True)


def protobuf_of(message: type[m.Message]) -> tuple[str, Any]:
    """Name in FeedRecord and protobuf of a public message."""
    return PUBLIC[message]


@pytest.mark.parametrize("message", PUBLIC, ids=lambda message: message.__name__)
def test_field_names_are_those_of_the_protobuf(message: type[m.Message]) -> None:
    _, protobuf = protobuf_of(message)
    assert list(message.__struct_fields__) == [field.name for field in protobuf.DESCRIPTOR.fields]
    for field in msgspec.structs.fields(message):
        if is_struct(field.type):
            nested = protobuf.DESCRIPTOR.fields_by_name[field.name].message_type
            assert list(field.type.__struct_fields__) == [one.name for one in nested.fields]


@pytest.mark.parametrize("message", PUBLIC, ids=lambda message: message.__name__)
def test_the_bytes_of_a_record_do_not_depend_on_the_records_before(message: type[m.Message]) -> None:
    full, bare = sample(message), empty(message)
    for event in (full, bare, full, bare):
        assert encode_event(event, "risk/0", 7, 8, 9, 10) == built_anew(event)


@pytest.mark.parametrize("message", PUBLIC, ids=lambda message: message.__name__)
def test_every_public_message_encodes_with_all_its_fields(message: type[m.Message]) -> None:
    event = sample(message)
    name, protobuf = protobuf_of(message)
    encoded = encode_event(event, "risk/0", 7, 8, 9, 10)
    record = feeds_pb2.FeedRecord.FromString(encoded)
    assert (record.machine, record.seq, record.at_ms, record.origin_ms, record.trace) == ("risk/0", 7, 8, 9, 10)
    assert record.WhichOneof("event") == name
    said = getattr(record, name)
    assert {field.name for field, _ in said.ListFields()} == {field.name for field in protobuf.DESCRIPTOR.fields}
    assert encode_event(event, "risk/0", 7, 8, 9, 10) == encoded


def test_an_asset_says_its_pool_or_that_it_has_none() -> None:
    terms = PoolTerms(optimal=FRACTION_ONE // 2, slope=1, steep_slope=2, period_ms=60_000)
    for pool in (None, terms):
        event = m.AssetListed(msgspec.structs.replace(USDC, pool=pool))
        said = feeds_pb2.FeedRecord.FromString(encode_event(event, "settlement/0", 1, 2, 3, 4)).asset_listed.asset
        assert said.HasField("pool") == (pool is not None)
        assert [said.pool.optimal, said.pool.period_ms] == ([terms.optimal, 60_000] if pool else [0, 0])
    fields = [one.name for one in common_pb2.Asset.DESCRIPTOR.fields]
    assert fields == list(USDC.__struct_fields__)


def test_sides_are_translated() -> None:
    record = feeds_pb2.FeedRecord.FromString(
        encode_event(m.TradeExecuted(1, 2, 3, 4, m.Side.SELL, 0, 5, 6), "matching/0", 1, 2, 3, 4)
    )
    assert record.trade_executed.taker_side == 2


def test_a_digest_is_announced() -> None:
    record = feeds_pb2.FeedRecord.FromString(encode_digest("risk/0", 1_000, b"abc", 5))
    assert (record.machine, record.digest_announced.offset, record.digest_announced.digest) == ("risk/0", 1_000, b"abc")


def test_every_event_of_the_feed_record_is_some_public_message() -> None:
    events = {field.name for field in feeds_pb2.FeedRecord.DESCRIPTOR.oneofs_by_name["event"].fields}
    assert events == {name for name, _ in PUBLIC.values()} | {"digest_announced"}
