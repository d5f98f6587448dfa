"""Rules of names: make, link, remove, rename, list."""

from __future__ import annotations

import stat
from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from engine.errors import (
    ExistsError,
    InvalidArgumentError,
    IsDirectoryError,
    NameTooLongError,
    NotDirectoryError,
    NotEmptyError,
    NotFoundError,
    NotPermittedError,
    StaleHandleError,
    VfsError,
)
from engine.vfs.interface import Attributes, RenameFlags
from tests.model.machine_base import NAMES, NOBODY, PICKS, MachineBase
from tests.model.model_tree import Node

FLAGS = st.sampled_from(
    [RenameFlags.NONE, RenameFlags.NONE, RenameFlags.NO_REPLACE, RenameFlags.EXCHANGE]
)
PERMISSIONS = st.sampled_from([0o755, 0o644, 0o2755, 0o1777, 0])
SPECIAL = st.sampled_from([stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK])
DEVICE_NUMBER = 0x701


class NameVerbs(MachineBase):
    """Every verb that changes or shows names."""

    def _make(
        self, directory: Node, name: bytes, mode: int, call: Callable[[], Attributes]
    ) -> Node | None:
        """Make something, unless the name is taken: then the engine must say so."""
        try:
            made = call()
        except ExistsError:
            assert name in directory.entries
            return None
        assert name not in directory.entries
        node = Node(made.inode.inode_id, mode)
        self.inherit_group(directory, node)
        return node

    @rule(pick=PICKS, name=NAMES)
    def create(self, pick: int, name: bytes) -> None:
        directory = self.directory(pick)
        if name in directory.entries:
            with pytest.raises(ExistsError):
                self.create_file(directory, name)
        else:
            self.create_file(directory, name)

    @rule(pick=PICKS, name=NAMES, permissions=PERMISSIONS)
    def make_directory(self, pick: int, name: bytes, permissions: int) -> None:
        directory = self.directory(pick)
        node = self._make(
            directory,
            name,
            stat.S_IFDIR | permissions,
            lambda: self.pool.filesystem.make_directory(
                directory.inode_id, name, permissions, NOBODY
            ),
        )
        if node is not None:
            self.take_in(directory, name, node)

    @rule(pick=PICKS, name=NAMES, kind=SPECIAL, permissions=PERMISSIONS)
    def make_node(self, pick: int, name: bytes, kind: int, permissions: int) -> None:
        directory, mode = self.directory(pick), kind | permissions
        rdev = DEVICE_NUMBER if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0
        node = self._make(
            directory,
            name,
            mode,
            lambda: self.pool.filesystem.make_node(directory.inode_id, name, mode, rdev, NOBODY),
        )
        if node is not None:
            node.rdev = rdev
            self.take_in(directory, name, node)

    @rule(pick=PICKS, name=NAMES, leads_to=st.sampled_from([b"a", b"../b/c", b"t" * 4095]))
    def make_symlink(self, pick: int, name: bytes, leads_to: bytes) -> None:
        directory = self.directory(pick)
        node = self._make(
            directory,
            name,
            stat.S_IFLNK | 0o777,
            lambda: self.pool.filesystem.make_symlink(directory.inode_id, name, leads_to, NOBODY),
        )
        if node is not None:
            node.target = leads_to
            self.take_in(directory, name, node)

    @rule(pick=PICKS, into=PICKS, name=NAMES)
    def link(self, pick: int, into: int, name: bytes) -> None:
        node, directory = self.node(pick), self.directory(into)
        where = (node.inode_id, directory.inode_id, name)
        if node.is_directory:
            with pytest.raises(NotPermittedError):
                self.pool.filesystem.link(*where)
        elif name in directory.entries:
            with pytest.raises(ExistsError):
                self.pool.filesystem.link(*where)
        else:
            self.pool.filesystem.link(*where)
            directory.entries[name] = node
            self.note(node, modified=(directory,))

    @rule(pick=PICKS, name=NAMES)
    def remove(self, pick: int, name: bytes) -> None:
        self.remove_name(*self.place(pick, name))

    def remove_name(self, directory: Node, name: bytes) -> None:
        """Remove *name* by the verb for what it is, after the wrong one was refused."""
        fs, node = self.pool.filesystem, directory.entries.get(name)
        where = (directory.inode_id, name)
        if node is None:
            with pytest.raises(NotFoundError):
                fs.unlink(*where)
            return
        if not node.is_directory:
            with pytest.raises(NotDirectoryError):
                fs.remove_directory(*where)
            fs.unlink(*where)
        else:
            with pytest.raises(IsDirectoryError):
                fs.unlink(*where)
            if node.entries:
                with pytest.raises(NotEmptyError):
                    fs.remove_directory(*where)
                return
            fs.remove_directory(*where)
        del directory.entries[name]
        self.ended(node)
        left = [] if node.is_directory or node.inode_id in self.gone else [node]
        self.note(*left, modified=(directory,))

    @rule(pick=PICKS, name=NAMES, into=PICKS, new_name=NAMES, flags=FLAGS)
    def rename(
        self, pick: int, name: bytes, into: int, new_name: bytes, flags: RenameFlags
    ) -> None:
        source, name = self.place(pick, name)
        target, new_name = self.place(into, new_name)
        node, victim = source.entries.get(name), target.entries.get(new_name)
        where = (source.inode_id, name, target.inode_id, new_name, flags)
        refused = self._refusal(source, node, target, victim, flags)
        if refused is not None:
            with pytest.raises(refused):
                self.pool.filesystem.rename(*where)
            return
        assert node is not None
        # As the bridge does: the quick call first, the slow one where it must wait.
        if not self.pool.filesystem.try_rename(*where):
            self.pool.filesystem.rename(*where)
        if victim is not None and node.is_file:
            self.carried[node.inode_id] = len(node.states) - 1
        if flags is RenameFlags.EXCHANGE:
            assert victim is not None
            source.entries[name], target.entries[new_name] = victim, node
            self.note_move(source, target, node, victim)
        elif node is victim:
            self.moments.append(self.tree.snapshot(self.carried))
        else:
            del source.entries[name]
            target.entries[new_name] = node
            left = [] if victim is None else [victim]
            for one in left:
                self.ended(one)
            there = [one for one in left if not one.is_directory and one.inode_id not in self.gone]
            self.note_move(source, target, node, *there)

    def note_move(self, source: Node, target: Node, *moved: Node) -> None:
        """Two directories were written to; what moved between them was not."""
        self.note(*moved, modified=(source, target))

    def _refusal(
        self,
        source: Node,
        node: Node | None,
        target: Node,
        victim: Node | None,
        flags: RenameFlags,
    ) -> type[VfsError] | None:
        """Return what rename(2) refuses, in the kernel's order where two apply."""
        if node is None:
            return NotFoundError
        if flags is RenameFlags.EXCHANGE:
            if victim is None:
                return NotFoundError
            for one, into in ((node, target), (victim, source)):
                if one.is_directory and self.tree.is_inside(into, one):
                    return InvalidArgumentError
            return None
        if victim is not None and flags is RenameFlags.NO_REPLACE:
            return ExistsError
        if victim is None or node is victim:
            inside = node.is_directory and node is not victim
            return InvalidArgumentError if inside and self.tree.is_inside(target, node) else None
        if node.is_directory:
            if self.tree.is_inside(target, node):
                return InvalidArgumentError
            if not victim.is_directory:
                return NotDirectoryError
            return NotEmptyError if victim.entries else None
        return IsDirectoryError if victim.is_directory else None

    # Look

    @rule(pick=PICKS)
    def list_beside_changes(self, pick: int) -> None:
        """Names that stay are listed once, whatever comes and goes meanwhile."""
        directory = self.directory(pick)
        fs = self.pool.filesystem
        staying = {name for name in directory.entries if name in (b"b", b"d")}
        found = list(fs.read_directory(directory.inode_id, 0, 3))
        for name in (b"a", b"c"):
            if name in directory.entries:
                self.remove_name(directory, name)
            else:
                self.create_file(directory, name)
            found += fs.read_directory(directory.inode_id, found[-1].cookie, 1)
        while more := fs.read_directory(directory.inode_id, found[-1].cookie, 2):
            found += more
        names = [item.name for item in found]
        assert names[:2] == [b".", b".."]
        assert all(names.count(name) == 1 for name in staying)
        cookies = [item.cookie for item in found]
        assert cookies == sorted(set(cookies))

    @rule(pick=PICKS)
    def look_up(self, pick: int) -> None:
        directory = self.directory(pick)
        fs = self.pool.filesystem
        for name in (b"a", b"b", b"c", b"d"):
            if name in directory.entries:
                found = fs.lookup(directory.inode_id, name)
                assert found.inode.inode_id == directory.entries[name].inode_id
                up = directory.entries[name]
                if up.is_directory:
                    assert fs.lookup(up.inode_id, b"..").inode.inode_id == directory.inode_id
            else:
                with pytest.raises(NotFoundError):
                    fs.lookup(directory.inode_id, name)
        with pytest.raises(NameTooLongError):
            fs.lookup(directory.inode_id, b"n" * 256)

    @rule(pick=PICKS, name=NAMES)
    def nothing_is_made_in_what_is_gone_or_no_directory(self, pick: int, name: bytes) -> None:
        fs = self.pool.filesystem
        with pytest.raises(NotDirectoryError):
            fs.make_directory(self.file(pick).inode_id, name, 0o755, NOBODY)
        if self.gone:
            with pytest.raises(StaleHandleError):
                fs.make_directory(self.gone[-1], name, 0o755, NOBODY)
            with pytest.raises(StaleHandleError):
                fs.link(self.gone[-1], self.directory(pick).inode_id, name + b"new")
