"""Walks the fragment files of disks and tells those that no row names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import apsw

from engine.device.lanes import Lane
from engine.device.protocol import Device, StoredName
from engine.errors import DeviceError
from engine.extents.disks import DiskSource
from engine.ids import DiskId
from engine.metadata.wal import ReaderPool

FOLDER: Final = "fragments"
NAMES_PER_CALL: Final = 512
"""Names of one device call, and of one read transaction: some 5 ms each."""

_NAME: Final = re.compile(r"fragments/[0-9a-f]+/(\d{1,18})\.(\d{1,18})\.(\d{1,3})")


@dataclass(frozen=True, slots=True)
class UnnamedFile:
    """A file below ``fragments`` that no row of a committed group names."""

    disk_id: DiskId
    name: str
    mtime_ns: int
    length_bytes: int = 0


class _Walk:
    """Runs in a lane, again and again: the next names of a disk."""

    def __init__(self) -> None:
        self._names: Iterator[StoredName] | None = None

    def __call__(self, device: Device) -> list[StoredName]:
        if self._names is None:
            self._names = device.list(FOLDER)
        return list(islice(self._names, NAMES_PER_CALL))


class FragmentListing:
    """One walk over some disks, continued call by call. One thread at a time."""

    def __init__(self, disks: DiskSource, readers: ReaderPool) -> None:
        self._disks: Final = disks
        self._readers: Final = readers
        self._waiting: list[DiskId] = []
        self._walk: _Walk | None = None

    def begin(self, disk_ids: Sequence[DiskId]) -> None:
        """Start over, with these disks."""
        self._waiting = list(disk_ids)
        self._walk = None

    def next_files(self) -> list[UnnamedFile] | None:
        """Return unnamed files among the next names; None when all were seen.

        A disk that does not answer is left out.
        """
        if not self._waiting:
            return None
        disk_id = self._waiting[0]
        walk = self._walk = self._walk or _Walk()
        try:
            names = self._disks.wait(self._disks.submit(disk_id, Lane.MAINTENANCE, walk))
        except DeviceError as error:
            self._disks.report_failure(disk_id, error)
            names = []
        if not names:
            self._waiting.pop(0)
            self._walk = None
            return []
        with self._readers.read() as connection:
            return [
                UnnamedFile(disk_id, one.name, one.mtime_ns, one.length_bytes)
                for one in names
                if not is_named(connection, disk_id, one.name)
            ]


def parse_name(name: str) -> tuple[int, int, int] | None:
    """Return (extent id, layout, index) of a fragment's name, None for any other.

    >>> parse_name("fragments/4/4100.7.3"), parse_name("fragments/4/note.txt")
    ((4100, 7, 3), None)
    """
    match = _NAME.fullmatch(name)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))


def is_named(connection: apsw.Connection, disk_id: DiskId, name: str) -> bool:
    """Whether a row, of an extent or of a file to delete, names this very file."""
    parts = parse_name(name)
    if parts is None:
        return False
    extent_id, layout, index = parts
    row = connection.execute(
        "SELECT 1 FROM fragment WHERE extent = ?1 AND position = ?2 AND layout = ?3 AND disk = ?4"
        " UNION ALL"
        " SELECT 1 FROM dropped WHERE extent = ?1 AND position = ?2 AND layout = ?3 AND disk = ?4",
        (extent_id, index, layout, disk_id),
    ).fetchone()
    return row is not None
