"""A disk that is a directory on this machine (DESIGN 4 'A disk').

The directory is opened once, locked for life, and reached only through its
descriptor: what is mounted over its path later is another disk. It is never
created here, so a bare mount point cannot fill the system's own disk.
"""

from __future__ import annotations

import builtins
import itertools
import os
import stat as stat_bits
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, Self

from engine.device.abandonment import refuse_if_abandoned
from engine.device.calls import FileSystemCalls
from engine.device.direct_io import DIRECT_READ_BYTES_MIN, read_direct
from engine.device.directory_journal import DirectoryJournal
from engine.device.directory_setup import LabelCheck, open_disk, read_label
from engine.device.directory_write import FileWriter, takes_direct_io
from engine.device.disk_handle import FILE_FLAGS, DiskHandle, Use, open_folder
from engine.device.names import (
    JOURNAL_FOLDER,
    LABEL_NAME,
    LOCK_NAME,
    QUARANTINE_FOLDER,
    TMP_FOLDER,
    UNDO_FOLDER,
    check_name,
    folder_chain,
    folder_of,
    quarantine_name,
)
from engine.device.open_files import OpenFiles
from engine.device.protocol import Buffer, Capacity, JournalEntry, JournalGap, StoredName
from engine.device.write_through import WriteThroughCalls
from engine.errors import DeviceGoneError, NameAbsentError
from engine.ids import Epoch, Generation

_HIDDEN: Final = frozenset({LABEL_NAME, LOCK_NAME, TMP_FOLDER, JOURNAL_FOLDER, UNDO_FOLDER})
_ANCHORED_MAX: Final = 4096
_ENDS_MAX: Final = 256
"""Files of which is known where the last short read ended."""

_FOLDERS_OPEN_MAX: Final = 8
"""Folders kept open: the temporary one, and those that fragments go to and leave now."""


class DirectoryDevice:
    """A directory as a ``Device``; see the protocol for what each call promises.

    Thread-safe. No lock is held across a wait for the disk, except the
    journal's own: its appends are in order.

    Large ranges are read around the page cache into buffers that are used
    again: for 1 to 2 MiB up to twice the rate at a tenth of the CPU time. Small
    ones that follow each other go through it, where the kernel's read-ahead is
    three times faster; those at random, around it, where it only costs.
    """

    def __init__(
        self, handle: DiskHandle, calls: FileSystemCalls, expect_label: LabelCheck | None
    ) -> None:
        """Take over *handle*; ``open`` is the way in."""
        self._handle = handle
        self._calls = calls
        self._expect_label = expect_label
        with Use(handle, "open") as root:
            tmp = open_folder(root, TMP_FOLDER)
            try:
                self._writer = FileWriter(calls, direct_io=takes_direct_io(tmp))
            finally:
                os.close(tmp)
            self._started(root)
        self._files = OpenFiles(lambda name: self._open_file(name, 0))
        self._direct_files = OpenFiles(lambda name: self._open_file(name, os.O_DIRECT))
        self._folders = OpenFiles(self._open_folder, count_max=_FOLDERS_OPEN_MAX)
        self._journal = DirectoryJournal(handle, calls)
        self._temp_numbers = itertools.count()
        self._anchored: set[str] = set()
        self._ends: dict[str, int] = {}
        self._anchored_lock = threading.Lock()
        self._aside_lock = threading.Lock()
        self._label_lock = threading.Lock()

    @classmethod
    def open(cls, path: str, expect_label: LabelCheck | None = None) -> Self:
        """Open and lock the disk at *path*; leftovers in ``tmp/`` are removed.

        *expect_label* says of a label's bytes whether they are this disk's; it
        is asked now and at each ``check_presence``.

        Raises:
            DeviceGoneError: *path* holds no disk, or one of another label.
            DeviceDeniedError: another process has it open.
        """
        handle = open_disk(path, expect_label)
        try:
            return cls(handle, cls._make_calls(), expect_label)
        except BaseException:
            handle.close()
            raise

    @staticmethod
    def _make_calls() -> FileSystemCalls:
        return WriteThroughCalls()

    def _started(self, root: int) -> None:
        """Hook for doubles, before the first call."""

    @property
    def direct_io(self) -> bool:
        """Whether fragments are written around the page cache."""
        return self._writer.direct_io

    @property
    def path(self) -> str:
        """Where the disk was opened; for messages."""
        return self._handle.path

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        check_name(name)
        folder, leaf = folder_of(name), name.rpartition("/")[2]
        with (
            Use(self._handle, f"put {name}"),
            self._folders.borrow(TMP_FOLDER) as tmp,
            self._made_folder(folder) as target,
        ):
            temp_name = f"{next(self._temp_numbers):x}.{leaf}"[:200]
            with self._writer.written(tmp, temp_name, parts):
                self._calls.rename_new(tmp, temp_name, target, leaf)

    def sync(self, names: Iterable[str]) -> None:
        folders = {folder_of(name) for name in names}
        with Use(self._handle, "sync"):
            for folder in sorted(folders):
                self._sync_folder(folder)

    def _sync_folder(self, folder: str) -> None:
        """Flush *folder*, and what leads to it unless that was done before."""
        self._flush_folder(folder)
        for inner in folder_chain(folder):
            if inner in self._anchored:
                break
            self._flush_folder(folder_of(inner))
            with self._anchored_lock:
                if len(self._anchored) >= _ANCHORED_MAX:
                    self._anchored.clear()
                self._anchored.add(inner)

    def _flush_folder(self, folder: str) -> None:
        with self._folders.borrow(folder) as descriptor:
            self._calls.fsync_folder(descriptor)

    def get(self, name: str, *, offset: int, length: int) -> memoryview:
        with Use(self._handle, name):
            is_long = length >= DIRECT_READ_BYTES_MIN
            if self._writer.direct_io and (is_long or self._is_apart(name, offset, length)):
                with self._direct_files.borrow(name) as descriptor:
                    return read_direct(descriptor, offset=offset, length=length)
            with self._files.borrow(name) as descriptor:
                if length >= DIRECT_READ_BYTES_MIN:
                    # Memory is taken before the read: never more than there is.
                    length = max(0, min(length, os.fstat(descriptor).st_size - offset))
                return memoryview(os.pread(descriptor, length, offset))

    def _is_apart(self, name: str, offset: int, length: int) -> bool:
        """Whether a read is neither at the beginning nor where the last one of *name* ended."""
        is_apart = offset not in (0, self._ends.get(name))
        if len(self._ends) >= _ENDS_MAX:
            self._ends.clear()
        self._ends[name] = offset + length
        return is_apart

    def _open_file(self, name: str, flags: int) -> int:
        self.stat(name)  # A FIFO or a directory of this name is no file: absent.
        with Use(self._handle, name) as root:
            try:
                # A read must not make the disk write when it was: that takes a turn
                # in its journal, for which the first read of a file waited up to 10 ms.
                return os.open(name, FILE_FLAGS | flags | os.O_NOATIME, dir_fd=root)
            except PermissionError:  # The files are somebody else's.
                return os.open(name, FILE_FLAGS | flags, dir_fd=root)

    def stat(self, name: str) -> StoredName:
        check_name(name)
        with Use(self._handle, name) as root:
            facts = os.stat(name, dir_fd=root, follow_symlinks=False)
        if not stat_bits.S_ISREG(facts.st_mode):
            raise NameAbsentError(f"{name}: not a file")
        return StoredName(name, facts.st_size, facts.st_mtime_ns)

    def delete(self, name: str) -> None:
        check_name(name)
        with (
            Use(self._handle, f"delete {name}"),
            self._folders.borrow(folder_of(name)) as folder,
        ):
            refuse_if_abandoned(name)
            self._calls.unlink(folder, name.rpartition("/")[2])
            self._discard(name)

    def set_aside(self, name: str) -> None:
        check_name(name)
        source_folder, leaf = folder_of(name), name.rpartition("/")[2]
        with (
            self._aside_lock,
            Use(self._handle, f"set aside {name}"),
            self._folders.borrow(source_folder) as source,
            self._made_folder(QUARANTINE_FOLDER) as quarantine,
        ):
            # One that hangs in its rename keeps the lock: else a second would
            # make the name free for good bytes, which the first took away late.
            refuse_if_abandoned(name)
            for sequence in itertools.count():
                new_leaf = quarantine_name(name, sequence).rpartition("/")[2]
                try:
                    self._calls.rename_new(source, leaf, quarantine, new_leaf)
                except FileExistsError:
                    continue
                break
            self._discard(name)
            # First the new name: a power cut in between shows both, never none.
            self._sync_folder(QUARANTINE_FOLDER)
            self._sync_folder(source_folder)

    def list(self, prefix: str) -> Iterator[StoredName]:
        if prefix:
            check_name(prefix)
        folders = [prefix]
        while folders:
            folder = folders.pop()
            names, inner = self._read_folder(folder)
            folders += reversed(inner)
            yield from names

    def _read_folder(self, folder: str) -> tuple[builtins.list[StoredName], builtins.list[str]]:
        """Return the files of *folder* and the folders in it, both sorted."""
        names: builtins.list[StoredName] = []
        inner: builtins.list[str] = []
        base = f"{folder}/" if folder else ""
        try:
            with (
                Use(self._handle, f"list {folder}") as root,
                self._folder(root, folder) as descriptor,
                os.scandir(descriptor) as entries,
            ):
                for entry in entries:
                    if not folder and entry.name in _HIDDEN:
                        continue
                    try:
                        facts = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # Deleted while we looked.
                    if stat_bits.S_ISDIR(facts.st_mode):
                        inner.append(base + entry.name)
                    elif stat_bits.S_ISREG(facts.st_mode):
                        found = StoredName(base + entry.name, facts.st_size, facts.st_mtime_ns)
                        names.append(found)
        except NameAbsentError:
            return [], []
        return sorted(names, key=lambda one: one.name), sorted(inner)

    def capacity(self) -> Capacity:
        with Use(self._handle, "capacity") as root:
            facts = os.fstatvfs(root)
            group = str(os.fstat(root).st_dev)
        return Capacity(facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize, group)

    def check_presence(self) -> None:
        with Use(self._handle, f"presence of {self.path}") as root:
            try:
                facts = os.stat(self.path)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise DeviceGoneError(f"{self.path}: missing") from error
            if (facts.st_dev, facts.st_ino) != self._handle.identity:
                raise DeviceGoneError(f"{self.path}: another directory is there now")
            try:
                label = read_label(root)
            except OSError as error:
                raise DeviceGoneError(f"{self.path}: its label cannot be read") from error
        if self._expect_label is not None and not self._expect_label(label):
            raise DeviceGoneError(f"{self.path}: another label is there now")

    def get_label(self) -> bytes:
        with Use(self._handle, LABEL_NAME) as root:
            return read_label(root)

    def set_label(self, data: bytes) -> None:
        with (
            # A label that hangs in its rename must not come to lie over a newer one.
            self._label_lock,
            Use(self._handle, LABEL_NAME) as root,
            self._folders.borrow(TMP_FOLDER) as tmp,
        ):
            temp_name = f"{next(self._temp_numbers):x}.label"
            with self._writer.written(tmp, temp_name, [data]):
                self._calls.rename_over(tmp, temp_name, root, LABEL_NAME)
            self._calls.fsync_folder(root)

    def journal_put(self, generation: Generation, epoch: Epoch, payload: bytes) -> None:
        self._journal.put(generation, epoch, payload)

    def journal_list(self, start: Generation) -> Iterator[JournalEntry | JournalGap]:
        return self._journal.entries(start)

    def journal_trim(self, below: Generation) -> None:
        self._journal.trim(below)

    def journal_set_aside(self, start: Generation) -> int:
        return self._journal.set_aside(start)

    def _discard(self, name: str) -> None:
        self._files.discard(name)
        self._direct_files.discard(name)

    def close(self) -> None:
        self._files.close()
        self._direct_files.close()
        self._folders.close()
        self._journal.close()
        self._handle.close()

    def _open_folder(self, folder: str) -> int:
        root = self._handle.enter()
        try:
            return open_folder(root, folder)
        finally:
            self._handle.leave()

    @contextmanager
    def _folder(self, root: int, folder: str) -> Iterator[int]:
        """Give *folder* by a descriptor of its own: a listing moves its position."""
        descriptor = open_folder(root, folder)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _made_folder(self, folder: str) -> Iterator[int]:
        """Give *folder*, made with all above it when it is absent."""
        with ExitStack() as stack:
            try:
                descriptor = stack.enter_context(self._folders.borrow(folder))
            except FileNotFoundError:
                for outer in reversed(folder_chain(folder)):
                    with self._folders.borrow(folder_of(outer)) as parent:
                        self._calls.make_folder(parent, outer.rpartition("/")[2])
                descriptor = stack.enter_context(self._folders.borrow(folder))
            yield descriptor
