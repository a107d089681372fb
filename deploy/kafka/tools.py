"""Fetch what the Kafka broker of the tests needs: Java 17, Maven, and its jars into build/kafka/libs.

Runs on a bare interpreter and does nothing when all is there. What cannot be had is said in one line; with
CI=true that is a failure, else the tests that need it are skipped.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POM = Path(__file__).resolve().parent / "pom.xml"
LIBS = ROOT / "build" / "kafka" / "libs"
STAMP = LIBS / ".complete"
JAVA_VERSION_MIN = 17


class MissingToolError(Exception):
    """Something this machine lacks and this script cannot install."""


def main() -> int:
    """Fetch everything; the exit code says whether the tests can count on it."""
    try:
        fetch_java()
        fetch_jars()
    except MissingToolError as missing:
        print(f"tools: {missing}; tests on a real Kafka broker cannot run", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else 0
    return 0


def fetch_java() -> None:
    """Java from PATH, else from the distribution's packages where that is possible."""
    if java_version() >= JAVA_VERSION_MIN and (has_jars() or shutil.which("mvn")):
        return
    apt_get = shutil.which("apt-get")
    if apt_get is None or os.geteuid() != 0:
        raise MissingToolError(f"Java {JAVA_VERSION_MIN} or newer and Maven are needed: install them")
    print("tools: installing Java and Maven", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    packages = ["openjdk-17-jre-headless", "maven"]
    for arguments in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *packages]):
        if subprocess.run([apt_get, *arguments], env=environment, check=False).returncode != 0:
            raise MissingToolError(f"apt-get {arguments[0]} failed")
    if java_version() < JAVA_VERSION_MIN:
        raise MissingToolError(f"`java` on PATH is older than {JAVA_VERSION_MIN}: put a newer one before it")


def java_version() -> int:
    """Major version of `java` on PATH; 0 when there is none."""
    java = shutil.which("java")
    if java is None:
        return 0
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found.group(1)) if found else 0


def fetch_jars() -> None:
    """The broker's jars, whole or not at all: they are copied beside their place and renamed into it."""
    if has_jars():
        return
    mvn = shutil.which("mvn")
    if mvn is None:
        raise MissingToolError("Maven is needed: install it")
    print("tools: fetching the jars of the Kafka broker (54 MB)", flush=True)
    incoming = LIBS.with_name("libs.incoming")
    shutil.rmtree(incoming, ignore_errors=True)
    arguments = ["-B", "-q", "-f", str(POM), "-DincludeScope=runtime", f"-DoutputDirectory={incoming}"]
    if subprocess.run([mvn, *arguments, "dependency:copy-dependencies"], check=False).returncode != 0:
        raise MissingToolError("Maven could not fetch the jars of the Kafka broker (see above)")
    (incoming / STAMP.name).write_text(pom_digest())
    shutil.rmtree(LIBS, ignore_errors=True)
    incoming.rename(LIBS)


def has_jars() -> bool:
    """Whether the jars are those that pom.xml names."""
    return STAMP.exists() and STAMP.read_text() == pom_digest()


def pom_digest() -> str:
    """What the stamp holds."""
    return hashlib.sha256(POM.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
