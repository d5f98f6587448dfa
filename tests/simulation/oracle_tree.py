"""The tree of one program, as plain as it can be: names, modes, attributes, bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.ids import ROOT_INODE, InodeId


@dataclass(slots=True, kw_only=True, eq=False)
class Node:
    """A file (``data``) or a directory (``entries``); ``mode`` is its permission bits."""

    inode_id: InodeId
    is_directory: bool
    mode: int
    data: bytes = b""
    entries: dict[str, Node] = field(default_factory=dict)
    xattrs: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name with its inode, as a root has them."""

    path: str
    inode_id: InodeId
    is_directory: bool
    mode: int
    nlink: int
    xattrs: tuple[tuple[str, bytes], ...]

    def __str__(self) -> str:
        xattrs = "".join(f" {name}={value!r}" for name, value in self.xattrs)
        return f"{self.path!r} inode {self.inode_id} {self.mode:o} x{self.nlink}{xattrs}"


Picture = tuple[Entry, ...]
"""All names with their attributes, sorted by path; the root's path is empty."""


class Tree:
    """Directories and files below one root."""

    def __init__(self) -> None:
        self.root = Node(inode_id=ROOT_INODE, is_directory=True, mode=0o755)

    def at(self, path: str) -> Node:
        """Return what *path* names, the root for an empty one; KeyError if nothing."""
        found = self.root
        for name in path.split("/") if path else ():
            found = found.entries[name]
        return found

    def named(self) -> dict[str, Node]:
        """Return every path and what it names, sorted, the root first."""
        found = {"": self.root}

        def walk(folder: Node, prefix: str) -> None:
            for name, node in folder.entries.items():
                found[prefix + name] = node
                walk(node, f"{prefix}{name}/")

        walk(self.root, "")
        return dict(sorted(found.items()))

    def picture(self) -> Picture:
        """Return what a root committed now would show."""
        named = self.named()
        names = dict[InodeId, int]()
        for node in named.values():
            names[node.inode_id] = names.get(node.inode_id, 0) + 1
        return tuple(
            Entry(
                path=path,
                inode_id=node.inode_id,
                is_directory=node.is_directory,
                mode=node.mode,
                nlink=2 + _folders_in(node) if node.is_directory else names[node.inode_id],
                xattrs=tuple(sorted(node.xattrs.items())),
            )
            for path, node in named.items()
        )

    def paths(self, *, directories: bool) -> Iterator[str]:
        """Yield the paths of all directories but the root, or of all files."""
        for path, node in self.named().items():
            if path and node.is_directory is directories:
                yield path


def _folders_in(folder: Node) -> int:
    return sum(1 for node in folder.entries.values() if node.is_directory)
