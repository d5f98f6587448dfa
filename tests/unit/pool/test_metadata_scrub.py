"""Labels, journals, checkpoints and the database under a scrub, on real directories."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.device.names import JOURNAL_FOLDER, LABEL_NAME
from engine.format.journal import FrameGap, frame_bytes, iter_frames
from engine.maintenance.scrub_progress import ScrubProgress
from engine.pool.pool import Pool
from engine.pool.verbs import PoolVerbs
from engine.status.views import FindingView
from tests.unit.pool.directory_pool import Place, get, put

SECONDS_MAX = 30.0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.create()
    return made


@pytest.fixture
def pool(place: Place) -> Iterator[Pool]:
    """A pool with two checkpoints and some records behind them, on five journal disks."""
    with Pool(place.pool_dir) as opened:
        for number in range(4):
            put(opened, b"before%d" % number, b"x" * 3000)
        opened.maintenance.checkpoints.make()
        for number in range(3):
            put(opened, b"between%d" % number, b"y" * 3000)
        opened.maintenance.checkpoints.make()
        for number in range(6):
            put(opened, b"after%d" % number, b"z" * 3000)
        yield opened


def scrubbed(pool: Pool, *, repair: bool = False) -> ScrubProgress:
    """Run a scrub to its end."""
    pool.maintenance.scrub.start(repair=repair)
    pool.maintenance.wake.set()
    end_s = time.monotonic() + SECONDS_MAX
    while (progress := pool.maintenance.scrub.progress()).running:
        assert time.monotonic() < end_s, "the scrub does not end"
        time.sleep(0.01)
    return progress


def findings(pool: Pool) -> list[FindingView]:
    found = PoolVerbs(pool, mountpoint=lambda: "").view().scrub.findings
    return [one for one in found if one.kind != "fragment"]


def journal_files(disk: Path) -> list[Path]:
    return sorted((disk / JOURNAL_FOLDER).glob("*.log"))


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


def frames(path: Path) -> list[tuple[int, int, int]]:
    """Return (generation, offset, bytes) of each intact frame."""
    found = []
    for reading in iter_frames(path.read_bytes()):
        if not isinstance(reading, FrameGap):
            offset, frame = reading
            found.append((int(frame.generation), offset, frame_bytes(len(frame.payload))))
    return found


def rot_record(disk: Path, back: int) -> int:
    """Flip a byte of the journal's record *back* from the end; return its generation."""
    path = journal_files(disk)[-1]
    generation, offset, size = frames(path)[-1 - back]
    flip(path, offset + min(64, size - 1))
    return generation


def held(disk: Path) -> set[int]:
    return {generation for path in journal_files(disk) for generation, _, _ in frames(path)}


def checkpoints(disk: Path) -> list[Path]:
    return sorted((disk / "checkpoints").iterdir())


def whole_count(place: Place) -> int:
    """Return labels, checkpoints, records behind the older checkpoint, and one database."""
    count = 1
    for disk in place.disks:
        base = int(checkpoints(disk)[0].name.partition(".")[0], 16)
        behind = [generation for generation in held(disk) if generation > base]
        count += 1 + len(checkpoints(disk)) + len(behind)
    return count


def test_whole_metadata_are_read_and_nothing_is_found(pool: Pool, place: Place) -> None:
    pool.engine.syncer.sync_all()

    before = whole_count(place)
    progress = scrubbed(pool)
    after = whole_count(place)

    # Groups go on being committed while it reads.
    assert before <= progress.metadata_checked <= after
    assert progress.metadata_damaged == 0
    assert findings(pool) == []


def test_each_scrub_reads_the_metadata_anew(pool: Pool, place: Place) -> None:
    first = scrubbed(pool)
    assert (first.metadata_checked > 0, first.metadata_damaged) == (True, 0)

    rot_record(place.disks[2], 1)
    second = scrubbed(pool)

    assert second.metadata_checked + 1 >= first.metadata_checked
    assert second.metadata_damaged == 1
    assert [one.kind for one in findings(pool)] == ["journal"]


@pytest.mark.parametrize("back", [0, 1, 4])
def test_a_rotten_record_is_named_and_left_alone_then_copied_anew_with_repair(
    pool: Pool, place: Place, back: int
) -> None:
    pool.engine.syncer.sync_all()
    generation = rot_record(place.disks[1], back)

    progress = scrubbed(pool)
    (found,) = findings(pool)
    assert progress.metadata_damaged == 1
    assert (found.kind, found.disk, found.name) == (
        "journal", disk_name(pool, 1), f"journal record {generation}"
    )  # fmt: skip
    assert "--repair" in found.advice
    assert generation not in held(place.disks[1])

    scrubbed(pool, repair=True)
    assert [one.outcome for one in findings(pool)] == ["repaired"]
    assert held(place.disks[1]) >= {generation}
    assert scrubbed(pool).metadata_damaged == 0
    assert_all_readable(pool)


def test_journals_of_two_disks_are_mended_from_the_others_at_once(pool: Pool, place: Place) -> None:
    generations = [rot_record(place.disks[number], 2) for number in (0, 3)]

    scrubbed(pool, repair=True)

    assert [one.outcome for one in findings(pool)] == ["repaired", "repaired"]
    assert all(generations[0] in held(disk) for disk in place.disks)


def test_a_journal_is_not_taken_apart_while_too_few_others_are_whole(
    pool: Pool, place: Place
) -> None:
    for number in range(3):
        rot_record(place.disks[number], 2)
    before = [held(disk) for disk in place.disks]

    scrubbed(pool, repair=True)

    outcomes = {one.outcome for one in findings(pool)}
    assert outcomes == {"pending: 2 other journals are whole, 3 needed"}
    assert all(old <= held(disk) for old, disk in zip(before, place.disks, strict=True))
    assert put(pool, b"goes on", b"1")


def test_a_rotten_checkpoint_is_copied_from_a_disk_that_has_it(pool: Pool, place: Place) -> None:
    victim = checkpoints(place.disks[2])[0]
    whole = victim.read_bytes()
    flip(victim, len(whole) // 2)

    scrubbed(pool)
    (found,) = findings(pool)
    assert (found.kind, found.disk) == ("checkpoint", disk_name(pool, 2))
    assert found.name == f"checkpoints/{victim.name}"
    scrubbed(pool, repair=True)

    assert [one.outcome for one in findings(pool)] == ["repaired"]
    assert victim.read_bytes() == whole


def test_a_checkpoint_that_is_rotten_everywhere_is_made_anew(pool: Pool, place: Place) -> None:
    for disk in place.disks:
        newest = checkpoints(disk)[-1]
        flip(newest, newest.stat().st_size // 2)

    scrubbed(pool, repair=True)

    assert {one.outcome for one in findings(pool)} == {"repaired"}
    assert scrubbed(pool).metadata_damaged == 0


def test_who_hears_that_a_scrub_ended_reads_its_damage_in_the_status(
    pool: Pool, place: Place
) -> None:
    pool.engine.syncer.sync_all()
    fragment = next((place.disks[1] / "fragments").rglob("*.*.*"))
    flip(fragment, fragment.stat().st_size - 1)

    progress = scrubbed(pool)
    told = PoolVerbs(pool, mountpoint=lambda: "").view()

    assert len(progress.findings) == 1
    assert told.exposure.degraded_extents == 1
    assert told.verdict.code != "DFS-0000"


def test_a_rotten_label_is_named(pool: Pool, place: Place) -> None:
    label = place.disks[4] / LABEL_NAME
    flip(label, 40)

    scrubbed(pool, repair=True)

    (found,) = findings(pool)
    assert (found.kind, found.disk) == ("label", disk_name(pool, 4))
    assert found.outcome.startswith("pending: ")


def test_a_disk_that_is_away_is_no_damage(pool: Pool, place: Place) -> None:
    place.move_away(1)
    pool.membership.probe()

    assert scrubbed(pool).metadata_damaged == 0
    place.bring_back(1)


def test_a_repair_survives_the_loss_of_the_pool_directory(pool: Pool, place: Place) -> None:
    rot_record(place.disks[1], 1)
    scrubbed(pool, repair=True)
    assert [one.outcome for one in findings(pool)] == ["repaired"]

    put(pool, b"last", b"word")
    pool.close()
    place.move_away(0)
    place.move_away(3)
    with Pool(place.pool_dir) as again:
        assert get(again, b"last") == b"word"
        assert_all_readable(again)


def disk_name(pool: Pool, index: int) -> str:
    return [one.record.name for one in pool.engine.base.disks.presences()][index]


def assert_all_readable(pool: Pool) -> None:
    for number in range(6):
        assert get(pool, b"after%d" % number) == b"z" * 3000
