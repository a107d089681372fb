"""Files of snapshots: whole or passed over, newest first, and never silently older than a newer release's."""

from pathlib import Path

import pytest

from services.core.snapshots import HEADER_SIZE, KEEP, MAGIC, VERSION, Folder, Snapshots, SnapshotTooNew

BODY = b"state and spine"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "made" / "when" / "missing")


@pytest.fixture
def snapshots(folder: Folder) -> Snapshots:
    return Snapshots(folder, "risk/0")


async def test_what_was_saved_is_loaded(snapshots: Snapshots) -> None:
    await snapshots.save(7, BODY)
    assert snapshots.load(7) == (7, BODY)


def test_an_empty_folder_has_no_snapshot(snapshots: Snapshots) -> None:
    assert snapshots.load(10**9) is None


async def test_the_newest_that_the_marker_has_reached_counts(snapshots: Snapshots) -> None:
    for position in (5, 10, 15):
        await snapshots.save(position, b"%d" % position)
    found = {marker: snapshots.load(marker) for marker in (4, 5, 9, 10, 14, 15, 99)}
    positions = {marker: snapshot and snapshot[0] for marker, snapshot in found.items()}
    assert positions == {4: None, 5: 5, 9: 5, 10: 10, 14: 10, 15: 15, 99: 15}


async def test_the_oldest_are_dropped(snapshots: Snapshots) -> None:
    for position in range(1, 10):
        await snapshots.save(position, BODY)
    assert snapshots.positions() == [9, 8, 7]
    assert len(snapshots.positions()) == KEEP


async def test_machines_do_not_see_each_others(folder: Folder, snapshots: Snapshots) -> None:
    await Snapshots(folder, "risk/01").save(8, b"other")
    await Snapshots(folder, "matching/0").save(9, b"other")
    await snapshots.save(7, BODY)
    assert snapshots.load(99) == (7, BODY)


async def test_no_flipped_bit_and_no_tear_goes_unnoticed(folder: Folder, snapshots: Snapshots) -> None:
    await snapshots.save(5, b"older")
    await snapshots.save(7, BODY)
    file = folder.path / snapshots.name_of(7)
    whole = file.read_bytes()
    version = range(len(MAGIC), len(MAGIC) + 2)
    damaged = [whole[:size] for size in range(len(whole))] + [whole + b"more"]
    for at in range(len(whole)):
        if at not in version:
            damaged += [whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for bit in (0, 7)]
    for content in damaged:
        file.write_bytes(content)
        assert snapshots.load(99) == (5, b"older")


async def test_a_newer_version_is_refused_with_what_to_do(folder: Folder, snapshots: Snapshots) -> None:
    await snapshots.save(5, b"older")
    await snapshots.save(7, BODY)
    file = folder.path / snapshots.name_of(7)
    content = file.read_bytes()
    file.write_bytes(MAGIC + (VERSION + 1).to_bytes(2, "big") + content[len(MAGIC) + 2 :])
    says = (
        rf"{snapshots.name_of(7)} has version {VERSION + 1}; this release reads up to {VERSION}: run the newer release"
    )
    with pytest.raises(SnapshotTooNew, match=says):
        snapshots.load(99)
    assert snapshots.load(5) == (5, b"older")


class TearingFolder(Folder):
    """A folder on a machine that dies in the middle of a write."""

    async def write(self, name: str, content: bytes) -> None:
        await super().write(name, content[: HEADER_SIZE + 3])
        raise OSError("died")


async def test_death_in_the_middle_of_a_write_leaves_the_older_one(folder: Folder, snapshots: Snapshots) -> None:
    await snapshots.save(5, b"older")
    with pytest.raises(OSError, match="died"):
        await Snapshots(TearingFolder(folder.path), "risk/0").save(7, BODY)
    assert snapshots.load(99) == (5, b"older")
    await snapshots.save(9, BODY)
    assert snapshots.load(99) == (9, BODY)
    assert folder.names() == [snapshots.name_of(5), snapshots.name_of(9)]


async def test_a_file_of_somebody_else_does_not_disturb(folder: Folder, snapshots: Snapshots) -> None:
    await snapshots.save(5, BODY)
    for name in ("risk-0.notes.snapshot", "risk-0.snapshot", "README"):
        (folder.path / name).write_bytes(b"mine")
    assert snapshots.load(99) == (5, BODY)


def test_removing_what_is_gone_is_fine(folder: Folder) -> None:
    folder.remove("never there")


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        Folder(tmp_path / "file" / "folder")
