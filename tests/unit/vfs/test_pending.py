"""Accepting writes: copied once, reserved first, and bounded (O1, O7, P6, P8)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.clock import ManualClock
from engine.errors import NoSpaceError
from engine.extents.buffers import BufferPool
from engine.ids import InodeId
from engine.limits import BUILDERS_MAX, EXTENT_BYTES_MAX
from engine.metadata.write_lock import WriteLock
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding
from engine.policy.capacity import UserCapacity
from engine.vfs.pending import RANGES_PER_EXTENT_MAX, Pending, PendingExtent, Placement
from engine.vfs.space import SpaceAccount

ONE, OTHER = InodeId(2), InodeId(3)


@pytest.fixture
def space() -> SpaceAccount:
    account = SpaceAccount()
    room = 20 * EXTENT_BYTES_MAX
    account.measure(UserCapacity(free_bytes=room, total_bytes=room), landed_before=0)
    return account


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def pending(space: SpaceAccount, clock: ManualClock) -> Iterator[Pending]:
    lock = WriteLock()
    with lock:
        yield Pending(
            buffers=BufferPool(clock),
            space=space,
            placement=lambda _inode_id: Placement(ErasureCoding(2, 1), Tier.HOT),
            clock=clock,
            lock=lock,
        )


def write(pending: Pending, inode: InodeId, offset: int, data: bytes) -> bool:
    return pending.accept(pending.file_of(inode, 0), offset, memoryview(data))


def only_open(pending: Pending) -> PendingExtent:
    (extent,) = pending.open.values()
    return extent


def content(pending: Pending, inode: InodeId) -> bytes:
    """Return the pending bytes of a file, holes as zeros."""
    file = pending.files[inode]
    result = bytearray(file.size)
    for item, extent in file.resolve(0, file.size)[0]:
        result[item.start : item.end] = pending.bytes_of(extent, item.at, item.end - item.start)
    return bytes(result)


def test_files_share_the_open_builder(pending: Pending) -> None:
    assert write(pending, ONE, 0, b"one")
    assert write(pending, OTHER, 5, b"other")

    assert set(only_open(pending).layers) == {ONE, OTHER}
    assert pending.dirty_bytes == 8
    assert content(pending, ONE) == b"one"
    assert content(pending, OTHER) == b"\0" * 5 + b"other"


def test_bytes_in_the_open_builder_are_overwritten_in_place(pending: Pending) -> None:
    write(pending, ONE, 0, b"aaaaaaaa")
    for _ in range(1000):
        write(pending, ONE, 2, b"bbb")

    assert pending.dirty_bytes == 8
    assert content(pending, ONE) == b"aabbbaaa"


def test_a_frozen_builder_never_changes(pending: Pending) -> None:
    write(pending, ONE, 0, b"aaaa")
    pending.freeze_open()
    frozen = pending.frozen[0]

    write(pending, ONE, 1, b"bb")

    assert frozen.builder.read(0, 4) == b"aaaa"
    assert len(pending.files[ONE].layers) == 2
    assert content(pending, ONE) == b"abba"


def test_a_write_over_the_end_of_a_builder_goes_on_in_the_next(pending: Pending) -> None:
    write(pending, ONE, 0, b"a" * (EXTENT_BYTES_MAX - 3))

    write(pending, ONE, EXTENT_BYTES_MAX - 3, b"bcdefgh")

    assert len(pending.frozen) == 1
    assert only_open(pending).builder.length == 4
    assert content(pending, ONE)[-8:] == b"abcdefgh"


def test_a_full_builder_freezes_at_once(pending: Pending) -> None:
    write(pending, ONE, 0, b"a" * EXTENT_BYTES_MAX)

    assert not pending.open
    assert len(pending.frozen) == 1


def test_nothing_is_taken_when_no_buffer_is_free(pending: Pending) -> None:
    for number in range(BUILDERS_MAX):
        assert write(pending, ONE, number * EXTENT_BYTES_MAX, b"x" * EXTENT_BYTES_MAX)
    before = pending.files[ONE].size

    assert not write(pending, ONE, before, b"one more")
    assert not write(pending, OTHER, 0, b"other")

    assert pending.files[ONE].size == before
    assert pending.dirty_bytes == BUILDERS_MAX * EXTENT_BYTES_MAX


def test_a_builder_is_reserved_when_it_is_taken_and_the_refusal_takes_nothing(
    pending: Pending, space: SpaceAccount
) -> None:
    two = UserCapacity(free_bytes=2 * EXTENT_BYTES_MAX, total_bytes=0)
    space.measure(two, landed_before=0)
    write(pending, ONE, 0, b"x")
    assert space.free_bytes == EXTENT_BYTES_MAX
    write(pending, ONE, 1, b"x" * (EXTENT_BYTES_MAX - 1))
    write(pending, ONE, EXTENT_BYTES_MAX, b"x" * EXTENT_BYTES_MAX)
    assert space.free_bytes == 0

    with pytest.raises(NoSpaceError):
        write(pending, OTHER, 0, b"x")

    assert pending.files[OTHER].layers == []
    pending.settle(pending.files[OTHER], 0)
    assert OTHER not in pending.files


def test_a_refused_reservation_leaves_the_open_builder_open(
    pending: Pending, space: SpaceAccount
) -> None:
    space.measure(UserCapacity(free_bytes=EXTENT_BYTES_MAX, total_bytes=0), landed_before=0)
    write(pending, ONE, 0, b"a" * (EXTENT_BYTES_MAX - 2))

    with pytest.raises(NoSpaceError):
        write(pending, ONE, EXTENT_BYTES_MAX - 2, b"too long")

    assert pending.files[ONE].size == EXTENT_BYTES_MAX - 2
    assert write(pending, ONE, 0, b"over")
    assert write(pending, ONE, EXTENT_BYTES_MAX - 2, b"ok")


def test_tiny_scattered_writes_freeze_a_builder_by_their_number(pending: Pending) -> None:
    for number in range(RANGES_PER_EXTENT_MAX + 1):
        write(pending, ONE, number * 2, b"x")

    assert len(pending.frozen) == 1
    assert len(pending.frozen[0].layers[ONE].ranges) == RANGES_PER_EXTENT_MAX


def test_tiny_overwrites_of_synced_bytes_are_bounded_too(pending: Pending) -> None:
    write(pending, ONE, 0, bytes(4 * RANGES_PER_EXTENT_MAX))
    pending.files[ONE].layers[0].mark_staged()

    for number in range(2 * RANGES_PER_EXTENT_MAX):
        write(pending, ONE, number * 2, b"x")

    ranges = [len(layer.ranges) for layer in pending.files[ONE].layers]
    assert max(ranges) <= RANGES_PER_EXTENT_MAX + 2


def test_an_open_builder_freezes_at_its_age(pending: Pending, clock: ManualClock) -> None:
    write(pending, ONE, 0, b"x")
    clock.advance(0.9)
    pending.freeze_older_than(1.0)
    assert pending.open

    clock.advance(0.2)
    pending.freeze_older_than(1.0)

    assert not pending.open


def test_forgetting_a_file_leaves_the_others_and_nothing_to_write_for_it(
    pending: Pending,
) -> None:
    write(pending, ONE, 0, b"one")
    pending.freeze_open()
    assert pending.frozen[0].is_wanted

    pending.forget(ONE)

    assert not pending.frozen[0].is_wanted
    assert ONE not in pending.files
    write(pending, ONE, 0, b"again")
    assert content(pending, ONE) == b"again"


def test_a_file_made_again_in_the_same_builder_has_only_its_new_bytes(pending: Pending) -> None:
    write(pending, ONE, 0, b"old content")
    pending.forget(ONE)

    write(pending, ONE, 2, b"new")

    assert content(pending, ONE) == b"\0\0new"
    open_one = only_open(pending)
    assert isinstance(open_one, PendingExtent)
    assert [item.start for item in open_one.layers[ONE].ranges] == [2]
