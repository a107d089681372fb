"""Fetch what the examples in other languages need: the locked npm packages of read_feed.mjs.

Runs on a bare interpreter and does nothing when all is there. What cannot be had is said in one line; with
CI=true that is a failure, else the tests that need it are skipped.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "package-lock.json"
STAMP = HERE / "node_modules" / ".complete"
NODE_VERSION_MIN = 18


class MissingToolError(Exception):
    """Something this machine lacks and this script cannot install."""


def main() -> int:
    """Fetch everything; the exit code says whether the tests can count on it."""
    try:
        fetch()
    except MissingToolError as missing:
        print(f"tools: {missing}; the example in JavaScript cannot run", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else 0
    return 0


def fetch() -> None:
    """The packages as locked; they run no script of theirs."""
    if has_packages():
        return
    if node_version() < NODE_VERSION_MIN or shutil.which("npm") is None:
        install_node()
    print("tools: fetching the npm packages of the example consumer (9 MB)", flush=True)
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    if subprocess.run(npm, cwd=HERE, check=False).returncode != 0:
        raise MissingToolError("npm could not fetch the packages of protos/examples (see above)")
    STAMP.write_text(lock_digest())


def install_node() -> None:
    """Node and npm from the distribution's packages, where that is possible."""
    apt_get = shutil.which("apt-get")
    if apt_get is None or os.geteuid() != 0:
        raise MissingToolError(f"Node {NODE_VERSION_MIN} or newer and npm are needed: install them")
    print("tools: installing Node and npm", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", "nodejs", "npm"]):
        if subprocess.run([apt_get, *arguments], env=environment, check=False).returncode != 0:
            raise MissingToolError(f"apt-get {arguments[0]} failed")
    if node_version() < NODE_VERSION_MIN:
        raise MissingToolError(f"`node` on PATH is older than {NODE_VERSION_MIN}: put a newer one before it")


def node_version() -> int:
    """Major version of `node` on PATH; 0 when there is none."""
    node = shutil.which("node")
    if node is None:
        return 0
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return int(said.removeprefix("v").partition(".")[0] or 0)


def has_packages() -> bool:
    """Whether Node is there and the packages are those of the lock."""
    return node_version() >= NODE_VERSION_MIN and STAMP.exists() and STAMP.read_text() == lock_digest()


def lock_digest() -> str:
    """What the stamp holds."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
