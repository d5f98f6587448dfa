"""A bounded set of open descriptors, so that a read or a put costs no ``open``."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType
from typing import Final

OPEN_FILES_MAX: Final = 64
"""Descriptors one disk keeps beyond those in use this moment."""


class _OpenFile:
    """A descriptor, how many reads use it, and whether it is still wanted."""

    __slots__ = ("descriptor", "kept", "users")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.users = 1
        self.kept = False


class Borrowed:
    """A descriptor that stays open inside the block."""

    __slots__ = ("_file", "_files", "_name")

    def __init__(self, files: OpenFiles, name: str) -> None:
        self._files = files
        self._name = name

    def __enter__(self) -> int:
        self._file = self._files.take(self._name)
        return self._file.descriptor

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.give_back(self._file)


class OpenFiles:
    """Least recently used descriptors by name. Thread-safe.

    The lock is never held across a system call that can wait for the disk.
    """

    def __init__(self, opener: Callable[[str], int], *, count_max: int = OPEN_FILES_MAX) -> None:
        self._opener = opener
        self._count_max = count_max
        self._lock = threading.Lock()
        self._files: OrderedDict[str, _OpenFile] = OrderedDict()
        self._discards = 0

    def __len__(self) -> int:
        return len(self._files)

    def borrow(self, name: str) -> Borrowed:
        """Give a descriptor of *name* that stays open inside the block."""
        return Borrowed(self, name)

    def take(self, name: str) -> _OpenFile:
        """Return the file, open until ``give_back``; ``borrow`` does both."""
        with self._lock:
            file = self._files.get(name)
            # A file removed behind our back would stay readable, and look intact, for good.
            if file is not None and os.fstat(file.descriptor).st_nlink:
                self._files.move_to_end(name)
                file.users += 1
                return file
            evicted = self._drop(self._files.pop(name)) if file is not None else []
            discards = self._discards
        for descriptor in evicted:
            os.close(descriptor)
        file = _OpenFile(self._opener(name))
        evicted = []
        with self._lock:
            # A name discarded while we opened it may be another file by now:
            # this read may finish with what it has, the next opens again.
            if discards == self._discards and name not in self._files:
                file.kept = True
                self._files[name] = file
                while len(self._files) > self._count_max:
                    evicted += self._drop(self._files.popitem(last=False)[1])
        for descriptor in evicted:
            os.close(descriptor)
        return file

    @staticmethod
    def _drop(file: _OpenFile) -> list[int]:
        """Return what the caller must close after it let go of the lock.

        A file in use is closed by its last reader instead, never by both.
        """
        file.kept = False
        return [] if file.users else [file.descriptor]

    def give_back(self, file: _OpenFile) -> None:
        """End one use; the last one of a file that is not kept closes it."""
        with self._lock:
            file.users -= 1
            last = file.users == 0 and not file.kept
        if last:
            os.close(file.descriptor)

    def discard(self, name: str) -> None:
        """Forget *name*, which was removed or renamed."""
        with self._lock:
            self._discards += 1
            file = self._files.pop(name, None)
            idle = self._drop(file) if file is not None else []
        for descriptor in idle:
            os.close(descriptor)

    def close(self) -> None:
        """Forget all; descriptors in use are closed by their last reader.

        A call that is still under way may open one more, and closes it itself.
        """
        with self._lock:
            self._count_max = 0
            self._discards += 1
            idle = [one for file in self._files.values() for one in self._drop(file)]
            self._files.clear()
        for descriptor in idle:
            os.close(descriptor)
