"""The file system beside a tree in memory, with every trouble as an ordinary step.

Invariants: the same names, links, sizes and bytes (P1, P4). After a crash that
also takes the pool directory: the names are those of one moment since the last
acknowledgement, what fsync acknowledged is there, and every other file has a
content it had at some moment, never other bytes (P2, P3).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.errors import ExistsError, NotEmptyError, VfsError
from engine.ids import InodeId
from engine.limits import STAGED_FSYNC_BYTES_MAX
from engine.vfs.interface import (
    AttributeChanges,
    Caller,
    HandleId,
    OpenMode,
    RenameFlags,
)
from tests.memory_engine import MemoryEngine
from tests.model.model_tree import ModelTree, Node, Snapshot
from tests.model.real_tree import EVERYTHING, real_content, real_paths, real_xattrs

NAMES = st.sampled_from([b"a", b"b", b"c", b"d"])
PICKS = st.integers(0, 7)
FLAGS = st.sampled_from([RenameFlags.NONE, RenameFlags.NONE, RenameFlags.EXCHANGE])
DATA = st.binary(min_size=1, max_size=24)
OFFSETS = st.integers(0, 60)
BIG = STAGED_FSYNC_BYTES_MAX + 4321
"""More than fsync stages, so that it seals the builder instead."""

NOBODY = Caller(0, 0)
BOTH = OpenMode.READ | OpenMode.WRITE


class FileSystemMachine(RuleBasedStateMachine):
    """Every verb of the file system, remounts, lost disks and crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.pool = MemoryEngine(Path(self.folder.name))
        self.tree = ModelTree()
        self.every: dict[InodeId, Node] = {}
        self.carried: dict[InodeId, int] = {}
        self.moments: list[Snapshot] = [self.tree.snapshot({})]
        self.kept: dict[HandleId, Node] = {}

    def teardown(self) -> None:
        try:
            self.pool.close()
        finally:
            self.folder.cleanup()

    # Which

    def directory(self, pick: int) -> Node:
        found = self.tree.directories()
        return found[pick % len(found)]

    def file(self, pick: int) -> Node:
        """Choose a file; one is made when there is none.

        Not a precondition: what a crash leaves depends on the moment, and
        Hypothesis wants the same rules to be open in every run.
        """
        found = self.tree.files()
        while not found:
            for directory in self.tree.directories():
                for name in (b"a", b"b", b"c", b"d"):
                    if name not in directory.entries and not found:
                        self._create(directory, name)
                        found = self.tree.files()
        return found[pick % len(found)]

    def note(self) -> None:
        """The name space changed: a crash may show it as it is from now on."""
        self.moments.append(self.tree.snapshot(self.carried))

    def acknowledged(self) -> None:
        """Every change of names up to now is safe."""
        self.carried = {}
        self.moments = [self.tree.snapshot({})]

    # Names

    @rule(pick=PICKS, name=NAMES)
    def create(self, pick: int, name: bytes) -> None:
        self._create(self.directory(pick), name)

    def _create(self, directory: Node, name: bytes) -> None:
        fs = self.pool.filesystem
        try:
            attributes, opened = fs.create(directory.inode_id, name, 0o644, BOTH, NOBODY)
        except ExistsError:
            assert name in directory.entries
            return
        assert name not in directory.entries
        fs.release(opened.handle)
        node = Node(attributes.inode.inode_id, is_directory=False)
        directory.entries[name] = self.every[node.inode_id] = node
        self.note()

    @rule(pick=PICKS, name=NAMES)
    def make_directory(self, pick: int, name: bytes) -> None:
        directory = self.directory(pick)
        try:
            made = self.pool.filesystem.make_directory(directory.inode_id, name, 0o755, NOBODY)
        except ExistsError:
            assert name in directory.entries
            return
        assert name not in directory.entries
        directory.entries[name] = Node(made.inode.inode_id, is_directory=True)
        self.note()

    @rule(pick=PICKS, into=PICKS, name=NAMES)
    def link(self, pick: int, into: int, name: bytes) -> None:
        node, directory = self.file(pick), self.directory(into)
        try:
            self.pool.filesystem.link(node.inode_id, directory.inode_id, name)
        except ExistsError:
            assert name in directory.entries
            return
        assert name not in directory.entries
        directory.entries[name] = node
        self.note()

    @rule(pick=PICKS, name=NAMES)
    def remove(self, pick: int, name: bytes) -> None:
        directory = self.directory(pick)
        node = directory.entries.get(name)
        if node is None:
            return
        fs = self.pool.filesystem
        if not node.is_directory:
            fs.unlink(directory.inode_id, name)
        else:
            try:
                fs.remove_directory(directory.inode_id, name)
            except NotEmptyError:
                assert node.entries
                return
            assert not node.entries
        del directory.entries[name]
        self.note()

    @rule(pick=PICKS, name=NAMES, into=PICKS, new_name=NAMES, flags=FLAGS)
    def rename(
        self, pick: int, name: bytes, into: int, new_name: bytes, flags: RenameFlags
    ) -> None:
        exchange = flags is RenameFlags.EXCHANGE
        source, target = self.directory(pick), self.directory(into)
        node, victim = source.entries.get(name), target.entries.get(new_name)
        if node is None or (exchange and victim is None):
            return
        refused = self._rename_is_refused(source, node, target, victim, exchange=exchange)
        where = (source.inode_id, name, target.inode_id, new_name, flags)
        if refused:
            with pytest.raises(VfsError):
                self.pool.filesystem.rename(*where)
            return
        self.pool.filesystem.rename(*where)
        if victim is not None and not node.is_directory:
            self.carried[node.inode_id] = len(node.states) - 1
        if exchange:
            assert victim is not None
            source.entries[name], target.entries[new_name] = victim, node
        elif node is not victim:
            del source.entries[name]
            target.entries[new_name] = node
        self.note()

    def _rename_is_refused(
        self, source: Node, node: Node, target: Node, victim: Node | None, *, exchange: bool
    ) -> bool:
        if not exchange and node is victim:
            return False
        if node.is_directory and self.tree.is_inside(target, node):
            return True
        if victim is None:
            return False
        if exchange:
            return victim.is_directory and self.tree.is_inside(source, victim)
        if node.is_directory:
            return not victim.is_directory or bool(victim.entries)
        return victim.is_directory

    @rule(pick=PICKS, name=st.sampled_from([b"user.x", b"user.y"]), value=DATA)
    def set_xattr(self, pick: int, name: bytes, value: bytes) -> None:
        nodes = list(self.tree.nodes().values())
        node = nodes[pick % len(nodes)]
        self.pool.filesystem.set_xattr(node.inode_id, name, value)
        node.xattrs[name] = value
        self.note()

    # Data

    @rule(pick=PICKS, offset=OFFSETS, data=DATA)
    def write(self, pick: int, offset: int, data: bytes) -> None:
        self._write(self.file(pick), offset, data)

    @rule(pick=PICKS, data=DATA)
    def append(self, pick: int, data: bytes) -> None:
        node = self.file(pick)
        self._write(node, len(node.data), data)

    @rule(pick=PICKS, offset=OFFSETS, byte=st.integers(1, 255))
    def write_much(self, pick: int, offset: int, byte: int) -> None:
        self._write(self.file(pick), offset, bytes([byte]) * BIG)

    def _write(self, node: Node, offset: int, data: bytes) -> None:
        fs = self.pool.filesystem
        handle = fs.open(node.inode_id, OpenMode.WRITE).handle
        assert fs.write(handle, offset, data) == len(data)
        fs.release(handle)
        before = node.data.ljust(offset, b"\0")
        node.become(before[:offset] + data + before[offset + len(data) :])

    @rule(pick=PICKS, size=st.integers(0, 90))
    def resize(self, pick: int, size: int) -> None:
        node = self.file(pick)
        self.pool.filesystem.set_attributes(node.inode_id, AttributeChanges(size=size), NOBODY)
        if size < len(node.data):
            node.cut(size)
        else:
            node.become(node.data.ljust(size, b"\0"))

    @rule(pick=PICKS)
    def keep_open(self, pick: int) -> None:
        if len(self.kept) < 3:
            node = self.file(pick)
            opened = self.pool.filesystem.open(node.inode_id, OpenMode.READ)
            self.kept[opened.handle] = node

    @rule()
    def let_go(self) -> None:
        if not self.kept:
            return
        handle = min(self.kept)
        del self.kept[handle]
        self.pool.filesystem.release(handle)

    # Time and trouble

    @rule(pick=PICKS)
    def fsync(self, pick: int) -> None:
        node = self.file(pick)
        self.pool.filesystem.sync_file(node.inode_id)
        node.settle()
        self.acknowledged_but(node)

    def acknowledged_but(self, synced: Node) -> None:
        """A group was acknowledged: names are safe, and the files it carried."""
        for inode_id, position in self.carried.items():
            if inode_id != synced.inode_id:
                del self.every[inode_id].states[:position]
        self.acknowledged()

    @rule()
    def sync_all(self) -> None:
        self.pool.filesystem.sync_all()
        self._all_is_safe()

    @rule()
    def freeze(self) -> None:
        """A second passes: the open builder freezes and lands when it can."""
        with self.pool.engine.base.store.lock:
            self.pool.engine.pending.freeze_open()

    @rule()
    def commit(self) -> None:
        """The group's second is over; nobody waits for the acknowledgement."""
        engine = self.pool.engine
        assert engine.committer is not None
        engine.committer.commit(engine.base.store.open_generation)

    @rule()
    def remount(self) -> None:
        self.kept.clear()
        self.pool.close()
        self.pool.reopen()
        self._all_is_safe()

    @precondition(lambda self: not self.pool.missing)
    @rule(one=st.integers(0, 4), other=st.integers(0, 4))
    def lose_two_disks(self, one: int, other: int) -> None:
        uuids = self.pool.uuids
        self.pool.lose_disks(uuids[one], uuids[other])

    @precondition(lambda self: self.pool.missing)
    @rule()
    def bring_them_back(self) -> None:
        self.kept.clear()
        self.pool.close()
        self.pool.bring_disks_back()
        self.pool.reopen()
        self._all_is_safe()

    def _all_is_safe(self) -> None:
        for node in self.tree.files():
            node.settle()
        self.acknowledged()

    @rule()
    def crash(self) -> None:
        self.kept.clear()
        self.pool.crash()
        self._accept_what_is_left()

    def _accept_what_is_left(self) -> None:
        """Check what a crash left, and let the model go on from there."""
        names = tuple(sorted(real_paths(self.pool.filesystem)))
        matching = [moment for moment in self.moments if moment.names == names]
        assert matching, f"{names} was never the name space"
        old = self.every
        tree = ModelTree()
        for path, inode_id, is_directory in names:
            *parents, name = path.split(b"/")
            directory = tree.root
            for parent in parents:
                directory = directory.entries[parent]
            known = {one.inode_id: one for one in tree.files()}
            directory.entries[name] = known.get(inode_id) or Node(inode_id, is_directory)
        for node in tree.files():
            data = real_content(self.pool.filesystem, node.inode_id)
            assert data in old[node.inode_id].states, "a content the file never had"
            node.data = data
            node.settle()
        for node in tree.nodes().values():
            node.xattrs = real_xattrs(self.pool.filesystem, node.inode_id)
        xattrs = tree.snapshot({}).xattrs
        fitting = [moment for moment in matching if moment.xattrs == xattrs]
        assert fitting, f"{xattrs} was never the attributes of these names"
        for inode_id, position in min(fitting, key=lambda one: len(one.carried)).carried:
            left = tree.nodes().get(inode_id)
            if left is not None:
                allowed = old[inode_id].states[position:]
                assert left.data in allowed, "a rename left its data behind"
        self.tree = tree
        self.every = {node.inode_id: node for node in tree.files()}
        self.acknowledged()

    # What is there

    @invariant()
    def the_names_are_the_models(self) -> None:
        assert sorted(real_paths(self.pool.filesystem)) == self.tree.paths()

    @invariant()
    def links_sizes_and_attributes_are_the_models(self) -> None:
        fs = self.pool.filesystem
        for inode_id, node in self.tree.nodes().items():
            inode = fs.get_attributes(inode_id).inode
            assert inode.nlink == self.tree.links(node)
            if not node.is_directory:
                assert inode.size == len(node.data)
            assert real_xattrs(self.pool.filesystem, inode_id) == node.xattrs

    @invariant()
    def the_bytes_are_the_models(self) -> None:
        for node in self.tree.files():
            assert real_content(self.pool.filesystem, node.inode_id) == node.data
        for handle, node in self.kept.items():
            assert bytes(self.pool.filesystem.read(handle, 0, EVERYTHING)) == node.data


FileSystemMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestFileSystem = FileSystemMachine.TestCase
