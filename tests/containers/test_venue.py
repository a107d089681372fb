"""Every container of docker-compose.yml as a process, against a real broker, once: healthy, seen by Prometheus, stopped in good order."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.kafka.broker import Cluster
from services.core.kafka_log import KafkaLog
from services.core.snapshots import Folder, Snapshots
from services.core.topics import SERVICES
from services.settlement.ledger.queries import open_queries
from tests.containers.compose import ComposedVenue, broker_settings, read_compose
from tests.containers.image import Image
from tests.containers.monitoring import (
    METRICS_PORT,
    Family,
    Prometheus,
    dashboards,
    documented,
    expressions_of,
    names_in,
    rules,
    scrape,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kafka_tools", "container_tools")]
QUIET_ON_A_GOOD_DAY = re.compile(
    r"vigil_rpc_calls_total\{reason!=\"\"\}|vigil_rpc_streams|vigil_source_flaw|vigil_oracle_source_trouble|outcome=\"REFUSED\""
    r"|vigil_settlement_price"
)
"""Expressions that may find nothing in a venue where nothing goes wrong, and nothing is settled, for a minute."""


@pytest.fixture
async def venue(image: Image, tmp_path: Path) -> AsyncIterator[ComposedVenue]:
    settings = broker_settings(read_compose()["services"])
    cluster = await asyncio.to_thread(Cluster(settings=settings).start)
    try:
        composed = ComposedVenue(image, cluster, tmp_path)
        try:
            yield composed
        finally:
            await composed.end()
    finally:
        await asyncio.to_thread(cluster.stop)


async def test_all_containers_start_show_their_metrics_and_stop_in_good_order(
    venue: ComposedVenue, tmp_path: Path
) -> None:
    await venue.up()
    prometheus = Prometheus(venue, tmp_path / "prometheus")
    prometheus.start()
    try:
        await prometheus.has('sum(vigil_exposure{side="long"}) > 0')
        await prometheus.has("sum(rate(vigil_trades_total[1m])) > 0")
        await prometheus.has("vigil:hop_seconds:p99 > 0")
        await shows_what_is_documented(venue)
        found_by(prometheus)
    finally:
        prometheus.stop()
    await stops_in_good_order(venue)


async def shows_what_is_documented(venue: ComposedVenue) -> None:
    """Names, kinds and labels of docs/metrics.md are those of the processes, no more and no fewer."""
    shown: dict[str, Family] = {}
    for name, container in venue.containers.items():
        if container.has_health_check:
            text = await asyncio.to_thread(scrape, venue.address(name, METRICS_PORT))
            for family in families_of(text):
                known = shown.get(family.name)
                shown[family.name] = family if known is None or family.labels else known
    said = documented()
    assert sorted(shown) == sorted(said)
    for name, family in shown.items():
        assert family.kind == said[name].kind, name
        assert not family.labels or sorted(family.labels) == sorted(said[name].labels), name


def families_of(text: str) -> list[Family]:
    """Families of a scrape; without samples a family has no labels."""
    found = []
    for family in text_string_to_metric_families(text):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        if family.name.startswith("vigil_"):
            found.append(Family(family.name, family.type, tuple(sorted(labels))))
    return found


def found_by(prometheus: Prometheus) -> None:
    """Every target answers, every rule is evaluated, nothing alarms, every expression finds something."""
    targets = prometheus.get("targets")["activeTargets"]
    assert [target["health"] for target in targets] == ["up"] * len(targets), targets
    groups = prometheus.get("rules")["groups"]
    assert [
        (rule["name"], rule["health"]) for group in groups for rule in group["rules"] if rule["health"] == "err"
    ] == []
    firing = [
        alert["labels"]["alertname"] for alert in prometheus.get("alerts")["alerts"] if alert["state"] == "firing"
    ]
    assert firing == []
    expressions = {title: one for each in dashboards().values() for title, one in expressions_of(each).items()}
    empty = {title for title, expression in expressions.items() if not prometheus.query(expression)}
    print(f"{len(expressions) - len(empty)} of {len(expressions)} expressions find something; nothing: {sorted(empty)}")
    assert {title for title in empty if not QUIET_ON_A_GOOD_DAY.search(expressions[title])} == set()
    assert {name for rule in rules() for name in names_in(rule["expr"])} <= documented().keys()


async def stops_in_good_order(venue: ComposedVenue) -> None:
    """By the image's stop signal, clients first; each ends with 0, and every machine leaves a snapshot of its last record."""
    for names in (["participants", "oracle"], ["gateway"], [*SERVICES], ["ledger", "analytics"]):
        codes = await asyncio.gather(*(venue.containers[name].stop() for name in names))
        assert dict(zip(names, codes, strict=True)) == dict.fromkeys(names, 0)
    folder = Folder(Path(venue.image.environment["VIGIL_SNAPSHOTS"]))
    home = KafkaLog(venue.cluster.bootstrap)
    for service in SERVICES:
        newest = Snapshots(folder, f"{service}/0").positions()[0]
        assert newest == await home.marker(f"{service}/0"), f"{service} left a snapshot of all that it had answered"
    await home.close()
    queries = open_queries(Path(venue.image.environment["VIGIL_LEDGER_FILE"]))
    assert queries.last_entry() > 0
    assert queries.trial_balance().unbalanced() == {}
    queries.database.close()


@pytest.mark.parametrize("environment", [{}, {"SERVICE": "gateway", "VIGIL_GRPC": "nowhere"}], ids=["none", "no port"])
async def test_a_health_check_that_does_not_know_whom_to_ask_says_so(image: Image, environment: dict[str, str]) -> None:
    asked = await asyncio.create_subprocess_exec(
        *image.health,
        env={"PATH": image.environment["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asked.communicate()
    assert asked.returncode == 2
    assert b"host:port" in said


async def test_nobody_there_is_not_healthy(image: Image) -> None:
    asked = await asyncio.create_subprocess_exec(
        *(*image.health, "127.0.0.1:1"), env={"PATH": image.environment["PATH"]}, stderr=asyncio.subprocess.DEVNULL
    )
    assert await asked.wait() == 1
