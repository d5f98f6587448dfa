"""What scrubs remember: runs, findings, ages; and whatever becomes of the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.extents.verdict import Verdict
from engine.ids import ExtentId
from engine.maintenance.scrub_ages import BOUNDS_D, count_ages
from engine.maintenance.scrub_records import RUNS_KEPT, Proof, ScrubRecords
from engine.maintenance.scrub_target import parse_target
from tests.unit.maintenance.small_pool import SmallPool, pattern, small_pool

DATA = pattern(300_001)
DAY_S = 24 * 3600


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    with small_pool(tmp_path, 6) as small:
        yield small


def restart(pool: SmallPool) -> None:
    """Make everything anew from what is on disk."""
    pool.commit()
    pool.scrub.records.close()
    pool.start_maintenance()


def test_findings_and_their_files_survive_a_restart(pool: SmallPool) -> None:
    folder = pool.make_directory("photos")
    record = pool.write_file("cat.jpg", DATA, parent=folder)
    pool.extents.flip(record, 2, -1)
    pool.scrub_all()
    before = pool.scrub.progress().findings

    restart(pool)

    assert before[0].path == "/photos/cat.jpg"
    assert pool.scrub.progress().findings == before


def test_the_last_runs_are_kept_and_no_more(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    pool.extents.flip(record, 0, -1)
    for _ in range(RUNS_KEPT + 3):
        pool.scrub_all()
    pool.scrub_all(repair=True)
    pool.scrub.start(repair=False, target=parse_target("bad"))
    pool.scrub.stop()
    pool.scrub.step()

    restart(pool)
    runs = pool.scrub.records.runs()

    assert [number for number, _ in runs] == list(range(RUNS_KEPT + 5, 5, -1))
    words = [(run.target, run.word, run.bad, run.repaired) for _, run in runs[:3]]
    assert words == [("bad", "stopped", 0, 0), ("all", "finished", 1, 1), ("all", "finished", 1, 0)]
    assert all(run.finished_ns >= run.started_ns > 0 for _, run in runs)


def ages(pool: SmallPool) -> tuple[list[int], int]:
    found = count_ages(pool.readers, pool.scrub.records, pool.clock.now_ns())
    return [one.fragments for one in found.buckets], found.never_fragments


def test_the_histogram_tells_how_long_ago_each_fragment_was_proven(pool: SmallPool) -> None:
    first = pool.write_file("first", DATA)
    pool.write_file("second", DATA)
    assert ages(pool) == ([0, 0, 0, 0, 0], 12)

    pool.scrub_all()
    assert ages(pool) == ([12, 0, 0, 0, 0], 0)

    pool.clock.advance(8 * DAY_S)
    on_disk = first.fragments[4].disk_id
    pool.scrub_all(target=f"disk d{on_disk}")
    assert ages(pool) == ([2, 0, 10, 0, 0], 0)

    pool.extents.flip(first, 1, -1)
    pool.scrub_all(target="directory /first")
    # What is rotten is proven no more; the rest of its extent is, anew.
    assert ages(pool) == ([6, 0, 5, 0, 0], 1)

    pool.clock.advance(90 * DAY_S)
    assert ages(pool) == ([0, 0, 0, 0, 11], 1)
    assert BOUNDS_D == (0, 1, 7, 30, 90)


def test_a_mended_fragment_is_no_longer_proven_until_it_is_read(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    pool.scrub_all()
    proven_ns = pool.scrub.verified_ns(record.extent_id)
    # A reader meets rot: no scrub knows, and the proof of the old fragment stays behind.
    pool.extents.flip(record, 3, -1)
    pool.damage.report(record.extent_id, 3, record.fragments[3].disk_id, Verdict.CORRUPT)
    while pool.damage.step():
        pass
    pool.reconcile_all()
    pool.commit()
    pool.clock.advance(DAY_S)

    assert proven_ns == pool.scrub.progress().started_ns // 10**9 * 10**9
    assert pool.record(record.extent_id).fragments[3] != record.fragments[3]
    assert pool.scrub.verified_ns(record.extent_id) == 0
    assert ages(pool) == ([0, 5, 0, 0, 0], 1)
    pool.scrub_all()
    assert pool.scrub.verified_ns(record.extent_id) == pool.clock.now_ns() // 10**9 * 10**9


def test_what_is_known_of_deleted_extents_is_forgotten(pool: SmallPool) -> None:
    kept = pool.write_file("kept", DATA)
    gone = pool.write_file("gone", DATA)
    pool.scrub_all()
    pool.unlink(gone.extent_id)
    pool.acknowledge()
    pool.collect_all()
    pool.commit()

    pool.scrub_all()

    assert pool.scrub.records.known_extents(ExtentId(0), 100) == [kept.extent_id]


# The file of records


def _nothing(path: Path) -> None:
    path.unlink(missing_ok=True)


def _garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").touch()


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("harm", [_nothing, _garbage, _cut, _zeros, _fifo, _folder, _link])
def test_whatever_becomes_of_the_records_scrubs_go_on(
    pool: SmallPool, harm: Callable[[Path], None]
) -> None:
    record = pool.write_file("a", DATA)
    pool.scrub_all()
    pool.scrub.records.close()
    harm(pool.folder / "scrub.db")
    pool.extents.flip(record, 2, -1)

    pool.start_maintenance()
    pool.scrub_all(target="older 0")
    pool.scrub_all()

    assert pool.scrub.progress().corrupt == 1
    assert [run.word for _, run in pool.scrub.records.runs()][0] == "finished"
    assert ages(pool) == ([5, 0, 0, 0, 0], 1)
    assert not (pool.folder / "elsewhere").exists()


def test_records_of_a_pool_that_is_only_looked_at_make_no_file(tmp_path: Path) -> None:
    records = ScrubRecords(tmp_path / "scrub.db", on_trouble=lambda text: None)

    assert records.runs() == []
    assert records.findings() == []
    assert records.proofs(ExtentId(0), ExtentId(9)) == {}
    assert list(tmp_path.iterdir()) == []


def test_proofs_are_read_back_as_they_were_noted(tmp_path: Path) -> None:
    records = ScrubRecords(tmp_path / "scrub.db", on_trouble=lambda text: None)
    noted = {(extent, at): Proof(extent * 10, at) for extent in range(1, 4) for at in range(3)}
    for (extent, at), proof in noted.items():
        records.note_proof(ExtentId(extent), at, proof)
    records.note_proof(ExtentId(2), 1, None)
    records.close()

    again = ScrubRecords(tmp_path / "scrub.db", on_trouble=lambda text: None)

    expected = {key: proof for key, proof in noted.items() if key != (2, 1)}
    assert again.proofs(ExtentId(1), ExtentId(3)) == expected
    again.close()
