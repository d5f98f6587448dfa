"""One small instance of each record, and the strategies for all others."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from hypothesis import strategies as st

from engine.format.fragment import FragmentHeader
from engine.ids import DiskUuid, Epoch, ExtentId, Generation, LayoutId, PoolUuid
from engine.model.disk import Tier
from engine.model.label import DiskLabel
from engine.model.redundancy import ErasureCoding, Redundancy, Replication, fragment_count
from engine.model.redundancy import slice_bytes as slice_bytes_of
from engine.model.root import HighWater, RootRecord

POOL = PoolUuid(UUID("00112233-4455-6677-8899-aabbccddeeff"))
DISKS = tuple(DiskUuid(UUID(int=number)) for number in range(1, 5))

HEADER = FragmentHeader(
    pool_uuid=POOL,
    extent_id=ExtentId(0x0102030405060708),
    layout=LayoutId(9),
    index=5,
    redundancy=ErasureCoding(4, 2),
    length_bytes=1_000_000,
    stored_bytes=1_000_000,
    compression=0,
    slice_bytes=253_952,
    epoch=Epoch(3),
    generation=Generation(77),
    table_hash=bytes(range(32)),
)

ROOT = RootRecord(
    pool_uuid=POOL,
    pool_name="Bücher",
    generation=Generation(78),
    epoch=Epoch(3),
    time_ns=1_700_000_000_123_456_789,
    tolerance=1,
    members=DISKS,
    journal_set=DISKS[:3],
    schema_version=2,
    high_water=HighWater(extent=11, layout=12, inode=13, map=14, cookie=15, disk=16),
    row_count=6,
    previous_hash=bytes(range(32, 64)),
    changeset=b"changeset",
    staged=b"staged part",
    forced=True,
)

LABEL = DiskLabel(
    pool_uuid=POOL,
    pool_name="Bücher",
    disk_uuid=DISKS[0],
    disk_name='bay "3"',
    tier=Tier.WARM,
    epoch=Epoch(3),
    journal_set=DISKS[:3],
)

U64 = st.integers(0, 2**64 - 1)
HASHES = st.binary(min_size=32, max_size=32)
UUIDS = st.uuids()
NAMES = st.text(max_size=40)
REDUNDANCIES: st.SearchStrategy[Redundancy] = st.one_of(
    st.builds(Replication, st.integers(1, 256)),
    st.integers(1, 254).flatmap(
        lambda data: st.builds(ErasureCoding, st.just(data), st.integers(1, 255 - data))
    ),
)


@st.composite
def headers(draw: st.DrawFn) -> FragmentHeader:
    """Any header that may exist."""
    redundancy = draw(REDUNDANCIES)
    length = draw(st.integers(1, 8 * 1024 * 1024))
    return FragmentHeader(
        pool_uuid=PoolUuid(draw(UUIDS)),
        extent_id=ExtentId(draw(U64)),
        layout=LayoutId(draw(U64)),
        index=draw(st.integers(0, fragment_count(redundancy) - 1)),
        redundancy=redundancy,
        length_bytes=length,
        stored_bytes=length,
        compression=0,
        slice_bytes=slice_bytes_of(redundancy, length),
        epoch=Epoch(draw(U64)),
        generation=Generation(draw(U64)),
        table_hash=draw(HASHES),
    )


DISK_SETS = st.lists(UUIDS.map(DiskUuid), max_size=64).map(tuple)

ROOTS = st.builds(
    RootRecord,
    pool_uuid=UUIDS.map(PoolUuid),
    pool_name=NAMES,
    generation=U64.map(Generation),
    epoch=U64.map(Epoch),
    time_ns=st.integers(-(2**63), 2**63 - 1),
    tolerance=st.integers(0, 254),
    members=DISK_SETS,
    journal_set=DISK_SETS,
    schema_version=st.integers(0, 2**32 - 1),
    high_water=st.builds(HighWater, extent=U64, layout=U64, inode=U64, map=U64, cookie=U64),
    row_count=U64,
    previous_hash=HASHES,
    changeset=st.binary(max_size=300)
    | st.binary(min_size=10, max_size=30).map(lambda row: row * 2000),
    staged=st.binary(max_size=300),
    forced=st.booleans(),
)

LABELS = st.builds(
    DiskLabel,
    pool_uuid=UUIDS.map(PoolUuid),
    pool_name=NAMES,
    disk_uuid=UUIDS.map(DiskUuid),
    disk_name=NAMES,
    tier=st.sampled_from(Tier),
    epoch=U64.map(Epoch),
    journal_set=DISK_SETS,
)


def flips_of_each_bit(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield every copy of *data* with one bit turned, and which one."""
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bit, bytes(damaged)
