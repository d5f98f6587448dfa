"""Sites: pool directories on several machines, and sessions over disks they share.

A session is the real open on memory disks, then roots put where a test says, so that
every placement can be made. The names that were written are the oracle.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from engine.device.memory import MemoryDevice
from engine.device.protocol import JournalEntry
from engine.errors import QuorumError
from engine.ids import DiskUuid, Generation
from engine.metadata.database import open_database
from engine.metadata.recovery import OpenedMetadata, OpenMode, open_metadata
from engine.model.root import RootRecord
from tests.unit.metadata.written_pool import WrittenPool, naming, next_root, properties, put

_SHM = Path("/dev/shm")
_LENGTH_MAX = 1 << 30

Disks = Mapping[DiskUuid, MemoryDevice]


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Lend a new folder, in memory where there is one: hundreds of databases are made."""
    made = Path(tempfile.mkdtemp(prefix="histories-", dir=_SHM if _SHM.is_dir() else None))
    try:
        yield made
    finally:
        shutil.rmtree(made)


class Site:
    """One pool directory, and the session that was opened there last."""

    def __init__(self, folder: Path, devices: Disks) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.devices = devices
        self._forced = False

    @property
    def database(self) -> Path:
        """Where the live state is."""
        return self.folder / "metadata.db"

    def copied_to(self, folder: Path, devices: Disks | None = None) -> Site:
        """Return a site whose pool directory is a copy of this one."""
        shutil.copytree(self.folder, folder)
        return Site(folder, self.devices if devices is None else devices)

    def names(self) -> set[str]:
        """Return what the database has, without the marks of epochs."""
        return {name for name in properties(self.database) if not name.startswith("epoch ")}

    def open(
        self, *there: DiskUuid, mode: OpenMode = OpenMode.READ_WRITE, epoch_to: int | None = None
    ) -> OpenedMetadata:
        """Open with the disks *there*; take the epoch on those that hold all.

        *epoch_to* of them get its first root, all when it is None.
        """
        opened = open_metadata(self.folder, {one: self.devices[one] for one in there}, mode=mode)
        if mode is OpenMode.READ_ONLY:
            return opened
        self._forced = mode is OpenMode.FORCE
        if not opened.holding:
            raise QuorumError("nobody holds the head")  # As the pool's open does.
        header = opened.head.header
        too_few = self._forced and len(opened.holding) <= header.tolerance
        self._commit(
            f"epoch {opened.next_epoch} at {self.folder.name}",
            *opened.holding[:epoch_to],
            epoch=opened.next_epoch,
            journal_set=opened.holding if too_few else None,
            tolerance=len(opened.holding) - 1 if too_few else None,
        )
        return opened

    def write(
        self, name: str, *to: DiskUuid, journal_set: tuple[DiskUuid, ...] | None = None
    ) -> RootRecord:
        """Commit a group with *name* and put its root on the disks *to*."""
        return self._commit(name, *to, journal_set=journal_set)

    def _commit(
        self,
        name: str,
        *to: DiskUuid,
        epoch: int | None = None,
        journal_set: tuple[DiskUuid, ...] | None = None,
        tolerance: int | None = None,
    ) -> RootRecord:
        connection = open_database(self.database)
        try:
            record = next_root(
                connection,
                naming(name, f"of {self.folder.name}"),
                epoch=epoch,
                journal_set=journal_set,
                forced=self._forced,
                tolerance=tolerance,
            )
        finally:
            connection.close()
        for disk in to:
            put(self.devices[disk], record)
        return record


def new_pool(
    folder: Path,
    disks: tuple[DiskUuid, ...],
    *,
    tolerance: int,
    groups: int,
    journal_set: tuple[DiskUuid, ...] | None = None,
) -> Site:
    """Return the site of a new pool, whose first *groups* every member of J has."""
    written = WrittenPool(folder, disks, journal_set=journal_set, tolerance=tolerance)
    written.write_many(groups, *written.template.journal_set)
    return Site(folder, written.devices)


def copy_of(device: MemoryDevice, *, until: int | None = None) -> MemoryDevice:
    """Return a disk with the same content, its journal only up to generation *until*."""
    made = MemoryDevice()
    made.set_label(device.get_label())
    for stored in device.list(""):
        made.put(stored.name, [device.get(stored.name, offset=0, length=_LENGTH_MAX)])
        made.sync([stored.name])
    for entry in device.journal_list(Generation(1)):
        assert isinstance(entry, JournalEntry)
        if until is None or entry.generation <= until:
            made.journal_put(entry.generation, entry.epoch, entry.payload)
    return made


def copies_of(devices: Disks, *, until: int | None = None) -> dict[DiskUuid, MemoryDevice]:
    """Return ``copy_of`` each."""
    return {disk: copy_of(device, until=until) for disk, device in devices.items()}


def content_of(device: MemoryDevice) -> tuple[bytes, dict[str, bytes], list[JournalEntry], int]:
    """Return every byte a disk has, and how many records were set aside."""
    files = {
        stored.name: bytes(device.get(stored.name, offset=0, length=_LENGTH_MAX))
        for stored in device.list("")
    }
    return (
        device.get_label(),
        files,
        [one for one in device.journal_list(Generation(1)) if isinstance(one, JournalEntry)],
        len(device.stale_entries),
    )
