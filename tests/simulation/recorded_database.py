"""SQLite's files in the pool directory, recorded below the checksumming layer.

cksumvfs stands on what was the default VFS when it was loaded. So it is loaded
again, over a VFS of ours that hands everything on to ``unix``, and put back
over ``unix`` when nothing is recorded any more.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Final

import apsw
import apsw.sqlite_extra

from engine.device.protocol import Buffer
from tests.simulation.active import ledger_of
from tests.simulation.events import Resized, Written
from tests.simulation.ledger import Ledger

_CHECKSUM_VFS: Final = "cksmvfs"
_SYSTEM_VFS: Final = "unix"
_RECORDED_VFS: Final = "recorded"
_LOGS: Final = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL


class RecordedFile(apsw.VFSFile):
    """A database or a log. The flushes only take notes, as those of the disks do."""

    def __init__(self, ledger: Ledger, name: str | apsw.URIFilename, flags: list[int]) -> None:
        wanted = flags[0]
        with ledger.lock:
            super().__init__(_SYSTEM_VFS, name, flags)
            ledger.notice_plain_files()
            self._node = ledger.pool_file(_file_name(name))
            ledger.writes_are_told(self._node)
        self._ledger = ledger
        # As ``unix`` does: the first flush of a log flushes the folder, too. The
        # name of a database is the business of whoever made it.
        self._owes_folder = bool(wanted & apsw.SQLITE_OPEN_CREATE and wanted & _LOGS)

    def xWrite(self, data: Buffer, offset: int) -> None:
        """Write *data* at *offset*."""
        with self._ledger.lock:
            super().xWrite(data, offset)
            self._ledger.note(Written(self._node, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        """Cut or lengthen the file to *newsize* bytes."""
        with self._ledger.lock:
            super().xTruncate(newsize)
            self._ledger.note(Resized(self._node, newsize))

    def xSync(self, flags: int) -> None:
        """Note that the file is durable, and what leads to a new log."""
        self._ledger.flush(self._node)
        if self._owes_folder:
            self._owes_folder = False
            self._ledger.flush(self._ledger.pool_node)


class RecordedDatabases(apsw.VFS):
    """The system's VFS, with the files of worlds under record noted."""

    def __init__(self) -> None:
        super().__init__(_RECORDED_VFS, _SYSTEM_VFS, maxpathname=0)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """Open *name*; record it if it lies in the pool directory of a world."""
        if name is not None:
            path = _file_name(name)
            ledger = ledger_of(path)
            if ledger is not None and os.path.dirname(path) == str(ledger.pool):
                return RecordedFile(ledger, name, flags)
        return apsw.VFSFile(_SYSTEM_VFS, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001  (SQLite calls it)
        """Remove *filename*."""
        ledger = ledger_of(filename)
        if ledger is None:
            super().xDelete(filename, syncdir)
            return
        with ledger.lock:
            super().xDelete(filename, syncdir)
            name = os.path.basename(filename)
            if ledger.has(ledger.pool_node, name):
                ledger.removed(ledger.pool_node, name)
        if syncdir:
            ledger.flush(ledger.pool_node)


def _file_name(name: str | apsw.URIFilename) -> str:
    return name if isinstance(name, str) else name.filename()


@cache
def _recorded_databases() -> RecordedDatabases:
    """Return the one VFS of ours; SQLite keeps a pointer to it for good."""
    return RecordedDatabases()


def record_databases() -> None:
    """From now on, whatever opens a checksummed database is under record."""
    _recorded_databases()
    _stand_checksums_on(_RECORDED_VFS)


def stop_recording_databases() -> None:
    """Put the checksumming layer back where it belongs."""
    _stand_checksums_on(_SYSTEM_VFS)


def _stand_checksums_on(lower: str) -> None:
    """Load cksumvfs over the VFS *lower*, in place of where it was.

    Open databases go on as they are: their files know their methods.
    """
    if _CHECKSUM_VFS in apsw.vfs_names():
        apsw.unregister_vfs(_CHECKSUM_VFS)
    apsw.set_default_vfs(lower)
    try:
        carrier = apsw.Connection(":memory:")
        apsw.sqlite_extra.load(carrier, "cksumvfs")
        carrier.close()
    finally:
        apsw.set_default_vfs(_SYSTEM_VFS)
