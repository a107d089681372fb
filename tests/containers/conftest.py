"""What the tests of the containers share: the tools, and one rehearsed image."""

import os
from pathlib import Path

import pytest

from deploy.tools import missing_tools
from tests.containers.image import Image


@pytest.fixture(scope="session")
def container_tools() -> None:
    """Prometheus, promtool and the compose schema: skipped without, with CI=true failed."""
    missing = missing_tools()
    if missing is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image, built below a folder."""
    image = Image(Path(tmp_path_factory.mktemp("image")))
    image.build()
    return image
