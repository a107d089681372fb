"""Vectors as text: one input record per line, what the machine says indented beneath, the digest last (see README.md)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, get_args
from zlib import crc32

import msgspec

from services.core import messages as m
from tests.builders import MACHINES, Listening

INDENT = "    "
MESSAGES = {message.__name__: message for message in m.Message.__subclasses__()}


@dataclass
class Input:
    """One input record: when, from whom ("-" for the world outside), since when, and what the machine says to it."""

    at_ms: int
    source: str
    origin_ms: int
    message: m.Message
    events: list[m.Message] = field(default_factory=list)


def to_json(message: m.Message) -> str:
    """Write a message as its name and named fields."""
    return json.dumps({type(message).__name__: named(message)}, separators=(", ", ": "))


def named(struct: Any) -> dict[str, Any]:
    """Fields of a struct by name; bytes in hex, slots as runs of (partition, count)."""
    fields: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, msgspec.Struct):
            fields[name] = named(value)
        elif isinstance(value, bytes):
            fields[name] = value.hex()
        elif name == "slots":
            fields[name] = [[partition, len(list(run))] for partition, run in groupby(value)]
        else:
            fields[name] = value
    return fields


def from_json(line: str) -> m.Message:
    """Read a message back."""
    ((name, fields),) = json.loads(line).items()
    message: m.Message = built(MESSAGES[name], fields)
    return message


def struct_in(kind: Any) -> Any:
    """Struct that a field is, or may be; None for any other."""
    for one in (kind, *get_args(kind)):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one
    return None


def built(kind: Any, fields: dict[str, Any]) -> Any:
    """Build a struct from named fields; those that are missing have their defaults."""
    values = {}
    for one in msgspec.structs.fields(kind):
        if one.name not in fields:
            continue
        value = fields[one.name]
        struct = struct_in(one.type)
        if struct is not None and value is not None:
            values[one.name] = built(struct, value)
        elif one.type is bytes:
            values[one.name] = bytes.fromhex(value)
        elif one.name == "slots":
            values[one.name] = [partition for partition, count in value for _ in range(count)]
        else:
            values[one.name] = msgspec.convert(value, one.type)
    return kind(**values)


def write(title: str, inputs: list[Input], digest: bytes) -> str:
    """Write a whole vector."""
    lines = [f"# {title}"]
    for one in inputs:
        lines.append(f"{one.at_ms} {one.source} {one.origin_ms or '-'} {to_json(one.message)}")
        lines += [INDENT + to_json(event) for event in one.events]
    return "\n".join([*lines, f"digest {digest.hex()}", ""])


def read(text: str) -> tuple[list[Input], bytes]:
    """Read a vector: its inputs with the expected events, and the digest at their end."""
    inputs: list[Input] = []
    digest = b""
    for line in text.splitlines():
        if line.startswith(INDENT):
            inputs[-1].events.append(from_json(line))
        elif line.startswith("digest "):
            digest = bytes.fromhex(line.removeprefix("digest "))
        elif not line.startswith("#"):
            at_ms, source, origin_ms, message = line.split(" ", 3)
            origin = 0 if origin_ms == "-" else int(origin_ms)
            inputs.append(Input(int(at_ms), source, origin, from_json(message)))
    return inputs, digest


def records(inputs: list[Input]) -> Iterator[tuple[int, int, bytes]]:
    """Encode inputs as (offset, append time, value): numbered and chained per source."""
    peers: dict[str, tuple[int, int]] = {}
    for offset, one in enumerate(inputs):
        if one.source == "-":
            yield offset, one.at_ms, msgspec.msgpack.encode(m.Record(one.message, origin_ms=one.origin_ms))
            continue
        seq, chain = peers.get(one.source, (0, 0))
        value = msgspec.msgpack.encode(m.Record(one.message, one.source, seq + 1, chain, one.origin_ms))
        peers[one.source] = (seq + 1, crc32(value))
        yield offset, one.at_ms, value


def run(service: str, inputs: list[Input], start: bytes | None = None) -> Listening:
    """Run a machine over inputs, from a snapshot's position if there is one, and note what it says in each input."""
    engine = Listening(MACHINES[service], 0)
    if start is not None:
        engine.restore(start)
    for offset, at_ms, value in list(records(inputs))[engine.spine.position :]:
        engine.said = []
        engine.step(offset, at_ms, value)
        inputs[offset].events = engine.said
    return engine
