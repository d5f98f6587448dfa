"""Checkpoint files of a database: copied, packed, stored on disks."""

from __future__ import annotations

import mmap
from pathlib import Path

import apsw

from engine.device.calls import FileSystemCalls
from engine.device.protocol import Device
from engine.errors import DamagedDatabaseError, NameAbsentError, NameTakenError
from engine.format.checkpoint import write_checkpoint
from engine.metadata.database import open_reader
from engine.metadata.files import remove_database
from engine.metadata.heeding import Heed, heeding
from engine.metadata.replay import Head, read_head
from engine.metadata.scratch import ScratchError, is_of_scratch


def copy_database(source: Path, target: Path, *, heed: Heed = lambda: None) -> Head:
    """Copy the committed state of *source* to *target*, which is replaced.

    ``VACUUM INTO`` on a connection of its own: writers go on meanwhile, while
    the stepped backup would begin anew with every one of their commits. *heed*
    is called while it grows, and what that raises passes.

    Raises:
        DamagedDatabaseError: pages fail their checksums, or there is no group.
        ScratchError: *target* could not be written, for want of room say.
    """
    remove_database(target)
    try:
        reader = open_reader(source)
        try:
            with heeding(reader, heed):
                reader.execute("VACUUM INTO ?", (str(target),))
        finally:
            reader.close()
        copy = open_reader(target)
        try:
            head = read_head(copy)
        finally:
            copy.close()
    except apsw.Error as error:
        if is_of_scratch(error):
            raise ScratchError(f"{target} could not be written: {error}") from error
        raise DamagedDatabaseError(f"metadata database {source}: {error}") from error
    if head is None:
        raise DamagedDatabaseError(f"metadata database {source} holds no group")
    return head


def pack_database(database: Path, head: Head, container: Path) -> memoryview:
    """Write the checkpoint of the closed *database* to *container*; map its bytes.

    The mapping is of page cache, so memory does not grow with the pool (P8). It
    outlives the file's name, for calls that were abandoned.

    Raises:
        OSError: there is no room for as much as *database* holds.
    """
    with container.open("w+b") as target:
        # Taken at once: what others write meanwhile cannot make it run short half-way.
        FileSystemCalls().preallocate(target.fileno(), max(1, database.stat().st_size))
        write_checkpoint(database, head.header, head.root_hash, target)
        target.truncate()
        target.flush()
        return memoryview(mmap.mmap(target.fileno(), 0, access=mmap.ACCESS_READ))


def store_checkpoint(device: Device, name: str, content: memoryview) -> None:
    """Put *content* under *name*, durably.

    A file that has this name already is from an attempt that was interrupted,
    or damaged: its bytes are compared, and one that differs is set aside.

    Raises:
        DeviceError: the disk refused; *name* is absent or whole.
    """
    try:
        device.put(name, [content])
    except NameTakenError:
        if not _holds(device, name, content):
            device.set_aside(name)
            device.put(name, [content])
    device.sync([name])


def _holds(device: Device, name: str, content: memoryview) -> bool:
    step = 1 << 20
    try:
        if device.stat(name).length_bytes != len(content):
            return False
        return all(
            device.get(name, offset=offset, length=step) == content[offset : offset + step]
            for offset in range(0, len(content), step)
        )
    except NameAbsentError:
        return False
