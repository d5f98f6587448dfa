"""A real directory that can lose power; for tests through a real mount.

Beside the kernel's doing, ``ForgetfulCalls`` keeps how to undo each change
that no fdatasync of its file, or fsync of its folder, has made durable yet.
``lose_power`` undoes those, newest first. It is stricter than ext4, as POSIX
allows: a file's flush makes no name durable, the two halves of a rename are
durable one by one, and a folder not flushed into its parent vanishes whole.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from engine.device.calls import FileSystemCalls
from engine.device.directory import DirectoryDevice
from engine.device.disk_handle import Use, open_folder
from engine.device.names import UNDO_FOLDER
from engine.device.protocol import Buffer


@dataclass(frozen=True, slots=True)
class _Undo:
    """How to take back one change of the inode *owner*, a file or a folder.

    ``added`` is the name that came new into a folder, else empty.
    """

    number: int
    owner: int
    revert: Callable[[], None]
    forget: Callable[[], None]
    added: str


def _nothing() -> None:
    """What there is to do where nothing was kept."""


class ForgetfulCalls(FileSystemCalls):
    """The seam with a memory of what is not durable. Thread-safe by one lock."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._undos: list[_Undo] = []
        self._numbers = itertools.count()
        self._descriptors: dict[int, int] = {}
        self._kept = -1
        self._powered = True

    def attach(self, root: int) -> None:
        """Make the place for removed files below the folder *root*."""
        super().make_folder(root, UNDO_FOLDER)
        self._kept = open_folder(root, UNDO_FOLDER)

    def cut_power(self, root: int) -> None:
        """Undo what is not durable; every later step fails with ENODEV."""
        with self._lock:
            self._powered = False
            for undo in reversed(self._undos):
                undo.revert()
            self._undos.clear()
            self.detach(root)

    def detach(self, root: int) -> None:
        """Drop all that was kept, leaving the folder as it is."""
        with self._lock:
            for undo in self._undos:
                undo.forget()
            self._undos.clear()
            for descriptor in self._descriptors.values():
                os.close(descriptor)
            self._descriptors.clear()
            if self._kept >= 0:
                os.close(self._kept)
                self._kept = -1
                os.rmdir(UNDO_FOLDER, dir_fd=root)

    @property
    def volatile_count(self) -> int:
        """How many changes a power cut would undo now."""
        return len(self._undos)

    def _check_power(self) -> None:
        if not self._powered:
            raise OSError(errno.ENODEV, "the power was cut")

    def _remember(
        self,
        owner: int,
        revert: Callable[[], None],
        *,
        forget: Callable[[], None] = _nothing,
        added: str = "",
    ) -> None:
        self._undos.append(_Undo(next(self._numbers), owner, revert, forget, added))

    def _made_durable(self, owner: int) -> None:
        for undo in self._undos:
            if undo.owner == owner:
                undo.forget()
        self._undos = [undo for undo in self._undos if undo.owner != owner]
        descriptor = self._descriptors.pop(owner, -1)
        if descriptor >= 0:
            os.close(descriptor)

    def _own(self, descriptor: int) -> tuple[int, int]:
        """Return inode number and a descriptor of ours that outlives the caller's.

        Holding it open keeps the number from being given to another file.
        """
        inode = os.fstat(descriptor).st_ino
        if inode not in self._descriptors:
            self._descriptors[inode] = os.open(
                f"/proc/self/fd/{descriptor}", self._reopen_flags(descriptor)
            )
        return inode, self._descriptors[inode]

    @staticmethod
    def _reopen_flags(descriptor: int) -> int:
        folder = os.path.isdir(f"/proc/self/fd/{descriptor}")
        return os.O_RDONLY | os.O_DIRECTORY if folder else os.O_RDWR

    def create(self, folder: int, name: str, flags: int) -> int:
        with self._lock:
            self._check_power()
            descriptor = super().create(folder, name, flags)
            self._name_added(folder, name)
            return descriptor

    def preallocate(self, descriptor: int, length_bytes: int) -> None:
        with self._lock:
            self._check_power()
            self._content_changes(descriptor, 0, 0)
            super().preallocate(descriptor, length_bytes)

    def write(self, descriptor: int, parts: Sequence[Buffer], offset: int) -> None:
        with self._lock:
            self._check_power()
            self._content_changes(descriptor, offset, sum(len(part) for part in parts))
            super().write(descriptor, parts, offset)

    def truncate(self, descriptor: int, length_bytes: int) -> None:
        with self._lock:
            self._check_power()
            old = os.fstat(descriptor).st_size
            self._content_changes(descriptor, length_bytes, max(0, old - length_bytes))
            super().truncate(descriptor, length_bytes)

    def _content_changes(self, descriptor: int, offset: int, length_bytes: int) -> None:
        """Keep the length, and what the file holds where it will change."""
        inode, own = self._own(descriptor)
        old_length = os.fstat(own).st_size
        old = os.pread(own, length_bytes, offset)

        def revert() -> None:
            os.ftruncate(own, old_length)
            if old:
                os.pwrite(own, old, offset)

        self._remember(inode, revert)

    def fdatasync(self, descriptor: int) -> None:
        with self._lock:
            self._check_power()
            super().fdatasync(descriptor)
            self._made_durable(os.fstat(descriptor).st_ino)

    def fsync_folder(self, folder: int) -> None:
        with self._lock:
            self._check_power()
            super().fsync_folder(folder)
            self._made_durable(os.fstat(folder).st_ino)

    def make_folder(self, folder: int, name: str) -> None:
        with self._lock:
            self._check_power()
            if name in os.listdir(folder):
                return
            super().make_folder(folder, name)
            inode, own = self._own(folder)
            self._remember(inode, lambda: shutil.rmtree(name, dir_fd=own))

    def rename_new(self, source: int, name: str, target: int, new_name: str) -> None:
        with self._lock:
            self._check_power()
            saved = self._save(source, name)
            try:
                super().rename_new(source, name, target, new_name)
            except OSError:
                os.unlink(saved, dir_fd=self._kept)
                raise
            self._name_added(target, new_name)
            self._name_removed(source, name, saved)

    def rename_over(self, source: int, name: str, target: int, new_name: str) -> None:
        with self._lock:
            self._check_power()
            saved = self._save(source, name)
            replaced = self._save(target, new_name) if new_name in os.listdir(target) else None
            super().rename_over(source, name, target, new_name)
            if replaced is None:
                self._name_added(target, new_name)
            else:
                self._name_removed(target, new_name, replaced)
            self._name_removed(source, name, saved)

    def unlink(self, folder: int, name: str) -> None:
        with self._lock:
            self._check_power()
            saved = self._save(folder, name)
            super().unlink(folder, name)
            self._name_removed(folder, name, saved)

    def _save(self, folder: int, name: str) -> str:
        """Give the file a second, hidden name, so that it can come back."""
        saved = str(next(self._numbers))
        os.link(name, saved, src_dir_fd=folder, dst_dir_fd=self._kept, follow_symlinks=False)
        return saved

    def _name_added(self, folder: int, name: str) -> None:
        inode, own = self._own(folder)

        def revert() -> None:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=own)

        self._remember(inode, revert, added=name)

    def _name_removed(self, folder: int, name: str, saved: str) -> None:
        """Remember that *name* was removed or replaced; it is kept as *saved*."""
        inode, own = self._own(folder)
        for undo in self._undos:
            if undo.owner == inode and undo.added == name:
                # Neither its coming nor its going is durable: as if never there.
                self._undos.remove(undo)
                os.unlink(saved, dir_fd=self._kept)
                return

        def revert() -> None:
            os.rename(saved, name, src_dir_fd=self._kept, dst_dir_fd=own)

        def forget() -> None:
            os.unlink(saved, dir_fd=self._kept)

        self._remember(inode, revert, forget=forget)


class ForgetfulDirectoryDevice(DirectoryDevice):
    """A directory disk with a power switch. What was there at ``open`` is durable.

    After ``lose_power`` the device is gone and the directory is as a disk
    would come back; open it again, with this class or the ordinary one.
    """

    _calls: ForgetfulCalls

    @staticmethod
    def _make_calls() -> ForgetfulCalls:
        return ForgetfulCalls()

    def _started(self, root: int) -> None:
        self._calls.attach(root)

    @property
    def volatile_count(self) -> int:
        """How many changes a power cut would undo now."""
        return self._calls.volatile_count

    def lose_power(self) -> None:
        """Cut the power: the directory is left as only what was flushed made it."""
        with Use(self._handle, "lose power") as root:
            self._calls.cut_power(root)
        super().close()

    def close(self) -> None:
        """Release the disk in good order: everything done counts as durable."""
        if not self._handle.closed:
            with Use(self._handle, "close") as root:
                self._calls.detach(root)
        super().close()
