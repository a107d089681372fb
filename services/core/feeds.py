"""Public events as protobuf, encoded once by the machine's host; the fields of a message and of its protobuf have the same names."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from msgspec.structs import astuple

from services.core import messages as m
from services.core.fixed import Milliseconds
from services.core.topics import ROUTES
from vigil.v1 import common_pb2, feeds_pb2

SIDES = {m.Side.BUY: common_pb2.SIDE_BID, m.Side.SELL: common_pb2.SIDE_ASK, 0: common_pb2.SIDE_UNSPECIFIED}
"""Sides as protobuf has them; an auction's trade has no taker, so no side."""
SIDE_FIELDS = ("side", "taker_side")


def event_name(message: type[m.Message]) -> str:
    """Name of a message inside FeedRecord: snake case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", message.__name__).lower()


def plain_fields(struct: Any, described: Descriptor) -> dict[str, Any]:  # noqa: ANN401 - any struct
    """Fields of a struct as its protobuf takes them."""
    return {name: plain(getattr(struct, name), described.fields_by_name[name]) for name in struct.__struct_fields__}


def plain(value: Any, field: FieldDescriptor) -> Any:  # noqa: ANN401 - whatever a field holds
    """Value as a field of a protobuf takes it, None for none; a list of tuples becomes one of messages, cell by field in their order."""
    if field.name in SIDE_FIELDS:
        return SIDES[value]
    kind = field.message_type
    if kind is None:
        return value
    if not field.is_repeated:
        return None if value is None else plain_fields(value, kind)
    return [{one.name: plain(cell, one) for one, cell in zip(kind.fields, row, strict=True)} for row in value]


PUBLIC: dict[type[m.Message], tuple[str, Callable[..., Any]]] = {
    row.message: (event_name(row.message), getattr(feeds_pb2, row.message.__name__))
    for row in ROUTES
    if any(hop.reader.startswith("feed.") for hop in row.hops)
}


def columns_of(field: FieldDescriptor) -> tuple[str, ...]:
    """Names of the cells of a list's rows; none for a list of plain values."""
    kind = field.message_type
    return () if kind is None else tuple(one.name for one in kind.fields)


class Form:
    """One machine's events of one kind: a record that is filled in again and again, which costs a third of building one."""

    def __init__(self, machine: str, message: type[m.Message]) -> None:
        name, self.kind = PUBLIC[message]
        self.record = feeds_pb2.FeedRecord(machine=machine)
        self.event = getattr(self.record, name)
        self.event.SetInParent()
        self.names = message.__struct_fields__
        self.side = next((field for field in self.names if field in SIDE_FIELDS), "")
        described = [self.event.DESCRIPTOR.fields_by_name[field] for field in self.names]
        self.lists = {field.name: columns_of(field) for field in described if field.is_repeated}
        self.is_flat = not any(field.is_repeated or field.message_type for field in described)
        self.is_listing = any(field.message_type and not field.is_repeated for field in described)

    def fill(self, event: m.Message) -> None:
        """Write every field, those that are zero too, so that nothing stays of the event before."""
        if self.is_listing:
            self.event.CopyFrom(self.kind(**plain_fields(event, self.event.DESCRIPTOR)))
            return
        for name, value in zip(self.names, astuple(event), strict=True):
            if name in self.lists:
                self.fill_list(name, value)
            else:
                setattr(self.event, name, value)

    def fill_list(self, name: str, rows: Sequence[Any]) -> None:
        """Write a field that is a list of numbers or of tuples."""
        field = getattr(self.event, name)
        field.clear()
        columns = self.lists[name]
        if not columns:
            field.extend(rows)
            return
        for row in rows:
            cells = dict(zip(columns, row, strict=True))
            if "side" in cells:
                cells["side"] = SIDES[cells["side"]]
            field.add(**cells)

    def encode(self, event: m.Message, seq: int, at_ms: Milliseconds, origin_ms: Milliseconds, trace: int) -> bytes:
        """Encode one record; no field is a map, so every library writes these same bytes."""
        record = self.record
        if self.is_flat:
            filled = self.event
            for name, value in zip(self.names, astuple(event), strict=True):
                setattr(filled, name, value)
        else:
            self.fill(event)
        if self.side:
            setattr(self.event, self.side, SIDES[getattr(event, self.side)])
        record.seq = seq
        record.at_ms = at_ms
        record.origin_ms = origin_ms
        record.trace = trace
        return record.SerializeToString()


FORMS: dict[tuple[str, type[m.Message]], Form] = {}
"""By machine and kind, each made when it is first needed."""


def encode_event(
    event: m.Message, machine: str, seq: int, at_ms: Milliseconds, origin_ms: Milliseconds, trace: int
) -> bytes:
    """Encode one feed record; the same event at the same place gives the same bytes, whatever was encoded before."""
    form = FORMS.get((machine, type(event)))
    if form is None:
        form = FORMS[machine, type(event)] = Form(machine, type(event))
    return form.encode(event, seq, at_ms, origin_ms, trace)


def encode_digest(machine: str, offset: int, digest: bytes, at_ms: Milliseconds) -> bytes:
    """Encode an announcement of the rolling digest."""
    announced = feeds_pb2.DigestAnnounced(offset=offset, digest=digest)
    return feeds_pb2.FeedRecord(machine=machine, at_ms=at_ms, digest_announced=announced).SerializeToString(
        deterministic=True
    )
