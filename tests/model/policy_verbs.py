"""Rules of policies: what files and directories say about the redundancy of new data.

Each survives as many losses as the machine's troubles take, so that every
promise holds for every file, and three disks, which are always left, hold it.
"""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from engine.errors import NoAttributeError, NotPermittedError, PolicyError
from tests.model.machine_base import PICKS, MachineBase
from tests.model.model_tree import Node

REDUNDANCY = b"user.dynamicfs.redundancy"
POLICIES = st.sampled_from([b"copies:3", b"rs:1+2"])


class PolicyVerbs(MachineBase):
    """Set, take away and refuse policies of anything that holds data."""

    def _holder(self, pick: int) -> Node:
        return self.directory(pick // 2) if pick % 2 else self.file(pick // 2)

    @rule(pick=PICKS, policy=POLICIES)
    def set_policy(self, pick: int, policy: bytes) -> None:
        node = self._holder(pick)
        self.pool.filesystem.set_xattr(node.inode_id, REDUNDANCY, policy)
        node.xattrs[REDUNDANCY] = policy
        self.note(node)

    @rule(pick=PICKS)
    def take_policy_away(self, pick: int) -> None:
        node = self._holder(pick)
        if node.xattrs.pop(REDUNDANCY, None) is None:
            with pytest.raises(NoAttributeError):
                self.pool.filesystem.remove_xattr(node.inode_id, REDUNDANCY)
            return
        self.pool.filesystem.remove_xattr(node.inode_id, REDUNDANCY)
        self.note(node)

    @rule(pick=PICKS)
    def refused_policies_change_nothing(self, pick: int) -> None:
        node, fs = self._holder(pick), self.pool.filesystem
        with pytest.raises(PolicyError):
            fs.set_xattr(node.inode_id, REDUNDANCY, b"copies:9")
        with pytest.raises(NotPermittedError):
            fs.set_xattr(node.inode_id, b"user.dynamicfs.health", b"whole")
