"""An operation that is undone leaves what is pending as it was (C1, P2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import DamagedDatabaseError, InvalidArgumentError
from engine.ids import ROOT_INODE, InodeId
from engine.vfs.interface import AttributeChanges, Caller, OpenMode, RenameFlags
from tests.memory_engine import MemoryEngine

ME = Caller(0, 0)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[MemoryEngine]:
    made = MemoryEngine(tmp_path)
    yield made
    made.close()


def make(memory: MemoryEngine, name: bytes, data: bytes) -> InodeId:
    files = memory.filesystem
    attributes, opened = files.create(ROOT_INODE, name, 0o644, OpenMode.WRITE, ME)
    assert files.try_write(opened.handle, 0, data) == len(data)
    files.release(opened.handle)
    return attributes.inode.inode_id


def damage(*_args: object, **_kwargs: object) -> None:
    raise DamagedDatabaseError("a row fails its checksum")


def fetch(memory: MemoryEngine, name: bytes) -> bytes:
    inode_id = memory.filesystem.lookup(ROOT_INODE, name).inode.inode_id
    return bytes(memory.engine.files.read(inode_id, 0, 1000))


def test_a_rename_that_is_undone_keeps_what_its_target_had_pending(
    memory: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(memory, b"new", b"new")
    victim = make(memory, b"old", b"old and accepted")
    with monkeypatch.context() as patch:
        patch.setattr(memory.engine.base.tables.names, "delete", damage)
        with pytest.raises(DamagedDatabaseError):
            memory.filesystem.try_rename(ROOT_INODE, b"new", ROOT_INODE, b"old", RenameFlags.NONE)

    assert fetch(memory, b"old") == b"old and accepted"
    memory.filesystem.set_attributes(victim, AttributeChanges(mode=0o600), ME)
    assert memory.filesystem.get_attributes(victim).inode.mode & 0o777 == 0o600


def test_an_unlink_that_is_undone_keeps_what_was_pending(
    memory: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(memory, b"a", b"accepted")
    with monkeypatch.context() as patch:
        patch.setattr(memory.engine.base.tables.inodes, "delete", damage)
        with pytest.raises(DamagedDatabaseError):
            memory.filesystem.unlink(ROOT_INODE, b"a")

    assert fetch(memory, b"a") == b"accepted"


@pytest.mark.parametrize("size", [0, 3])
def test_a_truncation_that_is_undone_keeps_what_was_pending(
    memory: MemoryEngine, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    inode_id = make(memory, b"a", b"accepted")
    with monkeypatch.context() as patch:
        patch.setattr(memory.engine.base.tables.inodes, "update", damage)
        with pytest.raises(DamagedDatabaseError):
            memory.filesystem.set_attributes(inode_id, AttributeChanges(size=size), ME)

    assert fetch(memory, b"a") == b"accepted"
    memory.remount()
    assert fetch(memory, b"a") == b"accepted"


def test_times_that_no_row_holds_leave_the_file_as_it_was(memory: MemoryEngine) -> None:
    inode_id = make(memory, b"a", b"accepted")
    changes = AttributeChanges(size=0, mtime_ns=2**70)
    with pytest.raises(InvalidArgumentError):
        memory.filesystem.set_attributes(inode_id, changes, ME)

    assert fetch(memory, b"a") == b"accepted"


def test_an_inner_operation_is_undone_with_the_one_around_it(memory: MemoryEngine) -> None:
    make(memory, b"a", b"accepted")
    store = memory.engine.base.store

    def unlink_inside() -> None:
        with store.operation():
            memory.filesystem.unlink(ROOT_INODE, b"a")
            damage()

    with pytest.raises(DamagedDatabaseError):
        unlink_inside()

    assert fetch(memory, b"a") == b"accepted"
