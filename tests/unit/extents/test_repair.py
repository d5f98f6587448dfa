"""Verification finds what is wrong; rebuild and re-encoding mend it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.codec.code import encode
from engine.codec.kernel import default_kernel
from engine.device.lanes import Lane
from engine.errors import (
    DamagedPageError,
    EngineError,
)
from engine.extents.buffers import DATA_ROOM_BYTES, ExtentBuffer
from engine.extents.payloads import FragmentContent
from engine.extents.rebuild import lost_indexes
from engine.extents.verdict import Verdict
from engine.ids import DiskId, Epoch, ExtentId, Generation
from engine.limits import EXTENT_BYTES_MAX, PAGE_BYTES
from engine.model.disk import Tier
from engine.model.extent import ExtentRecord, fragment_name
from engine.model.redundancy import ErasureCoding, Replication
from engine.units import KIB, MIB
from tests.unit.extents.memory_pool import POOL, MemoryPool, memory_pool, pattern

RS = ErasureCoding(4, 2)
LENGTH = 700_000
"""Slices of 176 KiB: two whole pages and a short one."""

HEAD_BYTES = 8 * KIB


@pytest.fixture
def pool() -> Iterator[MemoryPool]:
    with memory_pool(8) as pool:
        yield pool


def lose(pool: MemoryPool, *disks: DiskId) -> None:
    pool.disks.missing.update(disks)


def fragment_disks(record: ExtentRecord) -> list[DiskId]:
    return [ref.disk_id for ref in record.fragments]


# Verification


def test_verification_of_an_intact_extent_reads_every_byte_once(pool: MemoryPool) -> None:
    record = pool.write(pattern(LENGTH), RS)
    pool.read(record)
    pool.forget_counts()
    steps: list[int] = []

    assert pool.verifier.verify_extent(record, progress=steps.append) == (Verdict.INTACT,) * 6
    assert sum(steps) == 6 * record.slice_bytes
    moved = {count for _, count in pool.counted("get").values()}
    assert moved == {HEAD_BYTES + record.slice_bytes}


def test_verification_sees_header_rot_that_memory_would_hide(pool: MemoryPool) -> None:
    record = pool.write(pattern(LENGTH), RS)
    pool.read(record)
    pool.flip(record, 1, 50)
    assert pool.verifier.verify_fragment(record, 1) is Verdict.CORRUPT


def test_verification_tells_missing_from_unreachable(pool: MemoryPool) -> None:
    record = pool.write(pattern(LENGTH), RS)
    ref = record.fragments[0]
    pool.disks.memory[ref.disk_id].delete(fragment_name(record.extent_id, ref.layout, 0))
    lose(pool, record.fragments[1].disk_id)

    assert pool.verifier.verify_extent(record)[:3] == (
        Verdict.MISSING,
        Verdict.UNREACHABLE,
        Verdict.INTACT,
    )


def with_wrong_parity(pool: MemoryPool, data: bytes) -> ExtentRecord:
    """Return an extent whose last parity is sealed properly over wrong bytes."""
    record = pool.write(data, RS)
    ref = record.fragments[5]
    payload = pool.file_of(record, ref)[HEAD_BYTES:]
    payload[PAGE_BYTES + 1] ^= 1
    wrong = pool.writer.write_fragment(
        memoryview(payload),
        content=FragmentContent(
            pool_uuid=POOL,
            extent_id=record.extent_id,
            redundancy=RS,
            length_bytes=len(data),
            epoch=record.epoch,
            generation=record.generation,
        ),
        index=5,
        disk_id=ref.disk_id,
        layout=pool.new_layout(),
        lane=Lane.FOREGROUND,
    )
    return replace(record, fragments=record.with_fragment(wrong))


def test_parity_that_contradicts_the_data_is_found_though_every_checksum_holds(
    pool: MemoryPool,
) -> None:
    record = with_wrong_parity(pool, pattern(LENGTH))
    assert pool.verifier.verify_fragment(record, 5) is Verdict.INTACT
    assert pool.verifier.verify_parity(record) is Verdict.PARITY
    assert pool.verifier.verify_extent(record)[5] is Verdict.PARITY


def test_a_page_reconstructed_from_wrong_parity_is_an_error_not_wrong_bytes(
    pool: MemoryPool,
) -> None:
    record = with_wrong_parity(pool, pattern(LENGTH))
    fresh = pool.reopened()
    fresh.read(record, 0, 1)  # The page table of fragment 0 is known from now on.
    lose(fresh, record.fragments[0].disk_id, record.fragments[4].disk_id)
    with pytest.raises(DamagedPageError):
        fresh.read(record, PAGE_BYTES, 10)


def test_a_rebuild_from_wrong_parity_is_refused_without_the_lost_page_table(
    pool: MemoryPool,
) -> None:
    record = with_wrong_parity(pool, pattern(LENGTH))
    fresh = pool.reopened()
    lose(fresh, record.fragments[0].disk_id, record.fragments[4].disk_id)
    spare = next(disk for disk in fresh.disks.devices if disk not in fragment_disks(record))
    with pytest.raises(DamagedPageError, match="contradicts its header"):
        rebuild(fresh, record, {0: spare})


# Rebuild and re-encoding


def rebuild(pool: MemoryPool, record: ExtentRecord, targets: dict[int, DiskId]) -> ExtentRecord:
    refs = pool.rebuilder.rebuild_fragments(
        record,
        targets,
        epoch=Epoch(4),
        generation=Generation(50),
        pool_uuid=POOL,
        new_layout=pool.new_layout,
    )
    for ref in refs:
        record = replace(record, fragments=record.with_fragment(ref))
    return record


@pytest.mark.parametrize("lost", [(0,), (5,), (0, 3), (2, 4), (4, 5)])
def test_rebuilt_fragments_are_those_that_were_lost(
    pool: MemoryPool, lost: tuple[int, ...]
) -> None:
    data = pattern(3 * MIB)
    record = pool.write(data, RS)
    before = [bytes(pool.file_of(record, ref)[HEAD_BYTES:]) for ref in record.fragments]
    fresh = pool.reopened()
    disks = [record.fragments[index].disk_id for index in lost]
    lose(fresh, *disks)
    assert lost_indexes(record, disks) == lost
    spares = [disk for disk in fresh.disks.devices if disk not in fragment_disks(record)]

    rebuilt = rebuild(fresh, record, dict(zip(lost, spares, strict=False)))

    after = [bytes(fresh.file_of(rebuilt, ref)[HEAD_BYTES:]) for ref in rebuilt.fragments]
    assert after == before
    assert fresh.reopened().verifier.verify_extent(rebuilt) == (Verdict.INTACT,) * 6
    assert len({ref.layout for ref in rebuilt.fragments}) == 1 + len(lost)


def test_a_rebuilt_fragment_lost_again_is_rebuilt_again(pool: MemoryPool) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    spares = [disk for disk in pool.disks.devices if disk not in fragment_disks(record)]
    lose(pool, record.fragments[1].disk_id)
    first = rebuild(pool.reopened(), record, {1: spares[0]})
    lose(pool, spares[0])
    second = rebuild(pool.reopened(), first, {1: spares[1]})
    assert pool.reopened().read(second) == data


def test_a_fragment_that_moves_is_copied_from_its_disk_alone(pool: MemoryPool) -> None:
    record = pool.write(pattern(LENGTH), RS)
    spare = next(disk for disk in pool.disks.devices if disk not in fragment_disks(record))
    pool.forget_counts()
    rebuild(pool, record, {2: spare})
    assert set(pool.counted("get")) == {record.fragments[2].disk_id}


def test_progress_counts_payload_bytes_and_can_cancel(pool: MemoryPool) -> None:
    record = pool.write(pattern(EXTENT_BYTES_MAX), Replication(2))
    spare = next(disk for disk in pool.disks.devices if disk not in fragment_disks(record))

    def cancel(done_bytes: int) -> None:
        assert done_bytes == MIB
        raise EngineError("cancelled")

    with pytest.raises(EngineError, match="cancelled"):
        pool.rebuilder.rebuild_fragments(
            record,
            {0: spare},
            epoch=Epoch(4),
            generation=Generation(50),
            pool_uuid=POOL,
            new_layout=pool.new_layout,
            progress=cancel,
        )
    assert pool.read(record) == pattern(EXTENT_BYTES_MAX)


@pytest.mark.parametrize(
    ("before", "after"),
    [(RS, ErasureCoding(3, 2)), (ErasureCoding(2, 2), RS), (Replication(3), RS),
     (RS, Replication(3)), (ErasureCoding(1, 2), RS)],
)  # fmt: skip
def test_reencoding_keeps_the_id_and_the_bytes(
    pool: MemoryPool, before: ErasureCoding | Replication, after: ErasureCoding | Replication
) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, before)
    fresh = pool.reopened()
    lose(fresh, *fragment_disks(record)[:2])

    changed = fresh.rebuilder.reencode(
        record,
        after,
        buffer=ExtentBuffer(DATA_ROOM_BYTES),
        tier=Tier.COLD,
        epoch=Epoch(4),
        generation=Generation(50),
        pool_uuid=POOL,
        new_layout=fresh.new_layout,
    )

    assert (changed.extent_id, changed.redundancy, changed.tier) == (
        record.extent_id,
        after,
        Tier.COLD,
    )
    again = fresh.reopened()
    assert again.read(changed) == data
    assert again.read(record) == data  # The old form stands until someone deletes it (P5).
    assert set(again.verifier.verify_extent(changed)) == {Verdict.INTACT}


def test_payloads_on_disk_are_what_the_code_says(pool: MemoryPool) -> None:
    data = pattern(LENGTH)
    record = pool.write(data, RS)
    size = record.slice_bytes
    slices, parity = data.ljust(4 * size, b"\0"), bytearray(2 * size)
    expected = [bytes(view) for view in encode(RS, slices, parity, size, default_kernel())]
    assert [bytes(pool.file_of(record, ref)[HEAD_BYTES:]) for ref in record.fragments] == expected
    assert b"".join(expected[:4])[:LENGTH] == data
    assert record.extent_id == ExtentId(1)
