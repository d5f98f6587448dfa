"""The pool directory is lost, alone or with disks: ``import`` brings the pool back."""

from __future__ import annotations

import shutil

import pytest

from engine.status.views import ExitCode
from tests.e2e.contents import Contents
from tests.e2e.harness import LivePool

SEED = 9


def _import(pool: LivePool, disks: list[int]) -> None:
    """Make the pool directory again from the disks of these numbers."""
    paths = [str(pool.disks[number]) for number in disks]
    pool.must("import", *paths, "--into", str(pool.pool_dir), "--yes")


def test_a_lost_pool_directory_is_imported_from_the_disks(pool: LivePool) -> None:
    contents = Contents(pool.mountpoint)
    contents.write_sizes(SEED)
    pool.unmount()
    shutil.rmtree(pool.pool_dir)

    _import(pool, [0, 1, 2, 3, 4, 5])
    pool.mount()

    assert contents.differing() == []
    assert pool.ask("check").code == ExitCode.FINE


def test_an_imported_pool_is_written_to_as_before(pool: LivePool) -> None:
    contents = Contents(pool.mountpoint)
    contents.write_sizes(SEED)
    pool.unmount()
    shutil.rmtree(pool.pool_dir)
    _import(pool, [5, 3, 1, 0, 2, 4])
    pool.mount()

    contents.write_sizes(SEED + 1)
    pool.remount()

    assert contents.differing() == []


def test_pool_directory_and_two_disks_at_once_after_the_journal_set_changed(
    pool: LivePool,
) -> None:
    contents = Contents(pool.mountpoint)
    contents.write_sizes(SEED)
    members = [number for number, disk in enumerate(pool.view().disks) if disk.in_journal_set]
    assert len(members) == 5
    pool.take_away(members[0])
    pool.find_disks(1)
    changed = [number for number, disk in enumerate(pool.view().disks) if disk.in_journal_set]
    assert changed != members
    contents.write_sizes(SEED + 1)
    pool.unmount()
    pool.bring_back(members[0])
    shutil.rmtree(pool.pool_dir)
    for number in changed[:2]:
        pool.take_away(number)

    _import(pool, [number for number in range(6) if number not in changed[:2]])
    pool.mount()

    assert contents.differing() == []


def test_an_import_shows_what_it_would_take_and_changes_nothing(pool: LivePool) -> None:
    pool.unmount()
    shutil.rmtree(pool.pool_dir)

    outcome = pool.command(
        "import", *map(str, pool.disks), "--into", str(pool.pool_dir), "--dry-run"
    )

    assert outcome.code == ExitCode.FINE
    assert "pool live" in outcome.printed
    assert not pool.pool_dir.exists()


@pytest.mark.parametrize("damage", ["overwritten", "deleted"])
def test_a_damaged_database_is_made_again_while_opening(pool: LivePool, damage: str) -> None:
    contents = Contents(pool.mountpoint)
    contents.write_sizes(SEED)
    pool.unmount()
    database = pool.pool_dir / "metadata.db"
    if damage == "deleted":
        database.unlink()
    else:
        with database.open("r+b") as file:
            file.seek(8192)
            file.write(b"\xa5" * 16384)

    pool.mount()

    assert contents.differing() == []
    assert pool.ask("check").code == ExitCode.FINE
