"""What every test may ask for: a Kafka broker, and how hypothesis searches."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from deploy.kafka.broker import Cluster, missing_tools

# `ci` is the default, so that a red run is red again; `--hypothesis-profile explore` looks for new cases.
settings.register_profile(
    "ci", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=2000)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def kafka_tools() -> None:
    """Java and the broker's jars, for tests that start clusters: skipped without, with CI=true failed."""
    missing = missing_tools()
    if missing is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap address of a broker: the one that VIGIL_KAFKA names, else one of our own for this session."""
    named = os.environ.get("VIGIL_KAFKA")
    if named:
        yield named
        return
    request.getfixturevalue("kafka_tools")
    with Cluster() as cluster:
        yield cluster.bootstrap
