"""What the dashboard, the rules and docs/metrics.md say of metrics, and a real Prometheus that scrapes a venue."""

import json
import re
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from deploy.tools import program
from tests.containers.compose import ComposedVenue, read_compose
from tests.containers.image import ROOT
from tests.kafka.processes import wait_until

PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
DOCS = ROOT / "docs" / "metrics.md"
VARIABLES = {"$__rate_interval": "1m", "$machine": ".*", "$market": ".*"}
NAME = re.compile(r"\bvigil[a-z_]*\b(?!:)")
SUFFIXES = ("_total", "_bucket", "_sum", "_count")
METRICS_PORT = 9464


class Family(NamedTuple):
    """A metric as it is shown: name without suffix, kind, all labels."""

    name: str
    kind: str
    labels: tuple[str, ...]


def documented() -> dict[str, Family]:
    """The tables of docs/metrics.md: `name`, kind, labels, meaning."""
    found = {}
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith("`vigil_"):
            name = family_of(cells[0].strip("`"))
            assert name not in found, f"{name} is documented twice"
            found[name] = Family(name, cells[1], tuple(re.findall(r"`(\w+)`", cells[2])))
    return found


def names_in(expression: str) -> set[str]:
    """Families that an expression reads."""
    without_labels = re.sub(r"\{[^}]*\}|\b(by|on|group_left|group_right|without)\s*\([^)]*\)", "", expression)
    return {family_of(name) for name in NAME.findall(without_labels)}


def family_of(name: str) -> str:
    """Name without what the kind of a metric adds to it."""
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def dashboards() -> dict[str, Any]:
    """Every dashboard by file name."""
    return {file.name: json.loads(file.read_text()) for file in sorted((GRAFANA / "dashboards").glob("*.json"))}


def panels_of(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels, rows and those within rows included."""
    return [one for panel in dashboard["panels"] for one in [panel, *panel.get("panels", [])]]


def expressions_of(dashboard: dict[str, Any]) -> dict[str, str]:
    """PromQL by `panel/letter`, with the dashboard's variables filled in."""
    found = {}
    for panel in panels_of(dashboard):
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            found[f"{panel['title']}/{target['refId']}"] = expression
    return found


def rules() -> list[dict[str, Any]]:
    """All rules."""
    content = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> str:
    """What promtool says; AssertionError when it does not approve."""
    done = subprocess.run([str(program("promtool")), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Prometheus:
    """The real server on the repository's configuration, whose targets are the processes of a venue."""

    def __init__(self, venue: ComposedVenue, folder: Path) -> None:
        self.venue = venue
        self.folder = folder
        self.address = venue.address("prometheus", 9090)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it by the command of the compose file."""
        self.folder.mkdir()
        content = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
        (job,) = content["scrape_configs"]
        targets = job["static_configs"][0]["targets"]
        names = [target.partition(":")[0] for target in targets]
        # One entry a target, since on one machine only the port tells them apart.
        job["static_configs"] = [
            {"targets": [self.venue.address(name, METRICS_PORT)], "labels": {"service": name}} for name in names
        ]
        del job["relabel_configs"]
        content["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(content))
        (self.folder / "rules.yml").write_text((PROMETHEUS / "rules.yml").read_text())
        told = read_compose()["services"]["prometheus"]["command"]
        arguments = [
            one.replace("/etc/prometheus", str(self.folder)).replace("=/prometheus", f"={self.folder}/data")
            for one in told
        ]
        with (self.folder / "prometheus.log").open("wb") as output:
            self.process = subprocess.Popen(
                [str(program("prometheus")), *arguments, f"--web.listen-address={self.address}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def get(self, path: str, **parameters: str) -> Any:
        """Answer of its API."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def query(self, expression: str) -> list[Any]:
        """Samples that an expression finds now."""
        found: list[Any] = self.get("query", query=expression)["result"]
        return found

    async def has(self, expression: str) -> None:
        """Wait until an expression finds something."""

        async def finds() -> bool:
            try:
                return bool(self.query(expression))
            except OSError:
                return False

        await wait_until(finds, f"Prometheus finds {expression}")


def scrape(address: str) -> str:
    """The metrics of a process."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        content: bytes = answer.read()
    return content.decode()
