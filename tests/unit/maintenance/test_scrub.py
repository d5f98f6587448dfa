"""Scrub: what it finds, what it leaves alone, and what repair makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.device.faulty import FailWith, Fault
from engine.errors import DeviceFailedError, UsageError
from engine.extents.verdict import Verdict
from engine.format.fragment import encode_page_table, payload_offset
from engine.ids import DiskId, ExtentId, LayoutId
from engine.metadata.extents_table import Damage
from engine.model.extent import ExtentRecord, FragmentRef
from engine.model.redundancy import Replication
from tests.unit.maintenance.small_pool import (
    SmallPool,
    name_of,
    pattern,
    small_pool,
    table_rows,
)

DATA = pattern(700_001)
SLICE_BYTES = 176_128  # ceil(700,001 / 4) in whole 4 KiB.


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    with small_pool(tmp_path, 6) as small:
        yield small


def counts(pool: SmallPool) -> tuple[int, int, int, int, int, int]:
    seen = pool.scrub.progress()
    return (
        seen.intact,
        seen.corrupt,
        seen.missing,
        seen.misplaced,
        seen.parity_mismatches,
        seen.unreferenced,
    )


def test_a_clean_pool_scrubs_clean_and_each_byte_is_read_once(pool: SmallPool) -> None:
    for number in range(4):
        pool.write_file(f"f{number}", DATA)
    pool.extents.forget_counts()

    pool.scrub_all()

    progress = pool.scrub.progress()
    assert counts(pool) == (24, 0, 0, 0, 0, 0)
    assert (progress.done_fragments, progress.total_fragments) == (24, 24)
    assert progress.done_bytes == progress.total_bytes == 24 * SLICE_BYTES
    read = sum(size for _, size in pool.extents.counted("get").values())
    assert read == 24 * (SLICE_BYTES + payload_offset(SLICE_BYTES))
    assert pool.extents.metrics.snapshot()["scrubs_completed_total"][""] == 1
    assert progress.runs_completed == 1


def delete(pool: SmallPool, record: ExtentRecord) -> None:
    ref = record.fragments[2]
    pool.disks.memory[ref.disk_id].delete(name_of(record, ref))


def misplace(pool: SmallPool, record: ExtentRecord) -> None:
    foreign = pool.extents.file_of(record, record.fragments[1])
    pool.extents.replace_file(record, record.fragments[2], bytes(foreign))


def cut_short(pool: SmallPool, record: ExtentRecord) -> None:
    data = pool.extents.file_of(record, record.fragments[2])
    pool.extents.replace_file(record, record.fragments[2], bytes(data[:-4096]))


def flip(offset: int) -> Callable[[SmallPool, ExtentRecord], None]:
    return lambda pool, record: pool.extents.flip(record, 2, offset)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (flip(17), (5, 1, 0, 0, 0, 0)),
        (flip(4100), (5, 1, 0, 0, 0, 0)),
        (flip(8192), (5, 1, 0, 0, 0, 0)),
        (flip(-1), (5, 1, 0, 0, 0, 0)),
        (cut_short, (5, 1, 0, 0, 0, 0)),
        (delete, (5, 0, 1, 0, 0, 0)),
        (misplace, (5, 0, 0, 1, 0, 0)),
    ],
    ids=["header", "table", "payload", "last byte", "short", "deleted", "misplaced"],
)
def test_harm_is_found_named_and_left_alone_then_mended_with_repair(
    pool: SmallPool,
    harm: Callable[[SmallPool, ExtentRecord], None],
    expected: tuple[int, ...],
) -> None:
    folder = pool.make_directory("photos")
    record = pool.write_file("cat.jpg", DATA, parent=folder)
    harm(pool, record)
    files = pool.all_files()

    pool.scrub_all()

    assert counts(pool) == expected
    finding = pool.scrub.progress().findings[0]
    assert (finding.index, finding.path) == (2, "/photos/cat.jpg")
    assert pool.record(record.extent_id) == record
    assert pool.all_files() == files
    assert [one.index for one in pool.tables.extents.damages(10)] == [2]

    pool.commit()
    pool.scrub_all(repair=True)
    repaired = pool.scrub.progress().repaired
    pool.acknowledge()
    pool.collect_all()
    pool.commit()
    pool.scrub_all()

    assert repaired == 1
    assert counts(pool) == (6, 0, 0, 0, 0, 0)
    assert pool.read(pool.record(record.extent_id)) == DATA


def test_parity_that_contradicts_the_data_is_found(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    other = pool.write_file("b", pattern(700_001, seed=2))
    # A valid fragment of other bytes: every checksum fits, the code does not.
    pool.tables.extents.replace(_with_foreign_parity(pool, record, other))
    pool.commit()

    pool.scrub_all()

    progress = pool.scrub.progress()
    assert progress.parity_mismatches == 1
    assert progress.corrupt == 0


def _with_foreign_parity(
    pool: SmallPool, record: ExtentRecord, other: ExtentRecord
) -> ExtentRecord:
    """Write the other's parity 5 as the record's, under a header of its own."""
    from dataclasses import replace  # noqa: PLC0415

    from engine.format.fragment import (  # noqa: PLC0415
        decode_header,
        encode_header,
        header_hash,
    )

    ref = record.fragments[5]
    payload = bytes(pool.extents.file_of(other, other.fragments[5])[-SLICE_BYTES:])
    table = encode_page_table(payload)
    own = decode_header(pool.extents.file_of(record, ref)[:4096])
    header = encode_header(replace(own, layout=LayoutId(9000), table_hash=header_hash(table)))
    foreign = FragmentRef(5, ref.disk_id, LayoutId(9000), header_hash(header))
    pool.disks.memory[ref.disk_id].put(name_of(record, foreign), [header, table, payload])
    return replace(record, fragments=record.with_fragment(foreign))


def test_a_missing_disk_is_counted_without_being_asked(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    pool.lose(3)
    pool.extents.forget_counts()

    pool.scrub_all()

    assert counts(pool) == (5, 0, 1, 0, 0, 0)
    assert DiskId(3) not in pool.extents.counted("get")
    assert pool.tables.extents.damages(10) == []
    assert pool.scrub.progress().findings == ()
    assert record == pool.record(record.extent_id)


def test_a_fragment_that_cannot_be_read_twice_is_as_good_as_rotten(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    ref = record.fragments[4]
    pool.disks.devices[ref.disk_id].add_fault(
        Fault(action=FailWith(error=DeviceFailedError("EIO")), method="get")
    )

    pool.scrub_all()

    assert counts(pool) == (5, 1, 0, 0, 0, 0)
    assert [one.index for one in pool.tables.extents.damages(10)] == [4]


def test_a_disk_that_stumbles_once_is_not_blamed(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    pool.disks.devices[record.fragments[4].disk_id].add_fault(
        Fault(action=FailWith(error=DeviceFailedError("EIO")), method="get", nth=1)
    )

    pool.scrub_all()

    assert counts(pool) == (6, 0, 0, 0, 0, 0)


def test_files_that_nobody_names_are_counted_and_kept(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.disks.memory[DiskId(2)].put("fragments/0/999.1.0", [b"stray"])
    pool.disks.memory[DiskId(4)].put("fragments/note.txt", [b"stray"])
    pool.extents.write(DATA, Replication(2))  # Written, never committed.

    pool.scrub_all()

    assert pool.scrub.progress().unreferenced == 4
    assert "fragments/0/999.1.0" in pool.files(2)


def test_a_file_whose_row_comes_during_the_scrub_is_not_called_unreferenced(
    pool: SmallPool,
) -> None:
    record = pool.extents.write(DATA, Replication(2))
    pool.scrub.start(repair=False)
    while pool.scrub.step():
        pass

    with pool.store.operation():
        pool.tables.extents.insert(record)
    pool.clock.advance(6)
    while pool.scrub.step():
        pass

    assert not pool.scrub.progress().running
    assert pool.scrub.progress().unreferenced == 0


def test_damage_that_is_intact_after_all_is_forgotten(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    with pool.store.operation():
        pool.tables.extents.add_damage(Damage(record.extent_id, 1, "corrupt", 0))

    pool.scrub_all()

    assert pool.tables.extents.damages(10) == []


def test_an_extent_that_goes_while_it_is_read_is_not_judged(
    pool: SmallPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = pool.write_file("a", DATA)
    pool.extents.flip(record, 2, -1)
    verdicts = pool.inspector.verdicts

    def unlink_meanwhile(read: ExtentRecord, **kwargs: Callable[[int], None]) -> object:
        found = verdicts(read, **kwargs)
        pool.unlink(record.extent_id)
        pool.collect_all()
        return found

    monkeypatch.setattr(pool.inspector, "verdicts", unlink_meanwhile)
    pool.scrub_all()

    assert counts(pool)[:2] == (0, 0)
    assert pool.scrub.progress().findings == ()


def test_the_newest_extents_are_verified_first(pool: SmallPool) -> None:
    old = pool.write_file("old", DATA)
    new = pool.write_file("new", DATA)
    pool.extents.flip(old, 0, -1)
    pool.extents.flip(new, 0, -1)
    pool.scrub.start(repair=False)

    while not pool.scrub.progress().findings:
        pool.scrub.step()

    assert pool.scrub.progress().findings[0].extent_id == new.extent_id


def test_a_scrub_goes_on_after_a_restart_where_it_was(pool: SmallPool) -> None:
    for number in range(6):
        pool.write_file(f"f{number}", DATA)
    pool.scrub.start(repair=False)
    while pool.scrub.progress().done_fragments < 18:
        pool.scrub.step()
    pool.clock.advance(6)
    pool.scrub.step()
    pool.extents.forget_counts()

    pool.start_maintenance()
    assert pool.scrub.progress().running
    while pool.scrub.progress().running:
        pool.scrub.step()

    assert pool.scrub.progress().done_fragments == 36
    assert sum(calls for calls, _ in pool.extents.counted("get").values()) == 12


def test_a_lost_cursor_file_does_no_harm(pool: SmallPool) -> None:
    (pool.folder / "scrub.json").write_text('{"running": 1, "cursor": "x"}')

    pool.start_maintenance()

    assert not pool.scrub.progress().running


def test_a_second_scrub_is_refused_and_the_first_can_be_stopped(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.scrub.start(repair=False)
    with pytest.raises(UsageError):
        pool.scrub.start(repair=True)

    pool.scrub.stop()
    pool.scrub.step()

    assert not pool.scrub.progress().running
    assert pool.scrub.progress().runs_completed == 0
    pool.scrub_all()
    assert pool.scrub.progress().runs_completed == 1


def test_a_scrub_without_repair_reports_nothing_to_the_intake(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    pool.extents.flip(record, 2, -1)
    pool.disks.findings.clear()

    pool.scrub_all()

    assert pool.disks.findings == []


def test_a_report_about_a_replaced_fragment_is_ignored(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    ref = record.fragments[0]
    pool.damage.report(record.extent_id, 0, ref.disk_id, Verdict.MISSING)
    pool.damage.report(ExtentId(12345), 0, ref.disk_id, Verdict.MISSING)
    pool.damage.report(record.extent_id, 9, ref.disk_id, Verdict.CORRUPT)

    while pool.damage.step():
        pass

    assert table_rows(pool, "damage") == []


def test_reports_are_bounded_and_repeated_ones_count_once(pool: SmallPool) -> None:
    for number in range(5000):
        pool.damage.report(ExtentId(10_000 + number), 0, DiskId(1), Verdict.CORRUPT)
        pool.damage.report(ExtentId(10_000 + number), 0, DiskId(1), Verdict.CORRUPT)

    steps = 0
    while pool.damage.step():
        steps += 1

    assert steps == 1024
