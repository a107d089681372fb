"""The file of the points: the whole state, and the name under which its reading is known to Kafka; replaced at once or not at all.

It may be deleted at any time: reading the feeds again from their beginning builds it anew, as far back as they are kept.
"""

import os
import secrets
from pathlib import Path

import msgspec

from services.analytics.state import State

VERSION = 1


class FileUnusable(Exception):
    """The file cannot be used; the text says why and what to do."""


class Saved(msgspec.Struct):
    """What the file holds. JSON, for its integers have no bound."""

    version: int
    reading: str
    state: State


class Store:
    """The file; one writer."""

    def __init__(self, path: Path) -> None:
        """Read the file, or begin a new one; raises FileUnusable."""
        self.path = path
        saved = self.read()
        self.reading = saved.reading
        self.state = saved.state
        if not path.exists():
            self.save()

    def read(self) -> Saved:
        """What the file holds; a new state under a new name when there is none."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return Saved(VERSION, secrets.token_hex(6), State())
        except OSError as error:
            raise FileUnusable(f"{self.path} cannot be read: {error.strerror}") from error
        try:
            saved = msgspec.json.decode(text, type=Saved)
        except msgspec.DecodeError as error:
            raise self.other(str(error)) from error
        if saved.version != VERSION:
            raise self.other(f"version {saved.version}")
        return saved

    def other(self, found: str) -> FileUnusable:
        """The error of a file that holds something else."""
        return FileUnusable(
            f"{self.path} holds no points of this release ({found}): remove it, it is built anew from the feeds"
        )

    def save(self) -> None:
        """Replace the file; raises FileUnusable."""
        beside = self.path.with_name(self.path.name + ".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(msgspec.json.encode(Saved(VERSION, self.reading, self.state)))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            raise FileUnusable(f"{self.path} cannot be written: {error.strerror}") from error
