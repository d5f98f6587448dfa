"""The bytes of one file, in pages, without those that are zero.

So a preallocated journal costs what was written into it, in memory and in the
directories that are built.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from tests.simulation.events import ContentEvent, Reserved, Resized, Written

PAGE_BYTES: Final = 4096
_ZEROS: Final = bytes(PAGE_BYTES)
_PAGES_PER_CALL_MAX: Final = 512


@dataclass(slots=True)
class Content:
    """A sparse file. ``pages`` are whole ones by their number; absent ones are zeros."""

    length_bytes: int = 0
    pages: dict[int, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, *runs: tuple[int, bytes], length_bytes: int = 0) -> Self:
        """Return a content that holds *runs*, bytes by their offset, and is at least
        *length_bytes* long."""
        content = cls()
        for offset, data in runs:
            content.write(offset, data)
        content.lengthen(length_bytes)
        return content

    def copy(self) -> Content:
        """Return one that changes by itself; the pages are shared."""
        return Content(self.length_bytes, self.pages.copy())

    def apply(self, event: ContentEvent) -> None:
        """Change as *event* did."""
        match event:
            case Written(_, offset, data):
                self.write(offset, data)
            case Resized(_, length):
                self.resize(length)
            case Reserved(_, length):
                self.lengthen(length)

    def write(self, offset_bytes: int, data: bytes) -> None:
        """Put *data* from *offset_bytes* on."""
        view = memoryview(data)
        offset = offset_bytes
        while view:
            number, start = divmod(offset, PAGE_BYTES)
            part = view[: PAGE_BYTES - start]
            if len(part) == PAGE_BYTES:
                page = bytes(part)
            else:
                old = self.pages.get(number, _ZEROS)
                page = b"".join((old[:start], part, old[start + len(part) :]))
            self._put(number, page)
            offset += len(part)
            view = view[len(part) :]
        self.lengthen(offset)

    def _put(self, number: int, page: bytes) -> None:
        if page == _ZEROS:
            self.pages.pop(number, None)
        else:
            self.pages[number] = page

    def lengthen(self, length_bytes: int) -> None:
        """Be at least *length_bytes* long; what is new is zero."""
        self.length_bytes = max(self.length_bytes, length_bytes)

    def resize(self, length_bytes: int) -> None:
        """Be *length_bytes* long; what is cut off is zero should it come back."""
        if length_bytes < self.length_bytes:
            last, kept = divmod(length_bytes, PAGE_BYTES)
            for number in [one for one in self.pages if one >= last + (kept > 0)]:
                del self.pages[number]
            if last in self.pages:
                self._put(last, self.pages[last][:kept] + _ZEROS[kept:])
        self.length_bytes = length_bytes

    def data(self) -> bytes:
        """Return all of it; for small ones."""
        count = -(-self.length_bytes // PAGE_BYTES)
        pages = (self.pages.get(number, _ZEROS) for number in range(count))
        return b"".join(pages)[: self.length_bytes]

    def store(self, descriptor: int) -> None:
        """Write it into the empty file *descriptor*, sparse."""
        for first, pages in self._runs():
            os.pwritev(descriptor, pages, first * PAGE_BYTES)
        os.ftruncate(descriptor, self.length_bytes)

    def _runs(self) -> Iterator[tuple[int, list[bytes]]]:
        """Give the pages in order, neighbours together, with the number of the first."""
        first, run = 0, list[bytes]()
        for number in sorted(self.pages):
            if number != first + len(run) or len(run) == _PAGES_PER_CALL_MAX:
                if run:
                    yield first, run
                first, run = number, []
            run.append(self.pages[number])
        if run:
            yield first, run


def read_runs(path: Path) -> tuple[tuple[int, bytes], ...]:
    """Return what the file at *path* holds, by offset, without its holes."""
    runs = list[tuple[int, bytes]]()
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        stop, length = 0, os.fstat(descriptor).st_size
        while stop < length:
            try:
                start = os.lseek(descriptor, stop, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break  # Only a hole is left.
            stop = os.lseek(descriptor, start, os.SEEK_HOLE)
            runs.append((start, os.pread(descriptor, stop - start, start)))
    finally:
        os.close(descriptor)
    return tuple(runs)
