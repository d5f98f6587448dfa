"""Turning a directory into a disk of an open pool, and back when that fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import prepare_disk
from engine.device.names import FOLDERS, JOURNAL_FOLDER, LABEL_NAME, LOCK_NAME, QUARANTINE_FOLDER
from engine.device.protocol import Device, JournalEntry
from engine.errors import (
    CorruptionError,
    DamagedRecordError,
    DeviceError,
    NameTakenError,
    PoolError,
)
from engine.format.label import decode_label, encode_label
from engine.format.root import root_hash
from engine.metadata.disks import JournalDisks, run_on
from engine.metadata.scan import scan_disk
from engine.metadata.summaries import RootSummary
from engine.model.disk import DiskRecord
from engine.model.label import DiskLabel
from engine.model.root import RootRecord

_DATA_FOLDERS = ("fragments", QUARANTINE_FOLDER)

IsOurs = Callable[[RootSummary], bool]
"""Whether a root is part of the history of the pool that asks."""


def label_disk(record: DiskRecord, template: RootRecord) -> DirectoryDevice:
    """Make the directory of *record* a labelled disk and return it, open.

    Raises:
        PoolError: it is a disk already.
        DeviceError: as the directory says; what was made is removed again.
    """
    return make_disk(record.path, _label_of(record, template))


def make_disk(path: str, label: DiskLabel) -> DirectoryDevice:
    """Make the directory *path* the disk of *label* and return it, open; as ``label_disk``."""
    try:
        prepare_disk(path)
    except NameTakenError as error:
        raise PoolError(f"{path} is a disk already") from error
    try:
        device = DirectoryDevice.open(path)
        try:
            device.set_label(encode_label(label))
        except BaseException:
            device.close()
            raise
    except BaseException:
        unlabel_disk(path)
        raise
    return device


def _label_of(record: DiskRecord, template: RootRecord) -> DiskLabel:
    return DiskLabel(
        pool_uuid=template.pool_uuid,
        pool_name=template.pool_name,
        disk_uuid=record.uuid,
        disk_name=record.name,
        tier=record.tier,
        epoch=template.epoch,
        journal_set=template.journal_set,
    )


def undo_disk(path: str, device: DirectoryDevice) -> None:
    """Let go of what ``make_disk`` made at *path*: it is what it was before."""
    with suppress(DeviceError):
        device.close()
    unlabel_disk(path)


def unlabel_disk(path: str) -> None:
    """Remove everything of a disk from *path* but what others put there.

    The label goes first: without it the rest is nobody's.
    """
    root = Path(path)
    for name in (LABEL_NAME, LOCK_NAME):
        (root / name).unlink(missing_ok=True)
    for folder in FOLDERS:
        shutil.rmtree(root / folder, ignore_errors=True)


def is_leftover(path: str, *, template: RootRecord, is_ours: IsOurs) -> bool:
    """Whether *path* is what an addition that was cut short, or a removed disk, left.

    Its label is of this pool and of no member, and nothing else on it counts:
    so an interrupted ``add-disk`` is finished by repeating it.

    Raises:
        PoolError: it holds fragments, or a history that is not this pool's:
            only the operator can say that nobody needs them.
    """
    label = _label_at(Path(path))
    if label is None or label.pool_uuid != template.pool_uuid:
        return False
    if label.disk_uuid in template.members:
        return False
    if label.retired:
        # It was empty, by an acknowledged root, when it left: what files it has
        # were to be deleted.
        return True
    was = f"{path} was disk {label.disk_name} of this pool and is no member"
    for folder in _DATA_FOLDERS:
        if any(one.is_file() for one in (Path(path) / folder).rglob("*")):
            raise PoolError(f"{was}; it still holds fragments: empty the directory to use it again")
    if not _holds_only(path, label, is_ours):
        raise PoolError(
            f"{was}; its journal is not part of this pool's history: keep it until you know"
            " that nobody needs it, then empty the directory"
        )
    return True


def _label_at(root: Path) -> DiskLabel | None:
    """Return the label in *root*; None without one, or with one that is damaged."""
    with suppress(FileNotFoundError, DamagedRecordError):
        return decode_label((root / LABEL_NAME).read_bytes())
    return None


def _holds_only(path: str, label: DiskLabel, is_ours: IsOurs) -> bool:
    """Whether every root on the disk at *path* is one that *is_ours* knows."""
    if not any(one.is_file() for one in (Path(path) / JOURNAL_FOLDER).rglob("*")):
        return True
    try:
        device = DirectoryDevice.open(path)
    except DeviceError as error:
        raise PoolError(str(error)) from error
    try:
        scan = scan_disk(label.disk_uuid, device)
    finally:
        device.close()
    if scan.damage or scan.gaps:
        return False
    # Roots are chained: when the newest is ours, so are all before it.
    newest = max(scan.roots, key=lambda root: root.generation, default=None)
    return newest is None or is_ours(newest)


def holds_root(disks: JournalDisks, template: RootRecord, root: RootSummary) -> bool:
    """Whether a disk that carries the journals of *template* holds this very *root*."""

    def read(device: Device) -> bytes:
        entry = next(iter(device.journal_list(root.generation)), None)
        if isinstance(entry, JournalEntry) and entry.generation == root.generation:
            return root_hash(entry.payload)
        return b""

    for uuid in template.journal_set:
        try:
            if run_on(disks, uuid, read) == root.root_hash:
                return True
        except (DeviceError, CorruptionError):
            continue
    return False
