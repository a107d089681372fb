"""The files of the containers, each judged by the tool that reads it; none needs a container engine."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft201909Validator

from deploy.tools import SCHEMA
from tests.containers.compose import BROKER, broker_settings, read_compose
from tests.containers.image import DOCKERFILE, ROOT, in_context, read_stages
from tests.containers.monitoring import (
    GRAFANA,
    PROMETHEUS,
    dashboards,
    documented,
    expressions_of,
    names_in,
    panels_of,
    promtool,
    rules,
)

COMPOSE = read_compose()
OUR_IMAGE = [name for name, spec in COMPOSE["services"].items() if "build" in spec]
LONG_RUNNING = [name for name in OUR_IMAGE if not COMPOSE["services"][name].get("healthcheck", {}).get("disable")]
SECRETS = re.compile(r"password|secret|token|private|\.key\b", re.IGNORECASE)


def errors_of(compose: dict[str, Any]) -> list[str]:
    validator = Draft201909Validator(json.loads(SCHEMA.read_text()))
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(compose)]


@pytest.mark.usefixtures("container_tools")
def test_the_compose_file_is_what_its_schema_says() -> None:
    assert errors_of(COMPOSE) == []


@pytest.mark.usefixtures("container_tools")
def test_a_misspelt_key_of_a_compose_file_is_found() -> None:
    wrong = yaml.safe_load((ROOT / "docker-compose.yml").read_text().replace("stop_grace_period", "stop_graceperiod"))
    assert errors_of(wrong)


def test_the_image_file_is_clean() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([str(hadolint), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_the_image_promises_of_its_containers() -> None:
    last = read_stages()[-1]
    (user,) = last.of("USER")
    assert int(user.partition(":")[0]) > 0, "a number, so that a cluster can see that it is not root"
    assert last.of("STOPSIGNAL") == ["SIGTERM"]
    assert len(last.of("HEALTHCHECK")) == 1
    assert "exec " in last.of("CMD")[0], "else a shell gets the signal"
    assert not SECRETS.search(DOCKERFILE.read_text().partition("\nARG ")[2])


def test_the_context_holds_no_more_than_the_image_needs() -> None:
    folders = {file.partition("/")[0] for file in in_context()}
    allowed = {"requirements", "protos", "services", "deploy", "pyproject.toml", "setup.py", "README.md", "LICENSE"}
    assert folders == allowed
    assert [file for file in in_context() if file.startswith("deploy/")] == [
        "deploy/markets.toml",
        "deploy/points.toml",
    ]


def test_every_container_knows_whom_it_waits_for_and_how_it_ends() -> None:
    services = COMPOSE["services"]
    for name, spec in services.items():
        assert "restart" in spec, name
        for other, how in spec.get("depends_on", {}).items():
            assert other in services, (name, other)
            has_check = not services[other].get("healthcheck", {}).get("disable")
            assert how["condition"] == ("service_healthy" if has_check else "service_completed_successfully"), name
    for name in OUR_IMAGE:
        spec = services[name]
        assert spec["stop_grace_period"] == "30s", name
        assert (spec["read_only"], spec["cap_drop"]) == (True, ["ALL"]), name
    for name in LONG_RUNNING:
        assert services[name]["deploy"]["resources"]["limits"], name


def test_what_is_kept_lies_on_volumes() -> None:
    mounts = {mount for spec in COMPOSE["services"].values() for mount in spec.get("volumes", [])}
    named = {mount.partition(":")[0] for mount in mounts if not mount.startswith("./")}
    assert named == set(COMPOSE["volumes"])
    for mount in mounts:
        if mount.startswith("./"):
            assert (ROOT / mount.partition(":")[0]).exists(), mount


def test_ports_are_open_to_this_machine_alone() -> None:
    for name, spec in COMPOSE["services"].items():
        for port in spec.get("ports", []):
            assert port.startswith("127.0.0.1:"), (name, port)


def test_no_password_is_in_a_file() -> None:
    for spec in COMPOSE["services"].values():
        assert not [name for name in spec.get("environment", {}) if SECRETS.search(name)]


def test_the_broker_loses_nothing_that_it_acknowledged() -> None:
    settings = broker_settings(COMPOSE["services"])
    assert settings["auto.create.topics.enable"] == settings["unclean.leader.election.enable"] == "false"
    image = COMPOSE["services"][BROKER]["image"]
    assert image.partition(":")[2] in (ROOT / "deploy" / "kafka" / "pom.xml").read_text(), "the broker of the tests"


def test_prometheus_scrapes_every_process() -> None:
    content = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (job,) = content["scrape_configs"]
    assert sorted(job["static_configs"][0]["targets"]) == sorted(f"{name}:9464" for name in LONG_RUNNING)


@pytest.mark.usefixtures("container_tools")
def test_configuration_and_rules_are_accepted() -> None:
    promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))
    assert "SUCCESS" in promtool("test", "rules", str(PROMETHEUS / "rules_test.yml"))


def test_every_alarm_is_tried() -> None:
    tests = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text())["tests"]
    fired = {each["alertname"] for test in tests for each in test.get("alert_rule_test", []) if each["exp_alerts"]}
    assert {rule["alert"] for rule in rules() if "alert" in rule} == fired


def test_rules_and_dashboards_name_metrics_that_are_documented() -> None:
    known = documented()
    for rule in rules():
        assert names_in(rule["expr"]) <= known.keys(), rule
    for dashboard in dashboards().values():
        for title, expression in expressions_of(dashboard).items():
            assert names_in(expression) <= known.keys(), title


def test_a_metric_that_nobody_has_is_noticed() -> None:
    assert names_in('sum by (vigil_x) (rate(vigil_a_total{vigil_y="1"}[1m])) / vigil_b') == {"vigil_a", "vigil_b"}


@pytest.mark.usefixtures("container_tools")
def test_every_expression_of_a_dashboard_can_be_read(tmp_path: Path) -> None:
    expressions = [one for each in dashboards().values() for one in expressions_of(each).values()]
    recorded = [{"record": f"tried:number{number}", "expr": one} for number, one in enumerate(expressions)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "tried", "rules": recorded}]}))
    assert f"{len(expressions)} rules found" in promtool("check", "rules", str(tmp_path / "rules.yml"))


def test_dashboards_are_laid_out_and_find_their_source() -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())
    (source,) = provisioned["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "vigil.yml").read_text())["providers"]
    mounted = COMPOSE["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounted
    for name, dashboard in dashboards().items():
        panels = panels_of(dashboard)
        assert len({panel["id"] for panel in panels}) == len(panels), name
        assert all(panel.get("datasource", {"uid": source["uid"]})["uid"] == source["uid"] for panel in panels), name
        cells = [cell for panel in panels for cell in cells_of(panel["gridPos"])]
        assert len(set(cells)) == len(cells), f"{name}: panels overlap"


def cells_of(place: dict[str, int]) -> list[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    columns, lines = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    return [(column, line) for column in columns for line in lines]
