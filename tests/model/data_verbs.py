"""Rules of data: write, read, cut, grow, open handles and what is left of them."""

from __future__ import annotations

import stat
import threading

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from engine.errors import (
    BadHandleError,
    InvalidArgumentError,
    IsDirectoryError,
    StaleHandleError,
)
from engine.limits import STAGED_FSYNC_BYTES_MAX
from engine.vfs.interface import AttributeChanges, Caller, OpenMode
from tests.model.machine_base import BOTH, DATA, KEPT_MAX, NOBODY, OFFSETS, PICKS, Kept, MachineBase
from tests.model.model_tree import Node

STRANGER = Caller(77, 77)
BIG = STAGED_FSYNC_BYTES_MAX + 4321
"""More than fsync stages, so that it seals the builder instead."""


ARRIVES_S_MAX = 60.0
"""Longer than any device call may take."""


class DataVerbs(MachineBase):
    """Every verb that changes or shows bytes."""

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

    @rule(pick=PICKS, offset=OFFSETS, data=DATA)
    def write_direct(self, pick: int, offset: int, data: bytes) -> None:
        """Without the kernel's cache the engine keeps the times itself."""
        self._write(self.file(pick), offset, data, how=OpenMode.WRITE | OpenMode.DIRECT)

    def _write(
        self, node: Node, offset: int, data: bytes, *, how: OpenMode = OpenMode.WRITE
    ) -> None:
        opened = self.pool.filesystem.open(node.inode_id, how)
        keeps_times = opened.direct_io or bool(how & OpenMode.DIRECT)
        kept = Kept(opened.handle, node, keeps_times=keeps_times, ends_privileges=opened.direct_io)
        self._write_through(kept, offset, data)
        self.pool.filesystem.release(opened.handle)

    def _write_through(self, kept: Kept, offset: int, data: bytes) -> None:
        fs, node = self.pool.filesystem, kept.node
        # As the bridge does: the quick call first, the slow one where it must wait.
        accepted = fs.try_write(kept.handle, offset, data)
        if accepted is None:
            accepted = fs.write(kept.handle, offset, data)
        assert accepted == len(data)
        before = node.data.ljust(offset, b"\0")
        node.become(before[:offset] + data + before[offset + len(data) :])
        if kept.ends_privileges:
            node.mode &= ~(stat.S_ISUID | stat.S_ISGID)
        if kept.keeps_times:
            self.note(node, modified=(node,))

    @rule(pick=PICKS, size=st.one_of(st.integers(0, 90), st.sampled_from([BIG // 2, BIG])))
    def resize(self, pick: int, size: int) -> None:
        node = self.file(pick)
        self.pool.filesystem.set_attributes(node.inode_id, AttributeChanges(size=size), NOBODY)
        self._note_size(node, size)

    def _note_size(self, node: Node, size: int) -> None:
        if size == len(node.data):
            self.note()  # Neither the bytes nor any time.
            return
        if size < len(node.data):
            node.cut(size)
        else:
            node.become(node.data.ljust(size, b"\0"))
        self.note(node, modified=(node,))

    @rule(pick=PICKS)
    def empty_by_a_stranger(self, pick: int) -> None:
        """As O_TRUNC does it, for somebody who is neither root nor of the file's group."""
        node = self.file(pick)
        self.pool.filesystem.set_attributes(node.inode_id, AttributeChanges(size=0), STRANGER)
        had_privileges = node.mode & (stat.S_ISUID | stat.S_ISGID)
        node.mode &= ~had_privileges
        if had_privileges and not node.data:
            self.note(node)
        else:
            self._note_size(node, 0)

    @rule(pick=PICKS, offset=st.integers(0, BIG), length=st.integers(0, 70_000))
    def read_a_part(self, pick: int, offset: int, length: int) -> None:
        node = self.file(pick)
        fs = self.pool.filesystem
        handle = fs.open(node.inode_id, OpenMode.READ).handle
        wanted = node.data[offset : offset + length]
        arrived = threading.Event()
        quick = fs.start_read(handle, offset, length, arrived.set)
        if quick is not None and not isinstance(quick, bytes | memoryview):
            assert arrived.wait(ARRIVES_S_MAX)
            quick = quick.take() or quick.finish()
        assert quick is None or bytes(quick) == wanted
        assert bytes(fs.read(handle, offset, length)) == wanted
        fs.release(handle)

    # Handles that stay open

    @rule(pick=PICKS)
    def keep_open(self, pick: int) -> None:
        if len(self.kept) < KEPT_MAX:
            node = self.file(pick)
            opened = self.pool.filesystem.open(node.inode_id, BOTH)
            by_us = opened.direct_io
            kept = Kept(opened.handle, node, keeps_times=by_us, ends_privileges=by_us)
            self.kept.append(kept)

    @rule(offset=OFFSETS, data=DATA)
    def write_through_a_kept_handle(self, offset: int, data: bytes) -> None:
        """Also to a file that has no name any more."""
        for kept in self.kept[:1]:
            self._write_through(kept, offset, data)

    @rule(size=st.integers(0, 90))
    def resize_what_is_kept(self, size: int) -> None:
        for kept in self.kept[:1]:
            inode_id = kept.node.inode_id
            self.pool.filesystem.set_attributes(inode_id, AttributeChanges(size=size), NOBODY)
            self._note_size(kept.node, size)

    @rule()
    def let_go(self) -> None:
        for kept in self.kept[:1]:
            self.kept.remove(kept)
            self.pool.filesystem.release(kept.handle)
            self.ended(kept.node)
            with pytest.raises(BadHandleError):
                self.pool.filesystem.read(kept.handle, 0, 1)

    @rule(pick=PICKS)
    def only_files_are_opened_and_only_for_what_was_asked(self, pick: int) -> None:
        fs = self.pool.filesystem
        with pytest.raises(IsDirectoryError):
            fs.open(self.directory(pick).inode_id, OpenMode.READ)
        node = self.node(pick)
        if not node.is_file and not stat.S_ISDIR(node.mode):
            with pytest.raises(InvalidArgumentError):
                fs.open(node.inode_id, OpenMode.READ)
        if self.gone:
            with pytest.raises(StaleHandleError):
                fs.open(self.gone[-1], OpenMode.READ)
        handle = fs.open(self.file(pick).inode_id, OpenMode.READ).handle
        with pytest.raises(BadHandleError):
            fs.write(handle, 0, b"x")
        fs.release(handle)

    # Durability

    @rule(pick=PICKS)
    def fsync(self, pick: int) -> None:
        node = self.file(pick)
        self.pool.filesystem.sync_file(node.inode_id)
        node.settle()
        self._names_are_safe(node)

    @rule(pick=PICKS)
    def fsync_directory(self, pick: int) -> None:
        self.pool.filesystem.sync_file(self.directory(pick).inode_id)
        self._names_are_safe(None)

    def _names_are_safe(self, synced: Node | None) -> None:
        """A group was acknowledged: names are safe, and the files it carried."""
        for inode_id, position in self.carried.items():
            if synced is None or inode_id != synced.inode_id:
                del self.every[inode_id].states[:position]
        self.acknowledged()

    @rule()
    def sync_all(self) -> None:
        self.pool.filesystem.sync_all()
        self.all_is_safe()

    @rule()
    def freeze(self) -> None:
        """A second passes: the open builder freezes and lands when it can."""
        self.pool.freeze()

    @rule()
    def commit(self) -> None:
        """The group's second is over; nobody waits for the acknowledgement."""
        engine = self.pool.engine
        assert engine.committer is not None
        engine.committer.commit(engine.base.store.open_generation)
