"""A tree in memory: what the engine must show, and what may be left after a crash."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.ids import ROOT_INODE, InodeId


class Times(NamedTuple):
    """The three times of an inode, ns."""

    access: int
    modify: int
    change: int


@dataclass
class Node:
    """Anything that has an inode: ``data`` of a file, ``entries`` of a directory."""

    inode_id: InodeId
    mode: int
    """Type and permissions, as stat(2) has them."""
    uid: int = 0
    gid: int = 0
    rdev: int = 0
    target: bytes = b""
    data: bytes = b""
    entries: dict[bytes, Node] = field(default_factory=dict)
    xattrs: dict[bytes, bytes] = field(default_factory=dict)
    times: Times = Times(0, 0, 0)
    access_times_set: set[int] = field(default_factory=set)
    """What programs set the access time to, ns; a crash may bring any of these back."""
    states: list[bytes] = field(default_factory=lambda: [b""])
    """Every content a crash may leave, oldest first; fsync leaves only the last."""

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

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

    def lose_privileges(self) -> None:
        """A new owner ends suid, and sgid where it means execution."""
        if self.is_directory:
            return
        self.mode &= ~stat.S_ISUID
        if self.mode & stat.S_IXGRP:
            self.mode &= ~stat.S_ISGID

    def facts(self) -> Facts:
        """Return what one committed row of this inode says."""
        xattrs = tuple(sorted(self.xattrs.items()))
        owner = (self.uid, self.gid)
        times = self.times._replace(access=0)
        return Facts(self.inode_id, self.mode, owner, self.rdev, self.target, xattrs, times)


class Facts(NamedTuple):
    """All of an inode but its names, bytes and access time."""

    inode_id: InodeId
    mode: int
    owner: tuple[int, int]
    rdev: int
    target: bytes
    xattrs: tuple[tuple[bytes, bytes], ...]
    times: Times


Names = tuple[tuple[bytes, InodeId, bool], ...]
"""(path, inode, is directory) of everything, sorted."""


@dataclass(frozen=True)
class Snapshot:
    """The name space at one moment, as a committed root would have it."""

    names: Names
    facts: tuple[Facts, ...]
    carried: tuple[tuple[InodeId, int], ...]
    """Files whose content came with a rename, and which of their states it was."""


class ModelTree:
    """Directories and what they hold, below one root."""

    def __init__(self) -> None:
        self.root = Node(ROOT_INODE, stat.S_IFDIR | 0o755)

    def directories(self) -> list[Node]:
        """Return every directory, the root first."""
        found, waiting = [], [self.root]
        while waiting:
            node = waiting.pop(0)
            found.append(node)
            waiting += [one for _, one in sorted(node.entries.items()) if one.is_directory]
        return found

    def others(self) -> list[Node]:
        """Return all that has a name and is no directory, once."""
        found: dict[InodeId, Node] = {}
        for directory in self.directories():
            for _, node in sorted(directory.entries.items()):
                if not node.is_directory:
                    found[node.inode_id] = node
        return list(found.values())

    def files(self) -> list[Node]:
        """Return every regular file that has a name, once."""
        return [node for node in self.others() if node.is_file]

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

    def paths(self) -> Names:
        """Return every (path, inode, is directory), sorted."""
        found: list[tuple[bytes, InodeId, bool]] = []

        def walk(directory: Node, prefix: bytes) -> None:
            for name, node in directory.entries.items():
                found.append((prefix + name, node.inode_id, node.is_directory))
                if node.is_directory:
                    walk(node, prefix + name + b"/")

        walk(self.root, b"")
        return tuple(sorted(found))

    def nodes(self) -> dict[InodeId, Node]:
        """Return every node with a name, and the root."""
        return {one.inode_id: one for one in [*self.directories(), *self.others()]}

    def snapshot(self, carried: dict[InodeId, int]) -> Snapshot:
        """Return what a root committed now would show."""
        return Snapshot(
            names=self.paths(),
            facts=tuple(node.facts() for _, node in sorted(self.nodes().items())),
            carried=tuple(sorted(carried.items())),
        )
