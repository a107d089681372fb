"""Where tests find recorded market data, which is no part of the repository: the folder MARKET_DATA, else beside the checkout."""

import os
from pathlib import Path

import pytest

from services.oracle.recorded import SHARED

FOLDER = "MARKET_DATA"


def market_data(name: str) -> Path:
    """Return a recorded file; without it the test is skipped, or fails where all has to be present or MARKET_DATA names a folder."""
    named = os.environ.get(FOLDER)
    file = Path(named or SHARED) / name
    if not file.is_file():
        missing = f"{file} is missing: put the recorded market data there, or name its folder with {FOLDER}"
        if named or os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return file
