"""Snapshots of a machine: framed, checksummed, written beside and renamed; whether one counts is the host's judgement by the marker.

A file is `magic | version | blake2b of the rest | MessagePack of (spine, state)`, named by machine and input position. A torn, flipped
or foreign one is passed over with a warning; one of a newer version stops the start, for silently going back would be worse.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import Awaitable
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import structlog

MAGIC = b"VIGILSNP"
VERSION = 1
HASH_SIZE = 32
HEADER_SIZE = len(MAGIC) + 2 + HASH_SIZE
KEEP = 3
PROBE = ".writable"

log = structlog.get_logger(__name__)


class SnapshotTooNew(Exception):
    """A snapshot was written by a newer release."""


class Disk(Protocol):
    """The four things that snapshots need of a folder; each may raise OSError."""

    def write(self, name: str, content: bytes) -> Awaitable[None]:
        """Write a whole file and make it durable."""
        ...

    def rename(self, old: str, new: str) -> Awaitable[None]:
        """Rename durably, replacing what is there."""
        ...

    def names(self) -> list[str]:
        """Names of the files."""
        ...

    def read(self, name: str) -> bytes:
        """Return a whole file."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; a missing one is fine."""
        ...


class Folder:
    """A real folder as Disk; writes happen in a thread, so that the inbox goes on meanwhile."""

    def __init__(self, path: Path) -> None:
        """Use `path`, made if missing; raises OSError when nothing can be written there. A full disk is no reason not to start."""
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        try:
            (path / PROBE).touch()
            (path / PROBE).unlink(missing_ok=True)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    async def write(self, name: str, content: bytes) -> None:
        """Write a whole file and make it durable."""
        await asyncio.to_thread(self._write, name, content)

    def _write(self, name: str, content: bytes) -> None:
        with (self.path / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    async def rename(self, old: str, new: str) -> None:
        """Rename durably."""
        await asyncio.to_thread(self._rename, old, new)

    def _rename(self, old: str, new: str) -> None:
        (self.path / old).replace(self.path / new)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def names(self) -> list[str]:
        """Names of the files."""
        return sorted(path.name for path in self.path.iterdir())

    def read(self, name: str) -> bytes:
        """Return a whole file."""
        return (self.path / name).read_bytes()

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self.path / name).unlink(missing_ok=True)


class Snapshots:
    """The snapshots of one machine in a folder."""

    def __init__(self, disk: Disk, machine: str) -> None:
        """Snapshots of `machine`, such as "risk/0"."""
        self.disk = disk
        self.machine = machine
        self.prefix = machine.replace("/", "-") + "."

    def name_of(self, position: int) -> str:
        """File name of the snapshot at an input position."""
        return f"{self.prefix}{position:020d}.snapshot"

    def positions(self) -> list[int]:
        """Input positions of the snapshots present, newest first."""
        own = (name[len(self.prefix) : -len(".snapshot")] for name in self.own_names(".snapshot"))
        return sorted((int(position) for position in own if position.isdecimal()), reverse=True)

    def own_names(self, ending: str) -> list[str]:
        """Names of this machine's files with an ending."""
        return [name for name in self.disk.names() if name.startswith(self.prefix) and name.endswith(ending)]

    async def save(self, position: int, body: bytes) -> None:
        """Write a snapshot and drop the oldest, and what a crash left; raises OSError, which costs the snapshot and nothing else."""
        final = self.name_of(position)
        digest = blake2b(body, digest_size=HASH_SIZE).digest()
        await self.disk.write(final + ".tmp", MAGIC + VERSION.to_bytes(2, "big") + digest + body)
        await self.disk.rename(final + ".tmp", final)
        for unfinished in self.own_names(".tmp"):
            self.disk.remove(unfinished)
        for old in self.positions()[KEEP:]:
            self.disk.remove(self.name_of(old))

    def load(self, marker: int) -> tuple[int, bytes] | None:
        """Return the newest whole snapshot that the marker has reached, as (position, body).

        Raises SnapshotTooNew when it was written by a newer release.
        """
        for position in self.positions():
            if position > marker:
                continue
            with contextlib.suppress(OSError):
                body = self.unpack(position, self.disk.read(self.name_of(position)))
                if body is not None:
                    return position, body
        return None

    def unpack(self, position: int, content: bytes) -> bytes | None:
        """Check magic, version and checksum."""
        version = int.from_bytes(content[len(MAGIC) : len(MAGIC) + 2], "big")
        if content[: len(MAGIC)] == MAGIC and version > VERSION:
            msg = f"{self.name_of(position)} has version {version}; this release reads up to {VERSION}: run the newer release"
            raise SnapshotTooNew(msg)
        body = content[HEADER_SIZE:]
        whole = (
            content[: len(MAGIC)] == MAGIC
            and blake2b(body, digest_size=HASH_SIZE).digest() == content[HEADER_SIZE - HASH_SIZE : HEADER_SIZE]
        )
        if not whole:
            log.warning("snapshot_damaged", machine=self.machine, position=position)
        return body if whole else None
