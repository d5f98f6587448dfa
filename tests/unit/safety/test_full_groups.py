"""A group far beyond its bounds takes no more changes, and nobody waits for it twice (P8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import EngineStoppedError
from engine.ids import ROOT_INODE
from engine.limits import GROUP_BYTES_MAX
from engine.vfs.interface import Caller, OpenMode
from tests.memory_engine import MemoryEngine

ME = Caller(0, 0)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[MemoryEngine]:
    made = MemoryEngine(tmp_path)
    yield made
    made.close()


def fill_group(pool: MemoryEngine) -> None:
    """Let the open group be a little more than it may be."""
    store = pool.engine.base.store
    with store.operation():
        store.note_bytes(8 * GROUP_BYTES_MAX + 1)


def test_the_bridge_hears_that_a_change_would_wait_and_no_call_waits_where_it_is(
    pool: MemoryEngine,
) -> None:
    fs = pool.filesystem
    inode = fs.make_node(ROOT_INODE, b"direct", 0o100644, 0, ME).inode
    opened = fs.open(inode.inode_id, OpenMode.WRITE | OpenMode.DIRECT)
    assert fs.has_room()

    fill_group(pool)

    assert not fs.has_room()
    # It came between the question and the call: half a minute here is one for everybody.
    fs.make_node(ROOT_INODE, b"f", 0o100644, 0, ME)
    assert fs.try_write(opened.handle, 0, b"its times are a change") is None
    pool.commit()
    assert fs.has_room()
    fs.wait_for_room()


def test_when_one_waited_in_vain_the_others_hear_it_at_once(pool: MemoryEngine) -> None:
    store = pool.engine.base.store
    fill_group(pool)
    with pytest.raises(EngineStoppedError, match="do not keep up"):
        store.wait_for_room(0.0)

    with pytest.raises(EngineStoppedError, match="do not keep up"):
        store.wait_for_room(1e9)

    pool.commit()
    store.wait_for_room(0.0)
