"""The route table equals what the machines say they read and write, and the released schema never changes."""

import importlib
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from services.core import messages as m
from services.core.markets import Asset, Market
from services.core.topics import DIGESTS, OUTSIDE, ROUTES, SERVICES, Key, all_topics, hops_from, inputs, topic_of
from tests.builders import genesis

CONTROL = {m.Genesis, m.Tick, m.Continue, m.Resumed, m.ActivateRules}
SCHEMA = Path(__file__).resolve().parents[2] / "vectors" / "schema.txt"
PARTS: list[type[msgspec.Struct]] = [m.CommandHeader, m.Record, Asset, Market]


def machine(service: str) -> Any:
    return importlib.import_module(f"services.{service}.machine")


@pytest.mark.parametrize("service", SERVICES)
def test_inputs_of_the_table_are_the_machines_own(service: str) -> None:
    assert set(inputs(service)) - CONTROL == set(get_args(machine(service).Input))


@pytest.mark.parametrize("service", SERVICES)
def test_outputs_of_the_table_are_the_machines_own(service: str) -> None:
    assert set(hops_from(service)) == set(get_args(machine(service).Output))


@pytest.mark.parametrize("service", ["risk", "matching"])
def test_a_table_of_processes_has_every_input(service: str) -> None:
    tables = [*machine(service).PROCESS, *getattr(machine(service), "AGED", ())]
    assert len(tables) == len(set(tables))
    assert set(tables) == set(get_args(machine(service).Input))


@pytest.mark.parametrize("service", SERVICES)
def test_every_inbox_knows_the_control_messages(service: str) -> None:
    assert set(inputs(service)) >= CONTROL


def test_every_message_has_one_row_and_every_hop_known_ends() -> None:
    rows = [row.message for row in ROUTES]
    assert len(rows) == len(set(rows))
    assert set(rows) == set(m.Message.__subclasses__())
    for row in ROUTES:
        for hop in row.hops:
            assert hop.writer in SERVICES + OUTSIDE
            assert hop.reader in SERVICES or hop.reader == "ledger" or hop.reader.startswith("feed.")
            assert hop.reader in SERVICES or hop.key is Key.OWN


def test_no_message_is_both_of_a_machine_and_from_outside_in_one_inbox() -> None:
    for row in ROUTES:
        for service in SERVICES:
            writers = {hop.writer in OUTSIDE for hop in row.hops if hop.reader == service}
            assert len(writers) <= 1


def test_topics_have_the_partitions_of_their_reader_or_writer() -> None:
    topics = all_topics(genesis(risk=4).partitions)
    assert topics["risk.inbox"] == topics["feed.account"] == topics["ledger.risk"] == 4
    assert topics["matching.inbox"] == topics["feed.book"] == topics["ledger.settlement"] == topics[DIGESTS] == 1
    written = {topic_of(hop) for row in ROUTES for hop in row.hops}
    assert set(topics) == written | {DIGESTS}


def released() -> list[tuple[str, str, list[str]]]:
    """Rows of the released schema: (tag or -, name, fields)."""
    rows = [line.split() for line in SCHEMA.read_text().splitlines() if line and not line.startswith("#")]
    return [(row[0], row[1], row[2:]) for row in rows]


def structs() -> dict[str, type[msgspec.Struct]]:
    return {struct.__name__: struct for struct in [*m.Message.__subclasses__(), *PARTS]}


def test_tags_are_unique() -> None:
    tags = [message.__struct_config__.tag for message in m.Message.__subclasses__()]
    assert len(tags) == len(set(tags))
    assert all(isinstance(tag, int) for tag in tags)


@pytest.mark.parametrize(("tag", "name", "fields"), released(), ids=[row[1] for row in released()])
def test_a_released_message_keeps_its_tag_and_fields(tag: str, name: str, fields: list[str]) -> None:
    """Fields may follow, with defaults, and then enter the schema by `make vectors`; no released one goes or moves."""
    struct = structs()[name]
    assert str(struct.__struct_config__.tag or "-") == tag
    assert list(struct.__struct_fields__[: len(fields)]) == fields
    added = msgspec.structs.fields(struct)[len(fields) :]
    assert all(not field.required for field in added)


def test_every_message_is_in_the_released_schema() -> None:
    assert {name for _, name, _ in released()} == set(structs()), "run `make vectors`"
