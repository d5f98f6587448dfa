"""Disks that go away under a mounted pool: everything reads, and writing goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.status.views import ExitCode, HealthWord
from tests.e2e.contents import Contents, writing
from tests.e2e.harness import LivePool, live_pool, wait_for

SEED = 5


@pytest.fixture
def written(pool: LivePool) -> Contents:
    """Files of all sizes, on the disks and in no cache."""
    contents = Contents(pool.mountpoint)
    contents.write_sizes(SEED)
    pool.remount()
    return contents


@pytest.fixture(scope="module")
def degraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LivePool, Contents]]:
    """Six disks for 4+2, one of them away, nothing in any cache."""
    with live_pool(tmp_path_factory.mktemp("degraded")) as pool:
        contents = Contents(pool.mountpoint)
        contents.write_sizes(SEED)
        pool.remount()
        pool.take_away(3)
        pool.find_disks(1)
        yield pool, contents


def test_every_file_reads_with_one_disk_of_exactly_n_away(
    degraded: tuple[LivePool, Contents],
) -> None:
    _, contents = degraded

    assert contents.differing() == []


def test_status_says_degraded_and_names_the_disk_that_is_away(
    degraded: tuple[LivePool, Contents],
) -> None:
    pool, _ = degraded
    wait_for("exposure is counted anew", lambda: pool.view().exposure.degraded_extents > 0)

    outcome = pool.ask("status")
    view = pool.view()

    assert outcome.code == ExitCode.DEGRADED
    assert view.verdict.word in (HealthWord.DEGRADED, HealthWord.AT_RISK)
    assert [disk.name for disk in view.disks if not disk.present] == ["d4"]
    assert view.exposure.may_fail == 1


def test_status_says_fine_while_all_disks_are_there(pool: LivePool) -> None:
    Contents(pool.mountpoint).write_sizes(SEED)
    pool.sync()

    outcome = pool.ask("status")

    assert outcome.code == ExitCode.FINE
    assert pool.view().verdict.word is HealthWord.OK
    assert pool.view().exposure.may_fail == 2


@pytest.mark.parametrize("away", [(0, 1), (2, 5)])
def test_every_file_reads_with_m_disks_away(
    pool: LivePool, written: Contents, away: tuple[int, int]
) -> None:
    for number in away:
        pool.take_away(number)

    assert written.differing() == []


def test_a_writer_goes_on_while_m_disks_go_away(pool: LivePool, written: Contents) -> None:
    with writing(written) as writer:
        for number in (1, 4):
            pool.take_away(number)
        pool.find_disks(2)
        before = writer.rounds
        pool.sync()

    assert writer.rounds > before
    assert written.differing() == []


def test_what_was_written_with_m_disks_away_is_there_after_a_remount(
    pool: LivePool, written: Contents
) -> None:
    for number in (1, 4):
        pool.take_away(number)
    pool.find_disks(2)
    written.write_sizes(SEED + 1)

    pool.remount()

    assert written.differing() == []


def test_what_was_written_degraded_keeps_its_tolerance(pool: LivePool) -> None:
    contents = Contents(pool.mountpoint)
    for number in (0, 1):
        pool.take_away(number)
    pool.find_disks(2)
    contents.write_sizes(SEED)
    pool.unmount()
    pool.bring_back(0)
    pool.bring_back(1)
    # Any two others: what was written narrower must survive them as well.
    for number in (2, 5):
        pool.take_away(number)

    # Two of the four disks that carried the journals: enough to read, not to write (R3).
    pool.mount_read_only()

    assert contents.differing() == []


def _stored(pool: LivePool) -> dict[Path, tuple[int, int]]:
    """Return every file on the disks that are there, with length and time."""
    found = {}
    for disk in pool.disks:
        for path in disk.rglob("*"):
            if path.is_file():
                stat = path.stat()
                found[path] = (stat.st_size, stat.st_mtime_ns)
    return found


def test_degraded_reads_change_neither_layout_nor_disks(
    degraded: tuple[LivePool, Contents],
) -> None:
    pool, contents = degraded
    pool.sync()
    extents, stored = pool.extents(), _stored(pool)

    contents.differing()

    assert pool.metric("degraded_reads_total") > 0
    assert pool.extents() == extents
    assert _stored(pool) == stored


def test_reads_change_neither_layout_nor_disks(pool: LivePool, written: Contents) -> None:
    pool.sync()
    extents, stored = pool.extents(), _stored(pool)

    assert written.differing() == []

    assert pool.extents() == extents
    assert _stored(pool) == stored
