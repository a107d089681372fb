"""The public schema says what it means and keeps its word: all is documented, its README agrees with the code, what was released stays."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from google.protobuf import descriptor_pb2

from services.core.topics import DIGESTS, ROUTES, topic_of
from tests.vectors.released_protos import broken, listing, present_files, released

PROTOS = Path(__file__).resolve().parents[1] / "protos"
FILES = sorted(PROTOS.glob("vigil/v1/*.proto"))
README = (PROTOS / "README.md").read_text()
DECLARED = re.compile(r"^\s*(message|enum|rpc|service) (\w+)")
FIELD = re.compile(r"^\s+(?:repeated |optional )?([\w.]+) (\w+) = \d+;(.*)$")


def undocumented(text: str) -> list[str]:
    """Declarations without a comment above, fields without one beside; members of a oneof have their message's."""
    found, before, in_oneof = [], "", False
    for line in text.splitlines():
        in_oneof = (in_oneof or line.strip().startswith("oneof ")) and line.strip() != "}"
        declared, field = DECLARED.match(line), FIELD.match(line)
        bare = not before.strip().startswith("//")
        if declared and bare and declared[1] != "service" and not line.endswith("{}"):
            found.append(declared[2])
        if field and "//" not in field[3] and not (in_oneof and field[1][0].isupper()):
            found.append(field[2])
        before = line
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_message_field_and_rpc_is_documented(file: Path) -> None:
    assert undocumented(file.read_text()) == []


def test_planted_gaps_are_found() -> None:
    text = "message Bare {\n  int64 size = 1;\n}\n// Words.\nmessage Said {\n  int64 size = 1; // words\n}\n"
    assert undocumented(text) == ["Bare", "size"]


def written(text: str) -> dict[str, set[str]]:
    """Events by topic, as the README's table has them; what stands in brackets is an explanation."""
    rows = re.findall(r"^\| `(feed\.\w+)` \|[^|]*\|[^|]*\| ([^|]*) \|$", text, re.MULTILINE)
    return {
        topic: set(re.findall(r"[A-Z]\w+", re.sub(r"\([^)]*\)", "", events.split(";")[0]))) for topic, events in rows
    }


def test_the_catalogue_of_feeds_is_the_table_of_routes() -> None:
    routed: dict[str, set[str]] = {DIGESTS: {"DigestAnnounced"}}
    for row in ROUTES:
        for hop in row.hops:
            if hop.reader.startswith("feed."):
                routed.setdefault(topic_of(hop), set()).add(row.message.__name__)
    assert written(README) == routed


def test_every_file_is_in_the_readme() -> None:
    assert [file.name for file in FILES if f"`{file.name}`" not in README] == []


def test_every_example_is_in_the_readme() -> None:
    examples = [path.name for path in (PROTOS / "examples").glob("read_feed.*")]
    assert len(examples) == 2
    assert [name for name in examples if f"examples/{name}" not in README] == []


def test_no_released_field_value_or_rpc_changed() -> None:
    """What fails here breaks a client that is out there: append a field, a value or an RPC instead."""
    assert broken(released(), listing(present_files())) == []


Files: TypeAlias = dict[str, descriptor_pb2.FileDescriptorProto]


def message(files: Files, name: str) -> descriptor_pb2.DescriptorProto:
    return next(one for file in files.values() for one in file.message_type if one.name == name)


def field(files: Files, of: str, name: str) -> descriptor_pb2.FieldDescriptorProto:
    return next(one for one in message(files, of).field if one.name == name)


def renumbered(files: Files) -> None:
    field(files, "PlaceOrder", "price").number = 99


def retyped(files: Files) -> None:
    field(files, "PlaceOrder", "client_id").type = descriptor_pb2.FieldDescriptorProto.TYPE_UINT64


def renamed(files: Files) -> None:
    field(files, "PlaceOrder", "price").name = "limit_price"


def repeated(files: Files) -> None:
    field(files, "PlaceOrder", "price").label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED


def optional(files: Files) -> None:
    field(files, "PlaceOrder", "price").proto3_optional = True


def out_of_its_oneof(files: Files) -> None:
    field(files, "Command", "place_order").ClearField("oneof_index")


def another_message(files: Files) -> None:
    field(files, "Command", "place_order").type_name = ".vigil.v1.CancelOrder"


def removed(files: Files) -> None:
    del message(files, "PlaceOrder").field[4]


def message_removed(files: Files) -> None:
    files["vigil/v1/trading.proto"].message_type.remove(message(files, "OpenAccount"))


def reserved_number_used(files: Files) -> None:
    record = message(files, "FeedRecord")
    record.ClearField("reserved_range")
    record.field.add(name="level", number=26, type=descriptor_pb2.FieldDescriptorProto.TYPE_INT64)


def value_renumbered(files: Files) -> None:
    files["vigil/v1/common.proto"].enum_type[0].value[1].number = 7


def unary_made_a_stream(files: Files) -> None:
    files["vigil/v1/trading.proto"].service[0].method[0].server_streaming = True


PLANTED: list[Callable[[Files], None]] = [
    renumbered,
    retyped,
    renamed,
    repeated,
    optional,
    out_of_its_oneof,
    another_message,
    removed,
    message_removed,
    reserved_number_used,
    value_renumbered,
    unary_made_a_stream,
]


@pytest.mark.parametrize("change", PLANTED, ids=lambda change: change.__name__)
def test_a_planted_change_is_found(change: Callable[[Files], None]) -> None:
    files = {file.name: file for file in present_files()}
    was = listing(files.values())
    change(files)
    assert broken(was, listing(files.values())) != []


def test_additions_pass() -> None:
    files = {file.name: file for file in present_files()}
    was = listing(files.values())
    place = message(files, "PlaceOrder")
    place.field.add(name="note", number=50, type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING)
    files["vigil/v1/common.proto"].enum_type[0].value.add(name="SIDE_BOTH", number=3)
    place.reserved_range.add(start=60, end=62)
    now = listing(files.values())
    assert broken(was, now) == []
    assert len(now) == len(was) + 4
