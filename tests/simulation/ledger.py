"""The one list of events of a world, and which live file is which node.

All that changes a live directory holds ``lock`` over the change and its note,
so the list has the order in which things happened.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from engine.device.names import LOCK_NAME
from engine.pool.config import RESERVE_NAME
from tests.simulation.content import read_runs
from tests.simulation.events import (
    Created,
    Event,
    FlushBegun,
    FlushReturned,
    Found,
    Kind,
    Node,
    Removed,
    Renamed,
    Reserved,
    Resized,
    Written,
)

_SHARED_MEMORY_SUFFIX: Final = "-shm"


class Ledger:
    """Notes what happens below *roots*: the disks' folders, then the pool's."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.lock = threading.RLock()
        self.events: list[Event] = []
        self.roots = tuple(roots)
        self._nodes: dict[tuple[int, int], Node] = {}
        self._names: dict[Node, dict[str, Node]] = {}
        self._contents_told: set[Node] = set()
        self._plain_stamps: dict[Node, tuple[int, int]] = {}
        self._node_count = 0
        for root in roots:
            self._take_in(os.stat(root))

    @property
    def position(self) -> int:
        """How many events there were."""
        return len(self.events)

    @property
    def pool(self) -> Path:
        """The pool directory, the last of the roots."""
        return self.roots[-1]

    @property
    def pool_node(self) -> Node:
        """The pool directory as a node."""
        return Node(len(self.roots) - 1)

    def covers(self, path: str) -> bool:
        """Whether *path* is one of the roots or below one."""
        return any(path == str(root) or path.startswith(f"{root}/") for root in self.roots)

    def note(self, event: Event) -> None:
        """Append *event*."""
        with self.lock:
            self.events.append(event)

    # Nodes

    def _take_in(self, facts: os.stat_result) -> Node:
        """Give the file or folder of *facts* the next number.

        What had its inode number before is gone, or the kernel had not given
        the number again.
        """
        node = Node(self._node_count)
        self._node_count += 1
        self._nodes[facts.st_dev, facts.st_ino] = node
        return node

    def known(self, descriptor: int) -> Node | None:
        """Return the node behind *descriptor*; None when it is none of ours."""
        facts = os.fstat(descriptor)
        return self._nodes.get((facts.st_dev, facts.st_ino))

    def node(self, descriptor: int) -> Node:
        """Return the node behind *descriptor*, which is one of ours."""
        node = self.known(descriptor)
        assert node is not None, "a change of a file that nobody saw come"
        return node

    def names_in(self, folder: Node) -> dict[str, Node]:
        """Return the live names in *folder*."""
        return self._names.setdefault(folder, {})

    def has(self, folder: Node, name: str) -> bool:
        """Whether *folder* has a live *name*."""
        return name in self.names_in(folder)

    def pool_file(self, name: str) -> Node:
        """Return the file at the path *name*, directly in the pool directory."""
        return self._names[self.pool_node][os.path.basename(name)]

    def is_in_pool(self, node: Node) -> bool:
        """Whether *node* is the pool directory or a file in it."""
        return node == self.pool_node or node in self.names_in(self.pool_node).values()

    # What happens

    def created(self, folder: Node, name: str, facts: os.stat_result) -> Node:
        """Note that *name* came into *folder* with a new file or folder of *facts*."""
        with self.lock:
            node = self._take_in(facts)
            self.names_in(folder)[name] = node
            self.note(Created(folder, name, node, kind_of(facts)))
            return node

    def renamed(self, folder: Node, name: str, target: Node, new_name: str) -> None:
        """Note that *name* became *new_name*, replacing what had that name."""
        with self.lock:
            node = self.names_in(folder).pop(name)
            self.names_in(target)[new_name] = node
            self.note(Renamed(folder, name, target, new_name, node))

    def removed(self, folder: Node, name: str) -> None:
        """Note that *name* is gone."""
        with self.lock:
            del self.names_in(folder)[name]
            self.note(Removed(folder, name))

    def begin_flush(self, node: Node) -> int:
        """Note that a flush of *node* begins; return the position, for its end."""
        with self.lock:
            self.note(FlushBegun(node))
            return self.position - 1

    def end_flush(self, node: Node, begun: int) -> None:
        """Note that the flush returned that began at position *begun*."""
        self.note(FlushReturned(node, begun))

    def flush(self, node: Node) -> None:
        """Note a flush of *node* that begins and returns."""
        self.end_flush(node, self.begin_flush(node))

    def writes_are_told(self, node: Node) -> None:
        """Promise that each change of *node* is noted by whoever makes it."""
        self._contents_told.add(node)

    # What is there unannounced

    def find_all(self) -> None:
        """Take in what is below all roots, as ``find`` does."""
        for number, root in enumerate(self.roots):
            self.find(Node(number), root)

    def find(self, folder: Node, path: Path) -> None:
        """Take in what is below *path* and was made unseen, as durable.

        A name that went unseen is removed, but not durably.
        """
        with self.lock:
            live = _listed(path, hide_top=folder < len(self.roots))
            for name in self.names_in(folder).keys() - live.keys():
                self.removed(folder, name)
            for name, facts in sorted(live.items()):
                kind = kind_of(facts)
                node = self.names_in(folder).get(name)
                if node is None:
                    node = self._found(folder, path / name, facts)
                if kind is Kind.FOLDER:
                    self.find(node, path / name)

    def _found(self, folder: Node, path: Path, facts: os.stat_result) -> Node:
        node = self._take_in(facts)
        self.names_in(folder)[path.name] = node
        kind = kind_of(facts)
        is_file = kind is Kind.FILE
        length, runs = (facts.st_size, read_runs(path)) if is_file else (0, ())
        self._plain_stamps[node] = _stamp(facts)
        self.note(Found(folder, path.name, node, kind, length, runs))
        return node

    def notice_plain_files(self) -> None:
        """Note what ordinary file calls did in the pool directory since the last time.

        Called before each step there that makes anything durable or renames, so
        nothing is noted later than it matters.
        """
        with self.lock:
            live = _listed(self.pool, hide_top=True)
            for name in self.names_in(self.pool_node).keys() - live.keys():
                self.removed(self.pool_node, name)
            for name, facts in sorted(live.items()):
                node = self.names_in(self.pool_node).get(name)
                if node is None or self._nodes.get((facts.st_dev, facts.st_ino)) != node:
                    node = self.created(self.pool_node, name, facts)
                if node not in self._contents_told:
                    self._notice_content(node, self.pool / name, facts)

    def _notice_content(self, node: Node, path: Path, facts: os.stat_result) -> None:
        stamp = _stamp(facts)
        if self._plain_stamps.get(node) == stamp:
            return
        if node in self._plain_stamps:
            self.note(Resized(node, 0))
        self._plain_stamps[node] = stamp
        if path.name == RESERVE_NAME:
            # Room is all it is for; as durable, it need not be made for each state.
            self.note(Reserved(node, facts.st_size))
            self.flush(node)
            self.flush(self.pool_node)
            return
        if data := path.read_bytes():
            self.note(Written(node, 0, data))


def _stamp(facts: os.stat_result) -> tuple[int, int]:
    """Return what tells a file from what it was before."""
    return facts.st_mtime_ns, facts.st_size


def kind_of(facts: os.stat_result) -> Kind:
    """Return what *facts* are of."""
    return Kind.FOLDER if stat.S_ISDIR(facts.st_mode) else Kind.FILE


def _listed(path: Path, *, hide_top: bool) -> dict[str, os.stat_result]:
    """Return the files and folders in *path* that are recorded."""
    found = dict[str, os.stat_result]()
    with os.scandir(path) as entries:
        for entry in entries:
            facts = entry.stat(follow_symlinks=False)
            ours = stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)
            if ours and not (hide_top and not is_recorded(entry.name)):
                found[entry.name] = facts
    return found


def is_recorded(name: str) -> bool:
    """Whether *name* at the top of a disk or pool directory means anything after a cut."""
    return name != LOCK_NAME and not name.endswith(_SHARED_MEMORY_SUFFIX)
