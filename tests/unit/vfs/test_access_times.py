"""The rule of relatime, and what becomes of noted access times."""

from __future__ import annotations

import pytest

from engine.ids import ROOT_INODE
from engine.vfs.access_times import DAY_NS, TICK_NS, is_due
from engine.vfs.interface import AttributeChanges, Caller
from tests.memory_engine import MemoryEngine
from tests.unit.vfs.setting import Setting

NOW_NS = 10 * DAY_NS


@pytest.mark.parametrize(
    ("access_ns", "modify_ns", "change_ns", "wanted"),
    [
        (NOW_NS - 5, NOW_NS - 9 - TICK_NS, NOW_NS - 9 - TICK_NS, "stays"),
        (NOW_NS - 5, NOW_NS - 4 - TICK_NS, NOW_NS - 9 - TICK_NS, "moves"),
        (NOW_NS - 5, NOW_NS - 5, NOW_NS - 9, "moves"),
        (NOW_NS - 5, NOW_NS - 9, NOW_NS - 2, "moves"),
        (NOW_NS - DAY_NS + 1, 0, 0, "stays"),
        (NOW_NS - DAY_NS, 0, 0, "moves"),
        (NOW_NS + 5, 0, 0, "stays"),
    ],
)
def test_an_access_time_moves_when_it_is_behind_a_change_or_a_day_old(
    it: Setting, access_ns: int, modify_ns: int, change_ns: int, wanted: str
) -> None:
    inode = it.fs.get_attributes(it.f).inode
    inode = inode._replace(mtime_ns=modify_ns, ctime_ns=change_ns)

    assert ("moves" if is_due(inode, access_ns, NOW_NS) else "stays") == wanted


def test_a_noted_access_time_is_written_when_the_pool_closes(
    pool: MemoryEngine, it: Setting
) -> None:
    it.fs.read_directory(ROOT_INODE, 0, 1)
    noted = it.fs.get_attributes(ROOT_INODE).inode.atime_ns

    pool.engine.tree.accessed.store()

    row = pool.engine.base.tables.inodes.get(ROOT_INODE)
    assert row is not None
    assert row.atime_ns == noted


def test_a_time_that_was_set_wins_over_the_noted_one(it: Setting) -> None:
    it.fs.read_directory(ROOT_INODE, 0, 1)

    it.fs.set_attributes(ROOT_INODE, AttributeChanges(atime_ns=7), Caller(0, 0))

    assert it.fs.get_attributes(ROOT_INODE).inode.atime_ns == 7
