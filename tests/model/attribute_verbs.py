"""Rules of attributes: modes, owners, times, extended attributes, statfs."""

from __future__ import annotations

import stat

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from engine.errors import (
    AttributeTooLargeError,
    InvalidArgumentError,
    NoAttributeError,
    StaleHandleError,
)
from engine.limits import NAME_BYTES_MAX, XATTR_VALUE_BYTES_MAX
from engine.vfs.interface import AttributeChanges
from tests.model.machine_base import DATA, NOBODY, PICKS, MachineBase

XATTRS = st.sampled_from([b"user.x", b"user.y"])
PAST_NS = st.one_of(st.none(), st.integers(-(10**18), 10**18))
"""Times that programs set lie before those of the clock."""


class AttributeVerbs(MachineBase):
    """Every verb that changes or shows what an inode says of itself."""

    @rule(pick=PICKS, permissions=st.sampled_from([0o644, 0o4755, 0o2755, 0o2644, 0o1777, 0]))
    def chmod(self, pick: int, permissions: int) -> None:
        node = self.node(pick)
        changes = AttributeChanges(mode=permissions)
        self.pool.filesystem.set_attributes(node.inode_id, changes, NOBODY)
        node.mode = stat.S_IFMT(node.mode) | permissions
        self.note(node)

    @rule(
        pick=PICKS,
        uid=st.sampled_from([None, 0, 7]),
        gid=st.sampled_from([None, 0, 9]),
    )
    def chown(self, pick: int, uid: int | None, gid: int | None) -> None:
        node = self.node(pick)
        changes = AttributeChanges(uid=uid, gid=gid)
        self.pool.filesystem.set_attributes(node.inode_id, changes, NOBODY)
        node.uid = node.uid if uid is None else uid
        node.gid = node.gid if gid is None else gid
        if changes != AttributeChanges():
            node.lose_privileges()
        self.note(node)

    @rule(pick=PICKS, access=PAST_NS, modify=PAST_NS)
    def utimens(self, pick: int, access: int | None, modify: int | None) -> None:
        node = self.node(pick)
        changes = AttributeChanges(atime_ns=access, mtime_ns=modify)
        self.pool.filesystem.set_attributes(node.inode_id, changes, NOBODY)
        if access is not None:
            node.access_times_set.add(access)
        times = node.times
        node.times = times._replace(
            access=times.access if access is None else access,
            modify=times.modify if modify is None else modify,
        )
        self.note(node)

    @rule(pick=PICKS, name=XATTRS, value=DATA)
    def set_xattr(self, pick: int, name: bytes, value: bytes) -> None:
        node = self.node(pick)
        self.pool.filesystem.set_xattr(node.inode_id, name, value)
        node.xattrs[name] = value
        self.note(node)

    @rule(pick=PICKS, name=XATTRS)
    def remove_xattr(self, pick: int, name: bytes) -> None:
        node = self.node(pick)
        if name not in node.xattrs:
            with pytest.raises(NoAttributeError):
                self.pool.filesystem.remove_xattr(node.inode_id, name)
            return
        self.pool.filesystem.remove_xattr(node.inode_id, name)
        del node.xattrs[name]
        self.note(node)

    @rule(pick=PICKS)
    def refused_attributes_change_nothing(self, pick: int) -> None:
        node, fs = self.node(pick), self.pool.filesystem
        with pytest.raises(AttributeTooLargeError):
            fs.set_xattr(node.inode_id, b"user.x", bytes(XATTR_VALUE_BYTES_MAX + 1))
        with pytest.raises(InvalidArgumentError):
            fs.set_xattr(node.inode_id, b"u" * 256, b"")
        with pytest.raises(InvalidArgumentError):
            fs.set_attributes(node.inode_id, AttributeChanges(mtime_ns=2**63), NOBODY)
        if self.gone:
            with pytest.raises(StaleHandleError):
                fs.set_xattr(self.gone[-1], b"user.x", b"")

    @rule()
    def statfs(self) -> None:
        found = self.pool.filesystem.statistics()
        assert 0 < found.blocks_free <= found.blocks_total
        assert 0 < found.files_free <= found.files_total
        assert found.name_bytes_max == NAME_BYTES_MAX
