"""Scrubs of a part of the pool: what they read, and that they read nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.ids import DiskId, ExtentId
from engine.maintenance.scrub_target import DAYS_MAX, ScrubTarget, TargetKind, parse_target
from engine.model.extent import ExtentRecord
from tests.unit.maintenance.small_pool import SmallPool, pattern, small_pool

DATA = pattern(300_001)
DAY_S = 24 * 3600


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    with small_pool(tmp_path, 6) as small:
        yield small


def found(pool: SmallPool) -> set[tuple[ExtentId, int]]:
    return {(one.extent_id, one.index) for one in pool.scrub.progress().findings}


def rot(pool: SmallPool, record: ExtentRecord, index: int) -> None:
    pool.extents.flip(record, index, -1)


NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
TARGETS = st.one_of(
    st.sampled_from([TargetKind.ALL, TargetKind.BAD]).map(lambda kind: ScrubTarget(kind=kind)),
    st.builds(ScrubTarget, kind=st.just(TargetKind.DISK), name=NAMES),
    st.builds(
        ScrubTarget, kind=st.just(TargetKind.DIRECTORY), name=NAMES.map(lambda name: f"/{name}")
    ),
    st.builds(ScrubTarget, kind=st.just(TargetKind.OLDER), days=st.integers(0, DAYS_MAX)),
)


@given(TARGETS)
def test_what_a_target_says_is_read_as_that_target(target: ScrubTarget) -> None:
    assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    "text",
    ["", "disk", "directory", "directory photos", "older", "older x", "older -1", "older 99999",
     "all of it", "everything", "bad disk"],
)  # fmt: skip
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_target(text)


def test_a_target_that_is_not_there_is_refused_before_anything_is_forgotten(
    pool: SmallPool,
) -> None:
    rot(pool, pool.write_file("a", DATA), 0)
    pool.scrub_all()
    before = pool.scrub.progress()

    for text in ("disk d9", "directory /nowhere"):
        with pytest.raises(UsageError):
            pool.scrub.start(repair=False, target=parse_target(text))

    assert pool.scrub.progress() == before


def test_a_disk_is_scrubbed_alone(pool: SmallPool) -> None:
    records = [pool.write_file(f"f{number}", DATA) for number in range(5)]
    on_it = records[3].fragments[2]
    rot(pool, records[3], 2)
    rot(pool, records[1], next(r.index for r in records[1].fragments if r.disk_id != on_it.disk_id))
    pool.extents.forget_counts()

    pool.scrub_all(target=f"disk d{on_it.disk_id}")

    progress = pool.scrub.progress()
    assert set(pool.extents.counted("get")) == {on_it.disk_id}
    assert (progress.intact, progress.corrupt) == (4, 1)
    assert (progress.done_fragments, progress.total_fragments) == (5, 5)
    assert progress.done_bytes == progress.total_bytes == 5 * records[0].slice_bytes
    assert found(pool) == {(records[3].extent_id, 2)}
    assert progress.target == f"disk d{on_it.disk_id}"


def test_stray_files_of_other_disks_are_not_looked_for(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.disks.memory[DiskId(1)].put("fragments/0/999.1.0", [b"stray"])
    pool.disks.memory[DiskId(2)].put("fragments/0/998.1.0", [b"stray"])

    pool.scrub_all(target="disk d2")

    assert pool.scrub.progress().unreferenced == 1


def test_a_directory_is_scrubbed_with_all_below_it_and_nothing_beside(pool: SmallPool) -> None:
    photos = pool.make_directory("photos")
    deep = pool.make_directory("2026", photos)
    inside = [
        pool.write_file("a", DATA, parent=photos),
        pool.write_file("b", DATA, parent=deep),
    ]
    beside = [pool.write_file("photos2", DATA), pool.write_file("z", DATA)]
    for record in (*inside, *beside):
        rot(pool, record, 1)

    pool.scrub_all(target="directory /photos")

    assert found(pool) == {(record.extent_id, 1) for record in inside}
    assert {one.path for one in pool.scrub.progress().findings} == {"/photos/a", "/photos/2026/b"}
    assert pool.scrub.progress().total_fragments == 12


@pytest.mark.parametrize(
    ("path", "expected"), [("/photos/a", {"a"}), ("/", {"a", "z"}), ("//photos/./", {"a"})]
)
def test_a_path_may_be_a_file_or_the_root(pool: SmallPool, path: str, expected: set[str]) -> None:
    photos = pool.make_directory("photos")
    records = {"a": pool.write_file("a", DATA, parent=photos), "z": pool.write_file("z", DATA)}
    for record in records.values():
        rot(pool, record, 0)

    pool.scrub_all(target=f"directory {path}")

    assert found(pool) == {(records[name].extent_id, 0) for name in expected}


def test_only_what_was_bad_is_read_again(pool: SmallPool) -> None:
    records = [pool.write_file(f"f{number}", DATA) for number in range(6)]
    rot(pool, records[2], 3)
    rot(pool, records[4], 5)
    pool.scrub_all(repair=True)
    assert pool.scrub.progress().repaired == 2
    pool.extents.forget_counts()

    pool.scrub_all(target="bad")

    progress = pool.scrub.progress()
    assert (progress.intact, progress.corrupt, progress.total_fragments) == (12, 0, 12)
    assert found(pool) == set()


def test_known_damage_is_bad_even_when_no_scrub_found_it(pool: SmallPool) -> None:
    records = [pool.write_file(f"f{number}", DATA) for number in range(3)]
    rot(pool, records[1], 3)
    verdict = pool.inspector.verdict(records[1], 3)
    pool.inspector.note(records[1], {3: verdict}, 1)
    pool.commit()

    pool.scrub_all(target="bad")

    assert found(pool) == {(records[1].extent_id, 3)}
    assert pool.scrub.progress().total_fragments == 6


def test_only_what_was_not_verified_for_so_long_is_read(pool: SmallPool) -> None:
    for name in ("old", "older"):
        pool.write_file(name, DATA)
    pool.scrub_all()
    pool.clock.advance(10 * DAY_S)
    pool.write_file("new", DATA)
    pool.scrub_all(target="directory /new")
    pool.clock.advance(DAY_S)
    pool.write_file("never", DATA)

    read = {}
    for days in (20, 5, 0):
        pool.scrub_all(target=f"older {days}")
        read[days] = pool.scrub.progress().intact

    # First what was never read, then the two of eleven days ago, then everything.
    assert read == {20: 6, 5: 12, 0: 24}


def test_of_the_older_the_newest_come_first_and_then_none_is_left(pool: SmallPool) -> None:
    for number in range(4):
        pool.write_file(f"f{number}", DATA)
    pool.scrub_all()
    pool.clock.advance(3 * DAY_S)

    pool.scrub_all(target="older 2")
    read = pool.scrub.progress().intact
    pool.scrub_all(target="older 2")

    assert read == 24
    assert pool.scrub.progress().total_fragments == 0


def test_a_fragment_that_was_mended_is_older_than_any_proof(pool: SmallPool) -> None:
    records = [pool.write_file(f"f{number}", DATA) for number in range(3)]
    rot(pool, records[0], 1)
    pool.scrub_all(repair=True)

    pool.scrub_all(target="older 1")

    # Its extent is read whole: that proves the parity, too.
    assert pool.scrub.progress().intact == 6


def test_a_part_goes_on_after_a_restart_where_it_was(pool: SmallPool) -> None:
    for number in range(8):
        pool.write_file(f"f{number}", DATA)
    pool.scrub.start(repair=False, target=parse_target("older 1"))
    while pool.scrub.progress().done_fragments < 24:
        pool.scrub.step()
    pool.clock.advance(6)
    pool.scrub.step()
    done = pool.scrub.progress().done_fragments
    pool.extents.forget_counts()

    pool.scrub.records.close()
    pool.start_maintenance()
    while pool.scrub.progress().running:
        if not pool.scrub.step():
            pool.clock.advance(0.01)

    progress = pool.scrub.progress()
    assert (progress.done_fragments, progress.target) == (48, "older than 1 d")
    assert sum(calls for calls, _ in pool.extents.counted("get").values()) == 48 - done
