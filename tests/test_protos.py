"""The public schema says what it means: every message, field and RPC has words, and its README agrees with the code."""

import ast
import re
from pathlib import Path

import pytest

from services.core.topics import DIGESTS, ROUTES, topic_of

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


def test_the_example_consumer_is_python() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    ast.parse(example)
