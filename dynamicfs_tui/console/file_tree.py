"""The tree of names of the files page: which folders are open, and what is known of them.

Plain values; who fills it is the page. Paths are within the pool, ``/`` its root.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.status.answers import DirectoryEntryView

ENTRIES_MAX: Final = 5_000
"""Names of one folder that are asked for; of larger ones the rest is found by path."""

ROOT: Final = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """One line of the tree: a name, or a note where names would be."""

    path: str
    depth: int
    entry: DirectoryEntryView | None = None
    """``None`` for the root and for a note."""
    is_open: bool = False
    note: str = ""

    @property
    def is_directory(self) -> bool:
        """Whether it can be opened."""
        return not self.note and (self.entry is None or self.entry.is_directory)

    @property
    def key(self) -> str:
        """Unique among the rows; no name holds a NUL."""
        return f"{self.path}\0{self.note}" if self.note else self.path


def child_path(folder: str, name: str) -> str:
    """Return the path of *name* in *folder*.

    >>> child_path("/", "vm"), child_path("/vm", "db.img")
    ('/vm', '/vm/db.img')
    """
    return f"{folder.rstrip('/')}/{name}"


def folders_above(path: str) -> tuple[str, ...]:
    """Return the folders on the way to *path*, the root first.

    >>> folders_above("/vm/a/db.img"), folders_above("/x")
    (('/', '/vm', '/vm/a'), ('/',))
    """
    parts = [part for part in path.split("/") if part][:-1]
    return (ROOT, *("/" + "/".join(parts[: end + 1]) for end in range(len(parts))))


class FileTree:
    """Folders with their entries as far as they were asked for. For the UI thread."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[DirectoryEntryView, ...]] = {}
        self._faults: dict[str, str] = {}
        self._open: set[str] = {ROOT}
        self._rows: tuple[TreeRow, ...] | None = None

    def is_open(self, folder: str) -> bool:
        """Whether the entries of *folder* are among the rows."""
        return folder in self._open

    def is_known(self, folder: str) -> bool:
        """Whether its entries are here already."""
        return folder in self._entries

    def open(self, folder: str) -> None:
        """Show the entries of *folder*."""
        self._open.add(folder)
        self._rows = None

    def close(self, folder: str) -> None:
        """Hide the entries of *folder*; they are asked for anew when it is opened again."""
        self._open.discard(folder)
        self._entries.pop(folder, None)
        self._faults.pop(folder, None)
        self._rows = None

    def fill(self, folder: str, entries: Sequence[DirectoryEntryView]) -> None:
        """Take what the pool answered; folders stand before files, both by name."""
        in_order = sorted(entries, key=lambda entry: (not entry.is_directory, entry.name))
        self._entries[folder] = tuple(in_order)
        self._faults.pop(folder, None)
        self._rows = None

    def refuse(self, folder: str, why: str) -> None:
        """Note that the pool did not answer."""
        self._faults[folder] = why
        self._rows = None

    def rows(self) -> tuple[TreeRow, ...]:
        """Return every line from the top, made anew only when something changed."""
        if self._rows is None:
            top = TreeRow(path=ROOT, depth=0, is_open=ROOT in self._open)
            self._rows = (top, *self._below(ROOT, 1))
        return self._rows

    def _below(self, folder: str, depth: int) -> Iterator[TreeRow]:
        if folder not in self._open:
            return
        if folder in self._faults:
            yield TreeRow(path=folder, depth=depth, note=self._faults[folder])
            return
        if folder not in self._entries:
            yield TreeRow(path=folder, depth=depth, note="loading...")
            return
        entries = self._entries[folder]
        for entry in entries:
            path = child_path(folder, entry.name)
            yield TreeRow(path=path, depth=depth, entry=entry, is_open=path in self._open)
            if entry.is_directory:
                yield from self._below(path, depth + 1)
        if not entries:
            yield TreeRow(path=folder, depth=depth, note="(empty)")
        elif len(entries) >= ENTRIES_MAX:
            yield TreeRow(path=folder, depth=depth, note="more: f finds a path")
