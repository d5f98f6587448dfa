"""The journal of a directory disk: root records in preallocated files (DESIGN 5).

An append is one write and one fdatasync. The file is filled with zeros a step
ahead of the frames: a flush then need not turn unwritten extents into written
ones, which made 4 KiB appends a third faster where it was measured.

An append that failed closes its file for appends, since nobody knows what the
disk holds then; the next record begins a new file.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Final

from engine.device.abandonment import refuse_if_abandoned
from engine.device.calls import FileSystemCalls
from engine.device.direct_io import forget_pages
from engine.device.disk_handle import FILE_FLAGS, DiskHandle, Use, open_folder
from engine.device.journal_files import (
    Event,
    FileContents,
    JournalFile,
    clusters,
    cut_offset,
    file_events,
    file_name,
    merged,
    named_generation,
    stale_names,
    survey,
)
from engine.device.names import JOURNAL_FOLDER
from engine.device.protocol import JournalEntry, JournalGap
from engine.errors import NameTakenError
from engine.format.journal import encode_frame
from engine.ids import Epoch, Generation
from engine.limits import JOURNAL_FILE_BYTES
from engine.units import KIB, MIB, align_up

STALE_KEPT: Final = 2
"""Files of records that were set aside and are kept."""

_ZERO_STEP: Final = MIB
_ZEROS: Final = bytes(_ZERO_STEP)

_ZERO_AHEAD_FRAME_MAX: Final = 64 * KIB
"""Larger frames come rarely, and zeros would be written for nothing."""

assert JOURNAL_FILE_BYTES % _ZERO_STEP == 0


class DirectoryJournal:
    """Appends, lists, trims and sets aside root records. Thread-safe.

    One lock orders all changes; listing holds it only to see which files there
    are. A call that was given up while it waited for the lock changes nothing:
    those behind it may have begun anew what it was to do. Memory is a few
    hundred bytes for each file, and one file's content while it is read.
    """

    def __init__(self, handle: DiskHandle, calls: FileSystemCalls) -> None:
        self._handle = handle
        self._calls = calls
        self._lock = threading.Lock()
        self._files: list[JournalFile] | None = None
        self._current: JournalFile | None = None  # The last of _files, if open.
        self._descriptor = -1
        self._zeroed_to = 0
        self._may_resume = True

    def put(self, generation: Generation, epoch: Epoch, payload: bytes) -> None:
        """Append one record; see ``Device.journal_put``."""
        with self._lock, Use(self._handle, f"journal {generation}") as root:
            refuse_if_abandoned(f"journal {generation}")
            folder = open_folder(root, JOURNAL_FOLDER)
            try:
                files = self._surveyed(folder)
                if self._is_present(folder, files, JournalEntry(generation, epoch, payload)):
                    return
                frame = encode_frame(generation, epoch, payload)
                if not self._has_room(folder, files, generation, len(frame)):
                    self._begin_file(folder, files, generation, frame)
                else:
                    self._append(generation, frame)
            finally:
                os.close(folder)
                if self._handle.closed:
                    self._end_appending()

    def entries(self, start: Generation) -> Iterator[Event]:
        """Yield records of at least *start* in order; see ``Device.journal_list``."""
        with self._lock, Use(self._handle, "journal") as root:
            folder = open_folder(root, JOURNAL_FOLDER)
            try:
                files = [replace(file) for file in self._surveyed(folder)]
            finally:
                os.close(folder)
        yield from self._events(files, start)

    def _events(self, files: list[JournalFile], start: Generation) -> Iterator[Event]:
        rotten_after: Generation | None = None
        contents = FileContents()
        for group in clusters(files):
            if rotten_after is not None and group[0].first > rotten_after + 1:
                yield JournalGap(rotten_after)
            rotten_after = group[-1].last if group[-1].rotten_tail else None
            if rotten_after is not None and rotten_after < start - 1:
                rotten_after = None
            if max(file.last for file in group) < start:
                continue
            for event in merged(self._group_events(group, contents)):
                number = event.after + 1 if isinstance(event, JournalGap) else event.generation
                if number >= start:
                    yield event

    def _group_events(self, group: list[JournalFile], contents: FileContents) -> Iterator[Event]:
        for file in group:
            with Use(self._handle, "journal") as root:
                folder = open_folder(root, JOURNAL_FOLDER)
                try:
                    data = contents.read(folder, file.name, end=file.end)
                except FileNotFoundError:
                    continue  # Trimmed while we read the ones before.
                finally:
                    os.close(folder)
            yield from file_events(file, data)

    def trim(self, below: Generation) -> None:
        """Drop files wholly under *below*; see ``Device.journal_trim``."""
        with self._lock, Use(self._handle, "trim the journal") as root:
            refuse_if_abandoned("trim the journal")
            folder = open_folder(root, JOURNAL_FOLDER)
            try:
                files = self._surveyed(folder)
                known = {file.name: file.last for file in files}
                for name in _journal_names(folder):
                    last = known.get(name, named_generation(name))
                    if last is not None and last < below:
                        self._drop(folder, files, name)
            finally:
                os.close(folder)

    def set_aside(self, start: Generation) -> int:
        """Move records from *start* on away; see ``Device.journal_set_aside``.

        The new file is durable before the old ones are cut: a power cut in
        between leaves both, and setting aside again is harmless.
        """
        with self._lock, Use(self._handle, "set the journal aside") as root:
            # Late, it would take away roots that were sent again and count by now.
            refuse_if_abandoned("set the journal aside")
            folder = open_folder(root, JOURNAL_FOLDER)
            try:
                files = self._surveyed(folder)
                stale = self._write_stale(folder, files, start)
                if stale:
                    # Later files go first, so that a power cut leaves a beginning.
                    for name in [file.name for file in reversed(files) if file.first >= start]:
                        self._drop(folder, files, name)
                    self._calls.fsync_folder(folder)
                    for file in [file for file in files if file.last >= start]:
                        self._cut(folder, files, file, start)
                    self._forget_stale(folder)
                return stale
            finally:
                os.close(folder)

    def close(self) -> None:
        """Close the file that is open for appends, unless a call is stuck in it."""
        if self._lock.acquire(blocking=False):
            try:
                self._end_appending()
            finally:
                self._lock.release()

    def _surveyed(self, folder: int) -> list[JournalFile]:
        """Return the files with frames, sorted; the first time, read them all.

        What a killed process left in the page cache is flushed before it is
        counted as present, and read again from the disk.
        """
        if self._files is None:
            files = []
            contents = FileContents()
            for name in _journal_names(folder):
                descriptor = os.open(name, FILE_FLAGS, dir_fd=folder)
                try:
                    self._calls.fdatasync(descriptor)
                    forget_pages(descriptor)
                finally:
                    os.close(descriptor)
                file = survey(name, contents.read(folder, name))
                if file is not None:
                    files.append(file)
            if files:
                self._calls.fsync_folder(folder)
            self._files = files
        return self._files

    def _is_present(self, folder: int, files: list[JournalFile], entry: JournalEntry) -> bool:
        """Whether the very same record is there already.

        Raises:
            NameTakenError: its generation is there with other bytes or epoch.
        """
        holders = [file for file in files if file.first <= entry.generation <= file.last]
        events = [
            event
            for file in holders
            for event in file_events(file, FileContents().read(folder, file.name, end=file.end))
        ]
        for event in merged(events):
            if isinstance(event, JournalEntry) and event.generation == entry.generation:
                if event == entry:
                    return True
                raise NameTakenError(f"generation {entry.generation} is present and differs")
        return False

    def _has_room(
        self, folder: int, files: list[JournalFile], generation: Generation, length_bytes: int
    ) -> bool:
        """Whether the last file is open and takes the frame behind its others."""
        if self._current is None and self._may_resume and files:
            self._resume(folder, files[-1])
        self._may_resume = False
        if self._current is None or generation <= self._current.last:
            return False
        return self._current.end + length_bytes <= JOURNAL_FILE_BYTES

    def _resume(self, folder: int, file: JournalFile) -> None:
        """Open *file* to go on behind its last frame.

        Whatever a torn write left there goes first: inside a longer new
        frame's place it could pass for a frame some day.
        """
        if file.end >= JOURNAL_FILE_BYTES:
            return
        self._descriptor = os.open(file.name, os.O_RDWR | os.O_CLOEXEC, dir_fd=folder)
        self._current, self._zeroed_to = file, file.end
        try:
            length = os.fstat(self._descriptor).st_size
            if file.rotten_tail:
                self._calls.write(self._descriptor, [bytes(length - file.end)], file.end)
                self._calls.fdatasync(self._descriptor)
                file.rotten_tail = False
                self._zeroed_to = length
        except OSError:
            self._end_appending()
            raise

    def _begin_file(
        self, folder: int, files: list[JournalFile], generation: Generation, frame: bytes
    ) -> None:
        """Make a new file with *frame* in it."""
        self._end_appending()
        name = self._create(folder, generation)
        file = JournalFile(name=name, first=generation, last=generation, end=0, rotten_tail=False)
        self._current, self._zeroed_to = file, 0
        try:
            self._calls.preallocate(self._descriptor, max(JOURNAL_FILE_BYTES, len(frame)))
            self._append(generation, frame)
            self._calls.fsync_folder(folder)
        except OSError:
            self._end_appending()
            # Nothing in it was promised to anyone, and a disk that refuses
            # every append must not fill with such files.
            with suppress(OSError):
                self._calls.unlink(folder, name)
            raise
        files.append(file)
        files.sort(key=lambda one: (one.first, one.name))

    def _create(self, folder: int, generation: Generation) -> str:
        for sequence in itertools.count():
            name = file_name(generation, sequence)
            try:
                self._descriptor = self._calls.create(folder, name, 0)
            except FileExistsError:
                continue
            return name
        raise AssertionError("count() does not end")

    def _append(self, generation: Generation, frame: bytes) -> None:
        """Write *frame* behind the others, and zeros ahead of the next ones."""
        file = self._current
        assert file is not None
        end = file.end + len(frame)
        parts = [memoryview(frame)]
        if len(frame) > _ZERO_AHEAD_FRAME_MAX:
            self._zeroed_to = max(self._zeroed_to, end)
        elif end > self._zeroed_to:
            step = min(align_up(end, _ZERO_STEP), max(JOURNAL_FILE_BYTES, end))
            parts.append(memoryview(_ZEROS)[: step - end])
            self._zeroed_to = step
        try:
            self._calls.write(self._descriptor, parts, file.end)
            self._calls.fdatasync(self._descriptor)
        except OSError:
            self._end_appending()
            file.rotten_tail = True
            raise
        file.end, file.last = end, generation

    def _end_appending(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._current = -1, None

    def _drop(self, folder: int, files: list[JournalFile], name: str) -> None:
        if self._current is not None and self._current.name == name:
            self._end_appending()
        self._calls.unlink(folder, name)
        files[:] = [file for file in files if file.name != name]

    def _write_stale(self, folder: int, files: list[JournalFile], start: Generation) -> int:
        """Copy the records from *start* on to a durable file of their own."""
        moved = offset = 0
        descriptor = -1
        try:
            for event in self._events(files, start):
                if isinstance(event, JournalGap):
                    continue
                if descriptor < 0:
                    descriptor = self._create_stale(folder, event)
                frame = encode_frame(event.generation, event.epoch, event.payload)
                self._calls.write(descriptor, [frame], offset)
                offset += len(frame)
                moved += 1
            if moved:
                self._calls.fdatasync(descriptor)
                self._calls.fsync_folder(folder)
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return moved

    def _create_stale(self, folder: int, first: JournalEntry) -> int:
        for sequence in itertools.count():
            suffix = f"-{sequence}" if sequence else ""
            name = f"stale-{first.epoch}-{first.generation}{suffix}.log"
            try:
                return self._calls.create(folder, name, 0)
            except FileExistsError:
                continue
        raise AssertionError("count() does not end")

    def _forget_stale(self, folder: int) -> None:
        """Keep the newest of what was set aside, for people; the disk must not fill (P8)."""
        for name in stale_names(folder)[:-STALE_KEPT]:
            # What cannot go now goes another time; what is set aside is durable.
            with suppress(OSError):
                self._calls.unlink(folder, name)

    def _cut(
        self, folder: int, files: list[JournalFile], file: JournalFile, start: Generation
    ) -> None:
        """Take the frames from *start* on out of *file*; frames are in order."""
        if file is self._current:
            self._end_appending()
        data = FileContents().read(folder, file.name)
        offset = cut_offset(data, start)
        kept = survey(file.name, data[:offset])
        descriptor = os.open(file.name, os.O_RDWR | os.O_CLOEXEC, dir_fd=folder)
        try:
            self._calls.truncate(descriptor, offset)
            self._calls.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        files[:] = [one for one in files if one.name != file.name]
        if kept is not None:
            files.append(kept)
            files.sort(key=lambda one: (one.first, one.name))


def _journal_names(folder: int) -> list[str]:
    """Return the journal files in their order, without what was set aside.

    What has such a name and is no file holds no record: the others go on, and
    new files take other names.
    """
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if named_generation(entry.name) is not None and entry.is_file(follow_symlinks=False)
        )
