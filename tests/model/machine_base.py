"""What every file system machine has: an engine, a model, and what must be alike."""

from __future__ import annotations

import stat
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from engine.errors import StaleHandleError
from engine.ids import InodeId
from engine.vfs.interface import Caller, HandleId, OpenMode
from tests.model.model_tree import ModelTree, Node, Snapshot, Times
from tests.model.real_tree import EVERYTHING, real_content, real_facts, real_paths
from tests.model.troubled_engine import TroubledEngine

NAMES = st.sampled_from([b"a", b"b", b"c", b"d"])
PICKS = st.integers(0, 23)
DATA = st.binary(min_size=1, max_size=24)
OFFSETS = st.integers(0, 60)

NOBODY = Caller(0, 0)
BOTH = OpenMode.READ | OpenMode.WRITE
KEPT_MAX = 3

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Pool directories need no disk here: their loss is a step, not a power cut."""


@dataclass(frozen=True)
class Kept:
    """An open handle, its file, and whether the engine keeps its times on a write."""

    handle: HandleId
    node: Node
    keeps_times: bool = field(kw_only=True)
    ends_privileges: bool = field(kw_only=True)
    """Past the kernel's cache the engine ends suid and sgid, else the kernel says when."""


class MachineBase(RuleBasedStateMachine):
    """The engine beside the model; subclasses bring the verbs.

    ``every`` knows all files by inode, ``kept`` the open handles, ``gone`` the
    inodes that ended, ``moments`` what a crash may show, ``carried`` the files
    whose content must come with a rename.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY, prefix="filesystem-machine-")
        self.pool = TroubledEngine(Path(self.folder.name))
        self.tree = ModelTree()
        self.tree.root.times = real_facts(self.pool.filesystem, self.tree.root.inode_id).times
        self.every: dict[InodeId, Node] = {}
        self.carried: dict[InodeId, int] = {}
        self.moments: list[Snapshot] = [self.tree.snapshot({})]
        self.kept: list[Kept] = []
        self.gone: list[InodeId] = []
        self.began_ns = time.time_ns()

    def teardown(self) -> None:
        try:
            self.pool.close()
        finally:
            self.folder.cleanup()

    # Which

    def directory(self, pick: int) -> Node:
        found = self.tree.directories()
        return found[pick % len(found)]

    def place(self, pick: int, name: bytes) -> tuple[Node, bytes]:
        """Choose a name that is taken, or *name* in some directory."""
        taken = [
            (directory, taken_name)
            for directory in self.tree.directories()
            for taken_name in sorted(directory.entries)
        ]
        if pick % 4 and taken:
            return taken[pick % len(taken)]
        return self.directory(pick), name

    def node(self, pick: int) -> Node:
        """Choose anything that has a name, or the root."""
        found = list(self.tree.nodes().values())
        return found[pick % len(found)]

    def file(self, pick: int) -> Node:
        """Choose a file; one is made when there is none.

        Not a precondition: what a crash leaves depends on the moment, and
        Hypothesis wants the same rules to be open in every run.
        """
        found = self.tree.files()
        if not found:
            found = [self._make_first_file()]
        return found[pick % len(found)]

    def _make_first_file(self) -> Node:
        free = [
            (directory, name)
            for directory in self.tree.directories()
            for name in (b"a", b"b", b"c", b"d")
            if name not in directory.entries
        ]
        return self.create_file(*free[0])

    def create_file(self, directory: Node, name: bytes) -> Node:
        """Make a file under a free name, here and in the model."""
        fs = self.pool.filesystem
        attributes, opened = fs.create(directory.inode_id, name, 0o644, BOTH, NOBODY)
        fs.release(opened.handle)
        node = Node(attributes.inode.inode_id, stat.S_IFREG | 0o644)
        self.inherit_group(directory, node)
        self.take_in(directory, name, node)
        return node

    def inherit_group(self, directory: Node, node: Node) -> None:
        """What is made in a directory with sgid has its group; a directory the bit, too."""
        if directory.mode & stat.S_ISGID:
            node.gid = directory.gid
            node.mode |= stat.S_ISGID if node.is_directory else 0

    def take_in(self, directory: Node, name: bytes, node: Node) -> None:
        """A new inode came under *name*."""
        directory.entries[name] = self.every[node.inode_id] = node
        self.note(modified=(directory,), made=node)

    @initialize()
    def begin(self) -> None:
        """Make a few directories and files, whose bytes are on the disks, and empty ones."""
        fs, root = self.pool.filesystem, self.tree.root
        above = root
        for name in (b"a", b"b"):
            made = fs.make_directory(above.inode_id, name, 0o755, NOBODY)
            node = Node(made.inode.inode_id, stat.S_IFDIR | 0o755)
            self.take_in(above, name, node)
            above = node
        for name, data in ((b"c", b"first" * 20_000), (b"d", b"second" * 5)):
            node = self.create_file(root.entries[b"a"], name)
            opened = fs.open(node.inode_id, OpenMode.WRITE)
            fs.write(opened.handle, 0, data)
            fs.release(opened.handle)
            node.become(data)
            self.note(modified=(node,) if opened.direct_io else ())
        self.pool.freeze()
        fs.sync_all()
        self.all_is_safe()

    # What happened

    def note(
        self, *changed: Node, modified: tuple[Node, ...] = (), made: Node | None = None
    ) -> None:
        """Something but bytes changed: a crash may show it as it is from now on.

        The change times of *changed* and *modified* moved, and the modification
        times of *modified*; nobody else's.
        """
        moved = {node.inode_id for node in changed}
        written = {node.inode_id for node in modified}
        self.learn_times(moved | written, written, made)
        self.moments.append(self.tree.snapshot(self.carried))

    def learn_times(self, moved: set[InodeId], written: set[InodeId], made: Node | None) -> None:
        """Check every time against what may have moved, and remember it."""
        kept = {one.node.inode_id: one.node for one in self.kept}
        now = time.time_ns()
        for inode_id, node in {**kept, **self.tree.nodes()}.items():
            if inode_id in self.gone:
                continue
            inode = self.pool.filesystem.get_attributes(inode_id).inode
            found = Times(inode.atime_ns, inode.mtime_ns, inode.ctime_ns)
            if made is node:
                assert all(self.began_ns <= one <= now for one in found)
            else:
                self._check_times(node, found, moved=inode_id in moved, written=inode_id in written)
            node.times = found

    def _check_times(self, node: Node, found: Times, *, moved: bool, written: bool) -> None:
        # Looking moves an access time, and a crash takes that back; nothing else may.
        is_known = found.access in (node.times.access, *node.access_times_set)
        assert is_known or self.began_ns <= found.access <= time.time_ns()
        if moved:
            assert node.times.change < found.change <= time.time_ns()
        else:
            assert found.change == node.times.change
        if written:
            assert found.modify == found.change or found.modify > node.times.modify
        else:
            assert found.modify == node.times.modify

    def acknowledged(self) -> None:
        """Every change of names up to now is safe."""
        self.carried = {}
        self.moments = [self.tree.snapshot({})]

    def all_is_safe(self) -> None:
        """Every change of any kind up to now is safe."""
        for node in self.every.values():
            node.settle()
        self.acknowledged()

    def ended(self, node: Node) -> None:
        """The last name or handle went: if none is left, the inode is gone."""
        if not self.tree.links(node) and all(one.node is not node for one in self.kept):
            self.gone.append(node.inode_id)

    def let_all_go(self) -> None:
        """The process ends: no handle is left, and unlinked files end with it."""
        kept, self.kept = self.kept, []
        for one in kept:
            if one.node.inode_id not in self.gone:
                self.ended(one.node)

    # What is there

    @invariant()
    def the_names_are_the_models(self) -> None:
        assert tuple(sorted(real_paths(self.pool.filesystem))) == self.tree.paths()

    @invariant()
    def links_and_attributes_are_the_models(self) -> None:
        fs = self.pool.filesystem
        for inode_id, node in self.tree.nodes().items():
            assert fs.get_attributes(inode_id).inode.nlink == self.tree.links(node)
            assert real_facts(fs, inode_id) == node.facts()
        for node in (one.node for one in self.kept):
            assert fs.get_attributes(node.inode_id).inode.nlink == self.tree.links(node)

    @invariant()
    def sizes_and_bytes_are_the_models(self) -> None:
        fs = self.pool.filesystem
        for node in self.tree.files():
            assert real_content(fs, node.inode_id) == node.data
        for kept in self.kept:
            assert bytes(fs.read(kept.handle, 0, EVERYTHING)) == kept.node.data
        for node in [*self.tree.files(), *(one.node for one in self.kept)]:
            attributes = fs.get_attributes(node.inode_id)
            assert attributes.inode.size == len(node.data)
            stored_bytes = attributes.blocks_512 * 512
            assert len(node.data) - node.data.count(0) <= stored_bytes < len(node.data) + 512

    @invariant()
    def what_ended_is_stale(self) -> None:
        for inode_id in self.gone[-3:]:
            with pytest.raises(StaleHandleError):
                self.pool.filesystem.get_attributes(inode_id)
