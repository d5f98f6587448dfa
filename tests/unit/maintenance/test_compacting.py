"""The copy and the switch of compaction beside everything that may happen meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import DeviceFailedError
from engine.extents.buffers import SpareBuffers
from engine.ids import ExtentId, MapId
from engine.maintenance.compacting import ROWS_PER_STEP, Compacted, Compactor
from engine.maintenance.working import InterruptedWorkError
from engine.metadata.store import MetadataStore
from engine.model.extent import ExtentRecord
from engine.model.inode import Segment
from tests.unit.maintenance.shared_extent import PART, SharedFiles
from tests.unit.maintenance.small_pool import RS, SmallPool, pattern, small_pool


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    with small_pool(tmp_path, 7) as small:
        yield small


@pytest.fixture
def files(pool: SmallPool) -> SharedFiles:
    return SharedFiles(pool)


class Meanwhile:
    """Runs something between the copy and the switch: when the new extent has been written."""

    def __init__(self, pool: SmallPool, happens: Callable[[], None]) -> None:
        self._write = pool.extents.writer.write
        self._happens = happens
        self._happened = False

    def write(self, *given: object, **named: object) -> ExtentRecord:
        record = self._write(*given, **named)  # type: ignore[arg-type]
        if not self._happened:
            self._happened = True
            self._happens()
        return record


def compact(
    pool: SmallPool, records: list[ExtentRecord], happens: Callable[[], None] = lambda: None
) -> Compacted:
    """Compact *records*; *happens* runs when their copy is on the disks."""
    writer = pool.extents.writer
    meanwhile = Meanwhile(pool, happens)
    writer.write = meanwhile.write  # type: ignore[method-assign]
    try:
        return compactor(pool).compact(records, lambda _extent, _count: None)
    finally:
        del writer.write


def compactor(pool: SmallPool) -> Compactor:
    return Compactor(
        tables=pool.tables,
        readers=pool.readers,
        rebuilder=pool.extents.rebuilder,
        writer=pool.extents.writer,
        buffers=SpareBuffers(),
        percent=lambda: 50,
    )


def half_dead(files: SharedFiles, *, seed: int = 0) -> tuple[ExtentRecord, list[MapId]]:
    """Return an extent of which four files of ten are left, and their maps."""
    record = files.write(10, seed=seed)
    files.remove(record.extent_id, 6)
    files.pool.commit()
    rows = files.pool.store.connection.execute(
        "SELECT DISTINCT map FROM segment WHERE extent = ? ORDER BY map", (record.extent_id,)
    )
    return record, [MapId(row[0]) for row in rows]


def overwrite(
    files: SharedFiles,
    map_id: MapId,
    start: int,
    end: int,
    *,
    then: Callable[[], None] = lambda: None,
) -> None:
    """Let a landed extent cover a range, as ``Landing`` does it."""
    pool, data = files.pool, pattern(end - start + 77)[77:]
    record = pool.extents.write(data, RS)
    with pool.store.operation():
        pool.tables.extents.insert(record)
        cleared = pool.tables.file_map.clear(map_id, start, end, 1000)
        pool.tables.garbage.suspect(cleared.extents)
        pool.tables.file_map.put_segment(map_id, Segment(start, end - start, record.extent_id, 0))
    before = files.content[map_id]
    files.content[map_id] = before[:start] + data + before[end:]
    then()


def give_back_space(pool: SmallPool) -> None:
    """Let Collect do all it may: drop, and behind the acknowledgement delete."""
    for _ in range(2):
        pool.acknowledge()
        pool.collect_all()


def exchange(files: SharedFiles, one: MapId, other: MapId) -> None:
    """Let two maps have each other's segments, at the same offsets and lengths."""
    mine, theirs = files.segments(one)[0], files.segments(other)[0]
    with files.pool.store.operation():
        for map_id, segment in ((one, theirs), (other, mine)):
            files.pool.tables.file_map.clear(map_id, 0, PART, 10)
            files.pool.tables.file_map.put_segment(map_id, segment)
    content = files.content
    content[one], content[other] = content[other], content[one]


@pytest.mark.parametrize(
    ("what", "stays"),
    [
        ("nothing", 0),
        ("overwrite the beginning", 1),
        ("overwrite the middle", 1),
        ("overwrite all", 0),
        ("cut", 1),
        ("unlink", 0),
        ("exchange", 2),
        ("overwrite and commit", 1),
    ],
)
def test_what_changed_while_it_was_copied_is_not_switched(
    pool: SmallPool, files: SharedFiles, what: str, stays: int
) -> None:
    record, (first, second, *_others) = half_dead(files)
    changes: dict[str, Callable[[], None]] = {
        "nothing": lambda: None,
        "overwrite the beginning": lambda: overwrite(files, first, 0, 500),
        "overwrite the middle": lambda: overwrite(files, first, 40_000, 50_000),
        "overwrite all": lambda: overwrite(files, first, 0, PART),
        "cut": lambda: files.cut(first, 5000),
        "unlink": lambda: files.cut(first, 0),
        "exchange": lambda: exchange(files, first, second),
        "overwrite and commit": lambda: overwrite(files, first, 0, 500, then=pool.commit),
    }

    done = compact(pool, [record], changes[what])

    kept = {one for one in files.content if record.extent_id in extents_of(files, one)}
    assert len(kept) == stays
    gone = int(what in ("unlink", "overwrite all"))
    assert done.moved[record.extent_id] == (4 - stays - gone) * PART
    assert files.whole()
    pool.acknowledge()
    pool.collect_all()
    assert files.whole()
    assert (record.extent_id in files.records()) == bool(stays)


def extents_of(files: SharedFiles, map_id: MapId) -> set[ExtentId]:
    return {segment.extent_id for segment in files.segments(map_id)}


def test_a_copy_of_which_nothing_is_wanted_any_more_is_collected(
    pool: SmallPool, files: SharedFiles
) -> None:
    record, maps = half_dead(files)

    def unlink_all() -> None:
        for one in maps:
            files.cut(one, 0)

    done = compact(pool, [record], unlink_all)

    assert not done.moved
    give_back_space(pool)
    assert files.records() == set()
    assert pool.all_files() == set()


# Who needs the old extent still


def test_a_crash_that_forgets_the_switch_finds_the_old_extent(
    pool: SmallPool, files: SharedFiles
) -> None:
    record, _ = half_dead(files)
    pool.acknowledge()
    pool.topology.has_quorum = False
    compact(pool, [record])

    pool.commit()
    for _ in range(20):
        pool.collect.step()

    assert pool.intact_indexes(record) == set(range(6))
    give_back_space(pool)
    assert not {name for _disk, name in pool.all_files() if f"/{record.extent_id}." in name}
    assert files.whole()


def test_who_reads_by_the_old_map_finds_the_old_extent(pool: SmallPool, files: SharedFiles) -> None:
    record, maps = half_dead(files)
    with pool.gate.enter():
        old = files.segments(maps[0])[0]
        compact(pool, [record])
        give_back_space(pool)
        data = pool.read(record)[old.extent_offset : old.extent_offset + old.length]
        assert data == files.content[maps[0]]

    pool.collect_all()
    assert pool.intact_indexes(record) == set()


def test_nobody_takes_the_new_extent_for_a_leftover_before_it_is_named(
    pool: SmallPool, files: SharedFiles
) -> None:
    record, _ = half_dead(files)

    def collect() -> None:
        # A listing of the disks finds the files; a later one would see them go.
        for _ in range(4):
            pool.clock.advance(1e6)
            files.write(1)
            pool.acknowledge()
            pool.collect_all()

    compact(pool, [record], collect)

    pool.acknowledge()
    pool.collect_all()
    for new in files.extents():
        assert pool.intact_indexes(pool.record(new)) == set(range(6))


def test_fragments_are_durable_before_a_row_names_them(pool: SmallPool, files: SharedFiles) -> None:
    record, _ = half_dead(files)
    seen: list[set[ExtentId]] = []

    compact(pool, [record], lambda: seen.append(files.records()))

    assert seen == [{record.extent_id}]
    for device in pool.disks.memory.values():
        device.lose_power()
    assert files.whole()


# Trouble in between


def test_an_extent_that_cannot_be_read_does_not_hold_up_the_others(
    pool: SmallPool, files: SharedFiles
) -> None:
    rotten, _ = half_dead(files)
    sound, _ = half_dead(files, seed=1)
    for index in range(3):
        pool.extents.flip(rotten, index, 9000)

    done = compact(pool, [rotten, sound])

    assert set(done.failed) == {rotten.extent_id}
    assert set(done.moved) == {sound.extent_id}
    assert rotten.extent_id in files.extents()


def test_one_rotten_page_is_mended_on_the_way(pool: SmallPool, files: SharedFiles) -> None:
    record, _ = half_dead(files)
    pool.extents.flip(record, 2, 9000)

    compact(pool, [record])

    assert files.whole()
    assert record.extent_id not in files.extents()


def test_an_interruption_changes_nothing(pool: SmallPool, files: SharedFiles) -> None:
    record, _ = half_dead(files)
    before = pool.all_files()

    def interrupt(_extent: ExtentId, _count: int) -> None:
        raise InterruptedWorkError("paused")

    with pytest.raises(InterruptedWorkError):
        compactor(pool).compact([record], interrupt)

    assert pool.all_files() == before
    assert files.extents() == {record.extent_id}


def test_a_stop_between_two_rows_of_the_switch_leaves_every_file_whole(
    pool: SmallPool, files: SharedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 5 * ROWS_PER_STEP
    record = files.write(count, part=2000)
    files.remove(record.extent_id, 3 * ROWS_PER_STEP)
    pool.commit()
    operations = 0
    operation = MetadataStore.operation

    def third_is_refused(store: MetadataStore) -> object:
        nonlocal operations
        operations += 1
        if operations == 3:
            raise DeviceFailedError("stop here")
        return operation(store)

    with monkeypatch.context() as patch:
        patch.setattr(MetadataStore, "operation", third_is_refused)
        with pytest.raises(DeviceFailedError):
            compact(pool, [record])

    assert len(files.extents()) == 2
    assert files.whole()
    pool.acknowledge()
    pool.collect_all()
    assert files.whole()
    compact(pool, [record])
    pool.acknowledge()
    pool.collect_all()
    assert record.extent_id not in files.records()
    assert files.whole()


def test_an_extent_that_turns_out_to_live_is_left_alone(
    pool: SmallPool, files: SharedFiles
) -> None:
    record = files.write(10)

    done = compact(pool, [record])

    assert done == Compacted()
    assert files.records() == {record.extent_id}
