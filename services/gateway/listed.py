"""Assets, markets and calendars from their protobufs; the other way is services/core/feeds.py. It judges nothing: the machines do."""

from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from services.core.markets import Asset, Calendar, Collateral, Market, PoolTerms

Listed = TypeVar("Listed", Asset, Calendar, Market)
NESTED: dict[str, type[Collateral | Market | PoolTerms]] = {
    kind.__name__: kind for kind in (Collateral, Market, PoolTerms)
}
OPTIONAL = ("collateral", "pool")
"""Structs within structs, by the name that they and their protobufs have."""


def listed(said: Message, kind: type[Listed]) -> Listed:
    """Build what was listed; a collateral or a pool that was not said is none."""
    return kind(**fields_of(said, kind.__struct_fields__))


def fields_of(said: Message, names: tuple[str, ...]) -> dict[str, Any]:
    """Fields of a protobuf as its struct has them: rows of lists become tuples, in the order of their fields."""
    described: Mapping[str, Any] = said.DESCRIPTOR.fields_by_name
    fields = {name: plain(getattr(said, name), described[name]) for name in names}
    return {name: value for name, value in fields.items() if name not in OPTIONAL or said.HasField(name)}


def plain(value: Any, field: FieldDescriptor) -> Any:  # noqa: ANN401 - whatever a field holds
    """Value of one field as structs have it."""
    kind = field.message_type
    if field.is_repeated:
        return tuple(value if kind is None else (tuple(getattr(row, one.name) for one in kind.fields) for row in value))
    return value if kind is None else NESTED[kind.name](**fields_of(value, NESTED[kind.name].__struct_fields__))
