"""A file of many pieces that was cut grows again: in bounded steps, over zeros (P8, P1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.ids import ROOT_INODE, InodeId
from engine.limits import OVERFULL_RATIO, STEP_ROWS_MAX
from engine.model.inode import Segment
from engine.vfs.interface import AttributeChanges, OpenMode
from tests.memory_engine import MemoryEngine
from tests.unit.vfs.opened_files import OWNER, OpenedFiles

PIECES = 1200
BLOCK = 4096


def write_behind(pool: MemoryEngine, inode_id: InodeId) -> bool:
    """Grow by a write; whether the quick call did it."""
    fs = pool.filesystem
    handle = fs.open(inode_id, OpenMode.WRITE).handle
    quick = fs.try_write(handle, 4 * BLOCK, b"new")
    if quick is None:
        fs.write(handle, 4 * BLOCK, b"new")
    fs.release(handle)
    return quick is not None


def truncate_up(pool: MemoryEngine, inode_id: InodeId) -> bool:
    """Grow by truncation; whether the quick call did it."""
    where = inode_id, AttributeChanges(size=4 * BLOCK), OWNER
    quick = pool.filesystem.try_set_attributes(*where)
    if quick is None:
        pool.filesystem.set_attributes(*where)
    return quick is not None


@pytest.fixture
def cut(pool: MemoryEngine, files: OpenedFiles) -> InodeId:
    """A file that was PIECES blocks of "x", each a piece of its own, cut to one."""
    inode_id = files.make(b"f", b"x" * BLOCK)
    pool.freeze()
    pool.land_one()
    tables, store = pool.engine.base.tables, pool.engine.base.store
    inode = tables.inodes.get(inode_id)
    assert inode is not None
    (first,) = tables.file_map.segments(inode.map_id, 0, BLOCK)
    with store.operation():
        for number in range(1, PIECES):
            piece = Segment(number * BLOCK, BLOCK, first.extent_id, 0)
            tables.file_map.put_segment(inode.map_id, piece)
        tables.inodes.resize(inode, PIECES * BLOCK)
    pool.commit()
    files.resize(inode_id, BLOCK)
    pool.commit()
    return inode_id


@pytest.mark.parametrize(
    ("grow", "end"), [(write_behind, b"new"), (truncate_up, b"")], ids=["write", "truncate"]
)
def test_growing_over_what_a_cut_left_takes_many_short_steps(
    pool: MemoryEngine,
    files: OpenedFiles,
    cut: InodeId,
    monkeypatch: pytest.MonkeyPatch,
    grow: Callable[[MemoryEngine, InodeId], bool],
    end: bytes,
) -> None:
    store = pool.engine.base.store
    rows: list[int] = []
    wait = store.wait_for_room

    def between_steps(timeout_s: float, beyond: int = OVERFULL_RATIO) -> None:
        rows.append(store.group_rows)
        wait(timeout_s, beyond)

    monkeypatch.setattr(store, "wait_for_room", between_steps)

    assert not grow(pool, cut), "it would hold the lock for all of it"

    steps = [after - before for before, after in zip(rows, rows[1:], strict=False)]
    assert sum(steps) > PIECES // 2
    assert max(steps) <= STEP_ROWS_MAX + 1
    assert files.read(cut) == b"x" * BLOCK + bytes(3 * BLOCK) + end
    assert grow(pool, cut), "nothing is in the way any more"


def test_a_crash_between_the_steps_brings_nothing_back(
    pool: MemoryEngine, files: OpenedFiles, cut: InodeId
) -> None:
    assert pool.engine.files._clear_some(cut)
    pool.commit()
    pool.crash()

    inode_id = pool.filesystem.lookup(ROOT_INODE, b"f").inode.inode_id
    assert files.read(inode_id) == b"x" * BLOCK
    truncate_up(pool, inode_id)
    assert files.read(inode_id) == b"x" * BLOCK + bytes(3 * BLOCK)
