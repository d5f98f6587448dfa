"""What checkpoints take of the pool directory's room, on real file systems (P6)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from engine.errors import DeviceFailedError
from engine.ids import Generation
from engine.metadata import checkpoint, scratch
from engine.metadata.catchup import copy_checkpoint
from engine.metadata.checkpoint import CheckpointMade, make_checkpoint
from engine.metadata.containers import copy_database
from engine.metadata.quorum import JournalSet
from engine.metadata.rebuild import open_empty
from engine.metadata.scratch import ScratchError, remove_scratch
from engine.units import KIB, MIB
from tests.errors.small_file_system import small_file_system
from tests.unit.metadata.written_pool import ABC, A, B, LaneDisks, WrittenPool, lane_disks, naming

RESERVE_BYTES: Final = 128 * KIB
VALUE_BYTES: Final = 2 * MIB
"""What makes the database and every copy of it large beside the reserve; it is there
twice, in its table and in the outbox."""

QUORUM: Final = JournalSet(disks=ABC, tolerance=1)


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "POOL_RESERVE_BYTES", RESERVE_BYTES)
    for module in (scratch, checkpoint):
        monkeypatch.setattr(module, "WAL_CHECKPOINT_BYTES", 0)


@contextmanager
def pool_with(folder: Path, *, spare_bytes: int) -> Iterator[tuple[WrittenPool, LaneDisks]]:
    """Yield a pool whose directory has a file system of its own with so much room."""
    pool = WrittenPool(folder / "pool")
    pool.write(change=naming("large", "x" * VALUE_BYTES))
    with small_file_system(pool.folder, spare_bytes=spare_bytes), lane_disks(pool.devices) as disks:
        yield pool, disks


def make(
    pool: WrittenPool, disks: LaneDisks, meanwhile: Callable[[Generation], None]
) -> CheckpointMade:
    """Make a checkpoint; *meanwhile* is called between the copy and its proof."""
    return make_checkpoint(
        disks,
        database=pool.database,
        scratch=pool.folder,
        quorum=QUORUM,
        wait_acknowledged=meanwhile,
    )


def free_bytes(folder: Path) -> int:
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize


def fill_but(folder: Path, left_bytes: int) -> None:
    (folder / "filler").write_bytes(bytes(free_bytes(folder) - left_bytes))


def leftovers(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if file.name.startswith("checkpoint.")]


def test_a_checkpoint_that_would_take_the_room_of_commits_is_not_begun(tmp_path: Path) -> None:
    # The copy alone would fit, and nothing else then.
    with pool_with(tmp_path, spare_bytes=2 * VALUE_BYTES + 4 * RESERVE_BYTES) as (pool, disks):
        copied: list[Generation] = []

        with pytest.raises(ScratchError, match=r"no room for a checkpoint .* free, .* needed"):
            make(pool, disks, copied.append)

        assert copied == []
        assert leftovers(pool.folder) == []


def test_a_checkpoint_is_given_up_when_others_take_the_room_meanwhile(tmp_path: Path) -> None:
    with pool_with(tmp_path, spare_bytes=8 * VALUE_BYTES) as (pool, disks):

        def fill(_generation: Generation) -> None:
            fill_but(pool.folder, VALUE_BYTES)

        with pytest.raises(ScratchError, match="no room for a checkpoint"):
            make(pool, disks, fill)

        assert leftovers(pool.folder) == []
        assert free_bytes(pool.folder) > VALUE_BYTES
        (pool.folder / "filler").unlink()
        assert make(pool, disks, lambda _: None).disks == ABC


def test_a_copy_of_the_database_stops_growing_when_room_runs_short(tmp_path: Path) -> None:
    pool = WrittenPool(tmp_path / "pool")
    for number in range(8):
        pool.write(change=naming(f"large{number}", "x" * 32 * KIB))
    copy = tmp_path / "copy"
    sizes: list[int] = []

    def heed() -> None:
        sizes.append(copy.stat().st_size if copy.exists() else 0)
        if len(sizes) == 2:
            raise ScratchError("no room")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.metadata.heeding._HEED_STEPS", 20)
        with pytest.raises(ScratchError, match="no room"):
            copy_database(pool.database, copy, heed=heed)

    assert len(sizes) == 2
    assert sizes[-1] < pool.database.stat().st_size


def test_a_database_that_cannot_be_copied_for_want_of_room_is_not_called_damaged(
    tmp_path: Path,
) -> None:
    with (
        pool_with(tmp_path, spare_bytes=VALUE_BYTES // 2) as (pool, _disks),
        pytest.raises(ScratchError),
    ):
        copy_database(pool.database, pool.folder / "copy")


def test_a_proof_that_ran_out_of_room_is_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pool_with(tmp_path, spare_bytes=8 * VALUE_BYTES) as (pool, disks):
        monkeypatch.setattr(checkpoint, "require_room", lambda *_sizes: None)

        def fill(_generation: Generation) -> None:
            fill_but(pool.folder, 64 * KIB)

        with pytest.raises(ScratchError):
            make(pool, disks, fill)


def test_what_a_killed_checkpoint_left_goes_before_the_room_is_measured(tmp_path: Path) -> None:
    with pool_with(tmp_path, spare_bytes=8 * VALUE_BYTES) as (pool, disks):
        for name in ("checkpoint.copy", "checkpoint.proof-wal", "checkpoint.put"):
            (pool.folder / name).write_bytes(bytes(2 * VALUE_BYTES))

        made = make(pool, disks, lambda _: None)

        assert made.disks == ABC
        (pool.folder / "checkpoint.put").touch()
        remove_scratch(pool.folder)
        assert leftovers(pool.folder) == []


def test_a_checkpoint_is_not_copied_through_room_that_commits_need(tmp_path: Path) -> None:
    with pool_with(tmp_path, spare_bytes=8 * VALUE_BYTES) as (pool, disks):
        pool.devices[A].put("checkpoints/one", [b"x" * VALUE_BYTES])
        fill_but(pool.folder, VALUE_BYTES + RESERVE_BYTES)

        with pytest.raises(DeviceFailedError, match="no room"):
            copy_checkpoint(disks, B, A, "checkpoints/one", scratch=pool.folder)

        (pool.folder / "filler").unlink()
        copy_checkpoint(disks, B, A, "checkpoints/one", scratch=pool.folder)
        assert pool.devices[B].stat("checkpoints/one").length_bytes == VALUE_BYTES


def test_the_log_of_a_proof_starts_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.metadata.rebuild.WAL_CHECKPOINT_BYTES", 64 * KIB)
    proof = tmp_path / "proof"
    connection = open_empty(proof)
    for number in range(200):
        connection.execute("INSERT INTO property VALUES (?, 'x')", (str(number),))

    log_bytes = proof.with_name("proof-wal").stat().st_size
    connection.close()

    assert log_bytes < 256 * KIB
