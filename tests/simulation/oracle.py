"""What a pool may show after a power cut, told from a plain tree and a list of positions (P2).

The history of one program: each operation with the position of the recording
where it began, and each acknowledgement with the position where it was heard.
A state cut at some position must show the names and attributes after one
operation that had begun, none older than what was acknowledged; and in each
file bytes that go with that very moment, none older than its own fsync.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from engine.ids import InodeId
from tests.simulation.oracle_content import (
    ContentChange,
    Resized,
    Written,
    content_after,
    is_possible,
)
from tests.simulation.oracle_tree import Node, Picture, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTree:
    """What a recovered pool shows: names, and the bytes of each file by inode."""

    picture: Picture
    contents: Mapping[InodeId, bytes]


@dataclass(slots=True, kw_only=True)
class Operation:
    """One call of the program; ``after`` is what its root would show."""

    number: int
    text: str
    begun: int
    after: Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Heard at *position*: names up to *number* are safe, and bytes of *inodes*.

    ``inodes`` is None when all bytes are.
    """

    position: int
    number: int
    inodes: frozenset[InodeId] | None


@dataclass(slots=True, kw_only=True)
class _FileHistory:
    changes: list[ContentChange] = field(default_factory=list)
    carried: list[int] = field(default_factory=list)
    """Operations that bring the bytes into their own root: renames over a name."""


class History:
    """The tree a program sees, and everything that was done to it."""

    def __init__(self, *, split_bytes: int | None = None) -> None:
        """Writes of more than *split_bytes* may arrive in part; None: no write may."""
        self.tree = Tree()
        self.operations: list[Operation] = []
        self.acknowledgements: list[Acknowledgement] = []
        self._files: dict[InodeId, _FileHistory] = {}
        self._split_bytes = split_bytes
        self.begin("create the pool", 0)
        self.done()
        self.acknowledge(0)

    # What the program does

    @property
    def number(self) -> int:
        """Number of the newest operation."""
        return len(self.operations) - 1

    def begin(self, text: str, position: int) -> None:
        """Note that an operation begins; the tree changes before ``done``."""
        self.operations.append(
            Operation(number=len(self.operations), text=text, begun=position, after=())
        )

    def done(self) -> None:
        """Take the tree as what the newest operation left."""
        self.operations[-1].after = self.tree.picture()

    def acknowledge(self, position: int, node: Node | None = None) -> None:
        """Note that a sync returned: of everything, or of *node*'s bytes and all names."""
        inodes = None if node is None else frozenset([node.inode_id])
        self.acknowledgements.append(
            Acknowledgement(position=position, number=self.number, inodes=inodes)
        )

    def made(self, folder: Node, name: str, node: Node) -> None:
        """The newest operation put the new *node* into *folder*."""
        folder.entries[name] = node
        if not node.is_directory:
            self._files[node.inode_id] = _FileHistory()

    def wrote(self, node: Node, offset: int, data: bytes) -> None:
        """The newest operation wrote *data* at *offset* (bytes)."""
        self._change(node, Written(number=self.number, offset=offset, data=data))

    def resized(self, node: Node, size: int) -> None:
        """The newest operation made *node* *size* bytes long."""
        self._change(node, Resized(number=self.number, before=len(node.data), size=size))

    def _change(self, node: Node, change: ContentChange) -> None:
        changes = self._files[node.inode_id].changes
        changes.append(change)
        node.data = content_after(changes)

    def carried(self, node: Node) -> None:
        """The newest operation brings *node*'s bytes along."""
        self._files[node.inode_id].carried.append(self.number)

    # What a state may show

    def contradictions(self, found: FoundTree, position: int) -> list[str]:
        """Return what no cut at *position* may leave, as sentences; empty if all is well."""
        low = max(one.number for one in self._heard(position))
        high = max(one.number for one in self.operations if one.begun <= position)
        moments = range(low, high + 1)
        fitting = [n for n in moments if self.operations[n].after == found.picture]
        if not fitting:
            return [self._no_moment(found.picture, low, high)]
        told: list[str] = []
        for moment in reversed(fitting):
            wrong = list(self._wrong_contents(found, position, moment))
            if not wrong:
                return []
            told = told or wrong
        return told

    def _heard(self, position: int) -> list[Acknowledgement]:
        return [one for one in self.acknowledgements if one.position <= position]

    def _wrong_contents(self, found: FoundTree, position: int, moment: int) -> Iterator[str]:
        heard = self._heard(position)
        for inode_id, content in found.contents.items():
            file = self._files[inode_id]
            safe = [one.number for one in heard if one.inodes is None or inode_id in one.inodes] + [
                number for number in file.carried if number <= moment
            ]
            floor = max(safe, default=0)
            if not is_possible(
                content, file.changes, floor=floor, ceiling=moment, split_bytes=self._split_bytes
            ):
                yield (
                    f"inode {inode_id} holds {_shown(content)}, which it never held between"
                    f" {self._named(floor)} and {self._named(moment)}"
                )

    def _no_moment(self, picture: Picture, low: int, high: int) -> str:
        for operation in reversed(self.operations):
            if operation.after == picture:
                return (
                    f"names and attributes are those after {self._named(operation.number)},"
                    f" wanted one of {self._named(low)} … {self._named(high)}"
                )
        wanted = self.operations[low].after
        missing = [str(one) for one in wanted if one not in picture]
        surplus = [str(one) for one in picture if one not in wanted]
        return (
            f"names and attributes are those of no moment between {self._named(low)} and"
            f" {self._named(high)}: against the first, without {missing} but with {surplus}"
        )

    def _named(self, number: int) -> str:
        return f"{number} ({self.operations[number].text})"


def _shown(content: bytes) -> str:
    return f"{len(content)} bytes {content[:24]!r}" + ("…" if len(content) > 24 else "")
