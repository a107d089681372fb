"""The released public schema as text, one line per field, value, RPC and reserved number, and what may never be said anew.

A released line stays for ever: a field keeps its number, type, name and label, a reserved number is never used. Only lines are added.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import chain
from pathlib import Path

from google.protobuf import descriptor_pb2

ROOT = Path(__file__).resolve().parents[2]
RELEASED = Path(__file__).resolve().parent / "released_protos.txt"
TITLE = "# The released public schema: what stands here stands for ever. Lines are only added, by `make vectors`."
Field = descriptor_pb2.FieldDescriptorProto
Message = descriptor_pb2.DescriptorProto


def present_files() -> list[descriptor_pb2.FileDescriptorProto]:
    """Every file of the public schema, as compiled."""
    files = []
    for path in sorted((ROOT / "protos").glob("vigil/v1/*.proto")):
        files.append(descriptor_pb2.FileDescriptorProto())
        import_module(f"vigil.v1.{path.stem}_pb2").DESCRIPTOR.CopyToProto(files[-1])
    return files


def listing(files: Iterable[descriptor_pb2.FileDescriptorProto]) -> list[str]:
    """Lines of the schema, by kind and name, then by number."""
    lines: list[str] = []
    for file in files:
        for enum in file.enum_type:
            lines += (f"enum {file.package}.{enum.name} {one.number} {one.name}" for one in enum.value)
            lines += reserved(f"{file.package}.{enum.name}", enum.reserved_range, last_is_in=True)
        lines += chain.from_iterable(message_lines(file.package, one) for one in file.message_type)
        for service in file.service:
            lines += (f"rpc {file.package}.{service.name}.{rpc_line(rpc)}" for rpc in service.method)
    return sorted(lines, key=order)


def message_lines(scope: str, message: Message) -> Iterator[str]:
    """Lines of a message: itself, its fields, its reserved numbers, and what is declared within it."""
    name = f"{scope}.{message.name}"
    yield f"message {name}"
    oneofs = [one.name for one in message.oneof_decl]
    for field in message.field:
        yield f"field {name} {field.number} {field.name} {type_of(field)} {label_of(field, oneofs)}"
    yield from reserved(name, message.reserved_range)
    for enum in message.enum_type:
        yield from (f"enum {name}.{enum.name} {one.number} {one.name}" for one in enum.value)
    for nested in message.nested_type:
        yield from message_lines(name, nested)


def type_of(field: Field) -> str:
    """Type of a field as a schema writes it."""
    return field.type_name.lstrip(".") or Field.Type.Name(field.type).removeprefix("TYPE_").lower()


def label_of(field: Field, oneofs: list[str]) -> str:
    """How often a field stands in its message."""
    if field.label == Field.LABEL_REPEATED:
        return "repeated"
    if field.proto3_optional:
        return "optional"
    return f"oneof:{oneofs[field.oneof_index]}" if field.HasField("oneof_index") else "singular"


def reserved(
    name: str,
    ranges: Iterable[Message.ReservedRange | descriptor_pb2.EnumDescriptorProto.EnumReservedRange],
    *,
    last_is_in: bool = False,
) -> Iterator[str]:
    """Numbers that are never used again; the range of an enum contains its end."""
    for one in ranges:
        yield from (f"reserved {name} {number}" for number in range(one.start, one.end + last_is_in))


def rpc_line(rpc: descriptor_pb2.MethodDescriptorProto) -> str:
    """Name, request and response of an RPC."""
    asks, answers = ("stream " * flag for flag in (rpc.client_streaming, rpc.server_streaming))
    return f"{rpc.name} {asks}{rpc.input_type.lstrip('.')} -> {answers}{rpc.output_type.lstrip('.')}"


def order(line: str) -> tuple[str, str, int, str]:
    """By kind, name, number."""
    kind, name, *rest = line.split(" ")
    number = int(rest[0]) if rest and rest[0].isdigit() else 0
    return kind, name, number, line


def released() -> list[str]:
    """Lines that were released."""
    return RELEASED.read_text().splitlines()[1:] if RELEASED.exists() else []


def broken(was: Iterable[str], now: Iterable[str]) -> list[str]:
    """Released lines that the schema says no more."""
    says = set(now)
    return [line for line in was if line not in says]


def written() -> bytes:
    """The file as it should be; SystemExit when something released has changed."""
    lines = listing(present_files())
    for line in broken(released(), lines):
        raise SystemExit(f"a released line of protos/ changed: {line}")
    return "\n".join([TITLE, *lines, ""]).encode()
