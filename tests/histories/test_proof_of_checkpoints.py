"""Damage of the live metadata is found by the next checkpoint, before older journals go.

Each test hurts a whole pool on directories, lets maintenance make its checkpoint,
and then makes the pool again from the disks alone.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.device.directory import DirectoryDevice
from engine.format.label import decode_label
from engine.ids import ROOT_INODE
from engine.metadata import checkpoint
from engine.metadata.database import open_database
from engine.metadata.scan import scan_disk
from engine.pool.importing import import_disks
from engine.pool.pool import Pool
from engine.vfs.interface import Caller, OpenMode, RenameFlags
from tests.unit.pool.directory_pool import Place, events, get, put

CHURN = 9
CHURN_BYTES = 48 << 10
NEEDLE = b"needle-in-the-metadata"


@pytest.fixture
def place(folder: Path) -> Place:
    """A closed pool of five disks with two checkpoints, and journals behind them that
    are longer than the database."""
    made = Place(folder)
    made.create()
    with Pool(made.pool_dir) as pool:
        pool.maintenance.checkpoints.make()
        pool.filesystem.make_directory(ROOT_INODE, NEEDLE, 0o755, Caller(0, 0))
        put(pool, b"file", b"")
        churn(pool)
        pool.maintenance.checkpoints.make()
        churn(pool)
        put(pool, b"kept", b"content")
    return made


def churn(pool: Pool) -> None:
    """Make the journals longer than the database."""
    files = pool.filesystem
    inode = files.lookup(ROOT_INODE, b"file").inode.inode_id
    handle = files.open(inode, OpenMode.WRITE).handle
    for number in range(CHURN):
        files.write(handle, 0, bytes([number]) * CHURN_BYTES)
        files.sync_file(inode)
    files.release(handle)


def journals(place: Place) -> list[tuple[list[int], list[int]]]:
    """Return the generations of the roots and checkpoints on each disk."""
    found = []
    for path in place.disks:
        device = DirectoryDevice.open(str(path))
        try:
            scan = scan_disk(decode_label(device.get_label()).disk_uuid, device)
        finally:
            device.close()
        roots = [int(root.generation) for root in scan.roots]
        found.append((roots, [int(point.root.generation) for point in scan.checkpoints]))
    return found


def flip(path: Path, needle: bytes) -> int:
    """Flip a bit of each occurrence of *needle* in the file; return how many."""
    data = path.read_bytes()
    count = 0
    with path.open("r+b") as file:
        at = data.find(needle)
        while at >= 0:
            file.seek(at)
            file.write(bytes([data[at] ^ 1]))
            count += 1
            at = data.find(needle, at + 1)
    return count


def attempt(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have maintenance find a checkpoint due; return why it made none."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_JOURNAL_BYTES", 0)
    pause = threading.Event()
    for _ in range(1000):
        pool.maintenance.wake.set()
        told = [text for text in events(pool) if "not made" in text or " proved " in text]
        if told:
            return told[0]
        pause.wait(0.02)
    raise AssertionError("maintenance tried no checkpoint")


def check_rebuilt(place: Place) -> None:
    """The pool comes back from its disks, as it was written."""
    shutil.rmtree(place.pool_dir)
    import_disks(place.disks, place.pool_dir)
    with Pool(place.pool_dir) as pool:
        assert get(pool, b"kept") == b"content"
        assert pool.filesystem.lookup(ROOT_INODE, NEEDLE)


def rename_a_row(place: Place) -> None:
    connection = open_database(place.pool_dir / "metadata.db")
    connection.execute("UPDATE dentry SET name = ? WHERE name = ?", (b"altered", NEEDLE))
    assert connection.changes() == 1
    connection.close()


def drop_a_row(place: Place) -> None:
    connection = open_database(place.pool_dir / "metadata.db")
    connection.execute("DELETE FROM dentry WHERE name = ?", (NEEDLE,))
    assert connection.changes() == 1
    connection.close()


@pytest.mark.parametrize("hurt", [rename_a_row, drop_a_row])
def test_a_row_changed_behind_the_sessions_back_stops_the_checkpoint_and_is_said(
    place: Place, hurt: Callable[[Place], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    hurt(place)
    before = journals(place)

    with Pool(place.pool_dir) as pool:
        told = attempt(pool, monkeypatch)

    assert "not made: the database is not what its journals say: dentry: (1, b" in told
    for (old_roots, old_points), (roots, points) in zip(before, journals(place), strict=True):
        assert set(old_roots) <= set(roots)
        assert points == old_points
    check_rebuilt(place)


@pytest.mark.parametrize("file", ["metadata.db", "metadata.db-wal"])
def test_a_page_or_frame_that_rots_under_an_open_pool_stops_the_checkpoint_and_is_said(
    place: Place, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = journals(place)
    with Pool(place.pool_dir) as pool:
        if file == "metadata.db-wal":
            rename = pool.filesystem.rename
            rename(ROOT_INODE, NEEDLE, ROOT_INODE, b"elsewhere", RenameFlags.NONE)
            rename(ROOT_INODE, b"elsewhere", ROOT_INODE, NEEDLE, RenameFlags.NONE)
            churn(pool)
        assert flip(place.pool_dir / file, NEEDLE)

        assert "not made: " in attempt(pool, monkeypatch)

    for (old_roots, old_points), (roots, points) in zip(before, journals(place), strict=True):
        assert set(old_roots) <= set(roots)
        assert points == old_points
    check_rebuilt(place)


def test_a_rotten_older_checkpoint_is_set_aside_and_what_it_would_have_replaced_stays(
    place: Place,
) -> None:
    before = journals(place)
    oldest, newest = before[0][1]
    for disk in place.disks:
        file = next((disk / "checkpoints").glob(f"{newest:016x}.*"))
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)

    with Pool(place.pool_dir) as pool:
        pool.maintenance.checkpoints.make()
        told = [text for text in events(pool) if "was set aside" in text]

    assert len(told) == 5
    assert all(f"the checkpoint at generation {newest}" in text for text in told)
    for (roots, points), (old_roots, _) in zip(journals(place), before, strict=True):
        assert points[0] == oldest
        assert newest not in points
        assert set(old_roots) <= set(roots)
    check_rebuilt(place)
