"""A tree in memory: what the engine must show, and what may be left after a crash."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.ids import ROOT_INODE, InodeId


@dataclass
class Node:
    """A file (``data``) or a directory (``entries``)."""

    inode_id: InodeId
    is_directory: bool
    data: bytes = b""
    entries: dict[bytes, Node] = field(default_factory=dict)
    xattrs: dict[bytes, bytes] = field(default_factory=dict)
    states: list[bytes] = field(default_factory=lambda: [b""])
    """Every content a crash may leave, oldest first; fsync leaves only the last."""

    def become(self, data: bytes) -> None:
        """Change the content."""
        self.data = data
        if data != self.states[-1]:
            self.states.append(data)

    def cut(self, size: int) -> None:
        """Shorten: names and sizes are committed apart from accepted bytes."""
        for state in list(self.states):
            if state[:size] not in self.states:
                self.states.append(state[:size])
        self.become(self.data[:size])

    def settle(self) -> None:
        """The content is safe: no older one may come back."""
        self.states = [self.data]


@dataclass(frozen=True)
class Snapshot:
    """The name space at one moment, as a committed root would have it."""

    names: tuple[tuple[bytes, InodeId, bool], ...]
    xattrs: tuple[tuple[InodeId, tuple[tuple[bytes, bytes], ...]], ...]
    carried: tuple[tuple[InodeId, int], ...]
    """Files whose content came with a rename, and which of their states it was."""


class ModelTree:
    """Directories and files below one root."""

    def __init__(self) -> None:
        self.root = Node(ROOT_INODE, is_directory=True)

    def directories(self) -> list[Node]:
        """Return every directory, the root first."""
        found, waiting = [], [self.root]
        while waiting:
            node = waiting.pop(0)
            found.append(node)
            waiting += [one for _, one in sorted(node.entries.items()) if one.is_directory]
        return found

    def files(self) -> list[Node]:
        """Return every file that has a name, once."""
        found: dict[InodeId, Node] = {}
        for directory in self.directories():
            for _, node in sorted(directory.entries.items()):
                if not node.is_directory:
                    found[node.inode_id] = node
        return list(found.values())

    def links(self, node: Node) -> int:
        """Return the link count POSIX wants."""
        if node.is_directory:
            return 2 + sum(1 for one in node.entries.values() if one.is_directory)
        return sum(
            one is node for directory in self.directories() for one in directory.entries.values()
        )

    def is_inside(self, node: Node, directory: Node) -> bool:
        """Whether *node* is *directory* or below it."""
        return node is directory or any(
            self.is_inside(node, one) for one in directory.entries.values() if one.is_directory
        )

    def paths(self) -> list[tuple[bytes, InodeId, bool]]:
        """Return every (path, inode, is directory), sorted."""
        found: list[tuple[bytes, InodeId, bool]] = []

        def walk(directory: Node, prefix: bytes) -> None:
            for name, node in directory.entries.items():
                found.append((prefix + name, node.inode_id, node.is_directory))
                if node.is_directory:
                    walk(node, prefix + name + b"/")

        walk(self.root, b"")
        return sorted(found)

    def nodes(self) -> dict[InodeId, Node]:
        """Return every node with a name, and the root."""
        return {one.inode_id: one for one in [*self.directories(), *self.files()]}

    def snapshot(self, carried: dict[InodeId, int]) -> Snapshot:
        """Return what a root committed now would show."""
        return Snapshot(
            names=tuple(self.paths()),
            xattrs=tuple(
                (inode, tuple(sorted(node.xattrs.items())))
                for inode, node in sorted(self.nodes().items())
                if node.xattrs
            ),
            carried=tuple(sorted(carried.items())),
        )
