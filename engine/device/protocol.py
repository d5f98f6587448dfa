"""What a disk must do (DESIGN 9). Small, and free of local paths.

Names are ``/``-separated ASCII, relative, such as ``fragments/0/1.1.0``. Every
method is thread-safe and raises only ``DeviceError`` leaves. A device is
opened once; after ``close``, or when its directory went away, every call
raises ``DeviceGoneError``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from engine.ids import Epoch, Generation

Buffer: TypeAlias = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes of the file system below the disk. ``group`` names its device:
    disks of one group share one ``free_bytes``."""

    total_bytes: int
    free_bytes: int
    group: str


@dataclass(frozen=True, slots=True)
class StoredName:
    """A name with its length and the time it was written (epoch nanoseconds)."""

    name: str
    length_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One shipped root record, its frame checked. ``payload`` is the record."""

    generation: Generation
    epoch: Epoch
    payload: bytes


@dataclass(frozen=True, slots=True)
class JournalGap:
    """Rot: frames after ``after`` are unreadable, yet a valid one follows.

    A torn tail (nothing valid follows) is no gap: reading just ends.
    """

    after: Generation


class Device(Protocol):
    """One disk."""

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        """Store the concatenated *parts* under *name*, replacing nothing.

        Written to a temporary name, flushed, read back in part and compared,
        then renamed: after a crash the name holds all or nothing. Durable as
        a name only once ``sync`` with it returned. A failed flush is never
        repeated. *parts* belong to the call until it returns.

        Raises:
            NameTakenError: *name* is taken, and unchanged.
            DeviceError: nothing is stored under *name*.
        """

    def sync(self, names: Iterable[str]) -> None:
        """Make the names durable: each directory touched is flushed once."""

    def get(self, name: str, *, offset: int, length: int) -> memoryview:
        """Return *length* bytes of *name* from *offset*, fewer at its end.

        Raises:
            NameAbsentError: nothing has this name.
        """

    def stat(self, name: str) -> StoredName:
        """Return length and time of *name*; NameAbsentError if nothing has it."""

    def delete(self, name: str) -> None:
        """Remove *name*; NameAbsentError if nothing has it."""

    def set_aside(self, name: str) -> None:
        """Move *name* to the quarantine, out of ``list`` of its folder."""

    def list(self, prefix: str) -> Iterator[StoredName]:
        """Yield every whole name below the folder *prefix*, sorted by folder."""

    def capacity(self) -> Capacity:
        """Return the space of the disk now."""

    def check_presence(self) -> None:
        """Raise DeviceGoneError unless the path still leads to this very disk."""

    def get_label(self) -> bytes:
        """Return the label's bytes as stored."""

    def set_label(self, data: bytes) -> None:
        """Replace the label atomically and durably."""

    def journal_put(self, generation: Generation, epoch: Epoch, payload: bytes) -> None:
        """Append a record, durable when this returns; repeating is harmless.

        Raises:
            NameTakenError: *generation* is present with other bytes or epoch.
        """

    def journal_list(self, start: Generation) -> Iterator[JournalEntry | JournalGap]:
        """Yield the valid records of at least *start* in order, and the gaps."""

    def journal_trim(self, below: Generation) -> None:
        """Drop whole journal files that hold only generations under *below*."""

    def journal_set_aside(self, start: Generation) -> int:
        """Move every record of at least *start* to ``journal/stale-…``.

        Returns how many were moved. Durable when it returns; the generations
        are free for ``journal_put`` afterwards.
        """

    def close(self) -> None:
        """Release the disk; harmless when repeated."""
