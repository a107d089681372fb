"""Make the protobuf stubs before setuptools looks for packages; all else is in pyproject.toml."""

import runpy
from pathlib import Path

from setuptools import setup

runpy.run_path(str(Path(__file__).parent / "protos" / "generate.py"))["generate"]()
setup()
